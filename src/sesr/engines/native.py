"""Our own engine: the network as a pipeline of rows, at the speed that the processor allows.

A general engine computes layer after layer over a whole plane, and features go through memory in between. Here rows of
luma go in at one end and rows of the result come out at the other. Each layer keeps the few rows that others still
need, so that memory does not grow with the height, and each thread works on a band of rows. Rows that are too long for
the cache are cut into strips of columns. docs/inside/engine.md explains how it is built; the C++ is in src/native.

An int8 network gives the same bits as the reference (`sesr.network.reference`). A float network runs in 16-bit fixed
point where that is faster (`sesr.network.fixed`), with the same bits on all of these processors. Elsewhere it runs in
floats, within float rounding of the collapsed network. No result depends on the number of threads.

`NativeEngine.enlarge` takes whole pictures, gray or RGB: the conversions to luma and back and the chroma's bicubic run
in the same pipeline. An int8 network's convolutions see 8-bit luma there too, but their result is added to the luma
before it was rounded, and is not rounded again before it becomes RGB. That gains 0.07 dB for the shipped M5 on Set5
(docs/inside/int8.md).

`sesr.engines.kernels` chooses the kernels and the arithmetic, and says how the environment changes that.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from sesr import _native
from sesr.engines.kernels import FloatChoice, chosen_floats, chosen_kernel, winograd_wanted
from sesr.engines.pictures import AroundLuma
from sesr.engines.prepare import prepare
from sesr.engines.strips import GRID, Band, plan, plan_rows
from sesr.errors import EngineError, UsageError
from sesr.imaging.arrays import Bytes, Luma, Pixels
from sesr.imaging.color import DEEP_STEPS
from sesr.network.quantized import AnyNetwork
from sesr.processors import available_threads

_WIDE, _ROOM = 8192, 144
"""A width at which pictures are cut into strips, and the columns of room about each strip's."""

Sample = TypeVar("Sample", np.uint8, np.uint16, np.float32)


class NativeEngine:
    """A network in our own engine. One instance serves any number of threads.

    Args:
        network: float or int8.
        threads: processor threads; None takes as many as the process may use.
        winograd: False keeps convolutions of 3 x 3 to the direct form, which fixed point does not have; None leaves
            that to ``SESR_WINOGRAD``.
        floats: what a float network computes in: float32, int16 for fixed point, or auto for int16 where the kernels
            gain from it and the network suits it. None leaves that to ``SESR_FLOATS``, auto by default.

    Attributes:
        config: the network's hyper-parameters.
        values: the numbers that the network computes in.
        column_bytes: about how much memory it holds per column of pixels, all threads together.
        column_reach: halo of columns (`sesr.engines.strips.plan_rows`); None for the receptive radius.

    Raises `WeightsError` for numbers that no trained network has, `EngineError` for an unknown ``SESR_KERNEL``,
    ``SESR_WINOGRAD`` or ``SESR_FLOATS``, and for fixed point where the kernels lack it or Winograd's form is off.
    """

    def __init__(
        self,
        network: AnyNetwork,
        threads: int | None = None,
        *,
        winograd: bool | None = None,
        floats: FloatChoice | None = None,
    ) -> None:
        self.scale, self.receptive_radius = network.config.scale, network.config.receptive_radius
        self.config = network.config
        self.int8 = network.int8
        self.threads = threads or available_threads()
        self._network, self.values = prepare(
            network,
            chosen_kernel(),
            winograd=winograd_wanted() if winograd is None else winograd,
            floats=floats or chosen_floats(),
        )
        self.column_bytes = _column_bytes(self) * self.threads
        # float32 and int16 round in Winograd's form, so last bits depend on the whole tile of every layer: columns are
        # cut between tiles and read further
        self.column_reach = None if self.int8 else GRID * (network.config.m + 1)

    @property
    def kernel(self) -> str:
        """Name of the kernels in use."""
        return self._network.kernel

    @property
    def network(self) -> _native.Network:
        """The network in C++, for `sesr.engines.planes`."""
        return self._network

    @property
    def winograd_layers(self) -> int:
        """Number of convolutions that take Winograd's form."""
        return self._network.tiled_layers

    def macs(self, height: int, width: int) -> int:
        """Return the multiply-adds that a plane of luma takes, without those that Winograd's form saves."""
        saved = self.winograd_layers * 9 * self.config.f**2 // 2  # six products where four pixels need twelve
        return (self.config.weights - saved) * height * width

    def run(self, luma: Luma, *, rounded: bool = True) -> Luma:
        """Upscale a plane: see `sesr.engines.base.LumaEngine.run`.

        Args:
            luma: Y/255, float32 (H, W).
            rounded: True makes int8 networks answer in 8 bits, as on every engine. False adds their convolutions'
                result to the luma as it came.
        """
        if luma.ndim != 2 or 0 in luma.shape:
            raise UsageError(f"luma must be a plane (H, W) of at least 1 x 1, not of shape {luma.shape}")
        with _enough_memory(luma):
            source = np.ascontiguousarray(luma, np.float32)[..., None]
            result = _room(source, self.scale, slice(0, len(source)))
            self._network.luma(source, result, rounded, 0, self.threads)
        return result[..., 0]

    def run_bytes(self, luma: Bytes) -> Bytes:
        """Upscale a plane of 8-bit luma (H, W) to 8-bit luma (scale H, scale W)."""
        source = _pixels(luma)
        if source.shape[2] != 1:
            raise UsageError(f"luma must be a plane (H, W), not of shape {luma.shape}")
        with _enough_memory(source):
            result = _room(source, self.scale, slice(0, len(source)))
            self._network.bytes(source, result, 0, self.threads)
        return result[..., 0]

    def plan(self, height: int, width: int, depth: int, tile: int | None = None) -> list[Band]:
        """See `sesr.engines.pictures.PictureEngine.plan`: for 8 bits its memory grows with the width alone."""
        if tile is None and depth == 8:
            return plan_rows(height, width, self.receptive_radius, self.column_bytes, self.column_reach)
        return plan(height, width, self.receptive_radius, tile, self.column_reach)

    def enlarge(self, picture: NDArray[Any], rows: slice | None = None, columns: slice | None = None) -> NDArray[Any]:
        """Enlarge a picture, full-range gray (H, W) or RGB (H, W, 3).

        Args:
            picture: the picture, or a strip of it with context around. 8 bits run in the pipeline of rows, 16 bits
                through `AroundLuma`.
            rows: rows to enlarge, all of them by default.
            columns: columns to return, all of them by default.

        Returns (scale rows, scale columns) or (scale rows, scale columns, 3). Raises `UsageError` for other shapes and
        types.
        """
        if picture.dtype == np.uint16:
            return AroundLuma(_Unrounded(self)).enlarge(picture, rows, columns)
        source = _pixels(picture)
        if source.shape[2] not in (1, 3):
            raise UsageError(f"a picture must be (H, W) or (H, W, 3), not {picture.shape}")
        wanted = _rows(source, rows)
        with _enough_memory(source):
            result = _room(source, self.scale, wanted)
            self._network.picture(source, result, wanted.start, self.threads)
        enlarged = result if picture.ndim == 3 else result[..., 0]
        return enlarged if columns is None else enlarged[:, _larger(columns, source.shape[1], self.scale)]

    def enlarge_alpha(
        self, alpha: NDArray[Any], rows: slice | None = None, columns: slice | None = None
    ) -> NDArray[Any]:
        """See `sesr.engines.pictures.PictureEngine.enlarge_alpha`."""
        if alpha.dtype == np.uint16:
            return AroundLuma(self).enlarge_alpha(alpha, rows, columns)
        enlarged = enlarge_by_bicubic(alpha, self.scale, rows, self.threads, self.kernel)
        return enlarged if columns is None else enlarged[:, _larger(columns, alpha.shape[1], self.scale)]

    def enlarge_luma(self, luma: Luma) -> Luma:
        """See `sesr.engines.pictures.PictureEngine.enlarge_luma`."""
        return self.run(luma, rounded=False)


class _Unrounded:
    """The engine's network, whose result is not rounded to 8 bits. A `LumaEngine`."""

    int8 = False

    def __init__(self, engine: NativeEngine) -> None:
        self.scale, self.receptive_radius, self.run = engine.scale, engine.receptive_radius, engine.enlarge_luma
        self.column_reach = engine.column_reach


def enlarge_by_bicubic(
    picture: Bytes, scale: int, rows: slice | None = None, threads: int | None = None, kernel: str | None = None
) -> Bytes:
    """Enlarge by MATLAB's bicubic, equal to `sesr.imaging.resize.upscale` in every bit.

    Args:
        picture: uint8 (H, W) or (H, W, C) with up to 4 channels.
        scale: 2, 3 or 4.
        rows: rows to enlarge, all of them by default.
        threads: processor threads; None takes as many as the process may use.
        kernel: name of the kernels; None takes those that ``SESR_KERNEL`` names, or the best.

    Raises `UsageError` for other shapes, types and scales.
    """
    source = _pixels(picture)
    if scale not in (2, 3, 4):
        raise UsageError(f"scale must be 2, 3 or 4, not {scale}")
    if source.shape[2] > 4:
        raise UsageError(f"a picture has up to 4 channels, not {source.shape[2]}")
    wanted, kernel = _rows(source, rows), kernel or chosen_kernel()
    with _enough_memory(source):
        result = _room(source, scale, wanted)
        _native.bicubic(source, result, scale, wanted.start, threads or available_threads(), kernel)
    return result if picture.ndim == 3 else result[..., 0]


def add_detail(
    picture: Pixels,
    weights: NDArray[np.float32],
    amount: float,
    limit: float,
    rows: slice | None = None,
    threads: int | None = None,
) -> Pixels:
    """Sharpen the luma of a picture or strip: see `sesr.inference.sharpen`, and src/native/sharpen.hpp for the formula.

    Args:
        picture: uint8 or uint16, (H, W) gray or (H, W, C): gray and alpha, RGB, or RGBA.
        weights: of the blur along one axis: the middle's, then those at distance 1, 2 ...
        amount: share of the detail that is added.
        limit: most that a pixel changes, in 8-bit steps.
        rows: rows to return, all of them by default. Around them must be as many rows of context as there are weights,
            less one, up to the picture's ends.
        threads: processor threads; None takes as many as the process may use.
    """
    steps = DEEP_STEPS if picture.dtype == np.uint16 else 1
    source = np.ascontiguousarray(picture if picture.ndim == 3 else picture[..., None])
    wanted = _rows(source, rows)
    with _enough_memory(source):
        result = _room(source, 1, wanted)
        _native.sharpen(
            source,
            result,
            weights,
            amount,
            limit * steps,
            wanted.start,
            threads or available_threads(),
            chosen_kernel(),
        )
    return result if picture.ndim == 3 else result[..., 0]


def _column_bytes(engine: NativeEngine) -> int:
    """Return the bytes that one thread keeps per column of a wide picture.

    These are rows of features and rows made of them, in strips that overlap and have room on both sides; and 16 rows of
    sums, which wait until all strips have made theirs.
    """
    scale, shape = engine.scale, engine.config
    padded = -(-shape.f // 16) * 16
    element = 4 if engine.values == "float32" else 2  # int8 is stored as int16 at most
    strips = sum(stop - start + _ROOM for start, stop, *_ in engine.network.strips(_WIDE)) / _WIDE
    return round(element * (padded * (7 * shape.m + 11) + 6) * strips) + 64 * scale**2 + 64


def _pixels(picture: Bytes) -> Bytes:
    """Return the picture as C++ takes it: (H, W, C), contiguous."""
    if picture.dtype != np.uint8:
        raise UsageError(f"pixels must be uint8, not {picture.dtype}")
    if picture.ndim not in (2, 3) or 0 in picture.shape:
        raise UsageError(f"a picture must be (H, W) or (H, W, C) and not empty, not {picture.shape}")
    with _enough_memory(picture):
        source = np.ascontiguousarray(picture if picture.ndim == 3 else picture[..., None])
    return source


def _rows(source: Pixels, rows: slice | None) -> slice:
    start, stop, step = (rows or slice(None)).indices(len(source))
    if step != 1 or stop <= start:
        raise UsageError(f"rows must be some of the picture's {len(source)}, not {rows}")
    return slice(start, stop)


def _larger(span: slice, length: int, scale: int) -> slice:
    """Return where part of an axis lies once it is enlarged."""
    start, stop, _ = span.indices(length)
    return slice(start * scale, stop * scale)


def _room(source: NDArray[Sample], scale: int, rows: slice) -> NDArray[Sample]:
    """Return an array for the result. Raises `MemoryError`."""
    _, width, channels = source.shape
    shape = ((rows.stop - rows.start) * scale, width * scale, channels)
    try:
        return np.empty(shape, source.dtype)
    except ValueError as error:  # more than can be addressed
        raise MemoryError from error


@contextmanager
def _enough_memory(source: NDArray[Any]) -> Iterator[None]:
    """Turn a lack of memory into `EngineError`."""
    try:
        yield
    except MemoryError as error:
        size = f"{source.shape[1]} x {source.shape[0]} pixels"
        raise EngineError(f"not enough memory to enlarge {size} at once; a smaller tile needs less") from error
