"""Containers: which ones can be written, what each can hold, and how everything but the video is carried over.

Sound, subtitles, fonts, chapters, titles and languages are copied packet by packet. Nothing of that is converted. So
what a container cannot hold is found out before the work begins, by writing a header into memory: FFmpeg itself says
whether it fits.
"""

import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import av
from av import Packet
from av.container import InputContainer, OutputContainer
from av.stream import AttachmentStream, Disposition, Stream

from sesr.errors import UsageError, VideoError

if TYPE_CHECKING:
    from av.container.core import Chapter

FORMATS = {".mkv": "matroska", ".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".webm": "webm"}
"""FFmpeg's names of the containers, by the suffix of a file."""

_BITEXACT = 0x400  # AVFMT_FLAG_BITEXACT
_REMEDIES = (".mkv", ".mp4", ".mov")  # in this order they are proposed
_OF_OTHERS = {"encoder", "major_brand", "minor_version", "compatible_brands", "duration"}  # the muxer writes its own
_STALE = ("duration", "encoder", "bps", "number_of_frames", "number_of_bytes", "_statistics_")  # of the old video


def new_container(place: str, format_name: str) -> OutputContainer:
    """Open a new container, which has the same bytes for the same content: FFmpeg puts no random numbers into it."""
    deep = {"strict": "-1"} if format_name == "yuv4mpegpipe" else {}  # allows more than 8 bits
    container = av.open(place, "w", format=format_name, container_options=deep)
    container.flags |= _BITEXACT
    return container


def format_of_suffix(target: Path) -> str:
    """Return FFmpeg's name of the container that a file's suffix means. Raises `UsageError`."""
    found = FORMATS.get(target.suffix.lower())
    if found is None:
        raise UsageError(f"{target}: films are written to {', '.join(FORMATS)}; take one of these suffixes")
    return found


@dataclass(frozen=True)
class Carried:
    """Streams of a film that go along with its video.

    Attributes:
        kept: numbers of the streams that are copied.
        lost: short descriptions of what is left out.
    """

    kept: tuple[int, ...]
    lost: tuple[str, ...] = ()


def carried(source: InputContainer, video: int, target: str, format_name: str, *, drop: bool = False) -> Carried:
    """Find the streams that a container of `format_name` can hold.

    Args:
        source: the film.
        video: number of the stream that is enlarged.
        target: name of the new file, for the message.
        drop: leave out what does not fit, instead of refusing.

    Data streams, such as a camera's positions, cannot be copied into any container and are always left out, as are
    further videos, whose packets often lack decoding times, and a cover picture that does not fit. Raises `VideoError`
    for sound, subtitles and fonts that do not fit, and names a container in which they do.
    """
    kept, lost, refused = [], [], []
    for stream in source.streams:
        if stream.index == video:
            continue
        if stream.type in ("data", "unknown"):
            lost += [] if _is_chapters(stream) else [_described(stream)]
        elif stream.type == "video" and not is_cover(stream):
            lost.append(_described(stream))
        elif _fits(stream, format_name):
            kept.append(stream.index)
        elif is_cover(stream):
            lost.append(_described(stream))
        else:
            refused.append(stream)
    if refused and not drop:
        remedy = _remedy(refused, format_name)
        named = ", ".join(map(_described, refused))
        raise VideoError(f"{target}: the container cannot hold {named}; {remedy}--drop leaves it out")
    return Carried(tuple(kept), (*lost, *map(_described, refused)))


def _remedy(refused: Iterable[Stream], format_name: str) -> str:
    for suffix in _REMEDIES:
        if FORMATS[suffix] != format_name and all(_fits(stream, FORMATS[suffix]) for stream in refused):
            return f"end its name in {suffix}, or "
    return ""


def _described(stream: Stream) -> str:
    """Return a stream for people: subtitle stream 3 (ass)."""
    name = getattr(stream, "name", None) or getattr(stream.codec_context, "name", None)
    kind = "cover picture" if is_cover(stream) else f"{stream.type} stream"
    return f"{kind} {stream.index}" + (f" ({name})" if name else "")


def _is_chapters(stream: Stream) -> bool:
    """Tell whether a data stream holds the chapters of an MP4, which `Copies` writes anew."""
    return bool(stream.container.chapters()) and stream.metadata.get("handler_name") == "SubtitleHandler"


def is_cover(stream: Stream) -> bool:
    """Tell whether a stream is a picture that belongs to the file, not a film."""
    return bool(stream.disposition & Disposition.attached_pic)


def _fits(stream: Stream, format_name: str) -> bool:
    """Tell whether FFmpeg writes a header with this stream in it."""
    if isinstance(stream, AttachmentStream):
        return format_name == "matroska"
    if is_cover(stream) and format_name != "mp4":
        return format_name == "matroska"  # which takes it as a file that is attached
    container = av.open(io.BytesIO(), "w", format=format_name)
    try:
        _copy_stream(stream, container)
        container.start_encoding()
    except (av.FFmpegError, ValueError):
        return False
    return True


def _copy_stream(stream: Stream, container: OutputContainer) -> Stream:
    copy = container.add_stream_from_template(stream, opaque=True)
    copy.metadata.update(kept_tags(stream.metadata, of_video=False))
    copy.disposition = stream.disposition
    return copy


def kept_tags(tags: dict[str, str], *, of_video: bool) -> dict[str, str]:
    """Return the tags that stay true: not the duration, and of a stream that is encoded anew no statistics."""
    stale = _STALE if of_video else ("duration", "_statistics_")
    return {name: text for name, text in tags.items() if not name.lower().startswith(stale)}


class Copies:
    """Everything of a film but its video, in a new container.

    Args:
        source: the film.
        container: the new one, before its header is written. Tags, chapters and fonts are put into it.
        kept: see `Carried`.
        cover: bytes of cover pictures, by their stream's number: Matroska holds them as attachments.
        shift: seconds that are taken off chapters, with `length` the seconds that are kept; for a part of a film.

    Attributes:
        refused: packets that the container did not take, because they are damaged.
    """

    def __init__(
        self,
        source: InputContainer,
        container: OutputContainer,
        kept: Iterable[int],
        cover: dict[int, bytes],
        shift: float = 0,
        length: float | None = None,
    ) -> None:
        self._container, self.refused = container, 0
        self._streams: dict[int, Stream] = {}
        for index in kept:
            stream = source.streams[index]
            if is_cover(stream) and container.format.name == "matroska":
                _attach_cover(stream, container, cover.get(index, b""))
            else:
                self._streams[index] = _copy_stream(stream, container)
        tags = {name: text for name, text in source.metadata.items() if name.lower() not in _OF_OTHERS}
        container.metadata.update(tags)
        chapters = _within(source.chapters(), shift, length)
        if chapters:
            container.set_chapters(chapters)

    def mux(self, packet: "Packet[Stream]") -> None:
        """Write a packet of the film, unless its stream is left out, or its header or timestamp is damaged."""
        stream = self._streams.get(packet.stream_index)
        if stream is not None and packet.size:
            packet.stream = stream
            with self.refusing():
                self._container.mux(packet)

    @contextmanager
    def refusing(self) -> Iterator[None]:
        """Count a packet that the container refuses in the body, which may be one that it was given before."""
        try:
            yield
        except (av.error.InvalidDataError, av.error.ArgumentError, av.error.PatchWelcomeError):
            self.refuse()

    def refuse(self) -> None:
        """Count a packet that is left out."""
        self.refused += 1

    def notes(self) -> list[str]:
        """Return a short remark on packets that were refused."""
        return [f"{self.refused} damaged packets of sound or subtitles left out"] if self.refused else []


def covers(source: InputContainer) -> dict[int, bytes]:
    """Read the cover pictures of a film that was just opened, by their stream's number."""
    streams = [stream for stream in source.streams if is_cover(stream)]
    found: dict[int, bytes] = {}
    if streams:
        for packet in source.demux(streams):
            if packet.size:
                found.setdefault(packet.stream_index, bytes(packet))
            if len(found) == len(streams):
                break
    return found


def _attach_cover(stream: Stream, container: OutputContainer, content: bytes) -> None:
    """Attach a cover picture as Matroska wants it: a file called cover."""
    kind = "png" if content.startswith(b"\x89PNG") else "jpeg"
    name = stream.metadata.get("filename", f"cover.{kind.replace('jpeg', 'jpg')}")
    container.add_attachment(name, stream.metadata.get("mimetype", f"image/{kind}"), content)


def _within(chapters: "list[Chapter]", shift: float, length: float | None) -> "list[Chapter]":
    """Return the chapters of a part of a film, whose beginning is moved to 0."""
    if not shift and length is None:
        return chapters
    kept = []
    for chapter in chapters:
        base = chapter["time_base"]
        if base is None:
            continue
        begin, end = max(round(chapter["start"] - shift / base), 0), round(chapter["end"] - shift / base)
        if length is not None:
            end = min(end, round(length / base))
        if begin < end:
            moved = chapter.copy()
            moved["start"], moved["end"] = begin, end
            kept.append(moved)
    return kept
