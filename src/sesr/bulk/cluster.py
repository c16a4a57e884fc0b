"""A job on Ray: keys travel through it, pictures do not.

This process, the driver, hands out tasks of keys (`sesr.bulk.tasks`). A worker process fetches these pictures from
the store, upscales them, puts the results, and answers with records. The driver writes the logs, so a job that was
begun on Ray can be ended by shards, and the other way round.

- A task asks Ray for as many processors as it uses threads, always.
- A picture of more than fifty megapixels is handed back by the worker that meets it, and started again by itself, with
  several threads on one node and the memory that it may need. No small picture waits for it.
- When a worker process dies, its pictures are tried again, each by itself. One that has killed three becomes a failed
  record.
- A fault of the store ends the run. What is done stays done.
"""

import io
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager, redirect_stderr, suppress
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from sesr.bulk.job import Job, open_job
from sesr.bulk.logs import MOST_DEATHS, ShardLog, killer
from sesr.bulk.records import FAILED, Item, Record
from sesr.bulk.stores import Store
from sesr.bulk.tasks import tasks
from sesr.bulk.worker import Large, Worker
from sesr.errors import EngineError, NotInstalledError, SesrError, StoreError, UsageError
from sesr.jobs.budget import MemoryBudget
from sesr.memory import gigabytes

MOST_THREADS = 8
"""Processors for one large picture. Further ones would wait for its encoder."""

PROCESS = 250 << 20
"""Bytes that a worker holds beside its picture: Python, Ray, and all libraries."""

_WAITING = 5.0

AHEAD = 2
"""Tasks for each processor that Ray knows of at a time: one that runs, one that waits."""


def run_on_ray(
    job: Job, shards: Iterable[int], *, address: str | None = None, threads: int = 1, again: bool = False
) -> Generator[Record, None, None]:
    """Work on shards by Ray, and yield a record for each picture that was tried.

    Args:
        job: a planned job, whose fingerprint was checked.
        shards: numbers of shards.
        address: of a cluster, as for `ray.init`; None takes that of ``RAY_ADDRESS``, or starts Ray on this machine.
        threads: processor threads of a worker.
        again: do what is done once more.

    Raises `UsageError` if no node has so many threads, `NotInstalledError` without Ray, `EngineError` when the cluster
    cannot be reached, `StoreError` when a store fails.
    """
    ray, ours = _start(address)
    try:
        yield from _Driver(ray, job, threads, again).records(shards)
    finally:
        if ours:
            ray.shutdown()


@dataclass(eq=False)
class _Open:
    """A shard that is being worked on, with the number of its pictures that are not recorded yet."""

    log: ShardLog
    left: int = 0


@dataclass
class _Task:
    """Pictures that are handed to a worker.

    Attributes:
        shard: to which it belongs.
        items: the pictures.
        deaths: worker processes that died with it.
        memory: bytes that it may need; 0 for pictures of unknown size.
    """

    shard: _Open
    items: list[Item]
    deaths: int = 0
    memory: int = 0


class _Driver:
    """Hands out tasks and collects records; arguments as for `run_on_ray`."""

    def __init__(self, ray: Any, job: Job, threads: int, again: bool) -> None:  # noqa: ANN401 - the module
        self._stop = threading.Event()
        self._job = replace(job, output=job.output.until(self._stop))
        self._ray, self._threads, self._again = ray, threads, again
        self._remote = ray.remote(max_retries=0)(upscale_task)
        self._running: dict[Any, _Task] = {}
        self._open: set[_Open] = set()
        self._urgent: deque[_Task] = deque()

    def records(self, shards: Iterable[int]) -> Generator[Record, None, None]:
        if 0 < (most := self._largest("CPU")) < self._threads:
            raise UsageError(f"--threads {self._threads}: the largest node has {most} processors; give at most so many")
        waiting = self._tasks(shards)
        try:
            while True:
                yield from self._fill(waiting)
                for shard in list(self._open):
                    self._recorded(shard)
                if not self._running:
                    return
                ready, _ = self._ray.wait(list(self._running), num_returns=1, timeout=_WAITING)
                for answer in ready:
                    yield from self._taken(answer)
        except BaseException as error:
            if not isinstance(error, Exception):  # then a store that is down is not waited for
                self._stop.set()
            for answer in self._running:
                self._ray.cancel(answer)
            if self._running:  # so that workers leave nothing in their temporary folders
                self._ray.wait(list(self._running), num_returns=len(self._running), timeout=_WAITING)
            with suppress(StoreError):  # what cannot be recorded now is found again by its result
                for shard in self._open:
                    shard.log.flush()
            raise

    def _tasks(self, shards: Iterable[int]) -> Iterator[_Task]:
        """Open shards one by one, and yield their tasks."""
        for number in shards:
            shard = _Open(ShardLog(self._job, number))
            items = self._job.items(number)
            shard.log.keep(items)
            todo = items if self._again else shard.log.missing(items)
            shard.left = len(todo)
            if not todo:
                shard.log.flush()
                continue
            self._open.add(shard)
            yield from (_Task(shard, task) for task in tasks(todo))

    def _fill(self, waiting: Iterator[_Task]) -> Iterator[Record]:
        """Hand out tasks until each processor has one to do and one to wait for. Yields what cannot be done."""
        most = AHEAD * max(1, int(self._ray.cluster_resources().get("CPU", 1)) // self._threads)
        while len(self._running) < most:
            task = self._urgent.popleft() if self._urgent else next(waiting, None)
            if task is None:
                return
            if task.memory and task.memory > (room := self._largest("memory")):
                reason = f"needs {gigabytes(task.memory)} of memory, and the largest node offers {gigabytes(room)}"
                yield from (self._recording(task.shard, _failed(item, reason)) for item in task.items)
            else:
                self._running[self._submitted(task)] = task

    def _submitted(self, task: _Task) -> Any:  # noqa: ANN401 - a reference of Ray's
        threads, resources = self._threads, {}
        if task.memory:
            threads = max(threads, min(MOST_THREADS, self._largest("CPU") // 2))
            resources = {"memory": task.memory}
        where = (self._job.output.url, self._job.name, self._job.plan)
        options = self._remote.options(num_cpus=threads, **resources)
        return options.remote(where, task.items, threads, large=bool(task.memory), again=self._again)

    def _largest(self, resource: str) -> int:
        """Return what the node with most of a resource has of it."""
        return int(max((node["Resources"].get(resource, 0) for node in self._ray.nodes() if node["Alive"]), default=0))

    def _taken(self, answer: Any) -> Iterator[Record]:  # noqa: ANN401
        """Take a worker's answer, or what became of the worker."""
        task = self._running.pop(answer)
        try:
            outcomes = self._ray.get(answer)
        except self._ray.exceptions.RayTaskError as error:
            raise _cause(error) from None
        except self._ray.exceptions.RayError:
            yield from self._died(task)
            return
        for outcome in outcomes:
            if isinstance(outcome, Large):
                self._urgent.append(_Task(task.shard, [outcome.item], memory=outcome.memory + PROCESS))
            else:
                yield self._recording(task.shard, outcome)

    def _died(self, task: _Task) -> Iterator[Record]:
        """Try the pictures of a dead worker again, each by itself, or give one up."""
        deaths = task.deaths + 1
        for item in task.items:
            if deaths >= MOST_DEATHS:
                yield self._recording(task.shard, killer(item))
            else:
                self._urgent.append(_Task(task.shard, [item], deaths, task.memory))

    def _recording(self, shard: _Open, record: Record) -> Record:
        shard.log.add(record)
        shard.left -= 1
        return record

    def _recorded(self, shard: _Open) -> None:
        """Write a shard's log if it is time, and close a shard that is through."""
        shard.log.flush(due=shard.left > 0)
        if not shard.left:
            self._open.remove(shard)


def upscale_task(
    where: tuple[str, str, str], items: list[Item], threads: int, *, large: bool, again: bool
) -> list[Record | Large]:
    """Upscale the pictures of a task; this runs in Ray's worker processes.

    Args:
        where: URL of the output, name of the job and mark of its plan.
        items: the pictures.
        threads: processor threads, as many as the task has processors.
        large: whether large pictures are to be done too, rather than handed back.
        again: do what is done once more.

    Raises `StoreError` when a store fails, `UsageError` where this machine would make other results.
    """
    worker = _worker(where, threads)
    return [worker.process(item, again=again) if large else worker.small(item, again=again) for item in items]


@cache
def _worker(where: tuple[str, str, str], threads: int) -> Worker:
    """Return the worker of this process, its networks loaded once."""
    from sesr.memory import return_freed_blocks

    return_freed_blocks()
    url, name, _ = where
    job = open_job(Store(url), name)
    job.check()
    return Worker(Store(job.source), job.output, job.settings, threads, budget=MemoryBudget(0))


def _start(address: str | None) -> tuple[Any, bool]:
    """Connect to Ray, or start it here. Returns the module, and whether it is ours to shut down."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
        import ray.exceptions
    except ImportError as error:
        raise NotInstalledError("--ray needs Ray; pip install 'sesr[ray]'") from error
    if ray.is_initialized():
        return ray, False
    place = address or os.environ.get("RAY_ADDRESS") or "local"
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR", "configure_logging": False}
    if place == "local":
        from sesr.processors import available_threads

        options |= {"num_cpus": available_threads(), "include_dashboard": False, "object_store_memory": 100 << 20}
    try:
        with _own_signals(), redirect_stderr(io.StringIO()):  # Ray prints remarks whatever its log's level is
            ray.init(address=place, **options)
    except Exception as error:
        text = " ".join(str(error).split())[:200]
        raise EngineError(f"Ray at {place}: cannot be reached ({text}); check the address") from error
    return ray, True


@contextmanager
def _own_signals() -> Iterator[None]:
    """Keep this process's handlers of signals, which Ray would replace."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _cause(error: Any) -> SesrError:  # noqa: ANN401 - Ray's wrapper
    """Return what a task raised."""
    cause = getattr(error, "cause", None)
    if isinstance(cause, SesrError):
        return cause
    return StoreError(f"a worker failed: {' '.join(str(cause or error).split())[-300:]}; run it again")


def _failed(item: Item, reason: str) -> Record:
    return Record(item.key, item.etag, FAILED, reason, finished=time.time())
