"""How a teacher is asked: by PyTorch or by our own engine, and in all eight turns of a picture.

A picture is turned and mirrored in the eight ways of a square, and the eight answers, turned back, are averaged. The
mean is nearer to the truth than one answer, and right for crops however they are turned.
"""

import dataclasses
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils import convert_conv2d_weight_memory_format

from sesr.engines.native import NativeEngine
from sesr.network.checkpoint import Checkpoint
from sesr.network.sesr import CollapsedSESR

TURNS = 8

Answering = Callable[[Tensor], Tensor]
"""A teacher: luma (1, 1, H, W) to luma (1, 1, s H, s W), float32, which may lie beyond black and white."""

_SHRUNK = 16


def by_torch(teacher: CollapsedSESR, *, bfloat16: bool) -> Answering:
    """Return a teacher that answers in floats or bfloat16 to luma on its device."""
    convert_conv2d_weight_memory_format(teacher, torch.channels_last)  # a fifth faster in bfloat16

    def answer(luma: Tensor) -> Tensor:
        with torch.autocast(luma.device.type, torch.bfloat16, enabled=bfloat16):
            result: Tensor = teacher(luma)
        return result.float()

    return answer


def by_engine(teacher: CollapsedSESR) -> Answering:
    """Return the teacher in our own engine, in floats: two to three times as fast as PyTorch on a processor.

    The engine clips luma to black and white, and values beyond them are answers too. So it runs a network whose result
    is a sixteenth of what the teacher adds to luma, and 1/2. Clipped, that reaches from -8 to 8 of the range, where the
    answers' int16 hold -2 to 2.
    """
    network = teacher.to_checkpoint({})
    config, tensors = network.config, dict(network.tensors)
    tensors["tail.weight"] = tensors["tail.weight"] / np.float32(_SHRUNK)
    tensors["tail.bias"] = tensors["tail.bias"] / np.float32(_SHRUNK) + np.float32(0.5)
    shrunk = Checkpoint(dataclasses.replace(config, input_residual=False), tensors)
    engine = NativeEngine(shrunk, torch.get_num_threads(), floats="float32")

    def answer(luma: Tensor) -> Tensor:
        ((plane,),) = luma.numpy()
        added = (torch.from_numpy(engine.run(plane))[None, None] - 0.5) * _SHRUNK
        if not config.input_residual:
            return added
        return added + luma.repeat_interleave(config.scale, 2).repeat_interleave(config.scale, 3)

    return answer


def mean_answer(network: Answering, luma: Tensor) -> Tensor:
    """Return the mean of the answers to luma (1, 1, H, W) in all eight turns, each turned back: (1, 1, s H, s W)."""
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
