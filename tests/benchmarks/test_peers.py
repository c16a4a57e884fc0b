"""Other engines compute the graphs that they are given, so that their times are of equal work."""

import sys
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest

from sesr.benchmarks.engine import random_float
from sesr.benchmarks.memory_probe import Usage, command_peak
from sesr.benchmarks.peers.contenders import GRAPH_ENGINES, OPENCV, OURS, PACKAGES, Contender, make_run, missing
from sesr.benchmarks.peers.graph import PEERS, Array, Graph, compact, fsrcnn, quicksrnet, sesr_graph
from sesr.benchmarks.peers.resizers import opencv_resizer, pillow_resizer
from sesr.benchmarks.peers.speed import Scope, Size, measure_peers, shipped
from sesr.engines.native import NativeEngine
from sesr.errors import UsageError
from sesr.network.variants import VARIANTS

ENGINES = {"onnxruntime": "onnx", "openvino": "openvino", "torch": "torch", "ncnn": "ncnn"}
"""Engines, and what each needs besides itself."""


def runner(engine: str, graph: Graph) -> Callable[[Array], Array]:
    """Return a graph in an engine; skips where that is not installed."""
    for package in (engine, ENGINES[engine]):
        pytest.importorskip(package)
    make: Callable[[Graph, int], Callable[[Array], Array]] = getattr(
        import_module(f"sesr.benchmarks.peers.{engine}"), f"{engine}_runner"
    )
    return make(graph, 1)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("name", "scale"), [("m3", 2), ("m3", 4)])
def test_engines_compute_sesr(engine: str, name: str, scale: int) -> None:
    network = random_float(replace(VARIANTS[name], scale=scale))
    luma = np.random.default_rng(1).random((21, 34), np.float32)
    result = runner(engine, sesr_graph(network))(luma[None, None])
    np.testing.assert_allclose(result[0, 0], NativeEngine(network, 1, floats="float32").run(luma), atol=2e-5)


@pytest.mark.parametrize("engine", [name for name in ENGINES if name != "torch"])
@pytest.mark.parametrize("scale", [2, 4])
@pytest.mark.parametrize("name", PEERS)
def test_engines_agree_about_other_networks(engine: str, name: str, scale: int) -> None:
    graph = PEERS[name](scale)
    planes = np.random.default_rng(1).random((1, graph.channels, 12, 17), np.float32)
    expected = runner("torch", graph)(planes)
    assert expected.shape == (1, graph.channels, 12 * scale, 17 * scale)
    assert expected.std() > 0.01
    np.testing.assert_allclose(runner(engine, graph)(planes), expected, rtol=1e-3, atol=1e-4)


def test_sizes_are_those_that_papers_print() -> None:
    assert fsrcnn(2).weights == 12_464
    assert 590_000 < compact(2).weights < 610_000
    assert quicksrnet(4).weights == 33_264 - 3 * 32 - 48  # Qualcomm counts 33.3 thousand with biases
    assert sesr_graph(random_float(VARIANTS["m5"])).macs(1080, 1920) == 13_520 * 1920 * 1080


@pytest.mark.parametrize("name", ["bicubic", "lanczos"])
def test_resizers_enlarge(name: str) -> None:
    ramp = np.broadcast_to(np.arange(0, 200, 4, dtype=np.uint8), (9, 50))
    large = pillow_resizer(name, 2)(ramp)
    assert large.shape == (18, 100)
    pytest.importorskip("cv2")
    other = opencv_resizer(name, 2, 1)(ramp)
    assert other.shape == large.shape
    assert np.abs(other.astype(int) - large)[2:-2, 8:-8].max() <= 2


def test_rows_of_a_tiny_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    """A row for each contender that is installed, and a note for each that is not; without the processes for memory."""
    monkeypatch.setattr("sesr.benchmarks.peers.speed.command_peak", lambda _: Usage(50_000_000, 1.0))
    notes: list[str] = []
    rows = list(measure_peers(Scope([Size(40, 30, 2)], ["m3", "m5-int8"], ["quicksrnet-small"]), 1, 1, notes.append))
    absent = missing(tuple(PACKAGES))
    assert len(notes) == len(absent)
    assert all(f"{name} is not installed" in note for name, note in zip(absent, notes, strict=True))
    assert {row.engine for row in rows} == {OURS, "pillow", *PACKAGES} - set(absent)
    assert [(row.network, row.engine) for row in rows if row.of_ours == 1] == [("m3", OURS), ("m5-int8", OURS)]
    competed = {row.fastest_of for row in rows if row.network == "quicksrnet-small"}
    assert {frozenset(names.split()) for names in competed} == {frozenset(GRAPH_ENGINES) - set(absent)}
    assert {row.fastest_of for row in rows if row.network != "quicksrnet-small"} == {""}
    for row in rows:
        assert 0 < row.best_ms <= row.median_ms or row.values == "uint8"
        assert (row.of_peak > 0) == (row.values != "uint8")
        assert row.peak_mb == 50
        assert row.line().startswith("40 x 30 x2")


@pytest.mark.parametrize(("network", "engine"), [("bicubic", "pillow"), ("m5-int8", "ours")])
def test_memory_of_a_contender_in_a_process_of_its_own(network: str, engine: str) -> None:
    program = [sys.executable, "-m", "sesr.benchmarks.peers.contenders"]
    assert command_peak([*program, network, "2", engine, "30", "40", "1"]).memory > 20_000_000


def test_a_contender_that_fails_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> object:
        raise MemoryError("no room")

    monkeypatch.setattr("sesr.benchmarks.peers.contenders.pillow_resizer", fail)
    monkeypatch.setattr("sesr.benchmarks.peers.speed.missing", lambda engines: list(engines))
    notes: list[str] = []
    assert list(measure_peers(Scope([Size(40, 30, 2)], [], []), 1, 1, notes.append)) == []
    assert notes[-2:] == [f"{kind} in pillow at 40 x 30 failed: no room" for kind in ("bicubic", "lanczos")]


def test_an_engine_that_fails_on_a_network_of_others_does_not_compete(monkeypatch: pytest.MonkeyPatch) -> None:
    """The others do, and their rows follow."""
    pytest.importorskip("openvino")
    pytest.importorskip("torch")

    def fail(*_: object) -> object:
        raise RuntimeError("no such operation")

    monkeypatch.setattr("sesr.benchmarks.peers.torch.torch_runner", fail)
    monkeypatch.setattr("sesr.benchmarks.peers.speed.missing", lambda _: [OPENCV, "litert", "ncnn", "onnxruntime"])
    monkeypatch.setattr("sesr.benchmarks.peers.speed.command_peak", lambda _: Usage(50_000_000, 1.0))
    notes: list[str] = []
    rows = list(measure_peers(Scope([Size(40, 30, 2)], [], ["fsrcnn"]), 1, 1, notes.append))
    assert "fsrcnn in torch at 40 x 30 failed: no such operation" in notes
    assert [(row.engine, row.fastest_of) for row in rows if row.network == "fsrcnn"] == [("openvino", "openvino")]


@pytest.mark.parametrize("engine", ["openvino", "litert"])
def test_int8_engines_are_timed_on_tensors_of_their_own_type(engine: str) -> None:
    """So that no call rounds or converts."""
    for package in PACKAGES[engine]:
        pytest.importorskip(package)
    result = make_run(Contender("m5-int8", 2, engine), 20, 30, 1)()
    ours = make_run(Contender("m5-int8", 2, OURS), 20, 30, 1)()
    assert isinstance(result, np.ndarray)
    assert isinstance(ours, np.ndarray)
    assert (result.dtype, result.shape) == (np.int8, (40, 60))
    assert (ours.dtype, ours.shape) == (np.uint8, (40, 60))
    if engine == "litert":
        np.testing.assert_array_equal(result.astype(int) + 128, ours)


def test_each_shipped_architecture_takes_part_once() -> None:
    names = shipped(2)
    assert {"m3", "m5", "m11", "xl", "m5-int8"} <= set(names)
    assert not [name for name in names if "photo" in name or "relu" in name]


def test_refusals() -> None:
    with pytest.raises(UsageError, match="rounds must be at least 1"):
        list(measure_peers(rounds=0))
    with pytest.raises(UsageError, match="network 'edsr' is unknown: use some of fsrcnn"):
        list(measure_peers(Scope([], [], ["edsr"])))
