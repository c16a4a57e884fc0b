"""The engine in C++ (src/native), as `sesr.engines.native` calls it."""

from typing import overload

import numpy as np
from numpy.typing import NDArray

FloatLayer = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32] | None]
"""Weight (outputs, inputs, k, k), bias, and the activation's slope below zero, None for no activation."""

Int8Layer = tuple[NDArray[np.int8], NDArray[np.int32], NDArray[np.float32], int, int, NDArray[np.int8] | None, int]
"""Weight, bias, requantization scale; zero points of input and output; PReLU's table (outputs, 256) and the zero point
of its result."""

FixedLayer = tuple[NDArray[np.int16], NDArray[np.int32], NDArray[np.float32], NDArray[np.float32] | None]
"""Weight (outputs, inputs, k, k), or (outputs, inputs, 3, 6) at Winograd's points; bias, scale, slope below zero."""

Sum = tuple[int, int, int, int, int, int]
"""An addition: two multipliers and the shift; the zero points of both planes and of the result."""

Taps = tuple[NDArray[np.int64], NDArray[np.float32]]
"""First input of each output, and its weights (outputs, count)."""

class Network:
    @overload
    def __init__(
        self,
        m: int,
        f: int,
        scale: int,
        input_residual: bool,
        layers: list[FloatLayer],
        winograd: bool,
        kernel: str | None,
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
        winograd: bool,
        kernel: str | None,
    ) -> None: ...
    @overload
    def __init__(
        self,
        m: int,
        f: int,
        scale: int,
        input_residual: bool,
        layers: list[FixedLayer],
        left_scale: NDArray[np.float32],
        right_scale: NDArray[np.float32],
        kernel: str | None,
    ) -> None: ...
    @property
    def kernel(self) -> str: ...
    @property
    def tiled_layers(self) -> int: ...
    def strips(self, width: int) -> list[tuple[int, int, int, int]]: ...
    def bytes(self, source: NDArray[np.uint8], result: NDArray[np.uint8], top: int, threads: int) -> None: ...
    def luma(
        self, source: NDArray[np.float32], result: NDArray[np.float32], rounded: bool, top: int, threads: int
    ) -> None: ...
    @overload
    def plane(
        self,
        source: NDArray[np.uint8],
        result: NDArray[np.uint8],
        depth: int,
        full_range: bool,
        top: int,
        threads: int,
    ) -> None: ...
    @overload
    def plane(
        self,
        source: NDArray[np.uint16],
        result: NDArray[np.uint16],
        depth: int,
        full_range: bool,
        top: int,
        threads: int,
    ) -> None: ...
    def picture(self, source: NDArray[np.uint8], result: NDArray[np.uint8], top: int, threads: int) -> None: ...

def bicubic(
    source: NDArray[np.uint8], result: NDArray[np.uint8], scale: int, top: int, threads: int, kernel: str | None
) -> None: ...
@overload
def chroma(
    source: NDArray[np.uint8],
    result: NDArray[np.uint8],
    scale: int,
    siting: tuple[int, int],
    depth: int,
    top: int,
    threads: int,
    kernel: str | None,
) -> None: ...
@overload
def chroma(
    source: NDArray[np.uint16],
    result: NDArray[np.uint16],
    scale: int,
    siting: tuple[int, int],
    depth: int,
    top: int,
    threads: int,
    kernel: str | None,
) -> None: ...
@overload
def resize(
    source: NDArray[np.uint8],
    result: NDArray[np.uint8],
    down: Taps,
    across: Taps,
    depth: int,
    top: int,
    threads: int,
    kernel: str | None,
) -> None: ...
@overload
def resize(
    source: NDArray[np.uint16],
    result: NDArray[np.uint16],
    down: Taps,
    across: Taps,
    depth: int,
    top: int,
    threads: int,
    kernel: str | None,
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
def spin(values: str, rounds: int, kernel: str | None) -> int: ...
def has_int16(kernel: str | None) -> bool: ...
