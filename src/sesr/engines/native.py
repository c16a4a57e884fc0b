"""Our own engine: the network as a pipeline of rows, at the speed that the processor allows.

A general engine computes layer after layer over a whole plane, and features go through memory in between. Here rows of
luma go in at one end and rows of the result come out at the other. Each layer keeps the few rows that others still
need, and these stay in the cache for all but very wide pictures. So nothing has to be cut into tiles, memory does not
grow with the height, and each thread works on a band of rows. docs/inside/engine.md explains how it is built; the C++
is in src/native.

An int8 network gives the same bits as the reference (`sesr.network.reference`). A float network is within float
rounding of the collapsed network, and its result does not depend on the number of threads.

`NativeEngine.enlarge` takes whole pictures, gray or RGB: the conversions to luma and back and the chroma's bicubic run
in the same pipeline. An int8 network's convolutions see 8-bit luma there too, but their result is added to the luma
before it was rounded, and is not rounded again before it becomes RGB. That gains 0.07 dB for the shipped M5 on Set5
(docs/inside/int8.md).

The processor's best kernels are used, unless the environment variable ``SESR_KERNEL`` names others.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from sesr import _native
from sesr.engines.pictures import AroundLuma
from sesr.engines.strips import Band, plan, plan_rows
from sesr.errors import EngineError, UsageError, WeightsError
from sesr.imaging.arrays import Bytes, Luma, Pixels
from sesr.imaging.color import DEEP_STEPS
from sesr.network.checkpoint import Checkpoint
from sesr.network.int8 import HIGHEST, LOWEST, PIXELS, SHIFTED, Addition, Quantization
from sesr.network.quantized import AnyNetwork, Convolution, QuantizedNetwork
from sesr.network.reference import prelu, requant_scale
from sesr.network.variants import SESRConfig
from sesr.processors import available_threads

Sample = TypeVar("Sample", np.uint8, np.uint16, np.float32)

KERNEL = "SESR_KERNEL"
"""Environment variable that names the kernels to use."""

VNNI_KERNELS = ("avx512vnni", "vnni256", "avxvnni")
"""Kernels that need VNNI, the x86 instructions that add four int8 products to an int32 without saturating."""


def kernels() -> dict[str, bool]:
    """Return the kernels that were built, best first, and whether this processor has what they need."""
    return dict(_native.kernels())


def vnni_kernels() -> frozenset[str]:
    """The kernels that this processor's VNNI can run, whichever ``SESR_KERNEL`` names; none on ARM.

    AMX needs no look of its own: a processor that has it has AVX-512 with VNNI too.
    """
    return frozenset(name for name, supported in kernels().items() if supported and name in VNNI_KERNELS)


class NativeEngine:
    """A network in our own engine. One instance serves any number of threads.

    Args:
        network: float or int8.
        threads: processor threads; None takes as many as the process may use.

    Attributes:
        column_bytes: about how much memory it holds per column of pixels, all threads together.

    Raises `WeightsError` for numbers that no trained network has, `EngineError` for an unknown ``SESR_KERNEL``.
    """

    def __init__(self, network: AnyNetwork, threads: int | None = None) -> None:
        self.scale, self.receptive_radius = network.config.scale, network.config.receptive_radius
        self.int8 = network.int8
        self.threads = threads or available_threads()
        self.column_bytes = _column_bytes(network.config, self.int8) * self.threads
        kernel = chosen_kernel()
        try:
            self._network = _int8(network, kernel) if network.int8 else _float(network, kernel)
        except ValueError as error:
            raise WeightsError(f"the network cannot run: {error}") from error

    @property
    def kernel(self) -> str:
        """Name of the kernels in use."""
        return self._network.kernel

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
            return plan_rows(height, width, self.receptive_radius, self.column_bytes)
        return plan(height, width, self.receptive_radius, tile)

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


def multiply_adds(rounds: int, *, int8: bool) -> int:
    """Multiply and add in one thread, as fast as the processor can, and return how often it did.

    The time that this takes is the peak that `sesr benchmark engine` compares a network's speed with.
    """
    return _native.spin(int8, rounds, chosen_kernel())


def chosen_kernel() -> str | None:
    """Return the kernel that ``SESR_KERNEL`` names, None by default.

    Raises `EngineError` where it was not built or the processor lacks what it needs.
    """
    name = os.environ.get(KERNEL)
    if not name:
        return None
    found = kernels()
    if name not in found:
        raise EngineError(f"{KERNEL}={name}: unknown; there are {', '.join(found)}")
    if not found[name]:
        raise EngineError(f"{KERNEL}={name}: this processor does not have what it needs")
    return name


def _column_bytes(config: SESRConfig, int8: bool) -> int:
    """Return the bytes that one thread keeps per column, for rows of features and rows made of them."""
    element, padded = 2 if int8 else 4, -(-config.f // 16) * 16  # int8 is stored as int16 at most
    return element * (padded * (5 * config.m + 9) + 6) + 4 * config.scale**2 + 64


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


def _float(network: Checkpoint, kernel: str | None) -> _native.Network:
    config, tensors = network.config, network.tensors
    relu = np.zeros(config.f, np.float32)

    def layer(name: str, slope: NDArray[np.float32] | None) -> "_native.FloatLayer":
        weight, bias = tensors[f"{name}.weight"], tensors[f"{name}.bias"]
        return np.ascontiguousarray(weight), np.ascontiguousarray(bias), slope

    body = [f"body.{index}" for index in range(config.m)]
    layers = [
        layer("head", None),
        *(layer(name, tensors.get(f"{name}.slope", relu)) for name in body),
        layer("tail", None),
    ]
    return _native.Network(config.m, config.f, config.scale, config.input_residual, layers, kernel)


def _int8(network: QuantizedNetwork, kernel: str | None) -> _native.Network:
    config = network.config
    layers = [_int8_layer(network.head, SHIFTED)]
    grid = network.head.output
    for index, convolution in enumerate(network.body):
        layers.append(_int8_layer(convolution, grid))
        grid = convolution.output
        if network.slopes:
            slope = network.slopes[index]
            every = np.tile(np.arange(LOWEST, HIGHEST + 1, dtype=np.int32), (config.f, 1))
            table = prelu(every[:, None], grid, slope)[:, 0].astype(np.int8)
            grid = slope.output
            layers[-1] = (*layers[-1][:5], np.ascontiguousarray(table), grid.zero_point)
    layers.append(_int8_layer(network.tail, network.residual_sum))
    total = _sum(grid, network.head.output, network.residual_sum)
    output = _sum(network.tail.output, PIXELS, PIXELS) if config.input_residual else (0, 0, 1, 0, 0, 0)
    scale = network.tail.output.scale
    return _native.Network(
        config.m, config.f, config.scale, config.input_residual, layers, total, output, scale, kernel
    )


def _int8_layer(convolution: Convolution, grid: Quantization) -> "_native.Int8Layer":
    weight = np.ascontiguousarray(convolution.weight)
    scale = requant_scale(convolution, grid)
    zero_points = grid.zero_point, convolution.output.zero_point
    return weight, np.ascontiguousarray(convolution.bias), np.ascontiguousarray(scale), *zero_points, None, 0


def _sum(one: Quantization, other: Quantization, result: Quantization) -> "_native.Sum":
    addition = Addition.of(one, other, result)
    zero_points = one.zero_point, other.zero_point, result.zero_point
    return addition.left, addition.right, addition.shift, *zero_points
