"""Edits of EXIF: what no longer holds for the larger picture changes, all else stays byte for byte.

Why raw bytes: maker's notes hold offsets that only the camera's maker understands. A library that decodes all values
and lays them out again breaks them. So there are two ways here, and neither decodes what it passes on:

- *In place* (`enlarged_exif`, `without_orientation`, `with_resolution`): numbers change inside their entries, and where
  an entry goes, those behind it move up. New entries make directory 0 move to the end. Whatever entries point to stays
  where it is, except the thumbnail, which becomes zeros.
- *Written anew* (`compact_exif`, `written_exif`), where that is impossible: for a TIFF, from a TIFF, or where room is
  short. Maker's notes stay behind.

The bytes of a directory are explained in `sesr.metadata.ifd`.
"""

import struct
from collections.abc import Iterator, Mapping
from io import BytesIO

from sesr.metadata.ifd import (
    ENTRY_BYTES,
    EXIF_IFD,
    GPS_IFD,
    INTEROPERABILITY_IFD,
    LONG,
    MAKER_NOTES,
    ORIENTATION,
    RATIONAL,
    RESOLUTION_UNIT,
    RESOLUTION_X,
    RESOLUTION_Y,
    SHORT,
    Directory,
    byte_order,
    directory_bytes,
    directory_start,
    entries,
    entries_at,
    pointed_directory,
    read_directory,
)

_WIDTHS, _HEIGHTS = (0x0100, 0xA002, 0x1001), (0x0101, 0xA003, 0x1002)
"""Tags for sizes in the main directory, the exposure's and interoperability's."""
_PLACES = (0x9214, 0xA214, 0xA20E, 0xA20F)
"""SubjectArea, SubjectLocation, and the focal plane's resolution across and down: counted in old pixels."""
_LAYOUT = frozenset(
    {ORIENTATION, RESOLUTION_X, RESOLUTION_Y, RESOLUTION_UNIT, EXIF_IFD, GPS_IFD, INTEROPERABILITY_IFD}
    | {*_WIDTHS, *_HEIGHTS, 0x0213, 0x9000, 0x9101, 0xA000, 0xA001}
)
"""Tags that say how pixels are stored, and that every writer adds: versions, YCbCr's places, sRGB or not."""
_THUMBNAIL, _THUMBNAIL_LENGTH = 0x0201, 0x0202
_STRIPS = 0x0111
_INCH = 2
_SIGNED_RATIONAL = 10


def orientation_of(exif: bytes | None) -> int:
    """Return EXIF's orientation, 1 (upright) to 8; 1 if there is none.

    The standard wants a SHORT. Some programs store a BYTE, LONG, RATIONAL, FLOAT or digits; that is followed too.
    """
    content = exif or b""
    for entry in entries(content, 0):
        if entry.tag == ORIENTATION:
            fraction = entry.kind in (RATIONAL, _SIGNED_RATIONAL)
            numbers = _quotient(content, entry.number(), entry.order) if fraction else entry.readings()
            for number in numbers:
                if number in range(1, 9):
                    return number
    return 1


def _quotient(exif: bytes, at: int, order: str) -> Iterator[int]:
    """Yield the whole number that the fraction at offset `at` equals, if it does."""
    if at + 8 <= len(exif):
        numerator, denominator = struct.unpack_from(order + "II", exif, at)
        if denominator and not numerator % denominator:
            yield int(numerator // denominator)


def compact_exif(exif: bytes | None) -> bytes | None:
    """Write EXIF anew with all that is known to describe the picture, without maker's notes."""
    return None if exif is None else written_exif(read_directory(BytesIO(exif)))


def written_exif(directory: Directory) -> bytes | None:
    """Write a directory, and those inside it, as EXIF; None if it is empty."""
    return b"II*\0" + struct.pack("<I", 8) + directory_bytes(directory, 8) if directory else None


def says_more_than_layout(exif: bytes | None) -> bool:
    """Tell if EXIF holds anything besides orientation, sizes, resolution and its own version."""
    content = exif or b""
    main = directory_start(content, 0)
    starts = (main, pointed_directory(content, main, EXIF_IFD), pointed_directory(content, main, GPS_IFD))
    return any(entry.tag not in _LAYOUT for start in starts for entry in entries_at(content, start))


def has_maker_notes(exif: bytes | None) -> bool:
    """Tell if EXIF holds notes by the camera's maker."""
    content = exif or b""
    exposure = pointed_directory(content, directory_start(content, 0), EXIF_IFD)
    return any(entry.tag == MAKER_NOTES for entry in entries_at(content, exposure))


def enlarged_exif(exif: bytes, width: int, height: int) -> bytes | None:
    """Return EXIF for an upright picture of this size in pixels, without a thumbnail; None if it is damaged."""
    changes: dict[int, int | None] = {ORIENTATION: 1}
    changes |= dict.fromkeys(_WIDTHS, width) | dict.fromkeys(_HEIGHTS, height) | dict.fromkeys(_PLACES)
    main = directory_start(exif, 0)
    exposure = pointed_directory(exif, main, EXIF_IFD)
    changed = bytearray(exif)
    for start in (main, exposure, pointed_directory(exif, exposure, INTEROPERABILITY_IFD)):
        _revise(changed, start, changes)
    if any(entry.tag == _STRIPS for entry in entries(exif, 1)):
        # The thumbnail lies in pieces that only its own directory knows. Write everything else anew, without it.
        return compact_exif(bytes(changed))
    if main:
        _drop_thumbnail(changed)
    return _unless_empty(bytes(changed))


def without_orientation(exif: bytes | None) -> bytes | None:
    """Return EXIF without an orientation, all else in place; None if it said nothing else."""
    changed = bytearray(exif or b"")
    _revise(changed, directory_start(bytes(changed), 0), {ORIENTATION: None})
    return _unless_empty(bytes(changed))


def with_resolution(exif: bytes | None, dpi: tuple[float, float]) -> bytes:
    """Return EXIF that states the dots per inch, for formats that store them nowhere else.

    Directory 0 moves to the end, so that all else stays in place: maker's notes may point there.
    """
    if not exif or not directory_start(exif, 0):
        exif = struct.pack("<2sHIHI", b"II", 42, 8, 0, 0)  # a header and an empty directory
    order, start, own = byte_order(exif), directory_start(exif, 0), (RESOLUTION_X, RESOLUTION_Y, RESOLUTION_UNIT)
    kept = {entry.tag: exif[entry.at : entry.at + ENTRY_BYTES] for entry in entries(exif, 0) if entry.tag not in own}
    link = start + 2 + ENTRY_BYTES * int(struct.unpack_from(order + "H", exif, start)[0])
    following = exif[link : link + 4].ljust(4, b"\0")  # the link to directory 1 moves along
    body = exif + bytes(len(exif) % 2)  # directories start at even offsets
    # The two fractions lie behind the new directory: its count, its entries, its link.
    values = len(body) + 2 + ENTRY_BYTES * (len(kept) + 3) + 4
    for tag, at in ((RESOLUTION_X, values), (RESOLUTION_Y, values + 8)):
        kept[tag] = struct.pack(order + "HHII", tag, RATIONAL, 1, at)
    kept[RESOLUTION_UNIT] = struct.pack(order + "HHIHxx", RESOLUTION_UNIT, SHORT, 1, _INCH)
    fractions = b"".join(struct.pack(order + "II", round(value * 1000), 1000) for value in dpi)
    directory = struct.pack(order + "H", len(kept)) + b"".join(kept[tag] for tag in sorted(kept)) + following
    return body[:4] + struct.pack(order + "I", len(body)) + body[8:] + directory + fractions


def without_prefix(exif: bytes) -> bytes | None:
    """Return EXIF from its header on, without the mark that JPEG puts before it; None for anything else."""
    found = exif.removeprefix(b"Exif\0\0")
    return found if byte_order(found) else None


def _revise(exif: bytearray, start: int, changes: Mapping[int, int | None]) -> None:
    """Give the entries of the directory at `start` new numbers by tag, and remove those whose new number is None.

    Entries behind a removed one move up. Whatever they point to stays in place.
    """
    whole, kept = bytes(exif), []
    found = list(entries_at(whole, start))
    for entry in found:
        number = changes.get(entry.tag)
        if number is not None:
            kept.append(entry.holding(number))
        elif entry.tag not in changes:
            kept.append(whole[entry.at : entry.at + ENTRY_BYTES])
    if found:
        stop = start + 2 + ENTRY_BYTES * len(found) + 4
        changed = struct.pack(byte_order(whole) + "H", len(kept)) + b"".join(kept) + whole[stop - 4 : stop]
        exif[start:stop] = changed.ljust(min(stop, len(whole)) - start, b"\0")


def _unless_empty(exif: bytes) -> bytes | None:
    return exif if any(True for _ in entries(exif, 0)) else None


def _drop_thumbnail(exif: bytearray) -> None:
    """Overwrite the thumbnail with zeros, or cut it off if it comes last, and unlink directory 1."""
    whole = bytes(exif)
    places = {entry.tag: entry.number() for entry in entries(whole, 1) if entry.kind in (SHORT, LONG)}
    first, order = directory_start(whole, 0), byte_order(whole)
    link = first + 2 + ENTRY_BYTES * int(struct.unpack_from(order + "H", whole, first)[0])
    if link + 4 <= len(whole):
        struct.pack_into(order + "I", exif, link, 0)
    start, length = places.get(_THUMBNAIL, 0), places.get(_THUMBNAIL_LENGTH, 0)
    if start < 8 or start >= len(whole):
        return
    stop = min(start + length, len(whole))
    exif[start:stop] = bytes(stop - start)
    if stop == len(whole):
        del exif[start:]
