"""Benchmark sets on disk: which pictures are measured, and against what.

Two layouts are known. EDSR's, in which the field shares its sets, with low-resolution (LR) pictures made by MATLAB::

    DIR/Set5/HR/baby.png
    DIR/Set5/LR_bicubic/X2/babyx2.png

where DIR may also be the one set itself; and any plain folder of high-resolution (HR) pictures, for which LR is made
by our own exact bicubic, as also for a scale whose LR folder is not there. Either way HR is cut at the top left to
scale times the LR picture. Transparency is left out of the comparison.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sesr.errors import PictureError
from sesr.files.files import open_picture, to_8_bits
from sesr.files.formats import PICTURE_SUFFIXES, USUAL_SUFFIXES
from sesr.imaging.metrics import WINDOW
from sesr.imaging.resize import downscale

_USUAL_ORDER = ("set5", "set14", "bsd100", "b100", "urban100", "manga109")


@dataclass(frozen=True)
class Pair:
    """One picture to measure: its HR file, and its LR file unless LR is to be made."""

    hr: Path
    lr: Path | None

    @property
    def name(self) -> str:
        return self.hr.stem


@dataclass(frozen=True)
class BenchmarkSet:
    """Pictures whose mean is one figure in a table."""

    name: str
    pairs: tuple[Pair, ...]


def find_sets(data: Path, scale: int) -> list[BenchmarkSet]:
    """The sets in a folder, in the order in which papers print them.

    Args:
        data: a folder of sets in EDSR's layout, one such set, or a plain folder of HR pictures.
        scale: whose LR pictures to take.

    Raises:
        PictureError: there is no such folder, there are no pictures in it, or an LR picture is missing.
    """
    if not data.is_dir():
        raise PictureError(f"{data}: no such folder; name one with pictures, or with sets as Set5/HR/*.png")
    folders = [data] if (data / "HR").is_dir() else [sub for sub in data.iterdir() if (sub / "HR").is_dir()]
    if not folders:
        return [BenchmarkSet(data.resolve().name, tuple(Pair(hr, None) for hr in _pictures(data)))]
    return [_edsr_set(folder, scale) for folder in sorted(folders, key=_place)]


def read_pair(pair: Pair, scale: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The two pictures of a pair, both (H, W) grey or both (H, W, 3) RGB.

    Returns:
        HR, cut to scale times LR, and LR.

    Raises:
        PictureError: a file cannot be read, the two do not fit, or there is too little to measure.
    """
    hr = _read(pair.hr)
    least = WINDOW + 2 * scale
    if min(hr.shape[:2]) // scale * scale < least:
        raise PictureError(f"{pair.hr}: too small to measure at x{scale}; its sides must be {least} or more")
    lr = downscale(hr, scale) if pair.lr is None else _read(pair.lr)
    height, width = lr.shape[0] * scale, lr.shape[1] * scale
    missing = (hr.shape[0] - height, hr.shape[1] - width)
    if min(missing) < 0 or max(missing) >= 2 * scale or hr.ndim != lr.ndim:
        raise PictureError(f"{pair.lr}: not {pair.hr} shrunk {scale} times; remove it to have LR made")
    return hr[:height, :width], lr


def _edsr_set(folder: Path, scale: int) -> BenchmarkSet:
    small = folder / "LR_bicubic" / f"X{scale}"
    originals = _pictures(folder / "HR")
    if not small.is_dir():
        return BenchmarkSet(folder.resolve().name, tuple(Pair(hr, None) for hr in originals))
    pairs = tuple(Pair(hr, small / f"{hr.stem}x{scale}.png") for hr in originals)
    for pair in pairs:
        if pair.lr is not None and not pair.lr.is_file():
            raise PictureError(f"{pair.lr}: missing; restore it, or remove {small} to have LR made")
    return BenchmarkSet(folder.resolve().name, pairs)


def _pictures(folder: Path) -> list[Path]:
    """Files with a picture's suffix, hidden ones left out, by name."""
    files = [file for file in folder.iterdir() if file.suffix.lower() in PICTURE_SUFFIXES and file.is_file()]
    found = sorted(file for file in files if not file.name.startswith("."))
    if not found:
        raise PictureError(f"{folder}: no pictures in it; give a folder of {USUAL_SUFFIXES} files")
    return found


def _place(folder: Path) -> tuple[int, str]:
    name = folder.name.lower()
    return (_USUAL_ORDER.index(name) if name in _USUAL_ORDER else len(_USUAL_ORDER), name)


def _read(path: Path) -> NDArray[np.uint8]:
    """(H, W) or (H, W, 3), without alpha."""
    picture = open_picture(path)
    pixels = to_8_bits(picture.rows(0, picture.height))
    if picture.mode == "LA":
        return pixels[..., 0]
    return pixels[..., :3] if picture.mode == "RGBA" else pixels
