"""What a picture file says beside its pixels, and what of it still holds for a larger picture.

Carried over: the colour profile, EXIF with date, place and camera, XMP, IPTC, the resolution in dots per inch, comments
and PNG's text. Bytes are passed on as they are wherever a format allows, since only the camera's maker understands some
of them. What would be wrong afterwards is changed, byte by byte and in place:

- *Orientation* becomes 1 in EXIF and XMP, because pixels are turned upright when they are read.
- *Sizes* in EXIF and XMP become the new ones.
- *Places in the picture*, counted in pixels of the old one, are taken out: where the subject is, and how many pixels
  there are to a millimetre of the sensor.
- *The thumbnail*, which shows the small picture and may still show what was cut away, is taken out, and so is what XMP
  says of pictures that came along in the same file: a gain map for bright screens, a video.

EXIF is a small TIFF file (EXIF 2.32, section 4.5): a header, then directories of 12-byte entries (tag, type, count,
value or where the value lies). Directory 0 describes the picture, a second one that it points to the exposure, and
directory 1 the thumbnail. In a TIFF itself the same entries lie in its own directories. There they have to be written
anew (`described`, `directory_bytes`), values byte for byte.

Damaged metadata is left out: the picture is none the worse for it.
"""

import re
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from io import BytesIO
from typing import Any, BinaryIO, Union

import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

ORIENTATION = 0x0112
_EXIF_IFD, _GPS_IFD, _INTEROPERABILITY_IFD = 0x8769, 0x8825, 0xA005
_INNER = {0: (_EXIF_IFD, _GPS_IFD), _EXIF_IFD: (_INTEROPERABILITY_IFD,)}
"""Of a directory (0 is the main one), the tags that point to others."""
_POINTERS = (_EXIF_IFD, _GPS_IFD, _INTEROPERABILITY_IFD)
_WIDTHS, _HEIGHTS = (0x0100, 0xA002, 0x1001), (0x0101, 0xA003, 0x1002)
"""Tags of sizes in the main directory, the exposure's and interoperability's."""
_PLACES = (0x9214, 0xA214, 0xA20E, 0xA20F)
"""SubjectArea, SubjectLocation, and the focal plane's resolution across and down."""
_MAKER_NOTES = 0x927C
_THUMBNAIL, _THUMBNAIL_LENGTH = 0x0201, 0x0202
BYTE, SHORT, LONG, RATIONAL, UNDEFINED, LONG8 = 1, 3, 4, 5, 7, 16
_SIGNED_RATIONAL, _IFD8 = 10, 18
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, LONG8: 8}
"""Bytes of a value, by its type's number in TIFF (revision 6.0, section 2, and BigTIFF)."""
_ENTRY = 12

_BIG = (b"+\0", b"\0+")
_TIFF_XMP, _TIFF_ICC = 700, 34675
_RESOLUTION_X, _RESOLUTION_Y, _RESOLUTION_UNIT = 282, 283, 296
_INCH, _CENTIMETRE = 2, 3
_PHOTOSHOP, _IPTC_RESOURCE = b"Photoshop 3.0\0", 0x0404
_DESCRIPTIVE_TAGS = frozenset(
    {269, 270, 271, 272, 305, 306, 315, 316, 33432, 0x4746, 0x4749, 0x9C9B, 0x9C9C, 0x9C9D, 0x9C9E, 0x9C9F}
    | {ORIENTATION, _EXIF_IFD, _GPS_IFD}
)
"""Of a TIFF's main directory, the tags that describe the picture and not how its pixels are stored."""

XMP_KEYWORD = b"XML:com.adobe.xmp"
_COLOUR_CHUNKS = (b"cHRM", b"gAMA", b"sRGB", b"cICP")
_TEXT_CHUNKS = (b"tEXt", b"zTXt", b"iTXt")
_RAW_EXIF = (b"Raw profile type exif", b"Raw profile type APP1")
_LARGEST_CHUNK = 1 << 26
_LARGEST_TEXT = 1 << 24

_DROPPED = (
    rb"(?:(?:xmp|xap):Thumbnails|hdrgm:\w+|Container:Directory|GCamera:M(?:otionPhoto|icroVideo)\w*"
    rb"|exif:Subject(?:Area|Location)|exif:FocalPlane[XY]Resolution)"
)
"""Names in XMP of what no longer holds."""
_DROPPED_ATTRIBUTE = re.compile(rb"\s" + _DROPPED + rb"\s*=\s*(?:\"[^\"<]*\"|'[^'<]*')")
_DROPPED_TAG = re.compile(rb"<(/?)(" + _DROPPED + rb")(?=[\s/>])[^<>]*>")


@dataclass(frozen=True)
class Field:
    """What a directory of a TIFF says under one tag.

    Attributes:
        kind: the type's number.
        value: one value or several, little-endian.
    """

    kind: int
    value: bytes

    @classmethod
    def of(cls, kind: int, *numbers: int) -> "Field":
        """Of whole numbers that are not negative; a RATIONAL's are numerator and denominator."""
        return cls(kind, np.array(numbers, f"<u{_unit(kind)}").tobytes())


Directory = dict[int, Union[Field, "Directory"]]
"""By tag; a directory where the tag points to one."""


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
        """What Pillow found in a file that it opened: JPEG, WebP, AVIF, HEIF, JPEG XL, BMP, GIF.

        JPEG XL turns pixels by itself, as its decoder has done (ISO/IEC 18181-2: EXIF's orientation is ignored), but
        where the plugin hands out the JPEG that was packed (`jpeg`).
        """
        info = image.info
        exif = info.get("exif")
        plain = _without_prefix(exif) if isinstance(exif, bytes) else None
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
                found = replace(found, exif=_without_prefix(content))
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
                exif=_written_exif(described(file)),
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
    big = header[2:4] in _BIG
    tags = ImageFileDirectory_v2(header + file.read(8) if big else header)
    file.seek(tags.next)
    tags.load(file)
    return tags


def described(file: BinaryIO) -> Directory:
    """What a TIFF or EXIF says of the picture, as far as it is whole; without maker's notes, which must not move."""
    reader = _DirectoryReader(file)
    return reader.directory(reader.start)


def directory_bytes(directory: Directory, at: int, *, big: bool = False) -> bytes:
    """A directory that is to lie at `at`, little-endian, with values and inner directories behind it.

    Args:
        directory: not empty.
        at: bytes from the file's start, even.
        big: as BigTIFF has it, with 64 bits for offsets.
    """
    head, entry, number, room = ("<Q", "<HHQ8s", "<Q", 8) if big else ("<H", "<HHI4s", "<I", 4)
    after = at + struct.calcsize(head) + struct.calcsize(entry) * len(directory) + room
    entries, behind = bytearray(), bytearray()
    for tag in sorted(directory):
        field, where = directory[tag], after + len(behind)
        if not isinstance(field, Field):
            behind += directory_bytes(field, where, big=big)
            field = Field.of(LONG8 if big else LONG, where)
        count, value = len(field.value) // _SIZES[field.kind], field.value
        if len(value) > room:
            behind += value + bytes(len(value) % 2)
            value = struct.pack(number, where)
        entries += struct.pack(entry, tag, field.kind, count, value)
    return struct.pack(head, len(directory)) + bytes(entries) + bytes(room) + bytes(behind)


def compact_exif(exif: bytes | None) -> bytes | None:
    """EXIF written anew: what is known to describe the picture, without maker's notes."""
    return None if exif is None else _written_exif(described(BytesIO(exif)))


def _written_exif(directory: Directory) -> bytes | None:
    return b"II*\0" + struct.pack("<I", 8) + directory_bytes(directory, 8) if directory else None


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
    changes: dict[int, int | None] = {ORIENTATION: 1}
    changes |= dict.fromkeys(_WIDTHS, width) | dict.fromkeys(_HEIGHTS, height) | dict.fromkeys(_PLACES)
    main = _start(exif, 0)
    exposure = _pointed(exif, main, _EXIF_IFD)
    changed = bytearray(exif)
    for start in (main, exposure, _pointed(exif, exposure, _INTEROPERABILITY_IFD)):
        _revise(changed, start, changes)
    if main:
        _drop_thumbnail(changed)
    return _unless_empty(bytes(changed))


def without_orientation(exif: bytes | None) -> bytes | None:
    """EXIF that does not say which way is up, all else in place; None where it said nothing else."""
    changed = bytearray(exif or b"")
    _revise(changed, _start(bytes(changed), 0), {ORIENTATION: None})
    return _unless_empty(bytes(changed))


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
        kept[tag] = struct.pack(order + "HHII", tag, RATIONAL, 1, at)
    kept[_RESOLUTION_UNIT] = struct.pack(order + "HHIHxx", _RESOLUTION_UNIT, SHORT, 1, _INCH)
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
    """An XMP packet of an upright picture of this size, in pixels, without what no longer holds."""
    xmp = _without_elements(_DROPPED_ATTRIBUTE.sub(b"", xmp))
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


def _without_elements(xmp: bytes) -> bytes:
    """Without the elements that `_DROPPED` names, in one go: an expression for whole ones might look far and often."""
    kept, since, opened = bytearray(), 0, b""
    for tag in _DROPPED_TAG.finditer(xmp):
        closing, name = tag.groups()
        if not opened and not closing:
            kept += xmp[since : tag.start()]
            since, opened = tag.start(), name
        if (closing or tag[0].endswith(b"/>")) and name == opened:
            since, opened = tag.end(), b""
    return bytes(kept) + xmp[since:]


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
        form = "H" if self.kind == SHORT else "I"
        return int(struct.unpack_from(self.order + form, self.value)[0])

    def holding(self, number: int) -> bytes:
        """The entry's bytes with another number, of 16 bits where that is enough."""
        form, kind = ("HHIHxx", SHORT) if number < 1 << 16 else ("HHII", LONG)
        return struct.pack(self.order + form, self.tag, kind, 1, number)


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
    if start < 8 or start + 2 > len(exif):
        return
    count = int(struct.unpack_from(order + "H", exif, start)[0])
    for at in range(start + 2, min(start + 2 + _ENTRY * count, len(exif) - _ENTRY + 1), _ENTRY):
        tag, kind = struct.unpack_from(order + "HH", exif, at)
        yield _Entry(at, order, tag, kind, exif[at + 8 : at + _ENTRY])


def _pointed(exif: bytes, start: int, tag: int) -> int:
    """Where the directory lies that the one at `start` points to; 0 for none."""
    return next((entry.number() for entry in _entries_at(exif, start, _order(exif)) if entry.tag == tag), 0)


def _revise(exif: bytearray, start: int, changes: Mapping[int, int | None]) -> None:
    """Gives entries of the directory at `start` other numbers by their tags, and takes out those that get None.

    Entries behind them move up; whatever they point to stays in place.
    """
    whole, kept = bytes(exif), []
    entries = list(_entries_at(whole, start, _order(whole)))
    for entry in entries:
        number = changes.get(entry.tag)
        if number is not None:
            kept.append(entry.holding(number))
        elif entry.tag not in changes:
            kept.append(whole[entry.at : entry.at + _ENTRY])
    if entries:
        stop = start + 2 + _ENTRY * len(entries) + 4
        changed = struct.pack(_order(whole) + "H", len(kept)) + b"".join(kept) + whole[stop - 4 : stop]
        exif[start:stop] = changed.ljust(min(stop, len(whole)) - start, b"\0")


def _unless_empty(exif: bytes) -> bytes | None:
    return exif if any(True for _ in _entries(exif, 0)) else None


def _drop_thumbnail(exif: bytearray) -> None:
    """Overwrites the thumbnail with zeros, or cuts it off where it is last, and unlinks directory 1."""
    whole = bytes(exif)
    places = {entry.tag: entry.number() for entry in _entries(whole, 1) if entry.kind in (SHORT, LONG)}
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


class _DirectoryReader:
    """Reads directories out of a TIFF, BigTIFF or EXIF, which may be damaged: what is not whole is left out.

    Bytes are counted, since a small file may point to the same ones many times.
    """

    def __init__(self, file: BinaryIO) -> None:
        file.seek(0)
        header = file.read(16)
        self._file, self._order = file, {b"MM": ">"}.get(header[:2], "<")
        self._big = header[2:4] in _BIG
        self._size = file.seek(0, 2)
        self._left = min(self._size, _LARGEST_CHUNK)
        self.start = self._number(header[8:16] if self._big else header[4:8])

    def directory(self, start: int, own: int = 0) -> Directory:
        """The one at `start`, to which the tag `own` points, with those inside; 0 is the main one."""
        head, entry = (8, "HHQ8s") if self._big else (2, "HHI4s")
        step = struct.calcsize("=" + entry)
        block = self._bytes(start + head, step * self._number(self._bytes(start, head)))
        found: Directory = {}
        for tag, kind, count, inside in struct.iter_unpack(self._order + entry, block[: len(block) // step * step]):
            if tag in found or tag == _MAKER_NOTES or (own == 0 and tag not in _DESCRIPTIVE_TAGS):
                continue
            if tag not in _POINTERS:
                content: Field | Directory | None = self._field(kind, count, inside)
            elif tag in _INNER.get(own, ()):
                content = self.directory(self._number(inside if kind in (LONG8, _IFD8) else inside[:4]), tag)
            else:
                continue
            if content:
                found[tag] = content
        return found

    def _field(self, kind: int, count: int, inside: bytes) -> Field | None:
        if kind not in _SIZES or kind == LONG8 or not count:
            return None
        length = count * _SIZES[kind]
        value = inside[:length] if length <= len(inside) else self._bytes(self._number(inside), length)
        if len(value) < length:
            return None
        unit = _unit(kind)
        return Field(kind, np.frombuffer(value, f"{self._order}u{unit}").astype(f"<u{unit}").tobytes())

    def _bytes(self, at: int, length: int) -> bytes:
        """As far as they are there."""
        if at >= self._size:
            return b""
        self._file.seek(at)
        found = self._file.read(min(length, self._left))
        self._left -= len(found)
        return found

    def _number(self, content: bytes) -> int:
        return int.from_bytes(content, "big" if self._order == ">" else "little")


def _unit(kind: int) -> int:
    """Bytes of the numbers that a value is made of."""
    return 4 if kind in (RATIONAL, _SIGNED_RATIONAL) else _SIZES[kind]


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
    return (_unpacked(text) if compressed == b"\1" else text) or None


def _raw_exif(name: bytes, content: bytes) -> bytes | None:
    """EXIF as ImageMagick puts it into text: keyword, 0, lines with a name, a length and hexadecimal digits."""
    keyword, _, text = content.partition(b"\0")
    if keyword not in _RAW_EXIF or name == b"iTXt":
        return None
    lines = (_unpacked(text[1:]) if name == b"zTXt" else text).split(b"\n", 3)
    try:
        return _without_prefix(bytes.fromhex(lines[-1].decode("ascii")))
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


def _without_prefix(exif: bytes) -> bytes | None:
    found = exif.removeprefix(b"Exif\0\0")
    return found if _order(found) else None
