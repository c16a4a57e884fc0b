"""Hands a network's numbers to the engine in C++: weights, biases, scales and tables, layer by layer.

This is where a float network's arithmetic is chosen (`sesr.engines.kernels.FloatChoice`). Fixed point is the default
where the kernels gain from it, and floats remain for networks that do not suit it: those with numbers beyond its
bounds, and those with a channel that the conversion's drawn picture does not show (`sesr.network.fixed`).

The conversion takes twenty times as long as all else here. The last few are kept, so that a program which makes the
same network ready for each of many small pictures waits for it once.
"""

from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from sesr import _native
from sesr.engines.kernels import FLOATS, WINOGRAD, FloatChoice, Values, gains_from_fixed_point, has_fixed_point
from sesr.errors import EngineError, WeightsError
from sesr.network.checkpoint import Checkpoint
from sesr.network.fixed import DARK, FixedNetwork, fix_network
from sesr.network.int8 import HIGHEST, LOWEST, PIXELS, SHIFTED, Addition, Quantization
from sesr.network.quantized import AnyNetwork, Convolution, QuantizedNetwork
from sesr.network.reference import prelu, requant_scale

_KEPT = 8
"""Conversions that are kept."""


@dataclass(frozen=True)
class _ByContent:
    """A network that equals others of the same numbers."""

    content: bytes
    network: Checkpoint = field(compare=False)


def prepare(
    network: AnyNetwork, kernel: str | None, *, winograd: bool, floats: FloatChoice
) -> tuple[_native.Network, Values]:
    """Return the network in C++ and the numbers that it computes in.

    Args:
        network: float or int8.
        kernel: name of the kernels; None takes the best.
        winograd: False keeps convolutions of 3 x 3 to the direct form, which fixed point does not have.
        floats: what a float network computes in.

    Raises `WeightsError` for numbers that no trained network has, `EngineError` for fixed point where the kernels lack
    it or Winograd's form is off.
    """
    try:
        if network.int8:
            return _int8(network, kernel, winograd), "int8"
        fixed = _in_fixed_point(network, kernel, winograd, floats)
        if fixed is not None:
            return _fixed(fixed, kernel), "int16"
        return _float(network, kernel, winograd), "float32"
    except ValueError as error:
        raise WeightsError(f"the network cannot run: {error}") from error


def _in_fixed_point(
    network: Checkpoint, kernel: str | None, winograd: bool, floats: FloatChoice
) -> FixedNetwork | None:
    """Return a float network in fixed point, or None where it is to run in floats."""
    if floats == "float32":
        return None
    if floats == "auto":
        return _safe_fixed_point(network) if winograd and gains_from_fixed_point(kernel) else None
    if not has_fixed_point(kernel):
        raise EngineError(f"these kernels have no fixed point; take float32 or auto instead of int16 ({FLOATS})")
    if not winograd:
        remedy = f"take float32 or auto instead of int16 ({FLOATS}), or leave that form on ({WINOGRAD})"
        raise EngineError(f"fixed point has Winograd's form only; {remedy}")
    return _converted(network)


def _converted(network: Checkpoint) -> FixedNetwork:
    """Return a network in fixed point. Raises `WeightsError` where it has none."""
    digest = sha256(repr(network.config).encode())
    for name, tensor in sorted(network.tensors.items()):
        digest.update(name.encode())
        digest.update(tensor.tobytes())
    return _converted_once(_ByContent(digest.digest(), network))


@lru_cache(_KEPT)
def _converted_once(source: _ByContent) -> FixedNetwork:
    return fix_network(source.network)


def _safe_fixed_point(network: Checkpoint) -> FixedNetwork | None:
    """Return a float network in fixed point, or None where its bounds are not proven or a channel may be clipped."""
    try:
        fixed = _converted(network)
    except WeightsError:
        return None
    return fixed if fixed.overshoot <= DARK else None


def _fixed(network: FixedNetwork, kernel: str | None) -> _native.Network:
    config = network.config
    layers = [
        (np.ascontiguousarray(layer.weight), layer.bias, layer.scale, layer.slope)
        for layer in (network.head, *network.body, network.tail)
    ]
    sums = network.last_scale, network.first_scale
    return _native.Network(config.m, config.f, config.scale, config.input_residual, layers, *sums, kernel)


def _float(network: Checkpoint, kernel: str | None, winograd: bool) -> _native.Network:
    config, tensors = network.config, network.tensors
    relu = np.zeros(config.f, np.float32)

    def layer(name: str, slope: NDArray[np.float32] | None) -> "_native.FloatLayer":
        weight, bias = tensors[f"{name}.weight"], tensors[f"{name}.bias"]
        return np.ascontiguousarray(weight), np.ascontiguousarray(bias), slope

    body = [f"body.{index}" for index in range(config.m)]
    layers = [
        layer("head", None),
        *(layer(name, tensors.get(f"{name}.slope", relu)) for name in body),
        layer("tail", None),
    ]
    return _native.Network(config.m, config.f, config.scale, config.input_residual, layers, winograd, kernel)


def _int8(network: QuantizedNetwork, kernel: str | None, winograd: bool) -> _native.Network:
    config = network.config
    layers = [_int8_layer(network.head, SHIFTED)]
    grid = network.head.output
    for index, convolution in enumerate(network.body):
        layers.append(_int8_layer(convolution, grid))
        grid = convolution.output
        if network.slopes:
            slope = network.slopes[index]
            every = np.tile(np.arange(LOWEST, HIGHEST + 1, dtype=np.int32), (config.f, 1))
            table = prelu(every[:, None], grid, slope)[:, 0].astype(np.int8)
            grid = slope.output
            layers[-1] = (*layers[-1][:5], np.ascontiguousarray(table), grid.zero_point)
    layers.append(_int8_layer(network.tail, network.residual_sum))
    total = _sum(grid, network.head.output, network.residual_sum)
    output = _sum(network.tail.output, PIXELS, PIXELS) if config.input_residual else (0, 0, 1, 0, 0, 0)
    scale = network.tail.output.scale
    return _native.Network(
        config.m, config.f, config.scale, config.input_residual, layers, total, output, scale, winograd, kernel
    )


def _int8_layer(convolution: Convolution, grid: Quantization) -> "_native.Int8Layer":
    weight = np.ascontiguousarray(convolution.weight)
    scale = requant_scale(convolution, grid)
    zero_points = grid.zero_point, convolution.output.zero_point
    return weight, np.ascontiguousarray(convolution.bias), np.ascontiguousarray(scale), *zero_points, None, 0


def _sum(one: Quantization, other: Quantization, result: Quantization) -> "_native.Sum":
    addition = Addition.of(one, other, result)
    zero_points = one.zero_point, other.zero_point, result.zero_point
    return addition.left, addition.right, addition.shift, *zero_points
