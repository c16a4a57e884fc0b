"""The files of a run, and the lock on its folder. A recipe of several stages has a run for each, in subfolders::

runs/m5_x2/recipe.toml       the whole recipe
runs/m5_x2/stage1/           a run like any other (`sesr.training.run`)
runs/m5_x2/stage2/
runs/m5_x2/sesr_m5_x2.*      the last stage's network, copied when it is finished
"""

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from sesr.errors import TrainingError

CHECKPOINT = "checkpoint.pt"
"""State of a run, in its folder."""

RECIPE = "recipe.toml"
"""Recipe of a run, in its folder."""

TEACHER = "teacher.safetensors"
"""Network whose answers a run learns, in its folder."""

LOCK = ".lock"
"""Locked file in a run's folder while a process trains there. It stays, and means nothing when nobody holds it."""


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


@contextlib.contextmanager
def holding_run(run: Path) -> Iterator[None]:
    """Make a run's folder, and lock it against a second process. Do without a lock where there can be none.

    The system frees the lock however a process ends. A folder in which nothing came to be is removed.

    Raises `TrainingError` if another process holds the lock.
    """
    lock = FileLock(run / LOCK)
    try:
        run.mkdir(parents=True, exist_ok=True)
        lock.acquire(blocking=False)
    except Timeout as error:
        raise TrainingError(
            f"{run}: another process is training here; wait until it ends, or name another --run"
        ) from error
    except (OSError, NotImplementedError):
        pass
    try:
        yield
    finally:
        _remove_if_empty(run)
        lock.release()


def _remove_if_empty(run: Path) -> None:
    with contextlib.suppress(OSError):
        if all(path.name == LOCK for path in run.iterdir()):
            (run / LOCK).unlink(missing_ok=True)
            run.rmdir()
