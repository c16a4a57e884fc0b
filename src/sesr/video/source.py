"""Reads a film: finds its video, and gives its frames in order, each with a timestamp that is later than the last.

Films are damaged, cut off, change their size or lack timestamps. Whatever can be decoded is passed on, and `Faults`
counts what was wrong, for a line at the end. What cannot work at all is refused at the beginning: no video, only a
cover picture, interlaced frames that nobody asked to deinterlace.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Self, TypeAlias

import av
from av import Packet, VideoFrame
from av.container import InputContainer
from av.stream import Disposition, Stream
from av.video.reformatter import ColorRange
from av.video.stream import VideoStream

from sesr.errors import VideoError
from sesr.processors import available_threads
from sesr.video.frames import FULL_RANGE, alpha_refusal, checksum, is_full_range, planar_name
from sesr.video.info import FilmInfo, describe
from sesr.video.library import reading

STREAM = "-"
"""The name of stdin and stdout."""

_LOOKED_AT = 8
"""Frames that are looked at for interlacing before the work begins."""

_FLAGGED, _ALL = "interlaced", "all"
"""Frames that bwdif treats."""

_LEAP = 1
"""Seconds between two frames that are looked at closely, because a timestamp may be damaged."""

_RUN_UP = 1
"""Seconds before a frame at which decoding begins, so that filters have seen the frames around it."""

_ALPHA_APART = ("vp8", "vp9")
"""Codecs whose alpha lies next to their packets, so that decoded frames show nothing of it."""

Event: TypeAlias = "VideoFrame | Packet[Stream]"
"""A decoded frame of the video, or a packet of another stream."""


@dataclass
class Faults:
    """Faults of a film, counted while it is read.

    Attributes:
        damaged: frames that were decoded with errors.
        undecoded: packets of video that could not be decoded.
        cut: True if the file ended with an error.
        resized: frames of another size, pixel format or range than the first.
        untimed: frames without a timestamp, or with one that is not later than the last.
        interlaced: interlaced frames after the first few.
    """

    damaged: int = 0
    undecoded: int = 0
    cut: bool = False
    resized: int = 0
    untimed: int = 0
    interlaced: int = 0

    def notes(self) -> list[str]:
        """Return a short remark on each kind that occurred."""
        remarks = [
            (self.damaged, "damaged frames enlarged as they were decoded"),
            (self.undecoded, "packets of video could not be decoded"),
            (self.resized, "frames of another size, pixel format or range converted to the first one's"),
            (self.untimed, "frames without a usable timestamp got one"),
            (self.interlaced, "interlaced frames among others; --deinterlace treats them"),
        ]
        notes = [f"{count} {text}" for count, text in remarks if count]
        return [*notes, "the file ends in the middle"] if self.cut else notes


@dataclass(frozen=True)
class Mark:
    """A frame after which a film can be continued.

    Attributes:
        pts: its timestamp.
        checksum: of its samples: see `sesr.video.frames.checksum`.
        faults: what was wrong with the film so far.
    """

    pts: int
    checksum: int
    faults: Faults


class Reader:
    """A film that is open for reading.

    Args:
        place: path of a file, or ``-`` for stdin, which holds any container that needs no seeking.
        deinterlace: turn interlaced frames into whole ones, by FFmpeg's bwdif. Where none of the first few is flagged
            as interlaced, all are treated.
        threads: of the decoder; None takes as many as the process may use.

    Attributes:
        name: the place, for messages.
        container, stream: as PyAV has them.
        info: facts about the film.
        first: its first frame.
        faults: what was wrong so far.

    Raises `VideoError` for what is no film, and for interlaced frames without `deinterlace`.
    """

    def __init__(self, place: str | Path, *, deinterlace: bool = False, threads: int | None = None) -> None:
        self.name, self.faults = str(place), Faults()
        self._path, self._deinterlace, self._threads = place, deinterlace, threads or available_threads()
        self._treated: str | None = None
        self.container = _open(place)
        try:
            self.stream = self._video()
            self._events = self._decoded()
            self._peeked: list[Event] = []
            looked_at = self._look()
            self.first = looked_at[0]
            self.info = describe(self.container, self.stream, looked_at)
        except BaseException:
            self.container.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self.container.close()

    def notes(self) -> list[str]:
        """Return short remarks on what was wrong so far."""
        unflagged = ["no frame was flagged as interlaced, so all were deinterlaced"] if self._treated == _ALL else []
        return [*self.faults.notes(), *unflagged]

    def frames(self, start: Fraction = Fraction(0), stop: Fraction | None = None) -> Iterator[VideoFrame]:
        """Yield the frames of a part of the film. See `events`."""
        yield from self._only_frames(self.events(start, stop))

    def events(self, start: Fraction = Fraction(0), stop: Fraction | None = None) -> Iterator[Event]:
        """Yield frames and other streams' packets in the order of the file.

        Args:
            start: seconds from the beginning of the film at which frames begin.
            stop: seconds at which they end; None for the end of the film.

        Frames have the first one's size and pixel format. Their timestamps rise, in units of `FilmInfo.time_base`.
        Can be used once. Raises `VideoError` when FFmpeg gives up.
        """
        with reading(self.name):
            events = self._from(start)
            yield from self._timed(events, _Clock(self.info, self.faults), start, stop)

    def marked(self, frame: VideoFrame) -> Mark:
        """Return a mark of a frame that `frames` has just yielded, for `frames_after`."""
        return Mark(frame.pts or 0, checksum(frame), replace(self.faults))

    def frames_after(self, mark: Mark, stop: Fraction | None = None) -> Iterator[VideoFrame] | None:
        """Return the frames after one that was marked, decoded from a keyframe before it on.

        Returns None, and begins at the beginning, where that frame is not found by its timestamp or looks different.
        Then another way to decode the film could give other frames.
        """
        if self.name == STREAM:
            return None
        clock, found = _Clock(self.info, self.faults), None
        with suppress(av.FFmpegError):
            self.container.seek(int((mark.pts * self.info.time_base - _RUN_UP) * 1_000_000), backward=True)
            events = self._decoded()
            frames = (event for event in events if isinstance(event, VideoFrame))
            found = next((frame for frame in frames if frame.pts is None or frame.pts >= mark.pts), None)
        if found is None or found.pts != mark.pts or checksum(self._fitted(found)) != mark.checksum:
            self._restart()
            return None
        clock.stamp(found)
        self.faults = clock.faults = replace(mark.faults)
        return self._only_frames(self._timed(events, clock, Fraction(0), stop))

    def _only_frames(self, events: Iterator[Event]) -> Iterator[VideoFrame]:
        with reading(self.name):
            yield from (event for event in events if isinstance(event, VideoFrame))

    def _timed(
        self, events: Iterator[Event], clock: "_Clock", start: Fraction, stop: Fraction | None
    ) -> Iterator[Event]:
        """Give frames their timestamps, and leave out those before `start` and from `stop` on."""
        last = None if clock.last is None else clock.last * self.info.time_base
        for event in _without_leaps(events, last):
            if not isinstance(event, VideoFrame):
                yield event
                continue
            time = clock.stamp(event) * self.info.time_base - self.info.begin
            if stop is not None and time >= stop:
                return
            if start and time < start:
                continue
            yield self._fitted(event)

    def _from(self, start: Fraction) -> Iterator[Event]:
        """Yield all events, or those from a keyframe before `start` on where the file can be searched."""
        if start and self.name != STREAM and self._sought(start):
            return self._decoded()
        return self._all()

    def _all(self) -> Iterator[Event]:
        yield from self._peeked
        self._peeked.clear()
        yield from self._events

    def _sought(self, start: Fraction) -> bool:
        """Jump to a keyframe before `start`. Returns False, at the film's beginning, where that goes wrong."""
        goal = int((start + self.info.begin) * 1_000_000)
        try:
            self.container.seek(goal, backward=True)
            first = next(event for event in self._decoded() if isinstance(event, VideoFrame))
            early = first.pts is not None and first.pts * self.info.time_base <= start + self.info.begin
            self.container.seek(goal, backward=True)
        except (av.FFmpegError, StopIteration):
            early = False
        if not early:
            self._restart()
        self.faults = Faults()
        return early

    def _restart(self) -> None:
        """Open the film again."""
        self.container.close()
        self.container = _open(self._path)
        self.stream = self._video()
        self.faults = Faults()
        self._peeked, self._events = [], self._decoded()

    def _video(self) -> VideoStream:
        stream = _video_of(self.container, self.name)
        stream.thread_type = "AUTO"
        stream.codec_context.thread_count = self._threads
        return stream

    def _decoded(self) -> Iterator[Event]:
        """Yield the container's content, deinterlaced if that is wanted, with what is damaged counted."""
        events = self._damaged_counted()
        return self._deinterlaced(events) if self._deinterlace else events

    def _deinterlaced(self, events: Iterator[Event]) -> Iterator[Event]:
        """Deinterlace frames that are flagged, or all; the film's first frames decide that, wherever it is read."""
        first: list[Event] = []
        if self._treated is None:
            frames = 0
            while frames < _LOOKED_AT and (event := next(events, None)) is not None:
                first.append(event)
                frames += isinstance(event, VideoFrame)
            flagged = any(isinstance(event, VideoFrame) and event.interlaced_frame for event in first)
            self._treated = _FLAGGED if flagged else _ALL
        return _deinterlaced(chain(first, events), self.stream, self._treated)

    def _damaged_counted(self) -> Iterator[Event]:
        read = [stream for stream in self.container.streams if stream.type in ("video", "audio", "subtitle")]
        packets = self.container.demux(read)
        while True:
            try:
                packet = next(packets, None)
            except av.FFmpegError:  # what follows cannot be found
                self.faults.cut = True
                packet = None
            if packet is None:
                break
            if packet.stream.index == self.stream.index:  # `stream_index` is 0 in packets that only end a stream
                yield from self._frames_of(packet)
            elif packet.size:
                yield packet
        if self.faults.cut:
            yield from self._frames_of(None)

    def _frames_of(self, packet: "Packet[Stream] | None") -> Iterator[VideoFrame]:
        """Decode a packet; None takes the frames that the decoder still holds."""
        try:
            frames = self.stream.decode(packet)
        except av.FFmpegError:
            self.faults.undecoded += packet is not None
            return
        for frame in frames:
            self.faults.damaged += frame.is_corrupt
            yield frame

    def _look(self) -> list[VideoFrame]:
        """Decode the first frames, and keep them for `events`."""
        found: list[VideoFrame] = []
        with reading(self.name):
            for event in self._events:
                self._peeked.append(event)
                if isinstance(event, VideoFrame):
                    found.append(event)
                if len(found) == _LOOKED_AT:
                    break
        if not found:
            raise VideoError(f"{self.name}: no frame of it can be decoded; it is damaged, or ends too early")
        if any(frame.interlaced_frame for frame in found):
            raise VideoError(
                f"{self.name}: interlaced, so enlarging would blur its lines; add --deinterlace to make whole frames"
            )
        return found

    def _fitted(self, frame: VideoFrame) -> VideoFrame:
        """Return the frame in the first one's size, pixel format and range.

        The same samples may come under several names, such as yuvj420p and yuv420p with the tag of full range. These
        stay as they are: FFmpeg would take the second for limited range, and convert it.
        """
        first = self.first
        self.faults.interlaced += frame.interlaced_frame
        if _form(frame) == _form(first):
            return frame
        self.faults.resized += 1
        name = planar_name(first.format.name)
        before, after = (ColorRange.JPEG if is_full_range(each) else ColorRange.MPEG for each in (frame, first))
        fitted = frame.reformat(
            first.width, first.height, name, interpolation="BICUBIC", src_color_range=before, dst_color_range=after
        )
        fitted.pts, fitted.time_base, fitted.duration = frame.pts, frame.time_base, frame.duration
        fitted.color_range = FULL_RANGE if is_full_range(first) else first.color_range
        return fitted


def _without_leaps(events: Iterator[Event], last: Fraction | None) -> Iterator[Event]:
    """Take the timestamp off a frame that leaps ahead of the next one: a damaged one would move all that follow.

    `last` is when the frame before is shown, in seconds.
    """
    held: list[Event] = []  # begins with a frame that leaps
    for event in events:
        time = _seconds(event)
        if time is not None:
            if held:
                leap = _seconds(held[0])
                if last is not None and leap is not None and last < time < leap:
                    held[0].pts = None
                else:
                    last = leap
                yield from held
                held.clear()
            if last is not None and time - last > _LEAP:
                held.append(event)
                continue
            last = time
        if held:
            held.append(event)
        else:
            yield event
    yield from held


def _seconds(event: Event) -> Fraction | None:
    """Return a frame's timestamp in seconds; None for one without, and for other streams' packets."""
    if not isinstance(event, VideoFrame) or event.pts is None or not event.time_base:
        return None
    return event.pts * event.time_base


def _form(frame: VideoFrame) -> tuple[int, int, str, bool]:
    """Return all by which frames' samples may differ from the first one's."""
    return frame.width, frame.height, planar_name(frame.format.name), is_full_range(frame)


class _Clock:
    """Gives every frame a timestamp in the film's time base that is later than the last.

    Attributes:
        faults: where frames without a usable timestamp are counted.
        last: timestamp of the last frame; None before the first.
    """

    def __init__(self, info: FilmInfo, faults: Faults) -> None:
        self._info, self.faults = info, faults
        self.last: int | None = None

    def stamp(self, frame: VideoFrame) -> int:
        """Set the frame's timestamp, time base and, where that is missing, duration. Returns the timestamp."""
        base, pts = self._info.time_base, frame.pts
        if pts is not None and frame.time_base and frame.time_base != base:
            pts = round(pts * frame.time_base / base)
            frame.duration = round(frame.duration * frame.time_base / base)
        if pts is None or (self.last is not None and pts <= self.last):
            self.faults.untimed += 1
            pts = 0 if self.last is None else self.last + self._step(pts)
        frame.pts, frame.time_base = pts, base
        frame.duration = frame.duration or self._info.tick
        self.last = pts
        return pts

    def _step(self, pts: int | None) -> int:
        """Return the distance from the last frame for one without a timestamp, or with one that is too early.

        Half of the usual one leaves room for the next frame. Far too early is the beginning of another recording.
        """
        tick = self._info.tick
        beside = pts is not None and self.last is not None and self.last - pts <= tick
        return max(1, tick // 2) if beside else tick


def _open(place: str | Path) -> InputContainer:
    """Open a film. Raises `VideoError`, which names it."""
    name = str(place)
    if name != STREAM:
        _check_file(Path(place))
    with reading(name):
        container = av.open("pipe:0" if name == STREAM else str(place), metadata_errors="replace")
    kinds = container.format.name
    if kinds == "tty":
        container.close()
        raise VideoError(f"{name}: text, not a film; name a film")
    if kinds in ("gif", "apng"):
        container.close()
        raise VideoError(f"{name}: an animation, not a film; sesr upscale enlarges animations")
    if kinds == "image2" or kinds.endswith("_pipe"):
        container.close()
        raise VideoError(f"{name}: a picture, not a film; sesr upscale enlarges pictures")
    return container


def _check_file(path: Path) -> None:
    if path.is_dir():
        raise VideoError(f"{path}: a folder; name a film in it")
    if path.is_file() and not path.stat().st_size:
        raise VideoError(f"{path}: an empty file; copy the film again")
    if path.exists() and not path.is_file():
        raise VideoError(f"{path}: a pipe, which cannot be read twice; use - and redirect it: sesr video - OUT < PIPE")


def _video_of(container: InputContainer, name: str) -> VideoStream:
    """Return the film itself: the default video stream, or the first, and never a cover picture."""
    videos = container.streams.video
    films = [stream for stream in videos if not stream.disposition & Disposition.attached_pic]
    if not films:
        found = "sound and a cover picture" if videos else "no video" if container.streams else "no streams"
        raise VideoError(f"{name}: holds {found}, nothing to enlarge; name a film")
    chosen = next((stream for stream in films if stream.disposition & Disposition.default), films[0])
    if chosen.codec_context is None:
        raise VideoError(f"{name}: its video codec is unknown; convert it by FFmpeg first")
    codec = chosen.codec_context.codec.canonical_name
    if codec in _ALPHA_APART and chosen.metadata.get("alpha_mode") == "1":
        raise VideoError(f"{name}: {alpha_refusal(codec)}")
    return chosen


def _deinterlaced(events: Iterator[Event], stream: VideoStream, treated: str) -> Iterator[Event]:
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
