"""The charts of docs/results show what results holds, and are drawn from nothing else."""

import shutil
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
Captured = pytest.CaptureFixture[str]

PEERS = """network,scale,values,engine,width,height,threads,rounds,best_ms,median_ms,of_ours,of_peak,peak_mb
m5,2,float32,ours,1920,1080,2,5,240.0,270.0,1.0,0.8,50
m5,2,float32,openvino,1920,1080,2,5,400.0,445.0,1.6,0.5,500
m5-int8,2,int8,ours,1920,1080,2,5,70.0,71.0,1.0,0.9,40
bicubic,2,uint8,pillow,1920,1080,1,5,35.0,36.0,0.1,0.0,60
fsrcnn,2,float32,openvino,1920,1080,2,5,900.0,910.0,3.0,0.2,600
"""


@pytest.fixture
def charts(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """Load the example script as it loads itself, with the scripts beside it."""
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    yield import_module("charts")
    for name in ("charts", "tables"):
        sys.modules.pop(name, None)


@pytest.fixture
def copy(charts: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let the script work on a copy of results, with a table of peers, and on an empty folder."""
    pytest.importorskip("matplotlib")
    shutil.copytree(ROOT / "results", tmp_path / "results")
    (tmp_path / "results" / "peers.csv").write_text(PEERS, encoding="utf-8")
    monkeypatch.setattr(charts, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(charts, "FOLDER", tmp_path)
    return tmp_path


def test_charts_are_in_step_with_results(charts: ModuleType, capsys: Captured) -> None:
    assert charts.main(check=True) == 0, capsys.readouterr().err


def test_every_chart_is_drawn_for_both_themes_and_always_the_same(
    charts: ModuleType, copy: Path, capsys: Captured
) -> None:
    assert charts.main(check=True) == 1
    assert "not in step with results: quality, speed, memory, int8, training" in capsys.readouterr().err
    assert charts.main(check=False) == 0
    drawn = {path: path.read_bytes() for path in copy.glob("*.svg")}
    assert {path.name for path in drawn} == {f"{n}-{t}.svg" for n in charts.CHARTS for t in ("light", "dark")}
    assert charts.main(check=True) == 0
    charts.draw("memory", charts.memory_data())
    assert {path: path.read_bytes() for path in copy.glob("*.svg")} == drawn


def test_a_new_figure_makes_a_chart_stale(charts: ModuleType, copy: Path) -> None:
    charts.draw("memory", charts.memory_data())
    assert not charts.stale("memory", charts.memory_data())
    table = copy / "results" / "memory.csv"
    table.write_text(table.read_text(encoding="utf-8").replace(",136,", ",137,"), encoding="utf-8")
    assert charts.stale("memory", charts.memory_data())


def test_quality_shows_ours_the_paper_and_others(charts: ModuleType) -> None:
    for scale, bicubic, marks in charts.quality_data():
        kinds = {kind: [mark for mark in marks if mark[0] == kind] for kind in ("ours", "int8", "paper", "peer")}
        assert [mark[1] for mark in kinds["ours"]] == ["M3", "M5", "M7", "M11", "XL"]
        assert len(kinds["peer"]) > 8
        assert {len(kinds["paper"]), scale} in ({5, 2}, {2, 4})  # only verified figures
        assert all(mark[4] > bicubic[0] for mark in marks)
