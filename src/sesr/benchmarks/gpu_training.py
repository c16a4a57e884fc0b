"""Training steps on a GPU: recorded as a whole and replayed, against one after the other.

Both are the steps of a run (`sesr.training.steps`), crops, optimizer and running mean included, of the same network on
the same crops of noise. *Single* steps are what `sesr train` does where it cannot record: loss and gradient are a
graph, and Python starts everything else. The two take turns (`sesr.benchmarks.rounds`). A turn is `STEPS` steps, and it
ends when the GPU is done with the last.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from tqdm import tqdm

from sesr.benchmarks.rounds import Turn, check_rounds, take_turns, timed
from sesr.benchmarks.rows import Row
from sesr.benchmarks.training_probe import Task, prepare
from sesr.errors import UsageError
from sesr.network.variants import VARIANTS, SESRConfig

if TYPE_CHECKING:
    from sesr.data.planes import LumaPlanes
    from sesr.training.recipe import Recipe
    from sesr.training.steps import Recorder, Steps

STEPS = 100
"""Steps of a turn."""

NETWORKS = {**VARIANTS, "teacher": SESRConfig(m=16, f=64, feature_size=128)}
"""Networks that can be measured: the shipped ones, and the teacher that they learn from."""

Precision = Literal["float32", "tf32", "bfloat16"]


@dataclass(frozen=True)
class RecordedTraining(Row):
    """Steps of one network.

    Attributes:
        network, scale: the network.
        batch: crops in a step.
        crop: side of a crop, low-resolution pixels.
        precision: as in a recipe.
        device: the GPU's name.
        compiled: whether steps were compiled.
        recorded: whether the step could be recorded as a whole; if not, both contenders take single steps.
        rounds: turns that counted.
        single_ms: median of a single step.
        recorded_ms: median of a replayed step.
        ratio: steps a second replayed, divided by those taken singly; median of the rounds.
    """

    network: str
    scale: int
    batch: int
    crop: int
    precision: Precision
    device: str
    compiled: Literal["yes", "no"]
    recorded: Literal["yes", "no"]
    rounds: int
    single_ms: float
    recorded_ms: float
    ratio: float

    def line(self) -> str:
        """Return both times, as steps a second too."""
        single, recorded = (f"{ms:8.3f} ms ({1e3 / ms:6.0f} a second)" for ms in (self.single_ms, self.recorded_ms))
        note = "" if self.recorded == "yes" else "  (not recorded)"
        return f"{self.network:8} x{self.scale}  single {single}  recorded {recorded}  {self.ratio:5.2f} times{note}"


def measure_gpu_training(
    networks: Iterable[str],
    scale: int = 2,
    batch: int = 32,
    crop: int = 64,
    precision: Precision = "bfloat16",
    rounds: int = 5,
    *,
    device: str = "cuda",
    compile_step: bool = True,
    recorder: "Callable[[], Recorder] | None" = None,
) -> Iterator[RecordedTraining]:
    """Measure steps of each network, recorded and not, and yield a row when it is measured.

    Args:
        networks: names, as in `NETWORKS`.
        scale: of all networks.
        batch: crops in a step.
        crop: side of a crop, low-resolution pixels.
        precision: as in a recipe.
        rounds: turns of each contender, at least 1, after one to warm up.
        device: ``cuda``, or with another recorder ``cpu``.
        compile_step: compile steps where there is a compiler, as training does; False never does.
        recorder: makes what records a step; None records CUDA graphs.

    Raises `UsageError` for numbers below 1 or no GPU, `EngineError` without PyTorch and on Windows.
    """
    check_rounds(rounds)
    for name, number in (("batch", batch), ("crop", crop)):
        if number < 1:
            raise UsageError(f"{name} must be at least 1, not {number}")
    _expect(device)
    for name in networks:
        task = prepare(Task(replace(NETWORKS[name], scale=scale), batch, crop, device, compiled=compile_step))
        yield _measure(name, task, precision, rounds, recorder)


def _expect(device: str) -> None:
    """Raise `UsageError` if there is no GPU; that PyTorch is missing is said later."""
    with suppress(ModuleNotFoundError):
        import torch

        if device == "cuda" and not torch.cuda.is_available():
            raise UsageError("PyTorch finds no GPU here, and this benchmark needs one; run it on another machine")


def _measure(
    name: str, task: Task, precision: Precision, rounds: int, recorder: "Callable[[], Recorder] | None"
) -> RecordedTraining:
    import torch

    contenders = _contenders(task, precision, recorder)
    turns: dict[str, Turn] = {each: timed(_Turn(steps)) for each, steps in contenders.items()}
    with tqdm(total=2 * (rounds + 1), desc=f"measuring {name}", leave=False, disable=None) as bar:
        measured = take_turns(turns, rounds, after_turn=bar.update)
    return RecordedTraining(
        network=name,
        scale=task.config.scale,
        batch=task.batch,
        crop=task.crop,
        precision=precision,
        device=torch.cuda.get_device_name() if task.device == "cuda" else task.device,
        compiled="yes" if task.compiled else "no",
        recorded="yes" if contenders["recorded"].at_once > 1 else "no",
        rounds=rounds,
        single_ms=round(measured.median("single") * 1e3 / STEPS, 3),
        recorded_ms=round(measured.median("recorded") * 1e3 / STEPS, 3),
        ratio=round(measured.ratio("single", "recorded"), 2),
    )


class _Turn:
    """Takes the next steps of a run, and waits for the last of them. The first turn compiles and records."""

    def __init__(self, steps: "Steps") -> None:
        self._steps, self._done = steps, 0

    def __call__(self) -> None:
        end = self._done + STEPS
        while self._done < end:
            count = min(self._steps.at_once, end - self._done)
            losses = self._steps.take(self._done, count)
            self._done += count
        float(losses[-1])


def _contenders(
    task: Task, precision: Precision, recorder: "Callable[[], Recorder] | None"
) -> "dict[Literal['single', 'recorded'], Steps]":
    import torch

    from sesr.data.crops import CropSampler
    from sesr.data.settings import DataRecipe
    from sesr.training.learner import Learner
    from sesr.training.processes import Processes
    from sesr.training.recipe import Recipe, TrainingRecipe
    from sesr.training.steps import GraphRecorder, RecordedSteps, SingleSteps

    if task.compiled:
        torch.compiler.reset()  # PyTorch compiles one function only so often, and every network is one more time
    training = TrainingRecipe(batch=task.batch, precision=precision, steps=10**6)
    recipe, processes = Recipe(task.config, DataRecipe(crop=task.crop), training), Processes(torch.device(task.device))
    single, recorded = (
        Learner(recipe, processes, compile_step=task.compiled, record=record) for record in (False, True)
    )
    sampler = CropSampler(_noise(recipe).to(processes.device), recipe.data, task.batch, seed=0)
    return {
        "single": SingleSteps(single, sampler),
        "recorded": RecordedSteps(recorded, sampler, (recorder or GraphRecorder)()),
    }


def _noise(recipe: "Recipe", pictures: int = 16) -> "LumaPlanes":
    """Return pictures of noise, each with sides of four crops. Times do not depend on what crops show."""
    import numpy as np
    import torch

    from sesr.data.planes import LumaPlanes

    side, scale, draw = 4 * recipe.data.crop, recipe.network.scale, np.random.default_rng(0)
    lr, hr = (
        torch.from_numpy(draw.integers(0, 256, pictures * (side * factor) ** 2, np.uint8)) for factor in (1, scale)
    )
    sizes, names = np.full((pictures, 2), side), tuple(f"noise{index}" for index in range(pictures))
    return LumaPlanes(hr, lr, sizes, np.zeros(pictures, np.bool_), scale, names)
