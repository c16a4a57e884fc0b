"""The pictures to train on and to validate with: finding them, and reading them with their low resolution.

**A source** of pictures is a folder, in one of two forms:

- High-resolution (HR) pictures alone, in it and below; links to folders are followed. Low resolution (LR) is made by
  the exact bicubic of `sesr.imaging.resize`, rounded to 8 bits, as the benchmarks' LR is; of colour pictures in
  colour, before luma is taken. What else may happen to LR comes after that: `sesr.data.degradation`.
- A pair: a subfolder ``HR`` beside ``LR_bicubic`` or ``LR``, in which LR lies in ``X2`` (for scale 2), or directly if
  there is no folder of that kind. Both names may carry the prefix ``DIV2K_train_`` or ``DIV2K_valid_``; capitals or
  not is all the same.
  ``HR/NAME.png`` goes with ``NAMEx2`` in the LR folder or else with ``NAME``, of any picture format. LR is as large as
  HR divided by the scale, rounded down, and HR is cut to fit at its right and bottom.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sesr.errors import TrainingError
from sesr.files.files import open_picture, to_8_bits
from sesr.files.formats import PICTURE_SUFFIXES, USUAL_SUFFIXES
from sesr.imaging.resize import downscale

Pixels = NDArray[np.uint8]
Split = Literal["train", "validation"]

_PREFIXES: dict[Split, tuple[str, ...]] = {
    "train": ("", "DIV2K_train_", "DIV2K_valid_"),
    "validation": ("", "DIV2K_valid_", "DIV2K_train_"),
}


@dataclass(frozen=True)
class PicturePair:
    """One picture: its HR file, and its LR file unless LR is to be made."""

    hr: Path
    lr: Path | None


def find_pictures(folder: Path) -> list[Path]:
    """The picture files in a folder and below, sorted. Raises `TrainingError` where there are none."""
    if folder.is_file():
        raise TrainingError(f"{folder}: a file, not a folder; give a folder of pictures")
    if not folder.is_dir():
        raise TrainingError(f"{folder}: no such folder; give a folder of pictures")
    files = (path for path in _files_below(folder) if path.suffix.lower() in PICTURE_SUFFIXES and path.is_file())
    found = sorted(path for path in files if not path.name.startswith("."))
    if not found:
        raise TrainingError(f"{folder}: no images in it; give a folder of {USUAL_SUFFIXES} files")
    return found


def _files_below(folder: Path) -> Iterator[Path]:
    """Whatever is no folder, in a folder and below; symbolic links to folders are followed, to each folder once."""
    top = folder.resolve()
    entered = {top}

    def enters(path: Path) -> bool:
        real = path.resolve()
        if real in entered or (path.is_symlink() and real.is_relative_to(top)):  # in `top` it is met without the link
            return False
        entered.add(real)
        return True

    for place, folders, names in os.walk(folder, followlinks=True):
        folders[:] = [name for name in sorted(folders) if enters(Path(place, name))]
        yield from (Path(place, name) for name in names)


def find_pairs(source: Path, scale: int, split: Split = "train") -> list[PicturePair]:
    """The pictures of a source, in either form, sorted.

    Args:
        source: a folder of HR pictures, or of HR and LR ones, as told above.
        scale: whose LR is wanted.
        split: whose prefix is looked for first, where a folder holds both of DIV2K's.

    Raises `TrainingError` where there are no pictures, no LR for this scale, or an HR picture has no partner.
    """
    folders = _pair_folders(source, scale, split)
    if folders is None:
        return [PicturePair(path, None) for path in find_pictures(source)]
    originals, small = folders
    partners = {path.relative_to(small).with_suffix(""): path for path in find_pictures(small)}
    return [_paired(path, originals, small, partners, scale) for path in find_pictures(originals)]


def _pair_folders(source: Path, scale: int, split: Split) -> tuple[Path, Path] | None:
    """The folders of HR and of LR, or None where a source is no pair. Raises `TrainingError`."""
    folders = _subfolders(source)
    for prefix in _PREFIXES[split]:
        originals = folders.get(f"{prefix}HR".lower())
        parents = [folders[name] for last in ("LR_bicubic", "LR") if (name := f"{prefix}{last}".lower()) in folders]
        if originals is None or not parents:
            continue
        fitting = [found for parent in parents if (found := _of_scale(parent, scale)) is not None]
        if not fitting:
            raise TrainingError(
                f"{source}: holds HR and LR images, but none of scale {scale}; add them as "
                f"{parents[0] / f'X{scale}'}, or name {originals} to have LR made"
            )
        return originals, fitting[0]
    return None


def _of_scale(small: Path, scale: int) -> Path | None:
    """Where the images of a scale lie in a folder of LR images: below ``X2`` and the like, unless there are no such."""
    scales = {name: path for name, path in _subfolders(small).items() if re.fullmatch(r"x\d+", name)}
    return scales.get(f"x{scale}") if scales else small


def _subfolders(folder: Path) -> dict[str, Path]:
    """By their names in small letters."""
    return {path.name.lower(): path for path in folder.glob("*") if path.is_dir()}


def _paired(path: Path, originals: Path, small: Path, partners: dict[Path, Path], scale: int) -> PicturePair:
    stem = path.relative_to(originals).with_suffix("")
    marked = stem.with_name(f"{stem.name}x{scale}")
    partner = partners.get(marked) or partners.get(stem)
    if partner is None:
        raise TrainingError(f"{path}: its LR image {small / marked}{path.suffix} is missing; add it, or remove {path}")
    return PicturePair(path, partner)


def read_pair(pair: PicturePair, scale: int) -> tuple[Pixels, Pixels]:
    """HR (scale H, scale W) and LR (H, W) of a pair, both grey, or both colour with a third axis of 3.

    LR of a picture without a partner is made; both are empty where there is not one whole LR pixel. Raises
    `PictureError` where one cannot be read, `TrainingError` where the two do not fit.
    """
    hr = _read(pair.hr)
    height, width = hr.shape[0] // scale, hr.shape[1] // scale
    if pair.lr is not None:
        lr = _read(pair.lr)
        if lr.shape[:2] != (height, width):
            raise TrainingError(
                f"{pair.lr}: {lr.shape[1]} x {lr.shape[0]} pixels do not fit {pair.hr}, {hr.shape[1]} x "
                f"{hr.shape[0]}: at scale {scale} they must be {width} x {height}; replace or remove both"
            )
    else:
        lr = downscale(hr, scale) if height and width else hr[:0, :0]
    hr = hr[: height * scale, : width * scale]
    return (hr, lr) if hr.ndim == lr.ndim else (_to_colour(hr), _to_colour(lr))


def _read(path: Path) -> Pixels:
    """A picture, (H, W) if it is grey and (H, W, 3) if not. Raises `PictureError`.

    WebP knows no grey, so a colour picture whose channels are all equal counts as grey. Alpha is left out.
    """
    picture = open_picture(path)
    pixels = to_8_bits(picture.rows(0, picture.height))
    if pixels.ndim == 3:
        pixels = pixels[..., : 3 if pixels.shape[2] >= 3 else 1]
        if (pixels == pixels[..., :1]).all():
            pixels = pixels[..., 0]
    return pixels


def _to_colour(picture: Pixels) -> Pixels:
    return picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, axis=2)
