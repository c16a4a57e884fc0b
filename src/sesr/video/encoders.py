"""Encoders: which there are, what they are asked for by default, and how a film's colors are passed on to them.

A frame's timestamp is exact in the source, and must be in the new film. So encoders count frames only: a packet says
which frame it holds, and gets the frame's own timestamp when it is written (`sesr.video.segments`).
"""

import io
from dataclasses import dataclass
from fractions import Fraction

import av
from av import VideoFrame
from av.container import OutputContainer
from av.video.reformatter import ColorRange
from av.video.stream import VideoStream

from sesr.errors import UsageError, VideoError
from sesr.video.frames import FULL_RANGE
from sesr.video.info import FilmInfo, Light
from sesr.video.planes import PlaneFormat, Subsampling


@dataclass(frozen=True)
class Codec:
    """A codec that can be asked for.

    Attributes:
        encoder: FFmpeg's name of the encoder.
        crf: quality by default, smaller is better; None where there is no such scale.
        most: largest crf.
        preset: speed by default.
        presets: those that there are; empty if the encoder knows no names.
        bits: about how many bits a pixel takes at that quality, for a forecast.
    """

    encoder: str
    crf: int | None
    most: int
    preset: str | None
    presets: tuple[str, ...]
    bits: float


_X26 = (
    "ultrafast",
    "superfast",
    "veryfast",
    "faster",
    "fast",
    "medium",
    "slow",
    "slower",
    "veryslow",
)

CODECS = {
    "x264": Codec("libx264", 17, 51, "veryfast", _X26, 0.25),
    "x265": Codec("libx265", 18, 51, "veryfast", _X26, 0.15),
    "av1": Codec("libsvtav1", 24, 63, "8", tuple(map(str, range(14))), 0.1),
    "vp9": Codec("libvpx-vp9", 24, 63, "5", tuple(map(str, range(9))), 0.15),
    "ffv1": Codec("ffv1", None, 0, None, (), 6.0),
    "prores": Codec("prores_ks", None, 0, "hq", ("proxy", "lt", "standard", "hq", "4444", "4444xq"), 4.0),
}
"""Codecs by the name that people give."""

RAW = {
    "raw": Codec("rawvideo", None, 0, None, (), 12.0),
    "y4m": Codec("wrapped_avframe", None, 0, None, (), 12.0),
}
"""Frames as they are, for pipes."""

_WITH_LIGHT = ("x264", "x265", "av1", *RAW)  # of raw frames, everybody is told in any case
_DEFAULTS = {8: "x264", 10: "x265", 12: "x265"}
_X265_FRAMES = 8  # that are encoded at the same time, at most
_CHROMA_SITES = ("left", "center", "topleft", "top", "bottomleft", "bottom")
_SVT_SITES = {"left": "left", "topleft": "topleft"}
_FIFTY_THOUSANDTHS = 50_000
_TEN_THOUSANDTHS = 10_000


@dataclass(frozen=True)
class Encoding:
    """Encoder and quality that are chosen.

    Attributes:
        name: of the codec, a key of `CODECS` or `RAW`.
        crf: quality; None for codecs without one.
        preset: speed, or the profile of ProRes.
        pixel_format: what the encoder takes. Frames that have another are converted.
    """

    name: str
    crf: int | None
    preset: str | None
    pixel_format: str

    @property
    def codec(self) -> Codec:
        """The codec."""
        return CODECS[self.name] if self.name in CODECS else RAW[self.name]

    @property
    def label(self) -> str:
        """Codec and quality for people: x264 crf 17."""
        return self.name if self.crf is None else f"{self.name} crf {self.crf}"

    @property
    def limited(self) -> bool:
        """The codec has no tag for full range, so such films are brought to limited range: ProRes."""
        return self.name == "prores"

    def taken(self, frame: VideoFrame) -> VideoFrame:
        """Return a frame in the encoder's pixel format, and in limited range where the codec knows no other."""
        if self.limited and frame.color_range == FULL_RANGE:
            ranges = {"src_color_range": ColorRange.JPEG, "dst_color_range": ColorRange.MPEG}
            return frame.reformat(format=self.pixel_format, **ranges)
        return frame if frame.format.name == self.pixel_format else frame.reformat(format=self.pixel_format)

    @property
    def bits(self) -> float:
        """About how many bits a pixel takes. Six steps of crf double them."""
        usual = self.codec.crf
        return self.codec.bits if usual is None or self.crf is None else self.codec.bits * 2 ** ((usual - self.crf) / 6)


def choose(
    pixel_format: str,
    planes: PlaneFormat,
    format_name: str,
    *,
    name: str | None = None,
    crf: int | None = None,
    preset: str | None = None,
) -> Encoding:
    """Choose the encoder for a film.

    Args:
        pixel_format: of the enlarged frames, FFmpeg's name.
        planes: the same as `PlaneFormat`.
        format_name: of the container, FFmpeg's name.
        name: codec that is asked for. By default WebM gets VP9 for 8 bits and AV1 for more; others get x264 for 8 bits,
            x265 for 10 and 12, else FFV1.
        crf, preset: quality and speed that are asked for.

    Raises `UsageError` for a quality or speed that the codec does not have, `VideoError` where it cannot hold such
    frames or the container cannot hold it.
    """
    defaults, otherwise = ({8: "vp9"}, "av1") if format_name == "webm" else (_DEFAULTS, "ffv1")
    name = name or defaults.get(planes.depth, otherwise)
    codec = CODECS[name]
    if crf is not None and (codec.crf is None or not 0 <= crf <= codec.most):
        scale = "has no --crf" if codec.crf is None else f"takes --crf 0 to {codec.most}, not {crf}"
        raise UsageError(f"{name} {scale}")
    if preset is not None and preset not in codec.presets:
        known = f"takes --preset {', '.join(codec.presets)}" if codec.presets else "has no --preset"
        raise UsageError(f"{name} {known}")
    if not _held(codec.encoder, format_name):
        raise VideoError(f"{name} does not go into {format_name}; end the name in .mkv, or take another --codec")
    quality = codec.crf if crf is None else crf
    return Encoding(name, quality, preset or codec.preset, _encoded_format(name, pixel_format, planes))


def _held(encoder: str, format_name: str) -> bool:
    try:
        av.open(io.BytesIO(), "w", format=format_name).add_stream(encoder, rate=25)
    except ValueError:
        return False
    return True


def _encoded_format(name: str, pixel_format: str, planes: PlaneFormat) -> str:
    if name == "prores":  # it has nothing else, and takes any film
        return "yuv444p10le" if planes.subsampling is Subsampling.YUV444 else "yuv422p10le"
    known = {found.name for found in av.Codec(CODECS[name].encoder, "w").video_formats or ()}
    if pixel_format not in known:
        raise VideoError(f"{name} does not hold {pixel_format}; take --codec ffv1, and end the name in .mkv")
    return pixel_format


def add_video(
    container: OutputContainer, encoding: Encoding, info: FilmInfo, planes: PlaneFormat, rate: Fraction, threads: int
) -> VideoStream:
    """Add the stream that is encoded to a new container.

    Args:
        container: before its header is written.
        encoding: what to encode with.
        info: facts about the source, whose colors and pixel shape are kept.
        planes: format of the enlarged frames.
        rate: frames per second; the encoder's time base is a frame.
        threads: of the encoder. The bytes may depend on it.
    """
    options = _options(encoding, info, planes, threads)
    stream = container.add_stream(encoding.codec.encoder, rate=rate, options=options)
    assert isinstance(stream, VideoStream)
    context = stream.codec_context
    context.thread_count = threads
    context.width, context.height, context.pix_fmt = planes.width, planes.height, encoding.pixel_format
    stream.time_base = context.time_base = 1 / rate
    full = FULL_RANGE if not encoding.limited else int(ColorRange.MPEG)
    context.color_range = full if planes.full_range else info.color.range
    context.color_primaries, context.color_trc = info.color.primaries, info.color.transfer
    context.colorspace = info.color.matrix
    if info.aspect:
        context.sample_aspect_ratio = info.aspect
    if encoding.name == "vp9":
        context.bit_rate = 0  # quality alone decides
    return stream


def lost_brightness(info: FilmInfo, encoding: Encoding) -> tuple[str, ...]:
    """Return what a film says about its brightness that the encoder has no place for."""
    static = ("HDR10 brightness",) if info.light != Light() and encoding.name not in _WITH_LIGHT else ()
    return static if encoding.name in RAW else (*static, *info.dynamic)


def _options(encoding: Encoding, info: FilmInfo, planes: PlaneFormat, threads: int) -> dict[str, str]:
    """Return the encoder's options; what PyAV has no place for goes through the encoder's own parameters."""
    crf, preset = str(encoding.crf), str(encoding.preset)
    site = info.siting.value if info.siting and planes.subsampling is Subsampling.YUV420 else None
    light = info.light
    if encoding.name == "x264":
        own = [*_site("chromaloc", site), *_x26_light(light, "mastering-display", "cll")]
        return {"crf": crf, "preset": preset, "x264-params": ":".join(own)}
    if encoding.name == "x265":
        own = [
            "log-level=none",
            _x265_threads(threads),
            *_site("chromaloc", site),
            *_x26_light(light, "master-display", "max-cll"),
        ]
        if light != Light():
            own.append("hdr10=1")
        return {"crf": crf, "preset": preset, "x265-params": ":".join(own)}
    if encoding.name == "av1":
        own = [*_svt_light(light), *([f"chroma-sample-position={_SVT_SITES[site]}"] if site in _SVT_SITES else [])]
        return {"crf": crf, "preset": preset, "svtav1-params": ":".join(own)}
    if encoding.name == "vp9":
        return {"crf": crf, "b": "0", "deadline": "good", "cpu-used": preset, "row-mt": "1"}
    if encoding.name in RAW:
        return {"chroma_sample_location": planes.siting.value}  # Y4M's header names it
    if encoding.name == "ffv1":
        return {"level": "3", "slicecrc": "1"}
    return {"profile": preset, "vendor": "apl0"}


def _x265_threads(threads: int) -> str:
    """Return x265's parameters for its threads.

    Threads of its pool lower their own priority, by ``nice(10)``. Next to other work they hardly run, and the film
    waits for them. So a few threads take a frame each instead, which they do at full priority. More than that would
    wait for each other's rows.
    """
    return "pools=none:wpp=0" if threads <= _X265_FRAMES else f"pools={threads}:frame-threads={_X265_FRAMES // 2}"


def _site(option: str, site: str | None) -> list[str]:
    return [f"{option}={_CHROMA_SITES.index(site)}"] if site in _CHROMA_SITES else []


def _x26_light(light: Light, display: str, levels: str) -> list[str]:
    options = []
    if light.primaries is not None and light.luminance is not None:
        red, green, blue, white = (
            f"({round(x * _FIFTY_THOUSANDTHS)},{round(y * _FIFTY_THOUSANDTHS)})" for x, y in light.primaries
        )
        low, high = (round(value * _TEN_THOUSANDTHS) for value in light.luminance)
        options.append(f"{display}=G{green}B{blue}R{red}WP{white}L({high},{low})")
    if light.levels is not None:
        options.append(f"{levels}={light.levels[0]},{light.levels[1]}")
    return options


def _svt_light(light: Light) -> list[str]:
    options = []
    if light.primaries is not None and light.luminance is not None:
        red, green, blue, white = (f"({float(x):.5f},{float(y):.5f})" for x, y in light.primaries)
        low, high = map(float, light.luminance)
        options.append(f"mastering-display=G{green}B{blue}R{red}WP{white}L({high:.4f},{low:.4f})")
    if light.levels is not None:
        options.append(f"content-light={light.levels[0]},{light.levels[1]}")
    return options
