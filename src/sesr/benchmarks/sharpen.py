"""Time that sharpening takes, against the network whose result it sharpens.

Both take turns (`sesr.benchmarks.rounds`), from an RGB picture in memory to one in memory, of 8 bits. The network
enlarges a frame of noise; what is sharpened is the result.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from sesr.benchmarks.rounds import check_rounds, take_turns, timed
from sesr.benchmarks.rows import Row
from sesr.engines.native import NativeEngine
from sesr.inference.sharpen import Sharpening
from sesr.network.quantized import load_network
from sesr.network.zoo import Network
from sesr.processors import available_threads


@dataclass(frozen=True)
class SharpenTiming(Row):
    """Times of a network and of sharpening.

    Attributes:
        network, scale: the network.
        kernel: our engine's kernels.
        width, height: of the network's input, pixels.
        threads: processor threads.
        rounds: rounds that counted.
        network_ms, sharpen_ms: medians over the rounds.
        of_network: sharpening's time divided by the network's in the same round, median.
    """

    network: str
    scale: int
    kernel: str
    width: int
    height: int
    threads: int
    rounds: int
    network_ms: float
    sharpen_ms: float
    of_network: float

    def line(self) -> str:
        """Return both times and their ratio."""
        return (
            f"{self.network} x{self.scale}, {self.kernel}, {self.threads} threads: {self.network_ms:.1f} ms; "
            f"sharpening {self.sharpen_ms:.1f} ms, {self.of_network:.2f} of that"
        )


def measure_sharpen(
    network: Network, width: int, height: int, rounds: int, threads: int | None = None
) -> Iterator[SharpenTiming]:
    """Time a network's own engine and sharpening on a frame of noise.

    Args:
        network: which one; it needs its `.safetensors`.
        width, height: of the input.
        rounds: rounds that count, at least 1, after one to warm up.
        threads: for both; None takes as many as the process may use.

    Yields one row. Raises `UsageError` for no rounds, `WeightsError` for a damaged file.
    """
    check_rounds(rounds)
    threads = threads or available_threads()
    engine = NativeEngine(load_network(network.safetensors or network.file.with_suffix(".safetensors")), threads)
    small = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    large, sharpening = engine.enlarge(small), Sharpening(0.5, threads)
    contenders = {
        "network": timed(lambda: engine.enlarge(small)),
        "sharpen": timed(lambda: sharpening.picture(large, engine.scale)),
    }
    measured = take_turns(contenders, rounds)
    yield SharpenTiming(
        network=network.name,
        scale=engine.scale,
        kernel=engine.kernel,
        width=width,
        height=height,
        threads=threads,
        rounds=rounds,
        network_ms=round(measured.median("network") * 1e3, 1),
        sharpen_ms=round(measured.median("sharpen") * 1e3, 1),
        of_network=round(measured.ratio("sharpen", "network"), 3),
    )
