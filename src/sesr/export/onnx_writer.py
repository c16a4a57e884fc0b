"""A network as an ``.onnx`` file, float or int8, for luma or for RGB, written directly.

ONNX opens onnxruntime on every platform, OpenVINO, chaiNNer, VapourSynth and the compilers of many NPUs. The graph is
that of `sesr.network.sesr`, node by node (`sesr.export.onnx_graph` writes them)::

    shifted = Sub(input, 0.5)
    h0      = Conv 5 x 5 (shifted)
    h       = m times PRelu or Relu of Conv 3 x 3
    y       = Conv 5 x 5 (Add(h, h0))
    y       = Add(y, input)              one plane onto scale^2 channels; absent without input residual
    output  = Clip(DepthToSpace(y))      to 0..1

The convolutions pad the *shifted* plane with zeros, so the picture continues as mid-gray beyond its border.

**int8** keeps the same nodes and puts a pair QuantizeLinear, DequantizeLinear (QDQ) behind each plane of
`sesr.network.quantized`. The shift is 128/255, and the bounds of 8 bits are ReLU and clip. Both features and weights
are *unsigned*: the int8 value plus 128, with a zero point of 128 for the weights. That is not a matter of taste. Where
x86 has no VNNI, onnxruntime multiplies unsigned by signed bytes in pairs, in 16 bits, which saturate: signed weights
give pixels that are up to 75 steps off. For unsigned weights it takes another way, which is exact with VNNI and
without. ONNX has no int8 PReLU that rounds like ours, so PReLU networks are refused in int8.

**RGB** puts color around the luma network, as `sesr.imaging.compose` does: a 1 x 1 convolution makes luma and two color
differences; these are enlarged by bicubic, which is one convolution onto scale^2 channels and a DepthToSpace, after the
plane is mirrored at its borders; another 1 x 1 convolution makes RGB. An int8 network's last convolution is not
rounded to 8 bits then.
"""

import json
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np
from numpy.typing import NDArray

from sesr.errors import ExportError
from sesr.export.onnx_graph import Graph
from sesr.imaging.color import BT601_LIMITED
from sesr.imaging.resize import imresize
from sesr.imaging.taps import KERNEL_RADIUS
from sesr.network.about import COLOR, RANGE, description, name_of
from sesr.network.checkpoint import Checkpoint
from sesr.network.int8 import LOWEST, PIXELS, SHIFTED, Addition, Quantization
from sesr.network.quantized import AnyNetwork, Convolution, QuantizedNetwork


@dataclass(frozen=True)
class ONNXLayout:
    """Choices about an ONNX file.

    Attributes:
        size: the only (height, width) that the file takes, one picture at a time; None leaves batch and size free.
        rgb: RGB in and out instead of luma.
    """

    size: tuple[int, int] | None = None
    rgb: bool = False


FREE = ONNXLayout()


def write_onnx(network: AnyNetwork, layout: ONNXLayout = FREE) -> bytes:
    """Return the content of an ``.onnx`` file.

    Its ``input`` is float32 (batch, 1, height, width), luma Y/255, and its ``output`` the same, larger, in 0..1; with
    `layout.rgb` both have three channels, R, G and B in 0..1. An int8 network's file has the same input and output. The
    metadata say what a program must know (`_notes`).

    Raises `NotInstalledError` without the extra ``onnx``, `ExportError` for int8 with PReLU.
    """
    if why := refusal(network):
        raise ExportError(f"{name_of(network)}: {why}")
    graph, scale = Graph(), network.config.scale
    luma = _luma(graph) if layout.rgb else "input"
    y = _int8(graph, network, luma, rounded=not layout.rgb) if network.int8 else _float(graph, network, luma)
    if layout.rgb:
        _rgb(graph, graph.clip(graph.depth_to_space(y, "pixels", scale), "luma_hr"), scale)
    elif network.int8:
        graph.depth_to_space(y, "output", scale)
    else:
        graph.clip(graph.depth_to_space(y, "pixels", scale), "output")
    return graph.finish(3 if layout.rgb else 1, scale, layout.size, _notes(network, layout.rgb))


def refusal(network: AnyNetwork) -> str:
    """Return why ONNX cannot hold the network, and what to do; empty if it can."""
    if network.int8 and network.slopes:
        return "int8 with PReLU, which ONNX cannot round as the network does; export it as .tflite, or train with ReLU"
    return ""


def _float(graph: Graph, checkpoint: Checkpoint, luma: str) -> str:
    """Add a float network's nodes up to depth-to-space. Returns scale^2 planes."""
    config, tensors = checkpoint.config, checkpoint.tensors

    def convolution(name: str, source: str) -> str:
        weight, bias = (graph.constant(f"{name}.{part}", tensors[f"{name}.{part}"]) for part in ("weight", "bias"))
        return graph.convolution(source, weight, bias, name, tensors[f"{name}.weight"].shape[-1])

    features = first = convolution("head", graph.subtract(luma, "shifted", 0.5))
    for index in range(config.m):
        name = f"body.{index}"
        features = convolution(name, features)
        if config.activation == "prelu":
            slope = graph.constant(f"{name}.slope", tensors[f"{name}.slope"].reshape(-1, 1, 1))
            features = graph.node("PRelu", [features, slope], f"{name}.prelu")
        else:
            features = graph.node("Relu", [features], f"{name}.relu")
    y = convolution("tail", graph.node("Add", [features, first], "long_residual"))
    return graph.node("Add", [y, luma], "input_residual") if config.input_residual else y


def _int8(graph: Graph, network: QuantizedNetwork, luma: str, *, rounded: bool) -> str:
    """Add an int8 network's nodes up to depth-to-space. Returns scale^2 planes, rounded to whole pixels or not."""
    total = graph.in_8_bits(_int8_sum(graph, network, luma), network.residual_sum)
    y = _int8_convolution(graph, "tail", total, network.residual_sum, network.tail)
    if rounded:
        y, luma = graph.in_8_bits(y, network.tail.output), graph.in_8_bits(luma, PIXELS)
    if not network.config.input_residual:
        return y
    y = graph.node("Add", [y, luma], "y")
    return graph.in_8_bits(y, PIXELS) if rounded else y


def _int8_sum(graph: Graph, network: QuantizedNetwork, luma: str) -> str:
    """Add an int8 network's nodes from luma to the long residual, the sum of the last features and the head."""
    plane, grid = graph.subtract(luma, "shifted", -LOWEST / 255), SHIFTED
    names = ["head", *(f"body.{index}" for index in range(network.config.m))]
    for name, layer in zip(names, (network.head, *network.body), strict=True):
        plane = _int8_convolution(graph, name, graph.in_8_bits(plane, grid), grid, layer)
        grid = layer.output
    left, right = _grids_of_sum(grid, network.head.output, network.residual_sum)
    last = graph.dequantize(graph.quantize(plane, grid), left, f"{plane}.t")
    head = graph.dequantize("head.q", right, "head.t")  # the whole numbers that the first body layer reads
    return graph.node("Add", [last, head], "total")


def _int8_convolution(graph: Graph, name: str, source: str, grid: Quantization, layer: Convolution) -> str:
    """Convolve a plane, whose grid is given, with unsigned weights."""
    unsigned = (layer.weight.astype(np.int16) - LOWEST).astype(np.uint8)
    weight = graph.dequantized(f"{name}.w", unsigned, layer.weight_scale)
    bias = graph.dequantized(f"{name}.b", layer.bias, np.float32(grid.scale) * layer.weight_scale)
    return graph.convolution(source, weight, bias, name, layer.weight.shape[-1])


def _grids_of_sum(left: Quantization, right: Quantization, total: Quantization) -> tuple[Quantization, Quantization]:
    """Return the grids of two planes with the scales that they have in fixed point (`sesr.network.int8.Addition`).

    These are the planes' own scales to 21 bits. With them float32 rounds the sum as the whole numbers do: for the
    shipped networks always, and else all but a few of the 65,536 pairs of numbers.
    """
    addition = Addition.of(left, right, total)
    one = np.float32(total.scale) / np.float32(2**addition.shift)
    scales = [float(np.float32(multiplier) * one) for multiplier in (addition.left, addition.right)]
    return Quantization(scales[0], left.zero_point), Quantization(scales[1], right.zero_point)


# Color


def _luma(graph: Graph) -> str:
    """Add the way from RGB to luma Y/255."""
    weights = np.array([BT601_LIMITED.kr, BT601_LIMITED.kg, BT601_LIMITED.kb]) * 219 / 255
    return _mixed(graph, "input", weights[None], np.array([16 / 255]), "luma")


def _rgb(graph: Graph, luma: str, scale: int) -> None:
    """Add the small picture's color differences, enlarged, and the way from luma and these to RGB."""
    kr, kg, kb = BT601_LIMITED.kr, BT601_LIMITED.kg, BT601_LIMITED.kb
    differences = np.array([[kg + kb, -kg, -kb], [-kr, -kg, kr + kg]])  # R - Y and B - Y
    color = _bicubic(graph, _mixed(graph, "input", differences, np.zeros(2), "differences"), scale)
    planes = graph.node("Concat", [luma, color], "planes", axis=1)
    gray = 255 / 219
    back = np.array([[gray, 1, 0], [gray, -kr / kg, -kb / kg], [gray, 0, 1]])
    graph.clip(_mixed(graph, planes, back, np.full(3, -16 / 219), "rgb"), "output")


def _mixed(graph: Graph, source: str, matrix: NDArray[np.float64], offset: NDArray[np.float64], name: str) -> str:
    """Mix the planes of each pixel by a matrix: a 1 x 1 convolution."""
    weight = graph.constant(f"{name}.weight", matrix.astype(np.float32)[:, :, None, None])
    return graph.convolution(source, weight, graph.constant(f"{name}.bias", offset.astype(np.float32)), name, 1)


def _bicubic(graph: Graph, planes: str, scale: int) -> str:
    """Enlarge two planes as `sesr.imaging.resize.upscale` does.

    Each output pixel is a sum over 5 x 5 pixels, with weights that depend on its place in its patch alone. So one
    convolution makes scale^2 planes of each, and depth-to-space lays their pixels out.
    """
    for axis in (2, 3):
        planes = _mirrored(graph, planes, axis)
    taps = _bicubic_taps(scale)
    kernel = np.einsum("yu,xv->yxuv", taps, taps).reshape(scale**2, 1, *taps.shape[1:] * 2)
    weight = graph.constant("bicubic", np.tile(kernel, (2, 1, 1, 1)).astype(np.float32))
    many = graph.node("Conv", [planes, weight], "color_patches", kernel_shape=list(kernel.shape[2:]), group=2)
    return graph.depth_to_space(many, "color", scale)


def _bicubic_taps(scale: int) -> NDArray[np.float64]:
    """Return the weights of the pixels from 2 before to 2 after, (scale, 5): what a single 1 among zeros becomes."""
    size, middle = 4 * KERNEL_RADIUS + 1, 2 * KERNEL_RADIUS
    whole = imresize(np.eye(size), size * scale, size)
    return whole[middle * scale : (middle + 1) * scale, middle - KERNEL_RADIUS : middle + KERNEL_RADIUS + 1]


def _mirrored(graph: Graph, planes: str, axis: int) -> str:
    """Continue planes by two pixels at both ends of an axis, as in a mirror: b a | a b c ... x y z | z y.

    ONNX can repeat the last pixel, which gives the inner one of the two. The outer one is third from the end of that,
    for a single pixel too.
    """
    pads = np.zeros(8, np.int64)
    pads[[axis, axis + 4]] = 1
    name = f"mirrored_{axis}"
    edged = graph.node("Pad", [planes, graph.constant(f"{name}.pads", pads)], f"{name}.edged", mode="edge")
    ends = []
    for place, (start, stop) in {"first": (2, 3), "last": (-3, -2)}.items():
        numbers = [graph.constant(f"at_{n}", np.array([n], np.int64)) for n in (start, stop, axis)]
        ends.append(graph.node("Slice", [edged, *numbers], f"{name}.{place}"))
    return graph.node("Concat", [ends[0], edged, ends[1]], name, axis=axis)


# Metadata


def _notes(network: AnyNetwork, rgb: bool) -> dict[str, str]:
    """Return the file's metadata, texts by name; card and config are JSON."""
    return {
        "name": name_of(network),
        "network": description(network),
        "version": version("sesr"),
        "color": "RGB" if rgb else COLOR,
        "range": "full, black 0 to white 1" if rgb else RANGE,
        "values": "float32: R, G, B in 0..1" if rgb else "float32: Y / 255",
        "license": str(network.card.get("licence", "not stated")),
        "card": json.dumps(network.card, sort_keys=True, ensure_ascii=False, separators=(",", ":")),
    }
