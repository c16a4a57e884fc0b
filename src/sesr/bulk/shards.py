"""Shards on one machine: a thread a picture, and nothing but the store to agree with other machines.

Whoever starts processes says which shards each of them takes: by ``--shard I/N``, or by the environment variables of
Slurm, AWS Batch and Kubernetes (`array_index`).
"""

import threading
from collections.abc import Generator, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass

from sesr.bulk.job import Job
from sesr.bulk.logs import MOST_DEATHS, ShardLog, Started, killer
from sesr.bulk.records import Item, Record
from sesr.bulk.stores import Store
from sesr.bulk.tasks import tasks
from sesr.bulk.worker import Worker
from sesr.errors import StoreError, UsageError
from sesr.jobs.budget import MemoryBudget

_ARRAYS = (
    ("SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_COUNT", "SLURM_ARRAY_TASK_MIN"),
    ("AWS_BATCH_JOB_ARRAY_INDEX", "AWS_BATCH_JOB_ARRAY_SIZE", ""),
    ("JOB_COMPLETION_INDEX", "", ""),
)
"""Variables with the index of a task, with the number of tasks, and with the first index, where it need not be 0."""


@dataclass(frozen=True)
class Part:
    """Part of a job: every `of`-th shard, from shard `index` on. `of` None is the shard `index` alone."""

    index: int
    of: int | None

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
    """Return the part that a scheduler's array task has, None outside of one. Raises `UsageError`."""
    for index, count, first in _ARRAYS:
        if environment.get(index):
            try:
                number = int(environment[index]) - int(environment.get(first, 0))
                of = int(environment[count]) if environment.get(count) else None
            except ValueError as error:
                raise UsageError(f"{index}={environment[index]}: not an index; give --shard I/N") from error
            return Part(number, of)
    return None


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

    budget = MemoryBudget(memory)
    worker = Worker(Store(job.source), job.output, job.settings, max(1, threads // jobs), budget=budget, check=check)
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
        except BaseException:
            stop.set()
            for future in futures:
                future.cancel()
            for future in futures:  # until they are at rest, what they did can be recorded
                if not future.cancelled():
                    future.exception()
            with suppress(StoreError):  # what cannot be recorded now is found again by its result
                self._log.flush()
            self._started.leave()
            raise

    def _task(self, task: list[Item]) -> list[Record]:
        records = []
        with self._started.during(task):
            for item in task:
                record = self._worker.process(item, again=self._again)
                self._log.add(record)
                records.append(record)
        return records
