"""The int8 reference against arithmetic done one number at a time, and its file: round trips and refusals."""

import json
import math
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file
from tests.quantized_networks import picture, random_network, scale

from sesr.errors import UsageError, WeightsError
from sesr.network.checkpoint import Checkpoint, load_checkpoint, read_header, tensor_shapes
from sesr.network.int8 import PIXELS, SHIFTED, Addition, Quantization
from sesr.network.quantized import Convolution, QuantizedNetwork, is_int8, load_network, load_quantized
from sesr.network.reference import run_int8
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
    """Times the factor's mantissa in 1/2..1, rounded half up; then times its power of two, half away from zero."""
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

    def convolved(made: Convolution, previous: str, meaning: Quantization, c: int, i: int, j: int) -> int:
        k = made.weight.shape[-1]
        total = int(made.bias[c])
        for p in range(made.weight.shape[1]):
            for dy in range(k):
                for dx in range(k):
                    a, b = i + dy - k // 2, j + dx - k // 2
                    if 0 <= a < height and 0 <= b < width:
                        value = plane(previous, p, a, b) - meaning.zero_point
                        total += int(made.weight[c, p, dy, dx]) * value
        factor = np.float32(meaning.scale) * made.weight_scale[c] / np.float32(made.output.scale)
        return clip(int(np.rint(np.float32(total) * factor)) + made.output.zero_point)

    def added(one: int, meaning: Quantization, other: int, other_meaning: Quantization, result: Quantization) -> int:
        addition = Addition.of(meaning, other_meaning, result)
        total = addition.left * (one - meaning.zero_point) + addition.right * (other - other_meaning.zero_point)
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
            previous, meaning = after(int(name[4:]) - 1)
            return convolved(network.body[int(name[4:])], previous, meaning, c, i, j)
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
            last, meaning = after(config.m - 1)
            head = plane("head", c, i, j)
            return added(plane(last, c, i, j), meaning, head, network.head.output, network.residual_sum)
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


def test_pixels_reach_both_ends() -> None:
    result = run_int8(random_network(SESRConfig(m=2, f=3, activation="relu")), picture(40, 50))
    assert (result.min(), result.max()) == (0, 255)


@settings(deadline=None, max_examples=200)
@given(st.floats(1e-4, 10), st.floats(1e-4, 10), st.floats(1e-3, 10))
def test_additions_are_the_scales_to_21_bits(one: float, other: float, result: float) -> None:
    planes = [Quantization(scale(value), 0) for value in (one, other, result)]
    ratios = [
        np.float32(planes[0].scale) / np.float32(planes[2].scale),
        np.float32(planes[1].scale) / np.float32(planes[2].scale),
    ]
    if not 2**-10 <= max(ratios) < 2**8:
        with pytest.raises(UsageError):
            Addition.of(*planes)
        return
    addition = Addition.of(*planes)
    assert 2**20 <= max(addition.left, addition.right) <= 2**21
    for multiplier, ratio in zip((addition.left, addition.right), ratios, strict=True):
        assert abs(Fraction(multiplier, 2**addition.shift) - Fraction(float(ratio))) <= Fraction(
            1, 2 ** (addition.shift + 1)
        )


@pytest.mark.parametrize("config", KINDS, ids=str)
def test_round_trip(config: SESRConfig, tmp_path: Path) -> None:
    network = random_network(config)
    network.save(tmp_path / "net.safetensors")
    loaded = load_quantized(tmp_path / "net.safetensors")
    assert loaded.to_bytes() == network.to_bytes() == (tmp_path / "net.safetensors").read_bytes()
    assert (loaded.config, loaded.card, loaded.residual_sum) == (config, network.card, network.residual_sum)
    np.testing.assert_array_equal(run_int8(loaded, picture(6, 7)), run_int8(network, picture(6, 7)))
    assert read_header(tmp_path / "net.safetensors") == (config, network.card)
    assert is_int8(tmp_path / "net.safetensors")


def test_float_and_int8_are_told_apart(tmp_path: Path) -> None:
    config = SESRConfig(m=1, f=2)
    tensors = {name: np.zeros(shape, np.float32) for name, shape in tensor_shapes(config).items()}
    Checkpoint(config, tensors).save(tmp_path / "float.safetensors")
    random_network(config).save(tmp_path / "int8.safetensors")
    assert isinstance(load_network(tmp_path / "float.safetensors"), Checkpoint)
    assert isinstance(load_network(tmp_path / "int8.safetensors"), QuantizedNetwork)
    with pytest.raises(WeightsError, match="a float network, not an int8 one"):
        load_quantized(tmp_path / "float.safetensors")
    with pytest.raises(WeightsError, match="an int8 network, where a float one is needed"):
        load_checkpoint(tmp_path / "int8.safetensors")


def damage(path: Path, *, tensors: dict[str, NDArray[Any]] | None = None, **planes: dict[str, float]) -> None:
    """Writes the file anew with some tensors and planes changed."""
    network = load_quantized(path)
    header = json.loads(network.header())
    header["planes"] |= planes
    save_file(load_file(path) | (tensors or {}), path, {"sesr": json.dumps(header)})


@pytest.mark.parametrize(
    ("tensors", "planes", "message"),
    [
        ({"head.weight": np.full((2, 1, 5, 5), -128, np.int8)}, {}, "head.weight holds -128"),
        ({"head.weight_scale": np.array([0, 1], np.float32)}, {}, "head.weight_scale is not positive"),
        ({"head.weight_scale": np.array([np.nan, 1], np.float32)}, {}, "not all finite"),
        ({"head.bias": np.zeros(2, np.int64)}, {}, "tensor head.bias is"),
        ({"more": np.zeros(2, np.int8)}, {}, "tensor more is"),
        ({}, {"total": {"scale": 0.02}}, "its header"),
        ({}, {"total": {"scale": 0.02, "zero_point": 0}}, "its header: a scale must be a positive float32"),
        ({}, {"total": {"scale": 0.5, "zero_point": 200}}, "its header: a zero point"),
        ({}, {"total": {"scale": 128.0, "zero_point": 0}}, "two planes are added"),
        ({}, {"body.0": {"scale": 0.5, "zero_point": 0}}, "its zero point must be -128"),
        ({}, {"other": {"scale": 0.5, "zero_point": 0}}, "its header names the planes"),
    ],
)
def test_damaged_files(
    tmp_path: Path, tensors: dict[str, NDArray[Any]], planes: dict[str, dict[str, float]], message: str
) -> None:
    path = tmp_path / "net.safetensors"
    random_network(SESRConfig(m=1, f=2, activation="relu")).save(path)
    damage(path, tensors=tensors, **planes)
    with pytest.raises(WeightsError) as caught:
        load_quantized(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_output_plane_without_residual(tmp_path: Path) -> None:
    network = random_network(SESRConfig(m=1, f=2, activation="relu", input_residual=False))
    wrong = replace(network, tail=replace(network.tail, output=Quantization(0.5, 0)))
    wrong.save(tmp_path / "net.safetensors")
    with pytest.raises(WeightsError, match="plane tail is the output"):
        load_quantized(tmp_path / "net.safetensors")
