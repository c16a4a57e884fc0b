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

import contextlib
import ctypes
import dataclasses
import json
import math
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from sesr.atomic import writing
from sesr.errors import TrainingError
from sesr.export.tflite import export_tflite, write_tflite
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
        compile_step: whether the step is compiled; needs a C++ compiler and was 1.6 times as fast for M5 on two cores.
        resume: whether to go on from the run's checkpoint.
        init_from: folder of a run whose weights a new run starts from; it does change what is computed.
    """

    device: str = "auto"
    threads: int | None = None
    compile_step: bool = True
    resume: bool = False
    init_from: Path | None = None


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
    watch = Validation(validation, recipe.network.scale, recipe.data) if validation else None
    planes = load_planes(data, recipe.network.scale, recipe.data)
    tqdm.write(f"{len(planes.sizes)} images, {planes.megapixels:.0f} megapixels, from {data}")
    learner = Learner(recipe, device, compile_step=options.compile_step and _can_compile(device))
    if options.init_from is not None and saved is None:
        learner.start_from(_weights_of(options.init_from, recipe))
    progress = _restore(learner, saved, planes, run)
    write_tflite(learner.collapsed_mean().to_checkpoint({}))  # better to miss a package now than after hours
    run.mkdir(parents=True, exist_ok=True)
    (run / "recipe.json").write_text(json.dumps(recipe.to_dict(), indent=2) + "\n")
    with _logging(run, progress.step) as log:
        _loop(learner, planes.to(device), watch, run, log, progress)
    return _finish(learner, data, progress.validation_psnr, run)


@dataclasses.dataclass
class Progress:
    """How far a run has come: what a checkpoint holds beside the learner's state.

    Attributes:
        step: steps done.
        losses: of the steps since the log's last line.
        validation_psnr: the last validation's, dB.
        data: fingerprint of the training images.
    """

    step: int
    losses: list[Tensor]
    validation_psnr: float | None
    data: list[int]


def _loop(
    learner: Learner,
    planes: LumaPlanes,
    watch: Validation | None,
    run: Path,
    log: Log,
    progress: Progress,
) -> None:
    """All steps that are left."""
    recipe = learner.recipe.training
    sampler = CropSampler(planes, learner.recipe.data.crop, recipe.batch, recipe.seed)
    saved_at = time.monotonic()
    steps = range(progress.step, recipe.steps)
    bar = tqdm(steps, "training", initial=progress.step, total=recipe.steps, unit="step", disable=None)
    with contextlib.closing(bar):
        for step in bar:
            progress.losses.append(learner.step(step, *sampler(step)))
            done = progress.step = step + 1
            if done <= LOG_EVERY or done % LOG_EVERY == 0 or done == recipe.steps:
                log.write(done, loss=_mean_loss(progress), learning_rate=learning_rate(recipe, step))
                progress.losses.clear()
            if watch and (done % recipe.validate_every == 0 or done == recipe.steps):
                progress.validation_psnr = watch(learner.collapsed_mean())
                log.write(done, validation_psnr=progress.validation_psnr)
                tqdm.write(f"step {done}: validation {progress.validation_psnr:.3f} dB")
            if time.monotonic() - saved_at > 60 * recipe.checkpoint_minutes or done == recipe.steps:
                _save(learner, progress, run)
                saved_at = time.monotonic()


def _mean_loss(progress: Progress) -> float:
    mean = float(torch.stack([loss.cpu() for loss in progress.losses]).mean())
    if not math.isfinite(mean):
        raise _diverged(progress)
    return mean


def _diverged(progress: Progress) -> TrainingError:
    return TrainingError(
        f"the training diverged near step {progress.step}: losses or weights are no longer finite; "
        "the last good checkpoint is kept; lower learning_rate and start again"
    )


def _save(learner: Learner, progress: Progress, run: Path) -> None:
    """Writes a checkpoint. Raises `TrainingError` where there is nothing good to write."""
    values = [*progress.losses, *learner.parameters]
    if not all(bool(value.isfinite().all()) for value in values):
        raise _diverged(progress)
    state = learner.state() | {
        "step": progress.step,
        "losses": [float(loss) for loss in progress.losses],
        "validation_psnr": progress.validation_psnr,
        "recipe": json.dumps(learner.recipe.to_dict()),
        "data": progress.data,
    }
    with writing(run / "checkpoint.pt") as temporary:
        torch.save(state, temporary)


def _prepare_run(recipe: Recipe, run: Path, *, resume: bool) -> dict[str, Any] | None:
    """The checkpoint to go on from, if any."""
    path = run / "checkpoint.pt"
    if path.exists() and not resume:
        raise TrainingError(f"{run}: holds a run already; add --resume to go on with it, or name another --run")
    if resume and not path.exists():
        raise TrainingError(f"{run}: no checkpoint to resume from; leave --resume out to start")
    if not resume:
        return None
    saved, kept = _load(path)
    _refuse_other_recipe(kept, json.loads(json.dumps(recipe.to_dict())), run)
    return saved


def _load(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """A checkpoint and the recipe in it. Raises `TrainingError`."""
    try:
        saved: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        return saved, json.loads(saved["recipe"])
    except Exception as error:
        raise TrainingError(f"{path}: not a whole checkpoint ({error}); remove it to start again") from error


def _weights_of(run: Path, recipe: Recipe) -> list[Tensor]:
    """The running mean that another run ended with. Raises `TrainingError` where it does not fit."""
    if not (run / "checkpoint.pt").is_file():
        raise TrainingError(f"{run}: no run to start from, it holds no checkpoint.pt; name a run's folder")
    saved, kept = _load(run / "checkpoint.pt")
    if kept["network"] != json.loads(json.dumps(recipe.to_dict()))["network"]:
        raise TrainingError(f"{run}: was trained with another [network]; name a run of the same one to start from")
    mean: list[Tensor] = saved["mean"]
    return mean


def _refuse_other_recipe(kept: dict[str, Any], given: dict[str, Any], run: Path) -> None:
    for table in ("network", "data", "training"):
        for key, value in given[table].items():
            if kept[table].get(key) != value:
                raise TrainingError(
                    f"{run}: was trained with [{table}] {key} = {kept[table].get(key)}, the recipe says {value}; "
                    "resume with the same recipe, or name another --run"
                )


def _restore(learner: Learner, saved: dict[str, Any] | None, planes: LumaPlanes, run: Path) -> Progress:
    identity = fingerprint(planes)
    if saved is None:
        return Progress(0, [], None, identity)
    if saved["data"] != identity:
        raise TrainingError(f"{run}: was trained on other images; give --data as before, or name another --run")
    learner.restore(saved)
    losses = [torch.tensor(loss) for loss in saved["losses"]]
    return Progress(saved["step"], losses, saved.get("validation_psnr"), identity)


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
    tqdm.write("no C++ compiler found: steps are not compiled, which is slower by half or more")
    return False


@contextlib.contextmanager
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
