"""Pictures as luma planes in memory, and batches of crops cut from them.

A training set of hundreds of megapixels is small as 8-bit luma, so all of it stays in memory, high resolution (HR) and
low resolution (LR) side by side: each kind as one flat tensor, every picture at its offset. A batch is then one
gather, on whatever device the tensor lies; no decoding, no worker processes.

**A batch is a function of (seed, step)** and of nothing else. That makes a resumed run equal an unbroken one, and lets
several processes take shares of one batch. Every crop position of every picture is equally likely, so larger
pictures are drawn from more often; each crop is turned and mirrored in one of the eight ways of a square.

LR is made by the exact bicubic of `sesr.imaging.resize`, rounded to 8 bits, as the benchmarks' LR is; of colour
pictures in colour, before luma is taken.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from sesr.errors import TrainingError
from sesr.imaging.color import BT601_LIMITED, luma_from_grey
from sesr.imaging.files import OUTPUT_FORMATS, open_picture
from sesr.imaging.resize import downscale
from sesr.training.recipe import DataRecipe

Plane = NDArray[np.uint8]


@dataclass(frozen=True)
class LumaPlanes:
    """All pictures of a training set.

    Attributes:
        hr: all HR planes end to end, uint8.
        lr: all LR planes end to end, uint8.
        sizes: (pictures, 2) heights and widths of the LR planes; HR is `scale` times as large.
        limited: (pictures,) whether a picture's values are limited-range luma already.
        scale: HR pixels an LR pixel, on each axis.
    """

    hr: Tensor
    lr: Tensor
    sizes: NDArray[np.int64]
    limited: NDArray[np.bool_]
    scale: int

    def to(self, device: torch.device) -> "LumaPlanes":
        """The same planes on another device."""
        return LumaPlanes(self.hr.to(device), self.lr.to(device), self.sizes, self.limited, self.scale)

    @property
    def megapixels(self) -> float:
        """HR megapixels in all."""
        return self.hr.numel() / 1e6


def find_pictures(folder: Path) -> list[Path]:
    """The picture files in a folder and below, sorted. Raises `TrainingError` where there are none."""
    if not folder.is_dir():
        raise TrainingError(f"{folder}: no such folder; --data names a folder of images to train on")
    files = (path for path in folder.rglob("[!.]*") if path.suffix.lower() in OUTPUT_FORMATS and path.is_file())
    found = sorted(files)
    if not found:
        raise TrainingError(f"{folder}: no images in it; give a folder of {', '.join(OUTPUT_FORMATS)} files")
    return found


def load_planes(folder: Path, scale: int, recipe: DataRecipe) -> LumaPlanes:
    """Reads all pictures of a folder and makes their LR.

    Pictures smaller than a crop are left out and counted in one line. Raises `PictureError` for one that cannot be
    read, `TrainingError` where nothing is left.
    """
    planes: list[tuple[Plane, Plane]] = []
    limited: list[bool] = []
    paths = [path for path in find_pictures(folder) if any(fnmatch(path.name, name) for name in recipe.pictures)]
    for path in tqdm(paths, desc="reading images", unit="image", leave=False, disable=None):
        hr, lr, grey = _read_pair(path, scale)
        if min(lr.shape) >= recipe.crop:
            planes.append((hr, lr))
            limited.append(grey and recipe.grey_range == "limited")
    small = len(paths) - len(planes)
    if small:
        tqdm.write(f"{folder}: {small} of {len(paths)} images are smaller than a crop and left out")
    if not planes:
        raise TrainingError(f"{folder}: no image is as large as a crop, {scale * recipe.crop} pixels a side")
    return LumaPlanes(
        hr=torch.from_numpy(np.concatenate([hr.ravel() for hr, _ in planes])),
        lr=torch.from_numpy(np.concatenate([lr.ravel() for _, lr in planes])),
        sizes=np.array([lr.shape for _, lr in planes], np.int64),
        limited=np.array(limited),
        scale=scale,
    )


def _read_pair(path: Path, scale: int) -> tuple[Plane, Plane, bool]:
    """HR and LR luma of a picture, and whether it is a grey one."""
    picture, grey = _read(path)
    height, width = (side // scale * scale for side in picture.shape[:2])
    if not height or not width:
        return np.empty((0, 0), np.uint8), np.empty((0, 0), np.uint8), grey
    picture = picture[:height, :width]
    return _to_grey(picture), _to_grey(downscale(picture, scale)), grey


def _read(path: Path) -> tuple[Plane, bool]:
    """A picture, (H, W) if it is grey and (H, W, 3) if not, and whether it is grey. Raises `PictureError`.

    WebP knows no grey, so a colour picture whose channels are all equal counts as grey. Alpha is left out.
    """
    picture = open_picture(path)
    pixels = picture.rows(0, picture.height)
    if pixels.ndim == 3:
        pixels = pixels[..., : 3 if pixels.shape[2] >= 3 else 1]
        if (pixels == pixels[..., :1]).all():
            pixels = pixels[..., 0]
    return pixels, pixels.ndim == 2


def _to_grey(picture: Plane) -> Plane:
    """Full-range BT.601 grey of an RGB picture, 8 bits; grey stays as it is."""
    return picture if picture.ndim == 2 else np.asarray(Image.fromarray(picture).convert("L"))


class CropSampler:
    """Cuts the batch of any step.

    Args:
        planes: the pictures, on the device where batches are wanted.
        crop: side of an LR crop in pixels.
        batch: crops a batch.
        seed: together with the step's number, decides everything.
    """

    def __init__(self, planes: LumaPlanes, crop: int, batch: int, seed: int) -> None:
        self.planes, self.crop, self.batch, self.seed = planes, crop, batch, seed
        self._columns = planes.sizes[:, 1] - crop + 1
        positions = (planes.sizes[:, 0] - crop + 1) * self._columns
        self._ends = np.cumsum(positions)
        areas = planes.sizes.prod(axis=1)
        self._offsets = np.cumsum(areas) - areas

    def __call__(self, step: int) -> tuple[Tensor, Tensor]:
        """The batch of a step: luma Y/255 as float32, LR (batch, 1, crop, crop) and HR `scale` times as large."""
        draw = np.random.Generator(np.random.PCG64([self.seed, step]))
        position = draw.integers(self._ends[-1], size=self.batch)
        turn = draw.integers(8, size=self.batch)
        picture = np.searchsorted(self._ends, position, side="right")
        y, x = np.divmod(position - (self._ends[picture] - self._positions(picture)), self._columns[picture])
        offset, width, scale = self._offsets[picture], self.planes.sizes[picture, 1], self.planes.scale
        limited = self.planes.limited[picture]
        lr = _gather(self.planes.lr, offset + y * width + x, width, self.crop, turn, limited)
        corner = offset * scale**2 + scale * y * (scale * width) + scale * x
        hr = _gather(self.planes.hr, corner, scale * width, scale * self.crop, turn, limited)
        return lr, hr

    def _positions(self, picture: NDArray[np.int64]) -> NDArray[np.int64]:
        rows: NDArray[np.int64] = self.planes.sizes[picture, 0] - self.crop + 1
        return rows * self._columns[picture]


def _gather(
    flat: Tensor,
    corner: NDArray[np.int64],
    stride: NDArray[np.int64],
    side: int,
    turn: NDArray[np.int64],
    limited: NDArray[np.bool_],
) -> Tensor:
    """Square crops out of flat planes, turned: bit 0 of `turn` flips rows, bit 1 columns, bit 2 transposes."""
    column_vectors = (np.reshape(values, (-1, 1, 1)) for values in (corner, stride, turn, limited))
    start, step, way, is_luma = (torch.from_numpy(values).to(flat.device) for values in column_vectors)
    line = torch.arange(side, device=flat.device)
    down, right = line[None, :, None], line[None, None, :]
    rows, columns = torch.where(way & 4 > 0, right, down), torch.where(way & 4 > 0, down, right)
    rows = torch.where(way & 1 > 0, side - 1 - rows, rows)
    columns = torch.where(way & 2 > 0, side - 1 - columns, columns)
    values = flat[start + rows * step + columns].float()
    return torch.where(is_luma, values / 255, (16 + values * (219 / 255)) / 255)[:, None]


def read_validation(folder: Path, scale: int, recipe: DataRecipe) -> Iterator[tuple[NDArray[np.float64], Tensor]]:
    """HR luma 0..255 (scale H, scale W), unrounded, and LR luma Y/255 (1, 1, H, W) of each picture in a folder.

    Colour is converted to luma exactly, not by way of 8-bit grey. Raises `PictureError`, `TrainingError`.
    """
    for path in find_pictures(folder):
        picture, _ = _read(path)
        height, width = (side // scale * scale for side in picture.shape[:2])
        if min(height, width) <= 2 * scale:
            raise TrainingError(f"{path}: too small to validate on; take it out of {folder}")
        hr = picture[:height, :width]
        lr = _validation_luma(downscale(hr, scale), recipe)
        yield _validation_luma(hr, recipe), torch.from_numpy(lr / 255).float()[None, None]


def _validation_luma(picture: Plane, recipe: DataRecipe) -> NDArray[np.float64]:
    values = picture.astype(np.float64)
    if picture.ndim == 3:
        return BT601_LIMITED.luma(values)
    return values if recipe.grey_range == "limited" else luma_from_grey(values)


def fingerprint(planes: LumaPlanes) -> list[int]:
    """Enough of a training set to notice that a resumed run was given another one."""
    return [
        len(planes.sizes),
        planes.hr.numel(),
        int(planes.hr[:: 1 + planes.hr.numel() // 10**6].long().sum()),
    ]
