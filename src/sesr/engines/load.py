"""Makes the network in a file ready to run, on the engine of one's choice.

- ``native``, the default: our own (`sesr.engines.native`), float32 and int8, the fastest here and the smallest. It
  reads `.safetensors`.
- ``openvino``: the fastest general engine measured on x86 (`sesr.engines.openvino`), float32 and int8. It needs the
  extra ``openvino`` and reads `.tflite`.
- ``litert``: the runtime of phones and ARM boards (`sesr.engines.litert`), float32 and int8. It reads `.tflite`.
- ``torch``: the plain network in PyTorch (`sesr.engines.torch`), float32, for comparison. It reads `.safetensors`.

Importing this module imports none of OpenVINO, LiteRT and PyTorch: each is imported when it is asked for.
"""

import tempfile
from pathlib import Path
from typing import get_args

from sesr.engines.base import DEFAULT, Backend, LumaEngine
from sesr.engines.openvino import OpenVINOEngine, import_openvino
from sesr.engines.torch import TorchEngine
from sesr.errors import EngineError, UsageError, WeightsError
from sesr.network.checkpoint import load_checkpoint
from sesr.network.quantized import is_int8, load_network
from sesr.network.zoo import WEIGHTS, check_file


def load_engine(
    path: Path, backend: Backend = DEFAULT, threads: int | None = None, *, inexact: bool = False
) -> LumaEngine:
    """Make the network in a file ready to run.

    Args:
        path: a `.safetensors` or a `.tflite`. The engines ``native`` and ``torch`` take a `.tflite` only with its
            `.safetensors` of the same name beside it. For the others a `.safetensors` is converted on the way, in
            some milliseconds; the shipped int8 networks have their `.tflite` beside them.
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


def _of_tflite(path: Path, backend: Backend, threads: int | None, inexact: bool) -> LumaEngine:
    if backend == "openvino":
        return OpenVINOEngine(path, threads, inexact=inexact)
    from sesr.engines.litert import LiteRTEngine

    return LiteRTEngine(path, threads)


def _check_installed(backend: Backend) -> None:
    """Report a missing engine itself, not the packages for the `.tflite` that would be written for it."""
    if backend == "openvino":
        import_openvino()
    else:
        from sesr.engines.litert import import_litert

        import_litert()


def _checkpoint_of(path: Path, backend: Backend) -> Path:
    """The `.safetensors` of a network's file."""
    checkpoint = path.with_suffix(".safetensors")
    if path.suffix.lower() == ".tflite" and not checkpoint.is_file():
        raise EngineError(
            f"{path}: the {backend} engine reads .safetensors, and {checkpoint.name} is not beside it; "
            "take --engine openvino for a .tflite alone"
        )
    return checkpoint if path.suffix.lower() == ".tflite" else path


def _converted(path: Path, backend: Backend, threads: int | None, inexact: bool) -> LumaEngine:
    """A `.safetensors` through a temporary `.tflite`: OpenVINO reads these from files only."""
    from sesr.tflite.writer import write_tflite

    _check_installed(backend)
    content = write_tflite(load_network(path))
    with tempfile.TemporaryDirectory(prefix="sesr-", ignore_cleanup_errors=True) as folder:
        file = Path(folder, f"{path.stem}.tflite")
        file.write_bytes(content)
        return _of_tflite(file, backend, threads, inexact)
