"""A plane's way to its new size, in stages: networks, chroma's bicubic, and resizing to sizes that these don't reach.

Each stage makes a larger or smaller plane of the one before it, and can make some of its rows alone. That serves parts
of a film that stand still: `Stage.affected` says which rows of a result depend on the rows that changed, and
`Stage.needed` which rows of the stage before they are made of. Rows are told by *masks*, one boolean for each.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sesr.engines.native import NativeEngine
from sesr.engines.planes import Plane, resize_plane, upscale_chroma, upscale_luma
from sesr.imaging.sited import SitedResizing, Siting
from sesr.imaging.taps import KERNEL_RADIUS

Mask = NDArray[np.bool_]
"""Rows of a plane: True for those that are meant."""


class Stage(Protocol):
    """A step on a plane's way."""

    @property
    def source(self) -> tuple[int, int]:
        """Shape (H, W) of the plane before it."""

    @property
    def shape(self) -> tuple[int, int]:
        """Shape (H, W) of its result."""

    @property
    def reach(self) -> int:
        """Rows above and below a row that its result depends on, about: the cost of making rows apart."""

    def affected(self, changed: Mask) -> Mask:
        """Return the rows of the result that depend on these rows of the source."""

    def needed(self, wanted: Mask) -> Mask:
        """Return the rows of the source that these rows of the result depend on."""

    def run(self, source: Plane, result: Plane, rows: slice) -> None:
        """Write some rows of the result, and perhaps a few next to them, as they are in the whole."""


@dataclass(frozen=True)
class NetworkStage:
    """Luma by a network.

    Attributes:
        engine: the network.
        source: shape (H, W) of what it enlarges.
        depth, full_range: see `sesr.engines.planes.upscale_luma`.
    """

    engine: NativeEngine
    source: tuple[int, int]
    depth: int
    full_range: bool

    @property
    def shape(self) -> tuple[int, int]:
        """See `Stage`."""
        return self.source[0] * self.engine.scale, self.source[1] * self.engine.scale

    @property
    def reach(self) -> int:
        """See `Stage`."""
        return self.engine.receptive_radius

    def affected(self, changed: Mask) -> Mask:
        """See `Stage`."""
        return _grown(changed, self.reach).repeat(self.engine.scale)

    def needed(self, wanted: Mask) -> Mask:
        """See `Stage`."""
        makers: Mask = wanted.reshape(self.source[0], -1).max(axis=1)
        return _grown(makers, self.reach)

    def run(self, source: Plane, result: Plane, rows: slice) -> None:
        """See `Stage`: whole rows of the source are enlarged."""
        scale = self.engine.scale
        wanted = slice(rows.start // scale, -(-rows.stop // scale))
        upscale_luma(self.engine, source, result, depth=self.depth, full_range=self.full_range, rows=wanted)


@dataclass(frozen=True)
class ChromaStage:
    """Chroma, 2, 3 or 4 times larger.

    Attributes:
        source, shape: before and after.
        scale: 2, 3 or 4.
        siting: vertical and horizontal.
        depth: bits of a code.
        threads: processor threads.
    """

    source: tuple[int, int]
    shape: tuple[int, int]
    scale: int
    siting: tuple[Siting, Siting]
    depth: int
    threads: int
    reach: int = KERNEL_RADIUS

    def affected(self, changed: Mask) -> Mask:
        """See `Stage`."""
        grown = _grown(changed, KERNEL_RADIUS)
        return grown[self._sources()]

    def needed(self, wanted: Mask) -> Mask:
        """See `Stage`."""
        makers = np.zeros(self.source[0], np.bool_)
        makers[self._sources()[wanted]] = True
        return _grown(makers, KERNEL_RADIUS)

    def run(self, source: Plane, result: Plane, rows: slice) -> None:
        """See `Stage`: whole rows of the source are enlarged."""
        makers = self._sources()[rows]
        wanted = slice(int(makers[0]), int(makers[-1]) + 1)
        upscale_chroma(
            source, result, self.scale, siting=self.siting, depth=self.depth, rows=wanted, threads=self.threads
        )

    def _sources(self) -> NDArray[np.int64]:
        """Return the row of the source that `upscale_chroma` makes each row of the result with."""
        return np.minimum(np.arange(self.shape[0]) // self.scale, self.source[0] - 1)


@dataclass(frozen=True)
class ResizeStage:
    """Bicubic to any size.

    Attributes:
        resizing: how.
        depth: bits of a code.
        threads: processor threads.
    """

    resizing: SitedResizing
    depth: int
    threads: int

    @property
    def source(self) -> tuple[int, int]:
        """See `Stage`."""
        return self.resizing.source

    @property
    def shape(self) -> tuple[int, int]:
        """See `Stage`."""
        return self.resizing.shape

    @property
    def reach(self) -> int:
        """See `Stage`."""
        return int(self.resizing.sources().shape[1]) // 2

    def affected(self, changed: Mask) -> Mask:
        """See `Stage`."""
        affected: Mask = changed[self.resizing.sources()].max(axis=1)
        return affected

    def needed(self, wanted: Mask) -> Mask:
        """See `Stage`."""
        needed = np.zeros(self.source[0], np.bool_)
        needed[self.resizing.sources()[wanted]] = True
        return needed

    def run(self, source: Plane, result: Plane, rows: slice) -> None:
        """See `Stage`."""
        resize_plane(self.resizing, source, result, depth=self.depth, rows=rows, threads=self.threads)


def run_stages(stages: tuple[Stage, ...], source: Plane, result: Plane, wanted: Mask) -> None:
    """Make some rows of the last stage's result; without stages they are copied.

    Rows that lie close together are made in one go, with those between them.
    """
    if not stages:
        for rows in spans(wanted):
            result[rows] = source[rows]
        return
    plans: list[list[slice]] = []
    for stage in reversed(stages):
        plan = spans(wanted, 2 * stage.reach * len(wanted) // stage.source[0])
        plans.append(plan)
        wanted = stage.needed(_mask(plan, len(wanted)))
    for stage, plan in zip(stages, reversed(plans), strict=True):
        goal = result if stage is stages[-1] else np.empty(stage.shape, source.dtype)
        for part in plan:
            stage.run(source, goal, part)
        source = goal


def affected_rows(stages: tuple[Stage, ...], changed: Mask) -> Mask:
    """Return the rows of the last stage's result that depend on these rows of the plane."""
    for stage in stages:
        changed = stage.affected(changed)
    return changed


def spans(mask: Mask, gap: int = 0) -> list[slice]:
    """List the slices that a mask consists of; those with no more than `gap` rows between them are joined."""
    edges = np.flatnonzero(np.diff(mask, prepend=False, append=False))
    found: list[slice] = []
    for start, stop in edges.reshape(-1, 2).tolist():
        if found and start - found[-1].stop <= gap:
            start = found.pop().start
        found.append(slice(start, stop))
    return found


def _mask(rows: list[slice], length: int) -> Mask:
    mask = np.zeros(length, np.bool_)
    for part in rows:
        mask[part] = True
    return mask


def _grown(mask: Mask, reach: int) -> Mask:
    """Add the rows that are up to `reach` rows away."""
    near = np.zeros(len(mask) + 2 * reach + 1, np.int64)
    near[reach + 1 : reach + 1 + len(mask)] = mask
    total = np.cumsum(near)
    grown: Mask = total[2 * reach + 1 :] > total[: -2 * reach - 1]
    return grown
