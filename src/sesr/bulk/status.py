"""How far a job is: from the notes in its shards' logs, without their rows.

Counting rows of fifty million pictures would take minutes; each log says how many are done and how many failed. Only a
log of an earlier plan is compared with the present one, row by row.
"""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

from sesr.bulk.job import Job
from sesr.bulk.records import FAILED, Record, read_log, read_notes
from sesr.bulk.settings import digest

ACTIVE = 600.0
"""Seconds since a log was written within which its shard counts as being worked on."""

_AT_ONCE = 16
_NOTES = 32 << 10
"""Bytes at the end of a log that hold its notes."""


@dataclass(frozen=True)
class Status:
    """How far a job is.

    Attributes:
        pictures: in the plan.
        done, failed, left: of these.
        seconds: of work in all workers together so far.
        per_second: pictures that are recorded in a second now; None if nobody is at work.
        seconds_left: at this rate; None if nobody knows.
        kernels: what computed the results.
    """

    pictures: int
    done: int
    failed: int
    left: int
    seconds: float
    per_second: float | None
    seconds_left: float | None
    kernels: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class _Tally:
    """One shard's share."""

    done: int = 0
    failed: int = 0
    seconds: float = 0.0
    begun: float = 0.0
    written: float = 0.0
    added: int = 0
    through: bool = True
    kernels: tuple[str, ...] = ()


def job_status(job: Job, now: float | None = None) -> Status:
    """Return how far a job is; `now` is the time, seconds since 1970. Raises `StoreError`."""
    present = time.time() if now is None else now
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        tallies = list(pool.map(lambda shard: _tally(job, shard, present), range(len(job.counts))))
    done, failed = sum(tally.done for tally in tallies), sum(tally.failed for tally in tallies)
    left, rate = job.pictures - done - failed, _rate(tallies)
    kernels = sorted({kernel for tally in tallies for kernel in tally.kernels})
    return Status(
        job.pictures,
        done,
        failed,
        left,
        round(sum(tally.seconds for tally in tallies), 3),
        round(rate, 3) if rate else None,
        0.0 if not left else round(left / rate, 1) if rate else None,
        tuple(kernels),
    )


def failed_records(job: Job) -> Iterator[Record]:
    """Yield the records of pictures that failed. Raises `StoreError`."""
    for shard in range(len(job.counts)):
        content = job.output.read(job.key("log", shard))
        name = job.output.name(job.key("log", shard))
        if content is not None and _is_of(job, read_notes(content, name)):
            records = read_log(content, name)
            planned = {item.key for item in job.items(shard)} if any(r.status == FAILED for r in records) else set()
            yield from (record for record in records if record.status == FAILED and record.key in planned)


def _is_of(job: Job, notes: Mapping[str, str]) -> bool:
    """Tell whether a log is of the job's present settings; it may have been damaged, and planned anew with others."""
    return notes.get("fingerprint") == digest(job.fingerprint)


def _tally(job: Job, shard: int, now: float) -> _Tally:
    key = job.key("log", shard)
    end = job.output.end(key, _NOTES)
    if not end:
        return _Tally()
    notes = read_notes(end, job.output.name(key))
    if not _is_of(job, notes):
        return _Tally()
    done, failed = int(notes["done"]), int(notes["failed"])
    if notes["plan"] != job.plan:
        done, failed = _counted(job, shard)
    active = now - float(notes["written"]) < ACTIVE
    return _Tally(
        done,
        failed,
        float(notes["seconds"]),
        float(notes["begun"]),
        float(notes["written"]),
        int(notes["added"]) if active else 0,
        done + failed >= job.counts[shard],
        tuple(json.loads(notes["kernels"])),
    )


def _rate(tallies: Sequence[_Tally]) -> float:
    """Return how many pictures are recorded in a second: in shards that are under way, else in those just done."""
    active = [tally for tally in tallies if tally.added]
    rate = sum(tally.added / max(tally.written - tally.begun, 1e-3) for tally in active if not tally.through)
    if rate or not active:
        return rate
    span = max(tally.written for tally in active) - min(tally.begun for tally in active)
    return sum(tally.added for tally in active) / max(span, 1e-3)


def _counted(job: Job, shard: int) -> tuple[int, int]:
    """Return how many pictures of the present plan are done and failed by the log of an earlier one."""
    key = job.key("log", shard)
    records = read_log(job.output.read(key) or b"", job.output.name(key))
    etags = {item.key: item.etag for item in job.items(shard)}
    present = [record for record in records if record.key in etags and etags[record.key] in (None, record.etag)]
    done = sum(record.done for record in present)
    return done, len(present) - done
