"""A teacher: a larger, trained network whose answers stand in for HR pictures while a smaller one learns.

A small picture does not determine all that its sharp original holds. To a network that learns, the rest is noise, which
changes from crop to crop. A trained network's answer to the same LR is a guess without the noise, and a good guess is
all that the small network can learn anyway. With a teacher, SESR-M11 is better after 3,000 steps than without one after
4,000 (docs/log/experiments.md).

Answers do not depend on the network that learns, so they are made once, for whole pictures, without the borders that
crops have. They are planes that take the place of HR, finer than 8 bits (`FINE`), in the same cache. XL's answers to
260 megapixels at x2 take some ten minutes on one core. On a processor our own engine answers, in floats, unless the
recipe wants bfloat16 and the processor has it (`sesr.training.answers`). Each answer is kept as soon as it is there, so
a run that is stopped meanwhile goes on (`sesr.data.journal`). Pictures that the same teacher answered to in another set
are not asked for again.

With a `share` below 1, targets are the weighted mean of answer and HR. The teacher's errors then count less, and the
noise counts more.
"""

import dataclasses
import hashlib
import itertools
import json
import zlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from sesr.data.cache import cached_planes, stored_planes
from sesr.data.journal import Journal
from sesr.data.planes import FINE, LumaPlanes, luma_scale
from sesr.errors import TrainingError, WeightsError
from sesr.network.checkpoint import load_checkpoint
from sesr.network.sesr import CollapsedSESR
from sesr.training.answers import Answering, by_engine, by_torch, mean_answer
from sesr.training.machine import has_bfloat16
from sesr.training.recipe import TrainingRecipe

FORMAT = 2
"""To be raised whenever the same teacher would give other answers, or their file would hold other entries."""

_AT_ONCE = 2**24

_Picture = tuple[bytes, int, int, bool]
"""What tells a picture from others: a hash of its LR, height and width, the meaning of its gray values."""


def load_teacher(path: Path, scale: int) -> CollapsedSESR:
    """Load a teacher from a `.safetensors`. Raises `TrainingError` if it is no network, or none for this scale."""
    if path.suffix == ".tflite":
        raise TrainingError(f"{path}: a teacher is a float network's .safetensors; name that")
    try:
        network = CollapsedSESR.from_checkpoint(load_checkpoint(path))
    except WeightsError as error:
        raise TrainingError(f"cannot learn from {error}") from error
    if network.config.scale != scale:
        raise TrainingError(f"{path}: a teacher for x{network.config.scale}; name one for x{scale}")
    return network.train()  # unclipped: values beyond black and white are answers too


def teach(
    planes: LumaPlanes,
    teacher: CollapsedSESR,
    recipe: TrainingRecipe,
    device: torch.device,
    cache: Path | None = None,
    *,
    quiet: bool = False,
) -> LumaPlanes:
    """Return the planes with the teacher's answers in place of HR, or the mean of both.

    Args:
        planes: a training set.
        teacher: a network of the same scale; PyTorch may move it to the device, and order its weights anew.
        recipe: its `teacher_share`, `teacher_precision` and `precision`; for the loss ``log-l2-picture``
            the answers' errors are measured.
        device: device that the teacher runs on.
        cache: folder to keep the answers in for the next time; None keeps nothing.
        quiet: print nothing; for all but the first of several processes.
    """
    precision = _precision(recipe, device)
    path = None if cache is None else cache / "planes" / _file_name(planes, teacher, precision)
    largest = 2 * planes.scale**2 * int(planes.sizes.prod(axis=1).max())

    def make() -> LumaPlanes:
        with Journal(None if path is None else path.with_suffix(".journal"), largest, quiet=quiet) as journal:
            own = device.type == "cpu" and precision == "float32"
            answering = by_engine(teacher) if own else by_torch(teacher.to(device), bfloat16=precision == "bfloat16")
            hr = _answers(planes, answering, device, journal, () if path is None else _siblings(path), quiet=quiet)
            journal.remove()  # before the answers are stored, so that both need no room at once
        return dataclasses.replace(planes, hr=hr)

    answers = make() if path is None else cached_planes(path, make, quiet=quiet)
    answer_errors = _answer_errors(planes, answers.hr) if recipe.loss == "log-l2-picture" else None
    hr = _mixed(answers.hr, planes.hr, recipe.teacher_share)
    return dataclasses.replace(planes, hr=hr, answer_errors=answer_errors)


def _precision(recipe: TrainingRecipe, device: torch.device) -> str:
    """Return what the teacher computes in on a device."""
    asked = recipe.teacher_precision or recipe.precision
    if device.type == "cpu" and not (asked == "bfloat16" and has_bfloat16(device)):
        return "float32"
    return asked


def identity(teacher: CollapsedSESR) -> int:
    """Return a checksum of a teacher's weights."""
    value = 0
    for _, tensor in sorted(teacher.state_dict().items()):
        value = zlib.crc32(tensor.cpu().numpy().tobytes(), value)
    return value


def _file_name(planes: LumaPlanes, teacher: CollapsedSESR, precision: str) -> str:
    """Return a name from hashes over all that decides the answers, except for rounding: of the teacher, of the set."""
    seen = [zlib.crc32(planes.lr.numpy().data), planes.sizes.tolist(), planes.limited.tolist()]
    who = [FORMAT, precision, dataclasses.asdict(teacher.config), identity(teacher)]
    hashes = (hashlib.sha256(json.dumps(part).encode()).hexdigest()[:16] for part in (who, seen))
    return "-".join(hashes) + ".safetensors"


def _siblings(path: Path) -> list[Path]:
    """Return the files of the same teacher's answers to other sets."""
    return [other for other in sorted(path.parent.glob(f"{path.name.split('-')[0]}-*.safetensors")) if other != path]


@torch.inference_mode()
def _answers(
    planes: LumaPlanes,
    teacher: Answering,
    device: torch.device,
    journal: Journal,
    other_sets: Sequence[Path],
    *,
    quiet: bool,
) -> Tensor:
    """Return the answers to all LR planes, end to end, as int16 in steps of 1 / `FINE` gray level."""
    answers = torch.empty(planes.hr.numel(), dtype=torch.int16)
    small, places = _places(planes), _places(planes, planes.scale**2)
    missing = _without_shared(answers, places, planes, _without_kept(answers, places, journal), other_sets)
    if not quiet:
        kept = len(places) - len(missing)
        tqdm.write("asking the teacher, once for these pictures" + (f"; answered already: {kept:,}" if kept else ""))
    hidden = True if quiet else None  # None: shown on a terminal
    for number in tqdm(missing, "asking the teacher", unit="image", leave=False, disable=hidden):
        height, width = planes.sizes[number].tolist()
        gain, black = luma_scale(bool(planes.limited[number]))
        lr = planes.lr[small[number]].view(1, 1, height, width)
        luma = mean_answer(teacher, lr.to(device).float().mul(gain).add(black).div(255))
        gray = luma.mul(255).sub(black).div(gain)
        fine = gray.mul(FINE).round().clamp(-(2**15), 2**15 - 1).short().flatten().cpu()
        answers[places[number]] = fine
        journal.keep(number, fine.numpy().tobytes())
    return answers


def _without_kept(answers: Tensor, places: list[slice], journal: Journal) -> list[int]:
    """Fill in the answers that a journal has kept. Return the numbers of the pictures that lack one."""
    missing = dict.fromkeys(range(len(places)))
    for number, values in journal.kept():
        if number in missing and len(values) == 2 * (places[number].stop - places[number].start):
            answers[places[number]] = torch.frombuffer(bytearray(values), dtype=torch.int16)
            del missing[number]
    return list(missing)


def _without_shared(
    answers: Tensor, places: list[slice], planes: LumaPlanes, missing: list[int], other_sets: Sequence[Path]
) -> list[int]:
    """Fill in the answers to pictures that other sets have too. Return the numbers of those that still lack one."""
    if not missing or not other_sets:
        return missing
    pictures = list(_pictures(planes))
    wanted: dict[_Picture, list[int]] = defaultdict(list)
    for number in missing:
        wanted[pictures[number]].append(number)
    for path in other_sets:
        if not wanted:
            break
        other = stored_planes(path)
        if other is None:
            continue
        for picture, place in zip(_pictures(other), _places(other, other.scale**2), strict=True):
            for number in wanted.pop(picture, ()):
                answers[places[number]] = other.hr[place]
    return sorted(itertools.chain(*wanted.values()))


def _places(planes: LumaPlanes, area: int = 1) -> list[slice]:
    """Return where each picture's LR lies among all, or what is `area` times as large."""
    ends = (planes.sizes.prod(axis=1).cumsum() * area).tolist()
    return [slice(start, end) for start, end in itertools.pairwise([0, *ends])]


def _pictures(planes: LumaPlanes) -> Iterator[_Picture]:
    """Yield what tells each picture from others."""
    for place, (height, width), limited in zip(_places(planes), planes.sizes.tolist(), planes.limited, strict=True):
        yield hashlib.sha256(planes.lr[place].numpy().data).digest(), height, width, bool(limited)


def _answer_errors(planes: LumaPlanes, answers: Tensor) -> Tensor:
    """Return the mean squared error of each answer against its picture, in luma Y/255, (pictures,), float32."""
    squares = torch.empty(len(planes.sizes))
    for number, place in enumerate(_places(planes, planes.scale**2)):
        gain, _ = luma_scale(bool(planes.limited[number]))
        lacking = planes.hr[place].float() - answers[place].float() / FINE
        squares[number] = lacking.mul_(gain / 255).square_().mean()
    return squares


def _mixed(answers: Tensor, hr: Tensor, share: float) -> Tensor:
    """Return the mean of answers and HR, with weights `share` and 1 - `share`, as int16 like the answers."""
    if share == 1:
        return answers
    mixed = torch.empty_like(answers)
    for part in range(0, len(answers), _AT_ONCE):
        piece = slice(part, part + _AT_ONCE)
        mixed[piece] = torch.lerp(hr[piece].float() * FINE, answers[piece].float(), share).round_().short()
    return mixed
