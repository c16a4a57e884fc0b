"""Image file directories: the tagged entries inside TIFF and EXIF, read and written as raw bytes.

EXIF is a small TIFF file (EXIF 2.32, section 4.5; TIFF 6.0, section 2). The smallest one that says how to turn a
picture has 26 bytes:

    49 49 2A 00  08 00 00 00            "II", 42: little-endian ("MM": big-endian); directory 0 starts at byte 8
    01 00                               it has one entry, of 12 bytes:
    12 01  03 00  01 00 00 00           tag 0x0112 (orientation), type 3 (SHORT), one value,
    06 00 00 00                         which is 6, stored in the entry itself
    00 00 00 00                         no directory 1

A value of more than 4 bytes lies elsewhere, and the entry holds its offset from the header. Directory 0 describes the
picture. It points to a second directory for the exposure and a third for the place. Directory 1 holds the thumbnail.
A TIFF file keeps the same entries in its own directories. BigTIFF (43 in place of 42) has 64 bits for counts and
offsets.

This module knows two views of a directory:

- `entries` walks over an EXIF block and says where each entry lies, so that `sesr.metadata.exif` can edit it in place.
- `read_directory` copies what describes the picture into a `Directory`, and `directory_bytes` writes one at another
  offset. Values keep their bytes, with numbers in little-endian order. Two things stay behind: maker's notes, which
  hold offsets that only the maker understands and therefore must not move, and the main directory's account of how
  pixels are stored.

Damage is expected. An entry that is not whole is skipped. The reader never reads more bytes than the file holds, since
a small file may point to the same bytes many times.
"""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Union

import numpy as np

BYTE, ASCII, SHORT, LONG, RATIONAL, UNDEFINED, FLOAT, LONG8 = 1, 2, 3, 4, 5, 7, 11, 16
"""Types of values, by their numbers in TIFF (revision 6.0, section 2) and BigTIFF."""
_SIGNED_RATIONAL, _IFD8 = 10, 18
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, LONG8: 8}
"""Bytes per value, by type."""

ORIENTATION = 0x0112
RESOLUTION_X, RESOLUTION_Y, RESOLUTION_UNIT = 282, 283, 296
EXIF_IFD, GPS_IFD, INTEROPERABILITY_IFD = 0x8769, 0x8825, 0xA005
MAKER_NOTES = 0x927C

_POINTERS = (EXIF_IFD, GPS_IFD, INTEROPERABILITY_IFD)
_INNER = {0: (EXIF_IFD, GPS_IFD), EXIF_IFD: (INTEROPERABILITY_IFD,)}
"""Tags that may point to further directories, by the directory that holds them; 0 is the main one."""
_DESCRIPTIVE_TAGS = frozenset(
    {269, 270, 271, 272, 305, 306, 315, 316, 33432, 0x4746, 0x4749, 0x9C9B, 0x9C9C, 0x9C9D, 0x9C9E, 0x9C9F}
    | {ORIENTATION, EXIF_IFD, GPS_IFD}
)
"""Tags of a TIFF's main directory that describe the picture rather than how its pixels are stored."""

ENTRY_BYTES = 12
BIG_TIFF_MARKS = (b"+\0", b"\0+")
"""Bytes 2 and 3 of a BigTIFF, little-endian and big-endian."""
LARGEST_BLOCK = 1 << 26
"""Bytes of metadata that are read from one file."""


@dataclass(frozen=True)
class Field:
    """The value that a directory stores under one tag.

    Attributes:
        kind: the type's number.
        value: one value or several, little-endian.
    """

    kind: int
    value: bytes

    @classmethod
    def of(cls, kind: int, *numbers: int) -> "Field":
        """Make a field from non-negative whole numbers; a RATIONAL takes numerator and denominator."""
        return cls(kind, np.array(numbers, f"<u{_number_bytes(kind)}").tobytes())


Directory = dict[int, Union[Field, "Directory"]]
"""Fields by tag; a nested directory where the tag points to one."""


@dataclass(frozen=True)
class Entry:
    """One entry of an EXIF directory.

    Attributes:
        at: offset of the entry's 12 bytes.
        order: byte order, as `struct` writes it.
        tag: the tag's number.
        kind: the type's number.
        value: the entry's last 4 bytes: a value, or its offset.
    """

    at: int
    order: str
    tag: int
    kind: int
    value: bytes

    def number(self) -> int:
        """Return the whole number stored in the entry itself."""
        form = "H" if self.kind == SHORT else "I"
        return int(struct.unpack_from(self.order + form, self.value)[0])

    def readings(self) -> Iterator[int]:
        """Yield the numbers that the entry's own 4 bytes may mean, whatever type the entry claims.

        The claimed type comes first. The others follow for writers that put a SHORT's bytes under another type.
        """
        if self.kind == SHORT:
            yield self.number()
            return
        if self.kind == LONG:
            yield self.number()
        if self.kind == ASCII and (digits := re.match(rb"\d+", self.value)):
            yield int(digits[0])
        if self.kind == FLOAT and (number := struct.unpack(self.order + "f", self.value)[0]).is_integer():
            yield int(number)
        if _SIZES.get(self.kind) == 1:
            yield self.value[0]
        yield int(struct.unpack_from(self.order + "H", self.value)[0])
        yield self.number()
        yield self.value[0]

    def holding(self, number: int) -> bytes:
        """Return the entry's bytes with another number, as SHORT if it fits into 16 bits and as LONG otherwise."""
        form, kind = ("HHIHxx", SHORT) if number < 1 << 16 else ("HHII", LONG)
        return struct.pack(self.order + form, self.tag, kind, 1, number)


def byte_order(exif: bytes) -> str:
    """Return the byte order that the header names, as `struct` writes it; empty if this is not EXIF."""
    return {b"II*\0": "<", b"MM\0*": ">"}.get(bytes(exif[:4]), "")


def directory_start(exif: bytes, index: int) -> int:
    """Return the offset of directory `index`; 0 if there is none."""
    order, link = byte_order(exif), 4
    for _ in range(index + 1):
        if not order or link + 4 > len(exif):
            return 0
        start = int(struct.unpack_from(order + "I", exif, link)[0])
        if start < 8 or start + 2 > len(exif):
            return 0
        # The link to the next directory follows the last entry.
        link = start + 2 + ENTRY_BYTES * int(struct.unpack_from(order + "H", exif, start)[0])
    return start


def entries(exif: bytes, index: int) -> Iterator[Entry]:
    """Yield the entries of directory `index`, as far as they are whole."""
    start = directory_start(exif, index)
    if start:
        yield from entries_at(exif, start)


def entries_at(exif: bytes, start: int) -> Iterator[Entry]:
    """Yield the entries of the directory at offset `start`, as far as they are whole."""
    if start < 8 or start + 2 > len(exif):
        return
    order = byte_order(exif)
    count = int(struct.unpack_from(order + "H", exif, start)[0])
    for at in range(start + 2, min(start + 2 + ENTRY_BYTES * count, len(exif) - ENTRY_BYTES + 1), ENTRY_BYTES):
        tag, kind = struct.unpack_from(order + "HH", exif, at)
        yield Entry(at, order, tag, kind, exif[at + 8 : at + ENTRY_BYTES])


def pointed_directory(exif: bytes, start: int, tag: int) -> int:
    """Return the offset that the directory at `start` stores under `tag`; 0 if there is none."""
    return next((entry.number() for entry in entries_at(exif, start) if entry.tag == tag), 0)


def read_directory(file: BinaryIO, start: int | None = None) -> Directory:
    """Read what a TIFF or EXIF block says about the picture, without maker's notes. Damaged entries are skipped.

    `start` is the directory's offset; None takes the first one.
    """
    reader = _DirectoryReader(file)
    return reader.directory(reader.start if start is None else start)


def directory_bytes(directory: Directory, at: int, *, big: bool = False) -> bytes:
    """Write a directory for offset `at`, little-endian, followed by its values and inner directories.

    Args:
        directory: not empty.
        at: bytes from the file's start, even.
        big: for BigTIFF, with 64 bits for offsets.
    """
    # `room` is how long a value may be to stand in the entry itself.
    head, entry, number, room = ("<Q", "<HHQ8s", "<Q", 8) if big else ("<H", "<HHI4s", "<I", 4)
    after = at + struct.calcsize(head) + struct.calcsize(entry) * len(directory) + room
    packed, values = bytearray(), bytearray()
    for tag in sorted(directory):
        field, offset = directory[tag], after + len(values)
        if not isinstance(field, Field):
            values += directory_bytes(field, offset, big=big)
            field = Field.of(LONG8 if big else LONG, offset)
        count, value = len(field.value) // _SIZES[field.kind], field.value
        if len(value) > room:
            values += value + bytes(len(value) % 2)  # values start at even offsets
            value = struct.pack(number, offset)
        packed += struct.pack(entry, tag, field.kind, count, value)
    # The zeros between entries and values say that no further directory follows.
    return struct.pack(head, len(directory)) + bytes(packed) + bytes(room) + bytes(values)


class _DirectoryReader:
    """Reader for directories in a TIFF, BigTIFF or EXIF block that may be damaged. Incomplete values are skipped.

    It counts the bytes that it reads, since a small file may point to the same ones many times.
    """

    def __init__(self, file: BinaryIO) -> None:
        file.seek(0)
        header = file.read(16)
        self._file, self._order = file, {b"MM": ">"}.get(header[:2], "<")
        self._big = header[2:4] in BIG_TIFF_MARKS
        self._size = file.seek(0, 2)
        self._left = min(self._size, LARGEST_BLOCK)
        self.start = self._number(header[8:16] if self._big else header[4:8])

    def directory(self, start: int, own: int = 0) -> Directory:
        """Read the directory at `start` and those inside it. `own` is the tag that points to it; 0 is the main one."""
        head, entry = (8, "HHQ8s") if self._big else (2, "HHI4s")
        step = struct.calcsize("=" + entry)
        block = self._bytes(start + head, step * self._number(self._bytes(start, head)))
        found: Directory = {}
        for tag, kind, count, inside in struct.iter_unpack(self._order + entry, block[: len(block) // step * step]):
            if tag in found or tag == MAKER_NOTES or (own == 0 and tag not in _DESCRIPTIVE_TAGS):
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
        unit = _number_bytes(kind)
        return Field(kind, np.frombuffer(value, f"{self._order}u{unit}").astype(f"<u{unit}").tobytes())

    def _bytes(self, at: int, length: int) -> bytes:
        """Read up to `length` bytes, fewer at the file's end or once the reader's allowance is used up."""
        if at >= self._size:
            return b""
        self._file.seek(at)
        found = self._file.read(min(length, self._left))
        self._left -= len(found)
        return found

    def _number(self, content: bytes) -> int:
        return int.from_bytes(content, "big" if self._order == ">" else "little")


def _number_bytes(kind: int) -> int:
    """Return the width of the numbers that make up a value: a RATIONAL is two numbers of 4 bytes."""
    return 4 if kind in (RATIONAL, _SIGNED_RATIONAL) else _SIZES[kind]
