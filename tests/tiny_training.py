"""A tiny network's training, for tests of several modules. Needs PyTorch."""

import csv
import dataclasses
from pathlib import Path

import pytest
import torch

from sesr.data.crops import Batch
from sesr.data.settings import DataRecipe
from sesr.network.variants import SESRConfig
from sesr.training.learner import Learner
from sesr.training.processes import Processes
from sesr.training.recipe import CardRecipe, Recipe, TrainingRecipe
from sesr.training.run import train as train_from
from sesr.training.sources import Sources
from sesr.training.stage_run import RunOptions

RECIPE = Recipe(
    SESRConfig(m=1, f=4, feature_size=8),
    DataRecipe(crop=16),
    TrainingRecipe(
        steps=30,
        batch=4,
        learning_rate=2e-3,
        warmup=5,
        schedule="cosine",
        amsgrad=False,
        ema=0.999,
        validate_every=10,
        checkpoint_minutes=0,
    ),
    CardRecipe(name="tiny", data="drawn", licence="Apache-2.0"),
)
RELU = dataclasses.replace(RECIPE.network, activation="relu")

EAGER = RunOptions(device="cpu", compile_step=False, check_export=False)
ALONE = Processes(torch.device("cpu"))


def with_training(**changes: object) -> Recipe:
    """Return `RECIPE` with other training settings."""
    return dataclasses.replace(RECIPE, training=dataclasses.replace(RECIPE.training, **changes))  # type: ignore[arg-type]


def train(
    recipe: Recipe,
    data: Path,
    validation: Path | None,
    folder: Path,
    options: RunOptions = EAGER,
    stage: int | None = None,
) -> Path:
    """Train from folders of pictures."""
    return train_from(recipe, Sources(str(data), str(validation) if validation else None), folder, options, stage)


class Killed(BaseException):
    """Stands for a kill of the process."""


def train_until_killed(
    recipe: Recipe, pictures: Path, folder: Path, killed_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Train, with validation, until a given step begins."""
    step = Learner.step

    def dying(self: Learner, number: int, batch: Batch) -> torch.Tensor:
        if number == killed_at:
            raise Killed
        return step(self, number, batch)

    with monkeypatch.context() as patch:
        patch.setattr(Learner, "step", dying)
        with pytest.raises(Killed):
            train(recipe, pictures, pictures, folder)


def rows(folder: Path) -> list[dict[str, str]]:
    """Return the lines of a run's log."""
    with (folder / "log.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def without_times(folder: Path) -> list[dict[str, str]]:
    """Return the lines of a run's log without the seconds, which differ from run to run."""
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows(folder)]


def column(folder: Path, name: str) -> list[float]:
    """Return the numbers in a column of a run's log, without empty cells."""
    return [float(row[name]) for row in rows(folder) if row[name]]
