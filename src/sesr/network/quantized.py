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
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from sesr.atomic import writing
from sesr.errors import UsageError, WeightsError
from sesr.network.checkpoint import Card, Checkpoint, damaged, load_checkpoint, read_entry, read_tensors
from sesr.network.int8 import LOWEST, PIXELS, Addition, Quantization
from sesr.network.variants import SESRConfig


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


AnyNetwork = Checkpoint | QuantizedNetwork
"""A float network or an int8 one."""
