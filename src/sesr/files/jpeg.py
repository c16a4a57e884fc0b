"""JPEG: what it does to a picture, and whether all of one is there.

JPEG cuts a picture into blocks of 8 x 8 pixels and rounds their frequencies, the high ones most; what that leaves are
steps between blocks and ripples beside edges. Colour is kept at half the resolution (4:2:0), as usual software does.

What is missing inside a file libjpeg fills with grey and a warning, which Pillow keeps to itself and libvips can raise.
"""

from io import BytesIO
from pathlib import Path
from threading import Lock

import numpy as np
import pyvips
from numpy.typing import NDArray
from PIL import Image

from sesr.errors import PictureError

_ALONE = Lock()

QUALITIES = range(1, 101)
"""The qualities that there are, on the scale of libjpeg; above 95 files grow without looking better."""


def through_jpeg(pixels: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    """Encodes and decodes a picture, in memory.

    Args:
        pixels: (H, W) grey or (H, W, 3) RGB; grey gives grey.
        quality: of `QUALITIES`.

    Raises `PictureError` for a quality that there is not, or a side of no pixels or of more than JPEG's 65,500.
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


def check_jpeg(path: Path) -> None:
    """Raises `PictureError` for a file whose data end too early, though the file itself may end as it should.

    All of it is decoded for that, row by row; one file at a time, since libvips keeps its words on what went wrong in
    one place for the whole process.
    """
    try:
        with _ALONE, path.open("rb") as file:
            source = pyvips.Source.new_from_descriptor(file.fileno())
            pyvips.Image.new_from_source(source, "", access="sequential", fail_on="warning").avg()
    except pyvips.Error as error:
        if "premature end" in (error.detail or ""):  # other warnings harm no pixels, and other errors Pillow tells
            raise PictureError(f"{path}: damaged or incomplete (its data end too early); fetch it again") from error
