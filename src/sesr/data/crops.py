"""Batches of crops, cut from luma planes in memory.

**A batch is a function of (seed, step)** and of nothing else. That makes a resumed run equal an unbroken one, and lets
several processes take shares of one batch: each draws the places of all crops, which costs next to nothing, and cuts
its own. Each crop is turned and mirrored in one of the eight ways of a square.

Which pictures are drawn from (`DataRecipe.sampling`):

- ``pixels``: every crop position of every picture is equally likely, so larger pictures are drawn from more often.
- ``images``: the paper's epochs. In each, every picture gives `crops_per_image` crops (64 there), in an order shuffled
  anew. Batches run on over the end of an epoch, without a gap or a short batch.

Where in a picture (`DataRecipe.detail`): anywhere alike with 0. Otherwise with a probability proportional to
detail ** `DataRecipe.detail`, because skies and blurred backgrounds teach little beyond what bicubic knows. *Detail*
is measured on LR once: how far a pixel differs from its right and its lower neighbour, in grey levels, both added. It
is averaged over all that crops can see which start in the same cell, cells being half a crop wide and high, and
`LEAST_DETAIL` is added. With ``pixels``, detailed pictures are then drawn from more often too; with ``images`` each
gives as many crops as ever, from its better parts. The paper draws uniformly.

How often (`DataRecipe.weights`): with ``pixels``, positions of some pictures are drawn more or less often than those of
the others, by a factor. A set of a few small pictures is not drowned so by a large one that teaches less.
"""

from dataclasses import dataclass
from fnmatch import fnmatch
from typing import Protocol

import numpy as np
import torch
from numpy.random import PCG64, Generator
from numpy.typing import NDArray
from torch import Tensor

from sesr.data.planes import FINE, LumaPlanes, luma_scale
from sesr.data.settings import DataRecipe
from sesr.errors import TrainingError

Whole = NDArray[np.int64]

LEAST_DETAIL = 0.25
"""Grey levels added to the detail measured, so that flat places are rare and not impossible."""


@dataclass(frozen=True)
class Places:
    """Where the crops of a batch lie: all of shape (batch,).

    Attributes:
        picture: index of the picture.
        y: uppermost LR row.
        x: leftmost LR column.
        turn: 0 to 7. Bit 0 flips the crop's rows, bit 1 its columns, bit 2 transposes it then.
    """

    picture: Whole
    y: Whole
    x: Whole
    turn: Whole


class CropSampler:
    """Cuts the batch of any step.

    Args:
        planes: the pictures, on the device where batches are wanted.
        recipe: a crop's side, and how places are drawn.
        batch: crops a batch, over all processes.
        seed: together with the step's number, decides everything.
        rank: which process this is.
        ranks: processes that share a batch; their shares, one after the other, are the batch of a single process.

    Raises `TrainingError` where a batch cannot be shared out evenly.
    """

    def __init__(
        self, planes: LumaPlanes, recipe: DataRecipe, batch: int, seed: int, rank: int = 0, ranks: int = 1
    ) -> None:
        self.planes, self.recipe, self.batch, self.seed = planes, recipe, batch, seed
        self.epoch_length = len(planes.sizes) * recipe.crops_per_image
        self._share = share_of(batch, rank, ranks)
        self._positions = _positions(planes, recipe)
        self._shuffled = (-1, np.empty(0, np.int64))
        areas = planes.sizes.prod(axis=1)
        self._offsets = np.cumsum(areas) - areas

    @property
    def steps_per_epoch(self) -> float:
        """Steps in which as many crops are drawn as `crops_per_image` from each picture, however they are drawn."""
        return self.epoch_length / self.batch

    def __call__(self, step: int) -> tuple[Tensor, Tensor]:
        """This process's share of a step's batch.

        Returns:
            LR (share, 1, crop, crop) and HR, `scale` times as large: luma Y/255 as float32.
        """
        places, share = self.places(step), self._share
        picture, turn = places.picture[share], places.turn[share]
        y, x, width, scale = places.y[share], places.x[share], self.planes.sizes[picture, 1], self.planes.scale
        corner = self._offsets[picture] + y * width + x
        corner_hr = self._offsets[picture] * scale**2 + (scale * y) * (scale * width) + scale * x
        side = self.recipe.crop
        walks = _steps(corner, width, turn, side), _steps(corner_hr, scale * width, turn, scale * side)
        table = np.stack([*walks[0], *walks[1], self.planes.limited[picture]])
        moved = _moved(torch.from_numpy(table), self.planes.hr.device)[..., None, None]  # all at once: one copy
        limited = moved[6] > 0
        lr = _gather(self.planes.lr, moved[:3], side)
        hr = _gather(self.planes.hr, moved[3:6], scale * side)
        return _to_luma(lr, limited), _to_luma(hr, limited)

    def places(self, step: int) -> Places:
        """Where all crops of a step lie, of all processes."""
        draw = Generator(PCG64([self.seed, step]))
        if self.recipe.sampling == "pixels":
            picture, y, x = self._positions.anywhere(draw, self.batch)
        else:
            picture = self._epoch_pictures(step)
            y, x = self._positions.within(draw, picture)
        return Places(picture, y, x, draw.integers(8, size=self.batch))

    def _epoch_pictures(self, step: int) -> Whole:
        """The pictures whose turn it is, of one epoch or of several that meet in this batch."""
        epoch, place = np.divmod(step * self.batch + np.arange(self.batch), self.epoch_length)
        parts = [self._order(int(number))[place[epoch == number]] for number in np.unique(epoch)]
        return np.concatenate(parts) // self.recipe.crops_per_image

    def _order(self, epoch: int) -> Whole:
        """A permutation of an epoch's crops; the last one is kept."""
        if self._shuffled[0] != epoch:
            draw = Generator(PCG64([self.seed, epoch, 1]))  # the 1 keeps it apart from the draw of a step
            self._shuffled = (epoch, draw.permutation(self.epoch_length))
        return self._shuffled[1]


def share_of(batch: int, rank: int, ranks: int) -> slice:
    """One process's part of a batch. Raises `TrainingError` where it cannot be shared out evenly."""
    if batch % ranks:
        raise TrainingError(f"a batch of {batch} crops cannot be shared evenly by {ranks} processes; change batch")
    return slice(rank * batch // ranks, (rank + 1) * batch // ranks)


def drawing_weights(planes: LumaPlanes, recipe: DataRecipe) -> NDArray[np.float64]:
    """How often each picture's positions are drawn, beside 1."""
    return np.array([weight for _, weight in _first_matches(planes, recipe)])


def idle_patterns(planes: LumaPlanes, recipe: DataRecipe) -> list[str]:
    """The patterns of weights that decide over no picture."""
    deciding = {pattern for pattern, _ in _first_matches(planes, recipe)}
    return [pattern for pattern, _ in recipe.weights if pattern not in deciding]


def _first_matches(planes: LumaPlanes, recipe: DataRecipe) -> list[tuple[str | None, float]]:
    """Of each picture the pattern that decides, and its weight; no pattern, and 1, where none does."""
    return [next((pair for pair in recipe.weights if fnmatch(name, pair[0])), (None, 1.0)) for name in planes.names]


class _Positions(Protocol):
    """Draws places for crops."""

    def anywhere(self, draw: Generator, count: int) -> tuple[Whole, Whole, Whole]:
        """Pictures, rows and columns, each (count,)."""

    def within(self, draw: Generator, picture: Whole) -> tuple[Whole, Whole]:
        """Rows and columns in given pictures, each as many as those."""


def _positions(planes: LumaPlanes, recipe: DataRecipe) -> _Positions:
    if recipe.detail:
        return _Detailed(planes, recipe)
    often = drawing_weights(planes, recipe)
    return _Uniform(planes, recipe) if (often == often[0]).all() else _Weighted(planes, recipe)


class _Uniform:
    """Every position is equally likely."""

    def __init__(self, planes: LumaPlanes, recipe: DataRecipe) -> None:
        rows, self._columns = (planes.sizes - recipe.crop + 1).T
        self._counts = rows * self._columns
        self._ends = np.cumsum(self._counts)

    def anywhere(self, draw: Generator, count: int) -> tuple[Whole, Whole, Whole]:
        position = draw.integers(self._ends[-1], size=count)
        picture = np.searchsorted(self._ends, position, side="right")
        position -= self._ends[picture] - self._counts[picture]
        y, x = np.divmod(position, self._columns[picture])
        return picture, y, x

    def within(self, draw: Generator, picture: Whole) -> tuple[Whole, Whole]:
        y, x = np.divmod(draw.integers(self._counts[picture]), self._columns[picture])
        return y, x


class _Weighted(_Uniform):
    """Every position of a picture is equally likely; pictures differ by their weights too."""

    def __init__(self, planes: LumaPlanes, recipe: DataRecipe) -> None:
        super().__init__(planes, recipe)
        often = drawing_weights(planes, recipe)
        shares = np.cumsum(often / often.max() * self._counts)
        self._shares = shares / shares[-1]

    def anywhere(self, draw: Generator, count: int) -> tuple[Whole, Whole, Whole]:
        picture = np.searchsorted(self._shares, draw.random(count), side="right")
        return picture, *self.within(draw, picture)


class _Detailed:
    """Positions weighted by detail: all that start in one cell of half a crop's side are equally likely.

    Over all cells of all pictures, picture after picture: `_corners` (cells, 2), the first position in a cell;
    `_extents` (cells, 2), how many there are down and across; `_ends` (cells,), the weights added up so far.
    """

    def __init__(self, planes: LumaPlanes, recipe: DataRecipe) -> None:
        cells, start = [], 0
        for height, width in planes.sizes.tolist():
            plane = planes.lr[start : start + height * width].view(height, width).cpu().numpy()
            cells.append(_cells(plane, recipe.crop))
            start += height * width
        self._corners, self._extents = (np.concatenate([cell[kind] for cell in cells]) for kind in (0, 1))
        detail = np.concatenate([mean for *_, mean in cells])
        lengths = [len(mean) for *_, mean in cells]
        often = np.repeat(drawing_weights(planes, recipe), lengths)
        often /= often.max()
        self._ends = np.cumsum(self._extents.prod(axis=1) * detail**recipe.detail * often)
        self._last = np.cumsum(lengths) - 1
        self._first = np.r_[0, self._last[:-1] + 1]

    def anywhere(self, draw: Generator, count: int) -> tuple[Whole, Whole, Whole]:
        weight = draw.random(count) * self._ends[-1]
        cell = np.minimum(np.searchsorted(self._ends, weight, side="right"), len(self._ends) - 1)
        y, x = self._in_cells(draw, cell)
        return np.searchsorted(self._last, cell), y, x

    def within(self, draw: Generator, picture: Whole) -> tuple[Whole, Whole]:
        first, last = self._first[picture], self._last[picture]
        below = np.where(first > 0, self._ends[first - 1], 0.0)
        weight = below + draw.random(len(picture)) * (self._ends[last] - below)
        return self._in_cells(draw, np.clip(np.searchsorted(self._ends, weight, side="right"), first, last))

    def _in_cells(self, draw: Generator, cell: Whole) -> tuple[Whole, Whole]:
        y, x = (self._corners[cell] + draw.integers(self._extents[cell])).T
        return y, x


def _cells(plane: NDArray[np.uint8], crop: int) -> tuple[Whole, Whole, NDArray[np.float64]]:
    """Corners and extents of an LR plane's cells, and the mean detail of all that the crops of each cell can see."""
    side = max(crop // 2, 1)
    counts = np.array(plane.shape) - crop + 1
    starts = [np.arange(0, count, side) for count in counts]
    corners = np.stack(np.meshgrid(*starts, indexing="ij"), axis=-1).reshape(-1, 2)
    extents = np.minimum(corners + side, counts) - corners
    (top, left), (bottom, right) = corners.T, (corners + extents + crop - 1).T
    sums = np.pad(_detail(plane), ((1, 0), (1, 0))).cumsum(axis=0, dtype=np.int64).cumsum(axis=1)
    inside = sums[bottom, right] - sums[top, right] - sums[bottom, left] + sums[top, left]
    return corners, extents, inside / ((bottom - top) * (right - left)) + LEAST_DETAIL


def _detail(plane: NDArray[np.uint8]) -> NDArray[np.int16]:
    """How far each pixel differs from its right and lower neighbours, in whole grey levels, (H, W)."""
    values = plane.astype(np.int16)
    detail = np.zeros_like(values)
    detail[:, :-1] = np.abs(np.diff(values, axis=1))
    detail[:-1] += np.abs(np.diff(values, axis=0))
    return detail


def _steps(corner: Whole, stride: Whole, turn: Whole, side: int) -> tuple[Whole, Whole, Whole]:
    """A turned crop as a walk over a flat plane: where it starts, and how far the next row and column are, each (n,).

    Args:
        corner: place of the crop's upper left pixel as it lies in the plane.
        stride: the plane's width.
        turn: as in `Places`.
        side: of the crop.
    """
    flips_rows, flips_columns, transposes = turn & 1, turn >> 1 & 1, turn >> 2
    start = corner + (side - 1) * (flips_rows * stride + flips_columns)
    down, right = np.where(flips_rows, -stride, stride), np.where(flips_columns, -1, 1)
    return start, np.where(transposes, right, down), np.where(transposes, down, right)


def _moved(table: Tensor, device: torch.device) -> Tensor:
    """On the device. From pinned memory a GPU copies when it comes to it; from other memory the program would wait."""
    return table.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else table.to(device)


def _gather(flat: Tensor, steps: Tensor, side: int) -> Tensor:
    """Square crops (n, side, side) out of flat planes, by `_steps` as (3, n, 1, 1)."""
    kind = torch.int32 if flat.numel() < 2**31 else torch.int64  # half the traffic where it suffices
    start, down, right = steps.to(kind)
    line = torch.arange(side, dtype=kind, device=flat.device)
    places = (start + down * line[:, None]) + right * line
    return flat.index_select(0, places.view(-1)).view(places.shape)


def _to_luma(values: Tensor, limited: Tensor) -> Tensor:
    """Luma Y/255 (n, 1, side, side), float32, of values (n, side, side), which are Y already where `limited`.

    They are of 8 bits, or finer, as int16.
    """
    steps = FINE if values.dtype == torch.int16 else 1
    (full_gain, full_black), (limited_gain, limited_black) = luma_scale(limited=False), luma_scale(limited=True)
    gain = torch.where(limited, limited_gain / steps, full_gain / steps)
    black = torch.where(limited, limited_black, full_black)
    return values.float().mul_(gain).add_(black).div_(255)[:, None]
