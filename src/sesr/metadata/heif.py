"""Boxes of HEIC and AVIF: the colors that they describe, read and, in AVIF, written.

Both formats are boxes inside boxes (ISO/IEC 14496-12): a length of 4 bytes, a name of 4, content. The box `meta` holds
what there is to know (ISO/IEC 23008-12):

    meta
      pitm            which item is the picture that the file is about
      iprp
        ipco          properties, numbered from 1: colr (colors), clli and mdcv (brightness), ispe (size) ...
        ipma          which item has which properties

Why read here: Pillow's AVIF plug-in does not tell the code points, and neither plug-in the brightness. Why write: the
AVIF plug-in writes sRGB's code points only. `describe_avif` replaces them afterwards, in the boxes and in the bits of
the AV1 stream, for decoders that look only there. The matrix stays, since the plug-in has coded YCbCr by it.
"""

import re
import struct
from collections.abc import Iterator
from typing import BinaryIO

from sesr.metadata.cicp import Cicp

_LARGEST_META = 1 << 26
_COLOR_PREFIX = b"colrnclx"
_PLUGIN_CODES = struct.pack(">2H", 1, 13)
"""Primaries and transfer that Pillow writes into AVIF: sRGB's."""


def picture_properties(file: BinaryIO) -> list[tuple[bytes, bytes]]:
    """Return name and content of the primary picture's properties; none if the file is damaged."""
    meta = _meta(file)
    found = dict(_boxes(meta[4:]))  # `meta` starts with a version and flags
    inside = dict(_boxes(found.get(b"iprp", b"")))
    properties = list(_boxes(inside.get(b"ipco", b"")))
    try:
        primary = _primary_item(found.get(b"pitm", b""))
        numbers = _associations(inside.get(b"ipma", b"")).get(primary, [])
    except (struct.error, IndexError):
        return []
    return [properties[number - 1] for number in numbers if 0 < number <= len(properties)]


def color_codes(properties: list[tuple[bytes, bytes]]) -> Cicp | None:
    """Return the code points among a picture's properties."""
    return next(filter(None, (Cicp.of_nclx(content) for name, content in properties if name == b"colr")), None)


def brightness_chunks(properties: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Return PNG's chunks mDCV and cLLI for what the boxes mdcv and clli say.

    PNG orders primaries red, green, blue and the box green, blue, red; PNG counts brightness in 1/10,000 cd/m², the box
    `clli` in cd/m².
    """
    chunks = []
    for name, content in properties:
        if name == b"clli" and len(content) >= 4:
            most, mean = struct.unpack(">HH", content[:4])
            chunks.append((b"cLLI", struct.pack(">II", most * 10_000, mean * 10_000)))
        elif name == b"mdcv" and len(content) >= 24:
            green, blue, red, rest = content[:4], content[4:8], content[8:12], content[12:24]
            chunks.append((b"mDCV", red + green + blue + rest))
    return chunks


def describe_avif(file: BinaryIO, codes: Cicp) -> None:
    """Replace the code points of an AVIF that Pillow wrote, for a file open for reading and writing."""
    file.seek(0)
    content = bytearray(file.read())
    wanted = struct.pack(">2H", codes.primaries, codes.transfer)
    content = bytearray(bytes(content).replace(_COLOR_PREFIX + _PLUGIN_CODES, _COLOR_PREFIX + wanted))
    for header in _SEQUENCE_HEADER.finditer(bytes(content)):
        start, stop = header.end(), header.end() + header[1][0]
        content[start:stop] = _recoded(bytes(content[start:stop]), codes)
    file.seek(0)
    file.write(content)


_SEQUENCE_HEADER = re.compile(rb"\x12\x00\x0a([\x06-\x40])", re.DOTALL)
"""How an AV1 picture starts: an empty temporal delimiter, then a sequence header and its length (AV1, section 5.3)."""


def _recoded(header: bytes, codes: Cicp) -> bytes:
    """Return a sequence header with other code points in place of sRGB's, if it has these once.

    They stand at any bit: a 1 ("color_description_present_flag"), then primaries, transfer and matrix with 8 bits each
    (AV1, section 5.5.2).
    """
    bits = "".join(f"{byte:08b}" for byte in header)
    found = [match.start() for match in re.finditer(f"(?=1{1:08b}{13:08b}{6:08b})", bits)]
    if len(found) != 1:
        return header
    at = found[0] + 1
    changed = f"{bits[:at]}{codes.primaries & 255:08b}{codes.transfer & 255:08b}{bits[at + 16 :]}"
    return int(changed, 2).to_bytes(len(header), "big")


def _meta(file: BinaryIO) -> bytes:
    """Return the content of the file's box `meta`."""
    at = 0
    while True:
        file.seek(at)
        head = file.read(16)
        if len(head) < 8:
            return b""
        length, name = struct.unpack(">I4s", head[:8])
        before = 8
        if length == 1:  # a length of 8 bytes follows the name
            length, before = int.from_bytes(head[8:], "big"), 16
        if name == b"meta":
            file.seek(at + before)
            return file.read(min(max(length - before, 0), _LARGEST_META) if length else _LARGEST_META)
        if length < before:  # 0: up to the file's end; else damage
            return b""
        at += length


def _boxes(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at + 8 <= len(content):
        length, name = struct.unpack_from(">I4s", content, at)
        if length < 8:
            return
        yield name, content[at + 8 : at + length]
        at += length


def _primary_item(box: bytes) -> int:
    """Read `pitm`: version, flags, then a number of 16 bits, or 32 in later versions."""
    return int(struct.unpack_from(">H" if box[0] == 0 else ">I", box, 4)[0])


def _associations(box: bytes) -> dict[int, list[int]]:
    """Read `ipma`: for each item, how many properties it has and their numbers, with a bit for "essential" on top."""
    long_items, long_numbers = box[0] > 0, box[3] & 1
    (count,), at = struct.unpack_from(">I", box, 4), 8
    found: dict[int, list[int]] = {}
    for _ in range(min(count, len(box))):
        (item,) = struct.unpack_from(">I" if long_items else ">H", box, at)
        at += 4 if long_items else 2
        form, mask = (">H", 0x7FFF) if long_numbers else (">B", 0x7F)
        size, many = struct.calcsize(form), box[at]
        places = range(at + 1, at + 1 + many * size, size)
        found[item] = [struct.unpack_from(form, box, place)[0] & mask for place in places]
        at += 1 + many * size
    return found
