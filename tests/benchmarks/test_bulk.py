"""The benchmark of jobs over many pictures: in small, since figures are a benchmark's matter."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("obstore")
pytest.importorskip("pyarrow")
if not Path("/proc/self/smaps_rollup").exists():
    pytest.skip("looks at processes in /proc", allow_module_level=True)

from sesr.benchmarks.bulk import PARTS, QUICK, Measurement, measure_bulk
from sesr.benchmarks.process_tree import run_tree
from sesr.cli import main
from sesr.errors import UsageError

TINY = replace(QUICK, keys=20_000, pictures=3, megapixels=0.01)


def test_plans_and_workers() -> None:
    rows = {row.name: row for row in measure_bulk(TINY, ["plan", "scan"])}
    assert rows["plan-memory"].value > 10
    assert rows["plan-size"].value < 30
    assert rows["plan-size"].passed
    assert {f"scan-{numbers}-{form}" for numbers in ("float", "int8") for form in ("jpg", "png")} < set(rows)


def test_bars() -> None:
    row = Measurement("a", "a", 3.0, "s", 2.0, "at most", "so")
    assert not row.passed
    assert row.line() == "a: 3 s (at most 2: MISSED); so"
    assert replace(row, side="at least").passed
    assert replace(row, bar=None).passed


def test_unknown_parts() -> None:
    with pytest.raises(UsageError, match="--only luck: no such part; use some of plan, overhead"):
        list(measure_bulk(TINY, ["luck"]))
    assert set(PARTS) >= {"ray", "kills", "stops"}


def test_what_a_command_leaves_behind_is_counted() -> None:
    """A process that outlives its parent, which waits until it was busy for half a second."""
    busy = "import time\nwhile time.process_time() < 0.5: pass\nprint(flush=True)\ntime.sleep(5)"
    code = (
        "import subprocess, sys\n"
        f"command = [sys.executable, '-c', {busy!r}]\n"
        "subprocess.Popen(command, start_new_session=True, stdout=subprocess.PIPE).stdout.readline()"
    )
    usage = run_tree([sys.executable, "-c", code])
    assert usage.code == 0
    assert usage.cpu > 0.3
    assert usage.memory > 5_000_000


def test_the_command_writes_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = tmp_path / "bulk.csv"
    assert main(["benchmark", "bulk", "--quick", "--only", "plan", "-o", str(table)]) == 0
    assert capsys.readouterr().out.startswith("plan: memory: ")
    head, *rows = table.read_text(encoding="utf-8").splitlines()
    assert head == "name,what,value,unit,bar,side,how"
    assert [row.split(",")[0] for row in rows] == ["plan-memory", "plan-time", "plan-size"]
