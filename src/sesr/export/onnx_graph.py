"""An ``.onnx`` file under construction: constants and nodes of a SESR network.

An ONNX file is one protobuf: a list of nodes that name tensors, and the constants among them. The package ``onnx`` has
the classes and a checker; `sesr.export.onnx` says which nodes a network needs. Three choices keep the file portable:

- Opset 17 and IR version 8, of 2022: older runtimes read them, and newer ones read them too.
- Equal constants stand in the file once, whatever their names. Names are short: of an int8 network's file, names and
  nodes are a quarter.
- The checker runs over every file, with shape inference in its strict form.
"""

from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sesr.engines.base import import_package
from sesr.network.int8 import LOWEST, Quantization

ONNX = Any
"""An object of the package ``onnx``."""

OPSET, IR_VERSION = 17, 8

BATCH = "batch"
"""Name of the free first dimension."""


def import_onnx() -> ONNX:
    """Import the package ``onnx``. Raises `NotInstalledError` without the extra ``onnx``."""
    return import_package("onnx", "ONNX", "sesr[onnx]")


class Graph:
    """An ONNX model under construction. Tensors are passed around by their names.

    Raises `NotInstalledError` without the extra ``onnx``.
    """

    def __init__(self) -> None:
        self.onnx = import_onnx()
        self._nodes: list[ONNX] = []
        self._constants: list[ONNX] = []
        self._known: dict[tuple[str, tuple[int, ...], bytes], str] = {}

    def constant(self, name: str, value: NDArray[Any] | np.generic) -> str:
        """Add a tensor of fixed values, unless there is an equal one. Returns the name to use."""
        array = np.ascontiguousarray(value).reshape(np.shape(value))  # a scalar stays one
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._known:
            self._constants.append(self.onnx.numpy_helper.from_array(array, name))
            self._known[key] = name
        return self._known[key]

    def node(self, kind: str, inputs: list[str], output: str, **attributes: object) -> str:
        """Add a node with one output, and return that."""
        self._nodes.append(self.onnx.helper.make_node(kind, inputs, [output], **attributes))
        return output

    def convolution(self, source: str, weight: str, bias: str, output: str, k: int) -> str:
        """Convolve with a k x k kernel without changing the size, with zeros beyond the border."""
        return self.node("Conv", [source, weight, bias], output, kernel_shape=[k, k], pads=[k // 2] * 4)

    def depth_to_space(self, source: str, output: str, scale: int) -> str:
        """Turn channel ``scale * dy + dx`` of each pixel into the pixel (dy, dx) of its patch; planes stay apart."""
        return self.node("DepthToSpace", [source], output, blocksize=scale, mode="CRD")

    def clip(self, source: str, output: str) -> str:
        """Clip to 0..1."""
        return self.node("Clip", [source, self._real("zero", 0), self._real("one", 1)], output)

    def subtract(self, source: str, output: str, number: float) -> str:
        """Subtract one number from every value."""
        return self.node("Sub", [source, self._real("shift", number)], output)

    def quantize(self, source: str, grid: Quantization) -> str:
        """Round a plane to the whole numbers of its 8-bit grid. They are stored as uint8, int8 and 128 more."""
        return self.node("QuantizeLinear", [source, *self._grid(grid)], f"{source}.q")

    def dequantize(self, plane: str, grid: Quantization, name: str) -> str:
        """Turn whole numbers of a grid into the real numbers that they stand for."""
        return self.node("DequantizeLinear", [plane, *self._grid(grid)], name)

    def in_8_bits(self, source: str, grid: Quantization) -> str:
        """Round a plane to a grid, and return it as real numbers again."""
        return self.dequantize(self.quantize(source, grid), grid, f"{source}.r")

    def dequantized(self, name: str, values: NDArray[Any], scales: NDArray[np.float32]) -> str:
        """Add constants as whole numbers, with a scale for each entry along the first axis.

        The zero point of uint8 is 128, that of other types is 0.
        """
        inputs = [self.constant(name, values), self.constant(f"{name}.s", scales)]
        if values.dtype == np.uint8:
            inputs.append(self.constant(f"z{len(scales)}x", np.full(scales.shape, -LOWEST, np.uint8)))
        return self.node("DequantizeLinear", inputs, f"{name}.r", axis=0)

    def finish(self, channels: int, scale: int, size: tuple[int, int] | None, notes: dict[str, str]) -> bytes:
        """Return the file's content, checked.

        Args:
            channels: planes of ``input`` and ``output``.
            scale: how many times larger the output is.
            size: the only (height, width) that the file takes, for one picture at a time; None leaves all three free.
            notes: the file's metadata.
        """
        helper, real = self.onnx.helper, self.onnx.TensorProto.FLOAT
        small = (1, channels, *size) if size else (BATCH, channels, "height", "width")
        large = (*small[:2], *(n * scale if isinstance(n, int) else f"{scale}*{n}" for n in small[2:]))
        source, result = (
            helper.make_tensor_value_info(name, real, shape) for name, shape in (("input", small), ("output", large))
        )
        graph = helper.make_graph(self._nodes, "sesr", [source], [result], self._constants)
        opset = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(graph, ir_version=IR_VERSION, opset_imports=opset)
        model.producer_name, model.producer_version = "sesr", version("sesr")
        helper.set_model_props(model, notes)
        self.onnx.checker.check_model(model, full_check=True)
        return bytes(model.SerializeToString(deterministic=True))

    def _grid(self, grid: Quantization) -> list[str]:
        zero_point = np.uint8(grid.zero_point - LOWEST)
        return [self._real(f"s{len(self._constants)}", grid.scale), self.constant(f"z{zero_point}", zero_point)]

    def _real(self, name: str, number: float) -> str:
        return self.constant(name, np.float32(number))
