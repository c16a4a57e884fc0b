"""Several processes that train one network: who is who, and how gradients become one.

`torchrun` starts the processes, on one machine or many, and says in the environment who each is: RANK of WORLD_SIZE,
and LOCAL_RANK on its machine. All hold the same weights. Each takes its share of the same batch, gradients are
averaged, and all take the same step: with equal shares the mean of the shares' means is the batch's mean, so N
processes train what one process trains, but for the rounding of sums. Rank 0 alone writes files.

Processes talk through gloo on CPUs and NCCL on GPUs. Started without `torchrun` there is one process and no talk.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, distributed

from sesr.errors import TrainingError


@dataclass(frozen=True)
class Processes:
    """This process among all.

    Attributes:
        device: where this process computes.
        rank: 0 .. ranks - 1.
        ranks: how many there are.
    """

    device: torch.device
    rank: int = 0
    ranks: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the one that writes."""
        return self.rank == 0

    def average(self, tensors: list[Tensor]) -> None:
        """Replaces each tensor by its mean over all processes, in one message."""
        if self.ranks == 1:
            return
        flat = torch.cat([tensor.flatten() for tensor in tensors])
        distributed.all_reduce(flat)
        flat /= self.ranks
        means = torch.split(flat, [tensor.numel() for tensor in tensors])
        torch._foreach_copy_(tensors, [mean.view_as(tensor) for mean, tensor in zip(means, tensors, strict=True)])

    def wait(self) -> None:
        """Until all processes are here."""
        if self.ranks > 1:
            distributed.barrier()


@contextmanager
def join_processes(device: str) -> Iterator[Processes]:
    """Joins the processes that `torchrun` started, and leaves them at the end.

    Args:
        device: ``cpu``, ``cuda``, or ``auto``: a GPU where there is one. Each process of a machine takes its own GPU.

    Raises `TrainingError` when there is no such device, or too few GPUs.
    """
    ranks = int(os.environ.get("WORLD_SIZE", "1"))
    place = _device(device, int(os.environ.get("LOCAL_RANK", "0")))
    if ranks == 1:
        yield Processes(place)
        return
    distributed.init_process_group("nccl" if place.type == "cuda" else "gloo")
    try:
        yield Processes(place, distributed.get_rank(), ranks)
    finally:
        distributed.destroy_process_group()


def _device(name: str, local_rank: int) -> torch.device:
    if name == "cpu" or (name == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise TrainingError("--device cuda: PyTorch finds no GPU here; use --device cpu")
    if local_rank >= torch.cuda.device_count():
        raise TrainingError(
            f"{local_rank + 1} processes on this machine, but {torch.cuda.device_count()} GPUs; lower --nproc-per-node"
        )
    device = torch.device("cuda", local_rank)
    torch.cuda.set_device(device)
    return device
