"""A color picture from the network's luma and the small picture's colors.

The network sees luma alone. So does the eye where detail is fine. The two chroma planes are therefore enlarged by
bicubic on the same grid (no half-pixel shift). All three planes are then turned into RGB, clipped and *then* rounded.

Instead of Cb and Cr, the planes used here are B - Y and R - Y, where Y is the full-range luma. They differ from Cb and
Cr by factors that the way back to RGB undoes. Computed from differences between R, G and B, they are exactly zero where
a picture is gray, so neutral stays neutral.

Works on strips as on whole pictures: see `sesr.imaging.resize.upscale` for the rows of context.
"""

import numpy as np
from numpy.typing import NDArray

from sesr.imaging.arrays import Luma, Pixels
from sesr.imaging.color import BT601_LIMITED, code_values, gray_from_luma, to_pixels
from sesr.imaging.resize import upscale

_BLOCK_PIXELS = 1 << 16


def network_luma(rgb: Pixels) -> Luma:
    """Return the network's input, limited BT.601 Y / 255, for an RGB picture: (H, W, 3) to (H, W)."""
    result = np.empty(rgb.shape[:2], np.float32)
    for rows in _row_blocks(rgb.shape[0], rgb.shape[1]):
        result[rows] = BT601_LIMITED.luma(code_values(rgb[rows]))
    result /= np.float32(255)
    return result


def compose_rgb(luma_hr: Luma, rgb_lr: Pixels, scale: int) -> Pixels:
    """Return the large picture: its own luma, and the small picture's chroma enlarged by bicubic.

    Args:
        luma_hr: limited BT.601 Y / 255, float32 (scale H, scale W), in 0..1.
        rgb_lr: the small picture, uint8 or uint16 (H, W, 3).
        scale: how many times larger.

    Returns:
        (scale H, scale W, 3) of the same type, clipped, then rounded. On a strip, the outer 2 * scale rows next to a
        cut lack context: pass 2 more rows of the small picture and cut their result off.
    """
    red, blue = (upscale(plane, scale) for plane in _color_differences(rgb_lr))
    result = np.empty((*luma_hr.shape, 3), rgb_lr.dtype)
    for rows in _row_blocks(*luma_hr.shape):
        _mix(luma_hr[rows], red[rows], blue[rows], result[rows])
    return result


def _color_differences(rgb: Pixels) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return R - Y and B - Y, where Y is the full-range luma: code values, (H, W) each."""
    kr, kg, kb = BT601_LIMITED.kr, BT601_LIMITED.kg, BT601_LIMITED.kb
    red, blue = (np.empty(rgb.shape[:2], np.float32) for _ in range(2))
    for rows in _row_blocks(*rgb.shape[:2]):
        r, g, b = (code_values(rgb[rows, :, channel]) for channel in range(3))
        np.add(kg * (r - g), kb * (r - b), out=red[rows])
        np.add(kg * (b - g), kr * (b - r), out=blue[rows])
    return red, blue


def _mix(luma: Luma, red: NDArray[np.float32], blue: NDArray[np.float32], out: Pixels) -> None:
    """Write RGB into `out`. G - Y follows from the others: weighted as in luma, all three sum to 0."""
    kr, kg, kb = BT601_LIMITED.kr, BT601_LIMITED.kg, BT601_LIMITED.kb
    gray = gray_from_luma(luma * np.float32(255))
    green = red * (-kr / kg)
    green += blue * (-kb / kg)
    for channel, difference in enumerate((red, green, blue)):
        out[..., channel] = to_pixels(gray + difference, out.dtype)


def _row_blocks(height: int, width: int) -> list[slice]:
    """Divide rows into slices of about `_BLOCK_PIXELS` pixels, so that temporaries stay in the cache."""
    rows = max(_BLOCK_PIXELS // width, 1)
    return [slice(start, min(start + rows, height)) for start in range(0, height, rows)]
