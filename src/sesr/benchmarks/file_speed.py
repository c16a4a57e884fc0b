"""How much of the engine's speed is left for picture files.

A photograph of so many megapixels is enlarged from file to file, in turns with the bare engine on the same pixels in
memory. Their times' ratio is the *throughput*: 1 would be files that cost nothing. Decoding, the network and encoding
run at the same time (`sesr.inference.upscale`), but share the processors.

The photograph is made here, of drawn shapes and noise like a camera's, so that encoders have something to do; its
details are neither worth much more nor much less bits than a photograph's.
"""

import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from math import sqrt
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sesr.engines.load import load_engine
from sesr.engines.native import NativeEngine
from sesr.errors import UsageError
from sesr.inference.upscale import Upscaler
from sesr.network.zoo import Network
from sesr.processors import available_threads

FORMATS = (("jpg", "png"), ("png", "png"), ("jpg", "jpg"), ("tif", "tif"))
"""Suffixes of source and target."""


@dataclass(frozen=True)
class FileTiming:
    """One pair of formats.

    Attributes:
        network: name of the network.
        scale: its scale.
        source, target: formats, by their suffixes.
        megapixels: of the source.
        threads: processor threads.
        rounds: rounds that counted.
        file_seconds: from file to file, median.
        engine_seconds: the bare engine's, median.
        throughput: the engine's time over the file's, median over the rounds.
    """

    network: str
    scale: int
    source: str
    target: str
    megapixels: float
    threads: int
    rounds: int
    file_seconds: float
    engine_seconds: float
    throughput: float


def measure_files(
    network: Network, megapixels: float = 12.0, rounds: int = 5, threads: int | None = None
) -> Iterator[FileTiming]:
    """Enlarges files in our own engine, a pair of formats after another.

    Args:
        network: of ours.
        megapixels: of the source.
        rounds: to count, at least 1, after one to warm up.
        threads: processor threads; None takes all.

    Raises `UsageError` for a size below one pixel or no rounds, `PictureError` when files cannot be written.
    """
    if megapixels * 1e6 < 1 or rounds < 1:
        raise UsageError("megapixels must make a pixel at least, and rounds be 1 or more")
    threads = threads or available_threads()
    engine = load_engine(network.file, "native", threads)
    assert isinstance(engine, NativeEngine)
    pixels = photograph(megapixels)
    with tempfile.TemporaryDirectory(prefix="sesr-", ignore_cleanup_errors=True) as folder:
        for source, target in FORMATS:
            path = Path(folder, f"source.{source}")
            Image.fromarray(pixels).save(path, quality=92)
            larger = path.with_name(f"larger.{target}")
            times = _turns(engine, pixels, path, larger, rounds)
            ratios = [bare / whole for whole, bare in times]
            whole, bare = (statistics.median(column) for column in zip(*times, strict=True))
            yield FileTiming(
                network.name,
                engine.scale,
                source,
                target,
                round(pixels.shape[0] * pixels.shape[1] / 1e6, 2),
                threads,
                rounds,
                round(whole, 2),
                round(bare, 2),
                round(statistics.median(ratios), 2),
            )


def photograph(megapixels: float, seed: int = 0) -> NDArray[np.uint8]:
    """RGB of 3:2, (H, W, 3): soft shapes of many sizes, edges, and a camera's noise."""
    height = max(round(sqrt(megapixels * 1e6 / 1.5)), 1)
    width = max(round(megapixels * 1e6 / height), 1)
    random = np.random.default_rng(seed)
    picture = np.zeros((height, width, 3), np.float32)
    for cells in (3, 9, 30, 90, 300):
        coarse = random.normal(0, 60 / np.sqrt(cells), (2 * cells, 3 * cells, 3)).astype(np.float32)
        for channel in range(3):
            plane = Image.fromarray(coarse[..., channel]).resize((width, height), Image.Resampling.BICUBIC)
            picture[..., channel] += np.asarray(plane)
    picture += 40 * np.sign(picture[..., :1])  # edges
    picture += random.normal(128, 2.5, (height, width, 1)).astype(np.float32)
    return np.clip(picture, 0, 255).astype(np.uint8)


def _turns(
    engine: NativeEngine, pixels: NDArray[np.uint8], source: Path, target: Path, rounds: int
) -> list[tuple[float, float]]:
    """Seconds from file to file and in the bare engine, of each round."""
    upscaler, times = Upscaler.of_engine(engine), []
    for turn in range(rounds + 1):
        start = time.perf_counter()
        upscaler.upscale_file(source, target)
        middle = time.perf_counter()
        engine.enlarge(pixels)
        if turn:
            times.append((middle - start, time.perf_counter() - middle))
    return times
