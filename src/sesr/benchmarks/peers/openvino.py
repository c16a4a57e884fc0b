"""A graph in OpenVINO, built with its own operators."""

from collections.abc import Callable

import numpy as np

from sesr.benchmarks.peers.graph import Array, Graph, Operation
from sesr.engines.base import import_package
from sesr.engines.openvino import OpenVINO

_SETTINGS = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}


def openvino_runner(graph: Graph, threads: int) -> Callable[[Array], Array]:
    """Return the graph as a function of planes (1, channels, H, W). Raises `NotInstalledError`."""
    openvino = import_package("openvino", "OpenVINO", "sesr[openvino]")
    opset = import_package("openvino.opset13", "OpenVINO", "sesr[openvino]")
    source = opset.parameter([1, graph.channels, -1, -1], np.float32)
    values = [source]
    for step in graph.operations:
        values.append(_operator(opset, step, [values[number] for number in step.sources], graph.scale))
    model = openvino.Model([values[-1]], [source], graph.name)
    settings = {**_SETTINGS, "INFERENCE_NUM_THREADS": threads}
    request = openvino.Core().compile_model(model, "CPU", settings).create_infer_request()

    def run(planes: Array) -> Array:
        request.infer([openvino.Tensor(planes, shared_memory=True)])
        return np.array(request.get_output_tensor().data)

    return run


def _operator(opset: OpenVINO, step: Operation, inputs: list[OpenVINO], scale: int) -> OpenVINO:
    """Return one operation as OpenVINO has it."""
    (first, *_) = inputs
    if step.kind in ("convolution", "transposed"):
        weight, bias = step.arrays()
        pads = [weight.shape[-1] // 2] * 2
        if step.kind == "convolution":
            sums = opset.convolution(first, weight, [1, 1], pads, pads, [1, 1])
        else:
            extra = [scale - 1] * 2
            strides = [scale, scale]
            sums = opset.convolution_backprop_data(
                first, weight, strides, pads_begin=pads, pads_end=pads, output_padding=extra
            )
        return opset.add(sums, bias.reshape(1, -1, 1, 1))
    if step.kind == "prelu":
        return opset.prelu(first, step.values())
    if step.kind == "relu":
        return opset.relu(first)
    if step.kind == "offset":
        return opset.add(first, step.values())
    if step.kind == "add":
        return opset.add(*inputs)
    if step.kind == "shuffle":
        return opset.depth_to_space(first, "depth_first", scale)
    if step.kind == "clip":
        return opset.clamp(first, 0.0, 1.0)
    factors, axes = np.array([scale, scale], np.float32), np.array([2, 3], np.int64)
    modes = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    return opset.interpolate(first, factors, "nearest", "scales", axes=axes, **modes)
