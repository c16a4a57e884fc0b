"""How far a job is."""

import pytest

pytest.importorskip("obstore")
pytest.importorskip("pyarrow")

from tests.bulk.conftest import filled

from sesr.bulk.job import Job
from sesr.bulk.logs import ShardLog
from sesr.bulk.plan import make_plan
from sesr.bulk.records import Record
from sesr.bulk.settings import Settings
from sesr.bulk.status import failed_records, job_status
from sesr.bulk.stores import Store


def planned(count: int, shard: int) -> Job:
    filled("memory://in", {f"{number:03}.jpg": b"x" for number in range(count)})
    return make_plan("memory://in", Store("memory://out"), Settings(size="x2"), shard=shard).job


def log(job: Job, shard: int, begun: float, written: float, done: int, failed: int = 0, kernel: str = "avx2") -> None:
    """Write a log as a run from `begun` to `written` does."""
    now = [begun]
    records = ShardLog(job, shard, clock=lambda: now[0])
    for number, item in enumerate(job.items(shard)[: done + failed]):
        status = "done" if number < done else "failed"
        records.add(Record(item.key, item.etag, status, None if number < done else "broken", 2.0, kernel))
    now[0] = written
    records.flush()


def test_nothing_done() -> None:
    status = job_status(planned(5, 10))
    assert (status.pictures, status.done, status.failed, status.left) == (5, 0, 0, 5)
    assert status.per_second is None
    assert status.seconds_left is None


def test_shards_under_way() -> None:
    job = planned(300, 100)
    log(job, 0, 1000, 1100, 100)  # through
    log(job, 1, 1100, 1150, 48, 2, "neon")
    status = job_status(job, now=1160)
    assert (status.done, status.failed, status.left) == (148, 2, 150)
    assert status.per_second == 1.0
    assert status.seconds_left == 150.0
    assert status.seconds == 300.0
    assert status.kernels == ("avx2", "neon")
    assert [record.key for record in failed_records(job)] == ["148.jpg", "149.jpg"]
    assert job_status(job, now=99999).per_second is None  # nobody is at work any more


def test_between_two_shards() -> None:
    job = planned(300, 100)
    log(job, 0, 1000, 1050, 100)
    log(job, 1, 1050, 1100, 100)
    assert job_status(job, now=1101).per_second == 2.0


def test_all_done() -> None:
    job = planned(10, 10)
    log(job, 0, 1000, 1001, 10)
    assert job_status(job, now=1002).seconds_left == 0.0


def test_a_plan_that_was_made_again_counts_its_own_pictures() -> None:
    job = planned(10, 10)
    log(job, 0, 1000, 1001, 9, 1)
    Store("memory://in").delete("009.jpg")
    Store("memory://in").put("000.jpg", b"changed")
    Store("memory://in").put("zzz.jpg", b"new")
    job = make_plan("memory://in", job.output, job.settings).job
    status = job_status(job, now=1002)
    assert (status.pictures, status.done, status.failed, status.left) == (10, 8, 0, 2)
    assert list(failed_records(job)) == []


def test_logs_of_other_settings_count_as_none() -> None:
    """As after a damaged job that was planned anew."""
    job = planned(10, 10)
    log(job, 0, 1000, 1001, 9, 1)
    job.output.put(".sesr/default/job.json", b"half")
    job = make_plan("memory://in", job.output, Settings(size="x3")).job
    assert (job_status(job).done, job_status(job).failed) == (0, 0)
    assert list(failed_records(job)) == []
