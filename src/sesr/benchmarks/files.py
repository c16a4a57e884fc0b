"""Speed of picture files: how much of the engine's speed is left from file to file.

A photograph is enlarged from file to file, in turns with the bare engine on the same pixels in memory
(`sesr.benchmarks.rounds`). The ratio of their times is the *throughput*: 1 would mean that files cost nothing.
Decoding, the network and encoding run at the same time (`sesr.inference.upscale`), but share the processors.

The photograph is made here from drawn shapes and noise like a camera's, so that encoders have as much to do as with a
real one.
"""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from math import sqrt
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sesr.benchmarks.rounds import take_turns, timed
from sesr.benchmarks.rows import Row
from sesr.engines.load import load_engine
from sesr.engines.pictures import picture_engine
from sesr.errors import UsageError
from sesr.inference.upscale import Upscaler
from sesr.network.zoo import Network
from sesr.processors import available_threads

FORMATS = (("jpg", "png"), ("png", "png"), ("jpg", "jpg"), ("tif", "tif"))
"""Suffixes of source and target."""

_FILE, _ENGINE = "file to file", "bare engine"


@dataclass(frozen=True)
class FileTiming(Row):
    """One pair of formats.

    Attributes:
        network: name of the network.
        scale: its scale.
        source, target: formats, by their suffixes.
        megapixels: of the source.
        threads: processor threads.
        rounds: rounds that counted.
        file_seconds: from file to file, median.
        engine_seconds: for the bare engine, median.
        throughput: the engine's time divided by the file's, median over the rounds.
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

    def line(self) -> str:
        """Return the formats, both times and their ratio."""
        return (
            f"{self.source} -> {self.target}  {self.file_seconds:6.2f} s, bare engine {self.engine_seconds:6.2f} s: "
            f"throughput {self.throughput:.2f}"
        )


def measure_files(
    network: Network, megapixels: float = 12.0, rounds: int = 5, threads: int | None = None
) -> Iterator[FileTiming]:
    """Enlarge files in our own engine, one pair of formats after another.

    Args:
        network: one that our engine can run.
        megapixels: of the source.
        rounds: rounds that count, at least 1, after one to warm up.
        threads: processor threads; None takes all.

    Raises `UsageError` for a size below one pixel or no rounds, `PictureError` if files cannot be written.
    """
    if megapixels * 1e6 < 1 or rounds < 1:
        raise UsageError("megapixels must make a pixel at least, and rounds be 1 or more")
    threads = threads or available_threads()
    engine = picture_engine(load_engine(network.file, "native", threads))
    upscaler = Upscaler.of_engine(engine)
    pixels = photograph(megapixels)
    with tempfile.TemporaryDirectory(prefix="sesr-", ignore_cleanup_errors=True) as folder:
        for source, target in FORMATS:
            path = Path(folder, f"source.{source}")
            larger = path.with_name(f"larger.{target}")
            Image.fromarray(pixels).save(path, quality=92)
            turns = {
                _FILE: timed(partial(upscaler.upscale_file, path, larger)),
                _ENGINE: timed(partial(engine.enlarge, pixels)),
            }
            measured = take_turns(turns, rounds)
            yield FileTiming(
                network=network.name,
                scale=engine.scale,
                source=source,
                target=target,
                megapixels=round(pixels.shape[0] * pixels.shape[1] / 1e6, 2),
                threads=threads,
                rounds=rounds,
                file_seconds=round(measured.median(_FILE), 2),
                engine_seconds=round(measured.median(_ENGINE), 2),
                throughput=round(measured.ratio(_ENGINE, _FILE), 2),
            )


def photograph(megapixels: float, seed: int = 0) -> NDArray[np.uint8]:
    """Return RGB of 3:2, uint8 (H, W, 3): soft shapes of many sizes, edges, and a camera's noise."""
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
