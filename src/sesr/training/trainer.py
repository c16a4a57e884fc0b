"""A training run, from a recipe and folders of pictures to a network's files.

A run lives in a folder of its own::

    recipe.json        what is trained
    checkpoint.pt      everything needed to go on, written every few minutes, whole or not at all
    log.csv            step, loss, learning rate, validation PSNR, seconds
    events.out...      the same for TensorBoard
    sesr_m5_x2.*       at the end: the collapsed network, as safetensors and as .tflite

Nothing but the checkpoint's content and the step's number decides what a step computes, so a run that is killed
and resumed ends in the same weights as an unbroken one, bit for bit on one CPU.
"""

import ctypes
import dataclasses
import json
import math
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from sesr.atomic import writing
from sesr.errors import TrainingError
from sesr.export.tflite import export_tflite
from sesr.network.checkpoint import Card
from sesr.training.dataset import CropSampler, LumaPlanes, fingerprint, load_planes
from sesr.training.learner import Learner, learning_rate
from sesr.training.monitor import Log, Validation
from sesr.training.recipe import Recipe

LOG_EVERY = 100
"""Steps whose mean loss makes one line of the log; the first `LOG_EVERY` steps have a line each."""


@dataclasses.dataclass(frozen=True)
class RunOptions:
    """What a run may vary without changing what it computes (but for rounding).

    Attributes:
        device: ``cpu``, ``cuda``, or ``auto``: a GPU where there is one.
        threads: CPU threads; None leaves PyTorch's choice.
        compile_step: whether the step is compiled; needs a C++ compiler and is three times as fast.
        resume: whether to go on from the run's checkpoint.
    """

    device: str = "auto"
    threads: int | None = None
    compile_step: bool = True
    resume: bool = False


def train(recipe: Recipe, data: Path, validation: Path | None, run: Path, options: RunOptions) -> Path:
    """Trains a network and returns the path of its safetensors file.

    Args:
        recipe: what to train and how.
        data: folder of HR pictures.
        validation: folder of HR pictures to measure with on the way; None measures nothing.
        run: the run's folder, made when missing.
        options: device and the like.

    Raises `TrainingError` for bad data, a run folder in use, or a loss that is no longer finite.
    """
    saved = _prepare_run(recipe, run, resume=options.resume)
    device = _device(options.device)
    _keep_freed_memory()
    if options.threads:
        torch.set_num_threads(options.threads)
    planes = load_planes(data, recipe.network.scale, recipe.data)
    tqdm.write(f"{len(planes.sizes)} images, {planes.megapixels:.0f} megapixels, from {data}")
    learner = Learner(recipe, device, compile_step=options.compile_step and _can_compile(device))
    step, pending = _restore(learner, saved, planes, run)
    watch = Validation(validation, recipe.network.scale) if validation else None
    with _logging(run, step) as log:
        psnr_db = _loop(learner, planes.to(device), watch, run, log, step, pending)
    return _finish(learner, data, psnr_db, run)


def _loop(
    learner: Learner,
    planes: LumaPlanes,
    watch: Validation | None,
    run: Path,
    log: Log,
    first: int,
    pending: list[float],
) -> float | None:
    """Steps `first` to the recipe's last; returns the last validation's PSNR in dB."""
    recipe = learner.recipe.training
    sampler = CropSampler(planes, learner.recipe.data.crop, recipe.batch, recipe.seed)
    losses = [torch.tensor(value) for value in pending]
    identity = fingerprint(planes)
    saved_at, psnr_db = time.monotonic(), None
    steps = range(first, recipe.steps)
    bar = tqdm(steps, "training", initial=first, total=recipe.steps, unit="step", disable=None)
    try:
        for step in bar:
            losses.append(learner.step(step, *sampler(step)))
            done = step + 1
            if done <= LOG_EVERY or done % LOG_EVERY == 0 or done == recipe.steps:
                _log_losses(log, losses, done, learning_rate(recipe, step))
                losses.clear()
            if watch and (done % recipe.validate_every == 0 or done == recipe.steps):
                psnr_db = watch(learner.collapsed_mean())
                log.write(done, validation_psnr=psnr_db)
                tqdm.write(f"step {done}: validation {psnr_db:.3f} dB")
            if time.monotonic() - saved_at > 60 * recipe.checkpoint_minutes or done == recipe.steps:
                _save(learner, done, losses, identity, run)
                saved_at = time.monotonic()
    finally:
        bar.close()
    return psnr_db


def _log_losses(log: Log, losses: list[Tensor], done: int, rate: float) -> None:
    mean = float(torch.stack([loss.cpu() for loss in losses]).mean()) if losses else math.nan
    if not math.isfinite(mean):
        raise TrainingError(
            f"the loss is {mean} near step {done}; the last checkpoint is kept: lower learning_rate and start again"
        )
    log.write(done, loss=mean, learning_rate=rate)


def _save(learner: Learner, step: int, losses: list[Tensor], identity: Any, run: Path) -> None:  # noqa: ANN401
    state = learner.state() | {
        "step": step,
        "losses": [float(loss) for loss in losses],
        "recipe": json.dumps(learner.recipe.to_dict()),
        "data": identity,
    }
    with writing(run / "checkpoint.pt") as temporary:
        torch.save(state, temporary)


def _prepare_run(recipe: Recipe, run: Path, *, resume: bool) -> dict[str, Any] | None:
    """The checkpoint to go on from, if any; makes the run's folder."""
    path = run / "checkpoint.pt"
    if path.exists() and not resume:
        raise TrainingError(f"{run}: holds a run already; add --resume to go on with it, or name another --run")
    if resume and not path.exists():
        raise TrainingError(f"{run}: no checkpoint to resume from; leave --resume out to start")
    run.mkdir(parents=True, exist_ok=True)
    if not resume:
        (run / "recipe.json").write_text(json.dumps(recipe.to_dict(), indent=2) + "\n")
        return None
    try:
        saved: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        kept = json.loads(saved["recipe"])
    except Exception as error:
        raise TrainingError(f"{path}: not a whole checkpoint ({error}); remove it to start again") from error
    _refuse_other_recipe(kept, json.loads(json.dumps(recipe.to_dict())), run)
    return saved


def _refuse_other_recipe(kept: dict[str, Any], given: dict[str, Any], run: Path) -> None:
    for table in ("network", "data", "training"):
        for key, value in given[table].items():
            if kept[table].get(key) != value:
                raise TrainingError(
                    f"{run}: was trained with [{table}] {key} = {kept[table].get(key)}, the recipe says {value}; "
                    "resume with the same recipe, or name another --run"
                )


def _restore(learner: Learner, saved: dict[str, Any] | None, planes: LumaPlanes, run: Path) -> tuple[int, list[float]]:
    if saved is None:
        return 0, []
    if saved["data"] != fingerprint(planes):
        raise TrainingError(f"{run}: was trained on other images; give --data as before, or name another --run")
    learner.restore(saved)
    return saved["step"], saved["losses"]


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name == "cuda" and not torch.cuda.is_available():
        raise TrainingError("--device cuda: PyTorch finds no GPU here; use --device cpu")
    return torch.device(name)


def _keep_freed_memory() -> None:
    """Has glibc keep freed memory for the next step instead of handing it back to the system after each.

    A step's features are blocks of some 8 MB, which would be mapped, and cleared page by page, anew in every step:
    a fifth of the time of a step of M5 on one core. Other C libraries are left alone.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, TypeError, AttributeError):
        return
    trim_threshold, mmap_threshold = -1, -3  # M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of malloc.h
    mallopt(trim_threshold, 2**31 - 1)
    mallopt(mmap_threshold, 32 * 2**20)


def _can_compile(device: torch.device) -> bool:
    if device.type == "cuda" or shutil.which("g++") or shutil.which("clang++"):
        return True
    tqdm.write("no C++ compiler found: steps are not compiled, which is about three times as slow")
    return False


@contextmanager
def _logging(run: Path, step: int) -> Iterator[Log]:
    log = Log(run, step)
    try:
        yield log
    finally:
        log.close()


def _finish(learner: Learner, data: Path, psnr_db: float | None, run: Path) -> Path:
    """Writes the collapsed network, as safetensors and as .tflite."""
    recipe = learner.recipe
    card: Card = {
        "name": recipe.card.name,
        "data": recipe.card.data or data.name,
        "licence": recipe.card.licence,
        "steps": recipe.training.steps,
        "batch": f"{recipe.training.batch} crops of {recipe.data.crop} x {recipe.data.crop} LR pixels",
        "seed": recipe.training.seed,
    }
    if psnr_db is not None:
        card["validation_db"] = round(psnr_db, 3)
    config = recipe.network
    stem = f"sesr_{recipe.card.name or f'm{config.m}f{config.f}'}_x{config.scale}"
    checkpoint = learner.collapsed_mean().to_checkpoint(card)
    path = run / f"{stem}.safetensors"
    checkpoint.save(path)
    export_tflite(checkpoint, path.with_suffix(".tflite"))
    return path
