"""Speed of our own engine: against OpenVINO, and against what the processor could do.

Contenders take turns (`sesr.benchmarks.rounds`) on the same frame of luma:

- ``native``: our engine on bare luma, 8-bit for int8 networks, float for others;
- ``native-direct``: the same without Winograd's form (docs/inside/winograd.md), where it takes that; fixed point, which
  has no other form, is compared with ``native-float32`` instead, the same network in floats;
- ``native-1-thread``: ``native`` with a single thread;
- ``native-8-bit``, ``native-10-bit``: a video frame's plane of luma with so many bits into another such plane
  (`sesr.engines.planes`);
- ``native-rgb``: from an RGB picture in memory to an RGB picture in memory, chroma included;
- ``openvino``: OpenVINO on bare luma of the same type, whole frames. Without VNNI its int8 pixels are wrong
  (docs/inside/int8.md), but its times still hold.

In each round, a loop that does nothing but multiply and add also takes its turns, with as many threads: that is the
*peak*. A contender's share of the peak tells how much of the processor it uses: it counts the multiply-adds that the
contender executes, which are fewer than the direct form's where it takes Winograd's. Additions of Winograd's
transforms are not counted. How OpenVINO multiplies is not known, so for it the direct form is counted.

Speed does not depend on weights. They are random here, so that every variant can be measured.
"""

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from sesr.benchmarks.rounds import Clock, Turn, check_rounds, take_turns, timed
from sesr.benchmarks.rows import Row
from sesr.engines.kernels import FloatValues, Values, has_fixed_point, kernel_in_use, multiply_adds
from sesr.engines.native import NativeEngine
from sesr.engines.openvino import OpenVINOEngine
from sesr.engines.planes import upscale_luma
from sesr.errors import UsageError
from sesr.network.checkpoint import Checkpoint, tensor_shapes
from sesr.network.int8 import PIXELS, SHIFTED, Quantization
from sesr.network.quantized import Convolution, QuantizedNetwork
from sesr.network.variants import VARIANTS, SESRConfig
from sesr.processors import available_threads
from sesr.tflite.writer import write_tflite

NATIVE, DIRECT, FLOATS, ONE_THREAD = "native", "native-direct", "native-float32", "native-1-thread"
EIGHT_BITS, TEN_BITS, RGB, OPENVINO = "native-8-bit", "native-10-bit", "native-rgb", "openvino"

_PEAK_SECONDS = 0.05  # how long the peak is measured in a round


class Spin(Protocol):
    """A loop that only multiplies and adds, in one thread: `sesr.engines.kernels.multiply_adds`."""

    def __call__(self, rounds: int, values: Values, /) -> int:
        """Go around `rounds` times and return the number of multiply-adds."""


@dataclass(frozen=True)
class EngineTiming(Row):
    """One contender's times on one frame.

    Attributes:
        network: name of the variant.
        scale: its scale.
        values: what the network computes in; int8 networks have ReLU, float ones PReLU. int16 is a float network in
            fixed point (docs/inside/fixed-point.md), against OpenVINO's floats.
        contender: see the module.
        kernel: our engine's kernels; empty for OpenVINO.
        width, height: of the input, pixels.
        threads: processor threads that the contender was given.
        rounds: rounds that counted.
        median_ms, best_ms: over the rounds.
        times_openvino: OpenVINO's time divided by the contender's.
        direct_gmacs: multiply-adds of the frame in the direct form, in thousands of millions.
        gmacs: those that the contender executes.
        of_peak: share of the peak of as many threads.
    """

    network: str
    scale: int
    values: Values
    contender: str
    kernel: str
    width: int
    height: int
    threads: int
    rounds: int
    median_ms: float
    best_ms: float
    times_openvino: float
    direct_gmacs: float
    gmacs: float
    of_peak: float

    def line(self) -> str:
        """Return the contender's time, alone and compared."""
        network = f"{self.network} x{self.scale} {self.values}"
        return (
            f"{network:16} {self.contender:16} {self.kernel or '-':10} "
            f"{self.threads} threads {self.median_ms:8.1f} ms  "
            f"{self.times_openvino:5.2f} times as fast as OpenVINO  "
            f"{self.gmacs:5.1f} of {self.direct_gmacs:.1f} GMACs at {self.of_peak:4.0%} of the peak"
        )


def measure_engine(
    networks: Sequence[str],
    scales: Sequence[int],
    width: int = 1920,
    height: int = 1080,
    rounds: int = 7,
    threads: int | None = None,
) -> Iterator[EngineTiming]:
    """Time variants, int8 and float, on a frame of noise.

    Args:
        networks: any of "m3" .. "xl".
        scales: any of 2, 3, 4.
        width, height: of the input.
        rounds: rounds that count, at least 1, after one to warm up.
        threads: for all contenders; None takes as many as the process may use.

    Yields all contenders of one variant together. Raises `UsageError` for an unknown variant or no rounds,
    `EngineError` without OpenVINO.
    """
    check_rounds(rounds)
    unknown = [name for name in networks if name not in VARIANTS]
    if unknown:
        raise UsageError(f"network {unknown[0]!r} is unknown: use some of {', '.join(VARIANTS)}")
    threads = threads or available_threads()
    for name in networks:
        for scale in scales:
            for values in get_args(Values):
                if values == "int16" and not has_fixed_point():
                    continue
                yield from _measure_variant(name, scale, values, (height, width), rounds, threads)


def random_float(config: SESRConfig, seed: int = 0) -> Checkpoint:
    """Return a network whose features neither die out nor grow without bound."""
    random = np.random.default_rng(seed)

    def tensor(name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
        if not name.endswith(".weight"):
            return random.uniform(0, 0.2, shape).astype(np.float32)
        weights: NDArray[np.float64] = random.normal(0, np.prod(shape[1:]) ** -0.5, shape)
        return weights.astype(np.float32)

    return Checkpoint(config, {name: tensor(name, shape) for name, shape in tensor_shapes(config).items()})


def random_int8(config: SESRConfig, seed: int = 0) -> QuantizedNetwork:
    """Return a ReLU network whose planes use their 8 bits."""
    random = np.random.default_rng(seed)

    def convolution(c_in: int, c_out: int, k: int, source: Quantization, output: Quantization) -> Convolution:
        weight = random.integers(-127, 128, (c_out, c_in, k, k), np.int8)
        spread = output.scale / source.scale / (100 * np.sqrt(c_in * k * k))
        return Convolution(weight, np.zeros(c_out, np.int32), np.full(c_out, spread, np.float32), output)

    plane = Quantization(float(np.float32(0.01)), 0)
    after_relu = replace(plane, zero_point=-128)
    head = convolution(1, config.f, 5, SHIFTED, plane)
    sources = [plane, *[after_relu] * config.m]
    body = tuple(convolution(config.f, config.f, 3, source, after_relu) for source in sources[: config.m])
    last = SHIFTED if config.input_residual else PIXELS
    tail = convolution(config.f, config.scale**2, 5, plane, last)
    return QuantizedNetwork(replace(config, activation="relu"), head, body, (), plane, tail)


def make_contenders(
    network: Checkpoint | QuantizedNetwork, height: int, width: int, threads: int, values: Values = "float32"
) -> Mapping[str, Callable[[], NDArray[Any]]]:
    """Return every contender as a function that enlarges the same frame of noise.

    `values` is what a float network computes in: "float32" or "int16".

    `openvino` returns what its runtime does: int8 luma less 128 for an int8 network. Raises `EngineError` without
    OpenVINO.
    """
    floats = _floats(values)
    engine = NativeEngine(network, threads, winograd=True, floats=floats)
    one_thread = NativeEngine(network, 1, winograd=True, floats=floats)
    other = NativeEngine(network, threads, winograd=floats == "int16", floats="float32")
    openvino = _load_openvino(network, threads)
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (height, width), np.uint8)
    luma = pixels.astype(np.float32) / np.float32(255)
    rgb = random.integers(0, 256, (height, width, 3), np.uint8)
    shifted = (pixels ^ 128).view(np.int8)
    deep = pixels.astype(np.uint16) << 2

    def enlarge_luma(native: NativeEngine) -> NDArray[Any]:
        return native.run_bytes(pixels) if native.int8 else native.run(luma)

    def enlarge_plane(plane: NDArray[Any], depth: int) -> NDArray[Any]:
        result = np.empty((height * engine.scale, width * engine.scale), plane.dtype)
        upscale_luma(engine, plane, result, depth=depth)
        return result

    contenders: dict[str, Callable[[], NDArray[Any]]] = {NATIVE: lambda: enlarge_luma(engine)}
    if floats == "int16":
        contenders[FLOATS] = lambda: enlarge_luma(other)
    elif engine.winograd_layers:
        contenders[DIRECT] = lambda: enlarge_luma(other)
    return contenders | {
        ONE_THREAD: lambda: enlarge_luma(one_thread),
        EIGHT_BITS: lambda: enlarge_plane(pixels, 8),
        TEN_BITS: lambda: enlarge_plane(deep, 10),
        RGB: lambda: engine.enlarge(rgb),
        OPENVINO: lambda: openvino.infer(shifted if engine.int8 else luma),
    }


def measure_peak(
    threads: int,
    values: Values,
    *,
    seconds: float = _PEAK_SECONDS,
    spin: Spin = multiply_adds,
    clock: Clock = time.perf_counter,
) -> float:
    """Return how many multiply-adds a second `threads` threads make together when they have nothing else to do."""

    def rate(_: int) -> float:
        start, count = clock(), 0
        while (now := clock()) < start + seconds:
            count += spin(500_000, values)
        return count / (now - start)

    with ThreadPoolExecutor(threads) as pool:
        return sum(pool.map(rate, range(threads)))


def _measure_variant(
    name: str, scale: int, values: Values, size: tuple[int, int], rounds: int, threads: int
) -> Iterator[EngineTiming]:
    config = replace(VARIANTS[name], scale=scale)
    height, width = size
    network = random_int8(config) if values == "int8" else random_float(config)
    contenders = make_contenders(network, height, width, threads, values)
    threads_of = {contender: 1 if contender == ONE_THREAD else threads for contender in contenders}
    # what a contender multiplies, and so what its peak is made of
    values_of: dict[str, Values] = {
        name: "float32" if name in (FLOATS, OPENVINO) and values == "int16" else values for name in contenders
    }
    turns = {contender: timed(run) for contender, run in contenders.items()}
    kinds = {(threads_of[name], values_of[name]) for name in contenders}
    peaks = {_peak_name(*kind): _peak_turn(*kind) for kind in kinds}
    measured = take_turns(turns | peaks, rounds)
    direct_macs = config.weights * height * width
    macs = NativeEngine(network, 1, winograd=True, floats=_floats(values)).macs(height, width)
    for contender, count in threads_of.items():
        executed = direct_macs if contender in (DIRECT, OPENVINO) else macs
        yield EngineTiming(
            network=name,
            scale=scale,
            values=values,
            contender=contender,
            kernel="" if contender == OPENVINO else kernel_in_use(),
            width=width,
            height=height,
            threads=count,
            rounds=rounds,
            median_ms=round(measured.median(contender) * 1e3, 1),
            best_ms=round(measured.best(contender) * 1e3, 1),
            times_openvino=round(measured.ratio(OPENVINO, contender), 2),
            direct_gmacs=round(direct_macs / 1e9, 3),
            gmacs=round(executed / 1e9, 3),
            of_peak=round(executed * measured.ratio(_peak_name(count, values_of[contender]), contender), 3),
        )


def _floats(values: Values) -> FloatValues:
    """Return what a float network computes in, which an int8 one ignores."""
    return "int16" if values == "int16" else "float32"


def _peak_name(threads: int, values: Values) -> str:
    return f"{values} peak of {threads} threads"


def _peak_turn(threads: int, values: Values) -> Turn:
    """Return a turn whose result is the peak's time for one multiply-add, so that it compares with other times."""
    return lambda: 1 / measure_peak(threads, values)


def _load_openvino(network: Checkpoint | QuantizedNetwork, threads: int) -> OpenVINOEngine:
    with tempfile.TemporaryDirectory(prefix="sesr-", ignore_cleanup_errors=True) as folder:
        file = Path(folder, "network.tflite")
        file.write_bytes(write_tflite(network))
        return OpenVINOEngine(file, threads, inexact=True)
