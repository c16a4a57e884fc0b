"""A run's state on disk: everything needed to go on exactly where it stopped.

A checkpoint holds the learner's state (weights, optimiser, running mean), the step, the losses not yet logged, the
recipe, and where the images lay with a fingerprint of them. It is written whole or not at all, and never from a run
that has diverged, so the last one is always good to go on from.
"""

import dataclasses
import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sesr.atomic import writing
from sesr.errors import TrainingError
from sesr.training.learner import Learner

CHECKPOINT = "checkpoint.pt"


@dataclasses.dataclass(frozen=True)
class Sources:
    """Where a run's pictures come from: folders, or ``div2k``.

    Attributes:
        data: to train on.
        validation: to measure with on the way; None measures nothing.
    """

    data: str
    validation: str | None = None


@dataclasses.dataclass
class Progress:
    """How far a run has come.

    Attributes:
        step: steps done.
        losses: of the steps since the log's last line.
        validation_psnr: the last validation's, dB.
    """

    step: int = 0
    losses: list[Tensor] = dataclasses.field(default_factory=list)
    validation_psnr: float | None = None


def save_run(run: Path, learner: Learner, progress: Progress, sources: Sources, images: list[int]) -> None:
    """Writes the run's checkpoint. Raises `TrainingError` where there is nothing good to write.

    Args:
        run: the run's folder.
        learner: what has learned so far.
        progress: how far.
        sources: where the pictures lie.
        images: their fingerprint.
    """
    if not all(bool(value.isfinite().all()) for value in [*progress.losses, *learner.parameters]):
        raise diverged(progress.step)
    state = learner.state() | {
        "step": progress.step,
        "losses": [float(loss) for loss in progress.losses],
        "validation_psnr": progress.validation_psnr,
        "recipe": json.dumps(learner.recipe.to_dict()),
        "sources": json.dumps(dataclasses.asdict(sources)),
        "data": images,
    }
    with writing(run / CHECKPOINT) as temporary:
        torch.save(state, temporary)


def load_run(run: Path) -> dict[str, Any]:
    """The content of a run's checkpoint; entries ``recipe`` and ``sources`` as tables. Raises `TrainingError`."""
    path = run / CHECKPOINT
    if not path.is_file():
        raise TrainingError(f"{run}: not a run, it holds no {CHECKPOINT}; name a run's folder")
    try:
        saved: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        return saved | {"recipe": json.loads(saved["recipe"]), "sources": json.loads(saved["sources"])}
    except Exception as error:
        raise TrainingError(f"{path}: not a whole checkpoint of this version; remove it to start again") from error


def restore_run(saved: dict[str, Any], learner: Learner, images: list[int], run: Path) -> Progress:
    """Takes a checkpoint's state up into the learner. Raises `TrainingError` when it is of other images."""
    if saved["data"] != images:
        raise TrainingError(
            f"{run}: was trained on other images, or by another teacher; give --data as before, or start another run"
        )
    learner.restore(saved)
    losses = [torch.tensor(loss, device=learner.processes.device) for loss in saved["losses"]]
    return Progress(saved["step"], losses, saved["validation_psnr"])


def diverged(step: int) -> TrainingError:
    """What to say when numbers are no longer finite."""
    return TrainingError(
        f"the training diverged near step {step}: losses or weights are no longer finite; "
        "checkpoints written before are kept; lower learning_rate and start again"
    )
