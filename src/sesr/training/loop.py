"""The steps of a run: each takes a batch, and some are followed by a line of the log, a validation or a checkpoint."""

import contextlib
import time
from collections.abc import Callable

import torch
from tqdm import tqdm

from sesr.training.checkpoint import RunProgress, diverged
from sesr.training.learner import Learner, learning_rate
from sesr.training.machine import return_freed_memory
from sesr.training.monitor import Monitor
from sesr.training.steps import Steps

LOG_EVERY = 100
"""Steps whose mean loss makes one line of the log; the first `LOG_EVERY` steps have a line each."""

RETURN_EVERY = 200
"""Steps after which freed memory is handed back to the system."""


class Loop:
    """Takes all steps that are left.

    Args:
        learner: the network that learns.
        steps: takes the learner's steps, several at once where it can.
        progress: steps done so far; kept up to date.
        monitor: logs and validates; None in all processes but the first.
        save: writes a checkpoint.
    """

    def __init__(
        self,
        learner: Learner,
        steps: Steps,
        progress: RunProgress,
        monitor: Monitor | None,
        save: Callable[[], None],
    ) -> None:
        self.learner, self.steps, self.progress, self.monitor, self.save = learner, steps, progress, monitor, save
        self.recipe = learner.recipe.training
        self._saved_at = time.monotonic()

    def run(self) -> None:
        """Take the steps. Raises `TrainingError` if the loss or a weight is no longer finite."""
        steps, done = self.recipe.steps, self.progress.step
        hidden = None if self.monitor else True  # None: shown on a terminal
        with contextlib.closing(tqdm(None, "training", steps, initial=done, unit="step", disable=hidden)) as bar:
            while self.progress.step < steps:
                count = min(self.steps.at_once, self._steps_to_next_stop())
                self._take(count)
                bar.update(count)

    def _steps_to_next_stop(self) -> int:
        """Return the number of steps until one after which there is something to do."""
        done = self.progress.step
        if done < LOG_EVERY:
            return 1
        every = LOG_EVERY, RETURN_EVERY, self.recipe.validate_every
        return min(self.recipe.steps - done, *(steps - done % steps for steps in every))

    def _take(self, count: int) -> None:
        self.progress.losses.extend(self.steps.take(self.progress.step, count))
        done = self.progress.step = self.progress.step + count
        last = done == self.recipe.steps
        if done <= LOG_EVERY or done % LOG_EVERY == 0 or last:
            self._log(done - 1)
        if done % RETURN_EVERY == 0:
            return_freed_memory()
        if self.monitor is None:
            return
        if done % self.recipe.validate_every == 0 or last:
            self.progress.validation = self.monitor.validate(done, self.learner.mean_model())
        if last or time.monotonic() - self._saved_at > 60 * self.recipe.checkpoint_minutes:
            self.save()
            self._saved_at = time.monotonic()

    def _log(self, step: int) -> None:
        """Log the mean loss of the steps since the last line. Every process checks it, so that all stop together."""
        mean = torch.stack(self.progress.losses).mean()
        self.progress.losses.clear()
        if not mean.isfinite():
            raise diverged(self.progress.step)
        if self.monitor:
            self.monitor.loss(self.progress.step, float(mean), learning_rate(self.recipe, step))
