"""What a training step wants of the machine under it: a compiler, and memory that stays."""

import ctypes
import importlib.util
import shutil

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
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, TypeError, AttributeError):
        return
    trim_threshold, mmap_threshold = -1, -3  # M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of malloc.h
    mallopt(trim_threshold, 2**31 - 1)
    mallopt(mmap_threshold, 32 * 2**20)
