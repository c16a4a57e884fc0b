"""Films through pipes: ``ffmpeg ... | sesr video - - | ffmpeg ...``.

A pipe cannot be read twice, so nothing is joined afterwards here: packets of sound and subtitles are written between
the frames as they come. To stdout go raw frames, in one of two containers. NUT carries timestamps, sound and most
subtitles. Y4M is what every tool reads, and carries frames alone, at one fixed rate. A film from stdin goes to a file
too, encoded as usual, but an interrupted run cannot continue: the pipe is gone.
"""

import queue
from collections import deque
from collections.abc import Iterator
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from typing import Self

from av import Packet, VideoFrame
from av.container import OutputContainer
from av.stream import Stream
from av.video.stream import VideoStream

from sesr.atomic import writing
from sesr.errors import UsageError, VideoError
from sesr.processors import available_threads
from sesr.video.containers import Copies, carried, format_of_suffix, is_cover, kept_tags, new_container
from sesr.video.encoders import Encoding, add_video, choose, lost_brightness
from sesr.video.enlarging import Enlarging, prepare
from sesr.video.events import Event
from sesr.video.film import check_target, expected_frames, placed
from sesr.video.library import filling
from sesr.video.opening import STREAM
from sesr.video.pipeline import upscaled
from sesr.video.settings import Plan, Progress, Report, Settings, Watch
from sesr.video.source import Reader

PIPED = {"nut": "nut", "y4m": "yuv4mpegpipe"}
"""FFmpeg's names of the containers that stdout takes."""

_WITHOUT = {
    "nut": "NUT cannot carry the range, matrix, primaries and transfer of colors, the place of chroma, "
    "HDR10 brightness, rotation, fonts and cover pictures",
    "y4m": "Y4M cannot carry sound, subtitles, timestamps of a varying rate, the matrix, primaries and transfer of "
    "colors, HDR10 brightness, rotation",
}
"""Lines about stdout's containers, whatever is in the film."""


class PipedFilm:
    """A film that is read from stdin, written to stdout, or both.

    Args:
        source: the film, or ``-``.
        target: the new film, or ``-``.
        settings: how to do it.
        container: for stdout, a key of `PIPED`.
        overwrite: replace the target.

    Attributes:
        plan: what is going to be done.
        encoded, whole: False, since nothing is left to be joined, and no earlier run is known.

    Raises `VideoError` and `UsageError` for all that cannot work.
    """

    encoded = whole = False

    def __init__(
        self, source: str, target: str, settings: Settings, *, container: str = "nut", overwrite: bool = False
    ) -> None:
        self._target, self._overwrite = target, overwrite
        self._notes: list[str] = []
        self._format = PIPED[container] if target == STREAM else format_of_suffix(Path(target))
        if target != STREAM:
            check_target(Path(source), Path(target), overwrite)
        else:
            _refuse_encoding(settings)
        self._reader = Reader(source, deinterlace=settings.deinterlace, threads=settings.threads)
        try:
            self.info = self._reader.info
            self._settings = placed(settings, self.info, source)
            self._enlarging: Enlarging = prepare(self._reader, settings)
            self._encoding = self._chosen(settings)
            self._kept, lost = self._carried(target, container, settings.drop)
            self._limits = _WITHOUT[container] if target == STREAM else ""
            self.plan = self._plan((*lost, *lost_brightness(self.info, self._encoding)))
        except BaseException:
            self._reader.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._reader.close()

    def run(self, watch: Watch | None = None) -> Report:
        """Enlarge the film. `watch` is called after each frame. Raises `VideoError`, `EngineError`."""
        with filling(self._target, continues=False):
            if self._target == STREAM:
                frames, seconds = self._write("pipe:1", watch)
                return self._report(None, frames, seconds, 0)
            goal = Path(self._target)
            with writing(goal, overwrite=self._overwrite) as path:
                frames, seconds = self._write(str(path), watch)
            return self._report(goal, frames, seconds, goal.stat().st_size)

    def save_partial(self) -> Report | None:
        """Return None: an interrupted pipe leaves nothing behind."""
        return None

    def _report(self, target: Path | None, frames: int, seconds: float, size: int) -> Report:
        if not frames:
            raise VideoError(f"{self._reader.name}: no frame lies in that part of the film; check --start")
        return Report(target, frames, seconds, size, (*self._reader.notes(), *self._notes), self.plan.lost)

    def _chosen(self, settings: Settings) -> Encoding:
        planes, pixel_format = self._enlarging.target, self._enlarging.frames.pixel_format
        if self._target == STREAM:
            encoder = "y4m" if self._format == PIPED["y4m"] else "raw"
            return Encoding(encoder, None, None, pixel_format)
        return choose(pixel_format, planes, self._format, name=settings.codec, crf=settings.crf, preset=settings.preset)

    def _carried(self, target: str, container: str, drop: bool) -> tuple[tuple[int, ...], tuple[str, ...]]:
        source = self._reader.container
        if target == STREAM and container == "y4m":
            return (), ()
        found = carried(source, self.info.index, target, self._format, drop=drop or target == STREAM)
        kept = tuple(index for index in found.kept if not is_cover(source.streams[index]))
        return kept, found.lost

    def _plan(self, lost: tuple[str, ...]) -> Plan:
        info, target = self.info, self._enlarging.target
        return Plan(
            (info.width, info.height),
            (target.width, target.height),
            "raw frames" if self._target == STREAM else self._encoding.label,
            expected_frames(info, self._settings),
            0,
            None,
            None,
            False,
            lost,
            self._limits,
            self._reader.unflagged,
        )

    def _write(self, place: str, watch: Watch | None) -> tuple[int, float]:
        """Write the film to a file or pipe. Returns the frames and the seconds."""
        settings, source = self._settings, self._reader.container
        shift = settings.start + self.info.begin if settings.start else self.info.zero
        packets: queue.SimpleQueue[Packet[Stream]] = queue.SimpleQueue()
        frames = _without_packets(self._reader.events(settings.start, settings.stop), packets)
        workers = settings.threads or available_threads()
        with (
            new_container(place, self._format) as container,
            closing(upscaled(frames, self._enlarging.frames, workers)) as results,
        ):
            stream = add_video(container, self._encoding, self.info, self._enlarging.target, self.info.rate, workers)
            old = source.streams[self.info.index]
            stream.metadata.update(kept_tags(old.metadata, of_video=True))
            if self.info.matrix is not None and self._format not in PIPED.values():
                stream.set_display_matrix(self.info.matrix)
            copies = Copies(source, container, self._kept, {}, float(shift))
            video = _Video(container, stream, self.info.time_base, shift)
            count, seconds = 0, 0.0
            for frame in results:
                _mux_waiting(packets, copies, shift)
                begin, end = video.put(self._encoding.taken(frame))
                count, seconds = count + 1, float((end - begin) * self.info.time_base)
                if watch is not None:
                    watch(Progress(count, self.plan.frames, seconds, video.size))
            video.end()
            _mux_waiting(packets, copies, shift)
            self._notes = copies.notes()
        return count, seconds


def _refuse_encoding(settings: Settings) -> None:
    """Raise `UsageError` for wishes about an encoder, where raw frames go to stdout."""
    for option, wish in (("--codec", settings.codec), ("--crf", settings.crf), ("--preset", settings.preset)):
        if wish is not None:
            raise UsageError(f"{option} is of no use: raw frames go to stdout; name a file, or encode them by FFmpeg")


class _Video:
    """Encodes frames by their number, and writes packets at the frames' own times."""

    def __init__(self, container: OutputContainer, stream: VideoStream, time_base: Fraction, shift: Fraction) -> None:
        self._container, self._stream, self._base = container, stream, time_base
        self._units = round(shift / time_base)
        self._times: deque[tuple[int, int]] = deque()
        self._first, self._count, self._begin, self._step = 0, 0, 0, 1
        self.size = 0
        if container.format.name != PIPED["y4m"]:
            stream.time_base = time_base

    def put(self, frame: VideoFrame) -> tuple[int, int]:
        """Write a frame in the encoder's pixel format. Returns when the film began, and when it ends so far."""
        assert frame.pts is not None
        if not self._count:
            self._begin, self._step = frame.pts, max(1, frame.duration)
        self._times.append((frame.pts, frame.duration))
        end = frame.pts + frame.duration
        frame.pts, frame.time_base, frame.duration = self._count, self._stream.codec_context.time_base, 1
        self._count += 1
        self._mux(frame)
        return self._begin, end

    def end(self) -> None:
        """Write what the encoder still holds."""
        self._mux(None)

    def _mux(self, frame: VideoFrame | None) -> None:
        for packet in self._stream.encode(frame):
            self.size += packet.size
            if self._container.format.name != PIPED["y4m"]:
                self._place(packet)
            self._container.mux(packet)

    def _place(self, packet: "Packet[VideoStream]") -> None:
        """Put the frame's own times in the place of its number."""
        number, early = packet.pts or 0, packet.dts if packet.dts is not None else packet.pts or 0
        packet.time_base = self._base
        packet.pts, packet.duration = self._time(number)[0] - self._units, self._time(number)[1]
        packet.dts = self._time(early)[0] - self._units
        while self._first < early:  # decoding times rise, and no frame is shown before it is decoded
            self._times.popleft()
            self._first += 1

    def _time(self, number: int) -> tuple[int, int]:
        if number < 0:
            return self._begin + number * self._step, self._step
        return self._times[number - self._first]


def _without_packets(events: Iterator[Event], packets: "queue.SimpleQueue[Packet[Stream]]") -> Iterator[VideoFrame]:
    """Yield the frames, and put everything else into the queue."""
    for event in events:
        if isinstance(event, VideoFrame):
            yield event
        else:
            packets.put(event)


def _mux_waiting(packets: "queue.SimpleQueue[Packet[Stream]]", copies: Copies, shift: Fraction) -> None:
    while not packets.empty():
        packet = packets.get()
        if shift:
            units = round(shift / packet.time_base)
            if packet.pts is None or packet.pts < units:
                continue
            packet.pts -= units
            packet.dts = None if packet.dts is None else packet.dts - units
        copies.mux(packet)
