"""Bicubic resizing that equals MATLAB's `imresize` to the last bit.

The field's low-resolution pictures were made by MATLAB, and every PSNR table rests on them. Four things set
it apart from other libraries' bicubic, and each is worth tenths of a decibel:

- Keys' cubic kernel with a = -0.5 (OpenCV takes -0.75).
- *Antialiasing*: when shrinking, the kernel is stretched by the same factor, so that it covers all the pixels
  that fall into one (Pillow does the same, OpenCV doesn't).
- *Mirrored edges*: beyond the border the picture is repeated backwards, border pixel included (Pillow cuts
  the kernel off there and renormalizes).
- *Two passes*, the axis that shrinks most first and rows before columns when they tie. 8-bit pictures are
  rounded and clipped to 8 bits *between* the passes too. Halves are rounded away from zero.

Pixel centers lie at half-integers on both grids, so output pixel i looks at input position (i + 1/2) n_in /
n_out - 1/2.

A strip with enough context gives the very bits that the whole picture gives (`sesr.imaging.taps` says why). `Resizing`
makes use of that: any rows of the result, from the rows of the picture that they need.

Chroma of video is the exception to the half-integers: see `sesr.imaging.sited`. `sesr.imaging.passes` does the sums.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sesr.errors import UsageError
from sesr.imaging.arrays import Pixel
from sesr.imaging.passes import Weigh, alpha_weighted_sums, both_passes, weighted_sums
from sesr.imaging.taps import centered_taps, check_size


def imresize(image: NDArray[Pixel], height: int, width: int) -> NDArray[Pixel]:
    """Resize as MATLAB's `imresize(image, [height width], 'bicubic')` does.

    Args:
        image: (H, W) or (H, W, C), at least 1 x 1; uint8 or uint16 (rounded and clipped after each pass),
            float32 or float64 (neither rounded nor clipped: cubic overshoot stays).
        height: rows wanted.
        width: columns wanted.

    Returns:
        A new array (height, width) or (height, width, C) of the same type.

    Raises:
        UsageError: the picture or the size wanted is empty, or the type is another.
    """
    _check_image(image)
    return Resizing(image.shape[0], image.shape[1], height, width).rows(image, 0, height)


def upscale(image: NDArray[Pixel], scale: int) -> NDArray[Pixel]:
    """Enlarge (H, W) or (H, W, C) to (scale H, scale W); types and errors as `imresize`.

    A strip with `sesr.imaging.taps.KERNEL_RADIUS` rows of context or more on each inner side gives the whole
    picture's rows exactly.
    """
    return imresize(image, image.shape[0] * scale, image.shape[1] * scale)


def downscale(image: NDArray[Pixel], scale: int) -> NDArray[Pixel]:
    """Crop the top left to a multiple of `scale`, then shrink: the low-resolution picture of the papers.

    Types as `imresize`. Raises `UsageError` if a side is shorter than `scale`.
    """
    if min(image.shape[:2]) < scale:
        raise UsageError(f"a picture of {image.shape[1]} x {image.shape[0]} pixels cannot be shrunk {scale} times")
    height, width = image.shape[0] // scale, image.shape[1] // scale
    return imresize(image[: height * scale, : width * scale], height, width)


class Resizing:
    """`imresize` by rows: any rows of the result, from the rows of the picture that they need.

    Args:
        height, width: size of the picture.
        to_height, to_width: size of the result.

    Raises `UsageError` if a side is below 1.
    """

    def __init__(self, height: int, width: int, to_height: int, to_width: int) -> None:
        check_size(height, width)
        check_size(to_height, to_width)
        self._down, self._across = centered_taps(height, to_height), centered_taps(width, to_width)
        self._columns_first = to_width * height < to_height * width

    def needed(self, top: int, bottom: int) -> tuple[int, int]:
        """Return the rows of the picture, first and last (exclusive), that rows `top` to `bottom` (exclusive) need."""
        rows = self._down.part(top, bottom).inputs()
        return int(rows.min()), int(rows.max()) + 1

    def rows(self, pixels: NDArray[Pixel], top: int, bottom: int) -> NDArray[Pixel]:
        """Compute rows `top` to `bottom` (exclusive) of the result, bit for bit as in the whole.

        Args:
            pixels: the rows of the picture that `needed` names, (rows, width) or (rows, width, C), types as `imresize`.

        Returns a new array of the same type. Raises `ValueError` for pixels that do not fit.
        """
        return self._resized(pixels, top, bottom, weighted_sums)

    def rows_seen(self, pixels: NDArray[Pixel], top: int, bottom: int) -> NDArray[Pixel]:
        """Compute rows as `rows` does, for pixels whose last channel is alpha, with color weighted by alpha.

        Each pass computes color as the mean of color times alpha, divided by the mean of alpha. So the color of
        transparent pixels never shows, and a cut-out gets no halo. Where alpha is constant under the kernel, or the
        result is fully transparent, the colors are exactly those of `rows`.

        Args:
            pixels: as for `rows`, (rows, width, C) with straight alpha; uint8 or uint16.
        """
        return self._resized(pixels, top, bottom, alpha_weighted_sums)

    def _resized(self, pixels: NDArray[Pixel], top: int, bottom: int, weigh: "Weigh") -> NDArray[Pixel]:
        first, last = self.needed(top, bottom)
        if pixels.shape[:2] != (last - first, self._across.size):
            raise ValueError(f"{pixels.shape} for rows {first} to {last} of pictures {self._across.size} wide")
        image = pixels if pixels.ndim == 3 else pixels[..., None]
        result = np.empty((bottom - top, len(self._across.first), image.shape[2]), image.dtype)
        down = self._down.part(top, bottom).after(first)
        if self._columns_first:
            both_passes(image.swapaxes(0, 1), self._across, down, result.swapaxes(0, 1), weigh)
        else:
            both_passes(image, down, self._across, result, weigh)
        return result.reshape(*result.shape[:2], *pixels.shape[2:])


def _check_image(image: NDArray[Any]) -> None:
    if image.dtype not in (np.uint8, np.uint16, np.float32, np.float64):
        raise UsageError(f"cannot resize type {image.dtype}: use uint8, uint16, float32 or float64")
    if image.ndim not in (2, 3) or 0 in image.shape:
        raise UsageError(f"cannot resize shape {image.shape}: give (H, W) or (H, W, C), neither empty")
