"""Runs `sesr video` many times, and kills it at chosen moments.

Each run is a fork of one process that has imported everything, so a kill hits the work and not the imports, and a run
takes a fraction of a second. The process reads a JSON object a line from stdin, and answers with another.
"""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import sesr

_CHANGES = ("os.mkdir", "os.rename", "os.link", "os.remove", "os.rmdir")


@dataclass(frozen=True)
class Ended:
    """A run that has ended: its exit code, -9 for a kill; what it printed; and the seconds that it took."""

    code: int
    output: str
    seconds: float


class Runner:
    """The process that runs are forked from."""

    def __init__(self) -> None:
        environment = os.environ | {"PYTHONPATH": str(Path(sesr.__file__).parents[1])}
        self._process = subprocess.Popen(
            [sys.executable, __file__], env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=60)

    def run(
        self, source: Path, target: Path, *options: str, seconds: float | None = None, change: int | None = None
    ) -> Ended:
        """Enlarge a film.

        Args:
            source, target, options: of `sesr video`.
            seconds: after which the run is killed.
            change: number of the change to the file system, from 0, before which it is killed.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        arguments = ["video", str(source), str(target), *options]
        wanted = {"arguments": arguments, "seconds": seconds, "change": change, "log": str(source) + ".log"}
        print(json.dumps(wanted), file=self._process.stdin, flush=True)
        return Ended(**json.loads(self._process.stdout.readline()))


def _die_before(change: int) -> None:
    """Kill this process before its next change to the file system, after so many."""
    left = change

    def look(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal left
        if event in _CHANGES or (event == "open" and isinstance(arguments[2], int) and arguments[2] & os.O_CREAT):
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(look)


def _run(arguments: list[str], seconds: float | None, change: int | None, log: str) -> Ended:
    began = time.monotonic()
    child = os.fork()
    if child == 0:
        descriptor = os.open(log, os.O_CREAT | os.O_TRUNC | os.O_WRONLY)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        if change is not None:
            _die_before(change)
        os._exit(main(arguments))
    if seconds is not None:
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return Ended(os.waitstatus_to_exitcode(status), Path(log).read_text(), time.monotonic() - began)


if __name__ == "__main__":
    import sesr.commands.video_report
    import sesr.video.film
    import sesr.video.pipes
    from sesr.cli import main

    for line in sys.stdin:
        sys.stdout.write(json.dumps(vars(_run(**json.loads(line)))) + "\n")
        sys.stdout.flush()
