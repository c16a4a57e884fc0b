"""Small films drawn with PyAV for the tests, and what is in a film, packet by packet."""

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av import Packet, VideoFrame
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.stream import Disposition
from av.subtitles.stream import SubtitleStream
from av.video.stream import VideoStream
from numpy.typing import NDArray

SIZE = WIDTH, HEIGHT = 64, 48
FRAMES = 12
MILLISECONDS = Fraction(1, 1000)

_ASS = (
    b"[Script Info]\nScriptType: v4.00+\n\n[V4+ Styles]\nFormat: Name, Fontname, Fontsize\nStyle: Default,Test,16\n\n"
    b"[Events]\nFormat: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n"
)
FONT = b"not much of a font" * 20


@dataclass(frozen=True)
class Piece:
    """A packet of a film: the kind and number of its stream, its time in seconds, and its content."""

    kind: str
    stream: int
    time: Fraction
    content: bytes


def drawn(number: int, pixel_format: str = "yuv420p", size: tuple[int, int] = SIZE) -> VideoFrame:
    """A bright square that moves over noise, the same for the same number; it uses all bits of the format."""
    random = np.random.default_rng(number)
    frame = VideoFrame(*size, pixel_format)
    bits = next((int(depth) for depth in ("10", "12", "16") if f"{depth}le" in pixel_format), 8)
    for plane, array in zip(frame.planes, planes(frame), strict=True):
        values = random.integers(90, 120, array.shape)
        values[: plane.height // 2, (number * 3) % plane.width :] += 60
        array[...] = (values << (bits - 8)) + random.integers(0, 1 << (bits - 8), array.shape)
    return frame


def planes(frame: VideoFrame) -> tuple[NDArray[Any], ...]:
    """Views of a frame's planes."""
    deep = "le" in frame.format.name or "be" in frame.format.name
    dtype = np.dtype(np.uint16 if deep else np.uint8)
    return tuple(
        np.frombuffer(memoryview(plane), dtype).reshape(plane.height, plane.line_size // dtype.itemsize)[
            :, : plane.width
        ]
        for plane in frame.planes
    )


def draw_film(
    path: Path,
    *,
    frames: Sequence[VideoFrame] | None = None,
    pixel_format: str = "yuv420p",
    codec: str = "libx264",
    options: dict[str, str] | None = None,
    times: Sequence[int] | None = None,
    time_base: Fraction = Fraction(1, 25),
    sound: int = 0,
    sound_codec: str = "aac",
    subtitles: bool = False,
    font: bool = False,
    chapters: bool = False,
    cover: bool = False,
    tags: dict[str, str] | None = None,
    matrix: Sequence[int] | None = None,
    attributes: Mapping[str, int | Fraction] | None = None,
) -> Path:
    """Write a film.

    Args:
        path: where; the suffix names the container.
        frames: its frames; twelve of `drawn` by default.
        pixel_format, codec, options: of the video. Three B-frames by default.
        times: timestamps in `time_base`; 0, 1, 2 ... by default.
        sound, sound_codec: number of audio streams, and their encoder.
        subtitles, font, chapters, cover: what else is in it.
        tags: of the file.
        matrix: display matrix.
        attributes: attributes of the codec context, such as ``color_range``.
    """
    frames = frames or [drawn(number, pixel_format) for number in range(FRAMES)]
    with av.open(str(path), "w") as container:
        container.metadata.update(tags or {})
        video = container.add_stream(codec, rate=25, options={"bf": "3", "g": "6"} if options is None else options)
        assert isinstance(video, VideoStream)
        video.width, video.height, video.pix_fmt = frames[0].width, frames[0].height, frames[0].format.name
        video.time_base = video.codec_context.time_base = time_base
        for name, value in (attributes or {}).items():
            setattr(video.codec_context, name, value)
        if matrix is not None:
            video.set_display_matrix(matrix)
        audio = [_add_sound(container, number, sound_codec) for number in range(sound)]
        texts = _add_subtitles(container) if subtitles else None
        if font:
            container.add_attachment("test.ttf", "application/x-truetype-font", FONT)
        if cover:
            container.add_attachment("cover.png", "image/png", _png())
        if chapters:
            container.set_chapters(
                [
                    {"id": 1, "start": 0, "end": 200, "time_base": MILLISECONDS, "metadata": {"title": "One"}},
                    {"id": 2, "start": 200, "end": 480, "time_base": MILLISECONDS, "metadata": {"title": "Two"}},
                ]
            )
        for number, frame in enumerate(frames):
            frame.pts = number if times is None else times[number]
            frame.time_base = time_base
            container.mux(video.encode(frame))
        if texts is not None:
            for number in range(2):
                _mux_text(container, texts, number)
        for number, stream in enumerate(audio):
            for sound_frame in _tone(number, "fltp" if sound_codec == "aac" else "flt"):
                container.mux(stream.encode(sound_frame))
        container.mux(video.encode(None))
        for stream in audio:
            container.mux(stream.encode(None))
    return path


def _add_sound(container: OutputContainer, number: int, codec: str) -> AudioStream:
    stream = container.add_stream(codec, rate=48000)
    assert isinstance(stream, AudioStream)
    stream.metadata["language"] = ("eng", "deu")[number % 2]
    stream.disposition = Disposition.default if number == 0 else Disposition.comment
    return stream


def _tone(number: int, sample_format: str) -> Iterator[av.AudioFrame]:
    for block in range(20):
        phase = (np.arange(1024) + 1024 * block) * (440 + 110 * number) * 2 * np.pi / 48000
        samples = np.sin(phase).astype(np.float32)[None].repeat(2, axis=0)
        frame = av.AudioFrame.from_ndarray(
            samples if sample_format == "fltp" else samples.T.reshape(1, -1).copy(),
            format=sample_format,
            layout="stereo",
        )
        frame.sample_rate, frame.pts = 48000, 1024 * block
        yield frame


def _add_subtitles(container: OutputContainer) -> SubtitleStream:
    stream = container.add_stream("ass")
    assert isinstance(stream, SubtitleStream)
    stream.codec_context.subtitle_header = _ASS
    stream.metadata["language"] = "eng"
    return stream


def _mux_text(container: OutputContainer, stream: SubtitleStream, number: int) -> None:
    packet = Packet(f"{number},0,Default,,0,0,0,,line {number}".encode())
    packet.pts = packet.dts = 100 + 150 * number
    packet.duration, packet.time_base, packet.stream = 100, MILLISECONDS, stream
    container.mux(packet)


def _png() -> bytes:
    import io

    from PIL import Image

    file = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(file, "PNG")
    return file.getvalue()


def pieces(path: Path, *, video: bool = False) -> list[Piece]:
    """Packets of the video, or of all else, with their times; the video's content is left out."""
    found = []
    with av.open(str(path)) as container:
        for packet in container.demux([s for s in container.streams if s.type != "attachment"]):
            kind = packet.stream.type
            film = kind == "video" and not packet.stream.disposition & Disposition.attached_pic
            if packet.size and film == video:
                content = b"" if video else bytes(packet)
                found.append(Piece(kind, packet.stream.index, (packet.pts or 0) * packet.time_base, content))
    return sorted(found, key=lambda piece: (piece.stream, piece.time))


def times(path: Path) -> list[Fraction]:
    """Times of the video's frames, seconds."""
    return [piece.time for piece in pieces(path, video=True)]


def frames_of(path: Path) -> list[VideoFrame]:
    """Decoded frames."""
    with av.open(str(path)) as container:
        return list(container.decode(video=0))


def side_data(frame: VideoFrame) -> dict[str, bytes]:
    """Side data that FFmpeg hangs on a frame, by its name."""
    held: Any = frame.side_data
    return {data.type.name: bytes(data) for data in held}


def display_matrix(frame: VideoFrame) -> tuple[int, ...] | None:
    """The matrix that turns or mirrors a film where it is shown."""
    found = side_data(frame).get("DISPLAYMATRIX")
    return None if found is None else struct.unpack("=9i", found)
