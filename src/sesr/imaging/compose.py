"""A colour picture from the network's luma and the small picture's colours.

The network sees luma alone. So does the eye where detail is fine, so the two chroma planes are enlarged by
bicubic on the same grid (no half-pixel shift), and the three go back to RGB, are clipped and *then* rounded.

Instead of Cb and Cr the planes held here are B - Y and R - Y, with Y the full-range luma. They are the same
but for factors that the way back to RGB undoes, and made of differences between R, G and B they are exactly
zero where a picture is grey: neutral stays neutral.

Works on strips as on whole pictures: see `sesr.imaging.resize.upscale` for the rows of context.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sesr.imaging.color import BT601_LIMITED, code_values, grey_from_luma, to_pixels
from sesr.imaging.resize import upscale

_BLOCK_PIXELS = 1 << 16


Pixels = NDArray[Any]
"""uint8 or uint16."""


def network_luma(rgb: Pixels) -> NDArray[np.float32]:
    """What the network takes: limited BT.601 Y / 255, float32 (H, W), of an RGB picture, uint8 or uint16 (H, W, 3)."""
    result = np.empty(rgb.shape[:2], np.float32)
    for rows in _row_blocks(rgb.shape[0], rgb.shape[1]):
        result[rows] = BT601_LIMITED.luma(code_values(rgb[rows]))
    result /= np.float32(255)
    return result


def compose_rgb(luma_hr: NDArray[np.float32], rgb_lr: Pixels, scale: int) -> Pixels:
    """The large picture: its own luma, with the small picture's chroma enlarged by bicubic.

    Args:
        luma_hr: limited BT.601 Y / 255, float32 (scale H, scale W), in 0..1.
        rgb_lr: the small picture, uint8 or uint16 (H, W, 3).
        scale: how many times larger.

    Returns:
        (scale H, scale W, 3) of the same type, clipped, then rounded. On a strip, the outer 2 * scale rows next to a
        cut lack context: give 2 rows of the small picture more and cut them off.
    """
    red, blue = (upscale(plane, scale) for plane in _colour_differences(rgb_lr))
    result = np.empty((*luma_hr.shape, 3), rgb_lr.dtype)
    for rows in _row_blocks(*luma_hr.shape):
        _mix(luma_hr[rows], red[rows], blue[rows], result[rows])
    return result


def _colour_differences(rgb: Pixels) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """R - Y and B - Y with Y the full-range luma, code values, float32 (H, W) each."""
    kr, kb = BT601_LIMITED.kr, BT601_LIMITED.kb
    kg = 1 - kr - kb
    red, blue = (np.empty(rgb.shape[:2], np.float32) for _ in range(2))
    for rows in _row_blocks(*rgb.shape[:2]):
        r, g, b = (code_values(rgb[rows, :, channel]) for channel in range(3))
        np.add(kg * (r - g), kb * (r - b), out=red[rows])
        np.add(kg * (b - g), kr * (b - r), out=blue[rows])
    return red, blue


def _mix(luma: NDArray[np.float32], red: NDArray[np.float32], blue: NDArray[np.float32], out: Pixels) -> None:
    """Writes RGB into `out`; G - Y follows from the others: weighted as in luma, all three sum to 0."""
    kr, kb = BT601_LIMITED.kr, BT601_LIMITED.kb
    grey = grey_from_luma(luma * np.float32(255))
    green = red * (-kr / (1 - kr - kb))
    green += blue * (-kb / (1 - kr - kb))
    for channel, difference in enumerate((red, green, blue)):
        out[..., channel] = to_pixels(grey + difference, out.dtype)


def _row_blocks(height: int, width: int) -> list[slice]:
    """Slices of rows with about `_BLOCK_PIXELS` pixels each, so that temporaries stay in the cache."""
    rows = max(_BLOCK_PIXELS // width, 1)
    return [slice(start, min(start + rows, height)) for start in range(0, height, rows)]
