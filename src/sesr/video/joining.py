"""Joins finished segments, and everything else of the film, into the new film. Nothing is encoded again.

Packets are written in the order of their times, as players want them: sound and subtitles lie next to the pictures that
they belong to.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av import Packet
from av.container import InputContainer, OutputContainer
from av.stream import Stream
from av.video.stream import VideoStream

from sesr.video.containers import Copies, covers, is_cover, kept_tags, new_container
from sesr.video.encoders import Encoding
from sesr.video.info import FilmInfo
from sesr.video.leaps import leaping
from sesr.video.library import reading
from sesr.video.segments import SegmentFolder


@dataclass(frozen=True)
class Joining:
    """A film whose segments are finished.

    Attributes:
        source: the film.
        info: what it is.
        encoding: of the segments.
        container: FFmpeg's name of the new film's container.
        kept: numbers of the streams that are copied from the source.
        start: second from which on the film was enlarged.
    """

    source: Path
    info: FilmInfo
    encoding: Encoding
    container: str
    kept: tuple[int, ...]
    start: Fraction

    @property
    def _shift(self) -> Fraction:
        """The second of the film, on its own clock, that becomes 0."""
        return self.start + self.info.begin if self.start else self.info.zero

    def write(self, segments: SegmentFolder, path: Path, end: float | None) -> list[str]:
        """Write the new film. `end` is the second, on the film's own clock, at which sound and subtitles end too.

        Returns remarks about what could not be copied. Raises `VideoError`.
        """
        with reading(str(self.source)):
            source = av.open(str(self.source), metadata_errors="replace")
            pictures = covers(source)
            source.close()
            source = av.open(str(self.source), metadata_errors="replace")
        with (
            source,
            new_container(str(path), self.container) as container,
            av.open(str(segments.finished[0].path)) as template,
        ):
            stream = self._add_video(source, container, template)
            length = None if end is None else end - float(self._shift)
            copies = Copies(source, container, self.kept, pictures, float(self._shift), length)
            self._mux(container, stream, segments, copies, self._others(source, copies, end))
        return copies.notes()

    def _add_video(self, source: InputContainer, container: OutputContainer, template: InputContainer) -> VideoStream:
        old = source.streams[self.info.index]
        stream = container.add_stream_from_template(template.streams.video[0], opaque=True)
        stream.time_base = self.info.time_base
        stream.metadata.update(kept_tags(old.metadata, of_video=True))
        stream.disposition = old.disposition
        if self.info.matrix is not None:
            stream.set_display_matrix(self.info.matrix)
        if self.encoding.name == "x265" and self.container in ("mp4", "mov"):
            stream.codec_context.codec_tag = "hvc1"  # what Apple's players want
        return stream

    def _mux(
        self,
        container: OutputContainer,
        stream: VideoStream,
        segments: SegmentFolder,
        copies: Copies,
        others: "Iterator[tuple[float, Packet[Stream]]]",
    ) -> None:
        """Write the video, and before each of its packets whatever else comes earlier."""
        base = self.info.time_base
        units = round(self._shift / base)
        waiting = next(others, None)
        for timed in segments.packets():
            now = float(timed.dts * base - self._shift)
            while waiting is not None and waiting[0] <= now:
                copies.mux(waiting[1])
                waiting = next(others, None)
            packet = timed.packet
            packet.stream, packet.time_base = stream, base
            packet.pts, packet.dts, packet.duration = timed.pts - units, timed.dts - units, timed.duration
            with copies.refusing():
                container.mux(packet)
        while waiting is not None:
            copies.mux(waiting[1])
            waiting = next(others, None)

    def _others(
        self, source: InputContainer, copies: Copies, end: float | None
    ) -> "Iterator[tuple[float, Packet[Stream]]]":
        """Yield packets of the streams that are copied, each with its second in the new film."""
        streams = [source.streams[index] for index in self.kept]
        read = [stream for stream in streams if stream.type != "attachment"]
        shift = self._shift
        if not read:
            return
        if self.start:
            source.seek(int(shift * 1_000_000), backward=True)
        for packet, leaps in leaping(_timed_packets(source, read), _place):
            if leaps:  # a container would take it, and refuse those behind it until their time has come
                copies.refuse()
                continue
            if is_cover(packet.stream):
                yield -1.0, packet
                continue
            second = float((packet.dts or 0) * packet.time_base)
            if (self.start and second < shift) or (end is not None and second >= end):
                continue
            if shift:
                units = round(shift / packet.time_base)
                packet.pts = None if packet.pts is None else packet.pts - units
                packet.dts = (packet.dts or 0) - units
            yield second - float(shift), packet


def _timed_packets(source: InputContainer, streams: list[Stream]) -> "Iterator[Packet[Stream]]":
    """Yield the packets of some streams that have a time, and cover pictures."""
    with suppress(av.FFmpegError):  # the reader has counted that the film is cut off
        for packet in source.demux(streams):
            if packet.dts is None:
                packet.dts = packet.pts
            if packet.size and (packet.dts is not None or is_cover(packet.stream)):
                yield packet


def _place(packet: "Packet[Stream]") -> tuple[int, Fraction]:
    return packet.stream_index, (packet.dts or 0) * packet.time_base
