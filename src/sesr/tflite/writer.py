"""A collapsed network as a ``.tflite`` file, float or int8, written directly.

A collapsed SESR (paper, figure 2d) needs six kinds of operator, so this module writes the file with the public schema
alone (`sesr.tflite.graph`), in milliseconds. Converters would bring gigabytes of packages and turn PReLU and
depth-to-space into chains of other operators. Nobody else checks such a graph, so every exported file is run and
compared with the network's definition (`sesr.export.verify`). The operators in order::

    shifted = ADD(input, -0.5)
    h0      = CONV_2D 5 x 5 (shifted)
    h       = m times PRELU(CONV_2D 3 x 3), or CONV_2D 3 x 3 with a fused RELU
    y       = CONV_2D 5 x 5 (ADD(h, h0))
    y       = ADD(y, input)                  one plane onto scale^2 channels; absent without input residual
    output  = DEPTH_TO_SPACE(MINIMUM(y, 1))  with a RELU fused into what made y: together the clip to [0, 1]

The int8 file has the same operators except MINIMUM: the bounds of 8 bits are the clip. It shifts by 128/255, which is
a whole number of steps (`sesr.network.quantized`).

- The shift is an operator of its own and not part of the first bias. The convolution pads the *shifted* plane with
  zeros, so the picture continues as mid-gray beyond its border, as in training.
- One RELU_0_TO_1 would clip too, but older runtimes and delegates lack it.
- TFLite's depth-to-space reads channel ``dy * scale + dx``, the order of our weights, for x4 too. The paper's code
  makes x4 by two times x2, whose 16 channels come in another order: as 2 x 2 x 2 x 2 with the two middle axes swapped.
- Some accelerators have no depth-to-space (Arm's Ethos-U, by Vela). There a transposed convolution with one-hot kernels
  computes the same. Such a file has one fixed size.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sesr.atomic import writing
from sesr.network.about import COLOR, RANGE, description, name_of
from sesr.network.checkpoint import Checkpoint
from sesr.network.int8 import PIXELS, SHIFTED, Quantization
from sesr.network.quantized import AnyNetwork, Convolution, QuantizedNetwork
from sesr.network.variants import SESRConfig
from sesr.tflite.graph import Graph


@dataclass(frozen=True)
class Layout:
    """Choices that change the file but not what it computes.

    Attributes:
        height: rows of the input when the file is opened; runtimes may resize it.
        width: columns, likewise.
        fixed: forbids resizing, as NPU compilers require.
        transposed: enlarges by a transposed convolution instead of depth-to-space; such a file is `fixed` too.
    """

    height: int = 256
    width: int = 256
    fixed: bool = False
    transposed: bool = False

    @property
    def size(self) -> tuple[int, int] | None:
        """The only (height, width) that the file accepts; None where it can be resized."""
        return (self.height, self.width) if self.fixed or self.transposed else None


DEFAULT = Layout()

VERSION = 1
"""Version of the file's metadata."""


def export_tflite(network: AnyNetwork, path: Path, layout: Layout = DEFAULT) -> None:
    """Write the network to `path`, whole or not at all. Arguments and errors as `write_tflite`'s, and `OSError`."""
    content = write_tflite(network, layout)
    with writing(path) as temporary:
        temporary.write_bytes(content)


def write_tflite(network: AnyNetwork, layout: Layout = DEFAULT) -> bytes:
    """Return the content of a `.tflite` file.

    A float network's input is luma Y/255, float32 (1, H, W, 1), and its output float32 (1, scale H, scale W, 1) in
    [0, 1]. An int8 network's are int8 of the same shapes, 8-bit luma less 128. The metadata's entry ``sesr`` holds
    config and card as in the `.safetensors`, the network's name, and a description of input and output (`_header`).

    Args:
        network: float or int8.
        layout: the size at which the file opens, and how it enlarges.

    Raises `NotInstalledError` when the extra ``export`` is not installed.
    """
    graph = Graph(layout.height, layout.width, resizable=layout.size is None)
    luma, output = _build_int8(graph, network, layout) if network.int8 else _build_float(graph, network, layout)
    return graph.finish(luma, output, _description(network), _header(network).encode())


def _build_float(graph: Graph, checkpoint: Checkpoint, layout: Layout) -> tuple[int, int]:
    """Add a float network's operators. Returns the input and the output."""
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
    residual_sum = graph.add(features, first, graph.plane("long_residual", config.f))
    y = convolution("tail", residual_sum, relu=not config.input_residual)
    if config.input_residual:
        y = graph.add(y, luma, graph.plane("input_residual", config.scale**2), relu=True)
    one = graph.constant("one", np.ones(1))
    y = graph.minimum(y, one, graph.plane("clipped", config.scale**2))
    return luma, _enlarge(graph, y, config, layout, None)


def _build_int8(graph: Graph, network: QuantizedNetwork, layout: Layout) -> tuple[int, int]:
    """Add an int8 network's operators. Returns the input and the output."""
    config = network.config

    def convolution(name: str, source: int, grid: Quantization, layer: Convolution, *, relu: bool = False) -> int:
        bias_scale = np.float32(grid.scale) * layer.weight_scale
        weight = graph.constant(f"{name}.weight", layer.weight.transpose(0, 2, 3, 1), layer.weight_scale)
        bias = graph.constant(f"{name}.bias", layer.bias, bias_scale)
        return graph.convolution(source, weight, bias, graph.plane(name, len(layer.bias), layer.output), relu=relu)

    luma = graph.plane("input", 1, PIXELS)
    shift = graph.constant("minus_128", np.full(1, -128, np.int8), np.full(1, PIXELS.scale, np.float32))
    shifted = graph.add(luma, shift, graph.plane("shifted", 1, SHIFTED))
    features = first = convolution("head", shifted, SHIFTED, network.head)
    grid = network.head.output
    for index, layer in enumerate(network.body):
        features = convolution(f"body.{index}", features, grid, layer, relu=config.activation == "relu")
        grid = layer.output
        if network.slopes:
            slope = network.slopes[index]
            alpha = graph.constant(
                f"body.{index}.slope", slope.weight.reshape(1, 1, -1), np.array([slope.scale], np.float32)
            )
            grid = slope.output
            features = graph.prelu(features, alpha, graph.plane(f"body.{index}.prelu", config.f, grid))
    residual_sum = graph.add(features, first, graph.plane("long_residual", config.f, network.residual_sum))
    y = convolution("tail", residual_sum, network.residual_sum, network.tail)
    if config.input_residual:
        y = graph.add(y, luma, graph.plane("input_residual", config.scale**2, PIXELS))
    return luma, _enlarge(graph, y, config, layout, PIXELS)


def _enlarge(graph: Graph, y: int, config: SESRConfig, layout: Layout, grid: Quantization | None) -> int:
    """Turn the channels into pixels by the operator that the layout asks for."""
    output = graph.plane("output", 1, grid, config.scale)
    if layout.transposed:
        return _depth_to_space_by_convolution(graph, y, output, config.scale, int8=grid is not None)
    return graph.depth_to_space(y, config.scale, output)


def _depth_to_space_by_convolution(graph: Graph, y: int, output: int, scale: int, *, int8: bool) -> int:
    """Add depth-to-space as a transposed convolution: kernel c is 1 at the pixel that channel c becomes, else 0."""
    one_hot = np.eye(scale**2, dtype=np.int8 if int8 else np.float32).reshape(1, scale, scale, scale**2)
    weight = graph.constant("one_hot", one_hot, np.ones(1, np.float32) if int8 else None)
    return graph.transposed_convolution(y, weight, output, scale)


def _header(network: AnyNetwork) -> str:
    """Return the file's metadata: the `.safetensors`' own entry, and what a program must know to use the file."""
    entry = json.loads(network.header())
    entry["name"] = name_of(network)
    entry["version"] = VERSION
    entry["colour"] = COLOR
    entry["range"] = RANGE
    entry["values"] = "int8: Y - 128" if network.int8 else "float32: Y / 255"
    return json.dumps(entry, sort_keys=True, ensure_ascii=False)


def _description(network: AnyNetwork) -> str:
    """Return one line for people who look at the file, "SESR-M5 x2 (m=5, f=16, relu): ..."."""
    values = "int8, luma Y - 128" if network.int8 else "luma Y/255"
    return f"{description(network)}: {values} in and out"
