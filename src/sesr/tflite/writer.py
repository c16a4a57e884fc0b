"""A collapsed network as a ``.tflite`` file, float or int8, written directly.

A collapsed SESR (paper, figure 2d) needs six kinds of operator, so the file is written here with the public schema
alone (`sesr.tflite.graph`), in milliseconds. Converters would bring gigabytes of packages and turn PReLU and
depth-to-space into chains of other operators. Nobody else checks such a graph, so every exported file is run in LiteRT
and OpenVINO, as far as they are at hand, and compared (`sesr.export.verify`). In order::

    shifted = ADD(input, -0.5)
    h0      = CONV_2D 5 x 5 (shifted)
    h       = m times PRELU(CONV_2D 3 x 3), or CONV_2D 3 x 3 with a fused RELU
    y       = CONV_2D 5 x 5 (ADD(h, h0))
    y       = ADD(y, input)                  one plane onto scale^2 channels; absent without input residual
    output  = DEPTH_TO_SPACE(MINIMUM(y, 1))  with a RELU fused into what made y: together the clip to [0, 1]

The int8 file has the same operators less MINIMUM: the bounds of 8 bits are the clip. It shifts by 128/255, which is a
whole number of its units (`sesr.network.quantized`).

- The shift is an operator of its own, not folded into the first bias: the convolution pads the *shifted* plane with
  zeros, so the picture continues as mid-grey beyond its border, in training and here alike.
- One RELU_0_TO_1 would clip too, but older runtimes and delegates lack it.
- TFLite's depth-to-space reads channel ``dy * scale + dx``, as our weights have it, for x4 too. The paper's code does
  x4 as two times x2, whose 16 channels come in another order: as 2 x 2 x 2 x 2, with the two axes in the middle
  swapped.
- Some accelerators have no depth-to-space (Arm's Ethos-U, by Vela). A transposed convolution with one-hot kernels does
  the same there; its file has one size for good.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sesr.atomic import writing
from sesr.network.checkpoint import Checkpoint
from sesr.network.int8 import PIXELS, SHIFTED, Quantization
from sesr.network.quantized import AnyNetwork, Convolution, QuantizedNetwork
from sesr.network.variants import VARIANTS, SESRConfig
from sesr.tflite.graph import Graph


@dataclass(frozen=True)
class Layout:
    """What a file may vary.

    Attributes:
        height: rows of the input as the file opens; runtimes may resize it to any other.
        width: columns, likewise.
        fixed: has this size for good; NPU compilers want that.
        transposed: enlarges by a transposed convolution instead of depth-to-space; such a file is `fixed` too.
    """

    height: int = 256
    width: int = 256
    fixed: bool = False
    transposed: bool = False

    @property
    def size(self) -> tuple[int, int] | None:
        """The only (height, width) that the file takes; None where it can be resized."""
        return (self.height, self.width) if self.fixed or self.transposed else None


DEFAULT = Layout()

VERSION = 1
"""Of what stands in a file's metadata."""


def export_tflite(network: AnyNetwork, path: Path, layout: Layout = DEFAULT) -> None:
    """Writes the network to `path`, whole or not at all. Arguments and errors as `write_tflite`'s, and `OSError`."""
    content = write_tflite(network, layout)
    with writing(path) as temporary:
        temporary.write_bytes(content)


def write_tflite(network: AnyNetwork, layout: Layout = DEFAULT) -> bytes:
    """The content of a `.tflite` file.

    A float network's input is luma Y/255, float32 (1, H, W, 1), its output float32 (1, scale H, scale W, 1) in [0, 1].
    An int8 network's are int8 of the same shapes, 8-bit luma less 128. Config and card stand in the file's metadata,
    entry ``sesr``, as in the `.safetensors`, with the network's name and what input and output mean beside (`_header`).

    Args:
        network: float or int8.
        layout: the size at which the file opens, and how it enlarges.

    Raises `NotInstalledError` when the extra ``export`` is not installed.
    """
    graph = Graph(layout.height, layout.width, resizable=layout.size is None)
    int8 = isinstance(network, QuantizedNetwork)
    if isinstance(network, QuantizedNetwork):
        luma, output = _build_int8(graph, network, layout)
    else:
        luma, output = _build_float(graph, network, layout)
    return graph.finish(luma, output, _description(network.config, int8), _header(network, int8).encode())


def _build_float(graph: Graph, checkpoint: Checkpoint, layout: Layout) -> tuple[int, int]:
    """Adds a float network's operators; returns input and output."""
    config, tensors = checkpoint.config, checkpoint.tensors

    def convolution(name: str, source: int, *, relu: bool = False) -> int:
        weight = graph.constant(f"{name}.weight", tensors[f"{name}.weight"].transpose(0, 2, 3, 1))
        bias = graph.constant(f"{name}.bias", tensors[f"{name}.bias"])
        output = graph.plane(name, len(tensors[f"{name}.bias"]))
        return graph.convolution(source, weight, bias, output, relu=relu)

    luma = graph.plane("input", 1)
    minus_half = graph.constant("minus_half", np.full(1, -0.5))
    features = first = convolution("head", graph.add(luma, minus_half, graph.plane("shifted", 1)))
    for index in range(config.m):
        features = convolution(f"body.{index}", features, relu=config.activation == "relu")
        if config.activation == "prelu":
            slope = graph.constant(f"body.{index}.slope", tensors[f"body.{index}.slope"].reshape(1, 1, -1))
            features = graph.prelu(features, slope, graph.plane(f"body.{index}.prelu", config.f))
    total = graph.add(features, first, graph.plane("long_residual", config.f))
    y = convolution("tail", total, relu=not config.input_residual)
    if config.input_residual:
        y = graph.add(y, luma, graph.plane("input_residual", config.scale**2), relu=True)
    one = graph.constant("one", np.ones(1))
    y = graph.minimum(y, one, graph.plane("clipped", config.scale**2))
    return luma, _enlarge(graph, y, config, layout, None)


def _build_int8(graph: Graph, network: QuantizedNetwork, layout: Layout) -> tuple[int, int]:
    """Adds an int8 network's operators; returns input and output."""
    config = network.config

    def convolution(name: str, source: int, meaning: Quantization, made: Convolution, *, relu: bool = False) -> int:
        bias_scale = np.float32(meaning.scale) * made.weight_scale
        weight = graph.constant(f"{name}.weight", made.weight.transpose(0, 2, 3, 1), made.weight_scale)
        bias = graph.constant(f"{name}.bias", made.bias, bias_scale)
        return graph.convolution(source, weight, bias, graph.plane(name, len(made.bias), made.output), relu=relu)

    luma = graph.plane("input", 1, PIXELS)
    shift = graph.constant("minus_128", np.full(1, -128, np.int8), np.full(1, PIXELS.scale, np.float32))
    shifted = graph.add(luma, shift, graph.plane("shifted", 1, SHIFTED))
    features = first = convolution("head", shifted, SHIFTED, network.head)
    meaning = network.head.output
    for index, made in enumerate(network.body):
        features = convolution(f"body.{index}", features, meaning, made, relu=config.activation == "relu")
        meaning = made.output
        if network.slopes:
            slope = network.slopes[index]
            alpha = graph.constant(
                f"body.{index}.slope", slope.weight.reshape(1, 1, -1), np.array([slope.scale], np.float32)
            )
            meaning = slope.output
            features = graph.prelu(features, alpha, graph.plane(f"body.{index}.prelu", config.f, meaning))
    total = graph.add(features, first, graph.plane("long_residual", config.f, network.total))
    y = convolution("tail", total, network.total, network.tail)
    if config.input_residual:
        y = graph.add(y, luma, graph.plane("input_residual", config.scale**2, PIXELS))
    return luma, _enlarge(graph, y, config, layout, PIXELS)


def _enlarge(graph: Graph, y: int, config: SESRConfig, layout: Layout, meaning: Quantization | None) -> int:
    output = graph.plane("output", 1, meaning, config.scale)
    if layout.transposed:
        return _spread(graph, y, output, config.scale, int8=meaning is not None)
    return graph.depth_to_space(y, config.scale, output)


def _spread(graph: Graph, y: int, output: int, scale: int, *, int8: bool) -> int:
    """Depth-to-space as a transposed convolution whose kernels are one-hot."""
    one_hot = np.eye(scale**2, dtype=np.int8 if int8 else np.float32).reshape(1, scale, scale, scale**2)
    weight = graph.constant("one_hot", one_hot, np.ones(1, np.float32) if int8 else None)
    return graph.transposed_convolution(y, weight, output, scale)


def _header(network: AnyNetwork, int8: bool) -> str:
    """The file's metadata: the `.safetensors`' own entry, and what a program must know to use the file."""
    entry = json.loads(network.header())
    entry["name"] = network.card.get("name", network.config.name)
    entry["version"] = VERSION
    entry["colour"] = "luma Y of ITU-R BT.601"
    entry["range"] = "limited, black 16 to white 235"
    entry["values"] = "int8: Y - 128" if int8 else "float32: Y / 255"
    return json.dumps(entry, sort_keys=True, ensure_ascii=False)


def _description(config: SESRConfig, int8: bool) -> str:
    paper = config.name.partition("-")[0]
    name = f"SESR-{paper.upper()}" if paper in VARIANTS else "SESR"
    residual = "" if config.input_residual else ", no input residual"
    kind = f"m={config.m}, f={config.f}, {config.activation}{residual}"
    values = "int8, luma Y - 128" if int8 else "luma Y/255"
    return f"{name} x{config.scale} ({kind}): {values} in and out"
