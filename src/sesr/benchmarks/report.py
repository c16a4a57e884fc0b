"""Every measurement that the README and the pages quote, by one command.

`PLAN` lists commands of `sesr` and the tables that they write. `make_report` runs each in a process of its own, one
after the other, and keeps a record next to the tables, ``report.json``: for each table the command, the date, the
commit, the machine and how busy that was. A command whose packages, pictures or GPU are missing is left out, with a
line.
Afterwards the scripts under ``examples`` write pages and charts anew, if the tables are the checkout's own.
"""

import json
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import TypedDict

from sesr.atomic import writing
from sesr.benchmarks.machine import Machine, commit, load, this_machine
from sesr.errors import UsageError
from sesr.network.variants import VARIANTS
from sesr.network.zoo import INT8, WEIGHTS

RECORD = "report.json"
"""Name of the record's file."""

SCRIPTS = ("examples/charts.py", "examples/tables.py", "examples/crops.py")
"""Programs that write pages and pictures from the tables, in a checkout."""

_BUSY = 0.5
"""Load above which times are doubtful."""

_DATA, _KODAK = "{data}", "{kodak}"
_EXPORT, _OPENVINO = ("flatbuffers", "ai_edge_litert"), ("openvino", "flatbuffers", "ai_edge_litert")

Note = Callable[[str], object]
"""Takes a line for people."""


@dataclass(frozen=True)
class Step:
    """One command of the report.

    Attributes:
        table: file that it writes, or the main one of several.
        command: what stands between `sesr` and `-o`; ``{data}`` is the folder of benchmark sets, ``{kodak}`` that of
            Kodak's pictures.
        needs: modules that must be installed.
        quick: the command that only shows that it works; None for one that cannot be quick.
        folder: `-o` names a folder below the tables', not a file.
        beside: further tables that it writes.
        gpu: it needs a GPU that PyTorch can use.
    """

    table: str
    command: str
    needs: Sequence[str] = ()
    quick: str | None = None
    folder: str | None = None
    beside: Sequence[str] = ()
    gpu: bool = False

    @property
    def name(self) -> str:
        """Name for `--only`: the table without its suffix."""
        return self.table.removesuffix(".csv")

    def words(self, results: Path, sets: "Sets", *, quick: bool) -> list[str]:
        """Return the command's words after `sesr`."""
        output = results / (self.table if self.folder is None else self.folder)
        command = self.command if self.quick is None or not quick else self.quick
        words = [word.format(data=sets.data, kodak=sets.kodak) for word in shlex.split(command)]
        return [*words, "-o", output.as_posix()]


@dataclass(frozen=True)
class Sets:
    """Folders of pictures that quality is measured on; None leaves out what needs them.

    Attributes:
        data: benchmark sets.
        kodak: Kodak's pictures.
    """

    data: Path | None = None
    kodak: Path | None = None


def _evaluate(stem: str, options: str, folder: str = ".", needs: Sequence[str] = ()) -> Step:
    """Return a step that measures one network: alone, since several would replace ``quality.csv``."""
    below = "" if folder == "." else f"{folder}/"
    pictures = (f"{below}{stem}_pictures.csv",)
    return Step(f"{below}{stem}.csv", f"evaluate {options}", needs, folder=folder, beside=pictures)


def _scales(name: str, scales: Sequence[int]) -> list[int]:
    """Return the scales for which a network of this name is shipped."""
    return [scale for scale in scales if (WEIGHTS / f"sesr_{name}_x{scale}.safetensors").is_file()]


_TINY = "--width 64 --height 48 --rounds 1"

PLAN = (
    Step("peers.csv", "benchmark peers", quick="benchmark peers --quick --rounds 1"),
    Step("engine.csv", "benchmark engine -m m5 m11 xl -s 2 4", _OPENVINO, f"benchmark engine -m m3 {_TINY}"),
    Step(
        "engine_avx2.csv", "benchmark engine -m m5 m11 xl --avx2", _OPENVINO, f"benchmark engine -m m3 {_TINY} --avx2"
    ),
    Step("speed.csv", "benchmark speed --rounds 11", ("openvino", "torch"), f"benchmark speed {_TINY}"),
    Step("speed_m5-relu.csv", "benchmark speed -m m5-relu --rounds 9", ("openvino", "torch")),
    Step("files_m11.csv", "benchmark files -m m11 --rounds 3", (), "benchmark files --megapixels 0.01 --rounds 1"),
    Step(
        "sharpen_speed.csv", "benchmark sharpen -m m5 --int8 --threads 1 --rounds 31", (), f"benchmark sharpen {_TINY}"
    ),
    Step("video.csv", "benchmark video", ("av",), "benchmark video --width 64 --height 48 --seconds 1"),
    Step("memory.csv", "benchmark memory --megapixels 2 12 100 499", (), "benchmark memory --megapixels 0.1"),
    Step("engine_memory.csv", "benchmark engine-memory --int8 --height 100000"),
    Step("engine_memory_float.csv", "benchmark engine-memory --height 20000"),
    Step("bulk.csv", "benchmark bulk", ("obstore", "pyarrow", "ray"), "benchmark bulk --quick"),
    Step("training.csv", "benchmark training --threads 2", ("torch",)),
    Step("gpu_training.csv", "benchmark gpu-training", ("torch",), "benchmark gpu-training -m m5 --rounds 1", gpu=True),
    Step("npu.csv", "benchmark npu m5", ("ethosu", *_EXPORT)),
    Step(
        "quality.csv",
        f"evaluate {' '.join(VARIANTS)} -s 2 4 --data {_DATA}",
        folder=".",
        beside=[f"{name}_x{scale}{of}.csv" for name in VARIANTS for scale in (2, 4) for of in ("", "_pictures")],
    ),
    *(_evaluate(f"{name}_x3", f"{name} -s 3 --against-x4 --data {_DATA}") for name in VARIANTS if _scales(name, (3,))),
    *(
        step
        for name in VARIANTS
        for scale in _scales(f"{name}{INT8}", (2, 3, 4))
        for step in (
            _evaluate(f"{name}-relu_x{scale}", f"{name}-relu -s {scale} --data {_DATA}"),
            _evaluate(f"{name}-int8_x{scale}", f"{name} --int8 -s {scale} --data {_DATA}"),
            _evaluate(
                f"{name}-int8_x{scale}",
                f"{name} --int8 -s {scale} --data {_DATA} --engine litert",
                "litert",
                _EXPORT,
            ),
        )
    ),
    _evaluate("m5-relu_x2", f"m5-relu --data {_DATA} --round-input", "rounded_input"),
    _evaluate("m5_x2", f"m5 --data {_KODAK}", "kodak"),
    _evaluate("m5-relu_x2", f"m5-relu --data {_KODAK}", "kodak"),
    _evaluate("m5-relu_x4", f"m5-relu -s 4 --data {_KODAK}", "kodak"),
    _evaluate("m5-int8_x2", f"m5 --int8 --data {_KODAK}", "kodak"),
    _evaluate("m5-relu_x2", f"m5-relu --data {_KODAK} --round-input", "rounded_input/kodak"),
    _evaluate("m5-int8_x2", f"m5 --int8 --data {_KODAK} --engine litert", "litert/kodak", _EXPORT),
    *(
        step
        for name in ("m5", "m11")
        for step in (
            _evaluate(f"{name}-photo_x2", f"{name}-photo --data {_DATA}"),
            _evaluate(f"{name}-photo_x2_jpeg75", f"{name}-photo --data {_DATA} --jpeg 75"),
            _evaluate(f"{name}_x2_jpeg75", f"{name} --data {_DATA} --jpeg 75"),
        )
    ),
    Step("sharpen.csv", f"evaluate m5 m11 -s 2 4 --data {_DATA} --sharpen 0 0.25 0.5 1", folder="."),
)
"""Every command, in the order in which they run."""


class Entry(TypedDict):
    """How one table came about.

    Attributes:
        command: the whole command, with the checkout's own folder for tables.
        date: when it ended, UTC.
        commit: of the checkout.
        seconds: how long it took.
        load: processes that waited for the processor before; None on Windows.
        machine: what it ran on.
    """

    command: str
    date: str
    commit: str
    seconds: int
    load: float | None
    machine: Machine


def make_report(
    results: Path,
    sets: Sets = Sets(),
    only: Sequence[str] = (),
    *,
    quick: bool = False,
    plan: Sequence[Step] = PLAN,
    note: Note = print,
) -> int:
    """Run the plan's commands and record how each table came about.

    Args:
        results: folder of the tables, created if necessary.
        sets: folders of pictures.
        only: names of the steps to run; none runs all.
        quick: run small commands instead, which show that everything works; what cannot be small is left out.
        plan: the steps to choose from.
        note: told what is run, left out and failed.

    Returns the number of commands that failed. Raises `UsageError` for an unknown name in `only`.
    """
    unknown = sorted(set(only) - {step.name for step in plan})
    if unknown:
        raise UsageError(f"--only {unknown[0]}: no such table; use some of {', '.join(step.name for step in plan)}")
    wanted = [step for step in plan if not only or step.name in only]
    results.mkdir(parents=True, exist_ok=True)
    if (waiting := load()) is not None and waiting > _BUSY and not quick:
        note(f"this machine is busy (load {waiting}): times will be worth little; stop everything else first")
    failed, at = 0, commit(Path.cwd())  # before any table of the checkout changes
    for step in wanted:
        if reason := _left_out(step, sets, quick):
            note(f"{step.name}: left out, {reason}")
        elif not _run(step, results, sets, at, quick, note):
            failed += 1
            note(f"{step.name}: failed, and its table stays as it was")
    return failed


def write_pages(root: Path, note: Note = print) -> int:
    """Run the scripts that write pages and pictures of a checkout, as far as it has them; returns how many failed."""
    failed = 0
    for script in SCRIPTS:
        if (root / script).is_file():
            note(f"python {script}")
            failed += bool(subprocess.call([sys.executable, script], cwd=root))
    return failed


def read_record(results: Path) -> dict[str, Entry]:
    """Return how the tables of a folder came about, by file; empty if no report was made there."""
    path = results / RECORD
    record: dict[str, Entry] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return record


def _left_out(step: Step, sets: Sets, quick: bool) -> str:
    """Return why a step cannot run; empty if it can."""
    absent = [module for module in step.needs if find_spec(module) is None]
    if absent:
        return f"{absent[0]} is not installed"
    if _DATA in step.command and sets.data is None:
        return "it needs --data FOLDER with benchmark sets"
    if _KODAK in step.command and sets.kodak is None:
        return "it needs --kodak FOLDER with Kodak's pictures"
    if step.gpu and not _has_gpu():
        return "there is no GPU that PyTorch can use"
    return "it has no quick form" if quick and step.quick is None else ""


def _has_gpu() -> bool:
    import torch

    return torch.cuda.is_available()


def _run(step: Step, results: Path, sets: Sets, at: str, quick: bool, note: Note) -> bool:
    """Run a step, record it, and return whether it worked."""
    words, waiting, start = step.words(results, sets, quick=quick), load(), time.perf_counter()
    note(f"sesr {shlex.join(words)}")
    if subprocess.call([sys.executable, "-m", "sesr", *words]):
        return False
    entry = Entry(
        command=f"sesr {shlex.join(words)}",
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        commit=at,
        seconds=round(time.perf_counter() - start),
        load=waiting,
        machine=this_machine(),
    )
    record = {**read_record(results), step.table: entry}
    with writing(results / RECORD) as temporary:
        temporary.write_text(json.dumps(dict(sorted(record.items())), indent=1) + "\n", encoding="utf-8")
    return True
