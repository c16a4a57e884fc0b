"""Measure memory in processes of their own, as the operating system reports it.

A process reports the most memory that it ever held (its *peak* resident set: Python, libraries, engine, everything).
That never falls again, so each measurement needs a fresh process. This module is both sides: the functions that
`sesr.benchmarks` calls, and the program ``python -m sesr.benchmarks.memory_probe`` that they start::

    memory_probe command PROGRAM ARGUMENT ...           peak of a command
    memory_probe plane NETWORK HEIGHT WIDTH THREADS     what our engine needs beyond its input and its output

The program prints bytes and seconds. It imports NumPy and the engine only to enlarge a plane: Linux lets a process
begin with the peak of the one that started it, so whoever starts a measured command must be small itself.
"""

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from sesr.errors import EngineError, SesrError


class Usage(NamedTuple):
    """Memory in bytes and time in seconds."""

    memory: int
    seconds: float


def check_system() -> None:
    """Raise `EngineError` on Windows, which does not report peaks in this way."""
    if sys.platform == "win32":
        raise EngineError("peak memory cannot be measured on Windows; use Linux or macOS")


def command_peak(command: Sequence[str]) -> Usage:
    """Run a command and return its peak memory; its output is dropped.

    Raises `EngineError` with what the command printed on stderr if it fails.
    """
    return _probe(["command", *command])


def plane_memory(network: Path, height: int, width: int, threads: int) -> Usage:
    """Enlarge a plane of luma in our engine, 8-bit for an int8 network, and return its memory beyond input and output.

    Raises `EngineError` if that fails, most likely because there is not enough memory for the plane and its result.
    """
    return _probe(["plane", str(network), str(height), str(width), str(threads)])


def peak_bytes() -> int:
    """Return the most memory that this process held so far, in bytes.

    On Linux, `getrusage` also counts the process that started this program, of which it was a copy at first. A file in
    /proc counts this program alone.
    """
    status = Path("/proc/self/status")
    lines = status.read_text(encoding="utf-8").splitlines() if status.exists() else []
    for line in lines:
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _RSS_UNIT


_RSS_UNIT = 1 if sys.platform == "darwin" else 1024
"""Bytes in the unit of `getrusage`'s resident sets."""


def _probe(arguments: list[str]) -> Usage:
    """Start this module as a program and read what it prints."""
    command = [sys.executable, "-m", "sesr.benchmarks.memory_probe", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"ended with code {done.returncode}"]
        raise EngineError(lines[-1])
    memory, seconds = done.stdout.split()
    return Usage(int(memory), float(seconds))


def _watch_command(command: Sequence[str]) -> int:
    """Run a command, print its usage and return its exit code. It is this process's only child."""
    import resource

    start = time.perf_counter()
    code = subprocess.call(command, stdout=subprocess.DEVNULL)
    _print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * _RSS_UNIT, time.perf_counter() - start)
    return code


def _enlarge_plane(network: str, *numbers: str) -> int:
    """Enlarge a plane and print how far the peak rose above what was held before, less the result.

    A float network computes in floats, which take twice the memory of fixed point.
    """
    import numpy as np

    from sesr.engines.native import NativeEngine
    from sesr.network.quantized import load_network

    height, width, threads = map(int, numbers)
    engine = NativeEngine(load_network(Path(network)), threads, floats="float32")
    engine.run(np.full((64, 64), 0.5, np.float32))  # what the first call allocates once
    if engine.int8:
        pixels = np.full((height, width), 100, np.uint8)
        before, start = _held_bytes(), time.perf_counter()
        result_bytes = engine.run_bytes(pixels).nbytes
    else:
        luma = np.full((height, width), 0.4, np.float32)
        before, start = _held_bytes(), time.perf_counter()
        result_bytes = engine.run(luma).nbytes
    seconds = time.perf_counter() - start
    _print(peak_bytes() - before - result_bytes, seconds)
    return 0


def _held_bytes() -> int:
    """Return the memory that this process holds now; where the system does not say, its peak."""
    statm = Path("/proc/self/statm")
    if not statm.exists():
        return peak_bytes()
    import resource

    return int(statm.read_text(encoding="utf-8").split()[1]) * resource.getpagesize()


def _print(memory: int, seconds: float) -> None:
    sys.stdout.write(f"{memory} {seconds}\n")


def _main(kind: str, *arguments: str) -> int | str:
    """Measure, and return the exit code or, after a failure, the reason to print."""
    try:
        return _watch_command(arguments) if kind == "command" else _enlarge_plane(*arguments)
    except MemoryError as error:
        return f"not enough memory ({error})"
    except SesrError as error:
        return str(error)


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:]))
