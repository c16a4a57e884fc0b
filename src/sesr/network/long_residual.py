"""A grid for an int8 network's long residual on which runtimes agree.

The long residual is the only sum of an int8 network. XNNPACK, and our engine with it, adds in whole numbers with
multipliers of 21 bits (`sesr.network.int8.Addition`); onnxruntime and OpenVINO add in float32. Both round the same real
number, so they differ only where it lies nearly halfway between two. A sum has 256 times 256 cases, so now and then one
of them does. A scale that is larger by a ten-thousandth moves that case away, and changes nothing else.
"""

import numpy as np
from numpy.typing import NDArray

from sesr.network.int8 import HIGHEST, LOWEST, Quantization
from sesr.network.quantized import QuantizedNetwork
from sesr.network.reference import add

WIDENINGS = tuple(1 + step * 1e-5 for step in range(200))
"""How much larger than trained a scale may be, in the order in which they are tried."""


def sums_agree(network: QuantizedNetwork) -> bool:
    """Return True if float32 rounds the long residual of all pairs of numbers as whole numbers do."""
    result = network.residual_sum
    last, first = (network.slopes or network.body)[-1].output, network.head.output
    numbers = np.arange(LOWEST, HIGHEST + 1, dtype=np.int32)
    left, right = numbers[:, None], numbers[None]
    sums = _real(left, last) + _real(right, first)
    rounded = np.clip(np.rint(sums / np.float32(result.scale)) + result.zero_point, LOWEST, HIGHEST)
    return np.array_equal(add(left, last, right, first, result), rounded)


def _real(numbers: NDArray[np.int32], grid: Quantization) -> NDArray[np.float32]:
    """Return what numbers of a grid stand for."""
    return (numbers - grid.zero_point).astype(np.float32) * np.float32(grid.scale)
