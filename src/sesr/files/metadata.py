"""What a picture file says beside its pixels, and what of it still holds for a larger picture.

Carried over: the colour profile, EXIF with date, place and camera, XMP, IPTC, the resolution in dots per inch, comments
and PNG's text. Bytes are passed on as they are wherever a format allows, since only the camera's maker understands some
of them. What would be wrong afterwards is changed, byte by byte and in place (`sesr.files.exif`, `sesr.files.xmp`):

- *Orientation* becomes 1 in EXIF and XMP, because pixels are turned upright when they are read.
- *Sizes* in EXIF and XMP become the new ones.
- *Places in the picture*, counted in pixels of the old one, are taken out: where the subject is, and how many pixels
  there are to a millimetre of the sensor.
- *The thumbnail*, which shows the small picture and may still show what was cut away, is taken out, and so is what XMP
  says of pictures that came along in the same file: a gain map for bright screens, a video.

Damaged metadata is left out: the picture is none the worse for it.
"""

import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, BinaryIO

from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from sesr.files.exif import enlarged_exif, orientation_of, without_orientation, without_prefix, written_exif
from sesr.files.ifd import (
    BIG_TIFF_MARKS,
    LARGEST_BLOCK,
    RESOLUTION_UNIT,
    RESOLUTION_X,
    RESOLUTION_Y,
    read_directory,
)
from sesr.files.xmp import enlarged_xmp

_TIFF_XMP, _TIFF_ICC = 700, 34675
_CENTIMETRE = 3
_PHOTOSHOP, _IPTC_RESOURCE = b"Photoshop 3.0\0", 0x0404

XMP_KEYWORD = b"XML:com.adobe.xmp"
_COLOUR_CHUNKS = (b"cHRM", b"gAMA", b"sRGB", b"cICP")
_TEXT_CHUNKS = (b"tEXt", b"zTXt", b"iTXt")
_RAW_EXIF = (b"Raw profile type exif", b"Raw profile type APP1")
_LARGEST_TEXT = 1 << 24


@dataclass(frozen=True)
class Metadata:
    """Of one picture; None and empty where there is nothing.

    Attributes:
        icc: the colour profile.
        exif: a TIFF structure, without the ``Exif\\0\\0`` that some formats put before it.
        xmp: the packet.
        iptc: IPTC records as TIFF holds them, without the wrapping that JPEG puts around them.
        dpi: dots per inch, across and down.
        comment: a JPEG's.
        chunks: a PNG's chunks of colour (without a profile) and text: name and content.
    """

    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    iptc: bytes | None = None
    dpi: tuple[float, float] | None = None
    comment: bytes | None = None
    chunks: tuple[tuple[bytes, bytes], ...] = ()

    @property
    def orientation(self) -> int:
        """EXIF's, 1 (upright) to 8; 1 where there is none."""
        return orientation_of(self.exif)

    def enlarged(self, width: int, height: int) -> "Metadata":
        """The same for the upright picture of another size, in pixels."""
        exif = None if self.exif is None else enlarged_exif(self.exif, width, height)
        xmp = None if self.xmp is None else enlarged_xmp(self.xmp, width, height)
        return replace(self, exif=exif, xmp=xmp)

    def without_notes(self) -> "Metadata":
        """Only what decides how colours look."""
        colour = tuple(chunk for chunk in self.chunks if chunk[0] in _COLOUR_CHUNKS)
        return Metadata(icc=self.icc, chunks=colour)

    @classmethod
    def of_image(cls, image: Image.Image) -> "Metadata":
        """What Pillow found in a file that it opened: JPEG, WebP, AVIF, HEIF, JPEG XL, BMP, GIF.

        JPEG XL turns pixels by itself, as its decoder has done (ISO/IEC 18181-2: EXIF's orientation is ignored), but
        where the plugin hands out the JPEG that was packed (`jpeg`).
        """
        info = image.info
        exif = info.get("exif")
        plain = without_prefix(exif) if isinstance(exif, bytes) else None
        turned = image.format == "JXL" and not getattr(image, "jpeg", False)
        return cls(
            icc=_filled(info.get("icc_profile")),
            exif=without_orientation(plain) if turned else plain,
            xmp=_filled(info.get("xmp")),
            iptc=_iptc(image),
            dpi=_dpi(info.get("dpi")) or _exif_dpi(exif),
            comment=_filled(info.get("comment")) if image.format in ("JPEG", "MPO") else None,
        )

    @classmethod
    def of_png(cls, file: BinaryIO) -> "Metadata":
        """What a PNG's chunks hold. The profile is left to whoever decodes the pixels.

        Raises nothing for damage: what was found before it counts.
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
            elif name in _TEXT_CHUNKS and (raw := _raw_exif(name, content)) is not None:
                found = replace(found, exif=found.exif or raw)
            elif name in _COLOUR_CHUNKS + _TEXT_CHUNKS:
                chunks.append((name, content))
        return replace(found, chunks=tuple(chunks), dpi=found.dpi or _exif_dpi(found.exif))

    @classmethod
    def of_tiff(cls, file: BinaryIO) -> "Metadata":
        """What a TIFF's first directory holds. IPTC is left to whoever decodes the pixels."""
        try:
            tags = tiff_tags(file)
            icc, xmp = tags.get(_TIFF_ICC), tags.get(_TIFF_XMP)
            return cls(
                icc=_filled(icc),
                exif=written_exif(read_directory(file)),
                xmp=_filled(xmp),
                dpi=_tiff_dpi(tags),
            )
        except Exception:  # Pillow's readers raise nearly anything on damage
            return cls()


NOTHING = Metadata()


def fitting_profile(metadata: Metadata, mode: str) -> Metadata:
    """Without a profile that describes other colours than `mode` has (a palette's or a grey picture's may not fit)."""
    space = b"GRAY" if mode in ("L", "LA") else b"RGB "
    fits = metadata.icc is not None and metadata.icc[16:20] == space
    return metadata if fits else replace(metadata, icc=None)


def tiff_tags(file: BinaryIO) -> ImageFileDirectory_v2:
    """A TIFF's first directory. Raises nearly anything on a damaged one."""
    file.seek(0)
    header = file.read(8)
    big = header[2:4] in BIG_TIFF_MARKS
    tags = ImageFileDirectory_v2(header + file.read(8) if big else header)
    file.seek(tags.next)
    tags.load(file)
    return tags


def png_chunks(file: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """A PNG's chunks from the start, without pixels: name and content, up to the first that is damaged."""
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


def photoshop_iptc(segment: bytes) -> bytes | None:
    """IPTC records out of a JPEG's segment APP13: resources, each a mark, number, name, length and content."""
    at = len(_PHOTOSHOP)
    while segment.startswith(_PHOTOSHOP) and segment[at : at + 4] == b"8BIM" and at + 12 <= len(segment):
        number = int.from_bytes(segment[at + 4 : at + 6], "big")
        at += 6 + (segment[at + 6] // 2 + 1) * 2
        length = int.from_bytes(segment[at : at + 4], "big")
        if number == _IPTC_RESOURCE:
            return segment[at + 4 : at + 4 + length] or None
        at += 4 + length + length % 2
    return None


def wrapped_iptc(iptc: bytes) -> bytes:
    """The segment that `photoshop_iptc` reads."""
    head = _PHOTOSHOP + b"8BIM" + struct.pack(">HHI", _IPTC_RESOURCE, 0, len(iptc))
    return head + iptc + bytes(len(iptc) % 2)


def _tiff_dpi(tags: Mapping[int, Any]) -> tuple[float, float] | None:
    x, y, unit = tags.get(RESOLUTION_X), tags.get(RESOLUTION_Y), tags.get(RESOLUTION_UNIT, 2)
    if x is None or y is None or unit not in (2, _CENTIMETRE):
        return None
    factor = 2.54 if unit == _CENTIMETRE else 1.0
    return _dpi((float(x) * factor, float(y) * factor))


def _dpi(value: object) -> tuple[float, float] | None:
    """Both finite and above zero, as a printer could use."""
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
    """A packet from PNG's iTXt: keyword, 0, whether it is compressed, method, language, 0, keyword again, 0, text."""
    compressed, rest = content[len(XMP_KEYWORD) + 1 :][:1], content[len(XMP_KEYWORD) + 3 :]
    text = rest.split(b"\0", 2)[-1]
    return (_unpacked(text) if compressed == b"\1" else text) or None


def _raw_exif(name: bytes, content: bytes) -> bytes | None:
    """EXIF as ImageMagick puts it into text: keyword, 0, lines with a name, a length and hexadecimal digits."""
    keyword, _, text = content.partition(b"\0")
    if keyword not in _RAW_EXIF or name == b"iTXt":
        return None
    lines = (_unpacked(text[1:]) if name == b"zTXt" else text).split(b"\n", 3)
    try:
        return without_prefix(bytes.fromhex(lines[-1].decode("ascii")))
    except ValueError:
        return None


def _unpacked(content: bytes) -> bytes:
    """Nothing where it is damaged or too long."""
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
