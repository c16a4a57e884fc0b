"""Speed of a film: how much of the processor's time is the network, how much the encoder, and how much all the rest.

Two films are drawn: a camera that pans over a photograph, whose every pixel changes, and a screen on which a word
appears from time to time. Each is enlarged from file to file (`sesr.video.film`), the screen once more without copying
what stands still. Right after it, the network enlarges luma of frames that lie in memory, and the encoder encodes
enlarged frames that lie there. What the film needs beyond both is the *rest*: reading, decoding, chroma, comparing
frames, writing, joining.

Processor time counts, since other work on the machine changes the time on the clock. Both are told.
"""

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sesr.benchmarks.files import photograph
from sesr.benchmarks.rows import Row
from sesr.engines.kernels import kernel_in_use
from sesr.engines.load import load_engine
from sesr.engines.native import NativeEngine
from sesr.engines.planes import upscale_luma
from sesr.errors import UsageError
from sesr.network.zoo import find_network, resolve
from sesr.processors import available_threads

if TYPE_CHECKING:
    from av import VideoFrame

RATE = 24
_SAMPLE = 48
"""Frames that the network and the encoder are timed with alone."""

_SCALE = 2
_PRESET = "ultrafast"


@dataclass(frozen=True)
class FilmTiming(Row):
    """One film.

    Attributes:
        network: name of the network.
        film: "camera" or "screen".
        still: whether what did not change since the frame before was copied.
        width, height: of the source.
        kernel: kernels of the engine.
        threads: processor threads.
        frames: length of the film.
        fps: frames a second, by the clock.
        real_time: share of real time that this is.
        cpu_ms: processor time of a frame.
        network_ms: processor time of the network alone, for a frame of which all is computed.
        encoder_ms: of the encoder alone.
        rest_ms: what is left; None where parts are copied, since the network does less then.
        idle: time by the clock, divided by processor time per thread: 1 where all threads are always busy.
    """

    network: str
    film: str
    still: bool
    width: int
    height: int
    kernel: str
    threads: int
    frames: int
    fps: float
    real_time: float
    cpu_ms: float
    network_ms: float
    encoder_ms: float
    rest_ms: float | None
    idle: float

    def line(self) -> str:
        """Return the speed and the shares."""
        rest = "" if self.rest_ms is None else f", rest {self.rest_ms:.0f}"
        still = "still parts copied" if self.still else "all computed"
        return (
            f"{self.film}, {still}: {self.width} x {self.height}  {self.fps:5.1f} frames/s, "
            f"{self.real_time:.2f} x real time; {self.cpu_ms:.0f} ms of processor a frame, "
            f"network {self.network_ms:.0f}, encoder {self.encoder_ms:.0f}{rest}"
        )


def measure_video(
    model: str = "m5",
    width: int = 960,
    height: int = 540,
    seconds: float = 20,
    threads: int | None = None,
    *,
    int8: bool = True,
) -> Iterator[FilmTiming]:
    """Enlarge two films twice, with x264 at its fastest.

    Args:
        model: name of a network.
        width, height: of the films, even numbers.
        seconds: their length.
        threads: processor threads; None takes all.
        int8: take the int8 network of that name.

    Raises `UsageError` for films that cannot be, `NotInstalledError` without PyAV.
    """
    from sesr.video.library import check_installed

    check_installed()
    frames = round(seconds * RATE)
    if frames < 1 or width < 16 or height < 16 or width % 2 or height % 2:
        raise UsageError("a film needs a frame at least, and even sides of 16 pixels or more")
    name = resolve(model, int8=int8)
    engine = load_engine(find_network(name, _SCALE).file, "native", 1)
    assert isinstance(engine, NativeEngine)
    threads = threads or available_threads()
    with tempfile.TemporaryDirectory(prefix="sesr-", ignore_cleanup_errors=True) as folder:
        for film, drawn, still in (("camera", camera, True), ("screen", screen, True), ("screen", screen, False)):
            source = Path(folder, f"{film}.mkv")
            _write(source, width, height, drawn(width, height, frames))
            target = source.with_name(f"{film}_x2.mkv")
            wall, whole = _timed(partial(_enlarge, source, target, name, threads, still))
            _, network = _timed(_network_alone(engine, source, threads))
            _, encoder = _timed(_encoder_alone(target, threads))
            sample = min(_SAMPLE, frames)
            yield FilmTiming(
                network=name,
                film=film,
                still=still,
                width=width,
                height=height,
                kernel=kernel_in_use(),
                threads=threads,
                frames=frames,
                fps=round(frames / wall, 2),
                real_time=round(frames / wall / RATE, 3),
                cpu_ms=round(1000 * whole / frames, 1),
                network_ms=round(1000 * network / sample, 1),
                encoder_ms=round(1000 * encoder / sample, 1),
                rest_ms=None
                if film == "screen" and still
                else round(1000 * (whole / frames - network / sample - encoder / sample), 1),
                idle=round(wall * threads / whole, 2),
            )


def camera(width: int, height: int, frames: int) -> Iterator[NDArray[np.uint8]]:
    """Yield RGB frames of a camera that pans over a photograph, with noise of its own."""
    large = photograph(width * height * 2.25 / 1e6)
    large = np.tile(large, (2, 2, 1))
    random = np.random.default_rng(0)
    for number in range(frames):
        x, y = (number * 3) % width, (number * 2) % height
        noise = random.integers(-3, 4, (height, width, 1))
        yield np.clip(large[y : y + height, x : x + width] + noise, 0, 255).astype(np.uint8)


def screen(width: int, height: int, frames: int) -> Iterator[NDArray[np.uint8]]:
    """Yield RGB frames of a screen with text, on which a word is written every fourth frame."""
    random = np.random.default_rng(0)
    page = np.full((height, width, 3), 245, np.uint8)
    line, word = 12, 32
    for number in range(frames):
        if number % 4 == 0:
            place = number // 4
            across, down = max(width // word, 1), max(height // line, 1)
            y, x = place // across % down * line, place % across * word
            letters = random.random((max(line - 4, 1), word - 4, 1)) < 0.4
            page[y : y + line - 4, x : x + word - 4] = np.where(letters, 20, 245)[: height - y, : width - x]
        yield page


def _timed(run: Callable[[], object]) -> tuple[float, float]:
    """Return seconds by the clock and of processor time, all threads together."""
    wall, cpu = time.perf_counter(), time.process_time()
    run()
    return time.perf_counter() - wall, time.process_time() - cpu


def _write(path: Path, width: int, height: int, pictures: Iterator[NDArray[np.uint8]]) -> None:
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"preset": "veryfast", "crf": "20"})
        stream.width, stream.height = width, height
        for picture in pictures:
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _enlarge(source: Path, target: Path, model: str, threads: int, still: bool) -> None:
    from sesr.video.film import Film
    from sesr.video.settings import Settings

    settings = Settings(model=model, codec="x264", preset=_PRESET, threads=threads, still=still)
    with Film(source, target, settings, overwrite=True) as film:
        film.run()


def _network_alone(engine: NativeEngine, source: Path, threads: int) -> Callable[[], object]:
    """Return what enlarges the luma of the first frames, one thread a frame."""
    lumas = [_luma(frame) for frame in _frames(source)]

    def enlarge(luma: NDArray[np.uint8]) -> None:
        height, width = luma.shape
        upscale_luma(engine, luma, np.empty((_SCALE * height, _SCALE * width), np.uint8), threads=1)

    def run() -> None:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(enlarge, lumas))

    return run


def _encoder_alone(target: Path, threads: int) -> Callable[[], object]:
    """Return what encodes the first enlarged frames."""
    import av

    frames = _frames(target)

    def run() -> None:
        with av.open("/dev/null", "w", format="null") as container:
            stream = container.add_stream("libx264", rate=RATE, options={"preset": _PRESET, "crf": "17"})
            stream.width, stream.height, stream.pix_fmt = frames[0].width, frames[0].height, frames[0].format.name
            stream.codec_context.thread_count = threads
            for number, frame in enumerate(frames):
                frame.pts, frame.time_base, frame.pict_type = number, Fraction(1, RATE), 0
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))

    return run


def _frames(path: Path) -> "Sequence[VideoFrame]":
    import av

    with av.open(str(path)) as container:
        found = []
        for frame in container.decode(video=0):
            found.append(frame)
            if len(found) == _SAMPLE:
                break
        return found


def _luma(frame: "VideoFrame") -> NDArray[np.uint8]:
    plane = frame.planes[0]
    rows = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
    return rows[:, : plane.width].copy()
