"""Estimates for NPUs: FSRCNN's file is what it says, and every row tells what falls off the NPU."""

import csv
import importlib
import importlib.util
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.quantized_networks import random_network

from sesr.benchmarks import npu
from sesr.benchmarks.fsrcnn import LAYERS, fsrcnn_macs, fsrcnn_tflite
from sesr.benchmarks.npu import ACCELERATORS, FRAME, TILE, Case, Estimate, estimate_npu
from sesr.benchmarks.rows import write_rows
from sesr.errors import EngineError, SesrError
from sesr.network.variants import SESRConfig
from sesr.tflite.file import operators

needs_vela = pytest.mark.skipif(importlib.util.find_spec("ethosu") is None, reason="Vela is not installed: sesr[npu]")
LAST = 9 * 9 * 56
"""Weights of FSRCNN's transposed convolution."""


@pytest.mark.needs("export")
def test_fsrcnn_runs_and_doubles() -> None:
    """In LiteRT: int8 in and out, twice the size, and what comes out depends on what goes in."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        package = importlib.import_module("ai_edge_litert.interpreter")
        interpreter: Any = package.Interpreter(model_content=fsrcnn_tflite(11, 14))
    interpreter.allocate_tensors()
    (source,), (result,) = interpreter.get_input_details(), interpreter.get_output_details()
    assert (tuple(source["shape"]), source["dtype"]) == ((1, 11, 14, 1), np.int8)
    assert (tuple(result["shape"]), result["dtype"]) == ((1, 22, 28, 1), np.int8)
    outputs = []
    for seed in (0, 1):
        pixels = np.random.default_rng(seed).integers(-128, 128, (1, 11, 14, 1), np.int8)
        interpreter.set_tensor(source["index"], pixels)
        interpreter.invoke()
        outputs.append(interpreter.get_tensor(result["index"]))
    assert not np.array_equal(*outputs)


@pytest.mark.needs("export")
def test_fsrcnn_is_the_papers() -> None:
    """12,464 weights; the paper's 6.0 G multiply-adds for 1280 x 720 count the last layer's at every output pixel."""
    convolutions = sum(k * k * c_in * c_out for k, c_in, c_out in LAYERS)
    assert convolutions + LAST == 12_464
    assert fsrcnn_macs(640, 360) == (convolutions + 4 * LAST) * 640 * 360 == pytest.approx(6.0e9, rel=0.01)
    assert fsrcnn_macs(1920, 1080) == pytest.approx(54e9, rel=0.01)
    kinds = list(operators(fsrcnn_tflite(8, 8)).values())
    assert kinds == ["CONV_2D"] * 7 + ["TRANSPOSE_CONV"]


def test_tiles_cover_the_frame() -> None:
    """Each keeps its middle, and the frame's border where it has one: walked through one by one."""
    for radius in (0, 5, 9):
        count = 1
        for length, side in ((FRAME[0], TILE[0]), (FRAME[1], TILE[1])):
            tiles, covered = 1, side - radius
            while covered + radius < length:
                tiles, covered = tiles + 1, covered + side - 2 * radius
            count *= tiles
        assert npu._tiles(*TILE, radius) == count
    assert npu._tiles(*FRAME, 9) == 1


def test_without_vela_it_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(EngineError) as caught:
        list(estimate_npu(random_network(SESRConfig(m=1, f=2, activation="relu")), "tiny"))
    assert str(caught.value) == "Vela is not installed: pip install 'sesr[npu]'"


@pytest.mark.needs("export")
@needs_vela
def test_a_failing_compiler_is_one_line() -> None:
    """Of what is no `.tflite` at all."""
    case = Case("tiny", "depth-to-space", 8, 8, 1, 1, b"\x1c\x00\x00\x00TFL3" + bytes(40))
    with pytest.raises(SesrError) as caught:
        npu._compile(case, ACCELERATORS[0])
    assert str(caught.value).startswith("Vela failed on tiny for ethos-u55-256: ")
    assert "\n" not in str(caught.value)


@pytest.mark.needs("export")
@needs_vela
def test_estimates_of_a_small_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For every accelerator: depth-to-space falls off the NPU, a transposed convolution does not, FSRCNN is beside."""
    monkeypatch.setattr(npu, "FRAME", (48, 32))
    monkeypatch.setattr(npu, "TILE", (24, 20))
    config = SESRConfig(m=1, f=4, activation="relu")
    rows = list(estimate_npu(random_network(config), "tiny"))
    found = [(row.network, row.enlarges, row.width, row.height, row.accelerator) for row in rows]
    kinds = [("tiny", "depth-to-space"), ("tiny", "transposed"), ("fsrcnn", "transposed")]
    names = [accelerator.name for accelerator in ACCELERATORS]
    assert found == [(*kind, *size, name) for size in ((48, 32), (24, 20)) for kind in kinds for name in names]
    for row in rows:
        assert row.on_processor == ("DEPTH_TO_SPACE" if row.enlarges == "depth-to-space" else "")
        assert (row.tiles == 1) == (row.width == 48)
        assert row.mega_cycles > 0
        per_second = row.clock_mhz / row.mega_cycles
        assert row.inferences_per_second == pytest.approx(per_second, rel=0.006 / row.mega_cycles)  # which is rounded
        assert row.frames_per_second == pytest.approx(row.inferences_per_second / row.tiles, abs=0.01)
        assert 0 < row.mac_use <= 1
    assert rows[-1].tiles > 1
    write_rows(rows, tmp_path / "npu.csv")
    with (tmp_path / "npu.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    assert [row["accelerator"] for row in table] == [row.accelerator for row in rows]
    assert list(table[0]) == list(Estimate.__dataclass_fields__)


@pytest.mark.needs("export")
def test_fsrcnn_stands_beside_x2_only() -> None:
    cases = list(npu._cases(random_network(SESRConfig(m=1, f=2, scale=3, activation="relu")), "tiny"))
    assert {case.network for case in cases} == {"tiny"}
