"""What collapsed training saves: a gradient step in three ways, side by side (paper, section 3.2 and table 1).

All three compute the same step of the same network, to rounding (`sesr.network.linear_block`):

- ``sum``: each block collapsed by the sum over its expansion, as `sesr train` does;
- ``delta``: collapsed the paper's way, by running the block on a picture of single bright pixels (Algorithm 1);
- ``expanded``: the wide blocks run on the features themselves, which nobody would do who can avoid it.

A step is `Learner.step`, the very one that trains: loss, gradient, Adam's update and the running mean, compiled where
there is a compiler. Its batch is noise, made beforehand; time and memory do not depend on what the crops show.

**Time.** The forms take turns in one process, round after round, since a machine's speed drifts. A turn is as many
steps as a second holds, one at least, and counts as their mean. A form's `ratio` is the median over the rounds of its
time divided by that of ``sum`` in the same round. Compilation and one step to warm up come before and do not count.

**Memory**, of each form in a process of its own, is told in two ways:

- `activations` is what the backward pass needs and the forward pass therefore leaves behind: the bytes of all tensors
  that autograd keeps, each storage once, without the parameters and the batch, which are there anyway. It is counted,
  not sampled. Scratch memory that an operator takes and returns is not in it.
- `peak` is the most memory that the process held, from start to end, with Python, PyTorch and compilation (its
  resident set, as the operating system tells it); on a GPU the most that was allocated there.

`macs` are counted on paper, of the forward pass alone (`SESRConfig.training_macs`); the backward pass takes about
twice as many again in each form.
"""

import csv
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from tqdm import tqdm

from sesr.atomic import writing
from sesr.errors import EngineError, UsageError
from sesr.network.variants import Form, SESRConfig

if TYPE_CHECKING:
    from torch import Tensor

Contender = Literal["sum", "delta", "expanded"]
Step = Callable[[], object]


class Measured(NamedTuple):
    """A step, and the tensors that are there before and after it: the parameters and the batch."""

    step: Step
    owned: "list[Tensor]"


FORMS: dict[Contender, Form] = {"sum": "collapsed", "delta": "delta", "expanded": "expanded"}
"""The contenders, and what the network's blocks call them."""

TURN_SECONDS = 1.0


@dataclass(frozen=True)
class Task:
    """What is measured.

    Attributes:
        config: the network.
        batch: crops a step.
        crop: side of a crop, low-resolution pixels.
        device: ``cpu`` or ``cuda``.
        threads: processor threads; 0 leaves PyTorch's choice.
        compiled: whether steps are compiled.
    """

    config: SESRConfig
    batch: int = 32
    crop: int = 64
    device: str = "cpu"
    threads: int = 0
    compiled: bool = True


@dataclass(frozen=True)
class TrainingRow:
    """One form's step.

    Attributes:
        form: ``sum``, ``delta`` or ``expanded``.
        task: what was measured, with the threads that it got and whether it was compiled indeed.
        rounds: turns that counted.
        median_ms: of a step.
        ratio: its time over that of ``sum``, median of the rounds; 25 means 25 times slower.
        macs: multiply-adds of the forward pass.
        activations: bytes that autograd keeps for the backward pass.
        peak: bytes that the process held at most; on a GPU, that were allocated there.
    """

    form: Contender
    task: Task
    rounds: int
    median_ms: float
    ratio: float
    macs: int
    activations: int
    peak: int


def measure_training(
    config: SESRConfig,
    *,
    batch: int = 32,
    crop: int = 64,
    rounds: int = 5,
    threads: int | None = None,
    device: str = "cpu",
    compile_step: bool = True,
) -> list[TrainingRow]:
    """Measures a step of training in the three forms, ``sum`` first.

    Args:
        config: the network; `feature_size` and `scale` count.
        batch: crops a step.
        crop: side of a crop, low-resolution pixels.
        rounds: turns of each form, at least 1.
        threads: processor threads; None leaves PyTorch's choice.
        device: ``cpu`` or ``cuda``.
        compile_step: compiles steps where there is a compiler, as training does; False never does.

    Raises `UsageError` for numbers below 1 or no such device, `EngineError` without PyTorch or enough memory, and on
    Windows, which does not tell a peak.
    """
    for name, number in (("batch", batch), ("crop", crop), ("rounds", rounds)):
        if number < 1:
            raise UsageError(f"{name} must be at least 1, not {number}")
    task = _prepared(Task(config, batch, crop, device, threads or 0, compile_step))
    with tqdm(total=len(FORMS) * (rounds + 2), desc="measuring", leave=False, disable=None) as bar:
        memory = {}
        for form in FORMS:
            memory[form] = _memory_elsewhere(task, form)
            bar.update()
        times = _take_turns({form: _measured(task, form).step for form in FORMS}, rounds, bar.update)
    return [
        TrainingRow(form, task, rounds, *_summary(own, times), config.training_macs(batch, crop, form), *memory[form])
        for form, own in times.items()
    ]


def training_line(row: TrainingRow) -> str:
    """A row for people."""
    return (
        f"{row.form:9} {row.median_ms:9.1f} ms a step  {row.ratio:6.2f} times the sum's  {row.macs / 1e9:6.2f} G MACs"
        f"  activations {row.activations / 1e6:7.1f} MB  process {row.peak / 1e6:5.0f} MB"
    )


def write_csv(rows: list[TrainingRow], path: Path) -> None:
    """A table with a header row, whole or not at all; MB are 10^6 bytes, G MACs 10^9. Raises `OSError`."""
    table = [_columns(row) for row in rows]
    with writing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(table[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(table)


def _columns(row: TrainingRow) -> dict[str, object]:
    task, config = row.task, row.task.config
    return {
        "m": config.m,
        "f": config.f,
        "feature_size": config.feature_size,
        "scale": config.scale,
        "form": row.form,
        "batch": task.batch,
        "crop": task.crop,
        "device": task.device,
        "threads": task.threads,
        "compiled": "yes" if task.compiled else "no",
        "rounds": row.rounds,
        "median_ms": row.median_ms,
        "ratio": row.ratio,
        "forward_gmacs": f"{row.macs / 1e9:.3f}",
        "activations_mb": f"{row.activations / 1e6:.1f}",
        "peak_mb": f"{row.peak / 1e6:.0f}",
    }


def _prepared(task: Task) -> Task:
    """Sets the process up as training does; the task as it can be done here."""
    try:
        import torch
    except ModuleNotFoundError as error:
        raise EngineError("PyTorch is not installed; pip install 'sesr[train]'") from error

    from sesr.training.machine import keep_freed_memory, missing_compiler

    if sys.platform == "win32":
        raise EngineError("peak memory cannot be measured on Windows; use Linux or macOS")
    if task.device == "cuda" and not torch.cuda.is_available():
        raise UsageError("PyTorch finds no GPU here; measure on the cpu")
    keep_freed_memory()
    if task.threads:
        torch.set_num_threads(task.threads)
    compiled = task.compiled and not missing_compiler(torch.device(task.device))
    return Task(task.config, task.batch, task.crop, task.device, torch.get_num_threads(), compiled)


def _measured(task: Task, form: Contender) -> Measured:
    """A step of a fresh network on a batch of noise."""
    import torch

    from sesr.data.settings import DataRecipe
    from sesr.training.learner import Learner
    from sesr.training.processes import Processes
    from sesr.training.recipe import Recipe, TrainingRecipe

    device = torch.device(task.device)
    recipe = Recipe(task.config, DataRecipe(crop=task.crop), TrainingRecipe(batch=task.batch, form=FORMS[form]))
    learner = Learner(recipe, Processes(device), compile_step=task.compiled)
    lr = torch.rand(task.batch, 1, task.crop, task.crop, device=device)
    hr = torch.rand(task.batch, 1, *[task.crop * task.config.scale] * 2, device=device)

    def step() -> None:
        learner.step(0, lr, hr)
        if device.type == "cuda":
            torch.cuda.synchronize()

    return Measured(step, [*learner.parameters, lr, hr])


def _take_turns(
    steps: dict[Contender, Step], rounds: int, tick: Callable[[], object] = lambda: None
) -> dict[Contender, list[float]]:
    """Seconds a step in every round, by form."""
    times: dict[Contender, list[float]] = {form: [] for form in steps}
    for turn in range(rounds + 1):
        for form, step in steps.items():
            if turn:
                times[form].append(_seconds(step))
            else:
                step()
            tick()
    return times


def _seconds(step: Step) -> float:
    """Mean over the steps of one turn."""
    start, count = time.perf_counter(), 0
    while (elapsed := time.perf_counter() - start) < TURN_SECONDS or not count:
        step()
        count += 1
    return elapsed / count


def _summary(own: list[float], times: dict[Contender, list[float]]) -> tuple[float, float]:
    """Median in milliseconds, and the ratio."""
    ratio = statistics.median(a / b for a, b in zip(own, times["sum"], strict=True))
    return round(statistics.median(own) * 1e3, 1), round(ratio, 3)


def _memory_elsewhere(task: Task, form: Contender) -> tuple[int, int]:
    """Activations and peak of one form, bytes, in a fresh process."""
    code = f"from {__name__} import _tell_memory; _tell_memory()"
    command = [sys.executable, "-c", code, json.dumps({"form": form, "task": asdict(task)})]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["stopped by the system"])[-1]
        raise EngineError(f"a training step, {form}, failed: {reason}; for less memory take a smaller batch")
    activations, peak = done.stdout.split()[-2:]
    return int(activations), int(peak)


def _tell_memory() -> None:
    """The fresh process: takes two steps and prints activations and peak, bytes."""
    request: dict[str, Any] = json.loads(sys.argv[1])
    config = SESRConfig(**request["task"].pop("config"))
    task = _prepared(Task(config, **request["task"]))
    measured = _measured(task, request["form"])
    measured.step()  # compiles
    activations = _kept_bytes(measured)
    sys.stdout.write(f"{activations} {_peak_bytes(task.device)}\n")


def _kept_bytes(measured: Measured) -> int:
    """What autograd keeps in a step for its backward pass, each storage once, beside what is there anyway."""
    from torch.autograd.graph import saved_tensors_hooks

    kept: dict[int, int] = {}

    def note(tensor: "Tensor") -> "Tensor":
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with saved_tensors_hooks(note, lambda tensor: tensor):
        measured.step()
    for tensor in measured.owned:
        kept.pop(tensor.untyped_storage().data_ptr(), None)
    return sum(kept.values())


def _peak_bytes(device: str) -> int:
    """The most memory that this process held so far, or had allocated on the GPU.

    Linux tells it in a file too, of this program alone; `getrusage` counts what the process was before it became
    this program, which is a copy of its parent.
    """
    if device == "cuda":
        import torch

        return torch.cuda.max_memory_allocated()
    if sys.platform == "linux":
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
