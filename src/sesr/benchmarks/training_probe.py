"""One step of training: what `sesr.benchmarks.training` times, and the memory that it takes.

A step is `Learner.step`, the very one that trains: loss, gradient, Adam's update and the running mean, compiled where
there is a compiler. Its batch is noise, made beforehand; time and memory do not depend on what the crops show.

Memory is measured in a fresh process for each form: `step_memory` starts this module as a program, ``python -m
sesr.benchmarks.training_probe REQUEST``, which prints two figures:

- `activations` is what the forward pass leaves behind for the backward pass: the bytes of all tensors that autograd
  saves, each storage once, without the parameters and the batch, which are there anyway. It is counted, not sampled.
  Scratch memory that an operator takes and returns is not in it.
- `peak` is the most memory that the process held, from start to end, with Python, PyTorch and compilation; on a GPU the
  most that was allocated there.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from sesr.benchmarks.memory_probe import check_system, peak_bytes
from sesr.errors import EngineError, UsageError
from sesr.network.variants import Form, SESRConfig

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Task:
    """A step to measure.

    Attributes:
        config: the network.
        batch: crops in a step.
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


class TrainingStep(NamedTuple):
    """A step to run, and the tensors that exist before and after it: the parameters and the batch."""

    run: Callable[[], None]
    owned: "list[Tensor]"


class StepMemory(NamedTuple):
    """Bytes that autograd saves for the backward pass, and the most bytes that the process held."""

    activations: int
    peak: int


def prepare(task: Task) -> Task:
    """Set this process up as training does, and return the task as it can be done here.

    Raises `UsageError` if there is no such device, `EngineError` without PyTorch and on Windows.
    """
    try:
        import torch
    except ModuleNotFoundError as error:
        raise EngineError("PyTorch is not installed; pip install 'sesr[train]'") from error

    from sesr.training.machine import keep_freed_memory, missing_compiler

    check_system()
    if task.device == "cuda" and not torch.cuda.is_available():
        raise UsageError("PyTorch finds no GPU here; measure on the cpu")
    keep_freed_memory()
    if task.threads:
        torch.set_num_threads(task.threads)
    compiled = task.compiled and not missing_compiler(torch.device(task.device))
    return replace(task, threads=torch.get_num_threads(), compiled=compiled)


def make_step(task: Task, form: Form) -> TrainingStep:
    """Return a step of a fresh network in one form, on a batch of noise."""
    import torch

    from sesr.data.crops import Batch
    from sesr.data.settings import DataRecipe
    from sesr.training.learner import Learner
    from sesr.training.processes import Processes
    from sesr.training.recipe import Recipe, TrainingRecipe

    device = torch.device(task.device)
    recipe = Recipe(task.config, DataRecipe(crop=task.crop), TrainingRecipe(batch=task.batch, form=form))
    learner = Learner(recipe, Processes(device), compile_step=task.compiled, record=False)
    lr = torch.rand(task.batch, 1, task.crop, task.crop, device=device)
    hr = torch.rand(task.batch, 1, *[task.crop * task.config.scale] * 2, device=device)

    def run() -> None:
        learner.step(0, Batch(lr, hr))
        if device.type == "cuda":
            torch.cuda.synchronize()

    return TrainingStep(run, [*learner.parameters, lr, hr])


def count_activations(step: TrainingStep) -> int:
    """Run a step and return the bytes that autograd saves for its backward pass."""
    from torch.autograd.graph import saved_tensors_hooks

    saved: dict[int, int] = {}

    def note(tensor: "Tensor") -> "Tensor":
        storage = tensor.untyped_storage()
        saved[storage.data_ptr()] = storage.nbytes()
        return tensor

    with saved_tensors_hooks(note, lambda tensor: tensor):
        step.run()
    for tensor in step.owned:
        saved.pop(tensor.untyped_storage().data_ptr(), None)
    return sum(saved.values())


def step_memory(task: Task, form: Form) -> StepMemory:
    """Measure a step's memory in a fresh process. Raises `EngineError` if the step fails."""
    request = json.dumps({"form": form, "task": asdict(task)})
    command = [sys.executable, "-m", "sesr.benchmarks.training_probe", request]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["stopped by the system"])[-1]
        raise EngineError(f"a training step, {form}, failed: {reason}; for less memory take a smaller batch")
    activations, peak = done.stdout.split()[-2:]  # a compiler may print, too
    return StepMemory(int(activations), int(peak))


def _main(request: str) -> None:
    """Take two steps and print activations and peak, in bytes."""
    asked: dict[str, Any] = json.loads(request)
    config = SESRConfig(**asked["task"].pop("config"))
    task = prepare(Task(config, **asked["task"]))
    step = make_step(task, asked["form"])
    step.run()  # compiles
    activations = count_activations(step)
    sys.stdout.write(f"{activations} {_peak_of(task.device)}\n")


def _peak_of(device: str) -> int:
    if device != "cuda":
        return peak_bytes()
    import torch

    return torch.cuda.max_memory_allocated()


if __name__ == "__main__":
    _main(*sys.argv[1:])
