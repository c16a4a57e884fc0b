"""The oracles themselves: int8 against arithmetic done one number at a time, float against PyTorch."""

import math
from fractions import Fraction

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.fakes import float_network, picture, random_network

from sesr.engines.native import NativeEngine
from sesr.imaging.drawn import luma_card
from sesr.network.int8 import PIXELS, SHIFTED, Addition, Quantization
from sesr.network.quantized import Convolution, QuantizedNetwork
from sesr.network.reference import reference, run_int8, run_int8_unrounded
from sesr.network.variants import SESRConfig

KINDS = [
    SESRConfig(m=2, f=3, scale=s, activation=activation, input_residual=residual)
    for s in (2, 3, 4)
    for activation in ("relu", "prelu")
    for residual in (True, False)
]


def clip(value: int) -> int:
    return max(-128, min(127, value))


def rounded_twice(value: int, factor: Fraction) -> int:
    """Multiply by the factor's mantissa in 1/2..1, rounded half up; then by its power of two, half away from zero."""
    exponent = 0
    while factor >= 1:
        factor, exponent = factor / 2, exponent + 1
    while factor < Fraction(1, 2):
        factor, exponent = factor * 2, exponent - 1
    mantissa = Fraction(math.floor(factor * 2**31 + Fraction(1, 2)), 2**31)
    first = math.floor(value * 2 ** max(exponent, 0) * mantissa + Fraction(1, 2))
    size = math.floor(Fraction(abs(first), 2 ** max(-exponent, 0)) + Fraction(1, 2))
    return size if first >= 0 else -size


def pixel(network: QuantizedNetwork, source: NDArray[np.uint8], y: int, x: int) -> int:
    """One output pixel by recursion over what it depends on, in Python's whole numbers."""
    memory: dict[tuple[str, int, int, int], int] = {}
    config = network.config
    height, width = source.shape

    def plane(name: str, c: int, i: int, j: int) -> int:
        key = (name, c, i, j)
        if key not in memory:
            memory[key] = compute(name, c, i, j)
        return memory[key]

    def convolved(layer: Convolution, previous: str, grid: Quantization, c: int, i: int, j: int) -> int:
        k = layer.weight.shape[-1]
        total = int(layer.bias[c])
        for p in range(layer.weight.shape[1]):
            for dy in range(k):
                for dx in range(k):
                    a, b = i + dy - k // 2, j + dx - k // 2
                    if 0 <= a < height and 0 <= b < width:
                        value = plane(previous, p, a, b) - grid.zero_point
                        total += int(layer.weight[c, p, dy, dx]) * value
        factor = np.float32(grid.scale) * layer.weight_scale[c] / np.float32(layer.output.scale)
        return clip(int(np.rint(np.float32(total) * factor)) + layer.output.zero_point)

    def added(one: int, grid: Quantization, other: int, right_grid: Quantization, result: Quantization) -> int:
        addition = Addition.of(grid, right_grid, result)
        total = addition.left * (one - grid.zero_point) + addition.right * (other - right_grid.zero_point)
        return clip((total + (1 << (addition.shift - 1)) >> addition.shift) + result.zero_point)

    def after(index: int) -> tuple[str, Quantization]:
        if index < 0:
            return "head", network.head.output
        if network.slopes:
            return f"prelu{index}", network.slopes[index].output
        return f"body{index}", network.body[index].output

    def compute(name: str, c: int, i: int, j: int) -> int:
        if name == "source":
            return int(source[i, j]) - 128
        if name == "head":
            return convolved(network.head, "source", SHIFTED, c, i, j)
        if name.startswith("body"):
            previous, grid = after(int(name[4:]) - 1)
            return convolved(network.body[int(name[4:])], previous, grid, c, i, j)
        if name.startswith("prelu"):
            index = int(name[5:])
            before, slope = network.body[index].output, network.slopes[index]
            value = plane(f"body{index}", c, i, j) - before.zero_point
            factor = np.float32(before.scale) / np.float32(slope.output.scale)
            if value < 0:
                factor = np.float32(before.scale) * np.float32(slope.scale) / np.float32(slope.output.scale)
                value *= int(slope.weight[c])
            return clip(rounded_twice(value, Fraction(float(factor))) + slope.output.zero_point)
        if name == "total":
            last, grid = after(config.m - 1)
            head = plane("head", c, i, j)
            return added(plane(last, c, i, j), grid, head, network.head.output, network.residual_sum)
        tail = convolved(network.tail, "total", network.residual_sum, c, i, j)
        if not config.input_residual:
            return tail
        return added(tail, network.tail.output, plane("source", 0, i, j), PIXELS, PIXELS)

    channel = config.scale * (y % config.scale) + x % config.scale
    return plane("y", channel, y // config.scale, x // config.scale) + 128


@pytest.mark.parametrize("config", KINDS, ids=str)
def test_reference_equals_arithmetic_by_hand(config: SESRConfig) -> None:
    network, source = random_network(config), picture(5, 6)
    result = run_int8(network, source)
    assert result.shape == (5 * config.scale, 6 * config.scale)
    places = [(0, 0), (0, 1), (2, 3), (4 * config.scale, 0), (5 * config.scale - 1, 6 * config.scale - 1)]
    for y, x in places:
        assert result[y, x] == pixel(network, source, y, x)


@pytest.mark.parametrize("residual", [True, False])
def test_unrounded_int8_is_what_the_engine_computes_on_the_way_to_rgb(residual: bool) -> None:
    """Luma between whole pixels is rounded for the convolutions, and added as it is."""
    network = random_network(SESRConfig(m=2, f=5, scale=3, activation="relu", input_residual=residual))
    luma = (picture(21, 34) / 255 + 0.3 / 255).clip(0, 1).astype(np.float32)
    engine = NativeEngine(network, 1)
    result = run_int8_unrounded(network, luma.astype(np.float64))
    np.testing.assert_allclose(engine.run(luma, rounded=False), result, atol=1e-6)
    assert np.abs(255 * result % 1 - 0.5).min() < 0.1  # not rounded


def test_pixels_reach_both_ends() -> None:
    result = run_int8(random_network(SESRConfig(m=2, f=3, activation="relu")), picture(40, 50))
    assert (result.min(), result.max()) == (0, 255)


@pytest.mark.parametrize("config", KINDS, ids=str)
def test_float_reference_equals_pytorch(config: SESRConfig) -> None:
    """The arithmetic written out in NumPy against PyTorch in double precision."""
    torch = pytest.importorskip("torch")
    from sesr.network.sesr import CollapsedSESR

    network = float_network(config)
    torchs = CollapsedSESR.from_checkpoint(network).double().eval()
    noise = np.random.default_rng(0).integers(0, 256, (23, 17), np.uint8)
    for pixels in (luma_card(1, 1), luma_card(23, 17), np.full((3, 40), 255, np.uint8), noise):
        with torch.inference_mode():
            wanted = torchs(torch.from_numpy(pixels).double()[None, None] / 255)[0, 0].numpy() * 255
        np.testing.assert_allclose(reference(network, pixels), wanted, rtol=0, atol=1e-4)
    assert ((wanted > 0) & (wanted < 255)).mean() > 0.3
