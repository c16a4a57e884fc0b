"""A collapsed network as a float ``.tflite`` file, written directly.

A `.tflite` file is one flatbuffer: a table of constant buffers, a table of tensors, and operators that name
tensors by number. A collapsed SESR (paper, figure 2d) needs six kinds of operator, so the file is written
here with the public schema alone, in milliseconds. Converters would bring gigabytes of packages and turn
PReLU and depth-to-space into chains of other operators. Nobody else checks such a graph, so the tests run
every kind of it in LiteRT and in OpenVINO and compare with PyTorch. In order::

    shifted = ADD(input, -0.5)
    h0      = CONV_2D 5 x 5 (shifted)
    h       = m times PRELU(CONV_2D 3 x 3), or CONV_2D 3 x 3 with a fused RELU
    y       = CONV_2D 5 x 5 (ADD(h, h0))
    y       = ADD(y, input)                  one plane onto scale^2 channels; absent without input residual
    output  = DEPTH_TO_SPACE(MINIMUM(y, 1))  with a RELU fused into what made y: together the clip to [0, 1]

What is worth knowing:

- The shift by -0.5 is an operator of its own, not folded into the first bias: the convolution pads the
  *shifted* plane with zeros, so the picture continues as mid-grey beyond its border, in training and here
  alike.
- One RELU_0_TO_1 would clip too, but older runtimes and delegates lack it.
- TFLite's depth-to-space reads channel ``dy * scale + dx``, as our weights have it, for x4 too. The paper's
  code does x4 as two times x2, whose 16 channels come in another order: as 2 x 2 x 2 x 2, with the two axes
  in the middle swapped.
- Operators carry the lowest version that exists: runtimes refuse versions that they do not know.
- Height and width are marked free in the shape signature, so `resize_tensor_input` and OpenVINO's `reshape`
  work.
- Constants lie at multiples of 16 bytes, where runtimes on ARM want them. Equal checkpoints give equal bytes.

Not done: int8. Needs the extra ``export``: flatbuffers, and the schema that ai-edge-litert carries.
"""

import importlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sesr.atomic import writing
from sesr.errors import EngineError
from sesr.network.checkpoint import Checkpoint
from sesr.network.variants import VARIANTS, SESRConfig

TFLite = Any
"""An object of the generated schema or of flatbuffers; both come without types."""

_FREE = -1
_ALIGNMENT = 16
_SCHEMA_VERSION = 3
_IDENTIFIER = b"TFL3"


def export_tflite(checkpoint: Checkpoint, path: Path, height: int = 256, width: int = 256) -> None:
    """Writes the network to `path`, whole or not at all. Arguments and errors as `write_tflite`'s, and `OSError`."""
    content = write_tflite(checkpoint, height, width)
    with writing(path) as temporary:
        temporary.write_bytes(content)


def write_tflite(checkpoint: Checkpoint, height: int = 256, width: int = 256) -> bytes:
    """The content of a float `.tflite` file.

    Its input is luma Y/255, float32 (1, H, W, 1); its output is float32 (1, scale H, scale W, 1) in [0, 1].
    Config and card stand in the file's metadata, entry ``sesr``, as in the `.safetensors`.

    Args:
        checkpoint: the collapsed network.
        height: rows of the input as the file opens; runtimes may resize it to any other.
        width: columns, likewise.

    Raises `EngineError` when the extra ``export`` is not installed.
    """
    graph = _Graph(height, width)
    config, tensors = checkpoint.config, checkpoint.tensors
    luma = graph.plane("input", 1)
    shifted = graph.add("shifted", luma, graph.constant("minus_half", np.full(1, -0.5)), 1)
    features = first = graph.convolution("head", shifted, tensors)
    for index in range(config.m):
        features = graph.activated(f"body.{index}", features, tensors)
    features = graph.add("long_residual", features, first, config.f)
    residual = luma if config.input_residual else None
    output = graph.output(graph.convolution("tail", features, tensors, relu=residual is None), residual, config.scale)
    return graph.finish(luma, output, _description(config), checkpoint.header().encode())


class _Graph:
    """A TFLite model as it grows; tensors are handed around as their numbers."""

    def __init__(self, height: int, width: int) -> None:
        self.schema, self.flatbuffers = _libraries()
        self.size = (height, width)
        self.model = self.schema.ModelT()
        self.graph = self.schema.SubGraphT()
        self.graph.tensors, self.graph.operators = [], []
        self.model.buffers, self.model.operatorCodes = (
            [self.schema.BufferT()],
            [],
        )  # buffer 0 is empty by convention

    def constant(self, name: str, value: NDArray[Any]) -> int:
        array = np.ascontiguousarray(value, "<i4" if value.dtype.kind == "i" else "<f4")
        kind = self.schema.TensorType.INT32 if value.dtype.kind == "i" else self.schema.TensorType.FLOAT32
        return self._tensor(name, list(array.shape), kind, self._buffer(array.tobytes()))

    def plane(self, name: str, channels: int, scale: int = 1) -> int:
        """A tensor that is computed: `scale` times the input's height and width."""
        height, width = self.size
        shape = [1, height * scale, width * scale, channels]
        number = self._tensor(name, shape, self.schema.TensorType.FLOAT32, 0)
        self.graph.tensors[number].shapeSignature = [1, _FREE, _FREE, channels]
        return number

    def convolution(
        self, name: str, source: int, tensors: dict[str, NDArray[np.float32]], *, relu: bool = False
    ) -> int:
        """Same size, zeros beyond the border, with a bias; TFLite wants kernels as (out, k, k, in)."""
        weight = self.constant(f"{name}.weight", tensors[f"{name}.weight"].transpose(0, 2, 3, 1))
        bias = self.constant(f"{name}.bias", tensors[f"{name}.bias"])
        options = self.schema.Conv2DOptionsT()
        options.padding = self.schema.Padding.SAME
        options.strideH = options.strideW = 1
        options.fusedActivationFunction = self._fused(relu)
        output = self.plane(name, len(tensors[f"{name}.bias"]))
        return self._operator("CONV_2D", [source, weight, bias], output, options)

    def activated(self, name: str, source: int, tensors: dict[str, NDArray[np.float32]]) -> int:
        slope = tensors.get(f"{name}.slope")
        if slope is None:
            return self.convolution(name, source, tensors, relu=True)
        features = self.convolution(name, source, tensors)
        alpha = self.constant(f"{name}.slope", slope.reshape(1, 1, -1))
        return self._operator("PRELU", [features, alpha], self.plane(f"{name}.prelu", len(slope)))

    def add(self, name: str, one: int, other: int, channels: int, *, relu: bool = False) -> int:
        options = self.schema.AddOptionsT()
        options.fusedActivationFunction = self._fused(relu)
        return self._operator("ADD", [one, other], self.plane(name, channels), options)

    def output(self, y: int, residual: int | None, scale: int) -> int:
        """What comes after the last convolution: the input residual, the clip's upper end, depth-to-space."""
        if residual is not None:
            y = self.add("input_residual", y, residual, scale**2, relu=True)
        one = self.constant("one", np.ones(1))
        y = self._operator("MINIMUM", [y, one], self.plane("clipped", scale**2), self.schema.MaximumMinimumOptionsT())
        options = self.schema.DepthToSpaceOptionsT()
        options.blockSize = scale
        return self._operator("DEPTH_TO_SPACE", [y], self.plane("output", 1, scale), options)

    def finish(self, source: int, output: int, description: str, header: bytes) -> bytes:
        self.graph.inputs, self.graph.outputs = [source], [output]
        self.graph.name = "sesr"
        self.model.version, self.model.description = _SCHEMA_VERSION, description
        self.model.subgraphs, self.model.signatureDefs = [self.graph], [self._signature(source, output)]
        entry = self.schema.MetadataT()
        entry.name, entry.buffer = "sesr", self._buffer(header)
        self.model.metadata = [entry]
        builder = self.flatbuffers.Builder(1 << 16)
        builder.Finish(self.model.Pack(builder), _IDENTIFIER)
        return bytes(builder.Output())

    def _operator(self, name: str, inputs: list[int], output: int, options: object = None) -> int:
        operator = self.schema.OperatorT()
        operator.opcodeIndex = self._code(getattr(self.schema.BuiltinOperator, name))
        operator.inputs, operator.outputs = inputs, [output]
        if options is not None:
            kind = type(options).__name__.removesuffix("T")
            operator.builtinOptionsType = getattr(self.schema.BuiltinOptions, kind)
            operator.builtinOptions = options
        self.graph.operators.append(operator)
        return output

    def _code(self, builtin: int) -> int:
        known = [code.builtinCode for code in self.model.operatorCodes]
        if builtin not in known:
            code = self.schema.OperatorCodeT()
            code.builtinCode, code.deprecatedBuiltinCode = builtin, min(builtin, 127)
            code.version = 1
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


def _libraries() -> tuple[TFLite, TFLite]:
    """The TFLite schema and flatbuffers. Raises `EngineError`."""
    try:
        schema = importlib.import_module("ai_edge_litert.schema_py_generated")
        return schema, importlib.import_module("flatbuffers")
    except ImportError as error:
        raise EngineError(
            f"writing .tflite needs flatbuffers and ai-edge-litert ({error}): pip install 'sesr[export]'"
        ) from error


def _description(config: SESRConfig) -> str:
    names = [config.name] if config.name in VARIANTS else []
    name = f"SESR-{names[0].upper()}" if names else "SESR"
    residual = "" if config.input_residual else ", no input residual"
    kind = f"m={config.m}, f={config.f}, {config.activation}{residual}"
    return f"{name} x{config.scale} ({kind}): luma Y/255 in and out"
