"""The loop: which steps are logged, validated and saved, and that only the first process does so."""

import math
import time
from typing import Any

import pytest

pytest.importorskip("torch")

import torch
from tests.tiny_training import with_training

from sesr.errors import TrainingError
from sesr.training.checkpoint import RunProgress
from sesr.training.loop import LOG_EVERY, Loop
from sesr.training.steps import SingleSteps, Steps


class Counting:
    """Stands for learner, sampler and monitor: the loss of a step is its number, and calls are noted."""

    def __init__(self, steps: int, minutes: float, loss_of_step: float = 1.0) -> None:
        self.recipe = with_training(steps=steps, warmup=0, validate_every=40, checkpoint_minutes=minutes)
        self.progress, self.loss_of_step = RunProgress(), loss_of_step
        self.taken: list[int] = []
        self.logged: dict[int, float] = {}
        self.validated: list[int] = []
        self.saved: list[int] = []

    def sample(self, step: int) -> int:
        return step

    def step(self, number: int, batch: int) -> torch.Tensor:
        assert number == batch
        self.taken.append(number)
        return torch.tensor(number * self.loss_of_step)

    def mean_model(self) -> str:
        return "model"

    def loss(self, step: int, loss: float, learning_rate: float) -> None:
        self.logged[step] = loss

    def validate(self, step: int, model: str) -> dict[str, float]:
        self.validated.append(step)
        return {"a": 29.0 + step, "b": 31.0 + step}

    def run(self, *, first: bool = True) -> "Counting":
        stand_in: Any = self
        save = lambda: self.saved.append(self.progress.step)  # noqa: E731
        Loop(stand_in, self.steps(), self.progress, stand_in if first else None, save).run()
        return self

    def steps(self) -> Steps:
        stand_in: Any = self
        return SingleSteps(stand_in, stand_in.sample)


def test_what_happens_after_which_steps() -> None:
    done = Counting(250, minutes=9).run()
    assert done.taken == list(range(250))
    assert list(done.logged) == [*range(1, LOG_EVERY + 1), 200, 250]
    assert [done.logged[step] for step in (1, 100, 200, 250)] == [0, 99, 149.5, 224.5]
    assert done.validated == [40, 80, 120, 160, 200, 240, 250]
    assert done.saved == [250]
    assert done.progress.validation_psnr == 280


class SeveralAtOnce(Counting):
    """Takes steps in series, as a GPU does that has recorded one."""

    at_once = 1000

    def steps(self) -> Steps:
        return self

    def take(self, first: int, count: int) -> list[torch.Tensor]:
        self.series = [*getattr(self, "series", []), first + count]
        return [self.step(number, number) for number in range(first, first + count)]


def test_several_steps_at_once_stop_where_there_is_something_to_do() -> None:
    single, several = Counting(350, minutes=9), SeveralAtOnce(350, minutes=9)
    for counting in (single, several):
        counting.run()
    assert several.series == [*range(1, LOG_EVERY + 1), 120, 160, 200, 240, 280, 300, 320, 350]
    for name in ("taken", "logged", "validated", "saved"):
        assert getattr(several, name) == getattr(single, name)


def test_a_resumed_loop_takes_the_rest() -> None:
    rest = Counting(250, minutes=9)
    rest.progress = RunProgress(248, [torch.tensor(1.0)])
    rest.run()
    assert rest.taken == [248, 249]
    assert rest.logged == {250: pytest.approx((1 + 248 + 249) / 3)}


def test_checkpoints_come_by_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every two minutes, with steps of half a minute; the last step saves in any case."""
    counting = Counting(11, minutes=2)
    monkeypatch.setattr(time, "monotonic", lambda: 30.0 * len(counting.taken))
    assert counting.run().saved == [5, 10, 11]


def test_other_processes_only_take_steps() -> None:
    done = Counting(120, minutes=0).run(first=False)
    assert len(done.taken) == 120
    assert (done.logged, done.validated, done.saved) == ({}, [], [])


@pytest.mark.parametrize("first", [True, False])
def test_every_process_stops_where_the_loss_is_no_longer_finite(first: bool) -> None:
    with pytest.raises(TrainingError, match="the training diverged near step 1:"):
        Counting(30, 9, math.nan).run(first=first)
