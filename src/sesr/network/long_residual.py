"""A grid for an int8 network's long residual on which runtimes agree.

The long residual is the only sum of an int8 network. XNNPACK, and our engine with it, adds in whole numbers with
multipliers of 21 bits (`sesr.network.int8.Addition`); onnxruntime and OpenVINO add in float32, each in an order of its
own. All round the same real number, so they differ only where it lies nearly halfway between two. A sum has 256 times
256 cases, so now and then one of them does. A scale that is larger by a hundred-thousandth or a little more moves that
case away, and changes nothing else.
"""

import numpy as np
from numpy.typing import NDArray

from sesr.network.int8 import HIGHEST, LOWEST, Quantization
from sesr.network.reference import add

WIDENINGS = tuple(1 + step * 1e-5 for step in range(200))
"""How much larger than trained a scale may be, in the order in which they are tried."""

_ROUNDINGS = 3
"""How often float32 rounds on its way to a sum: two products and their sum, or both divided before, or a zero point."""


def sums_agree(last: Quantization, first: Quantization, result: Quantization) -> bool:
    """Return True if float32, in any order, rounds the sums of all pairs of numbers on two grids as whole numbers do.

    Args:
        last: grid of the last features.
        first: grid of the first convolution's.
        result: grid of the sums.
    """
    numbers = np.arange(LOWEST, HIGHEST + 1, dtype=np.int32)
    left, right = numbers[:, None], numbers[None]
    terms = _steps(left, last, result), _steps(right, first, result)
    sums = terms[0] + terms[1]
    rounded = np.rint(sums) + result.zero_point
    if not np.array_equal(add(left, last, right, first, result), np.clip(rounded, LOWEST, HIGHEST)):
        return False
    largest = np.maximum.reduce(np.broadcast_arrays(*map(np.abs, (*terms, sums, sums + result.zero_point))))
    from_half = np.abs(sums - np.floor(sums) - 0.5)
    clipped = (rounded < LOWEST - 1) | (rounded > HIGHEST + 1)
    return bool(np.all(clipped | (from_half > _ROUNDINGS * np.finfo(np.float32).eps / 2 * largest)))


def _steps(numbers: NDArray[np.int32], grid: Quantization, result: Quantization) -> NDArray[np.float64]:
    """Return what numbers of a grid stand for, in steps of the sums' grid."""
    scale, step = (float(np.float32(each.scale)) for each in (grid, result))
    return (numbers - grid.zero_point).astype(np.float64) * scale / step
