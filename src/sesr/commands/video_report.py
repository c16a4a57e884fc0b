"""Reports of `sesr video`: lines for people and a progress line, or JSON for scripts.

When the film itself goes to stdout, reports go to stderr.
"""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, NoReturn, Protocol

from sesr.commands.arguments import plain
from sesr.errors import SesrError
from sesr.memory import gigabytes

if TYPE_CHECKING:
    from tqdm import tqdm

    from sesr.video.settings import Plan, Progress, Report

_STREAM = "-"
_JSON_EVERY = 1.0
"""Seconds between two objects about progress."""


class Reporter(Protocol):
    """Says what happens to a film."""

    def plan(self, plan: "Plan") -> None:
        """Say what is going to be done."""

    def progress(self, progress: "Progress") -> None:
        """Say how far it is. Called after each frame."""

    def done(self, report: "Report") -> None:
        """Say what became of the film."""

    def stopping(self) -> None:
        """Say that the command was stopped, and that what is finished is saved."""

    def partial(self, report: "Report | None", encoded: bool) -> None:
        """Say what was saved after a stop; None for nothing. `encoded` says that only joining was left."""


@contextmanager
def reporter(source: str, target: str, as_json: bool) -> Iterator[Reporter]:
    """Make a reporter. `as_json` prints objects, the last one about an error if there was one."""
    if as_json:
        report_json = _Json(source, target)
        try:
            yield report_json
        except SesrError as error:
            report_json.failed(str(error))
            raise
        return
    report = _Text(source, target)
    try:
        yield report
    finally:
        report.close()


class _Text:
    """Lines for people."""

    def __init__(self, source: str, target: str) -> None:
        self._source, self._target = source, target
        self._out = sys.stderr if target == _STREAM else sys.stdout
        self._bar: tqdm[NoReturn] | None = None
        self._begun: tuple[float, float] | None = None

    def plan(self, plan: "Plan") -> None:
        from tqdm import tqdm

        (w, h), (larger_w, larger_h) = plan.source_size, plan.target_size
        frames = "" if plan.frames is None else f", about {plan.frames} frames"
        self._say(f"{self._source} -> {self._target}  {w} x {h} -> {larger_w} x {larger_h}, {plan.codec}{frames}")
        if plan.disk is not None and plan.free is not None:
            self._say(f"needs about {_size(plan.disk)} of disk, {_size(plan.free)} are free")
            if plan.disk > plan.free:
                self._warn("the disk may become full; free some room, or name another place")
        if plan.done:
            first = ", after decoding again what comes before it: no keyframe leads there exactly"
            self._say(f"continues at frame {plan.done}{first if plan.reread else ''}")
        if plan.lost:
            self._warn(f"{self._source}: lost: {', '.join(plan.lost)}")
        if plan.unflagged:
            self._warn(
                f"{self._source}: none of its first frames is flagged as interlaced; "
                "frames without that flag stay as they are, --deinterlace-all treats all"
            )
        if plan.limits:
            self._warn(plan.limits)
        self._bar = tqdm(
            total=plan.frames,
            initial=plan.done,
            unit=" frames",
            bar_format="{percentage:3.0f}% {n_fmt}/{total_fmt}, {rate_fmt}{postfix}, {remaining} left",
            delay=1,
            smoothing=0.05,
            leave=False,
            disable=None,
        )

    def progress(self, progress: "Progress") -> None:
        if self._bar is None or self._bar.disable:
            return
        now = time.monotonic()
        if self._begun is None:
            self._begun = now, progress.seconds
        share = (progress.seconds - self._begun[1]) / max(now - self._begun[0], 1e-6)
        self._bar.set_postfix_str(f"{share:.2f} x real time, {_size(progress.size)}", refresh=False)
        self._bar.update(progress.frames - self._bar.n)

    def done(self, report: "Report") -> None:
        self.close()
        there = "is there already: " if report.already else ""
        size = "" if report.target is None else f", {_size(report.size)}"
        self._say(f"{self._target}  {there}{report.frames} frames, {_time(report.seconds)}{size}")
        if report.notes:
            self._warn(f"{self._source}: {'; '.join(report.notes)}")

    def stopping(self) -> None:
        self.close()

    def partial(self, report: "Report | None", encoded: bool) -> None:
        if encoded:
            self._warn("stopped while joining segments; run the same command again, which does that at once")
            return
        if report is None:
            self._warn("stopped before anything was finished; nothing is kept")
            return
        self._warn(
            f"stopped; the first {_time(report.seconds)} are in {report.target}; run the same command again to continue"
        )

    def close(self) -> None:
        """Remove the progress line."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _say(self, line: str) -> None:
        print(plain(line), file=self._out, flush=True)

    def _warn(self, line: str) -> None:
        print(f"sesr: {plain(line)}", file=sys.stderr, flush=True)


class _Json:
    """Objects for scripts."""

    def __init__(self, source: str, target: str) -> None:
        self._source, self._target = source, target
        self._out = sys.stderr if target == _STREAM else sys.stdout
        self._last = 0.0

    def plan(self, plan: "Plan") -> None:
        self._print({"status": "plan", "source": self._source, "target": self._target, **asdict(plan)})

    def progress(self, progress: "Progress") -> None:
        now = time.monotonic()
        if now - self._last >= _JSON_EVERY:
            self._last = now
            self._print({"status": "progress", **asdict(progress)})

    def done(self, report: "Report") -> None:
        self._print({"status": "done", **asdict(report)})

    def stopping(self) -> None:
        pass

    def failed(self, reason: str) -> None:
        """Say why there is no film."""
        self._print({"status": "failed", "source": self._source, "target": self._target, "reason": reason})

    def partial(self, report: "Report | None", encoded: bool) -> None:
        if report is not None:
            self._print({"status": "partial", **asdict(report)})
        else:
            self._print({"status": "stopped", "encoded": encoded})

    def _print(self, content: dict[str, object]) -> None:
        print(json.dumps(content, default=str), file=self._out, flush=True)


def _size(size: int) -> str:
    """Return a size for people: 80 kB, 3.5 MB."""
    if size < 100_000:
        return f"{size / 1000:.0f} kB"
    return f"{size / 1e6:.1f} MB" if size < 1e9 else gigabytes(size)


def _time(seconds: float) -> str:
    """Return a length for people: 12.3 s, 4:12, 1:02:30."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
