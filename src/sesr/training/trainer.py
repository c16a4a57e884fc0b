"""A training run, from a recipe and folders of pictures to a network's files.

A run lives in a folder of its own::

    recipe.toml        what is trained, with nothing left to defaults; itself a recipe
    teacher.safetensors  the network whose answers are learnt, if the recipe has one
    checkpoint.pt      everything needed to go on, written every few minutes, whole or not at all
    log.csv            step, loss, learning rate, validation PSNR, seconds
    events.out...      the same for TensorBoard
    curves.png         the same as a picture
    sharpening.png     a crop of a validation picture as the network learns
    sesr_m5_x2.*       at the end: the collapsed network, as safetensors and as .tflite

Nothing but the checkpoint's content and the step's number decides what a step computes, so a run that is killed
and resumed ends in the same weights as an unbroken one, bit for bit on one CPU. A run may be spread over several
processes (`sesr.training.processes`), of which the first does all the writing.
"""

import contextlib
import dataclasses
import os
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from sesr.atomic import writing
from sesr.data.cache import default_cache, load_planes
from sesr.data.crops import CropSampler, drawing_weights, idle_patterns, share_of
from sesr.data.div2k import fetch_div2k
from sesr.data.pairs import Split, find_pairs
from sesr.data.planes import LumaPlanes, fingerprint
from sesr.errors import TrainingError
from sesr.network.checkpoint import Card
from sesr.network.sesr import CollapsedSESR
from sesr.tflite.writer import Layout, export_tflite, write_tflite
from sesr.training.checkpoint import CHECKPOINT, Progress, Sources, diverged, load_run, restore_run, save_run
from sesr.training.initial import start_from
from sesr.training.learner import Crops, Learner, learning_rate
from sesr.training.machine import keep_freed_memory, missing_compiler, return_freed_memory
from sesr.training.monitor import Monitor
from sesr.training.processes import Processes, join_processes
from sesr.training.recipe import Recipe, parse_recipe
from sesr.training.teacher import identity, load_teacher, teach
from sesr.training.validation import Validation

TEACHER = "teacher.safetensors"
"""What the teacher is called in a run's folder."""

LOG_EVERY = 100
"""Steps whose mean loss makes one line of the log; the first `LOG_EVERY` steps have a line each."""


RETURN_EVERY = 200
"""Steps after which freed memory is handed back to the system."""


@dataclasses.dataclass(frozen=True)
class RunOptions:
    """What a run may vary without changing what it computes (but for rounding).

    Attributes:
        device: ``cpu``, ``cuda``, or ``auto``: a GPU where there is one.
        threads: CPU threads; None leaves PyTorch's choice.
        compile_step: whether the step is compiled; needs a C++ compiler and was 1.6 times as fast for M5 on two cores.
        cache: folder for pictures ready to train on, and for downloads; None keeps nothing.
        tflite_size: height and width of LR at which a second `.tflite` opens; None writes none.
    """

    device: str = "auto"
    threads: int | None = None
    compile_step: bool = True
    cache: Path | None = None
    tflite_size: tuple[int, int] | None = None


def train(
    recipe: Recipe,
    sources: Sources,
    run: Path,
    options: RunOptions,
    *,
    init_from: Path | None = None,
    teacher: Path | None = None,
) -> Path:
    """Trains a network and returns the path of its safetensors file.

    Args:
        recipe: what to train and how.
        sources: the pictures.
        run: the run's folder, made when missing.
        options: device and the like.
        init_from: what the recipe's `init_from` names, found: a run's folder or a network's file.
        teacher: the file of the network that the recipe's `teacher` names.

    Raises `TrainingError` for bad data, a run folder in use, or a loss that is no longer finite.
    """
    if (run / CHECKPOINT).exists():
        raise TrainingError(f"{run}: holds a run already; go on with it by --resume {run}, or name another --run")
    if recipe.training.init_from and init_from is None:
        raise TrainingError(f"the recipe starts from {recipe.training.init_from}, and nothing was found for it")
    if recipe.training.teacher and teacher is None:
        raise TrainingError(f"the recipe learns from {recipe.training.teacher}, and nothing was found for it")
    return _run(recipe, sources, run, options, init_from=init_from, teacher=teacher)


def resume(run: Path, options: RunOptions, data: str | None = None, validation: str | None = None) -> Path:
    """Goes on with a run from its last checkpoint and returns the path of its safetensors file.

    Args:
        run: the run's folder.
        options: device and the like.
        data: where the training pictures lie now, if they were moved.
        validation: the same for the validation pictures.

    Raises as `train`, and `TrainingError` where there is no checkpoint or the pictures are not the same.
    """
    saved = load_run(run)
    kept = Sources(**saved["sources"])
    sources = Sources(data or kept.data, validation or kept.validation)
    return _run(parse_recipe(saved["recipe"]), sources, run, options, saved=saved)


def _run(
    recipe: Recipe,
    sources: Sources,
    run: Path,
    options: RunOptions,
    *,
    saved: dict[str, Any] | None = None,
    init_from: Path | None = None,
    teacher: Path | None = None,
) -> Path:
    """A new run, or the rest of one, whose teacher lies in its folder."""
    keep_freed_memory()
    if options.threads:
        torch.set_num_threads(options.threads)
    with join_processes(options.device) as processes:
        _check(recipe, sources, run, processes)
        taught_by = _teacher(recipe, teacher or run / TEACHER)
        learner = Learner(recipe, processes, compile_step=options.compile_step and _can_compile(processes))
        if init_from is None and saved is None:
            _say("starting from nothing: fresh weights", processes)
        if init_from is not None:
            start_from(learner.network, init_from)
            learner.reset_mean()
            _say(f"starting from {init_from}", processes)
        watch = _validation(recipe, sources, options) if processes.first else None
        planes = _in_turn(processes, lambda: _load(recipe, sources, options, processes))
        images = fingerprint(planes) + _further(planes, recipe, taught_by)
        targets = (
            planes if taught_by is None else _in_turn(processes, lambda: _taught(planes, taught_by, learner, options))
        )
        sampler = CropSampler(
            targets.to(processes.device),
            recipe.data,
            recipe.training.batch,
            recipe.training.seed,
            processes.rank,
            processes.ranks,
        )
        learner.recipe = recipe.with_steps(sampler.steps_per_epoch)
        progress = restore_run(saved, learner, images, run) if saved else Progress()
        processes.agree("pictures, another recipe or another checkpoint", [images, learner.recipe, progress.step])
        learner.prepare(_crops(targets, learner), fresh=saved is None)
        processes.share([*(parameter.detach() for parameter in learner.parameters), *learner.mean])
        _open_folder(run, learner, taught_by)
        with _monitoring(run, watch, progress, learner) as monitor:
            for due in _steps(learner, sampler, monitor, progress):
                if due:
                    save_run(run, learner, progress, sources, images)
        return _finish(learner, sources, progress.validation_psnr, run, options.tflite_size)


def _steps(learner: Learner, sampler: CropSampler, monitor: Monitor | None, progress: Progress) -> Iterator[bool]:
    """Takes all steps that are left, and tells after each whether it is time for a checkpoint."""
    recipe = learner.recipe.training
    saved_at = time.monotonic()
    steps = range(progress.step, recipe.steps)
    hidden = None if monitor else True
    bar = tqdm(steps, "training", recipe.steps, initial=progress.step, unit="step", disable=hidden)
    with contextlib.closing(bar):
        for step in bar:
            progress.losses.append(learner.step(step, *sampler(step)))
            done = progress.step = step + 1
            if done <= LOG_EVERY or done % LOG_EVERY == 0 or done == recipe.steps:
                loss = _mean_loss(progress)
                if monitor:
                    monitor.loss(done, loss, learning_rate(recipe, step))
            if done % RETURN_EVERY == 0:
                return_freed_memory()
            if monitor and (done % recipe.validate_every == 0 or done == recipe.steps):
                progress.validation_psnr = monitor.validate(done, learner.mean_model())
            due = time.monotonic() - saved_at > 60 * recipe.checkpoint_minutes or done == recipe.steps
            yield due and monitor is not None
            saved_at = time.monotonic() if due else saved_at


def _crops(planes: LumaPlanes, learner: Learner) -> Crops:
    """Crops to measure on, the same in every process; not those that steps are taken with."""
    recipe, device = learner.recipe, learner.processes.device

    def crops(side: int, batch: int, count: int) -> Iterator[tuple[Tensor, Tensor]]:
        data = dataclasses.replace(recipe.data, crop=side)
        sampler = CropSampler(planes.to(device), data, batch, recipe.training.seed + 1)
        hidden = None if count > LOG_EVERY and learner.processes.first else True
        yield from map(sampler, tqdm(range(count), "measuring curvature", leave=False, disable=hidden))

    return crops


def _mean_loss(progress: Progress) -> float:
    """Of the steps since the last time it was asked for. Raises `TrainingError`."""
    mean = torch.stack(progress.losses).mean()
    progress.losses.clear()
    if not mean.isfinite():
        raise diverged(progress.step)
    return float(mean)


def _check(recipe: Recipe, sources: Sources, run: Path, processes: Processes) -> None:
    """Finds early what would stop the run late. Raises `TrainingError`."""
    share_of(recipe.training.batch, processes.rank, processes.ranks)
    splits: dict[Split, str | None] = {"train": sources.data, "validation": sources.validation}
    for split, name in splits.items():
        if name not in (None, "div2k"):
            find_pairs(Path(name), recipe.network.scale, split)
    place = next(folder for folder in (run.absolute(), *run.absolute().parents) if folder.exists())
    if not place.is_dir() or not os.access(place, os.W_OK):
        raise TrainingError(f"{run}: cannot be made, or not be written to; name another --run")


def _source(name: str, split: Split, recipe: Recipe, options: RunOptions) -> Path:
    """The folder that a source's name means."""
    if name != "div2k":
        return Path(name)
    return fetch_div2k(split, recipe.network.scale, options.cache or default_cache())


def _validation(recipe: Recipe, sources: Sources, options: RunOptions) -> Validation | None:
    if sources.validation is None:
        return None
    folder = _source(sources.validation, "validation", recipe, options)
    return Validation(folder, recipe.network.scale, recipe.data)


def _in_turn(processes: Processes, load: Callable[[], LumaPlanes]) -> LumaPlanes:
    """The first process downloads, reads and computes; the others find its work in the cache."""
    for turn in (processes.first, not processes.first):
        if turn:
            planes = load()
        processes.wait()
    return planes


def _load(recipe: Recipe, sources: Sources, options: RunOptions, processes: Processes) -> LumaPlanes:
    folder = _source(sources.data, "train", recipe, options)
    planes = load_planes(folder, recipe.network.scale, recipe.data, options.cache, quiet=not processes.first)
    _say(f"{len(planes.sizes)} images, {planes.megapixels:.0f} megapixels, from {folder}", processes)
    for pattern in idle_patterns(planes, recipe.data):
        _say(f"[data] weights: {pattern} is the first match of none of these images, and has no effect", processes)
    return planes


def _teacher(recipe: Recipe, path: Path) -> CollapsedSESR | None:
    """The recipe's teacher, if it has one."""
    if not recipe.training.teacher:
        return None
    if path.name == TEACHER and not path.exists():
        raise TrainingError(f"{path}: the run's teacher is missing; put {recipe.training.teacher} back there")
    return load_teacher(path, recipe.network.scale)


def _further(planes: LumaPlanes, recipe: Recipe, teacher: CollapsedSESR | None) -> list[int]:
    """What else decides batches, where it is in use: names that have weights, and a teacher."""
    often = [zlib.crc32(drawing_weights(planes, recipe.data).tobytes())] if recipe.data.weights else []
    return often + ([identity(teacher)] if teacher else [])


def _taught(planes: LumaPlanes, teacher: CollapsedSESR, learner: Learner, options: RunOptions) -> LumaPlanes:
    recipe, processes = learner.recipe.training, learner.processes
    _say(f"learning from {recipe.teacher}", processes)
    return teach(planes, teacher, recipe, processes.device, options.cache, quiet=not processes.first)


def _say(line: str, processes: Processes) -> None:
    if processes.first:
        tqdm.write(line)


def _open_folder(run: Path, learner: Learner, teacher: CollapsedSESR | None) -> None:
    if learner.processes.first:
        write_tflite(learner.mean_network())  # better to miss a package now than after hours
        run.mkdir(parents=True, exist_ok=True)
        with writing(run / "recipe.toml") as temporary:
            temporary.write_text(learner.recipe.to_toml(), encoding="utf-8")
        if teacher:
            teacher.to_checkpoint({}).save(run / TEACHER)


def _can_compile(processes: Processes) -> bool:
    lacking = missing_compiler(processes.device)
    if lacking:
        _say(f"no {lacking} found: steps are not compiled, which is slower by half or more", processes)
    return not lacking


@contextlib.contextmanager
def _monitoring(run: Path, watch: Validation | None, progress: Progress, learner: Learner) -> Iterator[Monitor | None]:
    """The first process's monitor; None for the others."""
    if not learner.processes.first:
        yield None
        return
    with contextlib.closing(Monitor(run, watch, progress.step)) as monitor:
        yield monitor


def _finish(
    learner: Learner, sources: Sources, psnr_db: float | None, run: Path, tflite_size: tuple[int, int] | None
) -> Path:
    """Writes the collapsed network, as safetensors and as .tflite."""
    recipe = learner.recipe
    card: Card = {
        "name": recipe.name,
        "data": recipe.card.data or Path(sources.data).name,
        "licence": recipe.card.licence,
        "steps": recipe.training.steps,
        "batch": f"{recipe.training.batch} crops of {recipe.data.crop} x {recipe.data.crop} LR pixels",
        "seed": recipe.training.seed,
    }
    if recipe.training.quant_w or recipe.training.quant_a:
        both = recipe.training.quant_w and recipe.training.quant_a
        card["quantised"] = "weights and features" if both else "weights" if recipe.training.quant_w else "features"
    if recipe.training.teacher:
        card["teacher"] = recipe.training.teacher
    if recipe.training.init_from:
        card["init_from"] = recipe.training.init_from
    if psnr_db is not None:
        card["validation_db"] = round(psnr_db, 3)
    path = run / f"sesr_{recipe.stem}.safetensors"
    if not learner.processes.first:
        return path
    network = dataclasses.replace(learner.mean_network(), card=card)
    network.save(path)
    export_tflite(network, path.with_suffix(".tflite"))
    if tflite_size:
        height, width = tflite_size
        export_tflite(network, sized(path, tflite_size), Layout(height, width))
    return path


def sized(path: Path, size: tuple[int, int]) -> Path:
    """What the `.tflite` is called that opens at a height and width, beside a run's network."""
    return path.with_name(f"{path.stem}_{size[0]}x{size[1]}.tflite")
