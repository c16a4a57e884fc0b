"""The speed comparison runs all contenders in turns and writes its table; its figures are not tested."""

import csv
import sys
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from tests.quantized_networks import random_network

from sesr.benchmarks import speed
from sesr.benchmarks.rows import write_rows
from sesr.benchmarks.speed import Timing, measure_speed
from sesr.errors import EngineError, UsageError
from sesr.network.checkpoint import Checkpoint, tensor_shapes
from sesr.network.variants import SESRConfig
from sesr.network.zoo import Network, find_network

CONTENDERS = ["openvino", "openvino-strips", "torch", "torch-channels-last"]


@pytest.fixture
def network(tmp_path: Path) -> Network:
    config = SESRConfig(m=1, f=2, scale=3)
    tensors = {name: np.full(shape, 0.01, np.float32) for name, shape in tensor_shapes(config).items()}
    Checkpoint(config, tensors).save(tmp_path / "small.safetensors")
    return find_network(str(tmp_path / "small.safetensors"))


@pytest.mark.needs("openvino", "export", "torch")
def test_table(network: Network, tmp_path: Path) -> None:
    timings = measure_speed(network, 40, 30, rounds=2, threads=1)
    assert [timing.engine for timing in timings] == CONTENDERS
    assert timings[0].ratio == 1
    for timing in timings:
        assert (timing.network, timing.scale, timing.width, timing.height) == ("small", 3, 40, 30)
        assert (timing.threads, timing.rounds) == (1, 2)
        assert 0 < timing.best_ms <= timing.median_ms
    write_rows(timings, tmp_path / "speed.csv")
    with (tmp_path / "speed.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [field.name for field in fields(Timing)]
    assert [float(row["median_ms"]) for row in rows] == [timing.median_ms for timing in timings]


@pytest.mark.needs("openvino", "export", "torch")
def test_int8_takes_its_turns(network: Network, tmp_path: Path) -> None:
    """The int8 network made beside it, whole and in strips, timed against the same OpenVINO frame."""
    path = tmp_path / "small-int8.safetensors"
    random_network(SESRConfig(m=1, f=2, scale=3, activation="relu")).save(path)
    timings = measure_speed(network, 40, 30, rounds=1, threads=1, int8=find_network(str(path)))
    assert [timing.engine for timing in timings] == [*CONTENDERS, "openvino-int8", "openvino-int8-strips"]
    assert all(timing.best_ms > 0 for timing in timings)


def test_turns_and_ratio(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that slows down threefold in the second round changes the times and not the ratio."""
    clock = 0.0
    calls: list[str] = []

    def contender(name: str, cost: float) -> speed.Contender:
        def run(_: object) -> None:
            nonlocal clock
            calls.append(name)
            clock += cost * (3 if len(calls) > 4 else 1)

        return run

    monkeypatch.setattr("sesr.benchmarks.speed.time.perf_counter", lambda: clock)
    contenders = {"openvino": contender("openvino", 1.0), "torch": contender("torch", 4.0)}
    times = speed._take_turns(contenders, np.zeros((1, 1), np.float32), 2)
    assert calls == ["openvino", "torch"] * 3
    assert times == {"openvino": [1, 3], "torch": [4, 12]}
    assert speed._summary(times["torch"], times) == (8000, 4000, 4)


@pytest.mark.needs("openvino", "export")
def test_refusals(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="rounds must be at least 1"):
        measure_speed(network, rounds=0)
    with pytest.raises(UsageError, match=r"PyTorch reads \.safetensors"):
        measure_speed(Network("bare", None, {}, None, Path("bare.tflite")))
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(EngineError, match="PyTorch is not installed"):
        measure_speed(network, 8, 8)
