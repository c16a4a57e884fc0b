"""Jobs over many pictures: plans, what a worker adds to a picture's own work, Ray, and runs that are killed.

Each measurement has a bar, which the project has set itself. Processor time counts where other work on the machine
changes the time on the clock. What needs Ray or moto is left out where they are not installed.
"""

import hashlib
import importlib.util
import os
import pickle
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from PIL import Image

from sesr.benchmarks.files import photograph
from sesr.benchmarks.process_tree import check_proc, run_tree
from sesr.benchmarks.rows import Row
from sesr.bulk.cluster import run_on_ray
from sesr.bulk.job import Job, open_job
from sesr.bulk.plan import make_plan
from sesr.bulk.records import Item, Record, import_parquet
from sesr.bulk.settings import Settings
from sesr.bulk.shards import run_shards
from sesr.bulk.stores import Store
from sesr.bulk.worker import Worker
from sesr.errors import UsageError
from sesr.inference.upscale import Upscaler

_DOUBLED = Settings(size="x2")

_RAY_OPTIONS: dict[str, Any] = {
    "include_dashboard": False,
    "log_to_driver": False,
    "configure_logging": False,
    "object_store_memory": 100 << 20,
}


@dataclass(frozen=True)
class Measurement(Row):
    """One figure.

    Attributes:
        name: short, without spaces, for pages that quote the figure.
        what: is measured.
        value: the figure.
        unit: of it.
        bar: what it must reach.
        side: "at most" or "at least"; empty without a bar.
        how: conditions.
    """

    name: str
    what: str
    value: float
    unit: str
    bar: float | None = None
    side: str = ""
    how: str = ""

    @property
    def passed(self) -> bool:
        """True if there is no bar, or the figure reaches it."""
        if self.bar is None:
            return True
        return self.value <= self.bar if self.side == "at most" else self.value >= self.bar

    def line(self) -> str:
        """Return the figure and its bar."""
        bar = "" if self.bar is None else f" ({self.side} {self.bar:g}{'' if self.passed else ': MISSED'})"
        return f"{self.what}: {self.value:g} {self.unit}{bar}; {self.how}"


@dataclass(frozen=True)
class Scope:
    """How much is measured.

    Attributes:
        keys: in the plan.
        pictures: in jobs of small ones.
        rounds: of what is timed in turns.
        megapixels: of a scan.
        large: megapixels of the large picture.
        kills: runs in which a worker is killed.
        stops: runs whose driver is killed.
    """

    keys: int = 1_000_000
    pictures: int = 300
    rounds: int = 3
    megapixels: float = 12.0
    large: float = 100.0
    kills: int = 20
    stops: int = 3


FULL = Scope()
QUICK = Scope(keys=10_000, pictures=12, rounds=1, megapixels=0.2, large=51, kills=1, stops=1)


def measure_bulk(scope: Scope = FULL, only: Sequence[str] = ()) -> Iterator[Measurement]:
    """Measure all, or the parts that `only` names. Raises `UsageError` for an unknown part.

    Raises `NotInstalledError` without obstore and pyarrow.
    """
    unknown = sorted(set(only) - set(PARTS))
    if unknown:
        raise UsageError(f"--only {unknown[0]}: no such part; use some of {', '.join(PARTS)}")
    import_parquet()
    check_proc()
    for name, part in PARTS.items():
        if not only or name in only:
            yield from part(scope)


def _plan(scope: Scope) -> Iterator[Measurement]:
    """A plan of many keys from an inventory, by the command."""
    pa, pq = import_parquet()
    with _places() as (_, out), tempfile.TemporaryDirectory() as folder:
        inventory = Path(folder, "inventory.parquet")
        schema = pa.schema([("key", pa.string()), ("size", pa.int64()), ("e_tag", pa.string())])
        with pq.ParquetWriter(inventory, schema) as writer:
            for first in range(0, scope.keys, 10_000):
                rows = map(_synthetic, range(first, first + 10_000))
                writer.write_table(pa.table(dict(zip(schema.names, zip(*rows, strict=True), strict=True)), schema))
        usage = run_tree(_sesr("plan", "s3://archive", "-o", out, "--from", inventory))
        if usage.code:
            raise UsageError("sesr plan failed")
        size = sum(path.stat().st_size for path in _folder(out).rglob("plan-*.parquet"))
    how = f"{scope.keys:,} synthetic keys from an inventory"
    yield Measurement("plan-memory", "plan: memory", round(usage.memory / 1e6), "MB", 300, "at most", how)
    yield Measurement("plan-time", "plan: processor time", round(usage.cpu, 1), "s", 60, "at most", how)
    yield Measurement("plan-size", "plan: size of a key", round(size / scope.keys, 1), "bytes", 30, "at most", how)


def _overhead(scope: Scope) -> Iterator[Measurement]:
    """Measure what a worker adds to upscaling a file: fetching, putting, temporary files, a record."""
    count = max(3, scope.pictures // 4)
    how = f"{count} JPEGs of 0.08 megapixels, median of {scope.rounds} rounds in turns with upscale_file"
    with _places() as (source, out):
        pictures = _drawn(_folder(source), count)
        extra = _added(source, out, pictures, scope.rounds)
        what, unit = "overhead of a worker, local folder", "ms of processor a picture"
        yield Measurement("overhead-folder", what, extra, unit, 10, "at most", how)
        if _has("moto", "boto3", "flask"):
            with _s3_server() as bucket:
                store = Store(bucket)
                for path in pictures:
                    store.put(path.name, path)
                extra = _added(bucket, f"{bucket}-results", pictures, scope.rounds)
            what = "overhead of a worker, S3 on loopback"
            yield Measurement("overhead-s3", what, extra, unit, 10, "at most", how)


def _scan(scope: Scope) -> Iterator[Measurement]:
    """Processor time of one scan in a worker of one thread, which costs and times follow from."""
    for int8 in (False, True):
        for form in ("jpg", "png"):
            with _places() as (source, out):
                Image.fromarray(photograph(scope.megapixels)).save(_folder(source) / "scan.jpg", quality=90)
                worker, items = _worker(source, out, Settings(size="x2", int8=int8, format=form))
                worker.process(items[0], again=True)
                cpu, wall = [], []
                for _ in range(2 * scope.rounds):
                    before = time.process_time(), time.perf_counter()
                    worker.process(items[0], again=True)
                    cpu.append(time.process_time() - before[0])
                    wall.append(time.perf_counter() - before[1])
            numbers, network = ("int8", "m5-int8") if int8 else ("float", "m5")
            how = f"{network} x2, {scope.megapixels:g} megapixels, JPEG to {form}, one thread"
            what, slug = f"scan, {numbers}, {form}", f"{numbers}-{form}"
            yield Measurement(
                f"scan-{slug}", what, round(min(cpu), 2), "s of processor", how=f"{how}, least of {len(cpu)}"
            )
            busy = max(used / taken for used, taken in zip(cpu, wall, strict=True))
            what = f"processors that a worker of one thread keeps busy, {numbers}, {form}"
            more = f"{how}; load {os.getloadavg()[0]:.1f} after it"
            yield Measurement(f"busy-{slug}", what, round(busy, 2), "processors", 1.3, "at most", more)
    with _places() as (source, out):
        Image.fromarray(photograph(scope.megapixels)).save(_folder(source) / "scan.jpg", quality=90)
        usage = run_tree(_sesr("upscale", source, "-o", out, "-f", "jpg", "--threads", 1))
    how = f"sesr upscale of {scope.megapixels:g} megapixels, JPEG to JPEG, one thread"
    yield Measurement("scan-memory", "memory of a process", round(usage.memory / 1e6), "MB", how=how)


def _threads(scope: Scope) -> Iterator[Measurement]:
    """One worker against two, as threads."""
    with _places() as (source, _):
        count = _megapixel_pictures(source, scope)
        rates, costs = [], []
        for jobs in (1, 2):
            with _places() as (_, out):
                job, began = _job(source, out), time.process_time()
                rates.append(_rate(list(run_shards(job, [0], jobs=jobs, threads=jobs))))
                costs.append(time.process_time() - began)
    how = f"{count} JPEGs of 1.5 megapixels; load {os.getloadavg()[0]:.1f} after it"
    what, value = "two threads against one", round(rates[1] / rates[0], 2)
    yield Measurement("threads", what, value, "times", 1.8, "at least", how)
    what, how = "the same, if both processors were free", "twice the processor time of a picture over that of two"
    yield Measurement("threads-free", what, round(2 * costs[0] / costs[1], 2), "times", 1.8, "at least", how)


def _ray(scope: Scope) -> Iterator[Measurement]:
    """Ray's fixed cost, what travels through it, and one worker against two."""
    if not _has("ray"):
        return
    with _places() as (source, out):
        _drawn(_folder(source), 1)
        plain = run_tree(_sesr("upscale", source, "-o", f"{out}/plain"))
        on_ray = run_tree(_sesr("upscale", source, "-o", f"{out}/ray", "--ray"))
    how = "sesr upscale --ray of one small picture, less the same without --ray"
    yield Measurement(
        "ray-time", "Ray: fixed processor time", round(on_ray.cpu - plain.cpu, 1), "s", 60, "at most", how
    )
    how = "the same; all its processes, what they share counted once"
    yield Measurement("ray-memory", "Ray: memory", round(on_ray.memory / 1e6), "MB", how=how)
    key, size, etag = _synthetic(1)
    item = Item(key, size, etag, f"{key}_x2.png")
    record = Record(item.key, item.etag, "done", None, 1.5, "avx512vnni int16", 1e9, 12_000_000)
    size = len(pickle.dumps(item)) + len(pickle.dumps(record))
    how = "key and record, pickled each by itself"
    yield Measurement("ray-bytes", "Ray: bytes of a picture through it", size, "bytes", 1000, "at most", how)
    rates = []
    with _places() as (source, _):
        count = _megapixel_pictures(source, scope)
        for workers in (1, 2):
            with _places() as (_, out), _session(workers):
                rates.append(_rate(list(run_on_ray(_job(source, out), [0]))))
    how = f"{count} JPEGs of 1.5 megapixels; load {os.getloadavg()[0]:.1f} after it"
    yield Measurement(
        "ray-workers", "two workers of Ray against one", round(rates[1] / rates[0], 2), "times", 1.8, "at least", how
    )


def _large(scope: Scope) -> Iterator[Measurement]:
    """One large picture among small ones, on Ray."""
    if not _has("ray"):
        return
    side = round((scope.large * 1e6) ** 0.5)
    with _places() as (source, out), _session(2):
        rows = np.random.default_rng(0).integers(0, 256, (64, side), np.uint8)
        large = np.tile(rows, (side // 64 + 1, 1))[:side]
        Image.fromarray(large).convert("RGB").save(_folder(source) / "large.png", compress_level=1)
        _drawn(_folder(source), 40)
        job = _job(source, out, Settings(size="x2", int8=True))
        peak, records = 0, []
        for record in run_on_ray(job, [0]):
            records.append(record)
            peak = max([peak, *map(_peak_of, _ray_workers())])
    found = {record.key: record for record in records}
    end = found["large.png"].finished
    waited = sum(record.finished > end for record in records)
    estimate = job.settings.upscaler(1).memory((side, side), Path("large.png"))
    how = f"{scope.large:g} megapixels, PNG to PNG, among 40 of 0.08, two workers"
    yield Measurement(
        "large-waiting", "small pictures that waited for a large one", waited, "pictures", 0, "at most", how
    )
    ratio = round(peak / estimate, 2)
    yield Measurement("large-memory", "large picture: memory over the estimate", ratio, "times", 1.2, "at most", how)


def _kills(scope: Scope) -> Iterator[Measurement]:
    """Runs in which one of two of Ray's workers is killed, with results compared byte for byte with the command's."""
    if not _has("ray"):
        return
    with _places() as (source, plain):
        _drawn(_folder(source), scope.pictures)
        broken = _break(_folder(source))
        subprocess.run(_sesr("upscale", source, "-o", plain), capture_output=True, check=False)
        expected = _results(plain)
        good = 0
        with _session(2):
            for number in range(scope.kills):
                with _places() as (_, out):
                    good += _killed_run(_job(source, out), broken, expected, random.Random(number))
    how = f"{scope.pictures} drawn JPEGs, {len(broken)} of them broken; all recorded, none twice, bytes as without Ray"
    what, unit = "runs with a killed worker that ended well", f"of {scope.kills}"
    yield Measurement("killed", what, good, unit, scope.kills, "at least", how)


def _stops(scope: Scope) -> Iterator[Measurement]:
    """Runs whose driver is killed at random moments, and what the next run fetches again."""
    if not _has("ray"):
        return
    most, last = 0, 1
    with _places() as (source, _):
        _drawn(_folder(source), scope.pictures)
        for number in range(scope.stops):
            with _places() as (_, out):
                command = _sesr("upscale", source, "-o", out, "--ray")
                _stopped_in_the_middle(command, out, scope.pictures, random.Random(number))
                before = set(_results(out))
                job = open_job(Store(out))
                records = list(run_shards(job, [0], jobs=1, threads=1))
                fetched = {f"{record.key}_x2.png" for record in records if record.seconds}
                most = max(most, len(fetched & before))
                last = len(list(run_shards(job, [0], jobs=1, threads=1)))
    how = f"driver killed at {scope.stops} random moments of a job of {scope.pictures}"
    more = f"{how}; the bar is two tasks for each of two workers"
    yield Measurement("stopped", "pictures fetched again though done", most, "pictures", 64, "at most", more)
    yield Measurement("rerun", "pictures touched by a rerun of a finished job", last, "pictures", 0, "at most", how)


PARTS: dict[str, Callable[[Scope], Iterator[Measurement]]] = {
    "plan": _plan,
    "overhead": _overhead,
    "scan": _scan,
    "threads": _threads,
    "ray": _ray,
    "large": _large,
    "kills": _kills,
    "stops": _stops,
}
"""Parts by name, in the order in which they run."""


# What they share


@contextmanager
def _places() -> Iterator[tuple[str, str]]:
    """Yield URLs of two new folders."""
    with tempfile.TemporaryDirectory(prefix="sesr-", ignore_cleanup_errors=True) as folder:
        urls = []
        for name in ("in", "out"):
            Path(folder, name).mkdir()
            urls.append(Path(folder, name).as_uri())
        yield urls[0], urls[1]


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


@contextmanager
def _s3_server() -> Iterator[str]:
    """Run moto in a process of its own, and yield the URL of a bucket."""
    import boto3

    with _free_port() as port:
        server = subprocess.Popen(
            [sys.executable, "-c", f"from moto.server import main; main(['-H', '127.0.0.1', '-p', '{port}'])"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    address = f"http://127.0.0.1:{port}"
    access = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "testtest", "AWS_REGION": "us-east-1"}
    os.environ |= access | {"AWS_ENDPOINT": address, "AWS_ALLOW_HTTP": "true"}
    try:
        client = boto3.client("s3", endpoint_url=address, region_name="us-east-1")
        for _ in range(100):
            with suppress(Exception):
                client.create_bucket(Bucket="pictures")
                client.create_bucket(Bucket="pictures-results")
                break
            time.sleep(0.2)
        yield "s3://pictures"
    finally:
        server.terminate()
        server.wait()


@contextmanager
def _free_port() -> Iterator[int]:
    import socket

    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        number: int = place.getsockname()[1]
    yield number


def _has(*packages: str) -> bool:
    return all(importlib.util.find_spec(package) for package in packages)


def _folder(url: str) -> Path:
    return Path(url.removeprefix("file://"))


def _sesr(*words: object) -> list[str]:
    return [sys.executable, "-m", "sesr", *map(str, words)]


def _synthetic(number: int) -> tuple[str, int, str]:
    """Return a key as archives have them, a size and an ETag."""
    key = f"archive/{number // 10_000:05}/box_{number % 97:03}/scan_{number:09}.jpg"
    return key, 200_000 + number * 7919 % 900_000, hashlib.md5(key.encode(), usedforsecurity=False).hexdigest()


def _drawn(folder: Path, count: int) -> list[Path]:
    """Write small photographs, 320 x 240, all different."""
    whole = photograph(0.5)
    paths = []
    for number in range(count):
        y, x = number * 7 % (whole.shape[0] - 240), number * 13 % (whole.shape[1] - 320)
        paths.append(folder / f"scan_{number:05}.jpg")
        Image.fromarray(whole[y : y + 240, x : x + 320]).save(paths[-1], quality=88)
    return paths


def _break(folder: Path) -> set[str]:
    """Damage some pictures, and return their names."""
    paths = sorted(folder.glob("*.jpg"))[:: max(1, len(list(folder.glob("*.jpg"))) // 5)][:5]
    for number, path in enumerate(paths):
        path.write_bytes(path.read_bytes()[:2500] if number % 2 else b"<html>404</html>")
    return {path.name for path in paths}


def _megapixel_pictures(source: str, scope: Scope) -> int:
    """Write pictures of 1.5 megapixels, and return how many."""
    count = max(4, scope.pictures // 6)
    content = photograph(1.5)
    for number in range(count):
        Image.fromarray(np.roll(content, number * 31, axis=1)).save(_folder(source) / f"{number:03}.jpg", quality=90)
    return count


def _job(source: str, out: str, settings: Settings = _DOUBLED) -> Job:
    return make_plan(source, Store(out), settings).job


def _worker(source: str, out: str, settings: Settings = _DOUBLED) -> tuple[Worker, list[Item]]:
    job = _job(source, out, settings)
    return Worker(Store(source), job.output, settings, 1), job.items(0)


def _added(source: str, out: str, pictures: list[Path], rounds: int) -> float:
    """Return the milliseconds of processor that a worker adds to a picture."""
    worker, items = _worker(source, out)
    upscaler, output = Settings(size="x2").upscaler(1), Settings().output(1)
    differences = []
    with tempfile.TemporaryDirectory(prefix="sesr-") as folder:
        for number in range(rounds + 1):
            for item in items if number else ():
                worker_output = Store(out)
                worker_output.delete(item.target)
            began = time.process_time()
            for item in items:
                worker.process(item)
            between = time.process_time()
            for path in pictures:
                _upscaled(upscaler, path, Path(folder, "result.png"), output)
            ended = time.process_time()
            differences.append((between - began) - (ended - between))
    return round(1000 * median(differences[1:] or differences) / len(pictures), 1)


def _upscaled(upscaler: Upscaler, source: Path, target: Path, output: Any) -> None:  # noqa: ANN401
    upscaler.upscale_file(source, target, output)


def _rate(records: list[Record]) -> float:
    """Return pictures a second between the first end and the last."""
    ends = sorted(record.finished for record in records)
    return (len(ends) - 1) / (ends[-1] - ends[0])


def _results(out: str) -> dict[str, str]:
    """Return checksums of all results by key."""
    folder = _folder(out)
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
    while process.poll() is None and len(list(_folder(out).glob("*_x2.png"))) < wanted:
        time.sleep(0.05)
    process.kill()
    process.wait()
    while _ray_workers():  # Ray ends them
        time.sleep(0.2)


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
