"""The comparison of general engines runs every contender; its figures are not tested."""

import sys
from pathlib import Path

import numpy as np
import pytest
from tests.fakes import random_network

from sesr.benchmarks.general import measure_general
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
def test_rows(network: Network) -> None:
    timings = measure_general(network, 40, 30, rounds=2, threads=1)
    assert [timing.engine for timing in timings] == CONTENDERS
    assert timings[0].ratio == 1
    for timing in timings:
        assert (timing.network, timing.scale, timing.width, timing.height) == ("small", 3, 40, 30)
        assert (timing.threads, timing.rounds) == (1, 2)
        assert 0 < timing.best_ms <= timing.median_ms
        assert timing.line().startswith(timing.engine)


@pytest.mark.needs("openvino", "export", "torch")
def test_int8_takes_its_turns(network: Network, tmp_path: Path) -> None:
    """The int8 network next to it, whole and in strips, is timed against the same OpenVINO frame."""
    path = tmp_path / "small-int8.safetensors"
    random_network(SESRConfig(m=1, f=2, scale=3, activation="relu")).save(path)
    timings = measure_general(network, 40, 30, rounds=1, threads=1, int8=find_network(str(path)))
    assert [timing.engine for timing in timings] == [*CONTENDERS, "openvino-int8", "openvino-int8-strips"]
    assert all(timing.best_ms > 0 for timing in timings)


def test_refusals(network: Network) -> None:
    with pytest.raises(UsageError, match="rounds must be at least 1"):
        measure_general(network, rounds=0)
    with pytest.raises(UsageError, match=r"PyTorch reads \.safetensors"):
        measure_general(Network("bare", None, {}, None, Path("bare.tflite")))


@pytest.mark.needs("openvino", "export")
def test_without_pytorch(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(EngineError, match="PyTorch is not installed"):
        measure_general(network, 8, 8)
