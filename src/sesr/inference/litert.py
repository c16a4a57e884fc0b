"""LiteRT, formerly TensorFlow Lite: the runtime of phones and ARM boards, with XNNPACK on the processor.

Its int8 arithmetic is the reference's own (`sesr.network.quantized`), so int8 ReLU networks give the same bits here as
there. It needs the extra ``export``, and two gigabytes for a whole 1920 x 1080 frame: strips matter.

A `.tflite` says nothing of its receptive radius; it is taken from the header that our files carry in their metadata.
"""

import json
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from sesr.errors import UsageError, WeightsError
from sesr.export.flatbuffer import read_metadata
from sesr.inference.engine import (
    Luma,
    check_tflite,
    from_int8,
    import_package,
    last_line,
    plane_of,
    running,
    to_int8,
)
from sesr.network.variants import SESRConfig


class LiteRTEngine:
    """A `.tflite` of ours in LiteRT. Arguments and errors as for `sesr.inference.engine.load_engine`."""

    def __init__(self, path: Path, threads: int | None = None) -> None:
        check_tflite(path)
        config = _config(path)
        self.scale, self.receptive_radius = config.scale, config.receptive_radius
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of its own future
            package = import_package("ai_edge_litert.interpreter", "LiteRT", "sesr[export]")
        try:
            with _quiet():
                self._interpreter: Any = package.Interpreter(model_path=str(path), num_threads=threads)
            (source,), (result,) = self._interpreter.get_input_details(), self._interpreter.get_output_details()
        except (RuntimeError, ValueError) as error:
            raise WeightsError(f"{path}: damaged or foreign ({last_line(error)}); fetch or export it again") from error
        self.int8 = source["dtype"] == np.int8
        self._source, self._result, self._shape = source["index"], result["index"], tuple(source["shape"])
        self._free = -1 in source["shape_signature"]
        self._ready = False

    def run(self, luma: Luma) -> Luma:
        """See `Engine.run`. Raises `UsageError` for another size than its own where a file has just one."""
        source = plane_of(luma)
        with running(source):
            self._resize((1, *source.shape, 1))
            self._interpreter.set_tensor(self._source, (to_int8(source) if self.int8 else source)[None, :, :, None])
            self._interpreter.invoke()
            result = self._interpreter.get_tensor(self._result)[0, :, :, 0]
        return from_int8(result) if self.int8 else result

    def _resize(self, shape: tuple[int, ...]) -> None:
        if shape != self._shape and not self._free:
            raise UsageError(f"this .tflite takes planes of {self._shape[2]} x {self._shape[1]} pixels only")
        if shape != self._shape or not self._ready:
            with _quiet():
                if shape != self._shape:
                    self._interpreter.resize_tensor_input(self._source, shape)
                self._interpreter.allocate_tensors()
            self._shape, self._ready = shape, True


def _config(path: Path) -> SESRConfig:
    """Of the network in a file, from its metadata. Raises `WeightsError`."""
    try:
        entry = read_metadata(path.read_bytes())
        if entry is None:
            raise WeightsError(f"{path}: a .tflite without the header that `sesr export` writes; use --engine openvino")
        return SESRConfig(**json.loads(entry)["config"])
    except (ValueError, TypeError, KeyError, UsageError) as error:
        raise WeightsError(f"{path}: damaged or foreign ({last_line(error)}); fetch or export it again") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps what LiteRT's C++ tells of its delegates off stderr."""
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
