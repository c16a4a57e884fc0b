"""Planes of a video's frame through our engine: luma by the network, chroma by bicubic, without RGB on the way.

Planes are read and written where they lie, with any distance from one row to the next, so a decoder's frame goes in and
an encoder's comes out without a copy. Samples are uint8, or 9 to 16 bits in uint16.

*Range.* Networks know limited range: at 8 bits luma code Y is Y/255, with black at 16 and white at 235, and each
further bit doubles the code; the largest result is 255 doubled so. Full range has black at 0 and white at the largest
code. It is mapped to limited range for the network, and the result is mapped back. Chroma needs no mapping: bicubic
treats all ranges alike.

*Depth.* An int8 network maps limited-range bytes to bytes in whole numbers, as `NativeEngine.run_bytes`. Otherwise its
convolutions see luma rounded to 8 bits, and their unrounded result is added to luma as it came, so no depth is lost.
That sum, and a float network's result, is rounded once, to a code; halves become even.

*Sizes.* Networks enlarge luma 2, 3 or 4 times, and so does `upscale_chroma` with chroma. `resize_plane` takes any plane
to any other size.

*Still parts.* All functions can compute some rows of a frame: those that changed and the rows around them that depend
on them. That is `NativeEngine.receptive_radius` rows of luma above and below, `KERNEL_RADIUS` of chroma, and what
`SitedResizing.sources` says.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sesr import _native
from sesr.engines.kernels import chosen_kernel
from sesr.engines.native import NativeEngine
from sesr.errors import EngineError, UsageError
from sesr.imaging.sited import SitedResizing, Siting, check_sited_size
from sesr.processors import available_threads

Plane = NDArray[Any]
"""A plane of a frame, uint8 or uint16 (H, W): a view with any distance from one row to the next."""


def upscale_luma(
    engine: NativeEngine,
    source: Plane,
    result: Plane,
    *,
    depth: int = 8,
    full_range: bool = False,
    rows: slice | None = None,
    threads: int | None = None,
) -> None:
    """Upscale a frame's luma into a plane of the caller's.

    Args:
        engine: the network.
        source: luma codes (H, W): uint8 for 8 bits, uint16 for more.
        result: plane (scale H, scale W) of the same type, elsewhere in memory. What lies between its rows stays as it
            is.
        depth: bits of a code, 8 to 16.
        full_range: True for codes from black 0 to white 2^depth - 1.
        rows: rows of the source whose results are written, all of them by default. They equal the whole plane's.
        threads: processor threads; None takes the engine's.

    Raises `UsageError` for planes that do not fit, `EngineError` without memory for it; nothing is written then.
    """
    _check_planes(source, result, depth)
    scale = engine.scale
    if result.shape != (scale * source.shape[0], scale * source.shape[1]):
        raise UsageError(f"luma {source.shape} enlarged {scale} times does not have the size {result.shape}")
    first, last = _band(source, rows)
    band = result[scale * first : scale * last]
    try:
        engine.network.plane(source, band, depth, full_range, first, threads or engine.threads)
    except MemoryError as error:
        raise _no_memory(source) from error


def upscale_chroma(
    source: Plane,
    result: Plane,
    scale: int,
    *,
    siting: tuple[Siting, Siting] = (Siting.CENTER, Siting.FIRST),
    depth: int = 8,
    rows: slice | None = None,
    threads: int | None = None,
    kernel: str | None = None,
) -> None:
    """Enlarge a plane of chroma into a plane of the caller's; `sesr.imaging.sited.upscale_sited` gives the same bits.

    Args:
        source: codes (H, W): uint8 for 8 bits, uint16 for more.
        result: plane of the same type, elsewhere in memory. Along each axis it has less than `scale` samples more or
            fewer than `scale` times the source: at scale 2, 5 columns of luma have 3 of chroma, and 10 have 5.
        scale: 2, 3 or 4.
        siting: where samples lie, vertically and horizontally: `Siting.CENTER` along an axis that is not subsampled.
            The default is that of most 4:2:0 and 4:2:2 video, "left".
        depth: bits of a code, 8 to 16.
        rows: rows of the source whose results are written, `scale` for each and what is left for the last. All of them
            by default.
        threads: processor threads; None takes as many as the process may use.
        kernel: name of the kernels; None takes those that ``SESR_KERNEL`` names, or the best.

    Raises `UsageError` for planes that do not fit, `EngineError` without memory for it; nothing is written then.
    """
    _check_planes(source, result, depth)
    check_sited_size(source.shape, result.shape, scale)
    first, last = _band(source, rows)
    band = result[scale * first : None if last == len(source) else scale * last]
    try:
        _native.chroma(
            source,
            band,
            scale,
            (int(siting[0]), int(siting[1])),
            depth,
            first,
            threads or available_threads(),
            kernel or chosen_kernel(),
        )
    except MemoryError as error:
        raise _no_memory(source) from error


def resize_plane(
    resizing: SitedResizing,
    source: Plane,
    result: Plane,
    *,
    depth: int = 8,
    rows: slice | None = None,
    threads: int | None = None,
    kernel: str | None = None,
) -> None:
    """Resize a plane, to any size, into a plane of the caller's; `SitedResizing.rows` gives the same bits.

    Args:
        resizing: how: sizes, steps and siting.
        source: codes (H, W): uint8 for 8 bits, uint16 for more.
        result: plane of the same type, elsewhere in memory.
        depth: bits of a code, 8 to 16.
        rows: rows of the result that are written, all of them by default.
        threads, kernel: as for `upscale_chroma`.

    Raises `UsageError` for planes that do not fit, `EngineError` without memory for it; nothing is written then.
    """
    _check_planes(source, result, depth)
    if (source.shape, result.shape) != (resizing.source, resizing.shape):
        raise UsageError(
            f"planes {source.shape} and {result.shape} are not those of a resizing from {resizing.source} "
            f"to {resizing.shape}"
        )
    first, last = _band(result, rows)
    down, across = resizing.taps
    try:
        _native.resize(
            source,
            result[first:last],
            down,
            across,
            depth,
            first,
            threads or available_threads(),
            kernel or chosen_kernel(),
        )
    except MemoryError as error:
        raise _no_memory(source) from error


def _check_planes(source: Plane, result: Plane, depth: int) -> None:
    """Raise `UsageError` for arrays that are not two planes of `depth` bits, or that the engine cannot write to."""
    if not 8 <= depth <= 16:
        raise UsageError(f"planes have 8 to 16 bits, not {depth}")
    wanted = np.dtype(np.uint8 if depth == 8 else np.uint16)
    for name, plane in (("source", source), ("result", result)):
        if plane.dtype != wanted:
            raise UsageError(f"{depth} bits are {wanted}, but the {name} is {plane.dtype}")
        if plane.ndim != 2 or 0 in plane.shape:
            raise UsageError(f"the {name} must be a plane (H, W) of at least 1 x 1, not of shape {plane.shape}")
        _check_strides(name, plane)
    if not result.flags.writeable:
        raise UsageError("the result is read-only: give a plane that can be written")
    if np.shares_memory(source, result):
        raise UsageError("the result overlaps the source: give a plane elsewhere in memory")


def _check_strides(name: str, plane: Plane) -> None:
    """Raise `UsageError` unless rows follow each other without overlap, each with its samples next to each other."""
    down, across = plane.strides
    height, width = plane.shape
    size = plane.itemsize
    if width > 1 and across != size:
        raise UsageError(f"samples of the {name} are {across} bytes apart, not {size}: copy the plane first")
    if height > 1 and down < width * size:
        raise UsageError(f"rows of the {name} are {down} bytes apart, less than their {width * size}: copy it first")
    if not plane.flags.aligned:
        raise UsageError(f"rows of the {name} do not begin at whole samples: copy the plane first")


def _band(plane: Plane, rows: slice | None) -> tuple[int, int]:
    """Return the first row and the last (exclusive)."""
    first, last, step = (rows or slice(None)).indices(len(plane))
    if step != 1 or last <= first:
        raise UsageError(f"rows must be some of the plane's {len(plane)}, not {rows}")
    return first, last


def _no_memory(source: Plane) -> EngineError:
    return EngineError(f"not enough memory to upscale a plane of {source.shape[1]} x {source.shape[0]} samples")
