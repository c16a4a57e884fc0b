"""Logs: which pictures of a shard are done, and which were being worked on when a process died.

The log is one Parquet object per shard. It is written anew every half minute and at the end, so it may lag behind the
results; a look at a result decides then (`sesr.bulk.worker`). In local folders it is written after each task, less
often as it grows, and what it does not know is done again. A log that is damaged, or of other settings, counts as none,
and is written anew. When two processes work on one shard, the last to write wins, and both have made the same results.

A process that is killed (out of memory, a decoder that crashes) can say nothing. So it says beforehand what it begins,
in ``started-*.json``, and takes it back afterwards. The next process finds the pictures that were under way: those are
tried one by one, and one that has killed three processes becomes a failed record.
"""

import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress

from sesr.bulk.job import Job
from sesr.bulk.records import FAILED, DamagedError, Item, Record, log_bytes, read_log, read_notes
from sesr.bulk.settings import digest
from sesr.bulk.stores import Store
from sesr.errors import StoreError

MOST_DEATHS = 3
"""Processes that a picture may kill."""

FLUSH = 30.0
"""Seconds between two writings of a log."""

LAST_WAITS = (0.5, 1.0)
"""Seconds between the tries to take marks back at a stop, whose sender soon loses patience."""

_SHARE = 0.05
"""Most of the time that a log in a local folder may take. There no request is paid for, and the log alone knows what is
done, so it is written as often as this allows."""


class ShardLog:
    """Records of a shard. Any thread may add some."""

    def __init__(self, job: Job, shard: int, *, clock: Callable[[], float] = time.time) -> None:
        self._job, self._shard, self._clock = job, shard, clock
        self._key = job.key("log", shard)
        content = job.output.read(self._key)
        self._digest = digest(job.fingerprint)
        self._records = {record.key: record for record in self._earlier(content)}
        self._begun = self._written = clock()
        self._added, self._alone = 0, threading.Lock()
        self._changed = content is not None and not self._records
        self._every, self._here = (FLUSH, False) if job.output.keeps_attributes else (0.0, True)

    def missing(self, items: Iterable[Item]) -> list[Item]:
        """Return the pictures that are not done, or have changed since."""
        return [item for item in items if not self._is_done(item)]

    def keep(self, items: Iterable[Item]) -> None:
        """Forget records of pictures that are not in the plan any more."""
        keys = {item.key for item in items}
        gone = self._records.keys() - keys
        self._records = {key: record for key, record in self._records.items() if key in keys}
        self._changed |= bool(gone)

    def add(self, record: Record) -> None:
        """Add a record, in place of an earlier one."""
        with self._alone:
            self._records[record.key] = record
            self._added, self._changed = self._added + 1, True

    def flush(self, *, due: bool = False) -> None:
        """Write the log, if there is something new; with `due`, only if the last time was long ago.

        Raises `StoreError`.
        """
        now = self._clock()
        if not self._changed or (due and now - self._written < self._every):
            return
        started = time.perf_counter()
        with self._alone:
            records, self._changed = list(self._records.values()), False
        self._job.output.put(self._key, log_bytes(records, self._notes(records, now)))
        self._written = now
        if self._here:
            self._every = (time.perf_counter() - started) / _SHARE

    def _earlier(self, content: bytes | None) -> list[Record]:
        """Return what an earlier process wrote; nothing if it is damaged, or of other settings."""
        if content is None:
            return []
        name = self._job.output.name(self._key)
        with suppress(DamagedError):
            if read_notes(content, name).get("fingerprint") == self._digest:
                return read_log(content, name)
        return []

    def _is_done(self, item: Item) -> bool:
        record = self._records.get(item.key)
        return record is not None and record.done and item.etag in (None, record.etag)

    def _notes(self, records: list[Record], now: float) -> dict[str, str]:
        """Return what `sesr.bulk.status` reads without the rows."""
        done = sum(record.done for record in records)
        kernels = sorted({record.kernel for record in records if record.kernel})
        return {
            "plan": self._job.plan,
            "fingerprint": self._digest,
            "done": str(done),
            "failed": str(len(records) - done),
            "seconds": str(sum(record.seconds for record in records)),
            "begun": str(self._begun),
            "written": str(now),
            "added": str(self._added),
            "kernels": json.dumps(kernels),
        }


class Started:
    """Pictures of a shard that are under way, written down before each task."""

    def __init__(self, job: Job, shard: int) -> None:
        self._job, self._key = job, job.key("started", shard)
        content = job.output.read(self._key)
        self._deaths: dict[str, int] = {}
        with suppress(ValueError, TypeError, AttributeError):  # damaged: nothing is known
            found = json.loads(content or b"{}")
            self._deaths = {str(key): int(count) for key, count in found.items()}
        self._under_way: set[str] = set()
        self._left = False
        self._alone = threading.Lock()
        self._there = content is not None

    @property
    def suspects(self) -> Mapping[str, int]:
        """Pictures that were under way when processes died, and how many did."""
        return self._deaths

    @contextmanager
    def during(self, task: Iterable[Item]) -> Iterator[None]:
        """Name the pictures of a task as under way for the body. Raises `StoreError`."""
        keys = {item.key for item in task}
        with self._alone:
            if not self._left:
                self._under_way |= keys
                self._write()
        try:
            yield
        except BaseException:  # an end that can be told is no death
            self._finish(keys, innocent=False)
            raise
        self._finish(keys, innocent=True)

    def clear(self) -> None:
        """Take everything back: the shard is through. Raises `StoreError`."""
        with self._alone:
            self._deaths, self._under_way = {}, set()
            self._write()

    def leave(self, *, stopped: bool) -> None:
        """Take back what is under way: this process ends before it is done, and not by a picture.

        A store that is down is tried again: for as long as always, or only for seconds if somebody has `stopped` this
        process. If it stays down, the pictures count as if the process had died.
        """
        output = self._job.output.until(threading.Event(), LAST_WAITS if stopped else None)
        with self._alone, suppress(StoreError):
            self._under_way, self._left = set(), True
            self._write(output)

    def _finish(self, keys: set[str], *, innocent: bool) -> None:
        with self._alone:
            self._under_way -= keys
            if innocent:
                self._deaths = {key: count for key, count in self._deaths.items() if key not in keys}

    def _write(self, output: Store | None = None) -> None:
        """Write deaths as they would be if the process died now."""
        store = output or self._job.output
        content = self._deaths | {key: self._deaths.get(key, 0) + 1 for key in self._under_way}
        if content:
            store.put(self._key, json.dumps(content, ensure_ascii=False).encode())
        elif self._there:
            store.delete(self._key)
        self._there = bool(content)


def killer(item: Item) -> Record:
    """Return the record of a picture that has killed too many processes."""
    reason = f"{MOST_DEATHS} processes died while they worked on it; give them more memory, or look at it by itself"
    return Record(item.key, item.etag, FAILED, reason, finished=time.time())
