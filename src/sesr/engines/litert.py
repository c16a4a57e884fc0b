"""LiteRT, formerly TensorFlow Lite: the runtime of phones and ARM boards, with XNNPACK on the processor.

Its int8 arithmetic is the reference's own (`sesr.network.reference`): int8 ReLU networks give the same bits in both. It
needs the extra ``export``, and two gigabytes for a whole 1920 x 1080 frame, so strips matter.

A `.tflite` does not state its receptive radius; the radius is taken from the header that our files carry in their
metadata. A damaged file can make LiteRT abort the process, so only files whose checksum fits are run.
"""

import json
import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sesr.engines.base import from_int8, import_package, last_line, plane_of, running, to_int8
from sesr.errors import UsageError, WeightsError
from sesr.imaging.arrays import Luma
from sesr.network.variants import SESRConfig
from sesr.tflite.file import check_sum, check_tflite, read_metadata


def import_litert() -> ModuleType:
    """Import LiteRT's interpreter. Raises `NotInstalledError`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about its own future
        return import_package("ai_edge_litert.interpreter", "LiteRT", "sesr[export]")


class LiteRTEngine:
    """A `.tflite` that `sesr export` wrote, in LiteRT. Arguments and errors as for `sesr.engines.load.load_engine`."""

    column_reach = None

    def __init__(self, path: Path, threads: int | None = None) -> None:
        check_tflite(path)
        package = import_litert()
        config = _config(path)
        self.scale, self.receptive_radius = config.scale, config.receptive_radius
        try:
            with _quiet():
                self._interpreter: Any = package.Interpreter(model_path=str(path), num_threads=threads)
                self._interpreter.allocate_tensors()
            (source,), (result,) = self._interpreter.get_input_details(), self._interpreter.get_output_details()
        except (RuntimeError, ValueError) as error:
            raise WeightsError(f"{path}: damaged or foreign ({last_line(error)}); fetch or export it again") from error
        self.int8 = source["dtype"] == np.int8
        self._path, self._source, self._result = path, source["index"], result["index"]
        self._shape, self._free = tuple(source["shape"]), -1 in source["shape_signature"]

    def run(self, luma: Luma) -> Luma:
        """See `LumaEngine.run`. Raises `UsageError` for another size where the file is declared to have one."""
        source = plane_of(luma)
        shape = (1, *source.shape, 1)
        if shape != self._shape and not self._free:
            _, height, width, _ = self._shape
            raise UsageError(f"{self._path}: takes planes of {width} x {height} pixels only")
        with running(source):
            result = self.infer(to_int8(source) if self.int8 else source)
        return from_int8(result) if self.int8 else result

    def infer(self, plane: NDArray[Any]) -> NDArray[Any]:
        """The network alone, on a plane (H, W) of the type that it computes in. Raises `RuntimeError`."""
        self._resize((1, *plane.shape, 1))
        self._interpreter.set_tensor(self._source, plane[None, :, :, None])
        self._interpreter.invoke()
        result: NDArray[Any] = self._interpreter.get_tensor(self._result)[0, :, :, 0]
        return result

    def _resize(self, shape: tuple[int, ...]) -> None:
        if shape != self._shape:
            with _quiet():
                self._interpreter.resize_tensor_input(self._source, shape)
                self._interpreter.allocate_tensors()
            self._shape = shape


def _config(path: Path) -> SESRConfig:
    """Return the network's hyper-parameters, from the file's metadata. Raises `WeightsError`."""
    content = path.read_bytes()
    if check_sum(content) is None:  # only what was not changed since is safe to hand to LiteRT
        raise WeightsError(f"{path}: damaged, or not a .tflite that `sesr export` wrote; export it again")
    try:
        entry = read_metadata(content)
        return SESRConfig(**json.loads(entry or b"")["config"])
    except (ValueError, TypeError, KeyError, UsageError) as error:
        raise WeightsError(f"{path}: a .tflite, but not a SESR network's; its header: {last_line(error)}") from error


_STDERR = threading.Lock()


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the messages of LiteRT's C++ off stderr, where there is a stderr; one thread at a time."""
    with _STDERR, ExitStack() as undo:
        with suppress(OSError):  # stderr may be closed
            kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
            for descriptor in (kept, nowhere):
                undo.callback(os.close, descriptor)
            os.dup2(nowhere, 2)
            undo.callback(os.dup2, kept, 2)
        yield
