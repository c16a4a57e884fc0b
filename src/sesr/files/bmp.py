"""BMP whose pixels are bit fields that Pillow does not know.

A BMP of 16 or 32 bits per pixel may say which bits hold red, green, blue and alpha: masks behind its header
(BITMAPV2INFOHEADER and later, or compression BI_BITFIELDS). Pillow knows the usual masks. Any mask is a shift and a
scale: 4 bits that say 15 are as white as 8 bits that say 255.
"""

import struct
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from PIL import Image

_BIT_FIELDS, _ALPHA_BIT_FIELDS = 3, 6
_MASKS_AT, _HEADER_BYTES = 54, 138


@dataclass(frozen=True)
class BitFields:
    """The layout of such a file.

    Attributes:
        start: offset of the pixels.
        width, height: pixels.
        from_the_top: rows are stored from the top down.
        bits: per pixel, 16 or 32.
        masks: of red, green, blue and, where it is not 0, alpha.
    """

    start: int
    width: int
    height: int
    from_the_top: bool
    bits: int
    masks: tuple[int, ...]


def bit_fields(file: BinaryIO) -> BitFields | None:
    """Return a BMP's bit fields, None if it has none. Leaves the file at its start."""
    file.seek(0)
    header = file.read(_HEADER_BYTES).ljust(_HEADER_BYTES, b"\0")
    file.seek(0)
    start, size, width, height, _, bits, compression = struct.unpack_from("<IIiiHHI", header, 10)
    if compression not in (_BIT_FIELDS, _ALPHA_BIT_FIELDS) or bits not in (16, 32) or size < 40:
        return None
    with_alpha = size >= 56 or compression == _ALPHA_BIT_FIELDS
    masks = struct.unpack_from("<4I" if with_alpha else "<3I", header, _MASKS_AT)
    return BitFields(start, width, abs(height), height < 0, bits, masks if masks[-1] else masks[:3])


def read_bit_fields(file: BinaryIO, layout: BitFields) -> Image.Image:
    """Decode the pixels. Raises `ValueError` where some are missing."""
    stride = -(-layout.width * layout.bits // 32) * 4  # rows are filled up to 4 bytes
    file.seek(layout.start)
    content = file.read(stride * layout.height)
    if len(content) < stride * layout.height - 3:
        raise ValueError("its pixels end too early")
    rows = np.frombuffer(content.ljust(stride * layout.height, b"\0"), np.uint8).reshape(layout.height, stride)
    pixels = np.ascontiguousarray(rows[:, : layout.width * layout.bits // 8]).view(f"<u{layout.bits // 8}")
    channels = [_channel(pixels, mask) for mask in layout.masks]
    return Image.fromarray(np.dstack(channels)[:: 1 if layout.from_the_top else -1])


def _channel(pixels: "np.typing.NDArray[np.unsignedinteger]", mask: int) -> "np.typing.NDArray[np.uint8]":
    """One channel in 8 bits, rounded; black where it has no bits."""
    if not mask:
        return np.zeros(pixels.shape, np.uint8)
    shift = (mask & -mask).bit_length() - 1
    most = mask >> shift
    values = (pixels.astype(np.uint64) & mask) >> shift
    return ((values * 510 + most) // (2 * most)).clip(0, 255).astype(np.uint8)
