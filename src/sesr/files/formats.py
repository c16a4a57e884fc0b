"""Everything the program knows about each picture format, one `Format` a format.

A new format is a new constant here (and, where it streams, a reader or a writer of rows). Elsewhere a format is asked
for by its constant where its files are laid out in a way of their own: what opens it (`sesr.files.open`), animations,
metadata. ``python -m sesr.files.formats`` prints them as a table, which docs/reference/formats.md shows.

Names. `Format.name` is for people ("WebP"), `Format.codec` is Pillow's name ("WEBP"). A file is recognized by its
first bytes (`recognized`), never by its suffix; the suffix decides only what is written (`output_format`).
"""

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import BinaryIO

from sesr.errors import PictureError, UsageError
from sesr.files import encoders
from sesr.files.encoders import Options

_SIGNATURE_BYTES = 256
_GIGABYTES_4 = 1 << 32
_LARGEST_INT = 2**31 - 1
_GRAYS, _COLORS = ("L", "LA"), ("RGB", "RGBA")


@dataclass(frozen=True)
class Plugin:
    """The plug-in that Pillow needs for a format that it does not know.

    Attributes:
        module: the module to import.
        function: the function in it to call, empty if importing is enough.
        extra: the extra of this package that installs it.
    """

    module: str
    function: str
    extra: str


@dataclass(frozen=True)
class WriteMemory:
    """Bytes per pixel that an encoder needs at most, with Pillow's copy of the picture. Measured, rounded up."""

    opaque: int
    alpha: int


@dataclass(frozen=True)
class FrameEncoding:
    """How a format stores animations.

    Attributes:
        options: makes the encoder's options from metadata and quality; see `sesr.files.encoders`.
        tick: milliseconds in which the format counts time; None if it stores fractions.
        frame_bytes: bytes per pixel that writing takes for each frame at most: the frame as given and as the encoder
            keeps it. Measured on noise in two threads, rounded up.
        once_bytes: bytes per pixel that writing takes besides. AVIF's encoder looks ahead.
        counts_repeats: the loop count says how often the animation repeats after the first time.
    """

    options: Options
    tick: float | None
    frame_bytes: int
    once_bytes: int
    counts_repeats: bool = False

    def memory(self, width: int, height: int, count: int) -> int:
        """Bytes that writing `count` frames takes at most, the frames included."""
        return width * height * (self.frame_bytes * count + self.once_bytes)


@dataclass(frozen=True)
class Format:
    """One picture format.

    Attributes:
        name: for people.
        codec: Pillow's name.
        signature: a pattern that the file's first bytes match.
        suffixes: suffixes that name this format, in reading and writing, the usual one first.
        read_suffixes: further suffixes of files in this format that are read only.
        options: makes the encoder's options from metadata, mode and quality; None where rows go to a writer of our own.
        largest_side: pixels.
        largest_file: bytes that a file must stay below; None without limit.
        still: whether still pictures are written.
        alpha: whether it holds transparency.
        depths: bits per channel that are written.
        lossless: whether every pixel is kept as it is.
        streams_in: whether files are read row by row, so that a picture need not fit into memory.
        streams_out: whether files are written row by row.
        profile_modes: modes whose ICC profile it holds; colors of the others are converted to sRGB.
        color_codes: how it names colors besides a profile: "cicp" (and PNG's gAMA and cHRM), "nclx", or None.
        notes: what it has a place for besides: EXIF, XMP, IPTC, "comment" and "text" (PNG's).
        gray_modes: modes of gray that stay gray; the others are written as three equal channels.
        memory: what its encoder needs; None where rows go to a writer of our own.
        animated: how it stores animations; None if it does not.
        plugin: what Pillow needs for it; None if nothing.
    """

    name: str
    codec: str
    signature: re.Pattern[bytes]
    suffixes: tuple[str, ...]
    read_suffixes: tuple[str, ...] = ()
    options: Options | None = None
    largest_side: int = _LARGEST_INT
    largest_file: int | None = None
    still: bool = True
    alpha: bool = True
    depths: tuple[int, ...] = (8,)
    lossless: bool = False
    streams_in: bool = False
    streams_out: bool = False
    profile_modes: tuple[str, ...] = _COLORS
    color_codes: str | None = None
    notes: tuple[str, ...] = ("EXIF", "XMP")
    gray_modes: tuple[str, ...] = _GRAYS
    memory: WriteMemory | None = None
    animated: FrameEncoding | None = None
    plugin: Plugin | None = None

    @property
    def suffix(self) -> str:
        """The usual suffix."""
        return self.suffixes[0]

    def holds(self, mode: str) -> bool:
        """Return whether it holds pictures of this mode: L, LA, RGB or RGBA."""
        return self.alpha or not mode.endswith("A")

    def writing_memory(self, mode: str, pixels: int) -> int:
        """Bytes that writing a picture takes at most; 0 where it is written row by row."""
        if self.memory is None:
            return 0
        return pixels * (self.memory.alpha if mode.endswith("A") else self.memory.opaque)

    def load_plugin(self, path: Path) -> None:
        """Teach Pillow this format, if that takes a plug-in. Raises `PictureError` that names `path` without one."""
        if self.plugin is None:
            return
        try:
            module = import_module(self.plugin.module)
        except ImportError as error:
            advice = f"{self.name} needs a plugin; pip install 'sesr[{self.plugin.extra}]'"
            raise PictureError(f"{path}: {advice}") from error
        if self.plugin.function:
            getattr(module, self.plugin.function)()


def _begins(pattern: bytes) -> re.Pattern[bytes]:
    return re.compile(pattern, re.DOTALL)


PNG = Format(
    name="PNG",
    codec="PNG",
    signature=_begins(rb"\x89PNG\r\n\x1a\n"),
    suffixes=(".png", ".apng"),
    depths=(8, 16),
    lossless=True,
    streams_in=True,
    streams_out=True,
    profile_modes=_GRAYS + _COLORS,
    color_codes="cicp",
    notes=("EXIF", "XMP", "text"),
    animated=FrameEncoding(encoders.animated_png, tick=None, frame_bytes=9, once_bytes=16),
)

JPEG = Format(
    name="JPEG",
    codec="JPEG",
    signature=_begins(rb"\xff\xd8\xff"),
    suffixes=(".jpg", ".jpeg", ".jpe", ".jfif"),
    read_suffixes=(".mpo",),
    options=encoders.jpeg,
    largest_side=65_500,
    alpha=False,
    streams_in=True,
    profile_modes=("L", "RGB"),
    memory=WriteMemory(opaque=8, alpha=8),
    notes=("EXIF", "XMP", "IPTC", "comment"),
)

WEBP = Format(
    name="WebP",
    codec="WEBP",
    signature=_begins(rb"RIFF....WEBP"),
    suffixes=(".webp",),
    options=encoders.modern,
    largest_side=16_383,
    gray_modes=(),
    memory=WriteMemory(opaque=25, alpha=65),
    animated=FrameEncoding(encoders.modern, tick=1.0, frame_bytes=11, once_bytes=28),
)

TIFF = Format(
    name="TIFF",
    codec="TIFF",
    signature=_begins(rb"II\*\0|MM\0\*|II\+\0|MM\0\+"),
    suffixes=(".tif", ".tiff"),
    depths=(8, 16),
    lossless=True,
    streams_in=True,
    streams_out=True,
    profile_modes=_GRAYS + _COLORS,
    notes=("EXIF", "XMP", "IPTC"),
)

BMP = Format(
    name="BMP",
    codec="BMP",
    signature=_begins(rb"BM"),
    suffixes=(".bmp", ".dib"),
    options=encoders.bmp,
    largest_file=_GIGABYTES_4,
    alpha=False,
    lossless=True,
    profile_modes=(),
    memory=WriteMemory(opaque=8, alpha=8),
    notes=(),
)

GIF = Format(
    name="GIF",
    codec="GIF",
    signature=_begins(rb"GIF8[79]a"),
    suffixes=(".gif",),
    largest_side=65_535,
    still=False,  # 256 colors are too few for a picture
    lossless=True,
    profile_modes=(),
    animated=FrameEncoding(encoders.animated_gif, tick=10.0, frame_bytes=9, once_bytes=32, counts_repeats=True),
    notes=("comment",),
)

AVIF = Format(
    name="AVIF",
    codec="AVIF",
    signature=_begins(rb"....ftyp(?:avif|avis|(?:mif1|mif2|msf1|miaf)....(?:....)*?(?:avif|avis))"),
    suffixes=(".avif", ".avifs"),
    options=encoders.avif,
    largest_side=65_536,
    profile_modes=("L", *_COLORS),
    color_codes="nclx",
    gray_modes=("L",),
    memory=WriteMemory(opaque=60, alpha=72),
    animated=FrameEncoding(encoders.animated_avif, tick=1.0, frame_bytes=9, once_bytes=300),
)

HEIC = Format(
    name="HEIC",
    codec="HEIF",
    signature=_begins(rb"....ftyp(?:heic|heix|hevc|hevx|heim|heis|hevm|hevs|mif1|mif2|msf1|miaf)"),
    suffixes=(".heic", ".heif", ".hif"),
    read_suffixes=(".heics", ".heifs"),
    options=encoders.heic,
    largest_side=16_384,
    profile_modes=("L", *_COLORS),
    color_codes="nclx",
    gray_modes=("L",),
    memory=WriteMemory(opaque=45, alpha=66),
    plugin=Plugin("pillow_heif", "register_heif_opener", "heic"),
)

JXL = Format(
    name="JPEG XL",
    codec="JXL",
    signature=_begins(rb"\xff\x0a|\0\0\0\x0cJXL "),
    suffixes=(".jxl",),
    options=encoders.jxl,
    largest_side=2**30,
    profile_modes=(),
    memory=WriteMemory(opaque=80, alpha=110),
    plugin=Plugin("pillow_jxl", "", "jxl"),
)

FORMATS = (PNG, JPEG, WEBP, TIFF, BMP, GIF, AVIF, HEIC, JXL)
"""All formats. AVIF comes before HEIC: both may begin with the general brand mif1, and only AVIF names itself later."""

OUTPUT_SUFFIXES = {suffix: form for form in FORMATS for suffix in form.suffixes}
"""Formats by the suffixes, in small letters, that files may be written with."""

PICTURE_SUFFIXES = OUTPUT_SUFFIXES | {suffix: form for form in FORMATS for suffix in form.read_suffixes}
"""Formats by the suffixes, in small letters, of files that are read."""


USUAL_SUFFIXES = ", ".join(form.suffix for form in FORMATS)
"""One suffix a format, for messages."""


def recognized(file: BinaryIO) -> Format | None:
    """Format of a file by its first bytes, None if it is none of ours. Leaves the file at its start."""
    file.seek(0)
    start = file.read(_SIGNATURE_BYTES)
    file.seek(0)
    return next((form for form in FORMATS if form.signature.match(start)), None)


_FOREIGN = {
    "PDF": _begins(rb"%PDF-"),
    "PostScript": _begins(rb"%!PS"),
    "Photoshop PSD": _begins(rb"8BPS"),
    "JPEG 2000": _begins(rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51"),
    "OpenEXR": _begins(rb"\x76\x2f\x31\x01"),
    "Radiance HDR": _begins(rb"#\?(?:RADIANCE|RGBE)"),
    "SVG": _begins(rb"\s*(?:\xef\xbb\xbf)?(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*|<!DOCTYPE svg[^>]*>\s*)*<svg"),
    "PNM": _begins(rb"P[1-7fF]\s"),
    "QOI": _begins(rb"qoif"),
    "an icon": _begins(rb"\0\0[\1\2]\0"),
    "DDS": _begins(rb"DDS "),
    "MNG": _begins(rb"\x8aMNG"),
    "FITS": _begins(rb"SIMPLE  ="),
    "a camera's raw file": _begins(rb"FUJIFILMCCD-RAW|II[RU]|MMOR|....ftypcrx "),
    "a video": _begins(rb"....ftyp|\x1aE\xdf\xa3|RIFF....AVI "),
}
"""Other formats that people take for pictures, by the name that a message gives them."""


def foreign(file: BinaryIO) -> str | None:
    """Return the name of another format that the file is in, None if it is not one of those known by name."""
    file.seek(0)
    start = file.read(_SIGNATURE_BYTES)
    return next((name for name, signature in _FOREIGN.items() if signature.match(start)), None)


def output_format(path: Path) -> Format:
    """Format that a file name's suffix asks for. Raises `UsageError` for other suffixes."""
    try:
        return OUTPUT_SUFFIXES[path.suffix.lower()]
    except KeyError:
        found = f"the suffix {path.suffix}" if path.suffix else "a name without a suffix"
        raise UsageError(f"{path}: cannot tell the format from {found}; use one of {USUAL_SUFFIXES}") from None


def table() -> str:
    """The table of formats in docs/reference/formats.md, a format a column."""
    lines = ["| | " + " | ".join(form.name for form in FORMATS) + " |", "|---" * (len(FORMATS) + 1) + "|"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in _rows())])


def _rows() -> Iterator[list[str]]:
    yield ["suffixes", *(" ".join(form.suffixes) for form in FORMATS)]
    yield ["read only", *(" ".join(form.read_suffixes) for form in FORMATS)]
    yield ["plug-in", *(f"`sesr[{form.plugin.extra}]`" if form.plugin else "" for form in FORMATS)]
    yield ["lossless", *(_yes(form.lossless) for form in FORMATS)]
    yield ["transparency", *(_yes(form.alpha) for form in FORMATS)]
    yield ["gray stays gray", *(_grays(form) for form in FORMATS)]
    yield ["bits per channel written", *(" or ".join(map(str, form.depths)) for form in FORMATS)]
    yield ["read row by row", *(_yes(form.streams_in) for form in FORMATS)]
    yield ["written row by row", *(_yes(form.streams_out) for form in FORMATS)]
    yield ["bytes per pixel to write", *(_memory(form.memory) for form in FORMATS)]
    yield ["longest side", *(f"{form.largest_side:,}" for form in FORMATS)]
    yield ["animations", *(_animations(form.animated) for form in FORMATS)]


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _grays(form: Format) -> str:
    if not form.still:
        return ""
    return "yes" if form.gray_modes == _GRAYS or not form.alpha else "if opaque" if form.gray_modes else "no"


def _memory(memory: WriteMemory | None) -> str:
    if memory is None:
        return ""
    return str(memory.opaque) if memory.opaque == memory.alpha else f"{memory.opaque}, {memory.alpha} with alpha"


def _animations(animated: FrameEncoding | None) -> str:
    return "no" if animated is None else f"{animated.frame_bytes} bytes a frame, {animated.once_bytes} once"


if __name__ == "__main__":
    sys.stdout.write(f"{table()}\n")
