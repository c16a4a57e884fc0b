"""`sesr benchmark`."""

import sys
from pathlib import Path

import pytest

from sesr.benchmarks.npu import Estimate
from sesr.cli import main

Captured = pytest.CaptureFixture[str]


def test_benchmark_npu_of_a_float_network(network: str, capsys: Captured) -> None:
    source = str(Path(network).with_suffix(".safetensors"))
    assert main(["benchmark", "npu", source]) == 1
    assert capsys.readouterr().err == (
        f"sesr: {source}: a float network, not an int8 one; train it with --quant-w --quant-a\n"
    )


def test_benchmark_npu(int8_network: str, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line for each estimate as it comes, and all of them as a table; the compiler is stood in for."""
    estimate = Estimate(
        network="own",
        enlarges="depth-to-space",
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
    monkeypatch.setattr("sesr.benchmarks.npu.estimate_npu", lambda network, name: iter([estimate, estimate]))
    table = tmp_path / "npu.csv"
    assert main(["benchmark", "npu", int8_network, "-o", str(table)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert "400 x 300 ethos" in lines[0]
    assert "10.00 frames/s" in lines[0]
    assert "SRAM   0.10 MB" in lines[0]
    assert lines[0].endswith("MACs used  25%")
    assert len(table.read_text().splitlines()) == 3


@pytest.mark.needs("openvino", "export", "torch")
def test_benchmark_speed(network: str, tmp_path: Path, capsys: Captured) -> None:
    source, table = str(Path(network).with_suffix(".safetensors")), tmp_path / "speed.csv"
    arguments = ["benchmark", "speed", "-m", source, "--width", "32", "--height", "24", "--rounds", "1"]
    assert main([*arguments, "-o", str(table)]) == 0
    assert "openvino" in capsys.readouterr().out
    assert table.read_text().startswith("network,scale,engine")


@pytest.mark.skipif(sys.platform == "win32", reason="the system does not tell")
def test_benchmark_memory(network: str, tmp_path: Path, capsys: Captured) -> None:
    table = tmp_path / "memory.csv"
    assert main(["benchmark", "memory", "-m", network, "--megapixels", "0.01", "-o", str(table)]) == 0
    assert "115 x 87" in capsys.readouterr().out
    width, height, peak, _ = table.read_text().splitlines()[1].split(",")
    assert (width, height) == ("115", "87")
    assert 20 < int(peak) < 120, "no OpenVINO in it"


@pytest.mark.parametrize("size", ["0", "-1", "nan", "inf", "500"])
def test_benchmark_memory_of_no_picture(network: str, size: str, capsys: Captured) -> None:
    assert main(["benchmark", "memory", "-m", network, "--megapixels", size]) == 2
    assert "above 0 and below 500" in capsys.readouterr().err
