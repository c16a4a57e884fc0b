"""A ``.tflite`` file under construction: tensors, constants and the operators of a SESR network.

A `.tflite` file is one flatbuffer: a table of constant buffers, a table of tensors, and operators that name tensors by
number. This module writes it with the public schema alone, in milliseconds. `sesr.tflite.writer` says which operators a
network needs. Four choices keep the file portable:

- Operators carry the lowest version that exists for their types, because runtimes refuse versions they do not know.
  (Int8 depth-to-space should be version 2 and is 1 here: some runtimes register only that, and all of them run it.)
- Height and width are marked free in the shape signature, so `resize_tensor_input` and OpenVINO's `reshape` work.
- Constants lie at multiples of 16 bytes, where runtimes on ARM want them. Equal networks give equal bytes.
- A checksum follows the flatbuffer (`sesr.tflite.file`).

Needs the extra ``export``: flatbuffers, and the schema that ai-edge-litert carries.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sesr.network.int8 import Quantization
from sesr.tflite.file import TFLite, sealed, tflite_libraries

_FREE = -1
_ALIGNMENT = 16
_SCHEMA_VERSION = 3
_IDENTIFIER = b"TFL3"
_INT8_VERSIONS = {"CONV_2D": 3, "ADD": 2, "TRANSPOSE_CONV": 2}
"""Versions of the operators whose version 1 is for float32 alone."""


class Graph:
    """A TFLite model under construction. Tensors are passed around as their numbers.

    Args:
        height: rows of the input as the file opens.
        width: columns, likewise.
        resizable: whether the file may be opened at other sizes.

    Raises `NotInstalledError` when the extra ``export`` is not installed.
    """

    def __init__(self, height: int, width: int, *, resizable: bool = True) -> None:
        self.schema, self.flatbuffers = tflite_libraries()
        self.size, self.resizable = (height, width), resizable
        self.model = self.schema.ModelT()
        self.graph = self.schema.SubGraphT()
        self.graph.tensors, self.graph.operators = [], []
        self.model.buffers, self.model.operatorCodes = [self.schema.BufferT()], []  # buffer 0 is empty by convention

    def constant(self, name: str, value: NDArray[Any], scales: NDArray[np.float32] | None = None, axis: int = 0) -> int:
        """Add a tensor of fixed values.

        Args:
            name: the tensor's name.
            value: int8, int32 or any float type, which becomes float32.
            scales: for quantized values: one scale, or one for each entry along `axis`. Zero points are 0.
            axis: the axis that `scales` runs along.
        """
        kinds = {"i1": self.schema.TensorType.INT8, "i4": self.schema.TensorType.INT32}
        code = value.dtype.str[1:] if value.dtype.str[1:] in kinds else "f4"
        array = np.ascontiguousarray(value, f"<{code}")
        kind = kinds.get(code, self.schema.TensorType.FLOAT32)
        number = self._tensor(name, list(array.shape), kind, self._buffer(array.tobytes()))
        if scales is not None:
            self._quantize(number, [float(scale) for scale in scales], 0, axis)
        return number

    def plane(self, name: str, channels: int, grid: Quantization | None = None, scale: int = 1) -> int:
        """Add a computed tensor with `scale` times the input's height and width: int8 with a `grid`, else float32."""
        height, width = self.size
        shape = [1, height * scale, width * scale, channels]
        kind = self.schema.TensorType.FLOAT32 if grid is None else self.schema.TensorType.INT8
        number = self._tensor(name, shape, kind, 0)
        if self.resizable:
            self.graph.tensors[number].shapeSignature = [1, _FREE, _FREE, channels]
        if grid is not None:
            self._quantize(number, [grid.scale], grid.zero_point, 0)
        return number

    def convolution(self, source: int, weight: int, bias: int, output: int, *, relu: bool = False) -> int:
        """Convolve without changing the size, with zeros beyond the border. Kernels are (out, k, k, in)."""
        options = self.schema.Conv2DOptionsT()
        options.padding = self.schema.Padding.SAME
        options.strideH = options.strideW = 1
        options.fusedActivationFunction = self._fused(relu)
        return self._operator("CONV_2D", [source, weight, bias], output, options)

    def add(self, left: int, right: int, output: int, *, relu: bool = False) -> int:
        """Add two planes, or a plane and a constant."""
        options = self.schema.AddOptionsT()
        options.fusedActivationFunction = self._fused(relu)
        return self._operator("ADD", [left, right], output, options)

    def prelu(self, source: int, slope: int, output: int) -> int:
        """Apply PReLU with one slope for each channel, (1, 1, C)."""
        return self._operator("PRELU", [source, slope], output)

    def minimum(self, source: int, bound: int, output: int) -> int:
        """Clip a plane's values to at most a constant."""
        return self._operator("MINIMUM", [source, bound], output, self.schema.MaximumMinimumOptionsT())

    def depth_to_space(self, source: int, scale: int, output: int) -> int:
        """Turn channel ``scale * dy + dx`` of each pixel into the pixel (dy, dx) of its patch."""
        options = self.schema.DepthToSpaceOptionsT()
        options.blockSize = scale
        return self._operator("DEPTH_TO_SPACE", [source], output, options)

    def transposed_convolution(
        self, source: int, weight: int, output: int, scale: int, bias: int | None = None, *, same: bool = False
    ) -> int:
        """Add every input pixel's kernel, (1, k, k, in), to the output at `scale` times the pixel's position.

        The operator takes the output's size as a constant, so such a file has one fixed size. `same` crops the
        kernels' overhang at the borders.
        """
        height, width = self.size
        shape = self.constant(f"shape{output}", np.array([1, height * scale, width * scale, 1], np.int32))
        options = self.schema.TransposeConvOptionsT()
        options.padding = self.schema.Padding.SAME if same else self.schema.Padding.VALID
        options.strideH = options.strideW = scale
        if bias is None:
            return self._operator("TRANSPOSE_CONV", [shape, weight, source], output, options)
        return self._operator("TRANSPOSE_CONV", [shape, weight, source, bias], output, options, version=3)

    def finish(self, source: int, output: int, description: str, header: bytes) -> bytes:
        """Return the file's content. `header` goes into its metadata, entry ``sesr``."""
        self.graph.inputs, self.graph.outputs = [source], [output]
        self.graph.name = "sesr"
        self.model.version, self.model.description = _SCHEMA_VERSION, description
        self.model.subgraphs, self.model.signatureDefs = [self.graph], [self._signature(source, output)]
        entry = self.schema.MetadataT()
        entry.name, entry.buffer = "sesr", self._buffer(header)
        self.model.metadata = [entry]
        builder = self.flatbuffers.Builder(1 << 16)
        builder.Finish(self.model.Pack(builder), _IDENTIFIER)
        return sealed(bytes(builder.Output()))

    def _quantize(self, number: int, scales: list[float], zero_point: int, axis: int) -> None:
        parameters = self.schema.QuantizationParametersT()
        parameters.scale, parameters.zeroPoint = scales, [zero_point] * len(scales)
        parameters.quantizedDimension = axis
        self.graph.tensors[number].quantization = parameters

    def _operator(
        self, name: str, inputs: list[int], output: int, options: object = None, version: int | None = None
    ) -> int:
        operator = self.schema.OperatorT()
        int8 = self.graph.tensors[output].type == self.schema.TensorType.INT8
        operator.opcodeIndex = self._code(name, version or (_INT8_VERSIONS.get(name, 1) if int8 else 1))
        operator.inputs, operator.outputs = inputs, [output]
        if options is not None:
            kind = type(options).__name__.removesuffix("T")
            operator.builtinOptionsType = getattr(self.schema.BuiltinOptions, kind)
            operator.builtinOptions = options
        self.graph.operators.append(operator)
        return output

    def _code(self, name: str, version: int) -> int:
        builtin = getattr(self.schema.BuiltinOperator, name)
        known = [code.builtinCode for code in self.model.operatorCodes]
        if builtin not in known:
            code = self.schema.OperatorCodeT()
            code.builtinCode, code.deprecatedBuiltinCode = builtin, min(builtin, 127)
            code.version = version
            self.model.operatorCodes.append(code)
        return [*known, builtin].index(builtin)

    def _tensor(self, name: str, shape: list[int], kind: int, buffer: int) -> int:
        tensor = self.schema.TensorT()
        tensor.name, tensor.shape, tensor.type, tensor.buffer = name, shape, kind, buffer
        tensor.hasRank = True
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1

    def _buffer(self, content: bytes) -> int:
        self.model.buffers.append(_aligned_buffer(self.schema, content))
        return len(self.model.buffers) - 1

    def _fused(self, relu: bool) -> int:
        kinds = self.schema.ActivationFunctionType
        return int(kinds.RELU if relu else kinds.NONE)

    def _signature(self, source: int, output: int) -> TFLite:
        signature = self.schema.SignatureDefT()
        signature.signatureKey, signature.subgraphIndex = "serving_default", 0
        signature.inputs, signature.outputs = [self.schema.TensorMapT()], [self.schema.TensorMapT()]
        for (entry,), number in ((signature.inputs, source), (signature.outputs, output)):
            entry.name, entry.tensorIndex = self.graph.tensors[number].name, number
        return signature


def _aligned_buffer(schema: TFLite, content: bytes) -> TFLite:
    """Make a buffer that packs itself aligned, which the schema demands and its generated class does not do."""

    class AlignedBuffer(schema.BufferT):  # type: ignore[misc]
        def Pack(self, builder: TFLite) -> int:  # noqa: N802 - the generated class's name
            builder.StartVector(1, len(content), _ALIGNMENT)
            builder.head -= len(content)
            builder.Bytes[builder.head : builder.head + len(content)] = content
            data = builder.EndVector()
            schema.BufferStart(builder)
            schema.BufferAddData(builder, data)
            return int(schema.BufferEnd(builder))

    return AlignedBuffer()
