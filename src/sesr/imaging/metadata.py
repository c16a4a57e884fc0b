"""What a picture file says beside its pixels, and what of it still holds for a larger picture.

Carried over: the colour profile, EXIF with date, place and camera, XMP, IPTC, the resolution in dots per inch, comments
and PNG's text. Bytes are passed on as they are wherever a format allows, since only the camera's maker understands some
of them. What would be wrong afterwards is changed, byte by byte and in place:

- *Orientation* becomes 1 in EXIF and XMP, because pixels are turned upright when they are read.
- *Sizes* in EXIF and XMP become the new ones.
- *The thumbnail* in EXIF, which shows the small picture and may still show what was cut away, is taken out.

EXIF is a small TIFF file (EXIF 2.32, section 4.5): a header, then directories of 12-byte entries (tag, type, count,
value or where the value lies). Directory 0 describes the picture, a second one that it points to the exposure, and
directory 1 the thumbnail.

Damaged metadata is left out: the picture is none the worse for it.
"""

import re
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, BinaryIO

from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

ORIENTATION = 0x0112
EXIF_IFD, GPS_IFD = 0x8769, 0x8825
_WIDTH, _HEIGHT = 0xA002, 0xA003
_THUMBNAIL, _THUMBNAIL_LENGTH = 0x0201, 0x0202
_SHORT, _LONG = 3, 4
_ENTRY = 12

_TIFF_XMP, _TIFF_ICC = 700, 34675
_RESOLUTION_X, _RESOLUTION_Y, _RESOLUTION_UNIT = 282, 283, 296
_INCH, _CENTIMETRE = 2, 3
_RATIONAL = 5
_PHOTOSHOP, _IPTC_RESOURCE = b"Photoshop 3.0\0", 0x0404
DESCRIPTIVE_TAGS = frozenset(
    {270, 271, 272, 305, 306, 315, 316, 33432, 0x4746, 0x4749, 0x9C9B, 0x9C9C, 0x9C9D, 0x9C9E, 0x9C9F}
    | {EXIF_IFD, GPS_IFD}
)
"""Of a TIFF's main directory, the tags that describe the picture and not how its pixels are stored."""

XMP_KEYWORD = b"XML:com.adobe.xmp"
_COLOUR_CHUNKS = (b"cHRM", b"gAMA", b"sRGB", b"cICP")
_TEXT_CHUNKS = (b"tEXt", b"zTXt", b"iTXt")
_LARGEST_CHUNK = 1 << 26
_LARGEST_XMP = 1 << 24


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
        for entry in _entries(self.exif or b"", 0):
            if entry.tag == ORIENTATION and entry.number() in range(1, 9):
                return entry.number()
        return 1

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
        """What Pillow found in a file that it opened: JPEG, WebP, AVIF, HEIF, BMP, GIF."""
        info = image.info
        exif = info.get("exif")
        return cls(
            icc=_filled(info.get("icc_profile")),
            exif=_without_prefix(exif) if isinstance(exif, bytes) else None,
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
                found = replace(found, exif=_without_prefix(content))
            elif name == b"iTXt" and content.startswith(XMP_KEYWORD + b"\0"):
                found = replace(found, xmp=_xmp_of_text(content))
            elif name == b"pHYs" and len(content) == 9 and content[8] == 1:
                x, y = struct.unpack(">II", content[:8])
                found = replace(found, dpi=_dpi((x * 0.0254, y * 0.0254)))
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
                exif=_descriptive(file, tags),
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
    header = _tiff_header(file)
    return _directory(file, header, ImageFileDirectory_v2(header).next)


def _tiff_header(file: BinaryIO) -> bytes:
    file.seek(0)
    header = file.read(8)
    big = header[2:4] in (b"+\0", b"\0+")
    return header + file.read(8) if big else header


def _directory(file: BinaryIO, header: bytes, start: int, group: int | None = None) -> ImageFileDirectory_v2:
    tags = ImageFileDirectory_v2(header, group=group)
    file.seek(start)
    tags.load(file)
    return tags


def png_chunks(file: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """A PNG's chunks from the start, without pixels: name and content, up to the first that is damaged."""
    file.seek(8)
    while len(head := file.read(8)) == 8:
        length, name = struct.unpack(">I4s", head)
        if name in (b"IDAT", b"fdAT") or length > _LARGEST_CHUNK:
            file.seek(length + 4, 1)
            continue
        content = file.read(length)
        if name == b"IEND" or len(content) < length or len(file.read(4)) < 4:
            return
        yield name, content


def enlarged_exif(exif: bytes, width: int, height: int) -> bytes | None:
    """EXIF of an upright picture of this size, in pixels, without a thumbnail; None if it is damaged."""
    if not any(True for _ in _entries(exif, 0)):
        return None
    changed = bytearray(exif)
    _drop_thumbnail(changed)
    for entry in list(_entries(exif, 0)):
        if entry.tag == ORIENTATION:
            entry.write(changed, 1)
        elif entry.tag == EXIF_IFD:
            for inner in _entries_at(exif, entry.number(), entry.order):
                if inner.tag in (_WIDTH, _HEIGHT):
                    inner.write(changed, width if inner.tag == _WIDTH else height)
    return bytes(changed)


def with_resolution(exif: bytes | None, dpi: tuple[float, float]) -> bytes:
    """EXIF that says the dots per inch, for formats that hold them nowhere else.

    The first directory is written anew at the end, so that all else stays in place: a maker's notes may point there.
    """
    exif = exif if exif and _start(exif, 0) else struct.pack("<2sHIHI", b"II", 42, 8, 0, 0)
    order, start, own = _order(exif), _start(exif, 0), (_RESOLUTION_X, _RESOLUTION_Y, _RESOLUTION_UNIT)
    kept = {entry.tag: exif[entry.at : entry.at + _ENTRY] for entry in _entries(exif, 0) if entry.tag not in own}
    link = start + 2 + _ENTRY * int(struct.unpack_from(order + "H", exif, start)[0])
    following = exif[link : link + 4].ljust(4, b"\0")
    body = exif + bytes(len(exif) % 2)
    values = len(body) + 2 + _ENTRY * (len(kept) + 3) + 4
    for tag, at in ((_RESOLUTION_X, values), (_RESOLUTION_Y, values + 8)):
        kept[tag] = struct.pack(order + "HHII", tag, _RATIONAL, 1, at)
    kept[_RESOLUTION_UNIT] = struct.pack(order + "HHIHxx", _RESOLUTION_UNIT, _SHORT, 1, _INCH)
    fractions = b"".join(struct.pack(order + "II", round(value * 1000), 1000) for value in dpi)
    directory = struct.pack(order + "H", len(kept)) + b"".join(kept[tag] for tag in sorted(kept)) + following
    return body[:4] + struct.pack(order + "I", len(body)) + body[8:] + directory + fractions


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


def enlarged_xmp(xmp: bytes, width: int, height: int) -> bytes:
    """An XMP packet of an upright picture of this size, in pixels."""
    for name, value in (
        (rb"tiff:Orientation", 1),
        (rb"tiff:ImageWidth", width),
        (rb"tiff:ImageLength", height),
        (rb"exif:PixelXDimension", width),
        (rb"exif:PixelYDimension", height),
    ):
        number = str(value).encode()
        xmp = re.sub(rb"(\b" + name + rb"\s*=\s*[\"'])\d+", rb"\g<1>" + number, xmp)
        xmp = re.sub(rb"(<" + name + rb">)\s*\d+\s*(?=</)", rb"\g<1>" + number, xmp)
    return xmp


@dataclass(frozen=True)
class _Entry:
    """An entry of an EXIF directory; `at` is where its 12 bytes lie."""

    at: int
    order: str
    tag: int
    kind: int
    value: bytes

    def number(self) -> int:
        """A whole number that lies in the entry itself."""
        form = "H" if self.kind == _SHORT else "I"
        return int(struct.unpack_from(self.order + form, self.value)[0])

    def write(self, exif: bytearray, number: int) -> None:
        short = self.kind == _SHORT and number < 1 << 16
        form, kind = ("HHIHxx", _SHORT) if short else ("HHII", _LONG)
        struct.pack_into(self.order + form, exif, self.at, self.tag, kind, 1, number)


def _order(exif: bytes) -> str:
    return {b"II*\0": "<", b"MM\0*": ">"}.get(bytes(exif[:4]), "")


def _start(exif: bytes, index: int) -> int:
    """Where directory `index` lies; 0 for none."""
    order, link = _order(exif), 4
    for _ in range(index + 1):
        if not order or link + 4 > len(exif):
            return 0
        start = int(struct.unpack_from(order + "I", exif, link)[0])
        if start < 8 or start + 2 > len(exif):
            return 0
        link = start + 2 + _ENTRY * int(struct.unpack_from(order + "H", exif, start)[0])
    return start


def _entries(exif: bytes, index: int) -> Iterator[_Entry]:
    """The entries of directory `index`, as far as they are there."""
    start = _start(exif, index)
    if start:
        yield from _entries_at(exif, start, _order(exif))


def _entries_at(exif: bytes, start: int, order: str) -> Iterator[_Entry]:
    if start + 2 > len(exif):
        return
    count = int(struct.unpack_from(order + "H", exif, start)[0])
    for at in range(start + 2, min(start + 2 + _ENTRY * count, len(exif) - _ENTRY + 1), _ENTRY):
        tag, kind = struct.unpack_from(order + "HH", exif, at)
        yield _Entry(at, order, tag, kind, exif[at + 8 : at + _ENTRY])


def _drop_thumbnail(exif: bytearray) -> None:
    """Overwrites the thumbnail with zeros, or cuts it off where it is last, and unlinks directory 1."""
    whole = bytes(exif)
    places = {entry.tag: entry.number() for entry in _entries(whole, 1) if entry.kind in (_SHORT, _LONG)}
    first = _start(whole, 0)
    order = _order(whole)
    link = first + 2 + _ENTRY * int(struct.unpack_from(order + "H", whole, first)[0])
    if link + 4 <= len(whole):
        struct.pack_into(order + "I", exif, link, 0)
    start, length = places.get(_THUMBNAIL, 0), places.get(_THUMBNAIL_LENGTH, 0)
    if start < 8 or start >= len(whole):
        return
    stop = min(start + length, len(whole))
    exif[start:stop] = bytes(stop - start)
    if stop == len(whole):
        del exif[start:]


def _descriptive(file: BinaryIO, tags: ImageFileDirectory_v2) -> bytes | None:
    """EXIF made of a TIFF's own directory: what describes the picture."""
    header, kept = _tiff_header(file), Image.Exif()
    for tag in DESCRIPTIVE_TAGS | {ORIENTATION}:
        if tag not in tags:
            continue
        value = tags[tag]
        if tag in (EXIF_IFD, GPS_IFD):
            value = value if isinstance(value, dict) else dict(_directory(file, header, value, tag))
        kept[tag] = value
    return _without_prefix(kept.tobytes()) if len(kept) else None


def _tiff_dpi(tags: Mapping[int, Any]) -> tuple[float, float] | None:
    x, y, unit = tags.get(_RESOLUTION_X), tags.get(_RESOLUTION_Y), tags.get(_RESOLUTION_UNIT, 2)
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
    if compressed != b"\1":
        return text or None
    try:
        unpacking = zlib.decompressobj()
        packet = unpacking.decompress(text, _LARGEST_XMP)
        return packet if packet and not unpacking.unconsumed_tail else None
    except zlib.error:
        return None


def _filled(value: object) -> bytes | None:
    if isinstance(value, str):
        value = value.encode()
    return value if isinstance(value, bytes) and value else None


def _without_prefix(exif: bytes) -> bytes | None:
    found = exif.removeprefix(b"Exif\0\0")
    return found if _order(found) else None
