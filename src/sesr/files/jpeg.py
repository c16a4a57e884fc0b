"""JPEG: reading it row by row, and what it does to a picture.

JPEG cuts a picture into blocks of 8 x 8 pixels and rounds their frequencies, the high ones most. That leaves steps
between blocks and ripples next to edges. Color is kept at half the resolution (4:2:0), as usual software does.

libvips and Pillow decode with the same library, libjpeg-turbo, in the same way: their pixels are equal.
"""

from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sesr.errors import PictureError
from sesr.files.faults import damaged
from sesr.files.metadata import Metadata
from sesr.files.scanlines import Scanlines
from sesr.files.vips import Extended, alone, messages, open_image, together

_END = b"\xff\xd9"
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
            return None if bits == 8 else f"a JPEG of {bits} bits"
        at += 2 + length
    return None


def open_jpeg(path: Path, metadata: Metadata) -> Scanlines:
    """Open a JPEG for reading row by row. `metadata` is what the file says besides its pixels.

    libjpeg fills what is missing with gray and warns. So a file that ends too early is refused, once its rows have been
    read. A file that lacks only its end marker is whole: the marker is added here.

    Raises `PictureError` for kinds that are refused, and `pyvips.Error`.
    """
    content = Extended(path, _END)
    with together():
        image = open_image("jpeg", content.source(), unlimited=True)  # with any number of warnings
    content.reached = False  # looking for what else is in the file may have gone to its end

    def finish(has_warnings: bool) -> tuple[str, ...]:
        if has_warnings and _lacks_data(path):
            raise damaged(path, "its data end too early")
        return ("the JPEG lacks its end marker, but no pixels",) if content.reached else ()

    return Scanlines(path, image, metadata, finish=finish)


def _lacks_data(path: Path) -> bool:
    """Decode all of a JPEG, to hear what libjpeg warns of. Most warnings harm no pixels."""
    with alone():
        image = open_image("jpeg", Extended(path, _END).source(), unlimited=True)
        image.avg()
        return "premature end" in messages()
