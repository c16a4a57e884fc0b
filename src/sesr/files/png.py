"""A PNG written band by band, so that a picture larger than memory can be written.

Pillow writes a PNG from a whole picture only, and holds RGB as four bytes per pixel: 400 megapixels would take 1.6 GB.
The format itself is a stream: rows one after another, each after a byte that names its filter, all through one deflate
stream that may be cut into IDAT chunks anywhere (PNG specification, sections 5, 9 and 10). So NumPy and a deflate
library are enough. libvips could write row by row too, in one thread: 3.3 s of processor time, where
this writer takes 3.7 s in all its threads together.

Filters. A row is stored as differences to the pixel on its left (Sub), to the row above (Up), to the mean of the two
(Average), or to whichever of left, above and above left is nearest to left + above - above left (Paeth). The filter
with the least sum of absolute differences is chosen, as the specification advises. In wide rows a quarter of the bytes
is summed. How the differences are compressed: `sesr.files.deflate`.

On enlarged photographs files are 3 to 4 % larger than Pillow's, in less than a sixth of the time; on drawings 10 %.
Left out: interlacing, palettes, fewer than 8 bits.
"""

import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from sesr.files.deflate import deflated, in_parallel
from sesr.imaging.arrays import Bytes, Pixels
from sesr.metadata.record import NOTHING, XMP_KEYWORD, Metadata

SIGNATURE = b"\x89PNG\r\n\x1a\n"
COLOR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}
"""Channels (gray, gray with alpha, RGB, RGBA) to the header's color type."""
FILTER_BYTES = 1 << 17
"""About how much is filtered at a time, so that the copies stay in the processor's cache."""
PIECE_BYTES = 1 << 20
"""About how much is compressed at a time."""

_RUN, _SUMMED = 128, 4
_ZLIB_HEADER = b"\x78\x01"
_LAST_BLOCK = b"\x03\x00"  # deflate's, with nothing in it


def write_png(
    file: BinaryIO,
    bands: Iterable[Pixels],
    width: int,
    height: int,
    channels: int,
    depth: int = 8,
    metadata: Metadata = NOTHING,
    threads: int | None = None,
) -> None:
    """Write a PNG.

    Args:
        file: open for writing bytes.
        bands: uint8 or uint16 (rows, width) or (rows, width, channels), from the top down; `height` rows in all.
        width: pixels.
        height: pixels.
        channels: 1 gray, 2 gray with alpha, 3 RGB, 4 RGBA.
        depth: 8 or 16 bits per channel, as in the bands.
        metadata: what the file shall say besides, of an upright picture of this size.
        threads: for compressing; None takes the processors that the process may use.

    Raises `ValueError` if the bands do not make up the picture.
    """
    header = struct.pack(">IIBBBBB", width, height, depth, COLOR_TYPES[channels], 0, 0, 0)
    file.write(SIGNATURE)
    _write_chunk(file, b"IHDR", header)
    _write_metadata(file, metadata)
    pixel = channels * depth // 8
    _write_rows(file, bands, width * pixel, height, pixel, threads)
    _write_chunk(file, b"IEND", b"")


def _write_metadata(file: BinaryIO, metadata: Metadata) -> None:
    """Write metadata in the specification's order (section 5.6): color first."""
    if metadata.icc is not None:
        _write_chunk(file, b"iCCP", b"ICC profile\0\0" + zlib.compress(metadata.icc))
    for name, content in metadata.color_and_text_chunks():
        if not (metadata.icc and name == b"sRGB"):  # one of the two, never both
            _write_chunk(file, name, content)
    if metadata.dpi is not None:
        x, y = (min(round(value / 0.0254), 2**31 - 1) for value in metadata.dpi)
        _write_chunk(file, b"pHYs", struct.pack(">IIB", x, y, 1))
    if metadata.exif is not None:
        _write_chunk(file, b"eXIf", metadata.exif)
    if metadata.xmp is not None:
        _write_chunk(file, b"iTXt", XMP_KEYWORD + b"\0\0\0\0\0" + metadata.xmp)


def _write_rows(
    file: BinaryIO, bands: Iterable[Pixels], stride: int, height: int, pixel: int, threads: int | None
) -> None:
    check, written = zlib.adler32(b""), 0
    header = _ZLIB_HEADER
    packed = in_parallel(lambda piece: _packed(piece, pixel), _pieces(bands, stride), threads)
    for rows, compressed, filtered in packed:
        _write_chunk(file, b"IDAT", header + compressed)
        check, header, written = zlib.adler32(filtered.data, check), b"", written + rows
    if written != height:
        raise ValueError(f"the bands have {written} rows in all instead of {height}")
    _write_chunk(file, b"IDAT", _LAST_BLOCK + struct.pack(">I", check))


def _pieces(bands: Iterable[Pixels], stride: int) -> Iterator[tuple[Bytes, Bytes]]:
    """Yield some rows of bytes at a time, and the row above them."""
    count, above = max(PIECE_BYTES // stride, 1), np.zeros((1, stride), np.uint8)
    for band in bands:
        rows = _stored(band)
        if rows.shape[1] != stride:
            raise ValueError(f"a band has rows of {rows.shape[1]} bytes instead of {stride}")
        for top in range(0, len(rows), count):
            piece = rows[top : top + count].copy()  # the band's maker may reuse its memory
            yield piece, above
            above = piece[-1:]


def _packed(piece: tuple[Bytes, Bytes], pixel: int) -> tuple[int, bytes, Bytes]:
    """Return the number of rows, their compressed bytes, and the filtered bytes before compression: (bytes,)."""
    (rows, above), some = piece, max(FILTER_BYTES // piece[0].shape[1], 1)
    parts = []
    for top in range(0, len(rows), some):
        parts.append(filter_rows(rows[top : top + some], rows[top - 1 : top] if top else above, pixel))
    filtered = np.concatenate(parts).reshape(-1)
    return len(rows), deflated(filtered), filtered


def _stored(band: Pixels) -> Bytes:
    """Return rows of bytes in the format's order, the more significant byte of a sample first: (rows, bytes)."""
    ordered = np.ascontiguousarray(band, band.dtype.newbyteorder(">"))
    return ordered.reshape(len(band), -1).view(np.uint8)


def filter_rows(rows: Bytes, above: Bytes, channels: int) -> Bytes:
    """Return rows as PNG stores them: a filter's number, then the differences that are smallest in sum.

    Args:
        rows: uint8 (n, width * channels).
        above: uint8 (1, width * channels), the row before the first; zeros at the top of the picture.
        channels: bytes a pixel, the distance to the left neighbor.

    Returns uint8 (n, 1 + width * channels). Arithmetic is modulo 256, as in the format.
    """
    up = np.concatenate([above, rows[:-1]])
    left, corner = np.zeros_like(rows), np.zeros_like(rows)
    left[:, channels:], corner[:, channels:] = rows[:, :-channels], up[:, :-channels]
    mean = (left & up) + ((left ^ up) >> 1)  # floor of the mean, without leaving 8 bits
    differences = [rows - left, rows - up, rows - mean, rows - _paeth(left, up, corner)]
    choice = np.stack([_absolute_sum(candidate) for candidate in differences]).argmin(axis=0)
    stored = np.empty((len(rows), 1 + rows.shape[1]), np.uint8)
    stored[:, 0] = choice + 1  # 0 would be no filter
    for row, chosen in enumerate(choice):
        stored[row, 1:] = differences[chosen][row]
    return stored


def _paeth(left: Bytes, up: Bytes, corner: Bytes) -> Bytes:
    """Return the neighbor that is nearest to left + up - corner; ties go to left, then up.

    All arithmetic is in 8 bits, seven times as fast as with wider integers. The distances from that sum are
    |up - corner| for left and |left - corner| for up. For the corner the distance is the difference of these two if the
    corner lies between left and up, and otherwise never the smallest.
    """
    from_left = np.maximum(up, corner) - np.minimum(up, corner)
    from_up = np.maximum(left, corner) - np.minimum(left, corner)
    nearest = np.minimum(from_left, from_up)
    from_corner = np.maximum(from_left, from_up) - nearest
    side = _choose(from_left <= from_up, left, up)
    between = (left > corner) ^ (up > corner)
    return _choose(between & (from_corner < nearest), corner, side)


def _choose(condition: NDArray[np.bool_], yes: Bytes, no: Bytes) -> Bytes:
    """`np.where` by bit masks: several times as fast on bytes."""
    return no ^ ((yes ^ no) & np.negative(condition.view(np.uint8)))


def _absolute_sum(differences: Bytes) -> NDArray[np.int64]:
    """Sum the absolute differences in each row, read as -128..127; in wide rows those of every fourth run."""
    runs = differences.shape[1] // _RUN
    if runs >= 4 * _SUMMED:
        differences = differences[:, : runs * _RUN].reshape(len(differences), runs, _RUN)[:, ::_SUMMED]
        differences = differences.reshape(len(differences), -1)
    negated: Bytes = np.negative(differences)
    sums: NDArray[np.int64] = np.minimum(differences, negated).sum(axis=1, dtype=np.int64)
    return sums


def _write_chunk(file: BinaryIO, name: bytes, content: bytes) -> None:
    file.write(struct.pack(">I", len(content)) + name)
    file.write(content)
    file.write(struct.pack(">I", zlib.crc32(content, zlib.crc32(name))))
