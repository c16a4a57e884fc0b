"""How fast our own engine is: against OpenVINO, and against what the processor could do.

Contenders take turns, round after round and in another order each time, on the same frame of luma
(`sesr.benchmarks.speed` tells why):

- ``native``: our engine on bare luma, 8-bit for int8 networks, float for others;
- ``native-1-thread``: the same with a single thread;
- ``native-rgb``: from an RGB picture in memory to one, chroma and all;
- ``openvino``: OpenVINO on bare luma of the same type, whole frames. Without VNNI its int8 pixels are wrong
  (docs/int8.md), and its times still true.

Each round also multiplies and adds for a moment, with next to nothing else and as many threads: that is the *peak*,
and a contender's share of it says how much of the processor is used. `times_openvino` and shares are medians over the
rounds of what was found within one round, which a machine that slows down in between does not change.

Speed does not depend on weights. They are random here, so that every variant can be measured.
"""

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from sesr.engines.native import NativeEngine, multiply_adds
from sesr.engines.openvino import OpenVINOEngine
from sesr.errors import UsageError
from sesr.network.checkpoint import Checkpoint, tensor_shapes
from sesr.network.int8 import PIXELS, SHIFTED, Quantization
from sesr.network.quantized import Convolution, QuantizedNetwork
from sesr.network.variants import VARIANTS, SESRConfig
from sesr.processors import available_threads
from sesr.tflite.writer import write_tflite

Values = Literal["int8", "float32"]

PEAK_SECONDS = 0.05
"""How long the peak is measured in a round."""

NATIVE, ONE, RGB, OPENVINO = "native", "native-1-thread", "native-rgb", "openvino"


@dataclass(frozen=True)
class EngineTiming:
    """One contender's times on one frame.

    Attributes:
        network: name of the variant.
        scale: its scale.
        values: what it computes in; int8 networks have ReLU, float ones PReLU.
        contender: see the module.
        kernel: the kernels of our engine.
        width, height: of the input, pixels.
        threads: processor threads that it was given.
        rounds: rounds that counted.
        median_ms, best_ms: over the rounds.
        times_openvino: OpenVINO's time over its.
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
    of_peak: float


def measure_engine(
    networks: Sequence[str],
    scales: Sequence[int],
    width: int = 1920,
    height: int = 1080,
    rounds: int = 7,
    threads: int | None = None,
) -> Iterator[EngineTiming]:
    """Times variants, int8 and float, on a frame of noise.

    Args:
        networks: of "m3" .. "xl".
        scales: of 2, 3, 4.
        width, height: of the input.
        rounds: to count, at least 1, after one to warm up.
        threads: for all contenders; None takes as many as the process may use.

    Yields all contenders of one variant together. Raises `UsageError` for an unknown variant or no rounds,
    `EngineError` without OpenVINO.
    """
    if rounds < 1:
        raise UsageError(f"rounds must be at least 1, not {rounds}")
    unknown = [name for name in networks if name not in VARIANTS]
    if unknown:
        raise UsageError(f"network {unknown[0]!r} is unknown: use some of {', '.join(VARIANTS)}")
    threads = threads or available_threads()
    for name in networks:
        for scale in scales:
            for values in get_args(Values):
                yield from _measure(name, scale, values, (height, width), rounds, threads)


def random_float(config: SESRConfig, seed: int = 0) -> Checkpoint:
    """Weights that neither die out nor grow without bound."""
    random = np.random.default_rng(seed)

    def tensor(name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
        if not name.endswith(".weight"):
            return random.uniform(0, 0.2, shape).astype(np.float32)
        weights: NDArray[np.float64] = random.normal(0, np.prod(shape[1:]) ** -0.5, shape)
        return weights.astype(np.float32)

    return Checkpoint(config, {name: tensor(name, shape) for name, shape in tensor_shapes(config).items()})


def random_int8(config: SESRConfig, seed: int = 0) -> QuantizedNetwork:
    """A ReLU network; weights such that planes use their 8 bits."""
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


def _measure(
    name: str, scale: int, values: Values, size: tuple[int, int], rounds: int, threads: int
) -> Iterator[EngineTiming]:
    config = replace(VARIANTS[name], scale=scale)
    network = random_int8(config) if values == "int8" else random_float(config)
    engine = NativeEngine(network, threads)
    contenders = _contenders(network, engine, size)
    used = {contender: 1 if contender == ONE else threads for contender in contenders}
    random = Random(0)
    seconds: dict[str, list[float]] = {contender: [] for contender in contenders}
    peaks: dict[int, list[float]] = {count: [] for count in set(used.values())}
    for turn in range(rounds + 1):
        for contender in random.sample(list(contenders), len(contenders)):  # who ran before costs some 5 %
            start = time.perf_counter()
            contenders[contender]()
            seconds[contender] += [time.perf_counter() - start] if turn else []
        for count, found in peaks.items():
            found += [_peak(values == "int8", count)] if turn else []
    macs = config.weights * size[0] * size[1]
    for contender, own in seconds.items():
        ratios = [theirs / ours for theirs, ours in zip(seconds[OPENVINO], own, strict=True)]
        shares = [macs / ours / peak for ours, peak in zip(own, peaks[used[contender]], strict=True)]
        yield EngineTiming(
            name,
            scale,
            values,
            contender,
            engine.kernel if contender != OPENVINO else "",
            size[1],
            size[0],
            used[contender],
            rounds,
            round(statistics.median(own) * 1e3, 1),
            round(min(own) * 1e3, 1),
            round(statistics.median(ratios), 2),
            round(statistics.median(shares), 3),
        )


def _contenders(
    network: Checkpoint | QuantizedNetwork, engine: NativeEngine, size: tuple[int, int]
) -> dict[str, Callable[[], object]]:
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, size, np.uint8)
    luma = pixels.astype(np.float32) / np.float32(255)
    rgb = random.integers(0, 256, (*size, 3), np.uint8)
    one, openvino = NativeEngine(network, 1), _openvino(network, engine.threads)

    def bare(native: NativeEngine) -> Callable[[], object]:
        return (lambda: native.run_bytes(pixels)) if native.int8 else (lambda: native.run(luma))

    foreign: NDArray[np.int8] | NDArray[np.float32] = (pixels ^ 128).view(np.int8) if engine.int8 else luma
    return {
        NATIVE: bare(engine),
        ONE: bare(one),
        RGB: lambda: engine.enlarge(rgb),
        OPENVINO: lambda: openvino.infer(foreign),
    }


def _openvino(network: Checkpoint | QuantizedNetwork, threads: int) -> OpenVINOEngine:
    with tempfile.TemporaryDirectory(prefix="sesr-", ignore_cleanup_errors=True) as folder:
        file = Path(folder, "network.tflite")
        file.write_bytes(write_tflite(network))
        return OpenVINOEngine(file, threads, inexact=True)


def _peak(int8: bool, threads: int) -> float:
    """Multiply-adds a second of so many threads together, with next to nothing else to do."""

    def spin(_: int) -> float:
        stop, done = time.perf_counter() + PEAK_SECONDS, 0
        start = time.perf_counter()
        while (now := time.perf_counter()) < stop:
            done += multiply_adds(500_000, int8=int8)
        return done / (now - start)

    with ThreadPoolExecutor(threads) as pool:
        return sum(pool.map(spin, range(threads)))
