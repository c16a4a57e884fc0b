"""A picture as it looks after having been saved as JPEG.

JPEG cuts a picture into blocks of 8 x 8 pixels and rounds their frequencies, the high ones most; what that leaves are
steps between blocks and ripples beside edges. Colour is kept at half the resolution (4:2:0), as usual software does.
"""

from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sesr.errors import PictureError

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
