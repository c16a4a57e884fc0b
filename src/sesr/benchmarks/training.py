"""Cost of a gradient step in the three ways to compute it (paper, section 3.2 and table 1).

All three compute the same step of the same network, to rounding (`sesr.network.linear_block`):

- ``collapsed``: each block collapsed by the sum over its expansion, as `sesr train` does;
- ``delta``: collapsed the paper's way, by running the block on a picture of single bright pixels (Algorithm 1);
- ``expanded``: the wide blocks run on the features themselves, which is what collapsing saves.

**Time.** The forms take turns in one process (`sesr.benchmarks.rounds`). A turn is as many steps as a second holds, at
least one, and its result is their mean. A form's `ratio` is its time divided by that of ``collapsed``.

**Memory** of each form is measured in a process of its own (`sesr.benchmarks.training_probe`).

**Multiply-adds** are counted on paper, for the forward pass alone; the backward pass takes about twice as many again in
each form.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

from tqdm import tqdm

from sesr.benchmarks.rounds import Turn, take_turns, timed
from sesr.benchmarks.rows import Row
from sesr.benchmarks.training_probe import StepMemory, Task, make_step, prepare, step_memory
from sesr.errors import UsageError
from sesr.network.variants import Form, SESRConfig

FORMS: tuple[Form, ...] = get_args(Form)
"""The contenders: ``collapsed`` first, which the others are compared with."""


@dataclass(frozen=True)
class TrainingCost(Row):
    """One form's step.

    Attributes:
        m, f, feature_size, scale: the network.
        form: ``collapsed``, ``delta`` or ``expanded``.
        batch: crops in a step.
        crop: side of a crop, low-resolution pixels.
        device: ``cpu`` or ``cuda``.
        threads: processor threads.
        compiled: whether steps were compiled.
        rounds: turns that counted.
        median_ms: of a step.
        ratio: its time divided by that of ``collapsed``, median of the rounds; 25 means 25 times slower.
        forward_gmacs: multiply-adds of the forward pass, 10^9.
        activations_mb: what autograd saves for the backward pass, 10^6 bytes.
        peak_mb: the most that the process held; on a GPU, that was allocated there; 10^6 bytes.
    """

    m: int
    f: int
    feature_size: int
    scale: int
    form: Form
    batch: int
    crop: int
    device: str
    threads: int
    compiled: Literal["yes", "no"]
    rounds: int
    median_ms: float
    ratio: float
    forward_gmacs: float
    activations_mb: float
    peak_mb: int

    def line(self) -> str:
        """Return the form's time, multiply-adds and memory."""
        return (
            f"{self.form:9} {self.median_ms:9.1f} ms a step  {self.ratio:6.2f} times the collapsed step's  "
            f"{self.forward_gmacs:6.2f} G MACs  activations {self.activations_mb:7.1f} MB  process {self.peak_mb:5} MB"
        )


def measure_training(
    config: SESRConfig,
    batch: int = 32,
    crop: int = 64,
    rounds: int = 5,
    threads: int | None = None,
    device: str = "cpu",
    *,
    compile_step: bool = True,
    turn_seconds: float = 1.0,
    memory_of: Callable[[Task, Form], StepMemory] = step_memory,
) -> list[TrainingCost]:
    """Measure a step of training in the three forms, ``collapsed`` first.

    Args:
        config: the network; `feature_size` and `scale` count.
        batch: crops in a step.
        crop: side of a crop, low-resolution pixels.
        rounds: turns of each form, at least 1, after one to warm up.
        threads: processor threads; None leaves PyTorch's choice.
        device: ``cpu`` or ``cuda``.
        compile_step: compile steps where there is a compiler, as training does; False never does.
        turn_seconds: time for which a turn repeats steps.
        memory_of: measures the memory of one form's step.

    Raises `UsageError` for numbers below 1 or no such device, `EngineError` without PyTorch or enough memory, and on
    Windows, which does not report a peak.
    """
    for name, number in (("batch", batch), ("crop", crop), ("rounds", rounds)):
        if number < 1:
            raise UsageError(f"{name} must be at least 1, not {number}")
    task = prepare(Task(config, batch, crop, device, threads or 0, compile_step))
    with tqdm(total=len(FORMS) * (rounds + 2), desc="measuring", leave=False, disable=None) as bar:
        memory: dict[Form, StepMemory] = {}
        for form in FORMS:
            memory[form] = memory_of(task, form)
            bar.update()
        turns: dict[str, Turn] = {form: timed(make_step(task, form).run, at_least=turn_seconds) for form in FORMS}
        measured = take_turns(turns, rounds, after_turn=bar.update)
    return [
        TrainingCost(
            m=config.m,
            f=config.f,
            feature_size=config.feature_size,
            scale=config.scale,
            form=form,
            batch=batch,
            crop=crop,
            device=device,
            threads=task.threads,
            compiled="yes" if task.compiled else "no",
            rounds=rounds,
            median_ms=round(measured.median(form) * 1e3, 1),
            ratio=round(measured.ratio(form, "collapsed"), 3),
            forward_gmacs=round(forward_macs(config, batch, crop, form) / 1e9, 3),
            activations_mb=round(memory[form].activations / 1e6, 1),
            peak_mb=round(memory[form].peak / 1e6),
        )
        for form in FORMS
    ]


def forward_macs(config: SESRConfig, batch: int, crop: int, form: Form) -> int:
    """Return the multiply-adds of one training forward pass.

    Args:
        config: the network.
        batch: crops in a batch.
        crop: side of a crop, low-resolution pixels.
        form: ``expanded`` runs the wide blocks; ``collapsed`` multiplies the two weights of each block and runs the
            narrow convolutions; ``delta`` collapses by running each block on the paper's delta image (Algorithm 1),
            whose padded size is (2k - 1) x (2k - 1) for each of the c_in basis images.
    """
    blocks = [(1, config.f, 5), *[(config.f, config.f, 3)] * config.m, (config.f, config.scale**2, 5)]
    pixels = batch * crop**2
    p = config.feature_size
    wide = [c_in * p * k**2 + p * c_out for c_in, c_out, k in blocks]
    if form == "expanded":
        return sum(wide) * pixels
    if form == "collapsed":
        collapse = sum(p * c_in * c_out * k**2 for c_in, c_out, k in blocks)
    else:
        collapse = sum(c_in * k**2 * cost for (c_in, _, k), cost in zip(blocks, wide, strict=True))
    return config.weights * pixels + collapse
