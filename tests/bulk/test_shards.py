"""Shards in threads: records, reruns, faults, deaths."""

import errno
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("obstore")
pytest.importorskip("pyarrow")

from obstore import exceptions
from tests.bulk.conftest import encoded, filled, keys, size
from tests.fakes import float_network

from sesr.bulk import stores
from sesr.bulk.job import Job, open_job
from sesr.bulk.logs import ShardLog, Started
from sesr.bulk.plan import make_plan
from sesr.bulk.records import Item, Record, log_bytes, read_log
from sesr.bulk.settings import Settings
from sesr.bulk.shards import ALL, Part, array_part, parse_part, run_shards
from sesr.bulk.status import job_status
from sesr.bulk.stores import Store
from sesr.bulk.tasks import tasks
from sesr.bulk.worker import SOURCE_ETAG, Large, Worker
from sesr.errors import PictureError, StoreError, UsageError
from sesr.network.variants import SESRConfig

BROKEN = {"cut.jpg": encoded(30, 20, 9)[:300], "html.jpg": b"<html>404</html>", "empty.png": b""}


@pytest.fixture
def settings(network: str) -> Settings:
    return Settings(model=network, size="x2")


@pytest.fixture(params=["memory", "file"])
def places(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str]:
    if request.param == "memory":
        return "memory://in", "memory://out"
    return (tmp_path / "in").as_uri(), (tmp_path / "out").as_uri()


def drawn(count: int) -> dict[str, bytes]:
    names = ["scan {:03}.jpg", "фото_{:03}.jpg", "box/写真{:03}.jpg", "a+b%20&c#{:03}.jpg"]
    return {names[number % 4].format(number): encoded(24 + number, 18, number) for number in range(count)}


def planned(places: tuple[str, str], objects: dict[str, bytes], settings: Settings, shard: int = 100) -> Job:
    filled(places[0], objects)
    return make_plan(places[0], Store(places[1]), settings, shard=shard).job


def run(job: Job, again: bool = False, jobs: int = 2) -> list[Record]:
    return list(run_shards(job, range(len(job.counts)), jobs=jobs, threads=jobs, again=again))


@pytest.fixture
def traffic(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count pictures that are fetched and put."""
    counts = Counter[str]()
    fetch, put = Store.fetch, Store.put

    def counted_fetch(self: Store, key: str, path: Path) -> str | None:
        counts["fetched"] += 1
        return fetch(self, key, path)

    def counted_put(self: Store, key: str, *rest: Any) -> None:  # noqa: ANN401 - handed through
        if not key.startswith(".sesr/"):
            counts["put"] += 1
        put(self, key, *rest)

    monkeypatch.setattr(Store, "fetch", counted_fetch)
    monkeypatch.setattr(Store, "put", counted_put)
    return counts


def test_pictures_and_failures(places: tuple[str, str], settings: Settings) -> None:
    objects = drawn(12) | BROKEN
    job = planned(places, objects, settings, shard=6)
    records = run(job)
    assert Counter(record.key for record in records) == Counter(dict.fromkeys(objects, 1))
    failed = {record.key: record.reason for record in records if not record.done}
    assert set(failed) == set(BROKEN)
    assert str(failed["html.jpg"]).startswith("not a picture")
    assert failed["empty.png"] == "the file is empty; fetch or export it again"
    for record in records:
        if record.done:
            assert record.seconds > 0
            assert record.kernel
            assert record.pixels % 18 == 0
    output = Store(places[1])
    assert keys(output) == sorted(f"{key}_x2.png" for key in objects if key not in BROKEN)
    assert size(output.read("scan 000.jpg_x2.png")) == (48, 36)
    logged = [r for shard in range(3) for r in read_log(output.read(job.key("log", shard)) or b"", "log")]
    assert sorted(logged, key=lambda record: record.key) == sorted(records, key=lambda record: record.key)
    assert output.read(job.key("started", 0)) is None


def test_results_have_the_bytes_of_the_command_line(settings: Settings, tmp_path: Path) -> None:
    from sesr.cli import main

    objects = drawn(4) | {"page.tif": encoded(40, 30, 3, "TIFF")}
    job = planned((tmp_path.joinpath("in").as_uri(), tmp_path.joinpath("out").as_uri()), objects, settings)
    run(job)
    for key in objects:
        local = tmp_path / "local.png"
        assert main(["upscale", "-m", settings.model, str(tmp_path / "in" / key), "-o", str(local), "--overwrite"]) == 0
        assert local.read_bytes() == job.output.read(f"{key}_x2.png")


def test_results_carry_the_sources_etag(settings: Settings) -> None:
    job = planned(("memory://in", "memory://out"), drawn(1), settings)
    run(job)
    found = job.output.find("scan 000.jpg_x2.png")
    assert found is not None
    assert found.attributes[SOURCE_ETAG] == job.items(0)[0].etag
    assert found.attributes["Content-Type"] == "image/png"


def test_a_rerun_does_what_failed_is_missing_or_has_changed(
    places: tuple[str, str], settings: Settings, traffic: Counter[str]
) -> None:
    job = planned(places, drawn(6) | BROKEN, settings)
    run(job)
    traffic.clear()
    assert {record.key for record in run(job)} == set(BROKEN)
    assert traffic == {"fetched": len(BROKEN)}
    mended = {"cut.jpg": encoded(50, 50, 5), "html.jpg": encoded(8, 8, 6), "empty.png": encoded(9, 9, 7, "PNG")}
    changed = mended | {"scan 000.jpg": encoded(61, 7, 8)}
    job = planned(places, changed, settings)
    traffic.clear()
    assert {record.key: record.done for record in run(job)} == dict.fromkeys(changed, True)
    assert traffic == {"fetched": 4, "put": 4}
    assert size(job.output.read("scan 000.jpg_x2.png")) == (122, 14)
    traffic.clear()
    assert run(job) == []
    assert traffic == {}


def test_results_are_found_where_the_log_is_lost(settings: Settings, traffic: Counter[str]) -> None:
    """As after a kill: the log lags behind."""
    job = planned(("memory://in", "memory://out"), drawn(6), settings)
    run(job)
    job.output.delete(job.key("log", 0))
    job.output.delete("scan 000.jpg_x2.png")
    traffic.clear()
    records = run(job)
    assert {record.key: record.seconds > 0 for record in records if record.seconds > 0} == {"scan 000.jpg": True}
    assert len(records) == 6
    assert traffic == {"fetched": 1, "put": 1}
    assert run(job) == []


def test_another_jobs_results_are_not_taken_for_ones_own(
    places: tuple[str, str], settings: Settings, network: str, tmp_path: Path
) -> None:
    """Names and sources are the same; the network is not."""
    other = tmp_path / "other.safetensors"
    float_network(SESRConfig(m=1, f=4), strength=0.9).save(other)
    first = planned(places, drawn(3), settings)
    run(first)
    before = {key: first.output.read(key) for key in keys(first.output)}
    first.output.delete(".sesr/default/job.json")  # else this is refused
    second = make_plan(places[0], first.output, Settings(model=str(other), size="x2"), name="b").job
    assert [record.seconds > 0 for record in run(second)] == [True] * 3
    after = {key: first.output.read(key) for key in keys(first.output)}
    assert before.keys() == after.keys()
    assert all(before[key] != after[key] for key in before)
    assert run(second) == []


def test_a_source_that_is_replaced_by_an_older_one_is_done_again(settings: Settings, tmp_path: Path) -> None:
    places = (tmp_path / "in").as_uri(), (tmp_path / "out").as_uri()
    job = planned(places, drawn(2), settings)
    run(job)
    source = tmp_path / "in" / "scan 000.jpg"
    source.write_bytes(encoded(60, 40, 5))
    os.utime(source, (1e9, 1e9))
    job = make_plan(places[0], job.output, settings).job
    assert [record.key for record in run(job)] == ["scan 000.jpg"]
    assert size(job.output.read("scan 000.jpg_x2.png")) == (120, 80)


@pytest.mark.parametrize("damage", ["text", "foreign", "other settings"])
def test_a_log_that_is_damaged_is_written_anew(damage: str, settings: Settings, places: tuple[str, str]) -> None:
    job = planned(places, drawn(2), settings)
    run(job)
    key = job.key("log", 0)
    pa = pytest.importorskip("pyarrow")
    sink = pa.BufferOutputStream()
    pa.parquet.write_table(pa.table({"a": [1]}), sink)
    good = read_log(job.output.read(key) or b"", key)
    damaged = {"text": b"nonsense", "foreign": sink.getvalue().to_pybytes()}
    job.output.put(key, damaged.get(damage) or log_bytes(good, {"plan": job.plan, "fingerprint": "other"}))
    if damage != "other settings":
        with pytest.raises(StoreError, match="not a Parquet file of this program; sesr upscale -o OUT writes it anew"):
            job_status(job)
    assert len(run(job)) == 2
    assert job_status(job).done == 2


def test_overwriting_does_all_again(settings: Settings, traffic: Counter[str]) -> None:
    job = planned(("memory://in", "memory://out"), drawn(3), settings)
    run(job)
    traffic.clear()
    assert len(run(job, again=True)) == 3
    assert traffic == {"fetched": 3, "put": 3}


def test_a_picture_that_vanished_is_a_failed_record(settings: Settings) -> None:
    job = planned(("memory://in", "memory://out"), drawn(2), settings)
    Store("memory://in").delete("scan 000.jpg")
    assert {record.key: record.reason for record in run(job) if not record.done} == {
        "scan 000.jpg": "no such object; check the name"
    }


def test_a_folder_of_pictures_that_is_not_there_ends_the_work(settings: Settings, tmp_path: Path) -> None:
    """As on a machine that has not mounted it. Else each picture would become a failed record."""
    job = planned((tmp_path.joinpath("in").as_uri(), "memory://out"), drawn(2), settings)
    (tmp_path / "in").rename(tmp_path / "away")
    with pytest.raises(StoreError, match="in: no such folder; check the name, and that it is mounted"):
        run(job)
    assert job.output.read(job.key("log", 0)) is None


def test_a_key_that_the_library_refuses_is_a_failed_record(settings: Settings, tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    filled("memory://in", drawn(1))
    parquet.write_table(pa.table({"key": ["a//b.jpg", "scan 000.jpg"]}), tmp_path / "inventory.parquet")
    output = Store("memory://out")
    job = make_plan("memory://in", output, settings, inventory=str(tmp_path / "inventory.parquet")).job
    assert {record.key: (record.status, record.reason) for record in run(job)} == {
        "a//b.jpg": ("failed", "the store's library refuses this key; rename it"),
        "scan 000.jpg": ("done", None),
    }
    assert [record.key for record in run(job)] == ["a//b.jpg"]  # without ETags, the log's word counts


@pytest.mark.skipif(sys.platform == "win32", reason="other limits of names")
def test_targets_that_cannot_be_are_failed_records(settings: Settings, tmp_path: Path) -> None:
    """One name is as long as names can be, so that of the result is too long; one result would replace a folder."""
    long = "x" * 248 + ".jpg"
    objects = {long: encoded(20, 10, 1), "a.jpg": encoded(20, 10, 2), "b.jpg": encoded(20, 10, 3)}
    job = planned((tmp_path.joinpath("in").as_uri(), tmp_path.joinpath("out").as_uri()), objects, settings)
    (tmp_path / "out" / "a.jpg_x2.png").mkdir()
    assert {record.key: record.reason for record in run(job)} == {
        long: "file name too long; rename it",
        "a.jpg": "is a directory; rename it",
        "b.jpg": None,
    }


def test_an_empty_key_is_a_failed_record(settings: Settings) -> None:
    filled("memory://in", {})
    worker = Worker(Store("memory://in"), Store("memory://out"), settings, 1)
    assert worker.process(Item("", 0, None, "_x2.png")).reason == "the key is empty; leave it out"


@pytest.mark.parametrize("where", ["fetching", "writing", "no folder"])
def test_a_temporary_folder_that_cannot_be_used_ends_the_work(
    where: str, settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It is no picture's fault, and no store's: nothing is tried again."""
    from sesr.inference.upscale import Upscaler

    monkeypatch.setattr("sesr.bulk.tasks.MOST_SHARE", 1)  # tasks of 16, to the end
    full, calls = OSError(errno.ENOSPC, "No space left on device"), []

    def failing(*_: object, **__: object) -> Any:  # noqa: ANN401
        calls.append(1)
        if where == "writing":
            raise PictureError("result.png: cannot be written") from full
        raise full

    def no_room(*_: object) -> int:
        calls.append(1)
        raise stores._FileError(full)

    job = planned(("memory://in", "memory://out"), drawn(3), settings)
    if where == "fetching":
        monkeypatch.setattr(stores, "_save", no_room)
    elif where == "writing":
        monkeypatch.setattr(Upscaler, "upscale_file", failing)
    else:
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    reason = "No such file or directory" if where == "no folder" else "No space left on device"
    with pytest.raises(StoreError, match=rf"the temporary folder, .*, cannot be used \({reason}\); set TMPDIR to"):
        run(job, jobs=1)
    assert len(calls) <= 1
    assert job.output.read(job.key("log", 0)) is None


STOPPED = """
import itertools, os, signal, sys, threading
import obstore
from obstore import exceptions
from tests.bulk.test_shards import drawn, planned, run
from sesr.bulk import stores
from sesr.bulk.settings import Settings

signal.signal(signal.SIGINT, signal.default_int_handler)
job = planned(("memory://in", "memory://out"), drawn(3), Settings(model=sys.argv[1], size="x2"))
get, gets = obstore.get, itertools.count(1)

def failing(client, key, **options):
    number = next(gets) if key.endswith(".jpg") else 0
    if number == 2:
        threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
    if number > 1:
        raise exceptions.GenericError("down")
    return get(client, key, **options)

stores.WAITS, obstore.get = (60.0,) * 5, failing
try:
    run(job, jobs=1)
except KeyboardInterrupt:
    print("stopped", job.output.read(job.key("started", 0)))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="sends itself a signal")
def test_a_stop_takes_marks_back_while_the_source_is_down(network: str) -> None:
    """In a process of its own, which the signal may end."""
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", STOPPED, network]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=50, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "stopped None\n", "")


@pytest.mark.parametrize("end", ["store", "stop"])
def test_a_store_of_results_that_is_down_for_a_while_counts_as_no_death(
    end: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The marks are taken back at the second try."""
    import obstore

    job, real, state = planned(("memory://in", "memory://out"), drawn(3), settings), obstore.delete, Counter[str]()

    def failing_delete(client: Any, key: str) -> Any:  # noqa: ANN401
        state["tries"] += 1
        if state["tries"] == 1:
            raise exceptions.GenericError("down")
        return real(client, key)

    def ending(*_: object, **__: object) -> Any:  # noqa: ANN401
        raise StoreError("down") if end == "store" else KeyboardInterrupt

    monkeypatch.setattr("sesr.bulk.logs.LAST_WAITS", (0.0, 0.0))
    monkeypatch.setattr(obstore, "delete", failing_delete)
    monkeypatch.setattr(Worker, "process", ending)
    with pytest.raises(StoreError if end == "store" else KeyboardInterrupt):
        run(job, jobs=1)
    assert state["tries"] == 2
    assert job.output.read(job.key("started", 0)) is None


def test_marks_are_taken_back_though_credentials_cannot_be_renewed_at_once(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store has worked, so it is tried again as often as always."""
    import obstore

    job, real, tries = planned(("memory://in", "memory://out"), drawn(1), settings), obstore.delete, Counter[str]()
    started = Started(job, 0)

    def failing(client: Any, key: str) -> Any:  # noqa: ANN401
        tries[key] += 1
        if tries[key] < 5:
            raise exceptions.GenericError("Error performing PUT http://169.254.169.254/latest: error sending request")
        return real(client, key)

    monkeypatch.setattr(obstore, "delete", failing)
    with started.during(job.items(0)):
        assert job.output.read(job.key("started", 0)) is not None
        started.leave(stopped=False)
    assert job.output.read(job.key("started", 0)) is None


def test_a_fault_of_ours_is_one_pictures(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    from sesr.inference.upscale import Upscaler

    real = Upscaler.upscale_file

    def failing(self: Upscaler, source: Path, *rest: Any, **options: Any) -> Any:  # noqa: ANN401
        if source.stat().st_size == len(objects["scan 000.jpg"]):
            raise ZeroDivisionError("oh")
        return real(self, source, *rest, **options)

    objects = {"scan 000.jpg": encoded(80, 80, 0), "scan 001.jpg": encoded(8, 8, 0)}
    monkeypatch.setattr(Upscaler, "upscale_file", failing)
    records = {record.key: record for record in run(planned(("memory://in", "memory://out"), objects, settings))}
    assert records["scan 001.jpg"].done
    assert records["scan 000.jpg"].reason == (
        "failed in a way that it should not (ZeroDivisionError: oh); please report it with the picture"
    )


def test_a_stores_fault_ends_the_shard_and_is_made_good(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    import obstore

    job = planned(("memory://in", "memory://out"), drawn(8), settings)
    real, done = obstore.put, list[str]()

    def failing(client: Any, key: str, *rest: Any, **options: Any) -> Any:  # noqa: ANN401
        if key.endswith(".png"):
            if len(done) == 3:
                raise exceptions.GenericError("connection refused")
            done.append(key)
        return real(client, key, *rest, **options)

    monkeypatch.setattr(obstore, "put", failing)
    with pytest.raises(StoreError, match=r"connection refused \(after 6 tries\); run it again"):
        run(job, jobs=1)
    monkeypatch.setattr(obstore, "put", real)
    assert len(read_log(job.output.read(job.key("log", 0)) or b"", "log")) == 3
    assert job.output.read(job.key("started", 0)) is None  # nobody died
    assert len(run(job)) == 5


def test_stopping_leaves_what_is_done(settings: Settings) -> None:
    job = planned(("memory://in", "memory://out"), drawn(40), settings, shard=100)
    records = run_shards(job, [0], jobs=1, threads=1)
    first = next(records)
    records.close()
    assert threading.active_count() < 10
    logged = read_log(job.output.read(job.key("log", 0)) or b"", "log")
    assert first in logged
    assert len(logged) < 40
    assert job.output.read(job.key("started", 0)) is None
    assert len(logged) + len(run(job)) == 40


DYING = """
import os, sys
from pathlib import Path
from sesr.bulk import stores
from sesr.bulk.job import open_job
from sesr.bulk.shards import run_shards
from sesr.inference.upscale import Upscaler

real = Upscaler.upscale_file

def dying(self, source, *rest, **options):
    if source.stat().st_size == int(sys.argv[2]):
        os.kill(os.getpid(), 9)
    return real(self, source, *rest, **options)

Upscaler.upscale_file = dying
job = open_job(stores.Store(sys.argv[1]))
for record in run_shards(job, [0], jobs=2, threads=2):
    pass
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_picture_that_kills_its_process_three_times_becomes_a_failed_record(
    settings: Settings, tmp_path: Path
) -> None:
    objects = {f"{number}.jpg": encoded(20, 20 + number, number) for number in range(6)}
    objects["bad.jpg"] = encoded(50, 60, 7)
    places = tmp_path.joinpath("in").as_uri(), tmp_path.joinpath("out").as_uri()
    job = planned(places, objects, settings)
    command = [sys.executable, "-c", DYING, places[1], str(len(objects["bad.jpg"]))]
    codes = [subprocess.run(command, env=os.environ, check=False, capture_output=True).returncode for _ in range(4)]
    assert codes == [-9, -9, -9, 0]
    records = {record.key: record for record in read_log(job.output.read(job.key("log", 0)) or b"", "log")}
    assert {key for key, record in records.items() if not record.done} == {"bad.jpg"}
    assert records.keys() == objects.keys()
    assert str(records["bad.jpg"].reason).startswith("3 processes died while they worked on it")
    assert job.output.read(job.key("started", 0)) is None


def test_marks_that_are_damaged_are_forgotten(settings: Settings) -> None:
    job = planned(("memory://in", "memory://out"), drawn(1), settings)
    for content in (b"nonsense", b"[1]", json.dumps({"scan 000.jpg": "x"}).encode()):
        job.output.put(job.key("started", 0), content)
        assert len(run(job, again=True)) == 1


def test_logs_are_written_now_and_then(settings: Settings) -> None:
    job = planned(("memory://in", "memory://out"), drawn(1), settings)
    now = [0.0]
    log = ShardLog(job, 0, clock=lambda: now[0])
    log.add(Record("a", None, "done"))
    log.flush(due=True)
    assert job.output.read(job.key("log", 0)) is None
    now[0] = 31.0
    log.flush(due=True)
    assert [record.key for record in read_log(job.output.read(job.key("log", 0)) or b"", "log")] == ["a"]


def test_large_pictures_are_handed_back(settings: Settings) -> None:
    job = planned(("memory://in", "memory://out"), {"a.jpg": encoded(30, 20, 1)}, settings)
    worker = Worker(Store(job.source), job.output, settings, 1)
    (item,) = job.items(0)
    assert isinstance(worker.small(item, largest=600), Record)
    large = worker.small(item, largest=599, again=True)
    assert large == Large(item, settings.upscaler(1).memory((30, 20), Path("a.png")))


def test_a_log_here_is_written_more_often(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing else knows what is done. It takes a twentieth of the time at most: here, a writing takes 10 ms."""
    seconds = iter(range(99))
    monkeypatch.setattr("sesr.bulk.logs.time.perf_counter", lambda: next(seconds) / 100)
    job = planned((tmp_path.joinpath("in").as_uri(), tmp_path.joinpath("out").as_uri()), drawn(1), settings)
    now = [0.0]
    log = ShardLog(job, 0, clock=lambda: now[0])
    for number, (when, count) in enumerate([(0.1, 1), (0.2, 1), (0.25, 1), (0.31, 4)]):
        log.add(Record(str(number), None, "done"))
        now[0] = when
        log.flush(due=True)
        content = job.output.read(job.key("log", 0))
        assert (None if content is None else len(read_log(content, "log"))) == count


def sizes(*given: int) -> Iterator[list[int]]:
    items = [Item(str(number), size, None, "") for number, size in enumerate(given)]
    return ([item.size for item in task] for task in tasks(items))


def test_tasks() -> None:
    mb = 1 << 20
    lengths = [len(task) for task in sizes(*[1000] * 10000)]
    assert lengths[:500] == [16] * 500
    assert lengths == sorted(lengths, reverse=True)
    assert (lengths[-1], sum(lengths)) == (1, 10000)
    assert len(lengths) < 10000 / 16 * 1.3
    assert [len(task) for task in sizes(*[1000] * 40)] == [1] * 40
    assert list(sizes(100, 30 * mb, 9 * mb, 200)) == [[30 * mb], [9 * mb], [200], [100]]
    assert next(sizes(*[3 * mb] * 100)) == [3 * mb, 3 * mb]
    assert list(sizes(3 * mb, 100)) == [[3 * mb], [100]]  # not of one class
    assert list(sizes()) == []


def slurm(index: int, first: int, last: int, count: int) -> dict[str, str]:
    """What Slurm tells a task."""
    values = {"ID": index, "MIN": first, "MAX": last, "COUNT": count}
    return {f"SLURM_ARRAY_TASK_{name}": str(value) for name, value in values.items()}


@pytest.mark.parametrize(
    ("environment", "part"),
    [
        ({}, None),
        (slurm(7, 0, 9, 10), Part(7, 10)),
        ({"AWS_BATCH_JOB_ARRAY_INDEX": "0", "AWS_BATCH_JOB_ARRAY_SIZE": "3"}, Part(0, 3)),
        ({"JOB_COMPLETION_INDEX": "4"}, Part(4, None)),
    ],
)
def test_array_tasks(environment: dict[str, str], part: Part | None) -> None:
    assert array_part(environment) == part


@pytest.mark.parametrize(
    "environment",
    [
        slurm(7, 7, 7, 1),  # run again: sbatch --array=7
        slurm(4, 0, 8, 5),  # with steps: 0-8:2
        slurm(5, 0, 5, 3),  # with gaps: 0,2,5
        slurm(1, 1, 10, 10),  # which may be a part of 0-10
        {"SLURM_ARRAY_TASK_ID": "7"},
    ],
)
def test_arrays_that_do_not_tell_their_parts(environment: dict[str, str]) -> None:
    with pytest.raises(UsageError, match=r"0 to N - 1 without gaps; give --shard \$SLURM_ARRAY_TASK_ID/N"):
        array_part(environment)


@pytest.mark.parametrize(
    "environment",
    [{"JOB_COMPLETION_INDEX": "-1"}, {"AWS_BATCH_JOB_ARRAY_INDEX": "3", "AWS_BATCH_JOB_ARRAY_SIZE": "3"}],
)
def test_indexes_that_cannot_be(environment: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="not an index from 0"):
        array_part(environment)


def test_parts() -> None:
    assert list(parse_part("1/3").shards(8)) == [1, 4, 7]
    assert list(parse_part("7/9").shards(3)) == []
    assert list(ALL.shards(3)) == [0, 1, 2]
    assert list(Part(2, None).shards(3)) == [2]
    with pytest.raises(UsageError, match="the job has 3 shards"):
        Part(3, None).shards(3)
    with pytest.raises(UsageError, match="not an index"):
        array_part({"JOB_COMPLETION_INDEX": "x"})


@pytest.mark.parametrize("text", ["3", "3/3", "-1/3", "a/b", "1/", "/1", ""])
def test_parts_that_cannot_be(text: str) -> None:
    with pytest.raises(UsageError, match=r"write I/N, such as 3/5000, with I from 0 to N - 1"):
        parse_part(text)


def test_a_job_in_parts(settings: Settings) -> None:
    job = planned(("memory://in", "memory://out"), drawn(9), settings, shard=2)
    assert job.counts == (2, 2, 2, 2, 1)
    seen = [
        record.key
        for index in range(3)
        for record in run_shards(open_job(job.output), Part(index, 3).shards(len(job.counts)), jobs=1, threads=1)
    ]
    assert sorted(seen) == sorted(drawn(9))
