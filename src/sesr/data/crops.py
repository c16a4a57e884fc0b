"""Batches of crops, cut from luma planes in memory.

**A batch is a function of (seed, step)** and of nothing else. That makes a resumed run equal an unbroken one, and lets
several processes take shares of one batch: each process draws the positions of all crops, which costs next to nothing,
and cuts its own. Each crop is turned and mirrored in one of the eight ways of a square.

Drawing and cutting are apart. `CropSampler.table` draws a step's positions with NumPy, and returns whole numbers that
say where the crops lie in the planes. `CropSampler.cut` cuts them, on whatever device the planes are. It reads nothing
but the table, which may be drawn long before, so a GPU can record it (`sesr.training.steps`).

Choice of the picture (`DataRecipe.sampling`):

- ``pixels``: every crop position of every picture is equally likely, so larger pictures are drawn from more often.
- ``images``: the paper's epochs. In each epoch, every picture gives `crops_per_image` crops (64 in the paper), in a
  freshly shuffled order. Batches continue across the end of an epoch, without a gap or a short batch.

Choice of the position in a picture (`DataRecipe.detail`): uniform with 0. Otherwise the probability is proportional to
detail ** `DataRecipe.detail`, because skies and blurred backgrounds teach little beyond what bicubic knows. *Detail*
is measured on LR once: how far a pixel differs from its right and its lower neighbor, in gray levels, both added.
Positions are grouped into cells half a crop wide and high. A cell's detail is the mean over all that the crops which
start in it can see, plus `LEAST_DETAIL`. With ``pixels``, detailed pictures are then also drawn from more often. With
``images``, each picture gives as many crops as before, from its better parts. The paper draws uniformly.

Frequency of a picture (`DataRecipe.weights`): with ``pixels``, positions of some pictures are drawn more or less often
than those of the others, by a factor. That keeps a set of a few small pictures from being drowned by a large one that
teaches less.
"""

from dataclasses import dataclass
from fnmatch import fnmatch
from typing import NamedTuple, Protocol

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
"""Gray levels added to the measured detail, so that flat places are rare but not impossible."""


class Batch(NamedTuple):
    """Crops to learn from.

    Attributes:
        lr: (n, 1, crop, crop), luma Y/255, float32.
        hr: what should come of them, `scale` times as large: pictures, or a teacher's answers.
        answer_error: (n,), that of the whole picture that each crop is of (`LumaPlanes.answer_errors`), or None.
    """

    lr: Tensor
    hr: Tensor
    answer_error: Tensor | None = None


@dataclass(frozen=True)
class Places:
    """Positions of the crops of a batch, each of shape (batch,).

    Attributes:
        picture: index of the picture.
        y: top LR row.
        x: left LR column.
        turn: 0 to 7. Bit 0 flips the crop's rows, bit 1 its columns, and then bit 2 transposes it.
    """

    picture: Whole
    y: Whole
    x: Whole
    turn: Whole


class CropSampler:
    """Cuts the batch of any step.

    Args:
        planes: the pictures, on the device where batches are wanted.
        recipe: side of a crop, and how positions are drawn.
        batch: crops per batch, over all processes.
        seed: decides everything, together with the step's number.
        rank: number of this process.
        ranks: processes that share a batch. Their shares, one after the other, are the batch of a single process.

    Raises `TrainingError` if a batch cannot be divided evenly.
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
        """Steps that draw `crops_per_image` crops per picture on average, whatever the sampling."""
        return self.epoch_length / self.batch

    def __call__(self, step: int) -> Batch:
        """Return this process's share of a step's batch, as `cut` does."""
        return self.cut(to_device(torch.from_numpy(self.table(step)), self.planes.hr.device))

    @property
    def table_shape(self) -> tuple[int, int]:
        """Shape of a step's table: eight numbers for each crop of this process's share."""
        return 8, self._share.stop - self._share.start

    def table(self, step: int) -> Whole:
        """Draw a step's positions, and return where this process's crops lie, as (8, share) whole numbers.

        Rows 0 to 2 are the walks over LR (`_walk`), rows 3 to 5 those over HR. Row 6 is 1 where values are luma, and
        row 7 the picture.
        """
        places, share = self.places(step), self._share
        picture, turn = places.picture[share], places.turn[share]
        y, x, width, scale = places.y[share], places.x[share], self.planes.sizes[picture, 1], self.planes.scale
        corner = self._offsets[picture] + y * width + x
        corner_hr = self._offsets[picture] * scale**2 + (scale * y) * (scale * width) + scale * x
        side = self.recipe.crop
        walks = _walk(corner, width, turn, side), _walk(corner_hr, scale * width, turn, scale * side)
        return np.stack([*walks[0], *walks[1], self.planes.limited[picture], picture])

    def cut(self, table: Tensor) -> Batch:
        """Cut this process's share of a batch, by a table that lies on the planes' device."""
        walks, side = table[..., None, None], self.recipe.crop
        limited = walks[6] > 0
        lr = _gather(self.planes.lr, walks[:3], side)
        hr = _gather(self.planes.hr, walks[3:6], self.planes.scale * side)
        answer_errors = self.planes.answer_errors
        answer_error = None if answer_errors is None else answer_errors.index_select(0, table[7])
        return Batch(_to_luma(lr, limited), _to_luma(hr, limited), answer_error)

    def places(self, step: int) -> Places:
        """Draw the positions of all crops of a step, for all processes."""
        draw = Generator(PCG64([self.seed, step]))
        if self.recipe.sampling == "pixels":
            picture, y, x = self._positions.anywhere(draw, self.batch)
        else:
            picture = self._epoch_pictures(step)
            y, x = self._positions.within(draw, picture)
        return Places(picture, y, x, draw.integers(8, size=self.batch))

    def _epoch_pictures(self, step: int) -> Whole:
        """Return the pictures of a step's crops. Several epochs may meet in one batch."""
        epoch, place = np.divmod(step * self.batch + np.arange(self.batch), self.epoch_length)
        parts = [self._order(int(number))[place[epoch == number]] for number in np.unique(epoch)]
        return np.concatenate(parts) // self.recipe.crops_per_image

    def _order(self, epoch: int) -> Whole:
        """Return a permutation of an epoch's crops. The last one is kept."""
        if self._shuffled[0] != epoch:
            draw = Generator(PCG64([self.seed, epoch, 1]))  # the 1 keeps it apart from the draw of a step
            self._shuffled = (epoch, draw.permutation(self.epoch_length))
        return self._shuffled[1]


def share_of(batch: int, rank: int, ranks: int) -> slice:
    """Return one process's part of a batch. Raises `TrainingError` if it cannot be divided evenly."""
    if batch % ranks:
        raise TrainingError(f"a batch of {batch} crops cannot be shared evenly by {ranks} processes; change batch")
    return slice(rank * batch // ranks, (rank + 1) * batch // ranks)


def drawing_weights(planes: LumaPlanes, recipe: DataRecipe) -> NDArray[np.float64]:
    """Return each picture's weight: how often its positions are drawn, relative to 1."""
    return np.array([weight for _, weight in _first_matches(planes, recipe)])


def idle_patterns(planes: LumaPlanes, recipe: DataRecipe) -> list[str]:
    """Return the patterns of weights that are the first match of no picture."""
    deciding = {pattern for pattern, _ in _first_matches(planes, recipe)}
    return [pattern for pattern, _ in recipe.weights if pattern not in deciding]


def _first_matches(planes: LumaPlanes, recipe: DataRecipe) -> list[tuple[str | None, float]]:
    """Return each picture's first matching pattern and its weight; (None, 1) if none matches."""
    return [next((pair for pair in recipe.weights if fnmatch(name, pair[0])), (None, 1.0)) for name in planes.names]


class _Positions(Protocol):
    """Draws positions for crops."""

    def anywhere(self, draw: Generator, count: int) -> tuple[Whole, Whole, Whole]:
        """Draw pictures, rows and columns, each (count,)."""

    def within(self, draw: Generator, picture: Whole) -> tuple[Whole, Whole]:
        """Draw a row and a column in each of the given pictures."""


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
    """Every position of one picture is equally likely. Pictures differ by their weights too."""

    def __init__(self, planes: LumaPlanes, recipe: DataRecipe) -> None:
        super().__init__(planes, recipe)
        often = drawing_weights(planes, recipe)
        shares = np.cumsum(often / often.max() * self._counts)
        self._shares = shares / shares[-1]

    def anywhere(self, draw: Generator, count: int) -> tuple[Whole, Whole, Whole]:
        picture = np.searchsorted(self._shares, draw.random(count), side="right")
        return picture, *self.within(draw, picture)


class _Detailed:
    """Positions weighted by detail. All positions in one cell, half a crop wide and high, are equally likely.

    The arrays run over all cells of all pictures, picture after picture: `_corners` (cells, 2), the first position in a
    cell; `_extents` (cells, 2), the number of positions down and across; `_ends` (cells,), the cumulated weights.
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
    """Return corners and extents of an LR plane's cells, and the mean detail that the crops of each cell can see."""
    side = max(crop // 2, 1)
    counts = np.array(plane.shape) - crop + 1
    starts = [np.arange(0, count, side) for count in counts]
    corners = np.stack(np.meshgrid(*starts, indexing="ij"), axis=-1).reshape(-1, 2)
    extents = np.minimum(corners + side, counts) - corners
    (top, left), (bottom, right) = corners.T, (corners + extents + crop - 1).T
    sums = np.pad(detail_map(plane), ((1, 0), (1, 0))).cumsum(axis=0, dtype=np.int64).cumsum(axis=1)
    inside = sums[bottom, right] - sums[top, right] - sums[bottom, left] + sums[top, left]
    return corners, extents, inside / ((bottom - top) * (right - left)) + LEAST_DETAIL


def detail_map(plane: NDArray[np.uint8]) -> NDArray[np.int16]:
    """Return how far each pixel of an LR plane differs from its right and lower neighbors, in gray levels, (H, W)."""
    values = plane.astype(np.int16)
    detail = np.zeros_like(values)
    detail[:, :-1] = np.abs(np.diff(values, axis=1))
    detail[:-1] += np.abs(np.diff(values, axis=0))
    return detail


def _walk(corner: Whole, stride: Whole, turn: Whole, side: int) -> tuple[Whole, Whole, Whole]:
    """Return turned crops as walks over a flat plane: start, step to the next row, step to the next column, each (n,).

    Args:
        corner: index of the crop's upper left pixel in the plane.
        stride: width of the plane.
        turn: as in `Places`.
        side: side of the crop.
    """
    flips_rows, flips_columns, transposes = turn & 1, turn >> 1 & 1, turn >> 2
    start = corner + (side - 1) * (flips_rows * stride + flips_columns)
    down, right = np.where(flips_rows, -stride, stride), np.where(flips_columns, -1, 1)
    return start, np.where(transposes, right, down), np.where(transposes, down, right)


def to_device(table: Tensor, device: torch.device) -> Tensor:
    """Copy to the device. A GPU copies from pinned memory in its own time; otherwise the program would wait."""
    return table.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else table.to(device)


def _gather(flat: Tensor, walk: Tensor, side: int) -> Tensor:
    """Cut square crops (n, side, side) out of flat planes, along walks of shape (3, n, 1, 1)."""
    kind = torch.int32 if flat.numel() < 2**31 else torch.int64  # half the traffic where it suffices
    start, down, right = walk.to(kind)
    line = torch.arange(side, dtype=kind, device=flat.device)
    places = (start + down * line[:, None]) + right * line
    return flat.index_select(0, places.view(-1)).view(places.shape)


def _to_luma(values: Tensor, limited: Tensor) -> Tensor:
    """Convert values (n, side, side) to luma Y/255 (n, 1, side, side), float32.

    Values are Y already where `limited`. They have 8 bits, or as int16 steps of 1 / `FINE`.
    """
    steps = FINE if values.dtype == torch.int16 else 1
    (full_gain, full_black), (limited_gain, limited_black) = luma_scale(limited=False), luma_scale(limited=True)
    gain = torch.where(limited, limited_gain / steps, full_gain / steps)
    black = torch.where(limited, limited_black, full_black)
    return values.float().mul_(gain).add_(black).div_(255)[:, None]
