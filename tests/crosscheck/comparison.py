"""Two `.tflite` files of one network side by side: every operator, and every tensor's type, grid and values.

Reads the flatbuffer through the public schema, so it does not depend on how either file was written. Operators are
compared one by one in the order in which they run. So are their inputs, and the operators that these come from: a
swapped ADD or a bias of another scale shows. Names are free and not compared.
"""

import importlib
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

GOLDEN = Path(__file__).with_name("golden")
"""Networks, ``NAME.safetensors``, and the files that TensorFlow's converter made of them, ``NAME.tflite``."""
Plane = NDArray[Any]
"""(H, W): float32 luma in [0, 1], or int8 luma less 128."""
TFLite = Any
"""An object of the generated schema, which comes without types."""
_TYPES = {"FLOAT32": "<f4", "INT8": "<i1", "INT32": "<i4"}


@dataclass(frozen=True)
class Tensor:
    """One tensor: `shape` with -1 where it is free, scales and zero points (none of float), `value` of a constant."""

    shape: tuple[int, ...]
    kind: str
    scales: NDArray[np.float32]
    zero_points: tuple[int, ...]
    axis: int
    value: NDArray[Any] | None


@dataclass(frozen=True)
class Operator:
    """One operator.

    Attributes:
        kind: ``CONV_2D`` or, with a fused activation, ``CONV_2D+RELU``.
        version: the operator's version.
        options: its options without the fused activation.
        sources: for each input, the number of the operator that makes it; -1 for constants and for the file's input.
        inputs: the tensors that it reads.
        output: the tensor that it writes.
    """

    kind: str
    version: int
    options: dict[str, Any]
    sources: tuple[int, ...]
    inputs: tuple[Tensor, ...]
    output: Tensor

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        return (*self.inputs, self.output)


@dataclass(frozen=True)
class Tally:
    """Counts of numbers compared and of numbers that differ, and the largest difference."""

    compared: int
    differing: int
    largest: float

    def __str__(self) -> str:
        return f"{self.differing} of {self.compared} differ" + (f", by {self.largest:g} at most" * bool(self.differing))


@dataclass(frozen=True)
class Comparison:
    """Differences between two files whose operators are of the same kinds in the same order.

    Attributes:
        layout: differences of version, options, sources, shapes, types and zero points, in words.
        scales: scales of planes, weights and biases; the difference is relative.
        weights: int8 or float constants.
        biases: int32 constants of int8 files.
    """

    layout: tuple[str, ...]
    scales: Tally
    weights: Tally
    biases: Tally


def read_operators(content: bytes) -> tuple[Operator, ...]:
    """Read the operators of a `.tflite` in the order in which they run."""
    schema = importlib.import_module("ai_edge_litert.schema_py_generated")
    model = schema.ModelT.InitFromPackedBuf(content)
    (graph,) = model.subgraphs
    tensors = [_tensor(schema, model, tensor) for tensor in graph.tensors]
    makers = {operator.outputs[0]: number for number, operator in enumerate(graph.operators)}
    return tuple(_operator(schema, model.operatorCodes, tensors, makers, operator) for operator in graph.operators)


def compare(ours: tuple[Operator, ...], theirs: tuple[Operator, ...]) -> Comparison:
    """Compare two files. Raises `ValueError` when their operators differ in kind, number or order."""
    if [operator.kind for operator in ours] != [operator.kind for operator in theirs]:
        raise ValueError(f"{[operator.kind for operator in ours]} is not {[operator.kind for operator in theirs]}")
    pairs = list(zip(ours, theirs, strict=True))
    tensors = [pair for one, other in pairs for pair in zip(one.tensors, other.tensors, strict=True)]
    scales = [(one.scales, other.scales) for one, other in tensors]
    constants = [
        (one.value, other.value) for one, other in tensors if one.value is not None and other.value is not None
    ]
    biases = [pair for pair in constants if pair[0].dtype == np.int32]
    weights = [pair for pair in constants if pair[0].dtype != np.int32]
    layout = chain.from_iterable(_layout(number, *pair) for number, pair in enumerate(pairs))
    return Comparison(tuple(layout), _tally(scales, relative=True), _tally(weights), _tally(biases))


def run_tflite(content: bytes, plane: Plane) -> Plane:
    """Run a `.tflite` on a plane in LiteRT."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # LiteRT announces its own future
        interpreter: Any = importlib.import_module("ai_edge_litert.interpreter").Interpreter(
            model_content=content, num_threads=1
        )
    (source,), (output,) = interpreter.get_input_details(), interpreter.get_output_details()
    interpreter.resize_tensor_input(source["index"], [1, *plane.shape, 1])
    interpreter.allocate_tensors()
    interpreter.set_tensor(source["index"], plane[None, :, :, None])
    interpreter.invoke()
    result: Plane = interpreter.get_tensor(output["index"])[0, :, :, 0]
    return result


def differing(one: Plane, other: Plane) -> Tally:
    """Compare two planes of the same size."""
    return _tally([(one, other)])


def _tensor(schema: TFLite, model: TFLite, tensor: TFLite) -> Tensor:
    shape = tensor.shape if tensor.shapeSignature is None else tensor.shapeSignature
    kind, content = _name(schema.TensorType, tensor.type), model.buffers[tensor.buffer].data
    value = None if content is None else np.frombuffer(bytes(content), _TYPES[kind]).reshape(tensor.shape)
    grid = tensor.quantization
    if grid is None or grid.scale is None:
        return Tensor(tuple(shape), kind, np.empty(0, np.float32), (), 0, value)
    scales, zero_points = np.asarray(grid.scale, np.float32), tuple(int(point) for point in grid.zeroPoint)
    return Tensor(tuple(shape), kind, scales, zero_points, int(grid.quantizedDimension), value)


def _operator(
    schema: TFLite, codes: TFLite, tensors: list[Tensor], makers: dict[int, int], operator: TFLite
) -> Operator:
    code = codes[operator.opcodeIndex]
    kind = _name(schema.BuiltinOperator, code.builtinCode)
    options = dict(vars(operator.builtinOptions)) if operator.builtinOptions else {}
    fused = _name(schema.ActivationFunctionType, options.pop("fusedActivationFunction", 0))
    return Operator(
        kind=kind if fused == "NONE" else f"{kind}+{fused}",
        version=code.version,
        options=options,
        sources=tuple(makers.get(number, -1) for number in operator.inputs),
        inputs=tuple(tensors[number] for number in operator.inputs),
        output=tensors[operator.outputs[0]],
    )


def _name(enumeration: TFLite, value: int) -> str:
    return str(next(name for name, number in vars(enumeration).items() if number == value))


def _layout(number: int, one: Operator, other: Operator) -> Iterator[str]:
    for what in ("version", "options", "sources"):
        yield from _unequal(f"{number} {one.kind} {what}", getattr(one, what), getattr(other, what))
    for place, tensors in enumerate(zip(one.tensors, other.tensors, strict=True)):
        for what in ("shape", "kind", "zero_points", "axis"):
            yield from _unequal(f"{number} {one.kind} tensor {place} {what}", *(getattr(it, what) for it in tensors))
        yield from _unequal(f"{number} {one.kind} tensor {place} constant", *(it.value is not None for it in tensors))


def _unequal(what: str, one: object, other: object) -> Iterator[str]:
    if one != other:
        yield f"{what}: {one}, not {other}"


def _tally(pairs: list[tuple[NDArray[Any], NDArray[Any]]], *, relative: bool = False) -> Tally:
    ours, theirs = (np.concatenate([np.empty(0), *(np.ravel(pair[side]) for pair in pairs)]) for side in (0, 1))
    if ours.shape != theirs.shape:
        raise ValueError(f"{ours.size} numbers against {theirs.size}")
    distance = np.abs(ours - theirs) / (np.abs(theirs) if relative else 1)
    return Tally(distance.size, int((distance > 0).sum()), float(distance.max(initial=0)))
