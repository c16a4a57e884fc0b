"""EXIF and TIFF directories as raw entries: read, changed in place, written anew.

EXIF is a small TIFF file (EXIF 2.32, section 4.5; TIFF 6.0, section 2). The smallest that says how a picture is to be
turned has 26 bytes:

    49 49 2A 00  08 00 00 00            "II", 42: little-endian ("MM": big-endian); directory 0 lies at byte 8
    01 00                               it has one entry, of 12 bytes:
    12 01  03 00  01 00 00 00           tag 0x0112 (orientation), type 3 (SHORT), one value,
    06 00 00 00                         which is 6, in the entry itself
    00 00 00 00                         no directory 1

A value of more than 4 bytes lies elsewhere, and the entry says where, counted from the header. Directory 0 describes
the picture, a second one that it points to the exposure (and another the place), and directory 1 the thumbnail. In a
TIFF itself the same entries lie in its own directories; BigTIFF (42 is 43 there) has 64 bits for counts and offsets.

Why raw: the maker's notes hold offsets that only the camera's maker understands, so a library that decodes all values
and lays them out again breaks them. Hence two ways, neither of which decodes what it passes on:

- *In place* (`enlarged_exif`, `without_orientation`, `with_resolution`): numbers are changed inside their entries,
  entries taken out and those behind them moved up; where entries are added, directory 0 goes to the end. What they
  point to stays where it is, but for the thumbnail, which becomes zeros.
- *Written anew* (`described`, then `directory_bytes`), where that cannot be: into a TIFF, out of one, or where there is
  little room. Values go as they are, their numbers little-endian. Left behind are the notes, which must not move, and
  what the main directory says of how pixels are stored. What is damaged is left out, and no more is read than the file
  holds: a small one may point to the same bytes many times.
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import BinaryIO, Union

import numpy as np

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
_STRIPS = 0x0111
BYTE, SHORT, LONG, RATIONAL, UNDEFINED, LONG8 = 1, 3, 4, 5, 7, 16
_SIGNED_RATIONAL, _IFD8 = 10, 18
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, LONG8: 8}
"""Bytes of a value, by its type's number in TIFF (revision 6.0, section 2, and BigTIFF)."""
_ENTRY = 12
BIG = (b"+\0", b"\0+")
RESOLUTION_X, RESOLUTION_Y, RESOLUTION_UNIT = 282, 283, 296
_INCH = 2
_DESCRIPTIVE_TAGS = frozenset(
    {269, 270, 271, 272, 305, 306, 315, 316, 33432, 0x4746, 0x4749, 0x9C9B, 0x9C9C, 0x9C9D, 0x9C9E, 0x9C9F}
    | {ORIENTATION, _EXIF_IFD, _GPS_IFD}
)
"""Of a TIFF's main directory, the tags that describe the picture and not how its pixels are stored."""
LARGEST_CHUNK = 1 << 26


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
    return None if exif is None else written_exif(described(BytesIO(exif)))


def written_exif(directory: Directory) -> bytes | None:
    """A directory, and those inside it, as EXIF; None if it is empty."""
    return b"II*\0" + struct.pack("<I", 8) + directory_bytes(directory, 8) if directory else None


def enlarged_exif(exif: bytes, width: int, height: int) -> bytes | None:
    """EXIF of an upright picture of this size, in pixels, without a thumbnail; None if it is damaged."""
    changes: dict[int, int | None] = {ORIENTATION: 1}
    changes |= dict.fromkeys(_WIDTHS, width) | dict.fromkeys(_HEIGHTS, height) | dict.fromkeys(_PLACES)
    main = _start(exif, 0)
    exposure = _pointed(exif, main, _EXIF_IFD)
    changed = bytearray(exif)
    for start in (main, exposure, _pointed(exif, exposure, _INTEROPERABILITY_IFD)):
        _revise(changed, start, changes)
    if any(entry.tag == _STRIPS for entry in entries(exif, 1)):  # a thumbnail in pieces: all but it is written anew
        return compact_exif(bytes(changed))
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
    order, start, own = _order(exif), _start(exif, 0), (RESOLUTION_X, RESOLUTION_Y, RESOLUTION_UNIT)
    kept = {entry.tag: exif[entry.at : entry.at + _ENTRY] for entry in entries(exif, 0) if entry.tag not in own}
    link = start + 2 + _ENTRY * int(struct.unpack_from(order + "H", exif, start)[0])
    following = exif[link : link + 4].ljust(4, b"\0")
    body = exif + bytes(len(exif) % 2)
    values = len(body) + 2 + _ENTRY * (len(kept) + 3) + 4
    for tag, at in ((RESOLUTION_X, values), (RESOLUTION_Y, values + 8)):
        kept[tag] = struct.pack(order + "HHII", tag, RATIONAL, 1, at)
    kept[RESOLUTION_UNIT] = struct.pack(order + "HHIHxx", RESOLUTION_UNIT, SHORT, 1, _INCH)
    fractions = b"".join(struct.pack(order + "II", round(value * 1000), 1000) for value in dpi)
    directory = struct.pack(order + "H", len(kept)) + b"".join(kept[tag] for tag in sorted(kept)) + following
    return body[:4] + struct.pack(order + "I", len(body)) + body[8:] + directory + fractions


@dataclass(frozen=True)
class Entry:
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


def entries(exif: bytes, index: int) -> Iterator[Entry]:
    """The entries of directory `index`, as far as they are there."""
    start = _start(exif, index)
    if start:
        yield from _entries_at(exif, start, _order(exif))


def _entries_at(exif: bytes, start: int, order: str) -> Iterator[Entry]:
    if start < 8 or start + 2 > len(exif):
        return
    count = int(struct.unpack_from(order + "H", exif, start)[0])
    for at in range(start + 2, min(start + 2 + _ENTRY * count, len(exif) - _ENTRY + 1), _ENTRY):
        tag, kind = struct.unpack_from(order + "HH", exif, at)
        yield Entry(at, order, tag, kind, exif[at + 8 : at + _ENTRY])


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
    return exif if any(True for _ in entries(exif, 0)) else None


def _drop_thumbnail(exif: bytearray) -> None:
    """Overwrites the thumbnail with zeros, or cuts it off where it is last, and unlinks directory 1."""
    whole = bytes(exif)
    places = {entry.tag: entry.number() for entry in entries(whole, 1) if entry.kind in (SHORT, LONG)}
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
        self._big = header[2:4] in BIG
        self._size = file.seek(0, 2)
        self._left = min(self._size, LARGEST_CHUNK)
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


def without_prefix(exif: bytes) -> bytes | None:
    """EXIF from its header on, without the mark that JPEG puts before it; None for anything else."""
    found = exif.removeprefix(b"Exif\0\0")
    return found if _order(found) else None
