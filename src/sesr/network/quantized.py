"""The int8 network: its numbers, its file, and the arithmetic that every runtime has to reproduce.

A quantised tensor holds 8-bit whole numbers q that mean ``scale * (q - zero_point)``. The network's planes:

================  ==========================  ====================================================================
plane             made by                     scale and zero point
================  ==========================  ====================================================================
input             the picture                 1/255, -128: q = Y - 128 of 8-bit luma Y
shifted           ADD(input, -128/255)        1/255, 0: the same q. The convolution pads with the real value 0,
                                              which is q = 0 here: outside the picture lies mid-grey, exactly
head, body.i      convolutions                learned; after a ReLU the zero point is -128, so that the 8-bit
                                              lower bound *is* the ReLU
body.i.prelu      PReLU networks only         learned
total             ADD(last features, head)    learned: the long residual
tail              convolution                 as trained here 1/255, 0: whole pixel values, so that adding the input
                                              rounds nothing again; without input residual it is the output
output            ADD(tail, input)            1/255, -128: the 8-bit bounds *are* the clip to [0, 1]
================  ==========================  ====================================================================

Weights are int8 in -127..127 with one scale per output channel and zero point 0; biases are int32 with the scale
``input scale * weight scale``. A convolution adds up exactly in int32 and is then *requantised*::

    q = clip(rint(float32(sum) * float32(input scale * weight scale / output scale)) + zero_point, -128, 127)

and an addition works in 21-bit fixed point, as XNNPACK's does (`Addition`); PReLU works in 31-bit fixed point and
rounds twice, as TFLite's kernel does (`Multiplier`). `run` below is this arithmetic in NumPy, slow and plain: the
oracle that training's simulation, the exported file and every engine are tested against. LiteRT gives the same bits.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from sesr.atomic import writing
from sesr.errors import UsageError, WeightsError
from sesr.network.checkpoint import Card, Checkpoint, damaged, load_checkpoint, read_entry, read_tensors
from sesr.network.variants import SESRConfig

Number = TypeVar("Number", bound=np.generic)
Integers = TypeVar("Integers", bound=Any)
"""An array or a tensor of whole numbers."""

Whole = NDArray[np.int32]
"""Whole numbers: of int8 range where they are a plane's, of int32 range where they are sums."""

LOWEST, HIGHEST = -128, 127


@dataclass(frozen=True)
class Quantization:
    """What the 8-bit numbers of a plane mean: ``scale * (q - zero_point)``; `scale` is a float32 value."""

    scale: float
    zero_point: int

    def __post_init__(self) -> None:
        if not (np.isfinite(self.scale) and self.scale > 0 and self.scale == float(np.float32(self.scale))):
            raise UsageError(f"a scale must be a positive float32, not {self.scale!r}")
        if type(self.zero_point) is not int or not LOWEST <= self.zero_point <= HIGHEST:
            raise UsageError(f"a zero point must be a whole number in -128..127, not {self.zero_point!r}")


PIXELS = Quantization(float(np.float32(1 / 255)), -128)
"""Of input and output: q = pixel - 128."""

SHIFTED = Quantization(PIXELS.scale, 0)
"""Of the input after 128/255 is taken off, and of what is added to the input."""


@dataclass(frozen=True)
class Convolution:
    """A k x k convolution in whole numbers.

    Attributes:
        weight: int8 (c_out, c_in, k, k), in -127..127.
        bias: int32 (c_out,), of scale ``input scale * weight_scale``.
        weight_scale: float32 (c_out,).
        output: what its result means.
    """

    weight: NDArray[np.int8]
    bias: NDArray[np.int32]
    weight_scale: NDArray[np.float32]
    output: Quantization


@dataclass(frozen=True)
class Slope:
    """PReLU's slope in whole numbers: int8 (f,) with one scale, and what its result means."""

    weight: NDArray[np.int8]
    scale: float
    output: Quantization


@dataclass(frozen=True)
class QuantizedNetwork:
    """An int8 network: see the module for what its planes mean.

    Attributes:
        config: hyper-parameters.
        head: the first convolution.
        body: the m convolutions in the middle.
        slopes: PReLU's, one a body convolution; none in ReLU networks.
        total: what the sum of the last features and the head means.
        tail: the last convolution.
        card: what its maker says about it.
    """

    config: SESRConfig
    head: Convolution
    body: tuple[Convolution, ...]
    slopes: tuple[Slope, ...]
    total: Quantization
    tail: Convolution
    card: Card = field(default_factory=dict)

    def header(self) -> str:
        """Config, card and the planes' meaning as JSON, as the file's entry ``sesr`` holds them."""
        planes = {name: asdict(plane) for name, plane in self._planes()}
        values = {"config": asdict(self.config), "card": self.card, "planes": planes}
        return json.dumps(values, sort_keys=True, ensure_ascii=False)

    def to_bytes(self) -> bytes:
        """The content of its `.safetensors`; equal networks give equal bytes."""
        return save(dict(sorted(self._tensors())), metadata={"sesr": self.header()})

    def save(self, path: Path) -> None:
        """Writes the file, whole or not at all."""
        with writing(path) as temporary:
            temporary.write_bytes(self.to_bytes())

    def _planes(self) -> Iterator[tuple[str, Quantization]]:
        for name, convolution in self._convolutions():
            yield name, convolution.output
        for index, slope in enumerate(self.slopes):
            yield f"body.{index}.prelu", slope.output
        yield "total", self.total

    def _convolutions(self) -> Iterator[tuple[str, Convolution]]:
        yield "head", self.head
        yield from ((f"body.{index}", convolution) for index, convolution in enumerate(self.body))
        yield "tail", self.tail

    def _tensors(self) -> Iterator[tuple[str, NDArray[Any]]]:
        for name, convolution in self._convolutions():
            yield f"{name}.weight", np.ascontiguousarray(convolution.weight)
            yield f"{name}.bias", convolution.bias
            yield f"{name}.weight_scale", convolution.weight_scale
        for index, slope in enumerate(self.slopes):
            yield f"body.{index}.slope", slope.weight
            yield f"body.{index}.slope_scale", np.array([slope.scale], np.float32)


def load_quantized(path: Path) -> QuantizedNetwork:
    """Reads an int8 network's `.safetensors`.

    Raises `WeightsError` when it is missing, damaged, a float network, or when its tensors do not fit its config.
    """
    header = read_entry(path)
    if "planes" not in header:
        raise WeightsError(f"{path}: a float network, not an int8 one; train it with --quant-w --quant-a")
    try:
        config, card = SESRConfig(**header["config"]), dict(header["card"])
        planes = {name: Quantization(**plane) for name, plane in header["planes"].items()}
    except (ValueError, TypeError, KeyError, AttributeError, UsageError) as error:
        raise damaged(path, f"its header: {error}") from error
    tensors = read_tensors(path, _tensor_kinds(config))
    wanted = _plane_names(config)
    if planes.keys() != wanted:
        raise damaged(path, f"its header names the planes {sorted(planes)}, should be {sorted(wanted)}")
    _check_values(path, config, tensors, planes)

    def convolution(name: str) -> Convolution:
        weight, bias, scale = (tensors[f"{name}.{kind}"] for kind in ("weight", "bias", "weight_scale"))
        return Convolution(weight, bias, scale, planes[name])

    body = tuple(convolution(f"body.{index}") for index in range(config.m))
    slopes = tuple(
        Slope(
            tensors[f"body.{index}.slope"],
            float(tensors[f"body.{index}.slope_scale"][0]),
            planes[f"body.{index}.prelu"],
        )
        for index in range(config.m if config.activation == "prelu" else 0)
    )
    return QuantizedNetwork(config, convolution("head"), body, slopes, planes["total"], convolution("tail"), card)


def load_network(path: Path) -> Checkpoint | QuantizedNetwork:
    """Reads a network's `.safetensors`, float or int8. Raises `WeightsError`."""
    return load_quantized(path) if is_int8(path) else load_checkpoint(path)


def is_int8(path: Path) -> bool:
    """Whether a `.safetensors` says that it holds an int8 network. Raises `WeightsError`."""
    return "planes" in read_entry(path)


def _plane_names(config: SESRConfig) -> set[str]:
    body = {f"body.{index}" for index in range(config.m)}
    activated = {f"{name}.prelu" for name in body} if config.activation == "prelu" else set()
    return {"head", *body, *activated, "total", "tail"}


def _tensor_kinds(config: SESRConfig) -> dict[str, tuple[tuple[int, ...], str]]:
    f, outputs = config.f, config.scale**2
    shapes = {"head": (f, 1, 5, 5), "tail": (outputs, f, 5, 5)}
    shapes |= {f"body.{index}": (f, f, 3, 3) for index in range(config.m)}
    kinds: dict[str, tuple[tuple[int, ...], str]] = {}
    for name, shape in shapes.items():
        kinds[f"{name}.weight"] = shape, "int8"
        kinds[f"{name}.bias"] = shape[:1], "int32"
        kinds[f"{name}.weight_scale"] = shape[:1], "float32"
    for index in range(config.m if config.activation == "prelu" else 0):
        kinds[f"body.{index}.slope"] = (f,), "int8"
        kinds[f"body.{index}.slope_scale"] = (1,), "float32"
    return kinds


def _check_values(
    path: Path, config: SESRConfig, tensors: dict[str, NDArray[Any]], planes: dict[str, Quantization]
) -> None:
    """Raises `WeightsError` for values that no trained network has and that runtimes would trip over."""
    for name, tensor in tensors.items():
        if name.endswith("scale") and not (np.isfinite(tensor).all() and (tensor > 0).all()):
            raise damaged(path, f"{name} is not positive and finite throughout")
        if name.endswith((".weight", ".slope")) and (tensor == LOWEST).any():
            raise damaged(path, f"{name} holds -128; weights lie in -127..127")
    for index in range(config.m):
        last = f"body.{index}.prelu" if config.activation == "prelu" else f"body.{index}"
        if config.activation == "relu" and planes[last].zero_point != LOWEST:
            raise damaged(path, f"plane {last} follows a ReLU; its zero point must be -128")
    if not config.input_residual and planes["tail"] != PIXELS:
        raise damaged(path, "plane tail is the output; it must have scale 1/255 and zero point -128")
    additions = [(planes[last], planes["head"], planes["total"])]
    if config.input_residual:
        additions.append((planes["tail"], PIXELS, PIXELS))
    for one, other, result in additions:
        try:
            Addition.of(one, other, result)
        except UsageError as error:
            raise damaged(path, str(error)) from error


@dataclass(frozen=True)
class Addition:
    """The sum of two planes in fixed point: ``(one * u + other * v + half) >> shift``, u and v less their zero points.

    `one` and `other` are the planes' scales over the result's, as whole numbers of 21 bits at most: the larger has
    exactly 21. So XNNPACK computes it; every other way of rounding gives other bits now and then.
    """

    one: int
    other: int
    shift: int

    @classmethod
    def of(cls, one: Quantization, other: Quantization, result: Quantization) -> "Addition":
        """The multipliers for three planes. Raises `UsageError` for scales too far apart: beyond 1/1024 and 256."""
        ratios = [np.float32(plane.scale) / np.float32(result.scale) for plane in (one, other)]
        largest = max(ratios)
        if not 2.0**-10 <= largest < 2.0**8:
            raise UsageError(f"two planes are added whose scales are {largest:g} times the result's")
        shift = 20 - int(np.frexp(largest)[1] - 1)
        first, second = (int(np.rint(np.float64(ratio) * 2.0**shift)) for ratio in ratios)
        return cls(first, second, shift)


@dataclass(frozen=True)
class Multiplier:
    """Multiplication by a positive real in 31-bit fixed point: ``factor / 2^31 * 2^shift``, rounded twice.

    First to a whole number by the factor alone, half up, then by the shift, half away from zero: so TFLite's kernels
    without XNNPACK do it, and PReLU has no other.
    """

    factor: int
    shift: int

    @classmethod
    def of(cls, real: float) -> "Multiplier":
        """The nearest factor of 31 bits, between a half and one, and its shift."""
        mantissa, exponent = np.frexp(np.float64(real))
        factor = int(np.floor(mantissa * 2.0**31 + 0.5))
        return cls(factor >> 1, int(exponent) + 1) if factor == 1 << 31 else cls(factor, int(exponent))

    def times(self, values: Integers) -> Integers:
        """Of whole numbers in 64 bits, an array or a tensor."""
        high = ((values << max(self.shift, 0)) * self.factor + (1 << 30)) >> 31
        right = max(-self.shift, 0)
        result: Integers = (high + (1 << right - 1) + (high >> 63)) >> right if right else high
        return result


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


def prelu_multipliers(source: float, slope: float, output: float) -> tuple[Multiplier, Multiplier]:
    """For what PReLU keeps and for what it bends, from the scales of its input, its slopes and its output."""
    keep = np.float32(source) / np.float32(output)
    bend = np.float32(source) * np.float32(slope) / np.float32(output)
    return Multiplier.of(float(keep)), Multiplier.of(float(bend))


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
