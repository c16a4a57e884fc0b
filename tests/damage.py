"""Damaged picture files, many: none may crash, hang, leave half a file or change its source.

``python tests/damage.py --inputs 8000`` prints figures. Files are damaged by a seeded generator, so that a
fault can be found again: ``--first`` starts at that number. The engine repeats pixels, since nothing but the way
through the file formats is tried. A worker process does the work, so that a crash in a C library is seen as one.
"""

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.fakes import Nearest
from tests.sample_files import damaged, every_format

from sesr.errors import SesrError
from sesr.inference.networks import OneNetwork
from sesr.inference.sizes import parse_scale
from sesr.inference.upscale import Upscaler

SLOW = 10.0
"""Seconds that an input may take, on a machine that has other work too."""

PIXEL_LIMIT = 4_000_000


def target_of(index: int, name: str) -> str:
    """A result in one of the formats, mostly those that hold most."""
    suffixes = [".png", ".png", ".tif", ".tif", ".webp", ".jpg", ".bmp", ".jxl", ".avif", ".heic"]
    if name.startswith("moving"):
        suffixes = [".png", ".webp", ".gif", ".avif"]
    return f"out{np.random.default_rng([index, 1]).choice(suffixes)}"


def attempt(upscaler: Upscaler, folder: Path, index: int, name: str, content: bytes) -> str:
    """Return what became of one input: ok, refused, or a fault in words."""
    source, target = folder / f"in{Path(name).suffix}", folder / target_of(index, name)
    source.write_bytes(content)
    before, outcome = time.monotonic(), "ok"
    try:
        upscaler.upscale_file(source, target)
    except SesrError as error:
        outcome = "refused" if "\n" not in str(error) else "message of several lines"
    except Exception:
        outcome = "traceback: " + traceback.format_exc()
    if time.monotonic() - before > SLOW:
        outcome = f"hang: {time.monotonic() - before:.1f} s"
    if source.read_bytes() != content:
        outcome = "source changed"
    left = {path.name for path in folder.iterdir()} - {source.name}
    if left != ({target.name} if outcome == "ok" else set()):
        outcome = f"{outcome}; files left: {sorted(left)}"
    for path in folder.iterdir():
        path.unlink()
    return outcome


def say(line: str) -> None:
    """At once, since the next input may be the last."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def work(first: int, stop: int) -> None:
    """Try inputs and print a line for each, before it and after it."""
    warnings.simplefilter("error")
    samples = sorted(every_format().items())
    upscaler = Upscaler(OneNetwork(Nearest()), parse_scale(2), PIXEL_LIMIT)
    with tempfile.TemporaryDirectory() as folder:
        for index in range(first, stop):
            name, content = samples[index % len(samples)]
            changed = damaged(content, np.random.default_rng(index))
            say(f"start {index} {name}")
            outcome = attempt(upscaler, Path(folder), index, name, changed)
            say(f"done {index} {outcome!r}")


@dataclass
class Report:
    """Outcomes of a run, counted, and each fault in words."""

    outcomes: Counter[str]
    faults: list[str]
    noise: int


def fuzz(first: int, count: int, timeout: float) -> Report:
    """Try `count` inputs in worker processes. A worker that dies is replaced, and its input is a fault."""
    report, at, stop = Report(Counter(), [], 0), first, first + count
    while at < stop:
        command = [sys.executable, __file__, "--worker", "--first", str(at), "--inputs", str(stop - at)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "VIPS_CONCURRENCY": "1"}
        with contextlib.suppress(subprocess.TimeoutExpired):
            result = subprocess.run(
                command, capture_output=True, text=True, errors="replace", timeout=timeout, env=environment, check=False
            )
            at = _read(result, report, at, stop)
            continue
        report.faults.append(f"no end within {timeout:.0f} s from input {at} on")
        break
    return report


def _read(result: "subprocess.CompletedProcess[str]", report: Report, at: int, stop: int) -> int:
    """Count what a worker reported, and return where to continue."""
    running = ""
    for line in result.stdout.splitlines():
        kind, number, text = line.split(" ", 2)
        if kind == "start":
            running, at = text, int(number)
        else:
            outcome = text.strip("'\"")
            good = outcome in ("ok", "refused")
            report.outcomes[outcome if good else "fault"] += 1
            if not good:
                report.faults.append(f"{number} {running}: {outcome}")
            at = int(number) + 1
    report.noise += len(result.stderr)
    if at < stop:
        last = result.stderr.strip().splitlines()[-1:] or [""]
        report.faults.append(f"{at} {running}: the process ended with {result.returncode} ({last[0]})")
        report.outcomes["crash"] += 1
        at += 1
    elif result.stderr:
        sys.stderr.write(result.stderr[:2000])
    return at


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=5000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        work(options.first, options.first + options.inputs)
        return 0
    before = time.monotonic()
    report = fuzz(options.first, options.inputs, 3600)
    say(f"{options.inputs} inputs in {time.monotonic() - before:.0f} s: {dict(report.outcomes)}")
    say(f"{len(report.faults)} faults, {report.noise} characters on stderr")
    for fault in report.faults:
        say(fault.replace("\\n", "\n"))
    return 1 if report.faults else 0


if __name__ == "__main__":
    sys.exit(main())
