"""How fast a network runs here: OpenVINO against eager PyTorch, in one process and one run.

A machine's speed drifts (other programs, heat), so times taken one after the other prove little. Here the contenders
take turns, round after round on the same frame, and a contender's `ratio` is the median over the rounds of its time
divided by OpenVINO's in the same round. The first round warms up and does not count.

The contenders:

- ``openvino``: the whole frame at once;
- ``openvino-strips``: in strips, as `sesr upscale` runs it;
- ``openvino-int8``, ``openvino-int8-strips``: the same with the int8 network made of this one, where there is one,
  its rounding to 8 bits and back included. Without VNNI its pixels are wrong (docs/int8.md) and its times still true;
- ``torch``: the collapsed network in eager PyTorch as one writes it, the reference that speed is claimed against;
- ``torch-channels-last``: the same with weights in the memory order that PyTorch's convolutions like, its best.
"""

import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sesr.engines.base import Luma, LumaEngine
from sesr.engines.load import load_engine
from sesr.engines.strips import run_plane
from sesr.engines.torch import TorchEngine
from sesr.errors import UsageError
from sesr.network.checkpoint import Checkpoint, load_checkpoint
from sesr.network.zoo import Network

Contender = Callable[[Luma], object]


@dataclass(frozen=True)
class Timing:
    """One contender's times on one frame.

    Attributes:
        network: name of the network.
        scale: its scale.
        engine: name of the contender.
        width, height: of the input, pixels.
        threads: processor threads that it was given.
        rounds: rounds that counted.
        median_ms, best_ms: over the rounds.
        ratio: its time over OpenVINO's on whole frames, median of the rounds; 2.5 means 2.5 times slower.
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


def measure_speed(
    network: Network,
    width: int = 1920,
    height: int = 1080,
    rounds: int = 7,
    threads: int | None = None,
    int8: Network | None = None,
) -> list[Timing]:
    """Times a network on a frame of noise; times do not depend on what a frame shows.

    Args:
        network: its `safetensors` must be there: PyTorch reads it.
        width, height: of the input, pixels.
        rounds: to count, at least 1, after one to warm up.
        threads: processor threads for all contenders; None takes as many as the machine has.
        int8: the int8 network to time beside it.

    Raises `UsageError` for no rounds or a network without `.safetensors`, `EngineError` without PyTorch.
    """
    if rounds < 1:
        raise UsageError(f"rounds must be at least 1, not {rounds}")
    threads = threads or os.cpu_count() or 1
    if network.safetensors is None:
        raise UsageError(f"{network.file}: PyTorch reads .safetensors; give one to compare with it")
    checkpoint = load_checkpoint(network.safetensors)
    luma = np.random.default_rng(0).random((height, width), np.float32)
    contenders = _contenders(load_engine(network.file, "openvino", threads), checkpoint, threads)
    if int8 is not None:
        eight = load_engine(int8.file, "openvino", threads, inexact=True)
        contenders["openvino-int8"] = eight.run
        contenders["openvino-int8-strips"] = lambda luma: run_plane(eight, luma)
    times = _take_turns(contenders, luma, rounds)
    return [
        Timing(network.name, checkpoint.config.scale, name, width, height, threads, rounds, *_summary(own, times))
        for name, own in times.items()
    ]


def _contenders(openvino: LumaEngine, checkpoint: Checkpoint, threads: int) -> dict[str, Contender]:
    channels_last = TorchEngine(checkpoint, threads)
    return {
        "openvino": openvino.run,
        "openvino-strips": lambda luma: run_plane(openvino, luma),
        "torch": _plain_torch(checkpoint),
        "torch-channels-last": channels_last.run,
    }


def _plain_torch(checkpoint: Checkpoint) -> Contender:
    import torch

    from sesr.network.sesr import CollapsedSESR

    network = CollapsedSESR.from_checkpoint(checkpoint)
    return torch.inference_mode()(lambda luma: network(torch.from_numpy(luma)[None, None]))


def _take_turns(contenders: dict[str, Contender], luma: Luma, rounds: int) -> dict[str, list[float]]:
    """Seconds of every counted round, by contender."""
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(rounds + 1):
        for name, run in contenders.items():
            start = time.perf_counter()
            run(luma)
            if turn:
                times[name].append(time.perf_counter() - start)
    return times


def _summary(own: list[float], times: dict[str, list[float]]) -> tuple[float, float, float]:
    """Median and best in milliseconds, and the ratio."""
    ratio = statistics.median(a / b for a, b in zip(own, times["openvino"], strict=True))
    return round(statistics.median(own) * 1e3, 1), round(min(own) * 1e3, 1), round(ratio, 2)
