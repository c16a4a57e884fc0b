"""A JPEG XL file's size, read before anything is decoded, and its XMP, which Pillow's plug-in does not report.

The plug-in decodes a file when it opens it, so a size that is too large has to be found here. The size is in a header
of bits, the least significant first (ISO/IEC 18181-1, annex D). A file is either this codestream alone, or boxes as in
MP4 with the codestream in them (18181-2): a length of 4 bytes, a name of 4, content.
"""

import struct
from collections.abc import Iterator
from typing import BinaryIO

CODESTREAM = b"\xff\x0a"
_RATIOS = {1: (1, 1), 2: (12, 10), 3: (4, 3), 4: (3, 2), 5: (16, 9), 6: (5, 4), 7: (2, 1)}
_SIDE_BITS = (9, 13, 18, 30)
_HEADER_BYTES = 16
_LARGEST_BOX = 1 << 26


def jxl_size(file: BinaryIO) -> tuple[int, int] | None:
    """Return (width, height) in pixels, as stored; None if the file does not say."""
    file.seek(0)
    start = file.read(_HEADER_BYTES)
    if not start.startswith(CODESTREAM):
        start = next((content for name, content in _boxes(file) if name in (b"jxlc", b"jxlp")), b"")
        start = start if start.startswith(CODESTREAM) else start[4:]  # a part begins with its number
    return _size(start[2:_HEADER_BYTES]) if start.startswith(CODESTREAM) else None


def jxl_xmp(file: BinaryIO) -> bytes | None:
    """Return the XMP packet; None if there is none, or only one that is packed by Brotli."""
    return next((content for name, content in _boxes(file) if name == b"xml "), None)


def _boxes(file: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """Yield each box's name and content; of the codestream only the header."""
    at = 0
    while True:
        file.seek(at)
        head = file.read(8)
        if len(head) < 8:
            return
        length, name = struct.unpack(">I4s", head)
        before = 8
        if length == 1:  # a longer one
            length, before = int.from_bytes(file.read(8), "big"), 16
        wanted = _HEADER_BYTES + 4 if name in (b"jxlc", b"jxlp") else _LARGEST_BOX
        yield name, file.read(min(max(length - before, 0), wanted) if length else wanted)
        if length < before:  # the last one, or damage
            return
        at += length


def _size(header: bytes) -> tuple[int, int]:
    bits = _Bits(header)
    small = bits.take(1)
    height = _side(bits, small)
    ratio = _RATIOS.get(bits.take(3))
    return (_side(bits, small) if ratio is None else height * ratio[0] // ratio[1]), height


def _side(bits: "_Bits", small: int) -> int:
    return 8 * (bits.take(5) + 1) if small else bits.take(_SIDE_BITS[bits.take(2)]) + 1


class _Bits:
    """Reader of numbers from bytes, the least significant bit first. Zeros follow the end."""

    def __init__(self, content: bytes) -> None:
        self._rest = int.from_bytes(content, "little")

    def take(self, count: int) -> int:
        value = self._rest & ((1 << count) - 1)
        self._rest >>= count
        return value
