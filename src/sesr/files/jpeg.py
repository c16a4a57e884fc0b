"""JPEG: reading it row by row, and what it does to a picture.

JPEG cuts a picture into blocks of 8 x 8 pixels and rounds their frequencies, the high ones most. That leaves steps
between blocks and ripples next to edges. Color is kept at half the resolution (4:2:0), as usual software does.

libvips and Pillow decode with the same library, libjpeg-turbo, in the same way: their pixels are equal.
"""

import re
from hashlib import blake2b
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyvips
from numpy.typing import NDArray
from PIL import Image

from sesr.errors import PictureError
from sesr.files.faults import damaged
from sesr.files.scanlines import Scanlines
from sesr.files.vips import Extended, alone, messages, open_image, together
from sesr.metadata.record import Metadata

_END = b"\xff\xd9"
_MORE = [
    bytes([value] * 64) + b"".join(bytes([0xFF, 0xD0 + number] + [value] * 64) for number in range(8))
    for value in (0x55, 0xAA, 0x1E)
]
"""Data for a decoder that lacks some: after any cut, at least one of them is taken for pixels that are not gray."""
_CHECKED_ROWS = 64
_MISSING = re.compile("premature end|instead of RST")
"""Words of libjpeg's warnings about missing data: at their end, and between two restart markers."""
_TOO_EARLY = "its data end too early"
_STRIP = 64  # rows
_SCAN, _ENDED, _UNSENT = 0xDA, 0xD9, 16
_TAIL = 16
"""Zero bytes at a file's end that make one look whether they are in place of data."""
_MARKER = re.compile(rb"\xff[^\x00\x01\xff\xd0-\xd8]")
"""A marker that is neither a stuffed byte nor a restart: the end of a scan's data, too."""
_USUAL = (0xC0, 0xC1, 0xC2, 0xC9, 0xCA)
_UNUSUAL = dict.fromkeys((0xC5, 0xC6, 0xC7, 0xCD, 0xCE, 0xCF), "a hierarchical JPEG")
_UNUSUAL |= {0xC3: "a lossless JPEG", 0xCB: "a lossless JPEG", 0xF7: "JPEG-LS"}

QUALITIES = range(1, 101)
"""Qualities on libjpeg's scale. Above 95, files grow without looking better."""


def through_jpeg(pixels: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    """Encode and decode a picture in memory.

    Args:
        pixels: (H, W) gray or (H, W, 3) RGB; gray gives gray.
        quality: one of `QUALITIES`.

    Raises `PictureError` for another quality, and for a side of no pixels or of more than JPEG's 65,500.
    """
    if quality not in QUALITIES:
        raise PictureError(f"JPEG quality must lie between {QUALITIES[0]} and {QUALITIES[-1]}, not at {quality}")
    encoded = BytesIO()
    subsampling = {"subsampling": "4:2:0"} if pixels.ndim == 3 else {}
    try:
        Image.fromarray(pixels).save(encoded, "JPEG", quality=quality, **subsampling)
    except (OSError, SystemError, ValueError) as error:
        height, width = pixels.shape[:2]
        raise PictureError(f"a picture of {width} x {height} pixels cannot be JPEG; make it fit 65500") from error
    return np.asarray(Image.open(encoded))


def unusual_kind(file: BinaryIO) -> str | None:
    """Name the kind of a JPEG that decoders may not know (ITU-T T.81, table B.1); None for the usual kinds."""
    file.seek(0)
    markers = file.read(1 << 20)
    at = 2
    while markers[at : at + 1] == b"\xff" and len(markers) >= at + 5:
        marker, length = markers[at + 1], int.from_bytes(markers[at + 2 : at + 4], "big")
        if marker in _UNUSUAL:
            return _UNUSUAL[marker]
        if marker in _USUAL:
            bits = markers[at + 4]
            if not any(markers[at + 5 : at + 7]):  # marker DNL gives it, behind the first scan
                return "a JPEG that states its height at the end"
            return None if bits == 8 else f"a JPEG of {bits} bits"
        at += 2 + length
    return None


def open_jpeg(path: Path, metadata: Metadata) -> Scanlines:
    """Open a JPEG for reading row by row. `metadata` is what the file says besides its pixels.

    libjpeg fills what is missing with gray and warns. So the decoder stops at its first warning. If data are missing,
    the file is refused. Other warnings harm no pixels: the decoder begins anew, and goes on in spite of them. Of later
    warnings it gives no text, so `_lacks_data` finds out. A file that lacks only its end marker is whole: the marker is
    added here.

    Raises `PictureError` for kinds that are refused, and `pyvips.Error`.
    """

    def recover() -> "pyvips.Image":
        if _warns_of_missing_data(path) or _lacks_data(path, _walked(path.read_bytes())[1]):
            raise damaged(path, _TOO_EARLY)
        return open_image("jpeg", Extended(path, _END).source(), unlimited=True)  # with any number of warnings

    def finish(said: str) -> tuple[str, ...]:
        if _MISSING.search(said):
            raise damaged(path, _TOO_EARLY)
        whole = path.read_bytes()
        if whole.endswith(_END) and not several_scans:
            return ()
        lacks_scans, end = _walked(whole)
        if lacks_scans or (end is None and (_ends_in_zeros(path, whole) or _lacks_data(path, None))):
            raise damaged(path, _TOO_EARLY)
        return ("the JPEG lacks its end marker, but no pixels",) if end is None else ()

    with together():
        image = open_image("jpeg", Extended(path, _END).source(), fail_on="warning", unlimited=True)
    several_scans = bool(image.get_typeof("jpeg-multiscan") and image.get("jpeg-multiscan"))
    return Scanlines(path, image, metadata, recover=recover, finish=finish)


def _lacks_data(path: Path, end: int | None) -> bool:
    """Return whether the decoder would take more data, if there were more before the end marker at `end`.

    It is given more, and the pixels are compared. The data are such that it takes them wherever a file may be cut: as a
    continuation, and after each of the eight restart markers. Once all of a picture is there, it takes none.
    """
    size = path.stat().st_size
    end = size if end is None else end
    with path.open("rb") as file:
        file.seek(end - 1)
        half_marker = file.read(1) == b"\xff"
    without = size - end + half_marker
    expected = _digest(path, _END, without)
    return any(_digest(path, more + _END, without) != expected for more in _MORE)


def _digest(path: Path, more: bytes, without: int) -> bytes | None:
    """Return a checksum of a JPEG's pixels, with other bytes in place of its last; None if it cannot be decoded."""
    digest = blake2b()
    with together():
        try:
            image = open_image("jpeg", Extended(path, more, without).source(), unlimited=True)
            region = pyvips.Region.new(image)
            for top in range(0, image.height, _CHECKED_ROWS):
                digest.update(region.fetch(0, top, image.width, min(_CHECKED_ROWS, image.height - top)))
        except pyvips.Error:
            return None
    return digest.digest()


def _warns_of_missing_data(path: Path, without: int = 0) -> bool:
    """Decode a JPEG, `without` its last bytes, up to the first warning, to hear whether it is about missing data."""
    with alone():
        image = open_image("jpeg", Extended(path, _END, without).source(), fail_on="warning", unlimited=True)
        region = pyvips.Region.new(image)
        try:
            for top in range(0, image.height, _STRIP):
                region.fetch(0, top, image.width, min(_STRIP, image.height - top))
        except pyvips.Error as error:
            return bool(_MISSING.search(error.detail or ""))
        return bool(_MISSING.search(messages()))  # in the last strip, after which the decoder looks no more


def _ends_in_zeros(path: Path, content: bytes) -> bool:
    """Return whether a JPEG without its end marker has zeros in place of data, as a download that was broken off.

    Zeros may be data too, of an even area. But then all of them are needed.
    """
    return content.endswith(bytes(_TAIL)) and not _warns_of_missing_data(path, without=_TAIL // 2)


def _walked(content: bytes) -> tuple[bool, int | None]:
    """Return whether a JPEG lacks whole scans, of which the decoder does not warn, and the offset of its end marker.

    A progressive JPEG sends its frequencies in several scans, the bits of each from the top down (ITU-T T.81, annex G).
    All are there once each component's 64 frequencies have come down to bit 0.
    """
    lowest: dict[int, list[int]] = {}
    at, end = 2, None
    while end is None and (found := _MARKER.search(content, at)):
        at, marker = found.end(), content[found.end() - 1]
        end = at - 2 if marker == _ENDED else None
        body = content[at + 2 : at + int.from_bytes(content[at : at + 2], "big")]
        at += 2 + len(body)
        if marker in _USUAL:
            lowest = {number: [_UNSENT] * 64 for number in body[6::3]}
        elif marker == _SCAN and len(body) >= 4:
            first, last, bits = body[-3:]
            for number in body[1:-3:2]:
                lowest.setdefault(number, [])[first : last + 1] = [bits & 15] * (last - first + 1)
    return any(bit > 0 for bits in lowest.values() for bit in bits), end
