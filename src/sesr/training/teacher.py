"""A teacher: a larger, trained network whose answers stand in for HR pictures while a smaller one learns.

A small picture does not determine all that its sharp original holds. To a network that learns, the rest is noise, which
changes from crop to crop. A trained network's answer to the same LR is a guess without the noise, and a good guess is
all that the small network can learn anyway. With a teacher, SESR-M11 is better after 3,000 steps than without one after
4,000 (docs/log/experiments.md).

Answers do not depend on the network that learns, so they are made once, for whole pictures, without the borders that
crops have. They are planes that take the place of HR, finer than 8 bits (`FINE`), in the same cache. XL's answers to
260 megapixels at x2 take some ten minutes on one core. On a processor our own engine answers, in floats, unless the
recipe wants bfloat16 and the processor has it. Each answer is kept as soon as it is there, so a run that is
stopped meanwhile goes on (`sesr.data.journal`). A picture is turned and mirrored in the eight ways of a square, and the
eight answers, turned back, are averaged. The mean is nearer to the truth than one answer, and right for crops however
they are turned.

With a `share` below 1, targets are the weighted mean of answer and HR. The teacher's errors then count less, and the
noise counts more.
"""

import dataclasses
import hashlib
import json
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils import convert_conv2d_weight_memory_format
from tqdm import tqdm

from sesr.data.cache import cached_planes
from sesr.data.journal import Journal
from sesr.data.planes import FINE, LumaPlanes, luma_scale
from sesr.engines.native import NativeEngine
from sesr.errors import TrainingError, WeightsError
from sesr.network.checkpoint import Checkpoint, load_checkpoint
from sesr.network.sesr import CollapsedSESR
from sesr.training.machine import has_bfloat16
from sesr.training.recipe import TrainingRecipe

FORMAT = 2
"""To be raised whenever the same teacher would give other answers, or their file would hold other entries."""

TURNS = 8

Answering = Callable[[Tensor], Tensor]
"""A teacher: luma (1, 1, H, W) to luma (1, 1, s H, s W), float32, which may lie beyond black and white."""

_AT_ONCE = 2**24

_SHRUNK = 16


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
        teacher: a network of the same scale; it is moved to the device.
        recipe: its `teacher_share`, `teacher_precision` and `precision`.
        device: device that the teacher runs on.
        cache: folder to keep the answers in for the next time; None keeps nothing.
        quiet: print nothing; for all but the first of several processes.
    """
    precision = recipe.teacher_precision or recipe.precision
    bfloat16 = precision == "bfloat16" and has_bfloat16(device)
    if precision == "bfloat16" and not bfloat16:
        precision = "float32"

    path = None if cache is None else cache / "planes" / f"{_key(planes, teacher, precision)}.safetensors"
    largest = 2 * planes.scale**2 * int(planes.sizes.prod(axis=1).max())

    def make() -> LumaPlanes:
        with Journal(None if path is None else path.with_suffix(".journal"), largest, quiet=quiet) as journal:
            by_engine = device.type == "cpu" and not bfloat16
            answering = _by_engine(teacher) if by_engine else _by_torch(teacher, device, bfloat16=bfloat16)
            hr = _answers(planes, answering, journal, quiet=quiet)
            journal.remove()  # before the answers are stored, so that both need no room at once
        return dataclasses.replace(planes, hr=hr)

    answers = make() if path is None else cached_planes(path, make, quiet=quiet)
    return dataclasses.replace(planes, hr=_mixed(answers.hr, planes.hr, recipe.teacher_share))


def identity(teacher: CollapsedSESR) -> int:
    """Return a checksum of a teacher's weights."""
    value = 0
    for _, tensor in sorted(teacher.state_dict().items()):
        value = zlib.crc32(tensor.cpu().numpy().tobytes(), value)
    return value


def _key(planes: LumaPlanes, teacher: CollapsedSESR, precision: str) -> str:
    """Return a hash over all that decides the answers, except for rounding."""
    seen = [zlib.crc32(planes.lr.numpy().data), planes.sizes.tolist(), planes.limited.tolist()]
    text = json.dumps([FORMAT, precision, dataclasses.asdict(teacher.config), identity(teacher), seen])
    return hashlib.sha256(text.encode()).hexdigest()[:32]


@torch.inference_mode()
def _answers(planes: LumaPlanes, teacher: Answering, journal: Journal, *, quiet: bool) -> Tensor:
    """Return the answers to all LR planes, end to end, as int16 in steps of 1 / `FINE` gray level."""
    answers = torch.empty(planes.hr.numel(), dtype=torch.int16)
    area = planes.scale**2
    ends = planes.sizes.prod(axis=1).cumsum().tolist()
    places = [slice(start * area, end * area) for start, end in zip([0, *ends], ends, strict=False)]
    missing = _without_kept(answers, places, journal)
    if not quiet:
        kept = len(places) - len(missing)
        tqdm.write("asking the teacher, once for these pictures" + (f"; answered already: {kept:,}" if kept else ""))
    hidden = True if quiet else None  # None: shown on a terminal
    for number in tqdm(missing, "asking the teacher", unit="image", leave=False, disable=hidden):
        height, width = planes.sizes[number].tolist()
        gain, black = luma_scale(bool(planes.limited[number]))
        end = ends[number]
        lr = planes.lr[end - height * width : end].view(1, 1, height, width)
        luma = mean_answer(teacher, lr.float().mul(gain).add(black).div(255))
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


def _by_torch(teacher: CollapsedSESR, device: torch.device, *, bfloat16: bool) -> Answering:
    """Return the teacher on a device, which answers in floats or bfloat16."""
    teacher = teacher.to(device)
    convert_conv2d_weight_memory_format(teacher, torch.channels_last)  # a fifth faster in bfloat16

    def answer(luma: Tensor) -> Tensor:
        with torch.autocast(device.type, torch.bfloat16, enabled=bfloat16):
            result: Tensor = teacher(luma.to(device))
        return result.float()

    return answer


def _by_engine(teacher: CollapsedSESR) -> Answering:
    """Return the teacher in our own engine, in floats: two to three times as fast as PyTorch on a processor.

    The engine clips luma to black and white, and values beyond them are answers too. So it runs a network whose result
    is a sixteenth of what the teacher adds to luma, and 1/2: no answer is so far off that this is clipped.
    """
    network = teacher.to_checkpoint({})
    config, tensors = network.config, dict(network.tensors)
    tensors["tail.weight"] = tensors["tail.weight"] / np.float32(_SHRUNK)
    tensors["tail.bias"] = tensors["tail.bias"] / np.float32(_SHRUNK) + np.float32(0.5)
    shrunk = Checkpoint(dataclasses.replace(config, input_residual=False), tensors)
    engine = NativeEngine(shrunk, torch.get_num_threads(), floats="float32")

    def answer(luma: Tensor) -> Tensor:
        added = (torch.from_numpy(engine.run(luma[0, 0].numpy()))[None, None] - 0.5) * _SHRUNK
        if not config.input_residual:
            return added
        return added + luma.repeat_interleave(config.scale, 2).repeat_interleave(config.scale, 3)

    return answer


def mean_answer(network: Answering, luma: Tensor) -> Tensor:
    """Return the mean of the answers to luma (N, 1, H, W) in all eight turns, each turned back: (N, 1, s H, s W)."""
    total = _turned_back(network(luma), 0)
    for turn in range(1, TURNS):
        total += _turned_back(network(_turned(luma, turn)), turn)
    return total / TURNS


def _turned(plane: Tensor, turn: int) -> Tensor:
    """Turn planes as crops are turned (`sesr.data.crops.Places`): bit 0 flips rows, bit 1 columns; bit 2 transposes."""
    flipped = plane.flip([axis for axis in (2, 3) if turn >> (axis - 2) & 1])
    return flipped.transpose(2, 3).contiguous() if turn & 4 else flipped


def _turned_back(plane: Tensor, turn: int) -> Tensor:
    straight = plane.transpose(2, 3) if turn & 4 else plane
    return straight.flip([axis for axis in (2, 3) if turn >> (axis - 2) & 1])


def _mixed(answers: Tensor, hr: Tensor, share: float) -> Tensor:
    """Return the mean of answers and HR, with weights `share` and 1 - `share`, as int16 like the answers."""
    if share == 1:
        return answers
    mixed = torch.empty_like(answers)
    for part in range(0, len(answers), _AT_ONCE):
        piece = slice(part, part + _AT_ONCE)
        mixed[piece] = torch.lerp(hr[piece].float() * FINE, answers[piece].float(), share).round_().short()
    return mixed
