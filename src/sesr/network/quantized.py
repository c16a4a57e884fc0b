"""The int8 network: its planes, its numbers and its file.

A quantized plane stores 8-bit whole numbers q that stand for ``scale * (q - zero_point)`` (`sesr.network.int8`). The
network's planes:

================  ==========================  ====================================================================
plane             made by                     scale and zero point
================  ==========================  ====================================================================
input             the picture                 1/255, -128: q = Y - 128 of 8-bit luma Y
shifted           ADD(input, -128/255)        1/255, 0: the same q. The convolution pads with the real value 0,
                                              which is q = 0 here: outside the picture lies mid-gray, exactly
head, body.i      convolutions                learned; after a ReLU the zero point is -128, so that the 8-bit
                                              lower bound *is* the ReLU
body.i.prelu      PReLU networks only         learned
total             ADD(last features, head)    learned: the long residual
tail              convolution                 as trained here 1/255, 0: whole pixel values, so that adding the input
                                              needs no second rounding; without input residual it is the output
output            ADD(tail, input)            1/255, -128: the 8-bit bounds *are* the clip to [0, 1]
================  ==========================  ====================================================================

Weights are int8 in -127..127 with one scale per output channel and zero point 0. Biases are int32 with the scale
``input scale * weight scale``. A convolution adds up exactly in int32; its sum is then *requantized*::

    q = clip(rint(float32(sum) * float32(input scale * weight scale / output scale)) + zero_point, -128, 127)

Additions and PReLU work in fixed point (`sesr.network.int8`). `sesr.network.reference.run_int8` is this arithmetic in
NumPy, slow and plain. It is the oracle for training's simulation, for exported files and for every engine. LiteRT
computes the same bits.

The file is a `.safetensors` like a float network's (`sesr.network.checkpoint`). Its header has one more key,
``planes``: scale and zero point of each learned plane by the name above.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

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
        bias: int32 (c_out,), with the scale ``input scale * weight_scale``.
        weight_scale: float32 (c_out,).
        output: the result's grid.
    """

    weight: NDArray[np.int8]
    bias: NDArray[np.int32]
    weight_scale: NDArray[np.float32]
    output: Quantization


@dataclass(frozen=True)
class Slope:
    """PReLU's slopes in whole numbers: int8 (f,) with one `scale`, and the result's grid."""

    weight: NDArray[np.int8]
    scale: float
    output: Quantization


@dataclass(frozen=True)
class QuantizedNetwork:
    """An int8 network. The module's docstring describes its planes.

    Attributes:
        config: hyper-parameters.
        head: the first convolution.
        body: the m convolutions in the middle.
        slopes: PReLU's, one for each body convolution; empty in ReLU networks.
        residual_sum: grid of the long residual, the sum of the last features and the head.
        tail: the last convolution.
        card: notes for people, as in `Checkpoint`.
        int8: tells an int8 network from a float one.
    """

    config: SESRConfig
    head: Convolution
    body: tuple[Convolution, ...]
    slopes: tuple[Slope, ...]
    residual_sum: Quantization
    tail: Convolution
    card: Card = field(default_factory=dict)
    int8: ClassVar[Literal[True]] = True

    def header(self) -> str:
        """Return config, card and the planes' grids as JSON, as the file's entry ``sesr`` holds them."""
        planes = {name: asdict(grid) for name, grid in self._planes()}
        values = {"config": asdict(self.config), "card": self.card, "planes": planes}
        return json.dumps(values, sort_keys=True, ensure_ascii=False)

    def to_bytes(self) -> bytes:
        """Return the content of the network's `.safetensors`; equal networks give equal bytes."""
        return save(dict(sorted(self._tensors())), metadata={"sesr": self.header()})

    def save(self, path: Path) -> None:
        """Write the file, whole or not at all."""
        with writing(path) as temporary:
            temporary.write_bytes(self.to_bytes())

    def _planes(self) -> Iterator[tuple[str, Quantization]]:
        for name, convolution in self._convolutions():
            yield name, convolution.output
        for index, slope in enumerate(self.slopes):
            yield f"body.{index}.prelu", slope.output
        yield "total", self.residual_sum  # the name in the file

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
    """Read an int8 network's `.safetensors`.

    Raises `WeightsError` when the file is missing, damaged or a float network, or when its tensors do not fit its
    config.
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


AnyNetwork = Checkpoint | QuantizedNetwork
"""A float network or an int8 one.

Both have `config`, `card`, `header`, `to_bytes` and `save`. `network.int8` says which of the two it is, to people and
to the type checker alike.
"""


def load_network(path: Path) -> AnyNetwork:
    """Read a network's `.safetensors`, float or int8. Raises `WeightsError`."""
    return load_quantized(path) if is_int8(path) else load_checkpoint(path)


def is_int8(path: Path) -> bool:
    """Tell whether a `.safetensors` holds an int8 network, from its header alone. Raises `WeightsError`."""
    return "planes" in read_entry(path)


def _plane_names(config: SESRConfig) -> set[str]:
    body = {f"body.{index}" for index in range(config.m)}
    activated = {f"{name}.prelu" for name in body} if config.activation == "prelu" else set()
    return {"head", *body, *activated, "total", "tail"}


def _tensor_kinds(config: SESRConfig) -> dict[str, tuple[tuple[int, ...], str]]:
    """Return the shape and type of every tensor in the file, by name."""
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
    """Raise `WeightsError` for values that no trained network has and that runtimes would trip over."""
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
    for left, right, result in additions:
        try:
            Addition.of(left, right, result)
        except UsageError as error:
            raise damaged(path, str(error)) from error
