"""Makes whole frames of interlaced ones, by FFmpeg's bwdif.

Each frame's own flags count, not those of the stream. A film may be interlaced in parts, as telecine and edited
broadcasts are: frames without the flag pass bwdif as they are, and each flagged frame says which field is first.
"""

from collections.abc import Iterator
from fractions import Fraction

import av
from av import VideoFrame
from av.video.stream import VideoStream

from sesr.errors import VideoError
from sesr.video.events import Event
from sesr.video.settings import Deinterlace


class InterlacedError(VideoError):
    """An interlaced frame that nobody asked to deinterlace, `seconds` after the film's beginning."""

    def __init__(self, name: str, seconds: Fraction) -> None:
        super().__init__(
            f"{name}: interlaced at {_clock(seconds)}, so enlarging would blur its lines; "
            "add --deinterlace to make whole frames"
        )


class Flags:
    """Tells which frames are interlaced, of those that follow each other in a film.

    Damaged headers have any flag. So a damaged frame's flag is not believed, nor are those up to the next keyframe.
    """

    def __init__(self) -> None:
        self._damaged = False

    def interlaced(self, frame: VideoFrame) -> bool:
        """Tell whether the next frame is."""
        self._damaged = frame.is_corrupt or (self._damaged and not frame.key_frame)
        return frame.interlaced_frame and not self._damaged


def _clock(seconds: Fraction) -> str:
    """Return a time as `--start` takes it: 0:12.48."""
    hours, rest = divmod(float(seconds), 3600)
    minutes, rest = divmod(rest, 60)
    short = f"{rest:06.3f}".rstrip("0").rstrip(".")
    return f"{hours:.0f}:{minutes:02.0f}:{short}" if hours else f"{minutes:.0f}:{short}"


def deinterlaced(events: Iterator[Event], stream: VideoStream, which: Deinterlace) -> Iterator[Event]:
    """Pass frames through FFmpeg's bwdif, a whole frame for each. Its timestamps have a finer unit."""
    graph, shape = None, None
    for event in events:
        if not isinstance(event, VideoFrame):
            yield event
            continue
        if graph is None or shape != (event.width, event.height, event.format.name):
            yield from _rest(graph)
            graph, shape = _bwdif(event, stream, which), (event.width, event.height, event.format.name)
        graph.vpush(event)
        yield from _finished(graph)
    yield from _rest(graph)


def _rest(graph: av.filter.Graph | None) -> Iterator[VideoFrame]:
    """Yield what the filter still holds."""
    if graph is not None:
        graph.vpush(None)
        yield from _finished(graph)


def _bwdif(frame: VideoFrame, stream: VideoStream, which: Deinterlace) -> av.filter.Graph:
    treated = "all" if which == "all" else "interlaced"
    graph = av.filter.Graph()
    base = frame.time_base or stream.time_base
    source = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=base)
    bwdif = graph.add("bwdif", f"mode=send_frame:parity=auto:deint={treated}")
    graph.link_nodes(source, bwdif, graph.add("buffersink")).configure()
    return graph


def _finished(graph: av.filter.Graph) -> Iterator[VideoFrame]:
    while True:
        try:
            frame = graph.vpull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return
        yield frame
