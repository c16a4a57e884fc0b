"""A network that is ready to run: one plane of luma in, one plane of luma out.

Everything above this module sees an `Engine` and nothing of what runs it. Four exist:

- ``native``, the default: our own (`sesr.engines.native`), float32 and int8, the fastest here and the smallest. It
  reads `.safetensors`.
- ``openvino``: the fastest general engine measured on x86, float32 and int8. It needs the extra ``openvino`` and reads
  `.tflite`.
- ``litert``: the runtime of phones and ARM boards (`sesr.engines.litert`), float32 and int8, of which int8 ReLU
  networks give exactly the bits of the reference (`sesr.network.quantized`). It reads `.tflite`.
- ``torch``: the plain network in PyTorch, float32, for comparison. It reads `.safetensors`.

What another engine needs is imported when it is asked for.

Whatever a network computes in, planes are luma Y/255 in float32 here. An int8 network sees them rounded to 8 bits, and
answers with multiples of 1/255.

OpenVINO computes float networks in bfloat16 where the processor can, which would cost accuracy and gain nothing here:
float32 is forced. The graph is compiled once with free height and width; fixed shapes were no faster, and
every picture of another size would have to wait for a new compilation.

A bare `.tflite` says nothing about scale and receptive radius, so they are read off its graph. The radius is
what makes strips exact (`sesr.engines.strips`), therefore a graph with an operation whose reach is not
known here is refused, and so is a damaged file or one with other inputs.

OpenVINO's int8 is exact, to the rounding of its requantization, only where the processor has VNNI. On other x86
processors it adds products in pairs, in 16 bits, which saturate: pixels differ by tens of steps of 1/255.
There an int8 network is refused (`openvino_int8_trusted`, docs/int8.md).

Importing this module imports neither OpenVINO nor PyTorch.
"""

import tempfile
from pathlib import Path
from typing import get_args

from sesr.engines.base import DEFAULT, Backend, Engine
from sesr.engines.openvino import OpenVINOEngine
from sesr.engines.torch import TorchEngine
from sesr.errors import EngineError, UsageError, WeightsError
from sesr.network.checkpoint import load_checkpoint
from sesr.network.quantized import is_int8, load_network
from sesr.network.zoo import WEIGHTS, check_file


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
        from sesr.engines.native import NativeEngine

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
    from sesr.engines.litert import LiteRTEngine

    return LiteRTEngine(path, threads)


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
    from sesr.tflite.writer import write_tflite

    content = write_tflite(load_network(path))
    with tempfile.TemporaryDirectory(prefix="sesr-", ignore_cleanup_errors=True) as folder:
        file = Path(folder, f"{path.stem}.tflite")
        file.write_bytes(content)
        return _of_tflite(file, backend, threads, inexact)
