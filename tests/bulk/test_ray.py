"""Jobs on Ray itself, in one session: results, a worker that is killed, a large picture."""

import os
import signal
from collections import Counter
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

pytest.importorskip("obstore")
pytest.importorskip("pyarrow")
pytest.importorskip("ray")

import ray
from tests.bulk.conftest import encoded, filled, keys

from sesr.bulk.cluster import run_on_ray
from sesr.bulk.job import Job
from sesr.bulk.plan import make_plan
from sesr.bulk.records import read_log
from sesr.bulk.settings import Settings
from sesr.bulk.shards import run_shards
from sesr.bulk.stores import Store

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

BROKEN = {f"broken{number}.jpg": b"<html>404</html>" for number in range(5)}


@pytest.fixture(scope="module")
def session() -> Iterator[None]:
    """Ray with two processors on this machine."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, object_store_memory=100 << 20)
    yield
    ray.shutdown()


def planned(tmp_path: Path, objects: dict[str, bytes], settings: Settings) -> Job:
    filled((tmp_path / "in").as_uri(), objects)
    return make_plan((tmp_path / "in").as_uri(), Store((tmp_path / "out").as_uri()), settings).job


def drawn(count: int) -> dict[str, bytes]:
    names = ["scan {:03}.jpg", "фото_{:03}.jpg", "box/写真{:03}.jpg", "a+b%20&c#{:03}.jpg"]
    return {names[number % 4].format(number): encoded(64 + number % 7, 48, number) for number in range(count)}


def workers() -> list[int]:
    """Return the process numbers of Ray's workers that work on our tasks."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            text = place.read_bytes()
        except OSError:
            continue
        if text.startswith(b"ray::upscale_task"):
            found.append(int(place.parent.name))
    return found


@pytest.mark.usefixtures("session")
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="finds workers in /proc")
def test_a_worker_that_is_killed_in_the_middle(tmp_path: Path, network: str) -> None:
    objects = drawn(95) | BROKEN
    job = planned(tmp_path, objects, Settings(model=network, size="x2"))
    records, killed = [], 0
    for record in run_on_ray(job, [0]):
        records.append(record)
        if not killed and len(records) > 20 and (found := workers()):
            killed = found[0]
            os.kill(killed, signal.SIGKILL)
    assert killed
    assert Counter(record.key for record in records) == Counter(dict.fromkeys(objects, 1))
    assert {record.key for record in records if not record.done} == set(BROKEN)
    assert keys(job.output) == sorted(f"{key}_x2.png" for key in drawn(95))
    logged = read_log(job.output.read(job.key("log", 0)) or b"", "log")
    assert len(logged) == 100
    again = tmp_path / "again"
    again.mkdir()
    threads = make_plan(job.source, Store(again.as_uri()), job.settings).job
    assert len(list(run_shards(threads, [0], jobs=1, threads=1))) == 100
    for key in keys(job.output):
        assert job.output.read(key) == threads.output.read(key)
    assert {record.key for record in run_on_ray(job, [0])} == set(BROKEN)


@pytest.mark.usefixtures("session")
def test_a_large_picture_keeps_no_small_one_waiting(tmp_path: Path, network: str) -> None:
    large = BytesIO()
    Image.new("L", (8000, 6400), 90).save(large, "PNG")
    job = planned(tmp_path, drawn(20) | {"large.png": large.getvalue()}, Settings(model=network, size="x2"))
    records = list(run_on_ray(job, [0]))
    assert all(record.done for record in records)
    assert len(records) == 21
    assert records[-1].key == "large.png"
    header = (job.output.read("large.png_x2.png") or b"")[16:24]
    assert header == (16000).to_bytes(4) + (12800).to_bytes(4)  # too large for Pillow's guard
