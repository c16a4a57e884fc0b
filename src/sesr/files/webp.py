"""WebP files that lack their end, or a flag, made whole for decoders.

A WebP is a list of chunks: a name of 4 bytes, a length of 4, the content, and a byte of padding after an odd length
(WebP Container Specification). Pixels come first. Decoders refuse a file whose metadata, at the end, is cut off.
"""

import struct
from io import BytesIO
from typing import BinaryIO

_PIXELS = (b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF")
_FLAGS, _ANIMATED, _ALPHA = 20, 0x02, 0x10

NO_END = "the WebP lacks its end, but no pixels"


def whole_webp(file: BinaryIO) -> tuple[BinaryIO, tuple[str, ...]]:
    """Return a WebP as decoders want it, and notes.

    - Where metadata at the end is cut off, it is dropped.
    - An animation says in a flag whether frames have alpha. Encoders leave the flag out where no frame has alpha but
      frames do not cover the picture. Pillow would show black there. So the flag is set.
    """
    file.seek(0)
    head = file.read(_FLAGS + 1)
    animated = head[8:16] == b"WEBPVP8X" and bool(head[_FLAGS] & _ANIMATED)
    missing = missing_bytes(file)
    file.seek(0)
    if missing <= 0 and not animated:
        return file, ()
    content = bytearray(file.read())
    if animated:
        content[_FLAGS] |= _ALPHA
    cut = missing > 0 and _cut(content, animated=animated)
    return BytesIO(content), (NO_END,) if cut else ()


def missing_bytes(file: BinaryIO) -> int:
    """Return how many bytes a WebP lacks of the length that it states; zero or less if none."""
    file.seek(4)
    return 8 + int.from_bytes(file.read(4), "little") - file.seek(0, 2)


def _cut(content: bytearray, *, animated: bool) -> bool:
    """Drop an incomplete chunk at the end, and return True, if it holds no pixels.

    The next chunk of an animation may be a frame. It is dropped only if its name shows that it is not.
    """
    at = 12
    while at + 8 <= len(content):
        name, length = struct.unpack_from("<4sI", content, at)
        if at + 8 + length > len(content):
            if name in _PIXELS:
                return False
            break
        at += 8 + length + length % 2
    if animated and (len(content) < at + 4 or content[at : at + 4] in _PIXELS):
        return False
    del content[at:]
    content += bytes(at - len(content))  # at most a byte of padding
    struct.pack_into("<I", content, 4, at - 8)
    return at > 20
