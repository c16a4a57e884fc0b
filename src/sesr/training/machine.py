"""What a training step wants of the machine under it: a compiler, and memory that stays."""

import ctypes
import importlib.util
import shutil
from typing import Any

import torch


def missing_compiler(device: torch.device) -> str | None:
    """What `torch.compile` lacks to compile a step for a device, for a message; None when nothing."""
    if device.type == "cuda":
        return None if importlib.util.find_spec("triton") else "Triton"
    return None if shutil.which("g++") or shutil.which("clang++") else "C++ compiler"


def keep_freed_memory() -> None:
    """Has glibc keep freed memory for the next step instead of handing it back to the system after each.

    A step's features are blocks of some 8 MB, which would be mapped, and cleared page by page, anew in every step:
    a fifth of the time of a step of M5 on one core. Other C libraries are left alone.
    """
    mallopt = _of_libc("mallopt")
    if mallopt is None:
        return
    trim_threshold, mmap_threshold = -1, -3  # M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of malloc.h
    mallopt(trim_threshold, 2**31 - 1)
    mallopt(mmap_threshold, 32 * 2**20)


def return_freed_memory() -> None:
    """Has glibc hand freed memory back to the system after all.

    Before version 2.38 it finds the aligned blocks that PyTorch asks for hardly ever among those that were freed, and
    takes new ones: a run of SESR-M5 grew by 3 MB a step, without end. Called every few hundred steps it costs nothing.
    """
    trim = _of_libc("malloc_trim")
    if trim is not None:
        trim(0)


def _of_libc(name: str) -> Any:  # noqa: ANN401 - a function of C
    """A function of glibc; None with other C libraries."""
    try:
        return getattr(ctypes.CDLL(None), name)
    except (OSError, TypeError, AttributeError):
        return None
