"""Many pictures: several at a time, a failure of one harms no other, and all stop cleanly.

`sesr.jobs.folders` finds what there is to do, `sesr.jobs.targets` says where results go. Here the work is done, a
thread a picture: our engine, decoders and encoders compute outside of Python's lock.

Outcomes come in the order of the work. Pictures for the same target wait for each other, so the first of them gets it,
whichever would have been quicker.

Closing the iterator of outcomes stops the worker threads, and so do Ctrl-C and exceptions: each thread stops at its
next band of rows, and its unfinished file is removed.
"""

import threading
import time
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from queue import SimpleQueue
from typing import Protocol

from sesr.errors import EngineError, SesrError, UsageError
from sesr.files.open import picture_size
from sesr.files.write import Output
from sesr.inference.upscale import Progress, Upscaled
from sesr.jobs.budget import MemoryBudget
from sesr.jobs.folders import Found, Unread, Work
from sesr.jobs.outcomes import Done, Failed, Outcome, Skipped
from sesr.jobs.progress import Bar, Share, is_shown
from sesr.jobs.targets import Targets, check_free, identity, is_done, is_older, make_folder_for


class FileUpscaler(Protocol):
    """Makes larger pictures of picture files: `sesr.inference.upscale.Upscaler`."""

    @property
    def label(self) -> str:
        """The size in names of results: x2."""

    def memory(self, size: tuple[int, int], target: Path) -> int:
        """Return an upper bound in bytes for upscaling a picture of (width, height) into `target`."""

    def upscale_file(
        self,
        source: Path,
        target: Path,
        output: Output = ...,
        progress: Progress | None = None,
        *,
        page: int | None = None,
    ) -> Upscaled:
        """Upscale a file into another, which appears whole or not at all. Raises `SesrError`."""


def upscale_files(
    upscalers: Sequence[FileUpscaler],
    work: Work,
    output: str | None = None,
    *,
    file_format: str | None = None,
    writing: Output = Output(overwrite=False),
    memory: int | None = None,
) -> Generator[Outcome, None, None]:
    """Upscale picture files, with a progress bar on a terminal when it takes longer than a second.

    Args:
        upscalers: one for each picture to work on at a time. The same one may be there several times if it serves
            several threads: with our own engine it does.
        work: see `sesr.jobs.folders.find_pictures`.
        output: see `sesr.jobs.targets.Targets`.
        file_format: likewise.
        writing: how to write files. Where it does not let files be replaced, those from folders are skipped.
        memory: bytes that the pictures worked on at a time may need together; None takes half of what is free. One
            picture alone is worked on whatever it needs.

    Yields one outcome for each thing in `work`, in its order, but nothing for a picture that was found twice. Raises
    `UsageError` when `output`, `file_format` or `writing` cannot be meant so, `PictureError` when the output's folder
    cannot be made, before any work is done. The work begins with the first outcome that is asked for, and is not held
    up by outcomes that nobody takes yet.
    """
    if not upscalers:
        raise UsageError("nothing to upscale with: give at least one upscaler")
    targets = Targets(work, output, upscalers[0].label, file_format)
    targets.check_quality(writing.quality)
    return _Batch(upscalers, targets, writing, MemoryBudget(memory)).outcomes(work)


class _Stopped(BaseException):
    """Nobody wants the results any more. Unwinds like Ctrl-C."""


class _Batch:
    """Arguments as for `upscale_files`."""

    def __init__(
        self,
        upscalers: Sequence[FileUpscaler],
        targets: Targets,
        writing: Output,
        budget: MemoryBudget,
    ) -> None:
        self._jobs = len(upscalers)
        self._idle: SimpleQueue[FileUpscaler] = SimpleQueue()
        for upscaler in upscalers:
            self._idle.put(upscaler)
        self._targets, self._writing, self._budget = targets, writing, budget
        self._size = cache(picture_size)
        self._stop = threading.Event()

    def outcomes(self, work: Work) -> Generator[Outcome, None, None]:
        work = self._without_repeated(work)
        bar = Bar(len(work), sum(map(self._expected_pixels, work)) if is_shown() else 0)
        try:
            with ThreadPoolExecutor(self._jobs, "picture") as pool:
                try:  # from the first picture on: a stop may come while others are still being handed out
                    futures = self._submitted(pool, work, bar)
                    while futures:
                        yield futures.pop().result()
                finally:
                    self._stop.set()
                    pool.shutdown(wait=False, cancel_futures=True)
        finally:
            bar.close()

    def _without_repeated(self, work: Work) -> Work:
        """Drop what was found in folders twice, for the same target."""
        seen, kept = set(), []
        for found in work:
            key = None if isinstance(found, Unread) else (identity(found.source), identity(self._targets.target(found)))
            if key is None or isinstance(found, Unread) or found.named or key not in seen:
                kept.append(found)
            seen.add(key)
        return kept

    def _submitted(self, pool: ThreadPoolExecutor, work: Work, bar: Bar) -> "list[Future[Outcome]]":
        """Start all work, and return it last one first. Threads take it in order, so none waits for what waits."""
        latest: dict[tuple[int, int] | str | None, Future[Outcome]] = {}
        futures = []
        for found in work:
            place = None if isinstance(found, Unread) else identity(self._targets.target(found))
            before = None if place is None else latest.get(place)
            latest[place] = pool.submit(self._outcome, found, before, bar)
            futures.append(latest[place])
        return futures[::-1]

    def _outcome(self, found: Found | Unread, before: "Future[Outcome] | None", bar: Bar) -> Outcome:
        if isinstance(found, Unread):
            bar.finish_picture()
            return Failed(found.folder, found.reason)
        if before is not None:
            wait([before])
        share = Share(bar, self._expected_pixels(found) if is_shown() else 0)
        try:
            return self._upscaled_or_failed(found, share)
        finally:
            share.finish()

    def _upscaled_or_failed(self, found: Found, share: Share) -> Outcome:
        started = time.monotonic()
        try:
            return self._upscaled(found, share, started)
        except EngineError as error:
            reason = f"{found.source}: {error}"
        except SesrError as error:
            reason = str(error)
        except MemoryError:
            reason = f"{found.source}: not enough memory; free some, or take fewer at a time with -j"
        except OSError as error:
            reason = f"{error.filename or found.source}: {error.strerror or error}; check the place and its permissions"
        except Exception as error:  # a fault of ours: one picture's, not the end of a whole night's work
            what = " ".join(f"{type(error).__name__}: {error}".split())
            reason = f"{found.source}: failed in a way that it should not ({what}); please report it with the picture"
        return Failed(found.source, reason, found.page, time.monotonic() - started)

    def _upscaled(self, found: Found, share: Share, started: float) -> Done | Skipped:
        with self._targets.claim(found) as target:
            if not self._writing.overwrite and is_done(found, target):
                return Skipped(found.source, target, is_older(target, found.source), found.page)
            check_free(found.source, target, overwrite=self._writing.overwrite)
            with self._upscaler() as upscaler, self._budget.taken(self._needed(upscaler, found, target)):
                self._check_wanted()
                if not found.named:
                    make_folder_for(target)
                report = upscaler.upscale_file(
                    found.source, target, self._writing, self._watched(share), page=found.page
                )
            seconds = time.monotonic() - started
            return Done(found.source, target, **vars(report), page=found.page, seconds=seconds)

    def _watched(self, share: Share) -> Progress:
        def advance(rows: int, total: int) -> None:
            self._check_wanted()
            share.advance(rows, total)

        return advance

    def _check_wanted(self) -> None:
        if self._stop.is_set():
            raise _Stopped

    @contextmanager
    def _upscaler(self) -> Iterator[FileUpscaler]:
        upscaler = self._idle.get()
        try:
            yield upscaler
        finally:
            self._idle.put(upscaler)

    def _expected_pixels(self, found: Found | Unread) -> int:
        """Return how many pixels are to be upscaled: none of what is skipped."""
        if isinstance(found, Unread) or (not self._writing.overwrite and is_done(found, self._targets.target(found))):
            return 0
        size = self._size(found.source)
        return 0 if size is None else size[0] * size[1]

    def _needed(self, upscaler: FileUpscaler, found: Found, target: Path) -> int:
        """Return the bytes that a picture needs. One at a time is checked when its turn comes, in `sesr.files`."""
        size = self._size(found.source) if self._jobs > 1 else None
        return 0 if size is None else upscaler.memory(size, target)
