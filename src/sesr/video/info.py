"""Facts about a film that are known before the work: size, colors, timing, and how much of it there is."""

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import cast

from av import VideoFrame
from av.container import InputContainer
from av.sidedata.sidedata import SideData
from av.video.stream import VideoStream

from sesr.video.planes import ChromaSiting
from sesr.video.siting import chroma_siting

MASTERING, LIGHT, MATRIX = "MASTERING_DISPLAY_METADATA", "CONTENT_LIGHT_LEVEL", "DISPLAYMATRIX"
"""FFmpeg's names of what frames carry about the whole film."""

_DYNAMIC = {
    "DOVI_RPU_BUFFER": "Dolby Vision",
    "DOVI_METADATA": "Dolby Vision",
    "DYNAMIC_HDR_PLUS": "HDR10+",
    "DYNAMIC_HDR_VIVID": "HDR Vivid",
}
_USUAL_RATE = Fraction(25)
_FREE_CLOCKS = ("mpegts", "mpeg")  # broadcasts, whose timestamps begin anywhere in a day
_CREDIBLE_RATE = 60  # who claims more may have a fine clock and no rate, so the timestamps have a say
_TOLERANCE = Fraction(1, 50)  # timestamps are rounded, often to milliseconds


@dataclass(frozen=True)
class Light:
    """HDR10's description of the display that a film was graded on, and of its brightest parts.

    Attributes:
        primaries: (x, y) of red, green, blue and white; None where they are not known.
        luminance: (lowest, highest) in candela per square meter; None where it is not known.
        levels: (brightest pixel, brightest average of a frame); None where they are not known.
    """

    primaries: tuple[tuple[Fraction, Fraction], ...] | None = None
    luminance: tuple[Fraction, Fraction] | None = None
    levels: tuple[int, int] | None = None


@dataclass(frozen=True)
class Color:
    """FFmpeg's numbers for a film's colors, as codecs write them; the names follow ITU-T H.273."""

    range: int
    primaries: int
    transfer: int
    matrix: int


@dataclass(frozen=True)
class FilmInfo:
    """Facts about a film's video stream.

    Attributes:
        index: number of the stream in its file.
        codec: name of its codec.
        width, height, pixel_format: of its first frame.
        time_base: unit of its timestamps, seconds.
        rate: frames per second, as the file says; where that is not credible, as they come on average.
        frames: about how many there are; None where nothing tells.
        duration: about how long it is, seconds; None where nothing tells.
        begin: timestamp at which the file begins, seconds.
        zero: timestamp that becomes 0 in the new film, seconds: `begin` where clocks begin anywhere, else 0.
        aspect: shape of a pixel, width by height; None where nothing tells.
        matrix: the display matrix, which turns or mirrors the film where it is shown; None for none.
        color: colors.
        siting: where chroma lies; None where nothing tells.
        light: what HDR10 says about brightness.
        dynamic: brightness that is told frame by frame, by its name, such as Dolby Vision.
    """

    index: int
    codec: str
    width: int
    height: int
    pixel_format: str
    time_base: Fraction
    rate: Fraction
    frames: int | None
    duration: float | None
    begin: Fraction
    zero: Fraction
    aspect: Fraction | None
    matrix: tuple[int, ...] | None
    color: Color
    siting: ChromaSiting | None
    light: Light
    dynamic: tuple[str, ...]

    @property
    def tick(self) -> int:
        """Usual distance between two frames in units of `time_base`, at least 1."""
        return max(1, round(1 / (self.rate * self.time_base)))


def describe(container: InputContainer, stream: VideoStream, frames: Sequence[VideoFrame]) -> FilmInfo:
    """Collect the facts from an open file, its stream and the first frames."""
    frame = frames[0]
    time_base = frame.time_base or stream.time_base or 1 / _USUAL_RATE
    duration = _duration(container, stream)
    rate = _rate(stream, _average_rate(stream, duration, [frame.pts for frame in frames], time_base))
    found = {data.type.name: bytes(data) for data in cast("Iterable[SideData]", frame.side_data)}
    matrix = found.get(MATRIX)
    begin = Fraction(container.start_time or 0, 1_000_000)
    return FilmInfo(
        index=stream.index,
        codec=stream.codec_context.name,
        width=frame.width,
        height=frame.height,
        pixel_format=frame.format.name,
        time_base=time_base,
        rate=rate,
        frames=stream.frames or (None if duration is None else max(1, round(duration * rate))),
        duration=duration,
        begin=begin,
        zero=begin if container.format.name in _FREE_CLOCKS else Fraction(0),
        aspect=stream.sample_aspect_ratio or stream.codec_context.sample_aspect_ratio,
        matrix=None if matrix is None else struct.unpack("=9i", matrix),
        color=Color(
            frame.color_range or int(stream.codec_context.color_range),
            frame.color_primaries,
            frame.color_trc,
            frame.colorspace,
        ),
        siting=chroma_siting(container, stream.index),
        light=_light(found),
        dynamic=tuple(dict.fromkeys(name for kind, name in _DYNAMIC.items() if kind in found)),
    )


def _rate(stream: VideoStream, average: Fraction | None) -> Fraction:
    """Choose from what the file claims and from how its frames come on average."""
    highest = max(Fraction(_CREDIBLE_RATE), 2 * (average or 0))
    for rate in (stream.guessed_rate, stream.average_rate, stream.base_rate):
        if rate and 0 < rate <= highest:
            return rate
    return average or _USUAL_RATE


def _average_rate(
    stream: VideoStream, duration: float | None, times: Sequence[int | None], time_base: Fraction
) -> Fraction | None:
    """Return frames per second over the whole film, or over its first frames; None where nothing tells."""
    known = [time for time in times if time is not None]
    if stream.frames and duration:
        average = stream.frames / Fraction(duration)
    elif len(known) > 1 and known[-1] > known[0]:
        average = (len(known) - 1) / ((known[-1] - known[0]) * time_base)
    else:
        return None
    whole = Fraction(round(average))
    return whole if abs(whole - average) <= _TOLERANCE * average else average.limit_denominator(1000)


def _duration(container: InputContainer, stream: VideoStream) -> float | None:
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return container.duration / 1e6 if container.duration and container.duration > 0 else None


def _light(found: dict[str, bytes]) -> Light:
    """Read FFmpeg's structures AVMasteringDisplayMetadata and AVContentLightMetadata."""
    primaries = luminance = levels = None
    mastering = found.get(MASTERING)
    if mastering is not None and len(mastering) == 88:
        *numbers, has_primaries, has_luminance = struct.unpack("=22i", mastering)
        ratios = [Fraction(a, b or 1) for a, b in zip(numbers[::2], numbers[1::2], strict=True)]
        if has_primaries:
            primaries = tuple((ratios[i], ratios[i + 1]) for i in range(0, 8, 2))
        if has_luminance:
            luminance = ratios[8], ratios[9]
    brightest = found.get(LIGHT)
    if brightest is not None and len(brightest) == 8:
        levels = struct.unpack("=2I", brightest)
    return Light(primaries, luminance, levels)
