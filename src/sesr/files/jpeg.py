"""JPEG: reading it row by row, and what it does to a picture.

JPEG cuts a picture into blocks of 8 x 8 pixels and rounds their frequencies, the high ones most. That leaves steps
between blocks and ripples next to edges. Color is kept at half the resolution (4:2:0), as usual software does.

libvips and Pillow decode with the same library, libjpeg-turbo, in the same way: their pixels are equal.
"""

from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sesr.errors import PictureError
from sesr.files.faults import damaged
from sesr.files.metadata import Metadata
from sesr.files.scanlines import Scanlines
from sesr.files.vips import Extended, alone, messages, open_image, together

_END = b"\xff\xd9"

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


def open_jpeg(path: Path, metadata: Metadata) -> Scanlines:
    """Open a JPEG for reading row by row. `metadata` is what the file says besides its pixels.

    libjpeg fills what is missing with gray and warns. So a file that ends too early is refused, once its rows have been
    read. A file that lacks only its end marker is whole: the marker is added here.

    Raises `PictureError` for kinds that are refused, and `pyvips.Error`.
    """
    content = Extended(path, _END)
    with together():
        image = open_image(content.source(), unlimited=True)  # with any number of warnings
    content.reached = False  # looking for what else is in the file may have gone to its end

    def finish(has_warnings: bool) -> tuple[str, ...]:
        if has_warnings and _lacks_data(path):
            raise damaged(path, "its data end too early")
        return ("the JPEG lacks its end marker, but no pixels",) if content.reached else ()

    return Scanlines(path, image, metadata, finish=finish)


def _lacks_data(path: Path) -> bool:
    """Decode all of a JPEG, to hear what libjpeg warns of. Most warnings harm no pixels."""
    with alone():
        image = open_image(Extended(path, _END).source(), unlimited=True)
        image.avg()
        return "premature end" in messages()
