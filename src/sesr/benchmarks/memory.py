"""Peak memory of the command `sesr upscale`, measured from outside.

A picture is made in a temporary folder, the command enlarges it in a process of its own, and the operating system
tells the most memory that this process held (its resident set: Python, libraries, engine, everything). A second
process stands between, because the figure that a process gets about its children is the largest over all of them.
"""

import csv
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sesr.atomic import writing
from sesr.errors import EngineError, UsageError
from sesr.files.limits import PIXEL_LIMIT
from sesr.files.write import write_picture
from sesr.imaging.stream import Stream

MEGAPIXELS = (2.0, 12.0, 100.0)
"""Full HD, a phone's photograph, a large scan."""

_WATCHER = """
import resource, subprocess, sys, time
start = time.perf_counter()
code = subprocess.call(sys.argv[1:], stdout=subprocess.DEVNULL)
unit = 1 if sys.platform == "darwin" else 1024
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit, time.perf_counter() - start)
sys.exit(code)
"""


@dataclass(frozen=True)
class MemoryRow:
    """One picture: its size in pixels, the command's peak memory in bytes, and how long it took in seconds."""

    width: int
    height: int
    peak: int
    seconds: float


def measure_memory(model: str, megapixels: Sequence[float] = MEGAPIXELS) -> Iterator[MemoryRow]:
    """Runs `sesr upscale` on RGB pictures of about the given sizes, in megapixels, PNG to PNG.

    Yields a row a picture as it is measured. Raises `UsageError` for sizes that no picture can have, `EngineError`
    where the system does not tell or the command fails.
    """
    limit = PIXEL_LIMIT // 10**6
    if not all(0 < size < limit for size in megapixels):
        raise UsageError(f"--megapixels must be above 0 and below {limit}")
    if sys.platform == "win32":
        raise EngineError("peak memory cannot be measured on Windows; use Linux or macOS")
    return (_measure(model, size) for size in megapixels)


def memory_line(row: MemoryRow) -> str:
    """A row for people."""
    size = f"{row.width} x {row.height} ({row.width * row.height / 1e6:.0f} MP)"
    return f"{size:>24}  peak {row.peak / 1e6:5.0f} MB  {row.seconds:6.1f} s"


def write_csv(rows: Iterable[MemoryRow], path: Path) -> None:
    """Columns width, height (pixels), peak_mb (10^6 bytes), seconds. Raises `OSError`."""
    with writing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["width", "height", "peak_mb", "seconds"])
        table.writerows([row.width, row.height, f"{row.peak / 1e6:.0f}", f"{row.seconds:.1f}"] for row in rows)


def _measure(model: str, megapixels: float) -> MemoryRow:
    height = max(round((megapixels * 1e6 * 3 / 4) ** 0.5), 1)
    width = max(round(megapixels * 1e6 / height), 1)
    with tempfile.TemporaryDirectory(prefix="sesr-") as folder:
        source, target = Path(folder, "drawn.png"), Path(folder, "larger.png")
        write_picture(source, Stream(_pattern(width, height), width, height, "RGB", 8))
        command = [sys.executable, "-m", "sesr", "upscale", str(source), "-o", str(target), "-m", model]
        watched = subprocess.run(
            [sys.executable, "-c", _WATCHER, *command], capture_output=True, text=True, check=False
        )
    if watched.returncode:
        raise EngineError(f"sesr upscale failed on {width} x {height} pixels: {watched.stderr.strip()}")
    peak, seconds = watched.stdout.split()
    return MemoryRow(width, height, int(peak), float(seconds))


def _pattern(width: int, height: int, rows: int = 64) -> Iterator[NDArray[np.uint8]]:
    """Rings, ramps and a little noise, uint8 (rows, width, 3), from the top down."""
    generator = np.random.default_rng(1)
    x = np.arange(width, dtype=np.float32)
    for top in range(0, height, rows):
        y = np.arange(top, min(top + rows, height), dtype=np.float32)[:, None]
        rings = 100 * np.sin((x * x + y * y) / (40 * width))
        planes = [128 + rings, 128 + 0.5 * rings + 60 * x / width - 30, 128 - rings * y / height]
        noise = generator.normal(0, 4, (len(y), width)).astype(np.float32)
        yield np.stack([np.broadcast_to(p, noise.shape) + noise for p in planes], axis=-1).clip(0, 255).astype(np.uint8)
