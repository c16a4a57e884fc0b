"""Reads a film: finds its video, and gives its frames in order, each with a timestamp that is later than the last.

Films are damaged, cut off, change their size or lack timestamps. Whatever can be decoded is passed on, and `Faults`
counts what was wrong, for a line at the end. What cannot work at all is refused at the beginning: no video, only a
cover picture. Interlaced frames that nobody asked to deinterlace end the reading wherever they appear.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Self

import av
from av import Packet, VideoFrame
from av.stream import Stream
from av.video.reformatter import ColorRange
from av.video.stream import VideoStream

from sesr.errors import VideoError
from sesr.processors import available_threads
from sesr.video.clock import Clock
from sesr.video.deinterlacing import Flags, InterlacedError, deinterlaced
from sesr.video.events import Event, Faults
from sesr.video.frames import FULL_RANGE, checksum, is_full_range, planar_name
from sesr.video.info import describe
from sesr.video.leaps import leaping
from sesr.video.library import reading
from sesr.video.opening import STREAM, open_film, video_of
from sesr.video.settings import Deinterlace

_LOOKED_AT = 8
"""Frames that are looked at for interlacing before the work begins."""

_RUN_UP = 1
"""Seconds before a frame at which decoding begins, so that filters have seen the frames around it."""


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
        deinterlace: turn interlaced frames into whole ones, by FFmpeg's bwdif. True takes those that are flagged as
            interlaced, "all" takes all.
        threads: of the decoder; None takes as many as the process may use.

    Attributes:
        name: the place, for messages.
        container, stream: as PyAV has them.
        info: facts about the film.
        first: its first frame.
        faults: what was wrong so far.
        unflagged: True if only flagged frames are deinterlaced, and none of the first few is.

    Raises `VideoError` for what is no film, and `InterlacedError` for interlaced frames without `deinterlace`.
    """

    def __init__(self, place: str | Path, *, deinterlace: Deinterlace = False, threads: int | None = None) -> None:
        self.name, self.faults = str(place), Faults()
        self._path, self._deinterlace, self._threads = place, deinterlace, threads or available_threads()
        self.unflagged, self._flagged = False, 0
        self.container = open_film(place)
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
        return self.faults.notes()

    def frames(self, start: Fraction = Fraction(0), stop: Fraction | None = None) -> Iterator[VideoFrame]:
        """Yield the frames of a part of the film. See `events`."""
        yield from self._only_frames(self.events(start, stop))

    def events(self, start: Fraction = Fraction(0), stop: Fraction | None = None) -> Iterator[Event]:
        """Yield frames and other streams' packets in the order of the file.

        Args:
            start: seconds from the beginning of the film at which frames begin.
            stop: seconds at which they end; None for the end of the film.

        Frames have the first one's size and pixel format. Their timestamps rise, in units of `FilmInfo.time_base`.
        Can be used once. Raises `VideoError` when FFmpeg gives up, and `InterlacedError` at interlaced frames that are
        not to be deinterlaced.
        """
        with reading(self.name):
            events = self._from(start)
            yield from self._wanted(events, Clock(self.info, self.faults), start, stop)

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
        clock, found = Clock(self.info, self.faults), None
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
        return self._only_frames(self._wanted(events, clock, Fraction(0), stop))

    def _only_frames(self, events: Iterator[Event]) -> Iterator[VideoFrame]:
        with reading(self.name):
            yield from (event for event in events if isinstance(event, VideoFrame))

    def _wanted(self, events: Iterator[Event], clock: Clock, start: Fraction, stop: Fraction | None) -> Iterator[Event]:
        for event in self._whole(self._timed(events, clock, start, stop)):
            yield self._fitted(event) if isinstance(event, VideoFrame) else event

    def _timed(self, events: Iterator[Event], clock: Clock, start: Fraction, stop: Fraction | None) -> Iterator[Event]:
        """Give frames their timestamps, and leave out those before `start` and from `stop` on."""
        last = {} if clock.last is None else {0: clock.last * self.info.time_base}
        for event, leaps in leaping(events, _place, voters=1, last=last):
            if not isinstance(event, VideoFrame):
                yield event
                continue
            if leaps:  # a damaged timestamp would move all that follow
                event.pts = None
            time = clock.stamp(event) * self.info.time_base - self.info.begin
            if stop is not None and time >= stop:
                return
            if start and time < start:
                continue
            yield event

    def _whole(self, events: Iterator[Event]) -> Iterator[Event]:
        """Pass events on, and end at an interlaced frame unless those are deinterlaced."""
        flags = Flags()
        for event in events:
            if isinstance(event, VideoFrame) and not self._deinterlace:
                if flags.interlaced(event):
                    raise self._interlaced(event)
                self.faults.interlaced += event.interlaced_frame
            yield event

    def _interlaced(self, frame: VideoFrame) -> InterlacedError:
        begin = Fraction(self.container.start_time or 0, 1_000_000)
        found = _place(frame)
        return InterlacedError(self.name, max(Fraction(0), found[1] - begin) if found else Fraction(0))

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
        self.container = open_film(self._path)
        self.stream = self._video()
        self.faults = Faults()
        self._peeked, self._events = [], self._decoded()

    def _video(self) -> VideoStream:
        stream = video_of(self.container, self.name)
        stream.thread_type = "AUTO"
        stream.codec_context.thread_count = self._threads
        return stream

    def _decoded(self) -> Iterator[Event]:
        """Yield the container's content, deinterlaced if that is wanted, with what is damaged counted."""
        events = self._damaged_counted()
        return deinterlaced(events, self.stream, self._deinterlace) if self._deinterlace else events

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
            self._flagged += frame.interlaced_frame
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
        flags = Flags()
        for frame in found:
            if flags.interlaced(frame) and not self._deinterlace:
                raise self._interlaced(frame)
        self.unflagged = self._deinterlace is True and not self._flagged
        return found

    def _fitted(self, frame: VideoFrame) -> VideoFrame:
        """Return the frame in the first one's size, pixel format and range.

        The same samples may come under several names, such as yuvj420p and yuv420p with the tag of full range. These
        stay as they are: FFmpeg would take the second for limited range, and convert it.
        """
        first = self.first
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


def _place(event: Event) -> tuple[int, Fraction] | None:
    """Return a frame's timestamp for `leaping`; None for one without, and for other streams' packets."""
    if not isinstance(event, VideoFrame) or event.pts is None or not event.time_base:
        return None
    return 0, event.pts * event.time_base


def _form(frame: VideoFrame) -> tuple[int, int, str, bool]:
    """Return all by which frames' samples may differ from the first one's."""
    return frame.width, frame.height, planar_name(frame.format.name), is_full_range(frame)
