"""Memory, measured from outside in fresh processes (`sesr.benchmarks.memory_probe`).

- `measure_memory`: peak of the whole command `sesr upscale`, PNG to PNG, for pictures of several sizes;
- `measure_engine_memory`: what our engine needs beyond its input and its output, the rows in between
  (`sesr.engines.native`).
"""

import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sesr.benchmarks.memory_probe import check_system, command_peak, plane_memory
from sesr.benchmarks.rows import Row
from sesr.errors import EngineError, UsageError
from sesr.files.limits import PIXEL_LIMIT
from sesr.files.write import write_picture
from sesr.imaging.stream import Stream
from sesr.network.zoo import Network
from sesr.processors import available_threads

MEGAPIXELS = (2.0, 12.0, 100.0)
"""Full HD, a phone's photograph, a large scan."""


@dataclass(frozen=True)
class CommandMemory(Row):
    """`sesr upscale` on one picture.

    Attributes:
        width, height: of the picture, pixels.
        peak_mb: the most that the process held, 10^6 bytes.
        seconds: for the command.
    """

    width: int
    height: int
    peak_mb: int
    seconds: float

    def line(self) -> str:
        """Return the size and the peak."""
        size = f"{self.width} x {self.height} ({self.width * self.height / 1e6:.0f} MP)"
        return f"{size:>24}  peak {self.peak_mb:5} MB  {self.seconds:6.1f} s"


@dataclass(frozen=True)
class EngineMemory(Row):
    """Our engine on one plane of luma.

    Attributes:
        network: name of the network.
        scale: its scale.
        values: ``int8`` or ``float32``.
        width, height: of the input, pixels.
        threads: processor threads.
        working_mb: memory beyond input and output, 10^6 bytes.
        seconds: for the plane.
    """

    network: str
    scale: int
    values: str
    width: int
    height: int
    threads: int
    working_mb: float
    seconds: float

    def line(self) -> str:
        """Return the plane and the memory beyond it."""
        return (
            f"{self.network} x{self.scale} {self.values}, {self.width} x {self.height}, {self.threads} threads: "
            f"{self.working_mb:.1f} MB beyond input and output, {self.seconds:.1f} s"
        )


def measure_memory(model: str, megapixels: Sequence[float] = MEGAPIXELS) -> Iterator[CommandMemory]:
    """Run `sesr upscale` on RGB pictures of about the given sizes, in megapixels, PNG to PNG.

    Yields a row for each picture as soon as it is measured. Raises `UsageError` for sizes that no picture can have,
    `EngineError` if the command fails, and on Windows.
    """
    limit = PIXEL_LIMIT // 10**6
    if not all(0 < size < limit for size in megapixels):
        raise UsageError(f"--megapixels must be above 0 and below {limit}")
    check_system()
    for size in megapixels:
        yield _measure_command(model, size)


def measure_engine_memory(network: Network, width: int, height: int, threads: int | None = None) -> EngineMemory:
    """Enlarge a plane of luma, 8-bit for an int8 network, in a process of its own.

    Raises `EngineError` if that fails, most likely because there is not enough memory for the plane and its result.
    """
    check_system()
    threads = threads or available_threads()
    try:
        usage = plane_memory(network.safetensors or network.file.with_suffix(".safetensors"), height, width, threads)
    except EngineError as error:
        raise EngineError(f"a plane of {width} x {height} pixels could not be enlarged: {error}") from error
    return EngineMemory(
        network=network.name,
        scale=network.config.scale if network.config else 0,
        values="int8" if network.int8 else "float32",
        width=width,
        height=height,
        threads=threads,
        working_mb=round(usage.memory / 1e6, 1),
        seconds=round(usage.seconds, 1),
    )


def _measure_command(model: str, megapixels: float) -> CommandMemory:
    height = max(round((megapixels * 1e6 * 3 / 4) ** 0.5), 1)
    width = max(round(megapixels * 1e6 / height), 1)
    with tempfile.TemporaryDirectory(prefix="sesr-") as folder:
        source, target = Path(folder, "drawn.png"), Path(folder, "larger.png")
        write_picture(source, Stream(_pattern(width, height), width, height, "RGB", 8))
        command = [sys.executable, "-m", "sesr", "upscale", str(source), "-o", str(target), "-m", model]
        try:
            usage = command_peak(command)
        except EngineError as error:
            raise EngineError(f"sesr upscale failed on {width} x {height} pixels: {error}") from error
    return CommandMemory(width, height, round(usage.memory / 1e6), round(usage.seconds, 1))


def _pattern(width: int, height: int, rows: int = 64) -> Iterator[NDArray[np.uint8]]:
    """Yield rings, ramps and a little noise, uint8 (rows, width, 3), from the top down."""
    generator = np.random.default_rng(1)
    x = np.arange(width, dtype=np.float32)
    for top in range(0, height, rows):
        y = np.arange(top, min(top + rows, height), dtype=np.float32)[:, None]
        rings = 100 * np.sin((x * x + y * y) / (40 * width))
        planes = [128 + rings, 128 + 0.5 * rings + 60 * x / width - 30, 128 - rings * y / height]
        noise = generator.normal(0, 4, (len(y), width)).astype(np.float32)
        yield np.stack([np.broadcast_to(p, noise.shape) + noise for p in planes], axis=-1).clip(0, 255).astype(np.uint8)
