"""The end of a PNG, which may be missing though all pixels are there.

A PNG ends with the pixels' deflate stream, whose last 4 bytes are a checksum (Adler-32), the checksum of the chunk that
holds it, and an empty chunk IEND (PNG specification, sections 5 and 10). A transfer that breaks off there loses no
pixel. What is missing can be computed.
"""

import struct
import zlib
from typing import BinaryIO

PNG_LACKS_END = "the PNG lacks its end, but no pixels"

_IEND = b"\0\0\0\0IEND\xaeB`\x82"
_BLOCK = 1 << 20
_CHECKSUM = 4


def missing_end(file: BinaryIO) -> bytes:
    """Return the bytes that make a PNG complete which has all its pixels; none if it is complete, or lacks pixels."""
    size, at, pixels = file.seek(0, 2), 8, []
    while at + 8 <= size:
        file.seek(at)
        length, name = struct.unpack(">I4s", file.read(8))
        end = at + 12 + length
        if name == b"IDAT":
            pixels.append((at + 8, length))
        missing = end - size
        if name == b"IEND":
            return _IEND[-missing:] if missing > 0 else b""
        if missing > 0:
            return _rest(file, pixels, missing) + _IEND if name == b"IDAT" and missing <= 2 * _CHECKSUM else b""
        at = end
    return _IEND if pixels and at == size else b""


def _rest(file: BinaryIO, chunks: list[tuple[int, int]], missing: int) -> bytes:
    """Return the end of the last chunk of pixels: what is missing of the stream's checksum, and of the chunk's own."""
    lost = max(missing - _CHECKSUM, 0)
    stream = zlib.decompressobj()
    adler = 1
    for start, length in chunks:
        file.seek(start)
        while content := file.read(min(_BLOCK, start + length - file.tell())):
            adler = zlib.adler32(stream.decompress(content), adler)
    end = struct.pack(">I", adler)[_CHECKSUM - lost :] if lost else b""
    start, length = chunks[-1]
    file.seek(start - 4)
    checksum = zlib.crc32(file.read(4 + length) + end)
    return end + struct.pack(">I", checksum)[_CHECKSUM - min(missing, _CHECKSUM) :]
