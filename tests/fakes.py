"""Stand-ins that tests share: random networks, int8 and float, made without PyTorch, and engines without a network."""

from dataclasses import dataclass, replace

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from sesr.errors import EngineError
from sesr.imaging.arrays import Luma
from sesr.network.checkpoint import Checkpoint, tensor_shapes
from sesr.network.int8 import PIXELS, SHIFTED, Quantization
from sesr.network.quantized import Convolution, QuantizedNetwork, Slope
from sesr.network.variants import SESRConfig

CONFIGS = st.builds(
    SESRConfig,
    m=st.integers(1, 4),
    f=st.integers(1, 40),
    scale=st.sampled_from((2, 3, 4)),
    activation=st.sampled_from(("prelu", "relu")),
    input_residual=st.booleans(),
)
"""Small networks of every kind."""


def scale(value: float) -> float:
    return float(np.float32(value))


def random_network(config: SESRConfig, seed: int = 0) -> QuantizedNetwork:
    """Weights such that planes use their 8 bits, some features saturate, and pixels reach both ends."""
    random = np.random.default_rng(seed)
    relu = config.activation == "relu"

    def convolution(c_in: int, c_out: int, k: int, source: Quantization, output: Quantization) -> Convolution:
        weight = random.integers(-127, 128, (c_out, c_in, k, k), np.int8)
        spread = 60 * output.scale / source.scale / (74 * 74 * np.sqrt(c_in * k * k))
        weight_scale = (spread * random.uniform(0.5, 1.5, c_out)).astype(np.float32)
        bias = random.integers(-3000, 3000, c_out, np.int32)
        return Convolution(weight, bias, weight_scale, output)

    shifted = Quantization(PIXELS.scale, 0)
    head = convolution(1, config.f, 5, shifted, Quantization(scale(0.013), -5))
    source, body, slopes = head.output, [], []
    for index in range(config.m):
        output = Quantization(scale(0.008 + 0.003 * index), -128 if relu else 10 - index)
        body.append(convolution(config.f, config.f, 3, source, output))
        source = output
        if not relu:
            source = Quantization(scale(0.009 + 0.002 * index), -40)
            slopes.append(Slope(random.integers(-127, 128, config.f, np.int8), scale(0.004), source))
    total = Quantization(scale(0.02), -30)
    last = SHIFTED if config.input_residual else PIXELS
    tail = convolution(config.f, config.scale**2, 5, total, last)
    return QuantizedNetwork(config, head, tuple(body), tuple(slopes), total, tail, {"name": "random"})


def float_network(config: SESRConfig, seed: int = 0, strength: float = 0.4) -> Checkpoint:
    """Return a float network with random weights, biases too; the weaker, the more pixels stay within the clip."""
    rng = np.random.default_rng(seed)
    shapes = tensor_shapes(config).items()
    tensors = {name: rng.normal(0, strength / np.sqrt(np.prod(shape[1:])), shape) for name, shape in shapes}
    if not config.input_residual:
        tensors["tail.bias"] += 0.5
    return Checkpoint(config, {name: array.astype(np.float32) for name, array in tensors.items()})


def calm_network(config: SESRConfig, seed: int = 0) -> QuantizedNetwork:
    """One whose last layer adds little, as a trained one's does: runtimes' roundings do not add up to steps."""
    network = random_network(config, seed)
    tail = network.tail
    return replace(network, tail=replace(tail, weight_scale=tail.weight_scale / np.float32(8)))


def picture(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    """Noise of many strengths, flat parts, and extremes at the borders."""
    random = np.random.default_rng(seed)
    values = random.integers(0, 256, (height, width)) >> (np.arange(width) // 8 % 6)
    values[height // 2 :] += 64
    values[:1], values[-1:], values[:, :1] = 255, 0, 0
    clipped: NDArray[np.uint8] = np.clip(values, 0, 255).astype(np.uint8)
    return clipped


@dataclass(frozen=True)
class Nearest:
    """An engine that repeats pixels: what is done around the network shows undisturbed."""

    scale: int = 2
    receptive_radius: int = 9
    int8: bool = False
    column_reach: int | None = None

    def run(self, luma: Luma) -> Luma:
        return luma.repeat(self.scale, axis=0).repeat(self.scale, axis=1)


@dataclass(frozen=True)
class Breaking:
    """An engine that fails at the first bright strip."""

    scale: int = 2
    receptive_radius: int = 2
    int8: bool = False
    column_reach: int | None = None

    def run(self, luma: Luma) -> Luma:
        if luma.min() > 0.9:
            raise EngineError("it broke")
        return np.ones((2 * luma.shape[0], 2 * luma.shape[1]), np.float32)
