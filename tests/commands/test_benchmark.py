"""`sesr benchmark`."""

import csv
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import partial
from itertools import islice
from pathlib import Path

import pytest

from sesr.benchmarks.engine import random_int8
from sesr.benchmarks.files import FileTiming
from sesr.benchmarks.gpu_training import measure_gpu_training
from sesr.benchmarks.npu import Estimate
from sesr.benchmarks.rows import Row
from sesr.benchmarks.training import measure_training
from sesr.benchmarks.training_probe import StepMemory
from sesr.cli import main
from sesr.engines.kernels import floats_in_use, has_fixed_point, kernel_in_use, kernels
from sesr.engines.native import NativeEngine
from sesr.errors import EngineError
from sesr.network.variants import VARIANTS

Captured = pytest.CaptureFixture[str]
ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "results"


def columns(table: Path) -> str:
    """Return a CSV file's header, which readers of `results/` rely on."""
    return table.read_text(encoding="utf-8").splitlines()[0]


def test_npu_columns() -> None:
    assert [field.name for field in fields(Estimate)] == columns(RESULTS / "npu.csv").split(",")


def test_benchmark_npu_of_a_float_network(network: str, capsys: Captured) -> None:
    source = str(Path(network).with_suffix(".safetensors"))
    assert main(["benchmark", "npu", source]) == 1
    assert capsys.readouterr().err == (
        f"sesr: {source}: a float network, not an int8 one; train it with --quant-w --quant-a\n"
    )


@dataclass(frozen=True)
class Cycles(Row):
    """A row of a benchmark that is stood in for."""

    network: str
    cycles: int

    def line(self) -> str:
        """Return the cycles."""
        return f"{self.network}: {self.cycles}"


def test_benchmark_npu(int8_network: str, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    """Print a line for each estimate, then ratios, and write a table; the compiler is stood in for."""
    rows = [Cycles("own", 5), Cycles("fsrcnn", 30)]

    def ratios(given: list[Cycles]) -> Iterator[str]:
        assert given == rows
        yield "6 times FSRCNN's frames/s"

    monkeypatch.setattr("sesr.benchmarks.npu.estimate_npu", lambda network: iter(rows))
    monkeypatch.setattr("sesr.benchmarks.npu.fsrcnn_ratios", ratios)
    table = tmp_path / "npu.csv"
    assert main(["benchmark", "npu", int8_network, "-o", str(table)]) == 0
    assert capsys.readouterr().out.splitlines() == ["own: 5", "fsrcnn: 30", "6 times FSRCNN's frames/s"]
    assert table.read_text() == "network,cycles\nown,5\nfsrcnn,30\n"


@pytest.mark.needs("openvino", "export")
def test_benchmark_engine(tmp_path: Path, capsys: Captured) -> None:
    table = tmp_path / "engine.csv"
    size = ["--width", "32", "--height", "24", "--rounds", "1", "--threads", "1"]
    assert main(["benchmark", "engine", "-m", "m3", "-s", "2", *size, "-o", str(table)]) == 0
    kinds = 3 if has_fixed_point() else 2
    *rows, processor = capsys.readouterr().out.splitlines()
    direct = NativeEngine(random_int8(VARIANTS["m3"]), 1).winograd_layers > 0
    assert len(rows) == 7 * kinds - (not direct)
    assert f"default {kernel_in_use()}, float networks in {floats_in_use()}" in processor
    assert columns(table) == columns(RESULTS / "engine.csv")


@pytest.mark.needs("openvino", "export")
def test_benchmark_engine_without_vnni(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not kernels().get("avx2"):
        pytest.skip("this processor has no AVX2")
    for name in ("SESR_KERNEL", "ONEDNN_MAX_CPU_ISA"):
        monkeypatch.setenv(name, "")  # set back after the test
    table = tmp_path / "engine.csv"
    size = ["--width", "32", "--height", "24", "--rounds", "1", "--threads", "1"]
    assert main(["benchmark", "engine", "-m", "m3", *size, "--avx2", "-o", str(table)]) == 0
    assert os.environ["ONEDNN_MAX_CPU_ISA"] == "AVX2"
    with table.open(encoding="utf-8") as file:
        assert {row["kernel"] for row in csv.DictReader(file) if row["contender"] != "openvino"} == {"avx2"}


def test_benchmark_engine_memory(tmp_path: Path, capsys: Captured) -> None:
    table = tmp_path / "memory.csv"
    size = ["--width", "400", "--height", "100", "--threads", "1"]
    assert main(["benchmark", "engine-memory", "-m", "m5-photo", "--int8", *size, "-o", str(table)]) == 2
    assert main(["benchmark", "engine-memory", "-m", "m5", "--int8", *size, "-o", str(table)]) == 0
    assert capsys.readouterr().out.startswith("m5-int8 x2 int8, 400 x 100, 1 threads: ")
    assert columns(table) == columns(RESULTS / "engine_memory.csv")


def test_benchmark_files(tmp_path: Path, capsys: Captured) -> None:
    table = tmp_path / "files.csv"
    size = ["--megapixels", "0.01", "--rounds", "1", "--threads", "1"]
    assert main(["benchmark", "files", "-m", "m3", *size, "-o", str(table)]) == 0
    assert capsys.readouterr().out.startswith("jpg -> png ")
    assert columns(table) == columns(RESULTS / "files_m11.csv")


def test_benchmark_sharpen(tmp_path: Path, capsys: Captured) -> None:
    table = tmp_path / "sharpen.csv"
    size = ["--width", "480", "--height", "360", "--rounds", "1", "--threads", "1"]  # times are in tenths of ms
    assert main(["benchmark", "sharpen", "-m", "m5", "--int8", *size, "-o", str(table)]) == 0
    assert re.match(r"m5-int8 x2, \w+, 1 threads: .* ms; sharpening .* ms, .* of that", capsys.readouterr().out)
    assert columns(table) == columns(RESULTS / "sharpen_speed.csv")
    row = table.read_text().splitlines()[1].split(",")
    assert row[3:7] == ["480", "360", "1", "1"]
    assert all(float(figure) > 0 for figure in row[7:])


def test_a_benchmark_that_breaks_off_keeps_its_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They stand beside an earlier table, which stays as it was."""

    def rows_and_trouble(*_: object) -> Iterator[Row]:
        yield FileTiming("m5", 2, "jpg", "png", 1.0, 1, 1, 2.0, 1.0, 0.5)
        raise EngineError("no more")

    monkeypatch.setattr("sesr.benchmarks.measure_files", rows_and_trouble)
    table = tmp_path / "files.csv"
    table.write_text("earlier")
    assert main(["benchmark", "files", "-o", str(table)]) == 1
    assert table.read_text() == "earlier"
    assert len((tmp_path / "files.csv.unfinished").read_text().splitlines()) == 2
    monkeypatch.setattr("sesr.benchmarks.measure_files", lambda *_: islice(rows_and_trouble(), 1))
    assert main(["benchmark", "files", "-o", str(table)]) == 0
    assert len(table.read_text().splitlines()) == 2
    assert list(tmp_path.iterdir()) == [table]


@pytest.mark.needs("torch")
def test_benchmark_training(tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the minutes that compilation takes, and the fresh processes."""
    quick = partial(measure_training, compile_step=False, turn_seconds=0, memory_of=lambda *_: StepMemory(1, 2))
    monkeypatch.setattr("sesr.benchmarks.training.measure_training", quick)
    table = tmp_path / "training.csv"
    size = ["--batch-size", "1", "--crop", "8", "--rounds", "1"]
    assert main(["benchmark", "training", "-m", "m3", *size, "-o", str(table)]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["collapsed", "delta", "expanded"]
    assert columns(table) == columns(RESULTS / "training.csv")


@pytest.mark.needs("torch")
def test_benchmark_gpu_training(tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a CPU, where a step is recorded by keeping it."""
    from tests.training.recorders import Keeping

    quick = partial(measure_gpu_training, device="cpu", compile_step=False, recorder=Keeping)
    monkeypatch.setattr("sesr.benchmarks.gpu_training.measure_gpu_training", quick)
    monkeypatch.setattr("sesr.benchmarks.gpu_training.STEPS", 6)
    table = tmp_path / "gpu_training.csv"
    size = ["--batch-size", "1", "--crop", "8", "--rounds", "1", "--precision", "float32"]
    assert main(["benchmark", "gpu-training", "-m", "m3", "m5", *size, "-o", str(table)]) == 0
    assert [line.split()[:2] for line in capsys.readouterr().out.splitlines()] == [["m3", "x2"], ["m5", "x2"]]
    assert len(table.read_text().splitlines()) == 3


@pytest.mark.needs("openvino", "export", "torch")
def test_benchmark_speed(network: str, tmp_path: Path, capsys: Captured) -> None:
    source, table = str(Path(network).with_suffix(".safetensors")), tmp_path / "speed.csv"
    arguments = ["benchmark", "speed", "-m", source, "--width", "32", "--height", "24", "--rounds", "1"]
    assert main([*arguments, "-o", str(table)]) == 0
    assert "openvino" in capsys.readouterr().out
    assert columns(table) == columns(RESULTS / "speed.csv")


@pytest.mark.skipif(sys.platform == "win32", reason="the system does not tell")
def test_benchmark_memory(network: str, tmp_path: Path, capsys: Captured) -> None:
    table = tmp_path / "memory.csv"
    assert main(["benchmark", "memory", "-m", network, "--megapixels", "0.01", "-o", str(table)]) == 0
    assert "115 x 87" in capsys.readouterr().out
    assert columns(table) == columns(RESULTS / "memory.csv")
    width, height, peak, _ = table.read_text().splitlines()[1].split(",")
    assert (width, height) == ("115", "87")
    assert 20 < int(peak) < 120, "no OpenVINO in it"


@pytest.mark.parametrize("size", ["0", "-1", "nan", "inf", "500"])
def test_benchmark_memory_of_no_picture(network: str, size: str, capsys: Captured) -> None:
    assert main(["benchmark", "memory", "-m", network, "--megapixels", size]) == 2
    assert "above 0 and below 500" in capsys.readouterr().err
