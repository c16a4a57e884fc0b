"""The report runs commands and records how each table came about."""

import json
import re
import shlex
from pathlib import Path

import pytest

from sesr.benchmarks.machine import commit, this_machine
from sesr.benchmarks.report import PLAN, RECORD, Step, make_report, read_record, write_pages
from sesr.cli import build_parser, main
from sesr.errors import UsageError

ROOT = Path(__file__).parents[2]
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
    ours = parser.parse_args(step.words(Path("results"), Path("sets"), quick=False))
    assert vars(ours) | {"run_command": None} == vars(page) | {"run_command": None}


def test_pages_quote_commands() -> None:
    assert len(quoted()) >= 8


def test_every_command_of_the_plan_can_be_parsed() -> None:
    for step in PLAN:
        for quick in (False, True):
            build_parser().parse_args(step.words(Path("results"), Path("sets"), quick=quick))


def test_the_report_covers_the_tables() -> None:
    """Except for those of trials, of guides and of sets that stand beside the papers'."""
    covered = {step.table for step in PLAN}
    tables = {path.name for path in (ROOT / "results").glob("*.csv")}
    plain = {name for name in tables if not re.match(r"(m\d+|xl)[-_]|x4_from_x2", name)}
    assert plain <= covered


def test_tables_and_their_record(tmp_path: Path) -> None:
    notes: list[str] = []
    plan = (
        Step("good.csv", TINY),
        Step("bad.csv", TINY.replace("m5", "m4")),
        Step("absent.csv", TINY, ("no_such_module",)),
        Step("sets.csv", "evaluate m5 --data {data}"),
        Step("other.csv", TINY),
    )
    assert make_report(tmp_path / "new", None, ["good", "bad", "absent", "sets"], plan=plan, note=notes.append) == 1
    assert [path.name for path in sorted((tmp_path / "new").iterdir())] == ["good.csv", RECORD]
    (entry,) = read_record(tmp_path / "new").values()
    assert entry["command"] == f"sesr {TINY} -o {tmp_path.as_posix()}/new/good.csv"
    assert entry["machine"] == this_machine()
    assert entry["seconds"] >= 0
    assert "bad: failed, and its table stays as it was" in notes
    assert "absent: left out, no_such_module is not installed" in notes
    assert "sets: left out, it needs --data FOLDER with benchmark sets" in notes
    assert make_report(tmp_path / "new", None, ["other"], plan=plan, note=notes.append) == 0
    assert list(read_record(tmp_path / "new")) == ["good.csv", "other.csv"]


def test_a_quick_report_leaves_out_what_cannot_be_quick(tmp_path: Path) -> None:
    notes: list[str] = []
    plan = (Step("slow.csv", "benchmark memory"), Step("fast.csv", "benchmark sharpen", quick=TINY))
    assert make_report(tmp_path, quick=True, plan=plan, note=notes.append) == 0
    assert [note.split(",")[0] for note in notes] == [
        "slow: left out",
        f"sesr {TINY} -o {tmp_path.as_posix()}/fast.csv",
    ]


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
