"""The target ``.onnx``: written by `sesr.export.onnx_writer`, run by onnxruntime and OpenVINO."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sesr.engines.base import import_package, last_line
from sesr.engines.openvino import UNTRUSTED, import_openvino, openvino_int8_trusted
from sesr.errors import EngineError
from sesr.export.check import Loader
from sesr.export.onnx_writer import FREE, ONNXLayout, refusal, write_onnx
from sesr.export.verify import Planes
from sesr.network.quantized import AnyNetwork

QUIET = 3
"""onnxruntime's level of messages: errors, no warnings."""


@dataclass(frozen=True)
class ONNX:
    """A `Target`."""

    layout: ONNXLayout = FREE
    suffix: str = ".onnx"

    @property
    def size(self) -> tuple[int, int] | None:
        """See `Target.size`."""
        return self.layout.size

    @property
    def rgb(self) -> bool:
        """See `Target.rgb`."""
        return self.layout.rgb

    def refusal(self, network: AnyNetwork) -> str:
        """See `Target.refusal`."""
        return refusal(network)

    def write(self, network: AnyNetwork) -> bytes:
        """See `Target.write`."""
        return write_onnx(network, self.layout)

    def runtimes(self, network: AnyNetwork) -> Mapping[str, Loader | str]:
        """See `Target.runtimes`."""
        trusted = openvino_int8_trusted() or not network.int8
        return {"onnxruntime": ONNXRuntime, "openvino": OpenVINORuntime if trusted else UNTRUSTED}


class ONNXRuntime:
    """An ``.onnx`` in onnxruntime on the processor, as it runs where nobody sets an option.

    Raises `NotInstalledError` without the extra ``onnx``, `EngineError` for a file that it refuses.
    """

    def __init__(self, path: Path) -> None:
        package = import_package("onnxruntime", "onnxruntime", "sesr[onnx]")
        options = package.SessionOptions()
        options.log_severity_level = QUIET
        try:
            self._session = package.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime raises a dozen kinds, which share no other base
            raise EngineError(last_line(error)) from error

    def run(self, picture: Planes, /) -> Planes:
        """Run on luma (H, W) or RGB (H, W, 3). See `Runtime`."""
        (result,) = self._session.run(["output"], {"input": _batch_of(picture)})
        return _picture_of(result, picture)


class OpenVINORuntime:
    """An ``.onnx`` in OpenVINO on the processor, in float32. Errors as `ONNXRuntime`'s."""

    def __init__(self, path: Path) -> None:
        package = import_openvino()
        try:
            self._model = package.Core().compile_model(str(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        except RuntimeError as error:
            raise EngineError(last_line(error)) from error

    def run(self, picture: Planes, /) -> Planes:
        """Run on luma (H, W) or RGB (H, W, 3). See `Runtime`."""
        return _picture_of(self._model(_batch_of(picture))[0], picture)


def _batch_of(picture: Planes) -> Planes:
    """Return a picture as a file takes it, (1, channels, H, W)."""
    return np.ascontiguousarray(np.moveaxis(np.atleast_3d(picture), -1, 0)[None])


def _picture_of(batch: Planes, source: Planes) -> Planes:
    """Return a file's result as a picture, with channels only if the source has them."""
    picture: Planes = np.moveaxis(batch[0], 0, -1).reshape(*batch.shape[2:], *source.shape[2:])
    return picture
