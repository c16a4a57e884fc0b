"""The driver of Ray, with a stand-in for Ray that runs tasks here: who is tried again, and what ends a run."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from weakref import WeakSet

import pytest

pytest.importorskip("obstore")
pytest.importorskip("pyarrow")

from tests.bulk.conftest import encoded, filled

from sesr.bulk import cluster
from sesr.bulk.job import Job
from sesr.bulk.logs import ShardLog
from sesr.bulk.plan import make_plan
from sesr.bulk.records import Record, read_log
from sesr.bulk.settings import Settings
from sesr.bulk.stores import Store
from sesr.bulk.worker import Large, Worker
from sesr.errors import StoreError, UsageError


class RayError(Exception):
    """A worker died."""


class RayTaskError(RayError):
    """A task raised."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


class FakeRay:
    """Runs each task when its answer is asked for. Some tasks kill their worker."""

    exceptions = SimpleNamespace(RayError=RayError, RayTaskError=RayTaskError)

    def __init__(self, kills: Callable[[list[str]], bool] = lambda _: False, processors: int = 4) -> None:
        self.kills, self.processors = kills, processors
        self.calls: list[dict[str, Any]] = []
        self.cancelled: list[int] = []
        self.most_running = 0
        self._pending: dict[int, Callable[[], Any]] = {}

    def remote(self, **_: object) -> Callable[[Callable[..., Any]], Any]:
        def wrapped(function: Callable[..., Any]) -> Any:  # noqa: ANN401
            def options(**resources: object) -> Any:  # noqa: ANN401
                return SimpleNamespace(remote=lambda *a, **k: self._submit(function, resources, *a, **k))

            return SimpleNamespace(options=options)

        return wrapped

    def _submit(self, function: Callable[..., Any], resources: Any, *arguments: Any, **options: Any) -> int:  # noqa: ANN401
        keys = [item.key for item in arguments[1]]
        self.calls.append({"keys": keys, "threads": arguments[2], **resources, **options})
        number = len(self.calls)
        self._pending[number] = lambda: self._run(keys, lambda: function(*arguments, **options))
        self.most_running = max(self.most_running, len(self._pending))
        return number

    def _run(self, keys: list[str], call: Callable[[], Any]) -> Any:  # noqa: ANN401
        if self.kills(keys):
            raise RayError("the worker died")
        try:
            return call()
        except Exception as error:
            raise RayTaskError(error) from error

    def wait(self, answers: list[int], **_: object) -> tuple[list[int], list[int]]:
        return answers[:1], answers[1:]

    def get(self, answer: int) -> Any:  # noqa: ANN401
        return self._pending.pop(answer)()

    def cancel(self, answer: int, **_: object) -> None:
        self.cancelled.append(answer)

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": float(self.processors)}

    def nodes(self) -> list[dict[str, Any]]:
        alive = {"Alive": True, "Resources": {"CPU": self.processors, "memory": 1e9}}
        return [alive, {"Alive": False, "Resources": {}}]


@pytest.fixture(autouse=True)
def _fresh_workers() -> None:
    cluster._worker.cache_clear()


@pytest.fixture
def settings(network: str) -> Settings:
    return Settings(model=network, size="x2")


def planned(settings: Settings, objects: dict[str, bytes], shard: int = 100) -> Job:
    filled("memory://in", objects)
    return make_plan("memory://in", Store("memory://out"), settings, shard=shard).job


def run(ray: FakeRay, job: Job, monkeypatch: pytest.MonkeyPatch, threads: int = 1) -> list[Record]:
    monkeypatch.setattr(cluster, "_start", lambda _: (ray, False))
    return list(cluster.run_on_ray(job, range(len(job.counts)), threads=threads))


def drawn(count: int) -> dict[str, bytes]:
    return {f"{number:03}.jpg": encoded(20 + number % 5, 16, number) for number in range(count)}


def logged(job: Job) -> dict[str, Record]:
    contents = [job.output.read(job.key("log", shard)) for shard in range(len(job.counts))]
    return {record.key: record for content in contents for record in read_log(content or b"", "log")}


def test_all_pictures_once(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    objects = drawn(50) | {"broken.jpg": b"<html>"}
    job, ray = planned(settings, objects, shard=20), FakeRay()
    records = run(ray, job, monkeypatch)
    assert sorted(record.key for record in records) == sorted(objects)
    assert [record.key for record in records if not record.done] == ["broken.jpg"]
    assert logged(job) == {record.key: record for record in records}
    assert all(len(call["keys"]) <= 16 for call in ray.calls)
    assert {(call["num_cpus"], call["threads"]) for call in ray.calls} == {(1, 1)}
    assert run(FakeRay(), job, monkeypatch)[0].key == "broken.jpg"


def test_threads_are_the_processors_of_a_task(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    job, ray = planned(settings, drawn(40)), FakeRay(processors=4)
    run(ray, job, monkeypatch, threads=2)
    assert {(call["num_cpus"], call["threads"]) for call in ray.calls} == {(2, 2)}
    assert ray.most_running == 4  # two workers fit: each has a task, and one that waits


def test_more_threads_than_any_node_has(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such a task would wait for ever."""
    with pytest.raises(UsageError, match="--threads 5: the largest node has 4 processors"):
        run(FakeRay(processors=4), planned(settings, drawn(1)), monkeypatch, threads=5)


def test_a_job_that_is_done_keeps_no_logs(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    job = planned(settings, drawn(12), shard=2)
    run(FakeRay(), job, monkeypatch)
    alive, most = WeakSet[ShardLog](), [0]
    real = ShardLog.__init__

    def counted(self: ShardLog, *rest: Any, **options: Any) -> None:  # noqa: ANN401
        real(self, *rest, **options)
        alive.add(self)
        most[0] = max(most[0], len(alive))

    monkeypatch.setattr(ShardLog, "__init__", counted)
    assert run(FakeRay(), job, monkeypatch) == []
    assert most[0] <= 2


def test_a_dead_workers_pictures_are_tried_again_one_by_one(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sesr.bulk.tasks.MOST_SHARE", 1)  # tasks of 16, to the end
    died: list[list[str]] = []

    def kills(keys: list[str]) -> bool:
        if not died and len(keys) > 1:
            died.append(keys)
            return True
        return False

    job, ray = planned(settings, drawn(20)), FakeRay(kills)
    records = run(ray, job, monkeypatch)
    assert sorted(record.key for record in records) == sorted(drawn(20))
    assert all(record.done for record in records)
    assert sum(len(call["keys"]) == 1 for call in ray.calls) == len(died[0])


def test_a_picture_that_kills_three_workers_is_given_up(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    job, ray = planned(settings, drawn(20)), FakeRay(lambda keys: "007.jpg" in keys)
    records = {record.key: record for record in run(ray, job, monkeypatch)}
    assert {key for key, record in records.items() if not record.done} == {"007.jpg"}
    assert str(records["007.jpg"].reason).startswith("3 processes died")
    assert sum("007.jpg" in call["keys"] for call in ray.calls) == 3


def test_a_large_picture_is_started_again_by_itself(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Worker.small

    def small(self: Worker, item: Any, **options: Any) -> Record | Large:  # noqa: ANN401
        return real(self, item, **({"largest": 1000} | options))

    monkeypatch.setattr(Worker, "small", small)
    job, ray = planned(settings, drawn(20) | {"large.jpg": encoded(50, 40, 1)}), FakeRay(processors=8)
    records = run(ray, job, monkeypatch)
    assert sorted(record.key for record in records) == sorted([*drawn(20), "large.jpg"])
    alone = [call for call in ray.calls if call["large"]]
    needed = settings.upscaler(1).memory((50, 40), Path("a.png")) + cluster.PROCESS
    assert alone == [
        {"keys": ["large.jpg"], "threads": 4, "num_cpus": 4, "memory": needed, "large": True, "again": False}
    ]


def test_a_picture_for_which_no_node_has_the_memory(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Worker, "small", lambda self, item, **_: Large(item, 2 * 10**9))
    (record,) = run(FakeRay(), planned(settings, drawn(1)), monkeypatch)
    assert record.reason == "needs 2.3 GB of memory, and the largest node offers 1.0 GB"


def test_a_stores_fault_ends_the_run(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sesr.bulk.tasks.MOST_SHARE", 1)  # tasks of 16, to the end
    job, ray = planned(settings, drawn(60)), FakeRay()
    real, done = Worker.small, list[str]()

    def failing(self: Worker, item: Any, **options: Any) -> Record | Large:  # noqa: ANN401
        if len(done) == 20:
            raise StoreError(f"memory://in/{item.key}: down")
        done.append(item.key)
        return real(self, item, **options)

    monkeypatch.setattr(Worker, "small", failing)
    with pytest.raises(StoreError, match="down"):
        run(ray, job, monkeypatch)
    assert ray.cancelled
    assert len(logged(job)) == 16  # one task was through
    monkeypatch.setattr(Worker, "small", real)
    again = run(FakeRay(), job, monkeypatch)
    assert len(again) == 44
    assert sum(not record.seconds for record in again) == 4  # their results were there


def test_a_fault_of_ours_in_a_worker_is_one_line(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object, **__: object) -> Record:
        raise ZeroDivisionError("oh")

    monkeypatch.setattr(Worker, "small", failing)
    with pytest.raises(StoreError, match="a worker failed: oh; run it again"):
        run(FakeRay(), planned(settings, drawn(1)), monkeypatch)


def test_workers_refuse_to_make_other_results(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    job = planned(settings, drawn(1))
    monkeypatch.setenv("SESR_KERNEL", "portable")
    with pytest.raises(UsageError, match="SESR_KERNEL portable instead of the best"):
        run(FakeRay(), job, monkeypatch)
