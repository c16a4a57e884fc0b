"""Estimates for NPUs: tiles cover the frame, and every row names what falls to the processor."""

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.fakes import random_network

from sesr.benchmarks.npu import (
    ACCELERATORS,
    FRAME,
    TILE,
    Case,
    Estimate,
    compile_case,
    count_tiles,
    estimate_npu,
    fsrcnn_ratios,
    make_cases,
)
from sesr.errors import EngineError, SesrError, UsageError, WeightsError
from sesr.network.checkpoint import Checkpoint, tensor_shapes
from sesr.network.variants import SESRConfig
from sesr.network.zoo import Network, find_network

needs_vela = pytest.mark.skipif(importlib.util.find_spec("ethosu") is None, reason="Vela is not installed: sesr[npu]")

ESTIMATE = Estimate(
    network="own",
    enlarges="transposed",
    width=400,
    height=300,
    tiles=20,
    accelerator="ethos-u55-256",
    system="s",
    memory_mode="m",
    clock_mhz=500.0,
    mega_cycles=2.5,
    inferences_per_second=200.0,
    frames_per_second=10.0,
    sram_mb=0.1,
    dram_mb=1.0,
    mac_use=0.25,
    on_processor="",
)


@pytest.fixture
def tiny(tmp_path: Path) -> Network:
    path = tmp_path / "tiny.safetensors"
    random_network(SESRConfig(m=1, f=4, activation="relu")).save(path)
    return find_network(str(path))


@pytest.mark.parametrize("radius", [0, 5, 9])
def test_tiles_cover_the_frame(radius: int) -> None:
    """Each tile gives its middle, and the frame's border where it has one: walked through one by one."""
    count = 1
    for length, side in zip(FRAME, TILE, strict=True):
        tiles, covered = 1, side - radius
        while covered + radius < length:
            tiles, covered = tiles + 1, covered + side - 2 * radius
        count *= tiles
    assert count_tiles(FRAME, TILE, radius) == count


def test_frame_is_one_tile() -> None:
    assert count_tiles(FRAME, FRAME, 9) == 1


def test_without_vela_it_is_one_clear_line(tiny: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ethosu", None)
    with pytest.raises(EngineError, match=r"^Vela is not installed: pip install 'sesr\[npu\]'$"):
        list(estimate_npu(tiny))


def test_needs_an_int8_network(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^bare\.tflite: an estimate needs the int8 network's \.safetensors$"):
        list(estimate_npu(Network("bare", None, {}, None, Path("bare.tflite"))))
    config = SESRConfig(m=1, f=2)
    path = tmp_path / "float.safetensors"
    Checkpoint(config, {name: np.zeros(shape, np.float32) for name, shape in tensor_shapes(config).items()}).save(path)
    with pytest.raises(WeightsError, match="a float network, not an int8 one"):
        list(estimate_npu(find_network(str(path))))


@pytest.mark.needs("export")
@needs_vela
def test_a_failing_compiler_is_one_line() -> None:
    case = Case("tiny", "depth-to-space", 8, 8, 1, 1, b"\x1c\x00\x00\x00TFL3" + bytes(40))
    with pytest.raises(SesrError) as caught:
        compile_case(case, ACCELERATORS[0])
    assert str(caught.value).startswith("Vela failed on tiny for ethos-u55-256: ")
    assert "\n" not in str(caught.value)


@pytest.mark.needs("export")
@needs_vela
@pytest.mark.slow
def test_estimates_of_a_small_network(tiny: Network) -> None:
    """Depth-to-space falls off every accelerator, a transposed convolution does not, and FSRCNN is next to both."""
    rows = list(estimate_npu(tiny, frame=(48, 32), tile=(24, 20)))
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
    assert len(list(fsrcnn_ratios(rows))) == 2 * len(ACCELERATORS)


@pytest.mark.needs("export")
def test_fsrcnn_comes_with_x2_only() -> None:
    def networks(scale: int) -> set[str]:
        network = random_network(SESRConfig(m=1, f=2, scale=scale, activation="relu"))
        return {case.network for case in make_cases(network, "tiny", (40, 30), (20, 20))}

    assert networks(2) == {"tiny", "fsrcnn"}
    assert networks(3) == {"tiny"}


def test_line() -> None:
    line = ESTIMATE.line()
    assert "400 x 300 ethos" in line
    assert "10.00 frames/s" in line
    assert "SRAM   0.10 MB" in line
    assert line.endswith("MACs used  25%")
    assert replace(ESTIMATE, on_processor="PAD").line().endswith("25%, without PAD on the processor")


def test_ratio_is_of_whole_frames_and_of_what_runs_on_the_npu_alone() -> None:
    fsrcnn = replace(ESTIMATE, network="fsrcnn", mega_cycles=10.0, tiles=30)
    partly = replace(ESTIMATE, enlarges="depth-to-space", on_processor="DEPTH_TO_SPACE")
    elsewhere = replace(ESTIMATE, accelerator="ethos-u65-512")
    lines = list(fsrcnn_ratios([partly, ESTIMATE, elsewhere, fsrcnn]))
    assert lines == ["ethos-u55-256, 400 x 300: 6.0 times FSRCNN's frames/s"]
