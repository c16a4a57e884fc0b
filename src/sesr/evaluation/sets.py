"""Benchmark sets on disk: pairs of a low-resolution picture and the original that its enlargement is compared with.

Sets usually come in the layout of EDSR, with low-resolution (LR) pictures that MATLAB made::

    DIR/Set5/HR/baby.png
    DIR/Set5/LR_bicubic/X2/babyx2.png

DIR may also be one such set itself, or a plain folder of high-resolution (HR) pictures, whose LR is then made by our
own exact bicubic. The same happens in a set that has no LR for the wanted scale. `sesr.data.pairs` finds and reads the
pictures, by its rules for evaluation: HR is cropped at the right and bottom to `scale` times LR, channels stay as they
are stored, and the alpha channel is dropped.
"""

from dataclasses import dataclass
from pathlib import Path

from sesr.data.pairs import EVALUATION, Pair, Pixels, find_pairs, read_pair
from sesr.errors import DataError, PictureError
from sesr.imaging.metrics import WINDOW

_USUAL_ORDER = ("set5", "set14", "bsd100", "b100", "urban100", "manga109")


@dataclass(frozen=True)
class BenchmarkSet:
    """A set of pictures, whose mean is one figure in a table."""

    name: str
    pairs: tuple[Pair, ...]


def find_sets(data: Path, scale: int) -> list[BenchmarkSet]:
    """Find the sets in a folder, in the order in which papers print them.

    Args:
        data: a folder of sets in EDSR's layout, one such set, or a plain folder of HR pictures.
        scale: the scale whose LR pictures to take.

    Raises `DataError` if there is no such folder, it holds no pictures, or an LR picture is missing.
    """
    if not data.is_dir():
        raise DataError(f"{data}: no such folder; name one with pictures, or with sets as Set5/HR/*.png")
    sets = [] if (data / "HR").is_dir() else [sub for sub in data.iterdir() if (sub / "HR").is_dir()]
    folders = sorted(sets, key=_place) or [data]
    return [
        BenchmarkSet(folder.resolve().name, tuple(find_pairs(folder, scale, rules=EVALUATION))) for folder in folders
    ]


def read_to_measure(pair: Pair, scale: int) -> tuple[Pixels, Pixels]:
    """Read HR and LR of a pair; both (H, W) gray or both (H, W, 3) RGB.

    Raises `PictureError` if a file cannot be read or is too small to measure, `DataError` if the two do not fit.
    """
    hr, lr = read_pair(pair, scale, EVALUATION)
    least = WINDOW + 2 * scale
    if min(hr.shape[:2]) < least:
        raise PictureError(f"{pair.hr}: too small to measure at x{scale}; its sides must be {least} or more")
    return hr, lr


def _place(folder: Path) -> tuple[int, str]:
    """Sort key: the usual order of papers, then by name."""
    name = folder.name.lower()
    return (_USUAL_ORDER.index(name) if name in _USUAL_ORDER else len(_USUAL_ORDER), name)
