"""What tests of resizing share: the kernel as textbooks print it, and a picture of noise."""

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray


def cubic(x: Fraction) -> Fraction:
    """Keys' kernel with a = -1/2, as textbooks print it."""
    x, a = abs(x), Fraction(-1, 2)
    if x <= 1:
        return (a + 2) * x**3 - (a + 3) * x**2 + 1
    return a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a if x < 2 else Fraction(0)


def drawn(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    """Noise of hard black and white with grays between: it overshoots and clips everywhere."""
    values = np.random.default_rng(seed).integers(-200, 456, (height, width))
    return np.clip(values, 0, 255).astype(np.uint8)
