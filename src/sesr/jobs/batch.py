"""Many pictures: several at a time, one's failure apart from the others, and all stopped cleanly when asked to.

What there is to do is found by `sesr.jobs.folders`, where results go is said by `sesr.jobs.targets`. Here the
work is done, a thread a picture: our engine, decoders and encoders compute outside of Python's lock.

Outcomes come in the order of the work. Pictures for the same target wait for each other, so the first of them has it,
whichever would have been quicker.

Whoever stops taking outcomes (Ctrl-C, an exception, `close`) stops the threads too: each at its next band of rows, and
its unfinished file is removed.
"""

import threading
import time
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from queue import SimpleQueue
from typing import Protocol

from sesr.errors import EngineError, SesrError, UsageError
from sesr.files.encoders import Saving
from sesr.files.files import picture_size
from sesr.inference.upscale import Progress, Upscaled
from sesr.jobs.folders import Found, Unread, Work
from sesr.jobs.progress import Bar, Share, is_shown
from sesr.jobs.targets import Targets, check_free, identity, is_done, is_older, make_folder_for
from sesr.memory import free_memory


class Enlarger(Protocol):
    """Makes larger pictures of picture files: `sesr.inference.upscale.Upscaler`."""

    @property
    def label(self) -> str:
        """What names of results say: x2."""

    def memory(self, size: tuple[int, int], target: Path) -> int:
        """Bytes that enlarging a picture of (width, height) into the target takes at most."""

    def upscale_file(
        self,
        source: Path,
        target: Path,
        progress: Progress | None = None,
        *,
        overwrite: bool = True,
        saving: Saving = ...,
    ) -> Upscaled:
        """Enlarges a file into another, which appears whole or not at all. Raises `SesrError`."""


@dataclass(frozen=True)
class Done:
    """A file that was upscaled; sizes, notes and losses are those of `sesr.inference.upscale.Upscaled`."""

    source: Path
    target: Path
    source_size: tuple[int, int]
    target_size: tuple[int, int]
    notes: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    seconds: float = field(default=0.0, compare=False)


@dataclass(frozen=True)
class Skipped:
    """A file from a folder that an earlier run enlarged; `older` if the file was changed since."""

    source: Path
    target: Path
    older: bool = False

    @property
    def reason(self) -> str | None:
        """Why somebody might want to look."""
        return "older than its picture" if self.older else None


@dataclass(frozen=True)
class Failed:
    """A file that was not, or a folder that cannot be looked into, and the one line why."""

    source: Path
    reason: str
    seconds: float = field(default=0.0, compare=False)


Outcome = Done | Skipped | Failed


def upscale_files(
    enlargers: Sequence[Enlarger],
    work: Work,
    output: str | None = None,
    *,
    file_format: str | None = None,
    saving: Saving = Saving(),  # noqa: B008  (frozen)
    overwrite: bool = False,
) -> Generator[Outcome, None, None]:
    """Enlarges picture files, with a progress bar on a terminal when it takes longer than a second.

    Args:
        enlargers: one for each picture to work on at a time. The same one may be there several times if it serves
            several threads: with our own engine it does.
        work: see `sesr.jobs.folders.find_pictures`.
        output: see `sesr.jobs.targets.Targets`.
        file_format: likewise.
        saving: the quality.
        overwrite: whether files that exist may be replaced. If not, those from folders are skipped.

    Yields one outcome for each thing in `work`, in its order, but nothing for a picture that was found twice. Raises
    `UsageError` when `output`, `file_format` or `saving` cannot be meant so, `PictureError` when the output's folder
    cannot be made, before any work is done. The work begins with the first outcome that is asked for, and is not held
    up by outcomes that nobody takes yet.
    """
    if not enlargers:
        raise UsageError("nothing to enlarge with: give one enlarger at least")
    targets = Targets(work, output, enlargers[0].label, file_format)
    targets.check_quality(saving.quality)
    return _Batch(enlargers, targets, saving, overwrite).outcomes(work)


class _Stopped(BaseException):
    """Nobody wants the results any more; on the way of Ctrl-C."""


class _Batch:
    """Arguments as for `upscale_files`."""

    def __init__(self, enlargers: Sequence[Enlarger], targets: Targets, saving: Saving, overwrite: bool) -> None:
        self._jobs = len(enlargers)
        self._idle: SimpleQueue[Enlarger] = SimpleQueue()
        for enlarger in enlargers:
            self._idle.put(enlarger)
        self._targets, self._saving, self._overwrite = targets, saving, overwrite
        self._memory = Memory(free_memory())
        self._size = cache(picture_size)
        self._stop = threading.Event()

    def outcomes(self, work: Work) -> Generator[Outcome, None, None]:
        work = self._without_repeated(work)
        bar = Bar(len(work), sum(map(self._expected_pixels, work)) if is_shown() else 0)
        try:
            with ThreadPoolExecutor(self._jobs, "picture") as pool:
                futures = self._submitted(pool, work, bar)
                try:
                    while futures:
                        yield futures.pop().result()
                finally:
                    self._stop.set()
                    pool.shutdown(wait=False, cancel_futures=True)
        finally:
            bar.close()

    def _without_repeated(self, work: Work) -> Work:
        """Without what was found in folders twice, for the same target."""
        seen, kept = set(), []
        for found in work:
            key = None if isinstance(found, Unread) else (identity(found.source), identity(self._targets.of(found)))
            if key is None or isinstance(found, Unread) or found.named or key not in seen:
                kept.append(found)
            seen.add(key)
        return kept

    def _submitted(self, pool: ThreadPoolExecutor, work: Work, bar: Bar) -> "list[Future[Outcome]]":
        """The last one first. Threads begin in the order of the work, so what one waits for was begun before it."""
        latest: dict[tuple[int, int] | str | None, Future[Outcome]] = {}
        futures = []
        for found in work:
            place = None if isinstance(found, Unread) else identity(self._targets.of(found))
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
            return self._tried(found, share)
        finally:
            share.finish()

    def _tried(self, found: Found, share: Share) -> Outcome:
        started = time.monotonic()
        try:
            return self._enlarged(found, share, started)
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
        return Failed(found.source, reason, time.monotonic() - started)

    def _enlarged(self, found: Found, share: Share, started: float) -> Done | Skipped:
        with self._targets.claim(found) as target:
            if not self._overwrite and is_done(found, target):
                return Skipped(found.source, target, is_older(target, found.source))
            check_free(found.source, target, overwrite=self._overwrite)
            with self._enlarger() as enlarger, self._memory.taken(self._needed(enlarger, found, target)):
                self._check_wanted()
                if not found.named:
                    make_folder_for(target)
                report = enlarger.upscale_file(
                    found.source, target, self._watched(share), overwrite=self._overwrite, saving=self._saving
                )
            return Done(found.source, target, **vars(report), seconds=time.monotonic() - started)

    def _watched(self, share: Share) -> Progress:
        def advance(rows: int, total: int) -> None:
            self._check_wanted()
            share.advance(rows, total)

        return advance

    def _check_wanted(self) -> None:
        if self._stop.is_set():
            raise _Stopped

    @contextmanager
    def _enlarger(self) -> Iterator[Enlarger]:
        enlarger = self._idle.get()
        try:
            yield enlarger
        finally:
            self._idle.put(enlarger)

    def _expected_pixels(self, found: Found | Unread) -> int:
        """Pixels that are to be enlarged: none of what is skipped."""
        if isinstance(found, Unread) or (not self._overwrite and is_done(found, self._targets.of(found))):
            return 0
        size = self._size(found.source)
        return 0 if size is None else size[0] * size[1]

    def _needed(self, enlarger: Enlarger, found: Found, target: Path) -> int:
        """Bytes. One alone is looked at when its turn comes: `sesr.files.files`."""
        size = self._size(found.source) if self._jobs > 1 else None
        return 0 if size is None else enlarger.memory(size, target)


class Memory:
    """Lets pictures begin while they fit into half of the memory that was free; one always may.

    Args:
        free: bytes, None if unknown.
    """

    def __init__(self, free: int | None) -> None:
        self._most = None if free is None else free // 2
        self._taken = 0
        self._changed = threading.Condition()

    @contextmanager
    def taken(self, size: int) -> Iterator[None]:
        """Takes so many bytes, as soon as there is room for them."""
        with self._changed:
            self._changed.wait_for(lambda: self._fits(size))
            self._taken += size
        try:
            yield
        finally:
            with self._changed:
                self._taken -= size
                self._changed.notify_all()

    def _fits(self, size: int) -> bool:
        return self._most is None or not self._taken or self._taken + size <= self._most
