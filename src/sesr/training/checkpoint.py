"""A run's state on disk: everything needed to continue exactly where it stopped.

A checkpoint holds the learner's state (weights, optimizer, running mean), the step, the losses not yet logged, the
recipe, and the sources of the pictures with a fingerprint of them. It is written completely or not at all, and never
from a run that has diverged, so a run can always continue from the last one.
"""

import dataclasses
import json
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from torch import Tensor

from sesr.atomic import writing
from sesr.errors import TrainingError
from sesr.training.layout import CHECKPOINT
from sesr.training.learner import Learner
from sesr.training.sources import Sources


@dataclasses.dataclass
class RunProgress:
    """Position of a run.

    Attributes:
        step: steps done.
        losses: losses of the steps since the log's last line.
        validation: results of the last validation, in dB, by the names of the sets.
    """

    step: int = 0
    losses: list[Tensor] = dataclasses.field(default_factory=list)
    validation: dict[str, float] = dataclasses.field(default_factory=dict)

    @property
    def validation_psnr(self) -> float | None:
        """Mean over the sets, in dB, whatever their numbers of pictures; None without validation."""
        return fmean(self.validation.values()) if self.validation else None


def save_run(run: Path, learner: Learner, progress: RunProgress, sources: Sources, images: list[int]) -> None:
    """Write the run's checkpoint.

    Args:
        run: the run's folder.
        learner: its state is saved.
        progress: position of the run.
        sources: where the pictures are.
        images: fingerprint of the pictures.

    Raises `TrainingError` if the run has diverged, or the checkpoint cannot be written; then the last one stays.
    """
    if not all(bool(value.isfinite().all()) for value in [*progress.losses, *learner.parameters]):
        raise diverged(progress.step)
    state = learner.state() | {
        "step": progress.step,
        "losses": [float(loss) for loss in progress.losses],
        "validation": progress.validation,
        "recipe": json.dumps(learner.recipe.to_dict()),
        "sources": json.dumps(dataclasses.asdict(sources)),
        "data": images,
    }
    try:
        with writing(run / CHECKPOINT) as temporary:
            torch.save(state, temporary)
    except (OSError, RuntimeError) as error:  # PyTorch calls a full disk a RuntimeError, with a text of its own
        reason = getattr(error, "strerror", None) or "the disk may be full"
        raise TrainingError(
            f"{run / CHECKPOINT}: cannot be written ({reason}); make room, then go on from the last one by --resume"
        ) from error


def load_run(run: Path) -> dict[str, Any]:
    """Load the content of a run's checkpoint, with ``recipe`` and ``sources`` as tables. Raises `TrainingError`."""
    path = run / CHECKPOINT
    if not path.is_file():
        raise TrainingError(f"{run}: not a run, it holds no {CHECKPOINT}; name a run's folder")
    try:
        saved: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        return saved | {"recipe": json.loads(saved["recipe"]), "sources": json.loads(saved["sources"])}
    except Exception as error:
        raise TrainingError(f"{path}: not a whole checkpoint of this version; remove it to start again") from error


def restore_run(saved: dict[str, Any], learner: Learner, images: list[int], run: Path) -> RunProgress:
    """Restore the learner from a checkpoint's content. Raises `TrainingError` if the pictures are not the same."""
    if saved["data"] != images:
        raise TrainingError(
            f"{run}: was trained on other images, or by another teacher; give --data as before, or start another run"
        )
    learner.restore(saved)
    losses = [torch.tensor(loss, device=learner.processes.device) for loss in saved["losses"]]
    return RunProgress(saved["step"], losses, _validation(saved))


def _validation(saved: dict[str, Any]) -> dict[str, float]:
    """Return the last validation; older checkpoints hold that of an only set, without its name."""
    if "validation" in saved:
        return dict(saved["validation"])
    return {} if saved["validation_psnr"] is None else {"validation": saved["validation_psnr"]}


def diverged(step: int) -> TrainingError:
    """Return the error for losses or weights that are no longer finite."""
    return TrainingError(
        f"the training diverged near step {step}: losses or weights are no longer finite; "
        "checkpoints written before are kept; lower learning_rate, or raise damping for gauss-newton, and start again"
    )
