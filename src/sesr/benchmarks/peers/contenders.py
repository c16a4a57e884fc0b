"""Everything that takes part in `sesr benchmark peers`, by name.

Run as a program, this module makes one contender and enlarges one frame, so that its process's peak memory can be
measured from outside::

    python -m sesr.benchmarks.peers.contenders NETWORK SCALE ENGINE HEIGHT WIDTH THREADS
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Literal

import numpy as np

from sesr.benchmarks.peers.graph import PEERS, Graph, sesr_graph
from sesr.benchmarks.peers.resizers import FILTERS, opencv_resizer, pillow_resizer
from sesr.engines.base import Backend
from sesr.engines.kernels import floats_in_use
from sesr.engines.litert import LiteRTEngine
from sesr.engines.load import load_engine
from sesr.engines.native import NativeEngine
from sesr.engines.openvino import OpenVINOEngine
from sesr.network.checkpoint import load_checkpoint
from sesr.network.quantized import load_network
from sesr.network.zoo import INT8, find_network

Values = Literal["float32", "int16", "int8", "uint8"]

OURS, PILLOW, OPENCV = "ours", "pillow", "opencv"

PACKAGES = {
    "openvino": ("openvino",),
    "litert": ("ai_edge_litert", "flatbuffers"),
    "onnxruntime": ("onnxruntime", "onnx"),
    "ncnn": ("ncnn",),
    "torch": ("torch",),
    OPENCV: ("cv2",),
}
"""Modules that each engine needs; our own and Pillow are always there."""

INSTALL = {
    "openvino": "'sesr[openvino]'",
    "litert": "'sesr[export]'",
    "onnxruntime": "onnxruntime onnx",
    "ncnn": "ncnn",
    "torch": "'sesr[train]'",
    OPENCV: "opencv-python-headless",
}
"""Package of each of them, for `pip install`."""

DISPLAYED = {
    "openvino": "OpenVINO",
    "litert": "LiteRT",
    "onnxruntime": "ONNX Runtime",
    "torch": "PyTorch",
    PILLOW: "Pillow",
    OPENCV: "OpenCV",
    "fsrcnn": "FSRCNN",
    "realesr-compact": "Real-ESRGAN compact",
    "quicksrnet-small": "QuickSRNet-small",
}
"""Names for people of engines and networks that have another spelling."""

INT8_ENGINES = (OURS, "openvino", "litert")
"""Engines that run our int8 networks."""

GRAPH_ENGINES = ("openvino", "onnxruntime", "ncnn", "torch")
"""Engines that run the networks of others."""


@dataclass(frozen=True)
class Contender:
    """A network, or a filter such as ``bicubic``, in an engine."""

    network: str
    scale: int
    engine: str

    @property
    def values(self) -> Values:
        """Type that it computes in; our engine runs float networks in int16 where that is faster."""
        if self.network in FILTERS:
            return "uint8"
        if self.network.endswith(INT8):
            return "int8"
        return floats_in_use() if self.engine == OURS else "float32"

    def macs(self, height: int, width: int) -> int:
        """Return the multiply-adds for one input, in our engine those that it executes; 0 for a filter."""
        if self.network in FILTERS:
            return 0
        if self.network in PEERS:
            return PEERS[self.network](self.scale).macs(height, width)
        network = find_network(self.network, self.scale)
        if self.engine == OURS and network.safetensors is not None:
            return NativeEngine(load_network(network.safetensors), 1).macs(height, width)
        config = network.config
        return config.weights * height * width if config else 0


def missing(engines: Sequence[str]) -> list[str]:
    """Return the engines among these that are not installed."""
    return [name for name in engines if not all(find_spec(module) for module in PACKAGES.get(name, ()))]


def make_run(contender: Contender, height: int, width: int, threads: int) -> Callable[[], object]:
    """Return a function that enlarges a frame of noise.

    SESR and the filters take luma, the networks of others what they were made for. The frame already has the form that
    the contender computes in: for an int8 network that is 8-bit luma in our engine, and luma less 128, int8, in the
    others. So no call rounds or converts on its way in or out. Raises `UsageError` for an unknown
    network, `EngineError` where an engine does not run.
    """
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (height, width), np.uint8)
    if contender.network in FILTERS:
        if contender.engine == PILLOW:
            return partial(pillow_resizer(contender.network, contender.scale), pixels)
        return partial(opencv_resizer(contender.network, contender.scale, threads), pixels)
    if contender.network in PEERS:
        graph = PEERS[contender.network](contender.scale)
        return _run_graph(graph, contender.engine, height, width, threads)
    network = find_network(contender.network, contender.scale)
    assert network.safetensors is not None
    luma = pixels.astype(np.float32) / np.float32(255)
    if contender.engine == OURS:
        engine = NativeEngine(load_network(network.safetensors), threads)
        return partial(engine.run_bytes, pixels) if engine.int8 else partial(engine.run, luma)
    if contender.engine in ("openvino", "litert"):
        backend: Backend = "litert" if contender.engine == "litert" else "openvino"
        general = load_engine(network.file, backend, threads, inexact=True)
        assert isinstance(general, OpenVINOEngine | LiteRTEngine)
        return partial(general.infer, (pixels ^ 128).view(np.int8) if general.int8 else luma)
    return _run_graph(sesr_graph(load_checkpoint(network.safetensors)), contender.engine, height, width, threads)


def _run_graph(graph: Graph, engine: str, height: int, width: int, threads: int) -> Callable[[], object]:
    make_runner = getattr(import_module(f"sesr.benchmarks.peers.{engine}"), f"{engine}_runner")
    planes = np.random.default_rng(0).random((1, graph.channels, height, width), np.float32)
    return partial(make_runner(graph, threads), planes)


def _main(network: str, scale: str, engine: str, *numbers: str) -> None:
    height, width, threads = map(int, numbers)
    make_run(Contender(network, int(scale), engine), height, width, threads)()


if __name__ == "__main__":
    _main(*sys.argv[1:])
