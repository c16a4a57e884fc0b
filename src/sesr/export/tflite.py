"""The target ``.tflite``: written by `sesr.tflite.writer`, run by LiteRT and OpenVINO."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from sesr.engines.load import load_engine
from sesr.engines.openvino import UNTRUSTED, openvino_int8_trusted
from sesr.export.check import Loader
from sesr.network.quantized import AnyNetwork
from sesr.tflite.writer import DEFAULT, Layout, write_tflite


@dataclass(frozen=True)
class TFLite:
    """A `Target`. Only LiteRT runs a file with a transposed convolution."""

    layout: Layout = DEFAULT
    suffix: str = ".tflite"
    rgb: bool = False

    @property
    def size(self) -> tuple[int, int] | None:
        """See `Target.size`."""
        return self.layout.size

    def refusal(self, network: AnyNetwork) -> str:
        """See `Target.refusal`: it holds every network."""
        return ""

    def write(self, network: AnyNetwork) -> bytes:
        """See `Target.write`."""
        return write_tflite(network, self.layout)

    def runtimes(self, network: AnyNetwork) -> Mapping[str, Loader | str]:
        """See `Target.runtimes`."""
        runtimes: dict[str, Loader | str] = {"litert": partial(load_engine, backend="litert")}
        if not self.layout.transposed:
            trusted = openvino_int8_trusted() or not network.int8
            runtimes["openvino"] = partial(load_engine, backend="openvino") if trusted else UNTRUSTED
        return runtimes
