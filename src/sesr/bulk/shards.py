"""Shards on one machine: a thread a picture, and nothing but the store to agree with other machines.

Whoever starts processes says which shards each of them takes: by ``--shard I/N``, or by the environment variables of
Slurm, AWS Batch and Kubernetes (`array_index`).
"""

import threading
from collections.abc import Generator, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass, replace

from sesr.bulk.job import Job
from sesr.bulk.logs import MOST_DEATHS, ShardLog, Started, killer
from sesr.bulk.records import Item, Record
from sesr.bulk.stores import Store
from sesr.bulk.tasks import tasks
from sesr.bulk.worker import Worker
from sesr.errors import SesrError, StoreError, UsageError
from sesr.jobs.budget import MemoryBudget

_SLURM = "SLURM_ARRAY_TASK"
_ARRAYS = (
    (f"{_SLURM}_ID", f"{_SLURM}_COUNT"),
    ("AWS_BATCH_JOB_ARRAY_INDEX", "AWS_BATCH_JOB_ARRAY_SIZE"),
    ("JOB_COMPLETION_INDEX", ""),
)
"""Variables with the index of a task, and with the number of tasks."""


@dataclass(frozen=True)
class Part:
    """Part of a job: every `of`-th shard, from shard `index` on. `of` None is the shard `index` alone.

    Raises `UsageError` for an index that is not from 0 to `of` - 1.
    """

    index: int
    of: int | None

    def __post_init__(self) -> None:
        if self.index < 0 or (self.of is not None and self.index >= self.of):
            last = "" if self.of is None else f" to {self.of - 1}"
            raise UsageError(f"part {self.index}: not an index from 0{last}; give --shard I/N")

    def shards(self, count: int) -> range:
        """Return the shards of this part, of `count` in the job. Raises `UsageError` if there is no such shard."""
        if self.of is None:
            if self.index >= count:
                raise UsageError(f"shard {self.index}: the job has {count} shards, from 0 on; start as many tasks")
            return range(self.index, self.index + 1)
        return range(self.index, count, self.of)


ALL = Part(0, 1)


def parse_part(text: str) -> Part:
    """Parse "3/5000": part 3 of 5000, counted from 0. Raises `UsageError`."""
    index, slash, count = text.partition("/")
    numbers = [number for number in (index, count) if number.isascii() and number.isdigit()]
    if not slash or len(numbers) < 2 or not int(index) < int(count):
        raise UsageError(f"--shard {text}: write I/N, such as 3/5000, with I from 0 to N - 1")
    return Part(int(index), int(count))


def array_part(environment: Mapping[str, str]) -> Part | None:
    """Return the part that a scheduler's array task has, None outside of one.

    Slurm alone knows arrays that begin elsewhere, have gaps, or run some tasks again. Then nobody can tell which part
    of how many is meant. Raises `UsageError` for these, and for what is no index.
    """
    index = array_variable(environment)
    if index is None:
        return None
    count = dict(_ARRAYS)[index]
    try:
        if index.startswith(_SLURM):
            first, last, tasks = (int(environment.get(f"{_SLURM}_{name}", -1)) for name in ("MIN", "MAX", "COUNT"))
            if first != 0 or last != tasks - 1:
                advice = f"give --shard ${index}/N"
                raise UsageError(f"{index}={environment[index]}: the array is not 0 to N - 1 without gaps; {advice}")
        return Part(int(environment[index]), int(environment[count]) if environment.get(count) else None)
    except ValueError as error:
        raise UsageError(f"{index}={environment[index]}: not an index; give --shard I/N") from error


def array_variable(environment: Mapping[str, str]) -> str | None:
    """Return the name of the variable with an array task's index, None outside of one."""
    return next((index for index, _ in _ARRAYS if environment.get(index)), None)


class Ended(BaseException):
    """Nobody wants the results any more. Unwinds like Ctrl-C."""


def run_shards(
    job: Job, shards: Iterable[int], *, jobs: int, threads: int, memory: int | None = None, again: bool = False
) -> Generator[Record, None, None]:
    """Work on shards, one after the other, and yield a record for each picture that was tried.

    Args:
        job: a planned job, whose fingerprint was checked.
        shards: numbers of shards.
        jobs: pictures at a time.
        threads: processor threads for all of them together.
        memory: bytes that they may need together; None takes half of what is free.
        again: do what is done once more.

    Closing the generator stops the work. Raises `StoreError` when a store fails; what is done is recorded then.
    """
    stop = threading.Event()

    def check() -> None:
        if stop.is_set():
            raise Ended

    budget, job = MemoryBudget(memory), replace(job, output=job.output.until(stop))
    worker = Worker(
        Store(job.source, stop=stop), job.output, job.settings, max(1, threads // jobs), budget=budget, check=check
    )
    with ThreadPoolExecutor(jobs, "picture") as pool:
        try:
            for shard in shards:
                yield from _Shard(job, shard, worker, again).records(pool, stop)
        finally:
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)


class _Shard:
    """One shard; arguments as for `run_shards`."""

    def __init__(self, job: Job, shard: int, worker: Worker, again: bool) -> None:
        self._worker, self._again = worker, again
        self._log, self._started = ShardLog(job, shard), Started(job, shard)
        items = job.items(shard)
        self._log.keep(items)
        self._todo = items if again else self._log.missing(items)

    def records(self, pool: ThreadPoolExecutor, stop: threading.Event) -> Generator[Record, None, None]:
        deaths = dict(self._started.suspects)
        killers = [item for item in self._todo if deaths.get(item.key, 0) >= MOST_DEATHS]
        suspects = [item for item in self._todo if 0 < deaths.get(item.key, 0) < MOST_DEATHS]
        others = [item for item in self._todo if item.key not in deaths]
        futures: list[Future[list[Record]]] = []
        try:
            for item in killers:
                record = killer(item)
                self._log.add(record)
                yield record
            futures = [pool.submit(self._task, task) for task in tasks(others)]
            for future in as_completed(futures):
                yield from future.result()
                self._log.flush(due=True)
            for item in suspects:  # alone, so that none other is blamed
                yield from pool.submit(self._task, [item]).result()
            self._log.flush()
            self._started.clear()
        except BaseException as error:
            stop.set()
            for future in futures:
                future.cancel()
            # first, since the rest may take longer than this process lives
            self._started.leave(stopped=not isinstance(error, SesrError))
            for future in futures:  # until they are at rest, what they did can be recorded
                if not future.cancelled():
                    future.exception()
            with suppress(StoreError):  # what cannot be recorded now is found again by its result
                self._log.flush()
            raise

    def _task(self, task: list[Item]) -> list[Record]:
        records = []
        with self._started.during(task):
            for item in task:
                record = self._worker.process(item, again=self._again)
                self._log.add(record)
                records.append(record)
        return records
