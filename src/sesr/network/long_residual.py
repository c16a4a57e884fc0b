"""A grid for an int8 network's long residual on which runtimes agree.

The long residual is the only sum of an int8 network. XNNPACK, and our engine with it, adds in whole numbers with
multipliers of 21 bits (`sesr.network.int8.Addition`); onnxruntime and OpenVINO add in float32. Both round the same real
number, so they differ only where it lies nearly halfway between two. A sum has 256 times 256 cases, so now and then one
of them does. A scale that is larger by a hundred-thousandth or a little more moves that case away, and changes nothing
else.
"""

import numpy as np
from numpy.typing import NDArray

from sesr.network.int8 import HIGHEST, LOWEST, Quantization
from sesr.network.reference import add

WIDENINGS = tuple(1 + step * 1e-5 for step in range(200))
"""How much larger than trained a scale may be, in the order in which they are tried."""


def sums_agree(last: Quantization, first: Quantization, result: Quantization) -> bool:
    """Return True if float32 rounds the sums of all pairs of numbers on two grids as whole numbers do.

    Args:
        last: grid of the last features.
        first: grid of the first convolution's.
        result: grid of the sums.
    """
    numbers = np.arange(LOWEST, HIGHEST + 1, dtype=np.int32)
    left, right = numbers[:, None], numbers[None]
    sums = _real(left, last) + _real(right, first)
    rounded = np.clip(np.rint(sums / np.float32(result.scale)) + result.zero_point, LOWEST, HIGHEST)
    return np.array_equal(add(left, last, right, first, result), rounded)


def _real(numbers: NDArray[np.int32], grid: Quantization) -> NDArray[np.float32]:
    """Return what numbers of a grid stand for."""
    return (numbers - grid.zero_point).astype(np.float32) * np.float32(grid.scale)
