"""A ``.tflite`` file as it grows: tensors, constants and the operators of a SESR network.

A `.tflite` file is one flatbuffer: a table of constant buffers, a table of tensors, and operators that name tensors by
number. It is written here with the public schema alone, in milliseconds; what a network is made of stands in
`sesr.tflite.writer`. What is worth knowing:

- Operators carry the lowest version that exists for their types: runtimes refuse versions that they do not know. (Int8
  depth-to-space is version 2 by the book, and 1 here: some registers of operators have only that, and all run it.)
- Height and width are marked free in the shape signature, so `resize_tensor_input` and OpenVINO's `reshape` work.
- Constants lie at multiples of 16 bytes, where runtimes on ARM want them. Equal networks give equal bytes.
- After the flatbuffer stands a checksum, where TFLite's packed metadata stand too: runtimes do not read so far.
  LiteRT's own checks of a damaged file may abort the whole process, so it is never handed one (`check_sum`).

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
"""Of operators whose first version knows float32 alone and whose int8 one runtimes know by this number."""


class Graph:
    """A TFLite model as it grows; tensors are handed around as their numbers.

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
        """A tensor of fixed values: float32; int32; or int8, of which `scales` says what they mean.

        Args:
            name: the tensor's.
            value: what it holds; any float type becomes float32.
            scales: one, or one for each entry along `axis`; zero points are 0.
            axis: which one.
        """
        kinds = {"i1": self.schema.TensorType.INT8, "i4": self.schema.TensorType.INT32}
        code = value.dtype.str[1:] if value.dtype.str[1:] in kinds else "f4"
        array = np.ascontiguousarray(value, f"<{code}")
        kind = kinds.get(code, self.schema.TensorType.FLOAT32)
        number = self._tensor(name, list(array.shape), kind, self._buffer(array.tobytes()))
        if scales is not None:
            self._quantize(number, [float(scale) for scale in scales], 0, axis)
        return number

    def plane(self, name: str, channels: int, meaning: Quantization | None = None, scale: int = 1) -> int:
        """A tensor that is computed: `scale` times the input's height and width; int8 where it has a `meaning`."""
        height, width = self.size
        shape = [1, height * scale, width * scale, channels]
        kind = self.schema.TensorType.FLOAT32 if meaning is None else self.schema.TensorType.INT8
        number = self._tensor(name, shape, kind, 0)
        if self.resizable:
            self.graph.tensors[number].shapeSignature = [1, _FREE, _FREE, channels]
        if meaning is not None:
            self._quantize(number, [meaning.scale], meaning.zero_point, 0)
        return number

    def convolution(self, source: int, weight: int, bias: int, output: int, *, relu: bool = False) -> int:
        """Same size, zeros beyond the border; kernels are (out, k, k, in)."""
        options = self.schema.Conv2DOptionsT()
        options.padding = self.schema.Padding.SAME
        options.strideH = options.strideW = 1
        options.fusedActivationFunction = self._fused(relu)
        return self._operator("CONV_2D", [source, weight, bias], output, options)

    def add(self, one: int, other: int, output: int, *, relu: bool = False) -> int:
        """The sum of two planes, or of a plane and a constant."""
        options = self.schema.AddOptionsT()
        options.fusedActivationFunction = self._fused(relu)
        return self._operator("ADD", [one, other], output, options)

    def prelu(self, source: int, slope: int, output: int) -> int:
        """One slope a channel, (1, 1, C)."""
        return self._operator("PRELU", [source, slope], output)

    def minimum(self, source: int, most: int, output: int) -> int:
        """The smaller of a plane's values and a constant."""
        return self._operator("MINIMUM", [source, most], output, self.schema.MaximumMinimumOptionsT())

    def depth_to_space(self, source: int, scale: int, output: int) -> int:
        """Channel ``scale * dy + dx`` of a pixel becomes the pixel (dy, dx) of its patch."""
        options = self.schema.DepthToSpaceOptionsT()
        options.blockSize = scale
        return self._operator("DEPTH_TO_SPACE", [source], output, options)

    def transposed_convolution(
        self, source: int, weight: int, output: int, scale: int, bias: int | None = None, *, same: bool = False
    ) -> int:
        """Every input pixel adds its kernel, (1, k, k, in), to the output at `scale` times its place.

        The operator wants the output's size as a constant, so such a file is declared to have one size. `same` crops
        a kernel's overhang at the borders.
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
        """The file's content; `header` goes into its metadata, entry ``sesr``."""
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
    """A buffer of constants that packs itself aligned, as the schema demands and its generated class does
    not.
    """

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
