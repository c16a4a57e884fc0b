"""Colour under transparent pixels.

What a fully transparent pixel holds in red, green and blue is arbitrary, often black. Any enlargement that mixes
neighbours would drag it into the visible edge: the dark fringe around cut-out pictures. So visible colour is spread
outwards before enlarging, pixel by pixel as a mean of its neighbours, over `REACH` pixels: two for what bicubic alpha
makes visible beyond the edge, and four more for what chroma and the network see from there.
Partly transparent pixels keep their colour, since straight (not premultiplied) alpha leaves it valid.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

REACH = 6
"""Pixels over which colour is spread: the rows of context that a strip needs."""


def spread_colour(pixels: NDArray[Any]) -> NDArray[Any]:
    """The colours of a picture with alpha, with visible colour spread under transparent pixels.

    Args:
        pixels: uint8 or uint16, (H, W, 2) grey and alpha, or (H, W, 4) RGBA.

    Returns:
        (H, W, 1) or (H, W, 3): unchanged where alpha is above 0 and further than `REACH` from there.
    """
    colour, visible = pixels[..., :-1], pixels[..., -1] > 0
    if visible.all() or not visible.any():
        return colour
    known = visible.astype(np.float32)
    spread = colour * known[..., None]
    for _ in range(REACH):
        count, total = _neighbourhood(known[..., None]), _neighbourhood(spread)
        reached = (known == 0) & (count[..., 0] > 0)
        spread[reached] = total[reached] / count[reached]
        known[reached] = 1
    filled = (known > 0) & ~visible
    result = colour.copy()
    result[filled] = (spread[filled] + 0.5).astype(pixels.dtype)
    return result


def _neighbourhood(planes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Sum over each pixel and its eight neighbours; nothing lies beyond the border. (H, W, C) to the same."""
    down = planes.copy()
    down[1:] += planes[:-1]
    down[:-1] += planes[1:]
    across = down.copy()
    across[:, 1:] += down[:, :-1]
    across[:, :-1] += down[:, 1:]
    return across
