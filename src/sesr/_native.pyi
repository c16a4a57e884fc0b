"""The engine in C++ (src/native), as `sesr.engines.native` calls it."""

from typing import overload

import numpy as np
from numpy.typing import NDArray

FloatLayer = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32] | None]
"""Weight (outputs, inputs, k, k), bias, and the activation's slope below zero, None for no activation."""

Int8Layer = tuple[NDArray[np.int8], NDArray[np.int32], NDArray[np.float32], int, int, NDArray[np.int8] | None, int]
"""Weight, bias, requantization scale; zero points of input and output; PReLU's table (outputs, 256) and the zero point
of its result."""

Sum = tuple[int, int, int, int, int, int]
"""An addition: two multipliers and the shift; the zero points of both planes and of the result."""

class Network:
    @overload
    def __init__(
        self, m: int, f: int, scale: int, input_residual: bool, layers: list[FloatLayer], kernel: str | None
    ) -> None: ...
    @overload
    def __init__(
        self,
        m: int,
        f: int,
        scale: int,
        input_residual: bool,
        layers: list[Int8Layer],
        residual_sum: Sum,
        output: Sum,
        tail_scale: float,
        kernel: str | None,
    ) -> None: ...
    @property
    def kernel(self) -> str: ...
    def bytes(self, source: NDArray[np.uint8], result: NDArray[np.uint8], top: int, threads: int) -> None: ...
    def luma(
        self, source: NDArray[np.float32], result: NDArray[np.float32], rounded: bool, top: int, threads: int
    ) -> None: ...
    def picture(self, source: NDArray[np.uint8], result: NDArray[np.uint8], top: int, threads: int) -> None: ...

def bicubic(
    source: NDArray[np.uint8], result: NDArray[np.uint8], scale: int, top: int, threads: int, kernel: str | None
) -> None: ...
@overload
def sharpen(
    source: NDArray[np.uint8],
    result: NDArray[np.uint8],
    weights: NDArray[np.float32],
    amount: float,
    limit: float,
    top: int,
    threads: int,
    kernel: str | None,
) -> None: ...
@overload
def sharpen(
    source: NDArray[np.uint16],
    result: NDArray[np.uint16],
    weights: NDArray[np.float32],
    amount: float,
    limit: float,
    top: int,
    threads: int,
    kernel: str | None,
) -> None: ...
def kernels() -> list[tuple[str, bool]]: ...
def spin(int8: bool, rounds: int, kernel: str | None) -> int: ...
