"""A network that is ready to run: one plane of luma in, one plane of luma out.

Everything above this module sees an `Engine` and nothing of what runs it. Four exist:

- ``native``, the default: our own (`sesr.inference.native`), float32 and int8, the fastest here and the smallest. It
  reads `.safetensors`.
- ``openvino``: the fastest general engine measured on x86, float32 and int8. It needs the extra ``openvino`` and reads
  `.tflite`.
- ``litert``: the runtime of phones and ARM boards (`sesr.inference.litert`), float32 and int8, of which int8 ReLU
  networks give exactly the bits of the reference (`sesr.network.quantized`). It reads `.tflite`.
- ``torch``: the plain network in PyTorch, float32, for comparison. It reads `.safetensors`.

What another engine needs is imported when it is asked for.

Whatever a network computes in, planes are luma Y/255 in float32 here. An int8 network sees them rounded to 8 bits, and
answers with multiples of 1/255.

OpenVINO computes float networks in bfloat16 where the processor can, which would cost accuracy and gain nothing here:
float32 is forced. The graph is compiled once with free height and width; fixed shapes were no faster, and
every picture of another size would have to wait for a new compilation.

A bare `.tflite` says nothing about scale and receptive radius, so they are read off its graph. The radius is
what makes strips exact (`sesr.inference.strips`), therefore a graph with an operation whose reach is not
known here is refused, and so is a damaged file or one with other inputs.

OpenVINO's int8 is exact, to the rounding of its requantization, only where the processor has VNNI. On other x86
processors it adds products in pairs, in 16 bits, which saturate: pixels differ by tens of steps of 1/255.
There an int8 network is refused (`openvino_int8_trusted`, docs/int8.md).

Importing this module imports neither OpenVINO nor PyTorch.
"""

import importlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from sesr.errors import EngineError, NotInstalledError, UsageError, WeightsError
from sesr.export.flatbuffer import check_sum
from sesr.inference.zoo import WEIGHTS, check_file
from sesr.network.checkpoint import Checkpoint, load_checkpoint
from sesr.network.quantized import is_int8, load_network

Backend = Literal["native", "openvino", "litert", "torch"]
DEFAULT: Backend = "native"
Luma = NDArray[np.float32]
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
"""Operations of OpenVINO that reach no neighbouring pixel."""


class Engine(Protocol):
    """A network that runs."""

    @property
    def scale(self) -> int:
        """Output pixels per input pixel, along a side."""

    @property
    def receptive_radius(self) -> int:
        """Input pixels on each side of a pixel that its output depends on."""

    @property
    def int8(self) -> bool:
        """Whether it computes in 8 bits: its output is a multiple of 1/255."""

    def run(self, luma: Luma) -> Luma:
        """Upscales a plane.

        `luma` is Y/255, float32 (H, W), at least 1 x 1; the result a new float32 (scale H, scale W) in [0, 1].
        One engine serves one thread at a time. Raises `EngineError` when it fails, mostly for want of memory.
        """


def load_engine(path: Path, backend: Backend = DEFAULT, threads: int | None = None, *, inexact: bool = False) -> Engine:
    """Makes the network in a file ready to run.

    Args:
        path: a `.safetensors` or a `.tflite`. The engines ``native`` and ``torch`` take a `.tflite` only with its
            `.safetensors` of the same name beside it. For the others a `.safetensors` is converted on the way, which
            needs the extra ``export``, except for the shipped ones, whose `.tflite` lies beside.
        backend: what runs it; ``openvino`` needs the extra ``openvino``, ``litert`` the extra ``export``.
        threads: processor threads; None leaves the choice to the backend. With torch it holds for all of the
            process.
        inexact: run int8 in OpenVINO even where it gives wrong pixels; for benchmarks, whose times stay true.

    Raises `WeightsError` for a file that is missing, damaged or not such a network, `NotInstalledError` when
    something that the engine needs is not installed, `EngineError` for int8 in OpenVINO on a processor without VNNI,
    `UsageError` for an unknown backend or fewer than one thread.
    """
    if backend not in get_args(Backend):
        raise UsageError(f"engine {backend!r} is unknown: use one of {', '.join(get_args(Backend))}")
    if threads is not None and threads < 1:
        raise UsageError(f"threads must be at least 1, not {threads}")
    check_file(path)
    kind = path.suffix.lower()
    if kind not in (".safetensors", ".tflite"):
        raise WeightsError(f"{path}: not a network's file; give a .safetensors or a .tflite")
    if backend == "native":
        from sesr.inference.native import NativeEngine

        return NativeEngine(load_network(_checkpoint_of(path, backend)), threads)
    if backend == "torch":
        if kind == ".safetensors" and is_int8(path):
            raise EngineError(f"{path}: an int8 network, which PyTorch does not run; take another --engine")
        return TorchEngine(load_checkpoint(_checkpoint_of(path, backend)), threads)
    if kind == ".tflite":
        return _of_tflite(path, backend, threads, inexact)
    twin = path.with_suffix(".tflite")
    if path.parent == WEIGHTS and twin.is_file():
        return _of_tflite(twin, backend, threads, inexact)
    return _converted(path, backend, threads, inexact)


def _of_tflite(path: Path, backend: Backend, threads: int | None, inexact: bool) -> Engine:
    if backend == "openvino":
        return OpenVINOEngine(path, threads, inexact=inexact)
    from sesr.inference.litert import LiteRTEngine

    return LiteRTEngine(path, threads)


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
    from sesr.inference.native import vnni_kernels

    limit = next((value for value in map(os.environ.get, ISA_LIMITS) if value), "")
    usable = vnni_kernels()
    return bool(usable & _VNNI_WITHIN.get(limit.upper(), usable))


class OpenVINOEngine:
    """A `.tflite` on the processor through OpenVINO. Arguments and errors as for `load_engine`."""

    def __init__(self, path: Path, threads: int | None = None, *, inexact: bool = False) -> None:
        openvino = import_package("openvino", "OpenVINO", "sesr[openvino]")
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
        """See `Engine.run`."""
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


class TorchEngine:
    """The collapsed network in eager PyTorch on the processor, channels last, which is twice as fast there."""

    int8 = False

    def __init__(self, checkpoint: Checkpoint, threads: int | None = None) -> None:
        self._torch = import_package("torch", "PyTorch", "sesr[train]")
        network = importlib.import_module("sesr.network.sesr").CollapsedSESR.from_checkpoint(checkpoint)
        if threads is not None:
            self._torch.set_num_threads(threads)
        self._network = network.to(memory_format=self._torch.channels_last)
        self.scale, self.receptive_radius = checkpoint.config.scale, checkpoint.config.receptive_radius

    def run(self, luma: Luma) -> Luma:
        """See `Engine.run`."""
        source = plane_of(luma)
        with running(source), self._torch.inference_mode():
            result = self._network(self._torch.from_numpy(source)[None, None])
        return np.ascontiguousarray(result[0, 0].numpy())


def plane_of(luma: Luma) -> Luma:
    """The plane as engines take it: float32, two-dimensional, in one piece and writable."""
    if luma.ndim != 2 or 0 in luma.shape:
        raise UsageError(f"luma must be a plane (H, W) of at least 1 x 1, not of shape {luma.shape}")
    return np.require(luma, np.float32, ["C", "W"])


_LUMA = (np.arange(256, dtype=np.uint8).view(np.int8).astype(np.float32) + 128) / np.float32(255)
"""Luma of each int8 value, by the value's bits."""


def to_int8(luma: Luma) -> NDArray[np.int8]:
    """Luma Y/255 as an int8 network takes it: rounded Y less 128."""
    pixels = luma * np.float32(255)
    np.rint(pixels, out=pixels)
    np.clip(pixels, 0, 255, out=pixels)
    pixels -= 128
    return pixels.astype(np.int8)


def from_int8(values: NDArray[np.int8]) -> Luma:
    """An int8 network's result as luma Y/255."""
    return _LUMA.take(values.view(np.uint8))


@contextmanager
def running(luma: Luma) -> Iterator[None]:
    """Makes what a runtime raises into `EngineError`."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        size = f"{luma.shape[1]} x {luma.shape[0]} pixels at once"
        reason = last_line(error)
        raise EngineError(f"the network failed on {size} ({reason}); a smaller tile needs less memory") from error


def _checkpoint_of(path: Path, backend: Backend) -> Path:
    """The `.safetensors` of a network's file."""
    checkpoint = path.with_suffix(".safetensors")
    if path.suffix.lower() == ".tflite" and not checkpoint.is_file():
        raise EngineError(
            f"{path}: the {backend} engine reads .safetensors, and {checkpoint.name} is not beside it; "
            "take --engine openvino for a .tflite alone"
        )
    return checkpoint if path.suffix.lower() == ".tflite" else path


def _converted(path: Path, backend: Backend, threads: int | None, inexact: bool) -> Engine:
    """A `.safetensors` through a temporary `.tflite`: OpenVINO reads these from files only."""
    from sesr.export.tflite import write_tflite

    content = write_tflite(load_network(path))
    with tempfile.TemporaryDirectory(prefix="sesr-", ignore_cleanup_errors=True) as folder:
        file = Path(folder, f"{path.stem}.tflite")
        file.write_bytes(content)
        return _of_tflite(file, backend, threads, inexact)


def import_package(module: str, name: str, package: str) -> ModuleType:
    """Import a module that an engine needs; `package` is what to install. Raises `NotInstalledError`."""
    try:
        return importlib.import_module(module)
    except (ImportError, OSError) as error:
        raise NotInstalledError(
            f"{name} is not installed or does not load ({error}): pip install '{package}'"
        ) from error


def _read_graph(core: OpenVINO, path: Path) -> OpenVINO:
    """OpenVINO's graph of a `.tflite`. Raises `WeightsError`."""
    check_tflite(path)
    try:
        return core.read_model(str(path))
    except RuntimeError as error:
        raise WeightsError(f"{path}: damaged or foreign ({last_line(error)}); fetch or export it again") from error


def check_tflite(path: Path) -> None:
    """Raises `WeightsError` for a file that does not begin as a `.tflite`, or whose checksum does not fit.

    Runtimes would write to stderr on the first, and might do anything with the second.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({error.strerror})") from error
    if content[4:8] != b"TFL3":
        raise WeightsError(f"{path}: not a .tflite file inside; fetch or export it again")
    if check_sum(content) is False:
        raise WeightsError(f"{path}: damaged, its checksum does not fit; fetch or export it again")


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
    """Pixels that an operation reaches to each side. Raises `ValueError` where that is not known."""
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


def last_line(error: Exception) -> str:
    """The telling end of OpenVINO's many-line messages."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
