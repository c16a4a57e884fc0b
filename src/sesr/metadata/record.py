"""Metadata: the notes of a picture file besides its pixels, and what of them still holds for a larger picture.

Carried over: color descriptions, EXIF with date, place and camera, XMP, IPTC, the resolution in dots per inch, comments
and PNG's text. Bytes stay as they are wherever a format allows it, since only the camera's maker understands some of
them. What would be wrong for the new picture changes, byte by byte and in place (`sesr.metadata.exif` and `xmp`):

- *Orientation* becomes 1 in EXIF and XMP, because pixels are turned upright when they are read.
- *Sizes* in EXIF and XMP become the new ones.
- *Places in the picture*, counted in pixels of the old one, are removed: where the subject is, and how many pixels
  there are to a millimeter of the sensor.
- *The thumbnail* is removed. It shows the small picture and may still show what was cut away. So is what XMP says about
  pictures that came along in the same file: a gain map for bright screens, a video.

Damaged metadata is left out: the picture is none the worse for it. How metadata suits another format: `sesr.files.fit`.
"""

import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, BinaryIO, Literal

from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from sesr.metadata.cicp import COLOR_CHUNKS, Cicp
from sesr.metadata.exif import enlarged_exif, orientation_of, without_orientation, without_prefix, written_exif
from sesr.metadata.heif import brightness_chunks, color_codes, picture_properties
from sesr.metadata.ifd import (
    BIG_TIFF_MARKS,
    LARGEST_BLOCK,
    RESOLUTION_UNIT,
    RESOLUTION_X,
    RESOLUTION_Y,
    read_directory,
)
from sesr.metadata.iptc import photoshop_iptc
from sesr.metadata.xmp import enlarged_xmp

_TIFF_XMP, _TIFF_ICC = 700, 34675
_CENTIMETER = 3

XMP_KEYWORD = b"XML:com.adobe.xmp"
BRIGHTNESS_CHUNKS = (b"mDCV", b"cLLI")
"""PNG's chunks on HDR: the display that a picture was made on, and its brightest light."""
_TEXT_CHUNKS = (b"tEXt", b"zTXt", b"iTXt")
_KEPT_CHUNKS = (*COLOR_CHUNKS, *BRIGHTNESS_CHUNKS, *_TEXT_CHUNKS)
_RAW_EXIF = (b"Raw profile type exif", b"Raw profile type APP1")
_LARGEST_TEXT = 1 << 24


@dataclass(frozen=True)
class Metadata:
    """Metadata of one picture; None and empty where there is nothing.

    Attributes:
        icc: the ICC profile.
        exif: a TIFF structure, without the ``Exif\\0\\0`` that some formats put before it.
        xmp: the packet.
        iptc: IPTC records as TIFF holds them, without the wrapping that JPEG puts around them.
        dpi: dots per inch, across and down.
        comment: a JPEG's or GIF's.
        chunks: a PNG's chunks on color and brightness and its text: name and content. Without iCCP and cICP. HEIC and
            AVIF say how bright they are in the same way.
        cicp: code points for colors. Where they are set they count, and not the profile.
        unread: what else the file holds and no result will, such as further pictures; for a person to read.
    """

    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    iptc: bytes | None = None
    dpi: tuple[float, float] | None = None
    comment: bytes | None = None
    chunks: tuple[tuple[bytes, bytes], ...] = ()
    cicp: Cicp | None = None
    unread: tuple[str, ...] = ()

    @property
    def orientation(self) -> int:
        """EXIF's orientation, 1 (upright) to 8; 1 if there is none."""
        return orientation_of(self.exif)

    def enlarged(self, width: int, height: int) -> "Metadata":
        """Return the metadata for the upright picture of another size, in pixels."""
        exif = None if self.exif is None else enlarged_exif(self.exif, width, height)
        xmp = None if self.xmp is None else enlarged_xmp(self.xmp, width, height)
        return replace(self, exif=exif, xmp=xmp)

    def without_notes(self) -> "Metadata":
        """Return only what decides how colors look."""
        colors = tuple(chunk for chunk in self.chunks if chunk[0] not in _TEXT_CHUNKS)
        return Metadata(icc=self.icc, chunks=colors, cicp=self.cicp, unread=self.unread)

    def color_and_text_chunks(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield the chunks to write into a PNG, name and content, besides the profile, EXIF and XMP."""
        if self.cicp is not None:
            yield b"cICP", self.cicp.png_chunk()
        yield from self.chunks

    @classmethod
    def of_image(cls, image: Image.Image, file: BinaryIO | None = None) -> "Metadata":
        """Return what Pillow found in a file that it opened: JPEG, WebP, AVIF, HEIF, JPEG XL, BMP, GIF.

        JPEG XL turns pixels by itself, as its decoder has done (ISO/IEC 18181-2: EXIF's orientation is ignored), except
        where the plug-in hands out the JPEG that was packed (`jpeg`).

        Args:
            image: opened by Pillow.
            file: the same file, to read from HEIC and AVIF what Pillow does not tell.
        """
        info = image.info
        exif = info.get("exif")
        bare = without_prefix(exif) if isinstance(exif, bytes) else None
        turned = image.format == "JXL" and not getattr(image, "jpeg", False)
        found = cls(
            icc=_filled(info.get("icc_profile")),
            exif=without_orientation(bare) if turned else bare,
            xmp=_filled(info.get("xmp")),
            iptc=_iptc(image),
            dpi=_dpi(info.get("dpi")) or _exif_dpi(exif),
            comment=_filled(info.get("comment")) if image.format in ("JPEG", "MPO") else None,
        )
        return found._with_nclx(file) if image.format in ("AVIF", "HEIF") and file is not None else found

    def _with_nclx(self, file: BinaryIO) -> "Metadata":
        """Add the colors that HEIC and AVIF describe without a profile; a profile ranks above them."""
        properties = picture_properties(file)
        if self.icc is not None:
            return self
        return replace(self, cicp=color_codes(properties), chunks=tuple(brightness_chunks(properties)))

    @classmethod
    def of_png(cls, file: BinaryIO) -> "Metadata":
        """Read a PNG's chunks. The profile is left to whoever decodes the pixels.

        Damage raises nothing: what was found before it counts.
        """
        found, chunks = cls(), []
        for name, content in png_chunks(file):
            if name == b"eXIf":
                found = replace(found, exif=without_prefix(content))
            elif name == b"iTXt" and content.startswith(XMP_KEYWORD + b"\0"):
                found = replace(found, xmp=_xmp_of_text(content))
            elif name == b"pHYs" and len(content) == 9 and content[8] == 1:
                x, y = struct.unpack(">II", content[:8])
                found = replace(found, dpi=_dpi((x * 0.0254, y * 0.0254)))
            elif name == b"cICP":
                found = replace(found, cicp=Cicp.of_png(content))
            elif name in _TEXT_CHUNKS and (raw := _raw_exif(name, content)) is not None:
                found = replace(found, exif=found.exif or raw)
            elif name in _KEPT_CHUNKS:
                chunks.append((name, content))
        return replace(found, chunks=tuple(chunks), dpi=found.dpi or _exif_dpi(found.exif))

    @classmethod
    def of_tiff(cls, file: BinaryIO, start: int | None = None) -> "Metadata":
        """Read a TIFF's directory at `start`, by default the first. IPTC is left to whoever decodes the pixels."""
        try:
            tags = tiff_tags(file, start)
            icc, xmp = tags.get(_TIFF_ICC), tags.get(_TIFF_XMP)
            return cls(
                icc=_filled(icc),
                exif=written_exif(read_directory(file, start)),
                xmp=_filled(xmp),
                dpi=_tiff_dpi(tags),
            )
        except Exception:  # Pillow's readers raise nearly anything on damage
            return cls()


NOTHING = Metadata()


def fitting_profile(metadata: Metadata, mode: str) -> Metadata:
    """Drop a profile that describes other colors than `mode` has: a palette's or a gray picture's may not fit."""
    space = b"GRAY" if mode in ("L", "LA") else b"RGB "
    if metadata.icc is None or metadata.icc[16:20] == space:
        return metadata
    lost = () if metadata.cicp is not None else ("ICC profile of other colors",)
    return replace(metadata, icc=None, unread=(*metadata.unread, *lost))


def brightest(chunks: Iterable[tuple[bytes, bytes]]) -> float | None:
    """Return the brightest light in cd/m², as cLLI says, or else what mDCV's display could show; None if unknown."""
    found = dict(chunks)
    level, display = found.get(b"cLLI", b"")[:4], found.get(b"mDCV", b"")[16:20]
    for content in (level, display):
        light = int.from_bytes(content, "big") / 10_000 if len(content) == 4 else 0
        if light > 0:
            return light
    return None


def tiff_tags(file: BinaryIO, start: int | None = None) -> ImageFileDirectory_v2:
    """Read a TIFF's directory at offset `start`, by default the first. Raises nearly anything on a damaged one."""
    file.seek(0)
    header = file.read(16)
    big = header[2:4] in BIG_TIFF_MARKS
    order: Literal["little", "big"] = "big" if header[:2] == b"MM" else "little"
    first = int.from_bytes(header[8:16] if big else header[4:8], order)
    tags = ImageFileDirectory_v2(header[:2] + (b"*\0" if order == "little" else b"\0*") + bytes(4))
    tags._bigtiff = big  # Pillow looks for the mark of a BigTIFF in little-endian ones only
    file.seek(first if start is None else start)
    tags.load(file)
    return tags


def png_chunks(file: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """Yield a PNG's chunks from the start, without pixels: name and content, up to the first that is damaged."""
    file.seek(8)
    while len(head := file.read(8)) == 8:
        length, name = struct.unpack(">I4s", head)
        if name in (b"IDAT", b"fdAT") or length > LARGEST_BLOCK:
            file.seek(length + 4, 1)
            continue
        content = file.read(length)
        if name == b"IEND" or len(content) < length or len(file.read(4)) < 4:
            return
        yield name, content


def _tiff_dpi(tags: Mapping[int, Any]) -> tuple[float, float] | None:
    x, y, unit = tags.get(RESOLUTION_X), tags.get(RESOLUTION_Y), tags.get(RESOLUTION_UNIT, 2)
    if x is None or y is None or unit not in (2, _CENTIMETER):
        return None
    factor = 2.54 if unit == _CENTIMETER else 1.0
    return _dpi((float(x) * factor, float(y) * factor))


def _dpi(value: object) -> tuple[float, float] | None:
    """Return a resolution that a printer could use: both numbers finite and above zero."""
    if not isinstance(value, tuple) or len(value) != 2:
        return None
    try:
        x, y = float(value[0]), float(value[1])
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return (x, y) if 0 < x < 1e6 and 0 < y < 1e6 else None


def _iptc(image: Image.Image) -> bytes | None:
    segments = [content for name, content in getattr(image, "applist", ()) if name == "APP13"]
    return next(filter(None, map(photoshop_iptc, segments)), None)


def _exif_dpi(exif: object) -> tuple[float, float] | None:
    if not isinstance(exif, bytes):
        return None
    found = Image.Exif()
    try:
        found.load(exif)
        return _tiff_dpi(found)
    except Exception:  # Pillow's readers raise nearly anything on damage
        return None


def _xmp_of_text(content: bytes) -> bytes | None:
    """Return the packet in PNG's iTXt: keyword, 0, compressed or not, method, language, 0, keyword again, 0, text."""
    compressed, rest = content[len(XMP_KEYWORD) + 1 :][:1], content[len(XMP_KEYWORD) + 3 :]
    text = rest.split(b"\0", 2)[-1]
    return (_unpacked(text) if compressed == b"\1" else text) or None


def _raw_exif(name: bytes, content: bytes) -> bytes | None:
    """Return EXIF that ImageMagick put into text: keyword, 0, lines with a name, a length and hexadecimal digits."""
    keyword, _, text = content.partition(b"\0")
    if keyword not in _RAW_EXIF or name == b"iTXt":
        return None
    lines = (_unpacked(text[1:]) if name == b"zTXt" else text).split(b"\n", 3)
    try:
        return without_prefix(bytes.fromhex(lines[-1].decode("ascii")))
    except ValueError:
        return None


def _unpacked(content: bytes) -> bytes:
    """Unpack a text; nothing if it is damaged or too long."""
    try:
        unpacking = zlib.decompressobj()
        text = unpacking.decompress(content, _LARGEST_TEXT)
    except zlib.error:
        return b""
    return b"" if unpacking.unconsumed_tail else text


def _filled(value: object) -> bytes | None:
    if isinstance(value, str):
        value = value.encode()
    return value if isinstance(value, bytes) and value else None
