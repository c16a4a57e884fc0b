"""Pictures as luma planes in memory.

A training set of hundreds of megapixels is small as 8-bit luma, so all of it stays in memory, high resolution (HR) and
low resolution (LR) side by side: each as one flat tensor, with every picture at its offset. `sesr.data.crops` cuts its
crops from there, on whatever device the tensors lie. Nothing is decoded while training, and no worker processes are
needed.

Luma Y (0..255) here is BT.601's, limited range: 16 is black and 235 is white. The planes hold 8-bit gray as files have
it, full range (0 is black, 255 is white), or Y itself where a recipe says that gray files hold Y (`luma_scale`).
"""

import dataclasses
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from sesr.data.degradation import degrade
from sesr.data.pairs import Pair, Pixels, find_pairs, read_pair
from sesr.data.settings import DataRecipe
from sesr.errors import DataError, PictureError
from sesr.files.open import picture_size

FINE = 64
"""Steps per gray level in planes that are kept finer than 8 bits, as int16."""


@dataclass(frozen=True)
class LumaPlanes:
    """All pictures of a training set.

    Attributes:
        hr: all HR planes end to end, uint8; or a teacher's answers in their place, int16 in steps of 1 / `FINE` gray
            level.
        lr: all LR planes end to end, uint8.
        sizes: (pictures, 2) heights and widths of the LR planes; HR is `scale` times as large.
        limited: (pictures,) True for pictures whose values are luma Y already.
        scale: HR pixels per LR pixel, on each axis.
        names: file names of the pictures, without folders.
        answer_errors: (pictures,) mean squared error of a teacher's answer against each picture, in luma Y/255. None if
            that was not measured.
    """

    hr: Tensor
    lr: Tensor
    sizes: NDArray[np.int64]
    limited: NDArray[np.bool_]
    scale: int
    names: tuple[str, ...]
    answer_errors: Tensor | None = None

    def to(self, device: torch.device) -> "LumaPlanes":
        """Return the same planes on another device."""
        answer_errors = None if self.answer_errors is None else self.answer_errors.to(device)
        return dataclasses.replace(self, hr=self.hr.to(device), lr=self.lr.to(device), answer_errors=answer_errors)

    @property
    def megapixels(self) -> float:
        """HR megapixels of all pictures together."""
        return self.hr.numel() / 1e6


@dataclass(frozen=True)
class ReadPlanes:
    """Planes with the lines that reading them gave rise to.

    Attributes:
        planes: the pictures that could be used.
        notes: a line for each picture that could not, and one that counts those too small.
        repeatable: False if a picture was left out because the system failed, and the next try may succeed.
    """

    planes: LumaPlanes
    notes: list[str]
    repeatable: bool = True


def find_matching(source: Path, scale: int, recipe: DataRecipe) -> list[Pair]:
    """Find the pairs whose file names match the recipe's patterns. Raises `DataError` if there are none."""
    everything = find_pairs(source, scale)
    pairs = [pair for pair in everything if any(fnmatch(pair.hr.name, pattern) for pattern in recipe.pictures)]
    if not pairs:
        patterns = ", ".join(recipe.pictures)
        raise DataError(f"{source}: no file name of its {len(everything)} images matches {patterns}; change pictures")
    return pairs


def check_pictures(source: Path, scale: int, recipe: DataRecipe, *, quiet: bool = False) -> None:
    """Raise the `DataError` that `read_planes` would end with, as far as file names and headers tell.

    Headers are read until one says that its picture is as large as a crop, or does not say how large it is. Patterns
    that no file name matches are named in a line, unless `quiet`.
    """
    side, pairs = scale * recipe.crop, find_matching(source, scale, recipe)
    names = [pair.hr.name for pair in pairs]
    unmatched = [pattern for pattern in recipe.pictures if not any(fnmatch(name, pattern) for name in names)]
    if unmatched:
        say(f"{source}: no image's name matches {', '.join(unmatched)}; training goes on without such pictures", quiet)
    sizes = (picture_size(pair.hr) for pair in pairs)
    if not any(size is None or min(size) >= side for size in sizes):
        raise _none_is_large_enough(source, scale, recipe)


def _none_is_large_enough(source: Path, scale: int, recipe: DataRecipe) -> DataError:
    side = scale * recipe.crop
    return DataError(f"{source}: no image that can be read is as large as a crop, {side} pixels a side")


def read_planes(source: Path, pairs: list[Pair], scale: int, recipe: DataRecipe, *, quiet: bool = False) -> ReadPlanes:
    """Read pictures as planes, and leave out those that are smaller than a crop or cannot be read.

    Args:
        source: the folder that the pictures were found in, for messages.
        pairs: the pictures.
        scale: HR pixels per LR pixel, on each axis.
        recipe: the least size, the meaning of gray values, and the degradation of LR.
        quiet: do not print the notes and the progress bar.

    Raises `DataError` if nothing is left, or if HR and LR do not fit together.
    """
    reading = _Reading(source, scale, recipe, quiet)
    hidden = True if quiet else None  # None: shown on a terminal
    for pair in tqdm(pairs, desc="reading images", unit="image", leave=False, disable=hidden):
        try:
            reading.add(pair.hr.name, *read_pair(pair, scale))
        except PictureError as error:
            reading.leave_out(error)
    return reading.finish(len(pairs))


@dataclass
class _Reading:
    """Planes as they are read."""

    source: Path
    scale: int
    recipe: DataRecipe
    quiet: bool
    highs: list[Pixels] = field(default_factory=list)
    lows: list[Pixels] = field(default_factory=list)
    limited: list[bool] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    small: int = 0
    repeatable: bool = True

    def add(self, name: str, high: Pixels, low: Pixels) -> None:
        """Add a picture unless it is smaller than a crop."""
        if min(low.shape[:2]) < self.recipe.crop:
            self.small += 1
            return
        self.highs.append(to_gray(high))
        self.lows.append(degrade(to_gray(low), self.recipe.degradation))
        self.limited.append(high.ndim == 2 and self.recipe.grey_range == "limited")
        self.names.append(name)

    def leave_out(self, error: PictureError) -> None:
        """Note a picture that cannot be read."""
        self.note(f"{error} (left out)")
        self.repeatable = self.repeatable and not _may_pass(error)

    def note(self, line: str) -> None:
        """Print a line, and keep it for later starts from the cache."""
        self.notes.append(line)
        say(line, self.quiet)

    def finish(self, pictures: int) -> ReadPlanes:
        """Join the planes; `pictures` is the number that was tried. Raises `DataError` if none was added."""
        if self.small:
            self.note(f"{self.source}: {self.small} of {pictures} images are smaller than a crop and left out")
        if not self.highs:
            raise _none_is_large_enough(self.source, self.scale, self.recipe)
        sizes, limited = np.array([low.shape for low in self.lows], np.int64), np.array(self.limited)
        planes = LumaPlanes(_joined(self.highs), _joined(self.lows), sizes, limited, self.scale, tuple(self.names))
        return ReadPlanes(planes, self.notes, self.repeatable)


def say(line: str, quiet: bool) -> None:
    """Print a line next to progress bars, unless `quiet`."""
    if not quiet:
        tqdm.write(line)


def _may_pass(error: PictureError) -> bool:
    """Tell whether the system failed, not the picture: only the system's errors have numbers, decoders' have none."""
    cause = error.__cause__
    return isinstance(cause, MemoryError) or (isinstance(cause, OSError) and cause.errno is not None)


def _joined(planes: list[Pixels]) -> Tensor:
    """Join all planes end to end. Empties the list on the way, so that memory never holds a plane twice."""
    flat = np.empty(sum(plane.size for plane in planes), np.uint8)
    planes.reverse()
    start = 0
    while planes:
        plane = planes.pop()
        flat[start : start + plane.size] = plane.ravel()
        start += plane.size
    return torch.from_numpy(flat)


def to_gray(picture: Pixels) -> Pixels:
    """Convert RGB to full-range BT.601 gray of 8 bits; gray stays as it is."""
    return picture if picture.ndim == 2 else np.asarray(Image.fromarray(picture).convert("L"))


def luma_scale(limited: bool) -> tuple[float, float]:
    """Return gain and black: luma Y (0..255) is gain * value + black, for full-range gray or for values of Y."""
    return (1.0, 0.0) if limited else (219 / 255, 16.0)


def fingerprint(planes: LumaPlanes) -> list[int]:
    """Return a few numbers by which a resumed run notices that it was given another training set."""
    return [
        len(planes.sizes),
        planes.hr.numel(),
        int(planes.hr[:: 1 + planes.hr.numel() // 10**6].long().sum()),
    ]
