"""Processor time and memory of a command and of everything that it starts, also of what outlives it (Linux only).

Services that a command starts are not its children for long, so the system's own sums miss them. They inherit its
environment, though: a mark in there tells which processes belong to it. Each is looked at four times a second.
"""

import os
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from sesr.errors import EngineError

_PROC = Path("/proc")
_MARK = "PROCESS_TREE_MARK"
_PERIOD = 0.25


@dataclass(frozen=True)
class TreeUsage:
    """Time and memory of a command and its processes.

    Attributes:
        cpu: seconds of processor time.
        wall: seconds by the clock.
        memory: bytes that all held together at most, what they share counted once.
        code: exit code of the command.
    """

    cpu: float
    wall: float
    memory: int
    code: int


def check_proc() -> None:
    """Raise `EngineError` where there is no ``/proc`` to look into."""
    if not (_PROC / "self" / "smaps_rollup").exists():
        raise EngineError("processes can be looked at on Linux only")


def run_tree(command: Sequence[str]) -> TreeUsage:
    """Run a command, its output dropped, and measure it. Raises `EngineError` where that is not possible."""
    check_proc()
    mark, seen, memory, started = uuid4().hex, _Seen(), 0, time.monotonic()
    process = subprocess.Popen(
        command,
        env={**os.environ, _MARK: mark},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while process.poll() is None:
        memory = max(memory, seen.look(mark))
        time.sleep(_PERIOD)
    wall = time.monotonic() - started
    seen.look(mark)
    return TreeUsage(seen.cpu, wall, memory, process.returncode)


class _Seen:
    """Processor time of all processes that were ever seen."""

    def __init__(self) -> None:
        self._ticks: dict[tuple[str, str], int] = {}
        self._ours: dict[tuple[str, str], bool] = {}

    @property
    def cpu(self) -> float:
        """Seconds of all of them together."""
        return sum(self._ticks.values()) / os.sysconf("SC_CLK_TCK")

    def look(self, mark: str) -> int:
        """Look at all marked processes, and return the bytes that they hold together."""
        held = 0
        for place in _PROC.iterdir():
            if place.name.isdigit():
                with suppress(OSError, ValueError, IndexError):
                    held += self._look_at(place, mark)
        return held

    def _look_at(self, place: Path, mark: str) -> int:
        fields = (place / "stat").read_text(errors="replace").rpartition(")")[2].split()
        process = place.name, fields[19]
        if process not in self._ours:
            self._ours[process] = f"{_MARK}={mark}".encode() in (place / "environ").read_bytes()
        if not self._ours[process]:
            return 0
        self._ticks[process] = int(fields[11]) + int(fields[12])
        for line in (place / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
        return 0
