"""Pictures that are drawn, for checks and measurements that must not need files.

The same arguments always draw the same pixels.
"""

import numpy as np

from sesr.imaging.arrays import Bytes


def luma_card(height: int, width: int) -> Bytes:
    """Draw 8-bit luma (H, W) on which mistakes of networks show.

    It has ramps, rings of growing fineness, a little noise, and black and white at the borders.
    """
    y, x = np.mgrid[:height, :width]
    rings = 128 + 127 * np.sin((x**2 + y**2) / (4 + 0.02 * max(height, width) ** 2 / 4))
    ramp = 255 * x / max(width - 1, 1)
    picture = np.where((x // 16 + y // 16) % 2 == 0, rings, ramp)
    picture += np.random.default_rng(height * 10_000 + width).normal(0, 4, picture.shape)
    picture[:2], picture[-1:] = 255, 0
    picture[:, :1], picture[:, -2:] = 0, 255
    drawn: Bytes = np.clip(np.rint(picture), 0, 255).astype(np.uint8)
    return drawn


_LETTERS = {
    "S": ".###. #.... #.... .###. ....# ....# ####.",
    "E": "##### #.... #.... ####. #.... #.... #####",
    "R": "####. #...# #...# ####. #.#.. #..#. #...#",
    "8": ".###. #...# #...# .###. #...# #...# .###.",
    "k": "#.... #.... #..#. #.#.. ##... #.#.. #..#.",
    "x": "..... ..... #...# .#.#. ..#.. .#.#. #...#",
}
"""Letters of 5 x 7 pixels, rows from the top."""


def luma_text(height: int, width: int) -> Bytes:
    """Draw 8-bit luma (H, W): lines of text in letters of two sizes, black on white above and white on black below."""
    rows = [[letter.split()[y] + "." for letter in _LETTERS.values()] for y in range(7)]
    line = np.array([[mark == "#" for mark in "".join(row)] for row in rows] + [[False] * 6 * len(_LETTERS)] * 2)
    double = line.repeat(2, axis=0).repeat(2, axis=1)
    both = np.vstack([np.hstack([line, line]), double])
    ink = np.tile(both, (height // len(both) + 1, width // both.shape[1] + 1))[:height, :width]
    ink[height // 2 :] ^= True
    drawn: Bytes = np.where(ink, 0, 255).astype(np.uint8)
    return drawn
