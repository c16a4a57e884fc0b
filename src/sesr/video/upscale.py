"""A film's frames for Python programs: decoded, enlarged on all processors, in order."""

from collections.abc import Generator
from fractions import Fraction
from pathlib import Path

from av import VideoFrame

from sesr.errors import UsageError
from sesr.inference.sizes import Size, parse_scale, parse_size
from sesr.network.variants import DEFAULT_NETWORK
from sesr.processors import available_threads
from sesr.video.enlarging import prepare
from sesr.video.pipeline import upscaled
from sesr.video.settings import Deinterlace, Settings
from sesr.video.source import Reader


def upscale_video(
    path: str | Path,
    scale: float | None = None,
    model: str | Path = DEFAULT_NETWORK,
    *,
    size: Size | str | None = None,
    int8: bool | None = None,
    photo: bool = False,
    start: float = 0,
    duration: float | None = None,
    deinterlace: Deinterlace = False,
    threads: int | None = None,
) -> Generator[VideoFrame, None, None]:
    """Yield a film's frames, enlarged.

    Args:
        path: the film.
        scale: factor from 1 to 64, also 1.5; 2 by default.
        model: name of a network that comes with the package, or the file of one.
        size: wanted size instead: "3840x" (width), "x2160" (height), "3840x2160" (both), or a `Size`.
        int8: True takes the int8 network of that name, False the float network; None takes int8 where there is one.
        photo: take the network for compressed pictures of that name.
        start: second of the film at which to begin.
        duration: seconds to enlarge; None for all.
        deinterlace: make whole frames of those that are flagged as interlaced; "all" takes all, for films whose flags
            are missing.
        threads: frames at a time; None takes as many as the process may use.

    Each frame is new, and has the timestamp, the time base and the colors of the frame that it was made from. Luma
    keeps its depth and range, chroma its place. Closing the generator ends its threads.

    Raises `VideoError` for what is no film, `UsageError` for a size that cannot be, at the first frame. An interlaced
    frame without `deinterlace` is a `VideoError` where it appears.
    """
    if scale is not None and size is not None:
        raise UsageError("scale and size both say how large frames become; give one of them")
    if isinstance(size, str):
        size = parse_size(size)
    settings = Settings(
        model=str(model),
        size=size if scale is None else parse_scale(scale),
        int8=int8,
        photo=photo,
        start=Fraction(str(start)),
        duration=None if duration is None else Fraction(str(duration)),
        deinterlace=deinterlace,
        threads=threads,
    )
    with Reader(path, deinterlace=deinterlace, threads=threads) as reader:
        frames = reader.frames(settings.start, settings.stop)
        yield from upscaled(frames, prepare(reader, settings).frames, threads or available_threads())
