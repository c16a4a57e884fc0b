"""The machine under a training step: its compiler, its bfloat16, and memory that stays."""

import contextlib
import ctypes
import gc
import importlib.util
import platform
import shutil
import sys
from typing import Any

import torch

_X86 = ("x86_64", "AMD64")


def missing_compiler(device: torch.device) -> str | None:
    """Return the name of the compiler that `torch.compile` lacks for a device, for a message; None if it has one."""
    if device.type == "cuda":
        return None if importlib.util.find_spec("triton") else "Triton"
    return None if shutil.which("g++") or shutil.which("clang++") else "C++ compiler"


def has_bfloat16(device: torch.device) -> bool:
    """Return whether convolutions in bfloat16 are of use on a device.

    On processors PyTorch leaves them to oneDNN. Where that does not have them, as with AVX2 alone, they run in plain
    loops: a step of M5 takes twenty times as long as in floats. With AVX-512 alone oneDNN imitates them in floats.
    False where PyTorch does not say.
    """
    if device.type != "cpu":
        return True
    try:
        known = bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
        return known and (platform.machine() not in _X86 or bool(torch.cpu._is_avx512_bf16_supported()))
    except (AttributeError, RuntimeError):  # built without oneDNN, or a PyTorch that asks in another way
        return False


def abandon_compilation() -> None:
    """Drop the kernels that `torch.compile` has queued, so that a stopped run ends within seconds.

    PyTorch compiles a step's kernels in threads, and Python waits for threads at its end. Without this, all that are
    queued would still be compiled, one after the other: up to four minutes on a busy machine.
    """
    module: Any = sys.modules.get("torch._inductor.async_compile")
    if module is None:
        return
    with contextlib.suppress(AttributeError):  # none of this is public; a later PyTorch may not have it
        threads = module.AsyncCompile.pool
        if threads.cache_info().currsize:
            threads().shutdown(wait=False, cancel_futures=True)
            threads.cache_clear()


def forget_compiled_steps() -> None:
    """Drop all compiled steps, before a stage that compiles its own.

    PyTorch would compile the next step as a variant of the last one, for batches of any size, by other kernels than in
    a process that begins with that stage. They may round otherwise, and a stage must give the same weights in both.
    """
    if "torch._dynamo" in sys.modules:
        torch.compiler.reset()
    gc.collect()  # a learner and its compiled step refer to each other


def keep_freed_memory() -> None:
    """Make glibc keep freed memory for the next step instead of returning it to the system after each step.

    A step's features are blocks of some 8 MB. They would be mapped, and cleared page by page, anew in every step: a
    fifth of the time of a step of M5 on one core. Other C libraries are left alone.
    """
    mallopt = _libc_function("mallopt")
    if mallopt is None:
        return
    trim_threshold, mmap_threshold = -1, -3  # M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of malloc.h
    mallopt(trim_threshold, 2**31 - 1)
    mallopt(mmap_threshold, 32 * 2**20)


def return_freed_memory() -> None:
    """Make glibc return freed memory to the system once.

    Before version 2.38, glibc rarely finds the aligned blocks that PyTorch asks for among those that were freed, and
    takes new ones: a run of SESR-M5 grew by 3 MB a step, without end. Called every few hundred steps, this costs
    nothing.
    """
    trim = _libc_function("malloc_trim")
    if trim is not None:
        trim(0)


def _libc_function(name: str) -> Any:  # noqa: ANN401 - a function of C
    """Return a function of glibc; None with other C libraries."""
    try:
        return getattr(ctypes.CDLL(None), name)
    except (OSError, TypeError, AttributeError):
        return None
