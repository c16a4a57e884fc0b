"""Upscales the planes of video's frames: luma by networks, chroma by bicubic, without RGB on the way.

Scales that networks have are direct: every code of luma is the engine's own result, and chroma is enlarged from where
it lies (`sesr.engines.planes`). Any other size is reached as for pictures (`sesr.inference.sizes`): networks enlarge
luma beyond it, and antialiased bicubic shrinks their result. Chroma is resized in one step, and keeps its siting. Both
are computed in float32 and rounded once (`sesr.imaging.sited.SitedResizing`); a picture's bicubic rounds between its
two passes as well.

A frame whose sides are not whole cells of chroma is one that encoders refuse. So wanted sides are rounded to even
numbers where chroma is subsampled.

*Still parts.* Where a frame has the same rows as the frame before it, the result has too, but for the rows that depend
on others that changed. `VideoUpscaler.changes` finds the rows that have to be computed, and `VideoUpscaler.update`
computes these and copies the others. The result is the same to the bit.
"""

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from sesr.engines.base import EngineOptions
from sesr.engines.native import NativeEngine
from sesr.engines.planes import Plane
from sesr.errors import UsageError
from sesr.imaging.sited import SitedResizing
from sesr.inference.networks import Networks, find_networks
from sesr.inference.sizes import Exactly, Height, Route, Size, Width, parse_scale, parse_size, route
from sesr.network.variants import DEFAULT_NETWORK
from sesr.network.zoo import INT8, is_file, list_networks, resolve
from sesr.video.planes import PlaneFormat, Planes, Subsampling
from sesr.video.stages import (
    ChromaStage,
    Mask,
    NetworkStage,
    ResizeStage,
    Stage,
    affected_rows,
    run_stages,
    spans,
)

DEFAULT_SCALE = 2


@dataclass(frozen=True)
class Changes:
    """Rows of a result that differ from the result before it, or may.

    Attributes:
        rows: a mask for each plane of the result.
    """

    rows: tuple[Mask, ...]

    @property
    def all(self) -> bool:
        """True if every row has to be computed: the result before is of no use."""
        return all(bool(mask.all()) for mask in self.rows)

    @property
    def none(self) -> bool:
        """True if the result equals the one before."""
        return not any(mask.any() for mask in self.rows)


class VideoUpscaler:
    """Upscales frames of one form. One instance serves any number of threads.

    Args:
        source: form of the frames.
        scale: factor from 1 to 64, also 1.5; 2 by default.
        model: name of a network that comes with the package, or the file of one.
        size: wanted size instead of a scale: "3840x" (width), "x2160" (height), "3840x2160" (both), or a `Size`.
        int8: True takes the int8 network of that name, False the float network. None takes the int8 network where
            there is one for the scale.
        photo: take the network for compressed pictures of that name.
        threads: processor threads for a frame. Several frames at a time in a thread each are faster.

    Attributes:
        source, target: form of the frames and of the results.

    Raises `UsageError` for an unknown name or a size that cannot be, `WeightsError` for a missing or damaged file,
    `EngineError` when a network cannot run.
    """

    def __init__(
        self,
        source: PlaneFormat,
        scale: float | None = None,
        *,
        model: str | Path = DEFAULT_NETWORK,
        size: Size | str | None = None,
        int8: bool | None = None,
        photo: bool = False,
        threads: int = 1,
    ) -> None:
        if scale is not None and size is not None:
            raise UsageError("scale and size both say how large frames become; give one of them")
        if isinstance(size, str):
            size = parse_size(size)
        self._size = size or parse_scale(DEFAULT_SCALE if scale is None else scale)
        cells = _WholeCells(self._size, source.subsampling)
        self._networks, self._threads = _networks(str(model), int8, photo, threads, source, cells), threads
        self._prepare(source)

    def _prepare(self, source: PlaneFormat) -> None:
        size = _WholeCells(self._size, source.subsampling)
        found = route(source.width, source.height, size, self._networks.scales)
        self.source, self.target = source, source.resized(*found.size)
        luma = _luma_stages(source, found, self._networks, self._threads)
        chroma = _chroma_stages(source, self.target, self._threads)
        self._stages = (luma, chroma, chroma)[: len(source.shapes)]

    def for_frames(self, source: PlaneFormat) -> "VideoUpscaler":
        """Return an upscaler for frames of another form, with the same networks and wish of a size.

        Raises `UsageError` for a size that cannot be.
        """
        other = copy(self)
        other._prepare(source)
        return other

    def run(self, planes: Sequence[Plane], out: Sequence[Plane] | None = None) -> Planes:
        """Upscale a frame.

        Args:
            planes: Y, or Y, U and V: arrays of the source's shapes and type, with any distance from row to row.
            out: planes of the target's shapes and type to write to, elsewhere in memory; None makes new ones.

        Returns the planes that were written. Raises `UsageError` for planes that do not fit, `EngineError` when the
        network fails.
        """
        return self._computed(planes, out, tuple(np.ones(shape[0], np.bool_) for shape in self.target.shapes))

    def changes(self, before: Sequence[Plane], now: Sequence[Plane]) -> Changes:
        """Find the rows to compute of a frame, given the frame before it."""
        self.source.check(tuple(before), "frame before")
        self.source.check(tuple(now), "frame")
        changed = [(one != other).any(axis=1) for one, other in zip(before, now, strict=True)]
        return Changes(tuple(affected_rows(*each) for each in zip(self._stages, changed, strict=True)))

    def update(
        self,
        planes: Sequence[Plane],
        changes: Changes,
        previous: Callable[[], Sequence[Plane]],
        out: Sequence[Plane] | None = None,
    ) -> Planes:
        """Upscale a frame as `run` does, but copy the rows that did not change.

        Args:
            planes: as for `run`.
            out: as for `run`.
            changes: what `changes` found for this frame.
            previous: returns the result of the frame before it. It is called when the changed rows are ready, and so
                may wait for another thread; and only if there is something to copy.
        """
        result = self._computed(planes, out, changes.rows)
        if not changes.all:
            before = tuple(previous())
            self.target.check(before, "result before")
            for old, new, mask in zip(before, result, changes.rows, strict=True):
                for rows in spans(~mask):
                    new[rows] = old[rows]
        return result

    def _computed(self, planes: Sequence[Plane], out: Sequence[Plane] | None, rows: tuple[Mask, ...]) -> Planes:
        planes = tuple(planes)
        self.source.check(planes, "frame")
        result = self._new() if out is None else tuple(out)
        self.target.check(result, "result")
        for stages, source, goal, mask in zip(self._stages, planes, result, rows, strict=True):
            run_stages(stages, source, goal, mask)
        return result

    def _new(self) -> Planes:
        return tuple(np.empty(shape, self.target.dtype) for shape in self.target.shapes)


@dataclass(frozen=True)
class _WholeCells:
    """A wanted size, rounded to whole cells of chroma, halves up. A `Size`."""

    size: Size
    subsampling: Subsampling

    @property
    def label(self) -> str:
        return self.size.label

    def of(self, width: int, height: int) -> tuple[int, int]:
        """See `Size.of`. Raises `UsageError` for a side that was asked for and cannot be."""
        rows, columns = self.subsampling.cell
        wanted = self.size.of(width, height)
        rounded = _rounded(wanted[0], columns), _rounded(wanted[1], rows)
        asked = isinstance(self.size, Exactly | Width), isinstance(self.size, Exactly | Height)
        if any(given and side != even for given, side, even in zip(asked, wanted, rounded, strict=True)):
            raise UsageError(
                f"frames of {self.subsampling.value} cannot be {wanted[0]} x {wanted[1]}: "
                f"sides with subsampled chroma are even; {rounded[0]} x {rounded[1]} would do"
            )
        return rounded


def _rounded(side: int, cell: int) -> int:
    return max((side + cell // 2) // cell, 1) * cell


def _networks(model: str, int8: bool | None, photo: bool, threads: int, source: PlaneFormat, size: Size) -> Networks:
    """Find the networks. Without a wish, int8 is taken where it leads to the size by the same scales as float does."""
    options = EngineOptions(threads=threads)
    usual = find_networks(model, options, int8=bool(int8), photo=photo)
    if int8 is not None or photo or is_file(model) or not _has_int8(resolve(model)):
        return usual
    fast = find_networks(model, options, int8=True)
    routes = [route(source.width, source.height, size, each.scales).scales for each in (usual, fast)]
    return fast if routes[0] == routes[1] else usual


def _has_int8(name: str) -> bool:
    return name + INT8 in {network.name for network in list_networks()}


def _luma_stages(source: PlaneFormat, found: Route, networks: Networks, threads: int) -> tuple[Stage, ...]:
    stages: list[Stage] = []
    shape = source.shapes[0]
    for scale in found.scales:
        engine = networks.step(scale).engine
        assert isinstance(engine, NativeEngine)
        stages.append(NetworkStage(engine, shape, source.depth, source.full_range))
        shape = stages[-1].shape
    wanted = found.size[1], found.size[0]
    if shape != wanted:
        stages.append(ResizeStage(SitedResizing(*shape, *wanted), source.depth, threads))
    return tuple(stages)


def _chroma_stages(source: PlaneFormat, target: PlaneFormat, threads: int) -> tuple[Stage, ...]:
    if source.subsampling is Subsampling.GRAY or (source.width, source.height) == (target.width, target.height):
        return ()
    small, large, siting = source.shapes[1], target.shapes[1], source.chroma_places
    steps = Fraction(source.height, target.height), Fraction(source.width, target.width)
    if steps[0] == steps[1] and 1 / steps[0] in (2, 3, 4):
        return (ChromaStage(small, large, int(1 / steps[0]), siting, source.depth, threads),)
    return (ResizeStage(SitedResizing(*small, *large, steps, siting), source.depth, threads),)
