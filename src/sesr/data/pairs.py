"""HR/LR pairs of pictures, for training, validation and evaluation: finding them and reading them.

**A source** of pictures is a folder in one of two forms:

- High-resolution (HR) pictures alone. Low resolution (LR) is made by the exact bicubic of `sesr.imaging.resize`,
  rounded to 8 bits, as the benchmarks' LR is. A color picture is shrunk in color, before luma is taken. Any further
  degradation comes after that: `sesr.data.degradation`.
- Pairs: a subfolder ``HR`` next to ``LR_bicubic`` or ``LR``. LR lies in a subfolder ``X2`` (for scale 2), or directly
  in the LR folder if that has no subfolder for any scale. Both names may carry the prefix ``DIV2K_train_`` or
  ``DIV2K_valid_``; upper and lower case are the same.
  ``HR/NAME.png`` goes with ``NAMEx2`` in the LR folder, or else with ``NAME``, of any picture format. LR is as large as
  HR divided by the scale, rounded down. HR is cropped at the right and bottom to fit.

Training and evaluation do not demand the same of a source. `Rules` holds the differences.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sesr.errors import DataError
from sesr.files.formats import PICTURE_SUFFIXES, USUAL_SUFFIXES
from sesr.files.open import open_picture
from sesr.files.write import to_8_bits
from sesr.imaging.resize import downscale

Pixels = NDArray[np.uint8]
Split = Literal["train", "validation"]

_PREFIXES: dict[Split, tuple[str, ...]] = {
    "train": ("", "DIV2K_train_", "DIV2K_valid_"),
    "validation": ("", "DIV2K_valid_", "DIV2K_train_"),
}


@dataclass(frozen=True)
class Rules:
    """Requirements on a source and on the two pictures of a pair.

    Attributes:
        nested: pictures in subfolders count too, and symbolic links to folders are followed.
        lr_required: a folder of pairs without LR for the wanted scale is an error. Otherwise LR is made from HR.
        lr_slack: rows or columns that LR may lack at the right and bottom. EDSR's benchmark sets were cropped for all
            scales at once, so an LR picture may lack one.
        as_stored: the channels stay as the file has them, and HR and LR must have the same. Otherwise a color picture
            whose channels are all equal counts as gray, since WebP has no gray; and gray next to color becomes color.
    """

    nested: bool
    lr_required: bool
    lr_slack: int
    as_stored: bool


TRAINING = Rules(nested=True, lr_required=True, lr_slack=0, as_stored=False)
EVALUATION = Rules(nested=False, lr_required=False, lr_slack=1, as_stored=True)


@dataclass(frozen=True)
class Pair:
    """One picture: its HR file, and its LR file unless LR is to be made."""

    hr: Path
    lr: Path | None

    @property
    def name(self) -> str:
        """The HR file's name without its suffix."""
        return self.hr.stem


def find_pictures(folder: Path, *, nested: bool = True) -> list[Path]:
    """List the picture files in a folder, sorted, without hidden ones.

    Args:
        folder: where to look.
        nested: also list the pictures in subfolders.

    Raises `DataError` if there are none.
    """
    if folder.is_file():
        raise DataError(f"{folder}: a file, not a folder; give a folder of pictures")
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; give a folder of pictures")
    candidates = _files_below(folder) if nested else folder.iterdir()
    files = (path for path in candidates if path.suffix.lower() in PICTURE_SUFFIXES and path.is_file())
    found = sorted(path for path in files if not path.name.startswith("."))
    if not found:
        raise DataError(f"{folder}: no pictures in it; give a folder of {USUAL_SUFFIXES} files")
    return found


def _files_below(folder: Path) -> Iterator[Path]:
    """Yield all files in a folder and below. Symbolic links to folders are followed, to each folder once."""
    top = folder.resolve()
    entered = {top}

    def enters(path: Path) -> bool:
        real = path.resolve()
        if real in entered or (path.is_symlink() and real.is_relative_to(top)):  # the walk meets it without the link
            return False
        entered.add(real)
        return True

    for place, folders, names in os.walk(folder, followlinks=True):
        folders[:] = [name for name in sorted(folders) if enters(Path(place, name))]
        yield from (Path(place, name) for name in names)


def find_pairs(source: Path, scale: int, split: Split = "train", rules: Rules = TRAINING) -> list[Pair]:
    """Find the pictures of a source, in either form, sorted.

    Args:
        source: a folder of HR pictures, or of HR and LR ones, as described above.
        scale: the scale whose LR is wanted.
        split: decides whose prefix is tried first, if a folder holds both splits of DIV2K.
        rules: what the source must be like.

    Raises `DataError` if there are no pictures, no LR for this scale, or an HR picture has no partner.
    """
    folders = _pair_folders(source, split, rules)
    if folders is None:
        return [Pair(path, None) for path in find_pictures(source, nested=rules.nested)]
    hr_folder, lr_folders = folders
    of_scale = [found for folder in lr_folders if (found := _folder_of_scale(folder, scale)) is not None]
    if of_scale:
        return _paired(hr_folder, of_scale[0], scale, rules)
    if rules.lr_required:
        raise DataError(
            f"{source}: holds HR and LR images, but none of scale {scale}; add them as "
            f"{lr_folders[0] / f'X{scale}'}, or name {hr_folder} to have LR made"
        )
    return [Pair(path, None) for path in find_pictures(hr_folder, nested=rules.nested)]


def _pair_folders(source: Path, split: Split, rules: Rules) -> tuple[Path, list[Path]] | None:
    """Find the folder of HR and those of LR; None if the source is in the first form, without pairs."""
    folders = _subfolders(source)
    for prefix in _PREFIXES[split]:
        hr_folder = folders.get(f"{prefix}HR".lower())
        lr_folders = [folders[name] for last in ("LR_bicubic", "LR") if (name := f"{prefix}{last}".lower()) in folders]
        if hr_folder is not None and (lr_folders or not rules.lr_required):
            return hr_folder, lr_folders
    return None


def _folder_of_scale(lr_folder: Path, scale: int) -> Path | None:
    """Return ``X2`` or the like in an LR folder, or the LR folder itself if it has no subfolder for any scale."""
    scales = {name: path for name, path in _subfolders(lr_folder).items() if re.fullmatch(r"x\d+", name)}
    return scales.get(f"x{scale}") if scales else lr_folder


def _subfolders(folder: Path) -> dict[str, Path]:
    """Return the subfolders by their names in lower case."""
    return {path.name.lower(): path for path in folder.glob("*") if path.is_dir()}


def _paired(hr_folder: Path, lr_folder: Path, scale: int, rules: Rules) -> list[Pair]:
    originals = find_pictures(hr_folder, nested=rules.nested)
    partners = {
        path.relative_to(lr_folder).with_suffix(""): path for path in find_pictures(lr_folder, nested=rules.nested)
    }
    pairs = []
    for path in originals:
        stem = path.relative_to(hr_folder).with_suffix("")
        marked = stem.with_name(f"{stem.name}x{scale}")
        partner = partners.get(marked) or partners.get(stem)
        if partner is None:
            wanted = f"{lr_folder / marked}{path.suffix}"
            raise DataError(f"{path}: its LR image {wanted} is missing; add it, or remove {path}")
        pairs.append(Pair(path, partner))
    return pairs


def read_pair(pair: Pair, scale: int, rules: Rules = TRAINING) -> tuple[Pixels, Pixels]:
    """Read HR (scale H, scale W) and LR (H, W); both gray, or both color with a third axis of 3.

    LR is made if the pair has no LR file. Both are empty if HR is smaller than one LR pixel. The alpha channel is
    dropped.

    Raises `PictureError` if a file cannot be read, `DataError` if the two pictures do not fit together.
    """
    hr = _read(pair.hr, rules)
    if pair.lr is None:
        lr = downscale(hr, scale) if min(hr.shape[:2]) >= scale else hr[:0, :0]
    else:
        lr = _read(pair.lr, rules)
        _check_fit(pair, hr, lr, scale, rules)
    hr = hr[: lr.shape[0] * scale, : lr.shape[1] * scale]
    return (hr, lr) if hr.ndim == lr.ndim else (_to_color(hr), _to_color(lr))


def _check_fit(pair: Pair, hr: Pixels, lr: Pixels, scale: int, rules: Rules) -> None:
    height, width = hr.shape[0] // scale, hr.shape[1] // scale
    missing = (height - lr.shape[0], width - lr.shape[1])
    if not all(0 <= lines <= rules.lr_slack for lines in missing):
        raise DataError(
            f"{pair.lr}: {lr.shape[1]} x {lr.shape[0]} pixels do not fit {pair.hr}, {hr.shape[1]} x "
            f"{hr.shape[0]}: at scale {scale} they must be {width} x {height}; replace or remove both"
        )
    if rules.as_stored and hr.ndim != lr.ndim:
        kinds = {2: "gray", 3: "in color"}
        raise DataError(f"{pair.lr}: {kinds[lr.ndim]}, but {pair.hr} is {kinds[hr.ndim]}; replace or remove both")


def _read(path: Path, rules: Rules) -> Pixels:
    """Read a picture as (H, W) or (H, W, 3), without alpha."""
    picture = open_picture(path)
    pixels = to_8_bits(picture.rows(0, picture.height))
    if pixels.ndim == 2:
        return pixels
    if pixels.shape[2] < 3:  # gray and alpha
        return pixels[..., 0]
    pixels = pixels[..., :3]
    return pixels[..., 0] if not rules.as_stored and (pixels == pixels[..., :1]).all() else pixels


def _to_color(picture: Pixels) -> Pixels:
    return picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, axis=2)
