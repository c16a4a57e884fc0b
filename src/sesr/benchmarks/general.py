"""Speed of a network in general engines: OpenVINO against eager PyTorch, in one process and one run.

Contenders take turns on the same frame (`sesr.benchmarks.rounds`), and a contender's `ratio` is its time divided by
OpenVINO's. The contenders:

- ``openvino``: the whole frame at once;
- ``openvino-strips``: in strips, as `sesr upscale` runs it;
- ``openvino-int8``, ``openvino-int8-strips``: the same with the int8 network made from this one, if there is one,
  including its rounding to 8 bits and back. Without VNNI its pixels are wrong (docs/inside/int8.md), but its times
  still hold;
- ``torch``: the collapsed network in eager PyTorch as one writes it, the reference for claims of speed;
- ``torch-channels-last``: the same with weights in the memory order that PyTorch's convolutions prefer, its best.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from sesr.benchmarks.rounds import check_rounds, take_turns, timed
from sesr.benchmarks.rows import Row
from sesr.engines.base import LumaEngine
from sesr.engines.load import load_engine
from sesr.engines.strips import run_plane
from sesr.engines.torch import TorchEngine
from sesr.errors import UsageError
from sesr.imaging.arrays import Luma
from sesr.network.checkpoint import Checkpoint, load_checkpoint
from sesr.network.zoo import Network

_Contender = Callable[[Luma], object]


@dataclass(frozen=True)
class GeneralTiming(Row):
    """One contender's times on one frame.

    Attributes:
        network: name of the network.
        scale: its scale.
        engine: name of the contender.
        width, height: of the input, pixels.
        threads: processor threads that the contender was given.
        rounds: rounds that counted.
        median_ms, best_ms: over the rounds.
        ratio: its time divided by OpenVINO's on whole frames, median of the rounds; 2.5 means 2.5 times slower.
    """

    network: str
    scale: int
    engine: str
    width: int
    height: int
    threads: int
    rounds: int
    median_ms: float
    best_ms: float
    ratio: float

    def line(self) -> str:
        """Return the contender's time, alone and compared."""
        return f"{self.engine:20} {self.median_ms:8.1f} ms  {self.ratio:5.2f} times OpenVINO's"


def measure_general(
    network: Network,
    width: int = 1920,
    height: int = 1080,
    rounds: int = 7,
    threads: int | None = None,
    int8: Network | None = None,
) -> list[GeneralTiming]:
    """Time a network on a frame of noise; times do not depend on what a frame shows.

    Args:
        network: a network with a `.safetensors`, which PyTorch reads.
        width, height: of the input, pixels.
        rounds: rounds that count, at least 1, after one to warm up.
        threads: processor threads for all contenders; None takes as many as the machine has.
        int8: the int8 network to time as well.

    Raises `UsageError` for no rounds or a network without `.safetensors`, `EngineError` without PyTorch or OpenVINO.
    """
    check_rounds(rounds)
    threads = threads or os.cpu_count() or 1
    if network.safetensors is None:
        raise UsageError(f"{network.file}: PyTorch reads .safetensors; give one to compare with it")
    checkpoint = load_checkpoint(network.safetensors)
    luma = np.random.default_rng(0).random((height, width), np.float32)
    contenders = _contenders(load_engine(network.file, "openvino", threads), checkpoint, threads)
    if int8 is not None:
        openvino_int8 = load_engine(int8.file, "openvino", threads, inexact=True)
        contenders["openvino-int8"] = openvino_int8.run
        contenders["openvino-int8-strips"] = partial(run_plane, openvino_int8)
    measured = take_turns({name: timed(partial(run, luma)) for name, run in contenders.items()}, rounds)
    return [
        GeneralTiming(
            network=network.name,
            scale=checkpoint.config.scale,
            engine=name,
            width=width,
            height=height,
            threads=threads,
            rounds=rounds,
            median_ms=round(measured.median(name) * 1e3, 1),
            best_ms=round(measured.best(name) * 1e3, 1),
            ratio=round(measured.ratio(name, "openvino"), 2),
        )
        for name in contenders
    ]


def _contenders(openvino: LumaEngine, checkpoint: Checkpoint, threads: int) -> dict[str, _Contender]:
    channels_last = TorchEngine(checkpoint, threads)
    return {
        "openvino": openvino.run,
        "openvino-strips": partial(run_plane, openvino),
        "torch": _plain_torch(checkpoint),
        "torch-channels-last": channels_last.run,
    }


def _plain_torch(checkpoint: Checkpoint) -> _Contender:
    """Return the network as one writes it in PyTorch: default memory order, nothing compiled."""
    import torch

    from sesr.network.sesr import CollapsedSESR

    network = CollapsedSESR.from_checkpoint(checkpoint)
    return torch.inference_mode()(lambda luma: network(torch.from_numpy(luma)[None, None]))
