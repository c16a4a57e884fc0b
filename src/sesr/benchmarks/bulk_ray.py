"""Jobs on Ray: its fixed cost, two workers against one, a large picture among small ones, and runs that are killed."""

import hashlib
import os
import pickle
import random
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from sesr.benchmarks.bulk_trial import (
    Measurement,
    Scope,
    drawn,
    folder_of,
    has,
    megapixel_pictures,
    places,
    planned,
    rate,
    sesr_command,
    synthetic,
)
from sesr.benchmarks.process_tree import run_tree
from sesr.bulk.cluster import AHEAD, PROCESS, run_on_ray
from sesr.bulk.job import Job, open_job
from sesr.bulk.records import Item, Record
from sesr.bulk.settings import Settings
from sesr.bulk.shards import run_shards
from sesr.bulk.stores import Store
from sesr.bulk.tasks import tasks
from sesr.processors import available_threads

_RAY_OPTIONS: dict[str, Any] = {
    "include_dashboard": False,
    "log_to_driver": False,
    "configure_logging": False,
    "object_store_memory": 100 << 20,
}


def measure_ray(scope: Scope) -> Iterator[Measurement]:
    """Ray's fixed cost, what travels through it, and one worker against two."""
    if not has("ray"):
        return
    with places() as (source, out):
        drawn(folder_of(source), 1)
        plain = run_tree(sesr_command("upscale", source, "-o", f"{out}/plain"))
        on_ray = run_tree(sesr_command("upscale", source, "-o", f"{out}/ray", "--ray"))
    how = "sesr upscale --ray of one small picture, less the same without --ray"
    yield Measurement(
        "ray-time", "Ray: fixed processor time", round(on_ray.cpu - plain.cpu, 1), "s", 60, "at most", how
    )
    how = "the same; all its processes, what they share counted once"
    yield Measurement("ray-memory", "Ray: memory", round(on_ray.memory / 1e6), "MB", how=how)
    key, size, etag = synthetic(1)
    item = Item(key, size, etag, f"{key}_x2.png")
    record = Record(item.key, item.etag, "done", None, 1.5, "avx512vnni int16", 1e9, 12_000_000)
    size = len(pickle.dumps(item)) + len(pickle.dumps(record))
    how = "key and record, pickled each by itself"
    yield Measurement("ray-bytes", "Ray: bytes of a picture through it", size, "bytes", 1000, "at most", how)
    rates = []
    with places() as (source, _):
        count = megapixel_pictures(source, scope)
        for workers in (1, 2):
            with places() as (_, out), _session(workers):
                rates.append(rate(list(run_on_ray(planned(source, out), [0]))))
    how = f"{count} JPEGs of 1.5 megapixels; load {os.getloadavg()[0]:.1f} after it"
    yield Measurement(
        "ray-workers", "two workers of Ray against one", round(rates[1] / rates[0], 2), "times", 1.8, "at least", how
    )


def measure_large(scope: Scope) -> Iterator[Measurement]:
    """One large picture among small ones, on Ray."""
    if not has("ray"):
        return
    side = round((scope.large * 1e6) ** 0.5)
    with places() as (source, out), _session(2):
        rows = np.random.default_rng(0).integers(0, 256, (64, side), np.uint8)
        large = np.tile(rows, (side // 64 + 1, 1))[:side]
        Image.fromarray(large).convert("RGB").save(folder_of(source) / "large.png", compress_level=1)
        drawn(folder_of(source), 40)
        job = planned(source, out, Settings(size="x2", int8=True))
        with _peaks() as peaks:
            records = list(run_on_ray(job, [0]))
    found = {record.key: record for record in records}
    end = found["large.png"].finished
    waited = sum(record.finished > end for record in records)
    estimate = job.settings.upscaler(1).memory((side, side), Path("large.png")) + PROCESS
    how = f"{scope.large:g} megapixels, PNG to PNG, among 40 of 0.08, two workers"
    yield Measurement(
        "large-waiting", "small pictures that waited for a large one", waited, "pictures", 0, "at most", how
    )
    ratio = round(max(peaks.values()) / estimate, 2)
    yield Measurement("large-memory", "large picture: memory over the estimate", ratio, "times", 1.2, "at most", how)


def measure_kills(scope: Scope) -> Iterator[Measurement]:
    """Runs in which one of two of Ray's workers is killed, with results compared byte for byte with the command's."""
    if not has("ray"):
        return
    with places() as (source, plain):
        drawn(folder_of(source), scope.pictures)
        broken = _break(folder_of(source))
        subprocess.run(sesr_command("upscale", source, "-o", plain), capture_output=True, check=False)
        expected = _results(plain)
        good = 0
        with _session(2):
            for number in range(scope.kills):
                with places() as (_, out):
                    good += _killed_run(planned(source, out), broken, expected, random.Random(number))
    how = f"{scope.pictures} drawn JPEGs, {len(broken)} of them broken; all recorded, none twice, bytes as without Ray"
    what, unit = "runs with a killed worker that ended well", f"of {scope.kills}"
    yield Measurement("killed", what, good, unit, scope.kills, "at least", how)


def measure_stops(scope: Scope) -> Iterator[Measurement]:
    """Runs whose driver is killed at random moments, and what the next run fetches again."""
    if not has("ray"):
        return
    most, last, bar = 0, 1, 0
    workers = available_threads()
    with places() as (source, _):
        drawn(folder_of(source), scope.pictures)
        for number in range(scope.stops):
            with places() as (_, out):
                command = sesr_command("upscale", source, "-o", out, "--ray")
                _stopped_in_the_middle(command, out, scope.pictures, random.Random(number))
                before = set(_results(out))
                job = open_job(Store(out))
                bar = _in_flight(job.items(0), workers)
                records = list(run_shards(job, [0], jobs=1, threads=1))
                fetched = {f"{record.key}_x2.png" for record in records if record.seconds}
                most = max(most, len(fetched & before))
                last = len(list(run_shards(job, [0], jobs=1, threads=1)))
    how = f"driver killed at {scope.stops} random moments of a job of {scope.pictures}"
    more = f"{how}; the bar is the pictures of {AHEAD} tasks for each of {workers} workers"
    yield Measurement("stopped", "pictures fetched again though done", most, "pictures", bar, "at most", more)
    yield Measurement("rerun", "pictures touched by a rerun of a finished job", last, "pictures", 0, "at most", how)


@contextmanager
def _session(processors: int) -> Iterator[None]:
    """Run Ray on this machine."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray

    ray.init("local", num_cpus=processors, **_RAY_OPTIONS)
    try:
        yield
    finally:
        ray.shutdown()


def _break(folder: Path) -> set[str]:
    """Damage some pictures, and return their names."""
    paths = sorted(folder.glob("*.jpg"))[:: max(1, len(list(folder.glob("*.jpg"))) // 5)][:5]
    for number, path in enumerate(paths):
        path.write_bytes(path.read_bytes()[:2500] if number % 2 else b"<html>404</html>")
    return {path.name for path in paths}


def _results(out: str) -> dict[str, str]:
    """Return checksums of all results by key."""
    folder = folder_of(out)
    found = (path for path in folder.rglob("*_x2.png") if ".sesr" not in path.parts)
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in found}


def _killed_run(job: Job, broken: set[str], expected: dict[str, str], chance: random.Random) -> bool:
    """Run a job, kill one of Ray's workers in the middle, and tell whether all is well."""
    records: list[Record] = []
    when, killed = chance.randrange(job.pictures // 10 + 1, job.pictures * 3 // 4 + 2), 0
    for record in run_on_ray(job, [0]):
        records.append(record)
        if not killed and len(records) >= when and (found := _ray_workers()):
            killed = chance.choice(found)
            with suppress(ProcessLookupError):
                os.kill(killed, signal.SIGKILL)
    once = set(Counter(record.key for record in records).values()) == {1} and len(records) == job.pictures
    failed = {record.key for record in records if not record.done}
    return bool(killed) and once and failed == broken and _results(job.output.url) == expected


def _stopped_in_the_middle(command: list[str], out: str, pictures: int, chance: random.Random) -> None:
    """Start a run, and kill it once a random part of the results is there."""
    wanted = chance.randrange(1, max(2, pictures * 3 // 4))
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None and len(list(folder_of(out).glob("*_x2.png"))) < wanted:
        time.sleep(0.05)
    process.kill()
    process.wait()
    while _ray_workers():  # Ray ends them
        time.sleep(0.2)


def _in_flight(items: list[Item], workers: int) -> int:
    """Return how many pictures the largest tasks hold of which workers have some, running or waiting."""
    return sum(sorted(map(len, tasks(items)), reverse=True)[: AHEAD * workers])


@contextmanager
def _peaks() -> Iterator[dict[int, int]]:
    """Watch Ray's workers, and yield the most bytes that each has held, by its process, as it grows.

    A worker counts as a whole from its first task on, with Python and what it shares with others.
    """
    found: dict[int, int] = {}
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.05):
            for process in {*found, *_ray_workers()}:
                found[process] = max(found.get(process, 0), _peak_of(process))

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        over.set()
        thread.join()


def _ray_workers() -> list[int]:
    """Return the process numbers of Ray's workers that work on a task of ours."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if place.read_bytes().startswith(b"ray::upscale_task"):
                found.append(int(place.parent.name))
    return found


def _peak_of(process: int) -> int:
    """Return the most bytes that a process has held."""
    with suppress(OSError):
        for line in Path(f"/proc/{process}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0
