"""Jobs on this machine: plans, what a worker adds to a picture's own work, scans, and threads."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from statistics import median
from typing import Any

from PIL import Image

from sesr.benchmarks.bulk_trial import (
    DOUBLED,
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
from sesr.benchmarks.files import photograph
from sesr.benchmarks.process_tree import run_tree
from sesr.bulk.records import Item, import_parquet
from sesr.bulk.settings import Settings
from sesr.bulk.shards import run_shards
from sesr.bulk.stores import Store
from sesr.bulk.worker import Worker
from sesr.errors import UsageError
from sesr.inference.upscale import Upscaler


def measure_plan(scope: Scope) -> Iterator[Measurement]:
    """A plan of many keys from an inventory, by the command."""
    pa, pq = import_parquet()
    with places() as (_, out), tempfile.TemporaryDirectory() as folder:
        inventory = Path(folder, "inventory.parquet")
        schema = pa.schema([("key", pa.string()), ("size", pa.int64()), ("e_tag", pa.string())])
        with pq.ParquetWriter(inventory, schema) as writer:
            for first in range(0, scope.keys, 10_000):
                rows = map(synthetic, range(first, first + 10_000))
                writer.write_table(pa.table(dict(zip(schema.names, zip(*rows, strict=True), strict=True)), schema))
        usage = run_tree(sesr_command("plan", "s3://archive", "-o", out, "--from", inventory))
        if usage.code:
            raise UsageError("sesr plan failed")
        size = sum(path.stat().st_size for path in folder_of(out).rglob("plan-*.parquet"))
    how = f"{scope.keys:,} synthetic keys from an inventory"
    yield Measurement("plan-memory", "plan: memory", round(usage.memory / 1e6), "MB", 300, "at most", how)
    yield Measurement("plan-time", "plan: processor time", round(usage.cpu, 1), "s", 60, "at most", how)
    yield Measurement("plan-size", "plan: size of a key", round(size / scope.keys, 1), "bytes", 30, "at most", how)


def measure_overhead(scope: Scope) -> Iterator[Measurement]:
    """Measure what a worker adds to upscaling a file: fetching, putting, temporary files, a record."""
    count = max(3, scope.pictures // 4)
    how = f"{count} JPEGs of 0.08 megapixels, median of {scope.rounds} rounds in turns with upscale_file"
    with places() as (source, out):
        pictures = drawn(folder_of(source), count)
        extra = _added(source, out, pictures, scope.rounds)
        what, unit = "overhead of a worker, local folder", "ms of processor a picture"
        yield Measurement("overhead-folder", what, extra, unit, 10, "at most", how)
        if has("moto", "boto3", "flask"):
            with _s3_server() as bucket:
                store = Store(bucket)
                for path in pictures:
                    store.put(path.name, path)
                extra = _added(bucket, f"{bucket}-results", pictures, scope.rounds)
            what = "overhead of a worker, S3 on loopback"
            yield Measurement("overhead-s3", what, extra, unit, 10, "at most", how)


def measure_scans(scope: Scope) -> Iterator[Measurement]:
    """Processor time of one scan in a worker of one thread, which costs and times follow from."""
    for int8 in (False, True):
        for form in ("jpg", "png"):
            with places() as (source, out):
                Image.fromarray(photograph(scope.megapixels)).save(folder_of(source) / "scan.jpg", quality=90)
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
    with places() as (source, out):
        Image.fromarray(photograph(scope.megapixels)).save(folder_of(source) / "scan.jpg", quality=90)
        usage = run_tree(sesr_command("upscale", source, "-o", out, "-f", "jpg", "--threads", 1))
    how = f"sesr upscale of {scope.megapixels:g} megapixels, JPEG to JPEG, one thread"
    yield Measurement("scan-memory", "memory of a process", round(usage.memory / 1e6), "MB", how=how)


def measure_threads(scope: Scope) -> Iterator[Measurement]:
    """One worker against two, as threads."""
    with places() as (source, _):
        count = megapixel_pictures(source, scope)
        rates, costs = [], []
        for jobs in (1, 2):
            with places() as (_, out):
                job, began = planned(source, out), time.process_time()
                rates.append(rate(list(run_shards(job, [0], jobs=jobs, threads=jobs))))
                costs.append(time.process_time() - began)
    how = f"{count} JPEGs of 1.5 megapixels; load {os.getloadavg()[0]:.1f} after it"
    what, value = "two threads against one", round(rates[1] / rates[0], 2)
    yield Measurement("threads", what, value, "times", 1.8, "at least", how)
    what, how = "the same, if both processors were free", "twice the processor time of a picture over that of two"
    yield Measurement("threads-free", what, round(2 * costs[0] / costs[1], 2), "times", 1.8, "at least", how)


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


def _worker(source: str, out: str, settings: Settings = DOUBLED) -> tuple[Worker, list[Item]]:
    job = planned(source, out, settings)
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
