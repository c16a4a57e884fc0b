"""Makes whole frames of interlaced ones, by FFmpeg's bwdif."""

from collections.abc import Iterator

import av
from av import VideoFrame
from av.video.stream import VideoStream

from sesr.video.events import Event


def deinterlaced(events: Iterator[Event], stream: VideoStream, treated: str) -> Iterator[Event]:
    """Pass frames through FFmpeg's bwdif, a whole frame for each. Its timestamps have a finer unit."""
    graph, shape = None, None
    for event in events:
        if not isinstance(event, VideoFrame):
            yield event
            continue
        if graph is None or shape != (event.width, event.height, event.format.name):
            yield from _rest(graph)
            graph, shape = _bwdif(event, stream, treated), (event.width, event.height, event.format.name)
        graph.vpush(event)
        yield from _finished(graph)
    yield from _rest(graph)


def _rest(graph: av.filter.Graph | None) -> Iterator[VideoFrame]:
    """Yield what the filter still holds."""
    if graph is not None:
        graph.vpush(None)
        yield from _finished(graph)


def _bwdif(frame: VideoFrame, stream: VideoStream, treated: str) -> av.filter.Graph:
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
