"""The machine: what compiling lacks, and that a stop does not wait for what is still to be compiled."""

import ctypes
import importlib.util
import platform
import shutil
import subprocess
import sys
import time

import pytest

pytest.importorskip("torch")

import torch

from sesr.training.machine import (
    abandon_compilation,
    has_bfloat16,
    keep_freed_memory,
    missing_compiler,
    return_freed_memory,
)


def test_missing_compilers_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", {"clang++": "/usr/bin/clang++"}.get)
    assert missing_compiler(torch.device("cpu")) is None
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert missing_compiler(torch.device("cpu")) == "C++ compiler"
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert missing_compiler(torch.device("cuda")) == "Triton"


def test_bfloat16_is_asked_for_on_processors_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """On x86 its instructions count too. A PyTorch without oneDNN, or with another name for the question, has none."""
    cpu, gpu = torch.device("cpu"), torch.device("cuda")
    assert has_bfloat16(gpu)
    for machine, known, instructions, expected in (
        ("x86_64", True, True, True),
        ("AMD64", True, False, False),
        ("x86_64", False, True, False),
        ("aarch64", True, False, True),
        ("aarch64", False, False, False),
    ):
        monkeypatch.setattr(platform, "machine", lambda machine=machine: machine)
        monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda known=known: known)
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda found=instructions: found)
        assert has_bfloat16(cpu) == expected
    monkeypatch.setattr(torch.ops, "mkldnn", object())
    assert not has_bfloat16(cpu)


def test_other_c_libraries_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """On musl `mallopt` does not exist, and on Windows there is no such library."""

    def missing(_: object) -> object:
        raise OSError

    for library in (missing, lambda _: object()):
        monkeypatch.setattr(ctypes, "CDLL", library)
        keep_freed_memory()
        return_freed_memory()


def test_nothing_to_abandon() -> None:
    """Also twice, and where nothing was ever compiled."""
    abandon_compilation()
    abandon_compilation()


QUEUED = """
import sys, time
from torch._inductor import config
config.compile_threads = 2
from torch._inductor.async_compile import AsyncCompile
from sesr.training.machine import abandon_compilation

for _ in range(1000):
    AsyncCompile.pool().submit(time.sleep, 0.5)
abandon_compilation()
abandon_compilation()
assert AsyncCompile.pool().submit(int, "7").result() == 7  # a later training in the process can compile
print("done", flush=True)
"""


@pytest.mark.slow
def test_python_ends_without_compiling_what_is_queued() -> None:
    """Python waits at its end for all that threads have in their queues: more than four minutes here."""
    with subprocess.Popen([sys.executable, "-c", QUEUED], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "done\n"
        start = time.monotonic()
        assert process.wait(timeout=120) == 0
        assert time.monotonic() - start < 60
