"""A training run, from a recipe and folders of pictures to a network's files.

A run lives in a folder of its own::

    recipe.toml        what is trained, with nothing left to defaults; itself a recipe
    teacher.safetensors  the network whose answers are learned, if the recipe has one
    checkpoint.pt      everything needed to continue, written every few minutes, completely or not at all
    log.csv            step, loss, learning rate, validation PSNR, seconds
    events.out...      the same for TensorBoard
    curves.png         the same as a picture
    sharpening.png     a crop of a validation picture as the network learns
    .lock              locked while a process trains here
    sesr_m5_x2.*       at the end: the collapsed network, as safetensors and as .tflite

A recipe of several stages has such a folder for each, below the run's own (`sesr.training.layout`).

Nothing but the checkpoint's content and the step's number decides what a step computes. A run that is killed and
resumed therefore ends in the same weights as an unbroken one, bit for bit on one CPU. A run may be spread over several
processes (`sesr.training.processes`), of which the first does all the writing.
"""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from tqdm import tqdm

from sesr.export.check import check_export
from sesr.export.tflite import TFLite
from sesr.training.layout import holding_run
from sesr.training.machine import abandon_compilation, forget_compiled_steps, keep_freed_memory
from sesr.training.processes import Processes, join_processes
from sesr.training.recipe import Recipe
from sesr.training.sources import Sources
from sesr.training.stage_run import RunOptions, StageRun
from sesr.training.stages import Stages, begin, network_file, network_files, pick_up


def train(
    recipe: Recipe, sources: Sources, folder: Path, options: RunOptions | None = None, stage: int | None = None
) -> Path:
    """Train a network and return the path of its safetensors file.

    Args:
        recipe: what to train and how. The networks that it names are found as `sesr.training.named` says.
        sources: the pictures.
        folder: the run's folder; made if missing.
        options: device and the like.
        stage: number of the only stage to train, from the one before it in the same folder; None trains all.

    Raises `DataError` for pictures that cannot be used, `UsageError` for a named network that does not exist,
    `TrainingError` for a run folder in use or a loss that is no longer finite, `ExportError` for an exported file
    that computes something else.
    """
    return _train_stages(begin(recipe, folder, stage), sources, options or RunOptions())


def resume(
    folder: Path,
    options: RunOptions | None = None,
    data: str | None = None,
    validation: str | Sequence[str] | None = None,
) -> Path:
    """Continue a run from its last checkpoint, through all its stages; return the path of its safetensors file.

    Args:
        folder: the run's folder, or a stage's, which is then finished alone.
        options: device and the like.
        data: where the training pictures are now, if they were moved.
        validation: the same for the validation pictures.

    Raises as `train`, and `TrainingError` if there is no checkpoint or the pictures are not the same.
    """
    options = options or RunOptions()
    stages = pick_up(folder, options.tflite_size)
    before = stages.sources
    assert before is not None  # something has begun
    return _train_stages(stages, Sources(data or before.data, validation or before.validation), options)


def _train_stages(stages: Stages, sources: Sources, options: RunOptions) -> Path:
    keep_freed_memory()
    if options.threads:
        torch.set_num_threads(options.threads)
    with _stopping_quickly(), join_processes(options.device) as processes:
        runs = [StageRun(stage, sources, options, processes) for stage in stages.todo]
        for run in runs:
            run.check()
        with holding_run(stages.folder) if processes.first else contextlib.nullcontext():
            path = _execute(runs, stages, processes, options)
    if processes.first and options.check_export:
        _check_exports(path, options.tflite_size)
    return path


def _execute(runs: list[StageRun], stages: Stages, processes: Processes, options: RunOptions) -> Path:
    """Train one stage after the other. Return the path of the last one's network, or of its copy as the run's."""
    recipes = list(stages.recipe.stages)
    path = network_file(stages.folder, stages.recipe)
    for stage, run in zip(stages.todo, runs, strict=True):
        if stages.several and processes.first:
            tqdm.write(f"stage {stage.number} of {len(recipes)}: {stage.recipe.describe()}")
        path = run.execute(recipes[: stage.number - 1], stages.write_recipe_and_teachers if run is runs[0] else None)
        recipes[stage.number - 1] = run.recipe
        if stage is not stages.todo[-1]:
            forget_compiled_steps()
            torch.cuda.empty_cache()  # the next stage may need it in other pieces; does nothing without a GPU
    if not stages.several or not stages.ends:
        return path
    if processes.first:
        if not runs:
            tqdm.write(f"{stages.folder}: all stages are done")
        stages.copy_up(options.tflite_size)
    return stages.folder / path.name


@contextlib.contextmanager
def _stopping_quickly() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:  # Ctrl-C, and the signals that the command line turns into one
        abandon_compilation()
        raise


def _check_exports(path: Path, size: tuple[int, int] | None) -> None:
    """Run each exported file in the installed runtimes, and report which runtimes compared it."""
    for file in network_files(path, size)[1:]:
        for line in check_export(file, path, TFLite()):
            tqdm.write(f"{file.name}: {line}")
