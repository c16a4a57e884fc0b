"""A graph in ONNX Runtime, written with the helpers of the package ``onnx``."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from sesr.benchmarks.peers.graph import Array, Graph, Operation
from sesr.engines.base import import_package

ONNX = Any
"""An object of the package ``onnx``."""

_IR_VERSION, _OPSET = 9, 17  # what any runtime of the last years reads


def onnxruntime_runner(graph: Graph, threads: int) -> Callable[[Array], Array]:
    """Return the graph as a function of planes (1, channels, H, W). Raises `NotInstalledError`."""
    runtime = import_package("onnxruntime", "ONNX Runtime", "onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.add_session_config_entry("session.force_spinning_stop", "1")  # else it would slow whoever comes next
    session = runtime.InferenceSession(onnx_model(graph), options, providers=["CPUExecutionProvider"])

    def run(planes: Array) -> Array:
        (result,) = session.run(None, {"v0": planes})
        return np.asarray(result)

    return run


def onnx_model(graph: Graph) -> bytes:
    """Return the graph as an ONNX file's content, for any height and width. Raises `NotInstalledError`."""
    onnx = import_package("onnx", "ONNX", "onnx")
    helper, real = onnx.helper, onnx.TensorProto.FLOAT
    nodes, constants = [], []

    def constant(name: str, value: ArrayLike) -> str:
        constants.append(onnx.numpy_helper.from_array(np.asarray(value, np.float32), name))
        return name

    for number, step in enumerate(graph.operations, 1):
        nodes.append(_node(helper, constant, step, number, graph.scale))
    output = f"v{len(graph.operations)}"
    source = helper.make_tensor_value_info("v0", real, [1, graph.channels, "h", "w"])
    result = helper.make_tensor_value_info(output, real, [1, graph.channels, "sh", "sw"])
    body = helper.make_graph(nodes, graph.name, [source], [result], constants)
    opset = [helper.make_opsetid("", _OPSET)]
    return bytes(helper.make_model(body, ir_version=_IR_VERSION, opset_imports=opset).SerializeToString())


def _node(helper: ONNX, constant: Callable[[str, ArrayLike], str], step: Operation, number: int, scale: int) -> ONNX:
    """Return one operation as ONNX has it."""
    inputs, outputs = [f"v{source}" for source in step.sources], [f"v{number}"]
    if step.kind in ("convolution", "transposed"):
        weight, bias = step.arrays()
        inputs += [constant(f"w{number}", weight), constant(f"b{number}", bias)]
        reach = weight.shape[-1] // 2
        if step.kind == "convolution":
            return helper.make_node("Conv", inputs, outputs, pads=[reach] * 4)
        extra = {"strides": [scale] * 2, "output_padding": [scale - 1] * 2}
        return helper.make_node("ConvTranspose", inputs, outputs, pads=[reach] * 4, **extra)
    if step.kind == "prelu":
        slopes = constant(f"w{number}", step.values().reshape(-1, 1, 1))
        return helper.make_node("PRelu", [*inputs, slopes], outputs)
    if step.kind == "offset":
        return helper.make_node("Add", [*inputs, constant(f"w{number}", step.values()[0])], outputs)
    if step.kind == "shuffle":
        return helper.make_node("DepthToSpace", inputs, outputs, blocksize=scale, mode="CRD")
    if step.kind == "nearest":
        factors = constant(f"w{number}", [1, 1, scale, scale])
        modes = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        return helper.make_node("Resize", [*inputs, "", factors], outputs, **modes)
    if step.kind == "clip":
        return helper.make_node("Clip", [*inputs, constant(f"l{number}", 0), constant(f"h{number}", 1)], outputs)
    return helper.make_node({"add": "Add", "relu": "Relu"}[step.kind], inputs, outputs)
