"""The steps of a run: each takes a batch, and some are followed by a line of the log, a validation or a checkpoint."""

import contextlib
import time
from collections.abc import Callable

import torch
from tqdm import tqdm

from sesr.data.crops import CropSampler
from sesr.training.checkpoint import RunProgress, diverged
from sesr.training.learner import Learner, learning_rate
from sesr.training.machine import return_freed_memory
from sesr.training.monitor import Monitor

LOG_EVERY = 100
"""Steps whose mean loss makes one line of the log; the first `LOG_EVERY` steps have a line each."""

RETURN_EVERY = 200
"""Steps after which freed memory is handed back to the system."""


class Loop:
    """Takes all steps that are left.

    Args:
        learner: learns from each batch.
        sampler: gives the batch of each step.
        progress: steps done so far; kept up to date.
        monitor: logs and validates; None in all processes but the first.
        save: writes a checkpoint.
    """

    def __init__(
        self,
        learner: Learner,
        sampler: CropSampler,
        progress: RunProgress,
        monitor: Monitor | None,
        save: Callable[[], None],
    ) -> None:
        self.learner, self.sampler, self.progress, self.monitor, self.save = learner, sampler, progress, monitor, save
        self.recipe = learner.recipe.training
        self._saved_at = time.monotonic()

    def run(self) -> None:
        """Take the steps. Raises `TrainingError` if the loss or a weight is no longer finite."""
        steps = range(self.progress.step, self.recipe.steps)
        hidden = None if self.monitor else True  # None: shown on a terminal
        bar = tqdm(steps, "training", self.recipe.steps, initial=self.progress.step, unit="step", disable=hidden)
        with contextlib.closing(bar):
            for step in bar:
                self._take(step)

    def _take(self, step: int) -> None:
        self.progress.losses.append(self.learner.step(step, *self.sampler(step)))
        done = self.progress.step = step + 1
        last = done == self.recipe.steps
        if done <= LOG_EVERY or done % LOG_EVERY == 0 or last:
            self._log(step)
        if done % RETURN_EVERY == 0:
            return_freed_memory()
        if self.monitor is None:
            return
        if done % self.recipe.validate_every == 0 or last:
            self.progress.validation_psnr = self.monitor.validate(done, self.learner.mean_model())
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
