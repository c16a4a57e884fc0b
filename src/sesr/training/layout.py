"""Where a run keeps its files. A recipe of several stages has a run of its own for each, in subfolders::

runs/m5_x2/recipe.toml       the whole recipe
runs/m5_x2/stage1/           a run like any other (`sesr.training.run`)
runs/m5_x2/stage2/
runs/m5_x2/sesr_m5_x2.*      the last stage's network, copied when it is finished
"""

import re
from pathlib import Path

CHECKPOINT = "checkpoint.pt"
"""State of a run, in its folder."""

RECIPE = "recipe.toml"
"""Recipe of a run, in its folder."""

TEACHER = "teacher.safetensors"
"""Network whose answers a run learns, in its folder."""


def stage_folder(run: Path, number: int) -> Path:
    """Return the folder of a stage, 1, 2, ..."""
    return run / f"stage{number}"


def begun_stages(run: Path) -> dict[int, Path]:
    """Return the folders of the stages that have a checkpoint, in order, by their numbers; none for a single run."""
    numbers = (re.fullmatch(r"stage(\d+)", path.parent.name) for path in run.glob(f"stage*/{CHECKPOINT}"))
    return {number: stage_folder(run, number) for number in sorted(int(match[1]) for match in numbers if match)}


def is_run(folder: Path) -> bool:
    """Return True if a folder holds the state of a run, of one stage or of several."""
    return (folder / CHECKPOINT).exists() or bool(begun_stages(folder))


def latest(run: Path) -> Path:
    """Return the folder with a run's latest checkpoint: its own, or that of the last stage begun."""
    stages = begun_stages(run)
    return run if (run / CHECKPOINT).exists() or not stages else stages[max(stages)]
