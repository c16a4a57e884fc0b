"""Frames on their way through threads: in their order, copies without a worker, and no thread that stays."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import pytest

pytest.importorskip("av")

from sesr.errors import EngineError
from sesr.video.pipeline import upscaled


@dataclass
class Task:
    """A frame to compute, or one that equals the one before."""

    number: int
    still: bool


class Upscaler:
    """Computes frames whose number is a multiple of four, and copies those between. Notes which threads do."""

    frame_bytes = 1

    def __init__(self, fails: int = -1) -> None:
        self.gate, self.begun, self.second = threading.Event(), threading.Event(), threading.Event()
        self.finished: list[int] = []
        self._fails = fails

    def plan(self, number: int) -> Task:
        return Task(number, number % 4 > 0)

    def run(self, task: Task) -> int:
        if task.number == self._fails:
            raise EngineError("no network")
        if task.still:
            assert task.number - 1 in self.finished, "a copy never waits"
        if task.number == 0:
            self.begun.set()
            assert self.gate.wait(10)
        if task.number == 4:
            self.second.set()
        self.finished.append(task.number)
        return task.number


def run(upscaler: Upscaler, frames: Iterator[int], workers: int) -> Iterator[Any]:
    return upscaled(cast("Any", frames), cast("Any", upscaler), workers)


def opened_after(event: threading.Event, upscaler: Upscaler) -> threading.Thread:
    """Let frame 0 end once something has happened."""

    def wait() -> None:
        event.wait(10)
        upscaler.gate.set()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def test_copies_keep_no_worker_from_the_next_frame() -> None:
    """Frame 0 takes long. Its three copies wait, and the second worker computes frame 4 meanwhile."""
    upscaler = Upscaler()
    results = run(upscaler, iter(range(16)), 2)
    opener = opened_after(upscaler.second, upscaler)
    assert list(results) == list(range(16))
    opener.join()
    assert upscaler.finished[0] == 4


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("fails", [0, 2, 4])
def test_a_failure_arrives_behind_the_frames_before_it(workers: int, fails: int) -> None:
    upscaler = Upscaler(fails)
    found: list[int] = []
    upscaler.gate.set()
    results = run(upscaler, iter(range(16)), workers)
    with pytest.raises((EngineError, AssertionError)):
        found.extend(results)
    assert found == list(range(fails))
    assert sorted(number for number in upscaler.finished if number < fails) == list(range(fails))


def test_leaving_early_ends_all_threads_and_copies_that_wait() -> None:
    before = threading.active_count()
    upscaler = Upscaler()
    results = run(upscaler, iter(range(1000)), 1)
    opener = opened_after(upscaler.begun, upscaler)
    assert next(results) == 0
    cast("Any", results).close()
    opener.join()
    assert threading.active_count() == before
    assert len(upscaler.finished) < 40
