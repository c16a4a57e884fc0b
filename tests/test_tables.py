"""The figures in the README and under docs are those of results."""

import csv
import json
import re
import shutil
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from sesr.evaluation.published import published
from sesr.network.variants import DEFAULT_NETWORK, VARIANTS
from sesr.network.zoo import WEIGHTS

ROOT = Path(__file__).parents[1]
Captured = pytest.CaptureFixture[str]


@pytest.fixture
def tables(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """Load the example script as it loads itself, with the scripts beside it."""
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    yield import_module("tables")
    for name in ("tables", "measured", "page_text"):
        sys.modules.pop(name, None)


@pytest.fixture
def copy(tables: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy of the pages and of results, which the script works on."""
    shutil.copytree(ROOT / "results", tmp_path / "results")
    for page in tables.PAGES:
        (tmp_path / page).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / page, tmp_path / page)
    for chart in (ROOT / "docs" / "results").glob("*.svg"):  # pages show those that were drawn
        shutil.copy(chart, tmp_path / "docs" / "results")
    monkeypatch.setattr(tables, "ROOT", tmp_path)
    return tmp_path


def test_pages_are_in_step_with_results(tables: ModuleType, capsys: Captured) -> None:
    assert tables.main(check=True) == 0, capsys.readouterr().err


def test_a_new_figure_goes_to_every_page_that_shows_it(tables: ModuleType, copy: Path, capsys: Captured) -> None:
    figures = copy / "results" / "m5_x2.csv"
    rows = figures.read_text(encoding="utf-8").splitlines()
    (ours,) = [row for row in rows if row.startswith("2,Set14,14,ours")]
    figures.write_text("\n".join(rows).replace(ours, "2,Set14,14,ours,39.1234,0.98765,39.2,39.1,measured"))
    assert tables.main(check=True) == 1
    named = capsys.readouterr().err
    assert "README.md" in named
    assert "docs/results/quality.md" in named
    assert tables.main(check=False) == 0
    assert "| 13,520 | 39.12 |" in (copy / "README.md").read_text(encoding="utf-8")
    assert "39.12 / 0.9877" in (copy / "docs" / "results" / "quality.md").read_text(encoding="utf-8")
    assert tables.main(check=True) == 0


def test_x3_is_compared_with_x4(tables: ModuleType, copy: Path) -> None:
    """Without such a network a sentence says what `-s 3` does instead."""
    for path in (copy / "results").glob("m*_x3.csv"):
        path.unlink()
    assert "no network for x3 yet" in tables.x3()
    methods = {"bicubic": 30.4, "ours": 34.03, "x4 shrunk": 33.9}
    rows = [f"3,{s},5,{method},{psnr},0.9,,{psnr},measured" for s in tables.SETS for method, psnr in methods.items()]
    head = "scale,set,images,method,psnr,ssim,psnr_y,psnr_y8,status"
    (copy / "results" / "m5_x3.csv").write_text("\n".join([head, *rows]))
    text = tables.x3()
    assert "| SESR-M5 x3 | 15,520 | 34.03 |" in text
    assert "| SESR-M5 x4, shrunk to x3 | 18,320 | 33.90 |" in text
    assert "gains 0.130 to 0.130 dB" in " ".join(text.split())


def test_a_figure_that_is_missing_is_named(tables: ModuleType, copy: Path) -> None:
    path = copy / "results" / "m5_x4.csv"
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join(line for line in lines if "RGB" not in line))
    with pytest.raises(SystemExit, match=r"m5_x4\.csv: no figures of Set14 \(gray as RGB\), bicubic"):
        tables.main(check=True)


def test_what_stands_outside_the_marks_stays(tables: ModuleType, copy: Path) -> None:
    page = copy / "README.md"
    page.write_text("before <!-- from results: int8 below the default -->old<!-- end --> after", encoding="utf-8")
    assert tables.main(check=False) == 0
    text = page.read_text(encoding="utf-8")
    assert text.startswith("before <!--")
    assert text.endswith("<!-- end --> after")
    assert "old" not in text


def test_a_name_that_there_is_not(tables: ModuleType) -> None:
    with pytest.raises(ValueError, match="no figures are called 'qualty'"):
        tables.rewritten("<!-- from results: qualty --><!-- end -->")


def test_a_figure_of_one_row(tables: ModuleType) -> None:
    mark = "engine.csv network=m5 scale=2 values=int8 contender=native"
    assert tables.part(f"{mark}: threads") == "2"
    assert tables.part(f"{mark}: best_ms .0f").isdigit()
    assert tables.part(f"{mark}: of_peak .0%").endswith("%")
    with pytest.raises(ValueError, match=r"'engine.csv network=m5: threads': \d\d rows of engine.csv fit, not one"):
        tables.part("engine.csv network=m5: threads")
    with pytest.raises(ValueError, match=r"0 rows of none.csv fit"):
        tables.part("none.csv a=b: c")
    with pytest.raises(ValueError, match="has no column 'speed'; it has network, scale"):
        tables.part(f"{mark}: speed")


def test_a_figure_from_nowhere_is_found(tables: ModuleType, copy: Path, capsys: Captured) -> None:
    page = copy / "docs" / "faq.md"
    page.write_text(
        "It takes 71 ms.\n\n`sesr` in\n```\n5 MB\n```\nand 37.4 dB, 13,520 weights, x2.\n", encoding="utf-8"
    )
    assert tables.main(check=True) == 1
    assert capsys.readouterr().err.splitlines()[1:] == ["docs/faq.md:1: 71 ms", "docs/faq.md:7: 37.4 dB"]
    page.write_text("It takes <!-- by hand: a stopwatch -->71 ms<!-- end -->.", encoding="utf-8")
    assert tables.main(check=True) == 0
    research = copy / "docs" / "research" / "method.md"
    research.write_text("It took 71 ms.", encoding="utf-8")
    assert tables.main(check=True) == 1
    assert capsys.readouterr().err.splitlines()[1:] == ["docs/research/method.md:1: 71 ms"]
    research.write_text("", encoding="utf-8")
    story = copy / "docs" / "log" / "experiments.md"
    story.write_text("It took 71 ms.", encoding="utf-8")
    assert tables.main(check=True) == 0


def test_peers_that_were_measured(tables: ModuleType, copy: Path) -> None:
    (copy / "results" / "peers.csv").unlink(missing_ok=True)
    assert "`results/peers.csv` is missing" in tables.part("peers' speed")
    head = "network,scale,values,engine,width,height,threads,rounds,best_ms,median_ms,of_ours,of_peak,peak_mb"
    rows = [
        "m5,2,float32,ours,960,540,2,5,60.04,62.0,1.0,0.85,50",
        "bicubic,2,uint8,pillow,960,540,1,5,8.0,9.0,0.1,0.0,",
    ]
    (copy / "results" / "peers.csv").write_text("\n".join([head, *rows]), encoding="utf-8")
    text = tables.part("peers' speed")
    assert "| 960 x 540 to 1920 x 1080 | engine |" in text
    assert "| m5 | ours | 60.0 | 62.0 | 1.00 | 85 % | 50 MB |" in text
    assert "| bicubic | Pillow | 8.0 | 9.0 | 0.10 | | - |" in text
    assert "fastest of" not in text
    others = "fsrcnn,2,float32,torch,960,540,2,5,60.0,62.0,1.0,0.85,50,torch openvino"
    lines = [f"{head},fastest_of", *(f"{row}," for row in rows), others]
    (copy / "results" / "peers.csv").write_text("\n".join(lines), encoding="utf-8")
    assert "run in the fastest of OpenVINO, PyTorch, by a trial" in " ".join(tables.part("peers' speed").split())


def test_the_machine_of_a_table(tables: ModuleType, copy: Path) -> None:
    """It comes from the record of the report, where there is one, else from a table of earlier machines."""
    (copy / "results" / "report.json").unlink(missing_ok=True)
    (copy / "results" / "peers.csv").unlink(missing_ok=True)
    names = copy / "results" / "machines.csv"
    names.write_text('table,machine,more\nengine.csv,an abacus,", of beads"\n', encoding="utf-8")
    assert tables.part("machine of engine.csv") == "An abacus, of beads."
    assert "on an abacus" in tables.in_one_sentence()
    assert tables.part("machine of none.csv") == "A machine that was not recorded."
    machine = {
        "processor": "Abacus",
        "flags": [],
        "kernel": "beads",
        "threads": 1,
        "system": "",
        "versions": {"numpy": "2"},
    }
    entry: dict[str, object] = {"command": "sesr benchmark engine", "date": "2030-01-02T03:04:05", "commit": "abc"}
    entry |= {"load": 0.1, "machine": machine}
    (copy / "results" / "report.json").write_text(json.dumps({"engine.csv": entry}), encoding="utf-8")
    assert tables.part("machine of engine.csv") == "Measured on 2030-01-02: one thread of an Abacus, kernels beads."
    assert "| `engine.csv` | `sesr benchmark engine` | 2030-01-02 | abc | Abacus, 1 threads, beads |" in tables.part(
        "machines"
    )


def test_the_table_of_networks(tables: ModuleType, copy: Path) -> None:
    """The default is the code's. Times come from the table with all networks, or from the one with some."""
    (copy / "results" / "peers.csv").unlink(missing_ok=True)
    (default,) = [line for line in tables.networks().splitlines() if "the default" in line]
    assert default.startswith(f"| `{DEFAULT_NETWORK}`, the default | {VARIANTS[DEFAULT_NETWORK].weights:,} |")
    assert default.endswith(" ms |")
    without = [name for name in VARIANTS if not (WEIGHTS / f"sesr_{name}-int8_x2.safetensors").exists()]
    assert ("An empty cell" in tables.networks()) == bool(without)
    for name in without:
        assert re.search(rf"`{name}` \|.*\| \|$", tables.networks(), re.MULTILINE)
    assert "*-*: not measured on it." in tables.networks()
    names = [name + kind for name in VARIANTS for kind in ("", "-int8")]
    head = "network,scale,values,engine,width,height,threads,rounds,best_ms,median_ms,of_ours,of_peak,peak_mb"
    rows = [f"{name},2,,ours,1920,1080,2,5,{1000 + at},1,1,0.8," for at, name in enumerate(names)]
    other = "m5,2,float32,torch,1920,1080,2,5,3000,1,3,0.2,"
    (copy / "results" / "peers.csv").write_text("\n".join([head, other, *rows]), encoding="utf-8")
    text = tables.networks()
    assert re.search(r"`m3` \|.*\| 1000 ms \|", text)
    assert re.search(r"`m5`.*\| 1002 ms \| 1003 ms \|", text)
    assert "3000" not in text


def test_the_first_sentence_counts_color(tables: ModuleType, copy: Path) -> None:
    """A reader has pictures in color, so the time of luma alone would promise too much."""
    path = copy / "results" / "engine.csv"
    row = re.compile(rf"^({DEFAULT_NETWORK},2,int8,native-rgb,.*,)[\d.]+((?:,[\d.]+){{4}})$", re.MULTILINE)
    text, count = row.subn(r"\g<1>4321.0\2", path.read_text(encoding="utf-8"))
    assert count == 1
    path.write_text(text, encoding="utf-8")
    assert "4321 ms" in tables.in_one_sentence()


def test_spans_follow_their_tables(tables: ModuleType, copy: Path) -> None:
    path = copy / "results" / "engine.csv"
    path.write_text(path.read_text(encoding="utf-8") + "m5,8,int8,native,,1,1,2,7,1.0,1.0,9.87,0.9\n")
    assert tables.part("times as fast as OpenVINO").endswith(" to 9.9")
    low, high = tables.part("gain of a larger network").split(" to ")
    assert 0 < float(low) < float(high) < 1


def test_the_papers_figures_stand_bare_only_if_they_are_verified() -> None:
    """Recalled ones are in brackets: "[37.39 / 0.9585]"."""
    page = (ROOT / "docs" / "results" / "quality.md").read_text(encoding="utf-8")
    verified = 0
    for scale in (2, 4):
        text = page.split(f"<!-- from results: all of x{scale} -->")[1].split("<!-- end -->")[0]
        lines = [
            [cell.strip() for cell in line.split("|")[1:-1]] for line in re.findall(r"^\|.*\|$", text, re.MULTILINE)
        ]
        head, _, _, *rows = lines
        papers = [(at, head[at - 1]) for at, name in enumerate(head) if name == "paper"]
        assert [benchmark for _, benchmark in papers] == ["Set5", "Set14", "BSD100"]
        for cells in rows:
            for at, benchmark in papers:
                cell = published(cells[0].lower().removeprefix("sesr-"), scale, benchmark)
                assert cell is not None
                assert cells[at].lstrip("[").startswith(f"{cell.psnr:.2f}")
                assert cells[at].startswith("[") == (cell.psnr_source is None)
                verified += cell.psnr_source is not None
    assert verified == 12


def test_networks_for_x3_are_as_good_as_x4_shrunk(tables: ModuleType) -> None:
    """Float ones that are shipped; int8 ones are compared with float. Differences below 0.005 dB mean nothing."""
    for name in tables.VARIANTS:
        figures = tables.read(f"{name}_x3")
        for benchmark in tables.SETS if figures else ():
            bicubic, shrunk, ours = (figures[benchmark, method].psnr for method in ("bicubic", "x4 shrunk", "ours"))
            assert bicubic < shrunk < ours + 0.005, name


def test_int8_loses_at_most_a_twentieth_of_a_decibel(tables: ModuleType) -> None:
    """In our engine, against the float network that it was made of."""
    losses = {(pair.label, s): pair.loss(s) for pair in tables.pairs() for s in tables.SETS}
    assert len(losses) >= 12
    assert {where: loss for where, loss in losses.items() if loss > 0.05} == {}


def test_quality_csv_holds_what_the_networks_own_tables_hold() -> None:
    """`sesr evaluate` wrote them in one run. A later run with several other networks would replace the table."""
    results = ROOT / "results"
    head, *lines = (results / "quality.csv").read_text(encoding="utf-8").splitlines()
    names = list(dict.fromkeys(tuple(line.split(",")[:2]) for line in lines))
    alone = [f"{n},{row}" for n, s in names for row in (results / f"{n}_x{s}.csv").read_text().splitlines()[1:]]
    assert head.startswith("network,scale,set")
    assert names == [(name, scale) for name in VARIANTS for scale in "24"], "evaluate the five networks again, last"
    assert lines == alone


def test_sharpening_was_measured_with_the_networks_that_are_shipped(tables: ModuleType) -> None:
    """Sharpened by nothing, they reach what their own tables say."""
    with (ROOT / "results" / "sharpen.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["sharpen"] == "0"]
    assert len(rows) == 12
    for row in rows:
        own = tables.read(f"{row['network']}_x{row['scale']}")[row["set"], "ours"]
        assert float(row["psnr"]) == own.psnr, "measure sharpening again: docs/guides/sharpening.md has the command"
