"""OpenVINO: the fastest general engine measured on x86, float32 and int8.

It needs the extra ``openvino`` and reads `.tflite`. Float networks run in float32: bfloat16, which OpenVINO takes where
the processor can, would cost accuracy and gain nothing here. The graph is compiled once with free height and width;
fixed shapes were no faster, and every picture of another size would wait for a new compilation.

A `.tflite` of another program does not state its scale and receptive radius, so they are read off its graph. The radius
is what makes strips exact (`sesr.engines.strips`). Therefore a graph is refused if it has an operation whose reach is
unknown; so are damaged files and those with other inputs.

int8 is exact, up to the rounding of its requantization, only where the processor has VNNI. Other x86 processors add
products in pairs, in 16 bits, which saturate: pixels differ by tens of steps of 1/255. There an int8 network is refused
(`openvino_int8_trusted`, docs/inside/int8.md).
"""

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sesr.engines.base import from_int8, import_package, last_line, plane_of, running, to_int8
from sesr.errors import EngineError, WeightsError
from sesr.imaging.arrays import Luma
from sesr.tflite.file import check_sum, check_tflite

OpenVINO = Any
"""An object of OpenVINO, which comes without types."""


_SETTINGS = {
    "INFERENCE_PRECISION_HINT": "f32",
    "PERFORMANCE_HINT": "LATENCY",
    "CPU_RUNTIME_CACHE_CAPACITY": 64,  # else it grows by 0.4 MB with each new size of picture, without end
}


_POINTWISE = frozenset(
    {"Parameter", "Constant", "Convert", "Result", "Add", "Subtract", "Multiply", "Minimum", "Maximum"}
    | {"Clamp", "Relu", "PRelu", "FakeQuantize", "DepthToSpace", "Reshape", "Transpose", "Squeeze", "Unsqueeze"}
)
"""OpenVINO's operations that reach no neighboring pixel."""


UNTRUSTED = "OpenVINO's int8 cannot be trusted on this processor, which has no VNNI"


ISA_LIMITS = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")
"""Environment variables by which oneDNN, and so OpenVINO, leaves instructions unused; the first that is set counts."""


_VNNI_WITHIN = {
    "SSE41": frozenset[str](),
    "AVX": frozenset[str](),
    "AVX2": frozenset[str](),
    "AVX512_CORE": frozenset[str](),
    "AVX2_VNNI": frozenset({"avxvnni"}),
    "AVX2_VNNI_2": frozenset({"avxvnni"}),
}
"""Our kernels whose VNNI oneDNN may still use within a limit; within any other limit, all of them."""


def openvino_int8_trusted() -> bool:
    """Return whether OpenVINO computes int8 exactly here: whether it has VNNI to use.

    False on ARM too: the saturating instruction is x86's, but nobody has measured OpenVINO's int8 there.
    """
    from sesr.engines.kernels import vnni_kernels

    limit = next((value for value in map(os.environ.get, ISA_LIMITS) if value), "")
    usable = vnni_kernels()
    return bool(usable & _VNNI_WITHIN.get(limit.upper(), usable))


def import_openvino() -> OpenVINO:
    """Import OpenVINO. Raises `NotInstalledError`."""
    return import_package("openvino", "OpenVINO", "sesr[openvino]")


class OpenVINOEngine:
    """A `.tflite` on the processor through OpenVINO. Arguments and errors as for `load_engine`."""

    column_reach = None

    def __init__(self, path: Path, threads: int | None = None, *, inexact: bool = False) -> None:
        openvino = import_openvino()
        core = openvino.Core()
        graph = _read_graph(core, path)
        self.scale, self.receptive_radius, self.int8 = _measure_graph(graph, path)
        if self.int8 and check_sum(path.read_bytes()) is None:  # its whole numbers could mean anything
            raise WeightsError(f"{path}: an int8 .tflite that `sesr export` did not write; export it with that")
        if self.int8 and not inexact and not openvino_int8_trusted():
            raise EngineError(f"{path}: {UNTRUSTED}; take --engine native, which is exact")
        settings = {**_SETTINGS} if threads is None else {**_SETTINGS, "INFERENCE_NUM_THREADS": threads}
        try:
            self._request = core.compile_model(graph, "CPU", settings).create_infer_request()
        except RuntimeError as error:
            raise EngineError(f"{path}: OpenVINO cannot run it here ({last_line(error)})") from error
        self._tensor = openvino.Tensor

    def run(self, luma: Luma) -> Luma:
        """See `LumaEngine.run`."""
        source = plane_of(luma)
        with running(source):
            result = self.infer(to_int8(source) if self.int8 else source)
        return from_int8(result) if self.int8 else result

    def infer(self, plane: NDArray[Any]) -> NDArray[Any]:
        """The network alone, on a plane (H, W) of the type that it computes in. Raises `RuntimeError`."""
        height, width = plane.shape
        result = np.empty((1, self.scale * height, self.scale * width, 1), plane.dtype)
        self._request.set_input_tensor(self._tensor(plane[None, :, :, None], shared_memory=True))
        self._request.set_output_tensor(self._tensor(result, shared_memory=True))
        self._request.infer()
        return result[0, :, :, 0]


def _read_graph(core: OpenVINO, path: Path) -> OpenVINO:
    """OpenVINO's graph of a `.tflite`. Raises `WeightsError`."""
    check_tflite(path)
    try:
        return core.read_model(str(path))
    except RuntimeError as error:
        raise WeightsError(f"{path}: damaged or foreign ({last_line(error)}); fetch or export it again") from error


def _measure_graph(graph: OpenVINO, path: Path) -> tuple[int, int, bool]:
    """Scale, receptive radius and whether it is int8, of a graph that is given free height and width.

    Raises `WeightsError`.
    """
    try:
        opened = str(graph.input().partial_shape)  # such as [1,?,?,1]; reshaping alone would let 3 channels pass
        if opened.count(",") != 3 or not opened.endswith(",1]"):
            raise ValueError(f"its input is {opened}")
        graph.reshape([1, 16, 24, 1])
        shapes = [tuple(graph.input().shape), tuple(graph.output().shape)]
        radius = sum(_reach(operation) for operation in graph.get_ordered_ops())
        graph.reshape([1, -1, -1, 1])
    except (RuntimeError, ValueError) as error:
        raise _foreign(path, last_line(error)) from error
    scale = shapes[1][1] // 16
    if scale < 1 or shapes[1] != (1, 16 * scale, 24 * scale, 1):
        raise _foreign(path, f"a plane of 16 x 24 becomes {shapes[1]}")
    kinds = {graph.input().element_type.get_type_name(), graph.output().element_type.get_type_name()}
    if kinds not in ({"f32"}, {"i8"}):
        raise _foreign(path, f"input and output are {' and '.join(sorted(kinds))}, neither float32 nor int8")
    return scale, radius, kinds == {"i8"}


def _reach(operation: OpenVINO) -> int:
    """Return the pixels that an operation reaches to each side. Raises `ValueError` where that is unknown."""
    kind = operation.get_type_name()
    if kind in _POINTWISE:
        return 0
    if kind == "ConvolutionBackpropData":
        raise ValueError("it enlarges by a transposed convolution, which --engine litert runs")
    if kind != "Convolution":
        raise ValueError(f"operation {kind} is not one of a SESR network")
    attributes = operation.get_attributes()
    height, width = tuple(operation.input_value(1).shape)[2:]
    if attributes["strides"] != [1, 1] or attributes["dilations"] != [1, 1] or height != width or height % 2 == 0:
        raise ValueError(f"its convolution of {height} x {width} is not one of a SESR network")
    return int(height) // 2


def _foreign(path: Path, reason: str) -> WeightsError:
    return WeightsError(f"{path}: a .tflite, but not a SESR network for one plane of luma ({reason})")
