"""Several processes that train one network: their ranks, and how their gradients are averaged.

`torchrun` starts the processes, on one machine or many, and numbers them in the environment: RANK of WORLD_SIZE, and
LOCAL_RANK on its machine. All hold the same weights. Each takes its share of the same batch, gradients are averaged,
and all take the same step. With equal shares, the mean of the shares' means is the batch's mean, so N processes train
what one process trains, except for the rounding of sums. Rank 0 alone writes files.

Processes communicate through gloo on CPUs and NCCL on GPUs. Without `torchrun` there is one process and no
communication.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import Tensor, distributed

from sesr.errors import TrainingError


@dataclass(frozen=True)
class Processes:
    """This process among all.

    Attributes:
        device: device that this process computes on.
        rank: number of this process, 0 .. ranks - 1.
        ranks: number of processes.
    """

    device: torch.device
    rank: int = 0
    ranks: int = 1

    @property
    def first(self) -> bool:
        """True in the process that writes files."""
        return self.rank == 0

    def average(self, tensors: list[Tensor]) -> None:
        """Replace each tensor by its mean over all processes, in one message."""
        if self.ranks == 1:
            return
        flat = torch.cat([tensor.flatten() for tensor in tensors])
        with _reporting_lost_peers():
            distributed.all_reduce(flat)
        flat /= self.ranks
        means = torch.split(flat, [tensor.numel() for tensor in tensors])
        torch._foreach_copy_(tensors, [mean.view_as(tensor) for mean, tensor in zip(means, tensors, strict=True)])

    def share(self, tensors: list[Tensor]) -> None:
        """Replace each tensor by the first process's."""
        if self.ranks > 1:
            with _reporting_lost_peers():
                for tensor in tensors:
                    distributed.broadcast(tensor, 0)

    def agree(self, what: str, value: object, remedy: str = "give all the same") -> None:
        """Raise `TrainingError` if the value, called `what` in the message, differs from the first process's."""
        if self.ranks == 1:
            return
        first = [value]
        with _reporting_lost_peers():
            distributed.broadcast_object_list(first, 0, device=self.device)
        if first[0] != value:
            raise TrainingError(f"process {self.rank} of {self.ranks} has other {what} than the first; {remedy}")

    def wait(self) -> None:
        """Wait until all processes are here."""
        if self.ranks > 1:
            with _reporting_lost_peers():
                distributed.barrier()


@contextmanager
def join_processes(device: str) -> Iterator[Processes]:
    """Join the processes that `torchrun` started, and leave them at the end.

    Args:
        device: ``cpu``, ``cuda``, or ``auto``: a GPU if there is one. Each process of a machine takes its own GPU.

    Raises `TrainingError` if there is no such device, there are too few GPUs, or processes do not find each other.
    """
    ranks, local_rank = _number("WORLD_SIZE", 1), _number("LOCAL_RANK", 0)
    place = _device(device, local_rank)
    if ranks == 1:
        yield Processes(place)
        return
    backend, own = ("nccl", place) if place.type == "cuda" else ("gloo", None)
    try:
        # the others wait for the first while it downloads and reads pictures; torchrun ends them if it fails
        distributed.init_process_group(backend, timeout=timedelta(days=1), device_id=own)
    except (ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise TrainingError(f"{ranks} processes do not find each other ({reason}); start them by torchrun") from error
    yield Processes(place, distributed.get_rank(), ranks)
    distributed.destroy_process_group()  # not after an error: it would wait for the others


@contextmanager
def _reporting_lost_peers() -> Iterator[None]:
    """Turn a lost peer into a `TrainingError` during a collective operation."""
    try:
        yield
    except RuntimeError as error:
        raise TrainingError("another process stopped; its own line says why") from error


def _number(variable: str, default: int) -> int:
    text = os.environ.get(variable, str(default))
    if not text.isdecimal():
        raise TrainingError(f"{variable}={text}: not a number; start several processes by torchrun")
    return int(text)


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
