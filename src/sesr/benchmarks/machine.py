"""The machine that figures were measured on, as a record to keep with them."""

import importlib.metadata
import os
import platform
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import TypedDict

from sesr.engines.kernels import floats_in_use, kernel_in_use, kernels
from sesr.processors import available_threads

_FLAGS = ("avx2", "fma", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_int8", "asimd", "asimddp", "i8mm")
"""Abilities of a processor that matter here, by their names in Linux."""

_PACKAGES = (
    *("numpy", "pillow", "pyvips", "opencv-python-headless", "ethos-u-vela"),
    *("openvino", "ai-edge-litert", "onnxruntime", "ncnn", "torch"),
    *("obstore", "pyarrow", "ray"),
)


class Machine(TypedDict):
    """A machine and what is installed on it.

    Attributes:
        processor: its name.
        flags: those of its abilities that matter here.
        kernel: our engine's kernels.
        floats: what float networks compute in there.
        threads: how many can run at once.
        system: operating system and architecture.
        versions: of Python and of every package that is measured.
    """

    processor: str
    flags: list[str]
    kernel: str
    floats: str
    threads: int
    system: str
    versions: dict[str, str]


def this_machine() -> Machine:
    """Return the machine that this process runs on."""
    found = _from_linux()
    return Machine(
        processor=found.get("model name") or _from_macos() or platform.processor() or platform.machine(),
        flags=[flag for flag in _FLAGS if flag in (found.get("flags") or found.get("Features") or "").split()],
        kernel=kernel_in_use(),
        floats=floats_in_use(),
        threads=available_threads(),
        system=f"{platform.system()} {platform.machine()}",
        versions={"python": platform.python_version(), **_versions()},
    )


def processor_line() -> str:
    """Return the processor's name, the kernels of our engine that it can run, and what float networks compute in."""
    machine = this_machine()
    able = ", ".join(name for name, supported in kernels().items() if supported)
    chosen = f"{machine['kernel']}, float networks in {machine['floats']}"
    return f"processor: {machine['processor']}, {machine['threads']} threads; kernels {able}; default {chosen}"


def commit(folder: Path) -> str:
    """Return the commit that a checkout is at, with a plus if files differ from it; empty outside a checkout."""
    with suppress(OSError, subprocess.CalledProcessError):
        number, changes = (
            subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=True).stdout.strip()
            for words in (["rev-parse", "--short=12", "HEAD"], ["status", "--porcelain", "--untracked-files=no"])
        )
        return number + ("+" if changes else "")
    return ""


def load() -> float | None:
    """Return how many processes have been waiting for the processor in the last minute; None on Windows."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def _from_linux() -> dict[str, str]:
    """Return what /proc/cpuinfo says about the first processor; nothing on other systems."""
    with suppress(OSError):
        first, *_ = Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n\n")
        lines = (line.partition(":") for line in first.splitlines())
        return {name.strip(): value.strip() for name, _, value in lines}
    return {}


def _from_macos() -> str:
    if sys.platform != "darwin":
        return ""
    command = ["sysctl", "-n", "machdep.cpu.brand_string"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def _versions() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        with suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found
