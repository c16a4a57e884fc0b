"""`sesr upscale` with URLs or for a planned job: pictures in object stores, on this machine or on Ray."""

import json
import os
import sys
import time
from collections import Counter
from collections.abc import Generator
from contextlib import closing
from typing import TYPE_CHECKING

from sesr.commands.arguments import Arguments, plain
from sesr.commands.jobs import check_settings, fill_in, whole_settings
from sesr.commands.quiet import quiet_libraries
from sesr.commands.stop import raise_if_stopped, until_stopped
from sesr.errors import EngineError, StoreError, UsageError, WeightsError

if TYPE_CHECKING:
    from sesr.bulk.job import Job
    from sesr.bulk.records import Record
    from sesr.bulk.shards import Part


def upscale_objects(arguments: Arguments) -> int:
    """Plan the job, if pictures are named, and work on it. Returns the exit code."""
    try:
        return _upscale_objects(arguments)
    except (EngineError, WeightsError) as error:  # else a scheduler would take it for failed pictures
        error.exit_code = StoreError.exit_code
        raise


def _upscale_objects(arguments: Arguments) -> int:
    from sesr.memory import return_freed_blocks

    return_freed_blocks()
    _check(arguments)
    with quiet_libraries():
        job, left_out = _job(arguments)
        shards = _part(arguments).shards(len(job.counts))
        pictures = sum(job.counts[shard] for shard in shards)
        records = _records(job, shards, max(pictures, 1), arguments)
        try:
            with closing(records):
                failed = _report(records, pictures, arguments)
        except KeyboardInterrupt:  # Ray makes one of any signal
            raise_if_stopped()
            raise
        if left_out and not arguments.json:
            print(plain(f"left out: {left_out}"))
        return 1 if failed else 0


def _check(arguments: Arguments) -> None:
    """Raise `UsageError` for options that cannot be meant together."""
    from sesr.bulk.shards import array_variable
    from sesr.bulk.urls import is_url

    if len(arguments.inputs) > 1:
        raise UsageError("with a URL, name one place with pictures; --include and --exclude select among them")
    if "-" in (*arguments.inputs, arguments.output):
        raise UsageError("- is a stream and goes with files; with a URL, name another URL or a folder")
    if arguments.output is None:
        raise UsageError("name the place for results with -o: a URL or a folder")
    if not arguments.inputs and (arguments.recursive or arguments.include or arguments.exclude):
        raise UsageError("-r, --include and --exclude choose pictures, which the plan has done; leave them out")
    if arguments.inputs and arguments.ray is None and (variable := array_variable(os.environ)) is not None:
        advice = f"plan first, by sesr plan, and leave out IN (or unset {variable}, and each task does all)"
        raise UsageError(f"every task of an array would do all of {arguments.inputs[0]}; {advice}")
    if arguments.shard is not None and arguments.inputs:
        raise UsageError("--shard is a part of a planned job; plan it by sesr plan, and leave out IN here")
    if arguments.ray is not None and (arguments.jobs or arguments.memory):
        raise UsageError("with --ray, workers and memory are the cluster's; leave out -j and --memory")
    if arguments.ray and is_url(arguments.ray) and not arguments.ray.startswith("ray://"):
        raise UsageError(f"--ray {arguments.ray}: not an address of Ray; write IN before --ray")


def _job(arguments: Arguments) -> "tuple[Job, str]":
    """Return the job, planned now if pictures are named, and what the plan left out."""
    from sesr.bulk.job import DEFAULT_JOB, open_job
    from sesr.bulk.plan import make_plan
    from sesr.bulk.stores import Store
    from sesr.bulk.urls import as_url
    from sesr.jobs.folders import Search

    output, name = Store(as_url(arguments.output)), arguments.job or DEFAULT_JOB
    if not arguments.inputs:
        job = open_job(output, name)
        check_settings(job, arguments)
        return job, ""
    fill_in(arguments)
    search = Search(arguments.recursive, tuple(arguments.include or ()), tuple(arguments.exclude or ()))
    planned = make_plan(as_url(arguments.inputs[0]), output, whole_settings(arguments), name=name, search=search)
    return planned.job, str(planned.left_out)


def _part(arguments: Arguments) -> "Part":
    """Return the part of the job that is meant: an array task's own, or all."""
    from sesr.bulk.shards import ALL, array_part, parse_part

    if arguments.shard is not None:
        return parse_part(arguments.shard)
    if arguments.inputs or arguments.ray is not None:
        return ALL
    return array_part(os.environ) or ALL


def _records(job: "Job", shards: range, pictures: int, arguments: Arguments) -> "Generator[Record, None, None]":
    """Start the work; records come as it is done."""
    from sesr.bulk.shards import run_shards
    from sesr.processors import available_threads

    if arguments.ray is not None:
        from sesr.bulk.cluster import run_on_ray

        threads = arguments.threads or 1
        return run_on_ray(job, shards, address=arguments.ray or None, threads=threads, again=arguments.overwrite)
    threads = arguments.threads or available_threads()
    jobs = arguments.jobs or (min(threads, pictures) if job.settings.engine == "native" else 1)
    return run_shards(job, shards, jobs=jobs, threads=threads, memory=arguments.memory, again=arguments.overwrite)


def _report(records: "Generator[Record, None, None]", pictures: int, arguments: Arguments) -> int:
    """Print records as they come, and a summary. Returns how many pictures failed."""
    from tqdm import tqdm

    started, counts = time.monotonic(), Counter[str]()
    with tqdm(total=pictures, unit="pictures", delay=1, leave=False, disable=None) as bar:
        for record in until_stopped(records):
            counts["before" if record.done and not record.seconds else record.status] += 1
            bar.update()
            with tqdm.external_write_mode():
                if arguments.json:
                    print(json.dumps(_object(record)), flush=True)
                elif not record.done:
                    print(f"sesr: {plain(f'{record.key}: {record.reason}')}", file=sys.stderr, flush=True)
    seconds, done, failed = time.monotonic() - started, counts["done"], counts["failed"]
    before = pictures - done - failed
    if arguments.json:
        summary = {"status": "summary", "done": done, "skipped": before, "failed": failed}
        print(json.dumps({**summary, "seconds": round(seconds, 3)}), flush=True)
    else:
        print(f"enlarged {done}, done before {before}, failed {failed} in {seconds:.1f} s", flush=True)
    return failed


def _object(record: "Record") -> dict[str, object]:
    """Return a record for JSON."""
    found = record.done and not record.seconds
    return {
        "status": "skipped" if found else record.status,
        "source": record.key,
        "etag": record.etag,
        "reason": record.reason,
        "seconds": round(record.seconds, 3),
        "kernel": record.kernel,
    }
