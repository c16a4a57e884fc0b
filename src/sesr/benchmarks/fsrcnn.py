"""FSRCNN, the network that SESR is compared with on NPUs, as an int8 `.tflite` with random weights.

FSRCNN (Dong et al., 2016, with d = 56, s = 12, m = 4) has 12,464 weights at x2, fewer than SESR-M5, but needs twice as
many multiply-adds: its last layer is a 9 x 9 transposed convolution that works on the large picture. (Papers and Vela
count 6.0 G for 1280 x 720. Three quarters of that layer's multiply-adds are with the zeros between pixels.) In the SESR
paper, M5 runs 6 to 8 times as fast on an NPU (section 5.4). Only speed is compared here, so weights are random.
Activations are ReLU, as in our int8 networks; FSRCNN's own PReLU would be slower.
"""

import numpy as np
from numpy.typing import NDArray

from sesr.network.int8 import PIXELS, Quantization
from sesr.tflite.graph import Graph

LAYERS = [(5, 1, 56), (1, 56, 12), *[(3, 12, 12)] * 4, (1, 12, 56)]
"""Kernel size, channels in, channels out; the transposed convolution, 9 x 9 from 56 to 1, comes after."""

FSRCNN_RADIUS = 2 + 4 + 2
"""Receptive radius, input pixels."""

_FEATURES = Quantization(0.0078125, -128)
_WEIGHT_SCALE = np.float32(0.0078125)


def fsrcnn_macs(width: int, height: int) -> int:
    """Return the multiply-adds for one input at x2, with the last layer's counted at every output pixel."""
    return (sum(k * k * c_in * c_out for k, c_in, c_out in LAYERS) + 4 * 81 * 56) * width * height


def fsrcnn_tflite(height: int, width: int) -> bytes:
    """Return the file's bytes for one input size. Raises `EngineError` if the extra ``export`` is not installed."""
    graph, random = Graph(height, width, resizable=False), np.random.default_rng(0)

    def weights(name: str, shape: tuple[int, ...], scales: int) -> int:
        values: NDArray[np.int8] = random.integers(-127, 128, shape, np.int8)
        return graph.constant(name, values, np.full(scales, _WEIGHT_SCALE))

    def bias(name: str, count: int, grid: Quantization) -> int:
        scale = np.float32(grid.scale) * _WEIGHT_SCALE
        return graph.constant(name, np.zeros(count, np.int32), np.full(count, scale))

    source = features = graph.plane("input", 1, PIXELS)
    grid = PIXELS
    for index, (k, c_in, c_out) in enumerate(LAYERS):
        weight, zeros = weights(f"w{index}", (c_out, k, k, c_in), c_out), bias(f"b{index}", c_out, grid)
        output = graph.plane(f"conv{index}", c_out, _FEATURES)
        features, grid = graph.convolution(features, weight, zeros, output, relu=True), _FEATURES
    weight, zeros = weights("w_last", (1, 9, 9, 56), 1), bias("b_last", 1, grid)
    output = graph.plane("output", 1, PIXELS, 2)
    graph.transposed_convolution(features, weight, output, 2, zeros, same=True)
    return graph.finish(source, output, "FSRCNN x2 (56, 12, 4), random int8 weights: for measuring speed", b"{}")
