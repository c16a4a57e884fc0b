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
