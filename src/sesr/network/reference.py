"""The network's arithmetic in plain NumPy: the oracles that every runtime is compared with.

Both networks are written out here once more, slowly and without any library's convolution. A mistake in an exporter or
an engine therefore cannot hide behind the same mistake here.

- `run_float` computes a float network in float64. Engines compute in float32 and may differ by its rounding.
- `run_int8` computes an int8 network in whole numbers (`sesr.network.quantized` defines them). Our own engine, LiteRT
  and training's simulation give the same bits.

`reference` runs either kind. All of them keep every feature of the picture in memory, some 400 bytes a pixel, so they
are meant for tests and checks.
"""

from collections.abc import Mapping
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from sesr.network.checkpoint import Checkpoint
from sesr.network.int8 import HIGHEST, LOWEST, PIXELS, SHIFTED, Addition, Quantization, prelu_multipliers
from sesr.network.quantized import AnyNetwork, Convolution, QuantizedNetwork, Slope

LumaBytes = NDArray[np.uint8]
"""8-bit luma Y, (H, W)."""

Reals = NDArray[np.float64]

Whole = NDArray[np.int32]
"""Whole numbers: within int8 in a plane, within int32 as sums."""

Number = TypeVar("Number", bound=np.generic)


def reference(network: AnyNetwork, pixels: LumaBytes) -> Reals:
    """Run a network on 8-bit luma (H, W). Returns (scale H, scale W) in steps of 1/255: whole numbers for int8."""
    if network.int8:
        return run_int8(network, pixels).astype(np.float64)
    return 255 * run_float(network, pixels.astype(np.float64) / 255)


def run_float(network: Checkpoint, luma: Reals) -> Reals:
    """Run a float network in float64 on luma Y/255, (H, W) to (scale H, scale W) in 0..1."""
    features = float_features(network, luma)
    y = _convolve_float(features[-1] + features[0], network.tensors, "tail")
    if network.config.input_residual:
        y = y + luma
    return np.clip(depth_to_space(y, network.config.scale), 0, 1)


def float_features(network: Checkpoint, luma: Reals) -> list[Reals]:
    """Return the features that a float network makes of luma Y/255 (H, W), layer by layer from the first: (f, H, W)."""
    tensors, config = network.tensors, network.config
    features = [_convolve_float(luma[None] - 0.5, tensors, "head")]
    for index in range(config.m):
        sums = _convolve_float(features[-1], tensors, f"body.{index}")
        slope = tensors[f"body.{index}.slope"][:, None, None] if config.activation == "prelu" else 0
        features.append(np.where(sums > 0, sums, slope * sums))
    return features


def run_int8(network: QuantizedNetwork, pixels: LumaBytes) -> LumaBytes:
    """Run an int8 network on 8-bit luma, (H, W) to (scale H, scale W), in whole numbers throughout."""
    source = shifted_luma(pixels)
    y = convolve(residual_sum(network, source), network.residual_sum, network.tail)
    if network.config.input_residual:
        y = add(y, network.tail.output, source, PIXELS, PIXELS)
    return (depth_to_space(y, network.config.scale) - LOWEST).astype(np.uint8)


def run_int8_unrounded(network: QuantizedNetwork, luma: Reals) -> Reals:
    """Run an int8 network without rounding its result, as on the way to RGB.

    `luma` is Y/255, (H, W), rounded to 8 bits for the convolutions alone. Returns (scale H, scale W) in 0..1: the last
    convolution's sums as real numbers, and the luma as it came.
    """
    pixels = np.clip(np.rint(255 * luma), 0, 255).astype(np.uint8)
    total = residual_sum(network, shifted_luma(pixels)) - network.residual_sum.zero_point
    sums = correlate(total.astype(np.float64), network.tail.weight.astype(np.float64), network.tail.bias.astype(float))
    y = sums * (np.float64(network.residual_sum.scale) * network.tail.weight_scale)[:, None, None]
    if network.config.input_residual:
        y = y + luma
    return np.clip(depth_to_space(y, network.config.scale), 0, 1)


def shifted_luma(pixels: LumaBytes) -> Whole:
    """Return 8-bit luma (H, W) as the int8 network's input, q = Y - 128, (1, H, W)."""
    return pixels.astype(np.int32)[None] + LOWEST


def residual_sum(network: QuantizedNetwork, source: Whole) -> Whole:
    """Run an int8 network up to its long residual, (1, H, W) to (f, H, W): the tail's input."""
    first = features = convolve(source, SHIFTED, network.head)
    grid = network.head.output
    for index, convolution in enumerate(network.body):
        features, grid = convolve(features, grid, convolution), convolution.output
        if network.slopes:
            features = prelu(features, grid, network.slopes[index])
            grid = network.slopes[index].output
    return add(features, grid, first, network.head.output, network.residual_sum)


def convolve(plane: Whole, grid: Quantization, convolution: Convolution) -> Whole:
    """Convolve a plane of an int8 network, (c_in, H, W) to (c_out, H, W).

    Args:
        plane: the input.
        grid: the input's; beyond the border lies the real value 0.
        convolution: the weights and the result's grid.
    """
    units = (plane - grid.zero_point).astype(np.float64)  # float64 holds every sum exactly
    sums = correlate(units, convolution.weight.astype(np.float64), convolution.bias.astype(np.float64))
    scaled = sums.astype(np.float32) * requant_scale(convolution, grid)[:, None, None]
    return _clip(np.rint(scaled).astype(np.float64), convolution.output)


def requant_scale(convolution: Convolution, grid: Quantization) -> NDArray[np.float32]:
    """Return what a convolution's sums are multiplied by, float32 (c_out,). `grid` is its input's."""
    scale: NDArray[np.float32] = (
        np.float32(grid.scale) * convolution.weight_scale / np.float32(convolution.output.scale)
    )
    return scale


def prelu(plane: Whole, grid: Quantization, slope: Slope) -> Whole:
    """Multiply a plane's negative values by PReLU's slopes and requantize all values, (f, H, W) to the same."""
    values = (plane - grid.zero_point).astype(np.int64)
    sloped = slope.weight.astype(np.int64)[:, None, None] * values
    positive, negative = prelu_multipliers(grid.scale, slope.scale, slope.output.scale)
    return _clip(np.where(values >= 0, positive.times(values), negative.times(sloped)), slope.output)


def add(left: Whole, left_grid: Quantization, right: Whole, right_grid: Quantization, result: Quantization) -> Whole:
    """Add two planes of an int8 network, of equal or broadcastable shapes, onto the grid `result`."""
    addition = Addition.of(left_grid, right_grid, result)
    u, v = (left - left_grid.zero_point).astype(np.int64), (right - right_grid.zero_point).astype(np.int64)
    half = 1 << (addition.shift - 1)
    return _clip((addition.left * u + addition.right * v + half) >> addition.shift, result)


def depth_to_space(y: NDArray[Number], scale: int) -> NDArray[Number]:
    """Rearrange (scale^2, H, W) to (scale H, scale W): channel scale * dy + dx becomes pixel (dy, dx) of a patch."""
    _, height, width = y.shape
    return y.reshape(scale, scale, height, width).transpose(2, 0, 3, 1).reshape(scale * height, scale * width)


def _convolve_float(planes: Reals, tensors: Mapping[str, NDArray[np.float32]], name: str) -> Reals:
    return correlate(planes, *(tensors[f"{name}.{part}"].astype(np.float64) for part in ("weight", "bias")))


def correlate(planes: Reals, weight: Reals, bias: Reals) -> Reals:
    """Convolve as networks do, without turning the kernel: (c_in, H, W) to (c_out, H, W), zeros beyond the border."""
    k, (height, width) = weight.shape[-1], planes.shape[1:]
    padded = np.pad(planes, ((0, 0), (k // 2, k // 2), (k // 2, k // 2)))
    sums = np.tile(bias[:, None], height * width)
    for dy, dx in np.ndindex(k, k):
        sums += weight[:, :, dy, dx] @ padded[:, dy : dy + height, dx : dx + width].reshape(len(planes), -1)
    return sums.reshape(-1, height, width)


def _clip(units: NDArray[np.float64] | NDArray[np.int64], grid: Quantization) -> Whole:
    """Move whole numbers of steps to a grid's zero point, and clip them to 8 bits."""
    clipped: Whole = np.clip(units + grid.zero_point, LOWEST, HIGHEST).astype(np.int32)
    return clipped
