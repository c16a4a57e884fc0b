"""Color under transparent pixels.

A fully transparent pixel's red, green and blue are arbitrary, often black. Any enlargement that mixes neighbors would
drag them into the visible edge: the dark fringe around cut-out pictures. So visible color is spread outwards before
enlarging. Each pixel becomes the mean of its neighbors, over a distance of `REACH` pixels: bicubic alpha makes two of
them visible beyond the edge, and chroma and the network see four more from there.

Partly transparent pixels keep their color, since straight (not premultiplied) alpha leaves it valid.
"""

import numpy as np
from numpy.typing import NDArray

from sesr.imaging.arrays import Pixels

REACH = 6
"""Distance in pixels over which color is spread: the rows of context that a strip needs."""


def spread_color(pixels: Pixels) -> Pixels:
    """Return the colors of a picture with alpha, with visible color spread under transparent pixels.

    Args:
        pixels: uint8 or uint16, (H, W, 2) gray and alpha, or (H, W, 4) RGBA.

    Returns:
        (H, W, 1) or (H, W, 3): unchanged where alpha is above 0 and further than `REACH` from there.
    """
    color, visible = pixels[..., :-1], pixels[..., -1] > 0
    if visible.all() or not visible.any():
        return color
    known = visible.astype(np.float32)
    spread = color * known[..., None]
    for _ in range(REACH):
        count, total = _neighborhood(known[..., None]), _neighborhood(spread)
        reached = (known == 0) & (count[..., 0] > 0)
        spread[reached] = total[reached] / count[reached]
        known[reached] = 1
    filled = (known > 0) & ~visible
    result = color.copy()
    result[filled] = (spread[filled] + 0.5).astype(pixels.dtype)
    return result


def _neighborhood(planes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Sum each pixel and its eight neighbors, (H, W, C) to the same; beyond the border lies nothing."""
    down = planes.copy()
    down[1:] += planes[:-1]
    down[:-1] += planes[1:]
    across = down.copy()
    across[:, 1:] += down[:, :-1]
    across[:, :-1] += down[:, 1:]
    return across
