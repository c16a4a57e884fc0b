"""Measures what copying still parts saves: `python examples/still_parts.py NAME=FILM...`, on screen recordings.

Writes results/still.csv: for every film the share of frames that equal the one before, the share of rows of luma that
are copied, and the processor time of a frame with and without copying. Films are decoded and enlarged; nothing is
encoded. A recording of one's own, with Xvfb and FFmpeg, 40 seconds of a program that is being used:

    ffmpeg -f x11grab -framerate 25 -video_size 960x540 -i :0 -t 40 -c:v libx264 -qp 0 lossless.mkv
    ffmpeg -i lossless.mkv -pix_fmt yuv420p -c:v libx264 -preset veryfast -crf 20 usual.mkv
    python examples/still_parts.py "x264, lossless"=lossless.mkv "x264 crf 20"=usual.mkv
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import fmean

from sesr.benchmarks.rows import Row, write_rows
from sesr.engines.kernels import kernel_in_use
from sesr.video.enlarging import prepare
from sesr.video.settings import Settings
from sesr.video.source import Reader

TABLE = Path(__file__).resolve().parents[1] / "results" / "still.csv"
SAMPLE = 100
"""Frames that are computed as a whole."""


@dataclass(frozen=True)
class StillParts(Row):
    """One film.

    Attributes:
        film: its name.
        network: name of the network.
        width, height, frames: of the film, as far as it was enlarged.
        kernel: kernels of the engine.
        still_frames: share of frames that equal the one before.
        copied_rows: share of the result's rows of luma that are copied, in all frames.
        cpu_ms: processor time of a frame, decoding included.
        whole_ms: the same if all is computed, for the first frames; each takes the same time then.
        gain: the second by the first.
    """

    film: str
    network: str
    width: int
    height: int
    frames: int
    kernel: str
    still_frames: float
    copied_rows: float
    cpu_ms: float
    whole_ms: float
    gain: float

    def line(self) -> str:
        """Return the figures for people."""
        return (
            f"{self.film}: {self.still_frames:.0%} of frames and {self.copied_rows:.0%} of rows copied, "
            f"{self.cpu_ms:.1f} ms instead of {self.whole_ms:.1f} ms, {self.gain:.1f} times less"
        )


def measure(name: str, film: Path, frames: int) -> StillParts:
    """Measure a film's first frames."""
    rows: list[float] = []
    still, count = _enlarge(film, frames, rows.append, still=True)
    whole, sample = _enlarge(film, min(frames, SAMPLE), lambda _: None, still=False)
    with Reader(film) as reader:
        info = reader.info
    return StillParts(
        film=name,
        network=f"{Settings().model}-int8",
        width=info.width,
        height=info.height,
        frames=count,
        kernel=kernel_in_use(),
        still_frames=round(sum(share == 1 for share in rows) / count, 3),
        copied_rows=round(fmean(rows), 3),
        cpu_ms=round(1000 * still / count, 2),
        whole_ms=round(1000 * whole / sample, 2),
        gain=round(whole / sample / still * count, 2),
    )


def _enlarge(film: Path, frames: int, copied: Callable[[float], object], *, still: bool) -> tuple[float, int]:
    """Enlarge frames in one thread. Returns processor seconds and frames; calls `copied` with shares of rows."""
    count = 0
    with Reader(film, threads=1) as reader:
        upscaler = prepare(reader, Settings(still=still)).frames
        began = time.process_time()
        for frame in islice(reader.frames(), frames):
            task = upscaler.plan(frame)
            copied(0.0 if task.changes is None else 1 - float(task.changes.rows[0].mean()))
            upscaler.run(task)
            count += 1
        return time.process_time() - began, count


def main() -> None:
    """Measure the films that are named, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("films", nargs="+", metavar="NAME=FILM", help="films, and what the table calls them")
    parser.add_argument("--frames", type=int, default=1000, help="frames of each (default: %(default)s)")
    parser.add_argument("-o", "--output", type=Path, default=TABLE, help="table to write (default: %(default)s)")
    arguments = parser.parse_args()
    rows = []
    for film in arguments.films:
        name, _, path = film.rpartition("=")
        rows.append(measure(name or Path(path).stem, Path(path), arguments.frames))
        print(rows[-1].line(), flush=True)
    write_rows(rows, arguments.output)


if __name__ == "__main__":
    main()
