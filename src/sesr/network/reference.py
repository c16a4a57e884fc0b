"""The network's arithmetic in plain NumPy: the oracle for float and int8."""

from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from sesr.network.checkpoint import Checkpoint
from sesr.network.int8 import HIGHEST, LOWEST, PIXELS, SHIFTED, Addition, Quantization, prelu_multipliers
from sesr.network.quantized import AnyNetwork, Convolution, QuantizedNetwork, Slope

Pixels = NDArray[np.uint8]


Float = NDArray[np.float64]


def reference(network: AnyNetwork, pixels: Pixels) -> Float:
    """What the network makes of 8-bit luma, in steps of 1/255: whole numbers of an int8 network."""
    if isinstance(network, QuantizedNetwork):
        return run(network, pixels).astype(np.float64)
    return 255 * _run_float(network, pixels.astype(np.float64) / 255)


def _run_float(network: Checkpoint, luma: Float) -> Float:
    """The collapsed network in float64, (H, W) to (scale H, scale W)."""
    tensors, config = network.tensors, network.config
    first = features = _convolve_float(luma[None] - 0.5, tensors, "head")
    for index in range(config.m):
        features = _convolve_float(features, tensors, f"body.{index}")
        slope = tensors[f"body.{index}.slope"][:, None, None] if config.activation == "prelu" else 0
        features = np.where(features > 0, features, slope * features)
    y = _convolve_float(features + first, tensors, "tail")
    if config.input_residual:
        y = y + luma
    return np.clip(depth_to_space(y, config.scale), 0, 1)


def _convolve_float(planes: Float, tensors: Mapping[str, NDArray[np.float32]], name: str) -> Float:
    weight = tensors[f"{name}.weight"].astype(np.float64)
    k, (height, width) = weight.shape[-1], planes.shape[1:]
    padded = np.pad(planes, ((0, 0), (k // 2, k // 2), (k // 2, k // 2)))
    sums = np.tile(tensors[f"{name}.bias"].astype(np.float64)[:, None], height * width)
    for dy, dx in np.ndindex(k, k):
        sums += weight[:, :, dy, dx] @ padded[:, dy : dy + height, dx : dx + width].reshape(len(planes), -1)
    return sums.reshape(-1, height, width)


Number = TypeVar("Number", bound=np.generic)


Whole = NDArray[np.int32]
"""Whole numbers: of int8 range where they are a plane's, of int32 range where they are sums."""


def run(network: QuantizedNetwork, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """8-bit luma Y (H, W) -> 8-bit luma (scale H, scale W): the reference, whole numbers throughout.

    Holds all features of the picture, 400 bytes or so a pixel: meant for tests and checks.
    """
    source = pixels.astype(np.int32)[None] + LOWEST
    first = features = _convolve(source, SHIFTED, network.head)
    meaning = network.head.output
    for index, convolution in enumerate(network.body):
        features, meaning = _convolve(features, meaning, convolution), convolution.output
        if network.slopes:
            features = prelu(features, meaning, network.slopes[index])
            meaning = network.slopes[index].output
    total = _add(features, meaning, first, network.head.output, network.total)
    y = _convolve(total, network.total, network.tail)
    if network.config.input_residual:
        y = _add(y, network.tail.output, source, PIXELS, PIXELS)
    return (depth_to_space(y, network.config.scale) - LOWEST).astype(np.uint8)


def _convolve(plane: Whole, meaning: Quantization, convolution: Convolution) -> Whole:
    """(c_in, H, W) -> (c_out, H, W), zeros (in real terms) beyond the border. float64 holds every sum exactly."""
    weight = convolution.weight.astype(np.float64)
    c_out, _, k, _ = weight.shape
    height, width = plane.shape[1:]
    padded = np.pad(plane - meaning.zero_point, ((0, 0), (k // 2, k // 2), (k // 2, k // 2))).astype(np.float64)
    sums = np.tile(convolution.bias[:, None].astype(np.float64), height * width)
    for dy in range(k):
        for dx in range(k):
            sums += weight[:, :, dy, dx] @ padded[:, dy : dy + height, dx : dx + width].reshape(len(plane), -1)
    factor = requantisation(convolution, meaning)
    return _requantize(sums, factor[:, None], convolution.output).reshape(c_out, height, width)


def requantisation(convolution: Convolution, meaning: Quantization) -> NDArray[np.float32]:
    """By what a convolution's sums are multiplied, float32 (c_out,); `meaning` is its input's."""
    factor: NDArray[np.float32] = (
        np.float32(meaning.scale) * convolution.weight_scale / np.float32(convolution.output.scale)
    )
    return factor


def _requantize(sums: NDArray[Any], factor: NDArray[np.float32], output: Quantization) -> Whole:
    rounded = np.rint(sums.astype(np.float32) * factor).astype(np.float64)
    clipped: Whole = np.clip(rounded + output.zero_point, LOWEST, HIGHEST).astype(np.int32)
    return clipped


def prelu(plane: Whole, meaning: Quantization, slope: Slope) -> Whole:
    """Of a plane (f, H, W): negative values times the slope; both sides then requantised."""
    values = (plane - meaning.zero_point).astype(np.int64)
    bent = slope.weight.astype(np.int64)[:, None, None] * values
    keep, bend = prelu_multipliers(meaning.scale, slope.scale, slope.output.scale)
    result = np.where(values >= 0, keep.times(values), bend.times(bent)) + slope.output.zero_point
    clipped: Whole = np.clip(result, LOWEST, HIGHEST).astype(np.int32)
    return clipped


def _add(one: Whole, meaning: Quantization, other: Whole, other_meaning: Quantization, result: Quantization) -> Whole:
    addition = Addition.of(meaning, other_meaning, result)
    u, v = (one - meaning.zero_point).astype(np.int64), (other - other_meaning.zero_point).astype(np.int64)
    total = (addition.one * u + addition.other * v + (1 << (addition.shift - 1))) >> addition.shift
    clipped: Whole = np.clip(total + result.zero_point, LOWEST, HIGHEST).astype(np.int32)
    return clipped


def depth_to_space(y: NDArray[Number], scale: int) -> NDArray[Number]:
    """(scale^2, H, W) -> (scale H, scale W): channel scale * dy + dx becomes the pixel (dy, dx) of its patch."""
    _, height, width = y.shape
    return y.reshape(scale, scale, height, width).transpose(2, 0, 3, 1).reshape(scale * height, scale * width)
