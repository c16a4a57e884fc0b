"""The report runs commands and records how each table came about."""

import json
import re
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sesr.benchmarks.machine import commit, this_machine
from sesr.benchmarks.report import PLAN, RECORD, Sets, Step, make_report, read_record, write_pages
from sesr.cli import build_parser, main
from sesr.errors import UsageError

ROOT = Path(__file__).parents[2]
SETS = Sets(Path("sets"), Path("kodak"))
TINY = "benchmark sharpen -m m5 --int8 --width 16 --height 12 --rounds 1 --threads 1"


def quoted() -> list[str]:
    """Return the commands of the README and the pages that write a table of results."""
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    text = "\n".join(path.read_text(encoding="utf-8") for path in pages)
    found = re.findall(r"^sesr benchmark .* -o results/\S+$", text, re.MULTILINE)
    found += [" ".join(words.split()) for words in re.findall(r"`(sesr benchmark [^`]* -o\s+results/[^`]+)`", text)]
    return sorted(set(found))


@pytest.mark.parametrize("command", quoted())
def test_the_report_runs_what_pages_quote(command: str) -> None:
    parser = build_parser()
    page = parser.parse_args(shlex.split(command)[1:])
    (step,) = [step for step in PLAN if step.table == page.output.relative_to("results").as_posix()]
    ours = parser.parse_args(step.words(Path("results"), SETS, quick=False))
    assert vars(ours) | {"run_command": None} == vars(page) | {"run_command": None}


def test_pages_quote_commands() -> None:
    assert len(quoted()) >= 8


def test_every_command_of_the_plan_can_be_parsed() -> None:
    for step in PLAN:
        for quick in (False, True):
            build_parser().parse_args(step.words(Path("results"), SETS, quick=quick))


NOT_MEASURED = {
    "x4_from_x2.csv": "examples/x4_curves.py",
    "fixed_point.csv": "examples/fixed_point.py",
    "still.csv": "examples/still_parts.py",
    "web.csv": "examples/web_speed.py",
    "machines.csv": "examples/measured.py",
}
"""Tables that no command measures: four with their scripts, and one by hand with the script that reads it."""


def test_the_report_covers_the_tables() -> None:
    results = ROOT / "results"
    tables = {path.relative_to(results).as_posix() for path in results.rglob("*.csv")}
    covered = {table for step in PLAN for table in (step.table, *step.beside)}
    assert tables - covered == set(NOT_MEASURED)
    for table, script in NOT_MEASURED.items():
        assert table in (ROOT / script).read_text(encoding="utf-8")


def test_a_step_writes_the_tables_that_it_names(tmp_path: Path) -> None:
    """Those of one picture, by every way that a table of quality comes about."""
    folder = tmp_path / "sets" / "Set5"
    folder.mkdir(parents=True)
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)).save(folder / "noise.png")
    kodak = tmp_path / "validation"
    shutil.copytree(folder, kodak)
    wanted = ["m5-relu_x2", "rounded_input/m5-relu_x2", "kodak/m5-int8_x2", "m5-photo_x2_jpeg75"]
    assert make_report(tmp_path / "new", Sets(folder, kodak), wanted, note=lambda _: None) == 0
    written = {path.relative_to(tmp_path / "new").as_posix() for path in (tmp_path / "new").rglob("*.csv")}
    assert written == {table for step in PLAN if step.name in wanted for table in (step.table, *step.beside)}


def evaluations() -> list[str]:
    """Return the commands of the pages that measure quality on the sets beside the checkout."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs").rglob("*.md")))
    return sorted(set(re.findall(r"^sesr evaluate .*\.\./shared/.*$", text, re.MULTILINE)))


def test_the_report_runs_the_evaluations_that_pages_quote() -> None:
    def options(words: Sequence[str]) -> dict[str, object]:
        parsed = vars(build_parser().parse_args(words))
        return parsed | {"run_command": None, "scale": parsed["scale"] or [2]}

    shared = Path("../shared/data")
    sets = Sets(shared / "benchmark", shared / "validation")
    plan = [options(step.words(Path("results"), sets, quick=False)) for step in PLAN if "evaluate" in step.command]
    quoted = {command: options(shlex.split(command)[1:]) for command in evaluations()}
    assert len(quoted) >= 10
    assert [command for command, words in quoted.items() if words not in plan] == []


def test_tables_and_their_record(tmp_path: Path) -> None:
    notes: list[str] = []
    plan = (
        Step("good.csv", TINY),
        Step("bad.csv", TINY.replace("m5", "m4")),
        Step("absent.csv", TINY, ("no_such_module",)),
        Step("sets.csv", "evaluate m5 --data {data}"),
        Step("kodak.csv", "evaluate m5 --data {kodak}"),
        Step("other.csv", TINY),
    )
    names = ["good", "bad", "absent", "sets", "kodak"]
    assert make_report(tmp_path / "new", Sets(), names, plan=plan, note=notes.append) == 1
    assert [path.name for path in sorted((tmp_path / "new").iterdir())] == ["good.csv", RECORD]
    (entry,) = read_record(tmp_path / "new").values()
    assert entry["command"] == f"sesr {TINY} -o {tmp_path.as_posix()}/new/good.csv"
    assert entry["machine"] == this_machine()
    assert entry["seconds"] >= 0
    assert "bad: failed, and its table stays as it was" in notes
    assert "absent: left out, no_such_module is not installed" in notes
    assert "sets: left out, it needs --data FOLDER with benchmark sets" in notes
    assert "kodak: left out, it needs --kodak FOLDER with Kodak's pictures" in notes
    assert make_report(tmp_path / "new", Sets(), ["other"], plan=plan, note=notes.append) == 0
    assert list(read_record(tmp_path / "new")) == ["good.csv", "other.csv"]


def test_a_quick_report_leaves_out_what_cannot_be_quick(tmp_path: Path) -> None:
    notes: list[str] = []
    plan = (Step("slow.csv", "benchmark memory"), Step("fast.csv", "benchmark sharpen", quick=TINY))
    assert make_report(tmp_path, quick=True, plan=plan, note=notes.append) == 0
    assert [note.split(",")[0] for note in notes] == [
        "slow: left out",
        f"sesr {TINY} -o {tmp_path.as_posix()}/fast.csv",
    ]


@pytest.mark.needs("torch")
def test_what_needs_a_gpu_is_left_out_without_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    notes: list[str] = []
    assert make_report(tmp_path, only=["gpu_training"], note=notes.append) == 0
    assert notes[-1] == "gpu_training: left out, there is no GPU that PyTorch can use"


def test_unknown_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UsageError, match="--only luck: no such table; use some of peers, engine"):
        make_report(tmp_path, only=["luck"])
    assert main(["benchmark", "report", "--only", "luck", "-o", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith("sesr: --only luck: no such table")


def test_the_commands_of_a_checkout_write_its_pages(tmp_path: Path) -> None:
    (tmp_path / "examples").mkdir()
    assert write_pages(tmp_path, lambda _: None) == 0
    (tmp_path / "examples" / "tables.py").write_text("open('page', 'w').close()")
    (tmp_path / "examples" / "charts.py").write_text("raise SystemExit(1)")
    assert write_pages(tmp_path, lambda _: None) == 1
    assert (tmp_path / "page").exists()


def test_machine() -> None:
    machine = this_machine()
    assert machine["processor"]
    assert machine["kernel"]
    assert machine["versions"]["numpy"]
    json.dumps(machine)


def test_commit(tmp_path: Path) -> None:
    assert commit(tmp_path) == ""
    assert re.fullmatch(r"([0-9a-f]{12}\+?)?", commit(ROOT))
