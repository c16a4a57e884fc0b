"""`sesr status`: how far a job is."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from sesr.commands.arguments import Arguments, add_command, plain
from sesr.errors import UsageError

if TYPE_CHECKING:
    from sesr.bulk.job import Job
    from sesr.bulk.status import Status
    from sesr.commands.arguments import Commands


def add_status(commands: "Commands") -> None:
    """Add the subcommand."""
    parser = add_command(commands, "status", _status, "report how far a job in an object store is")
    parser.add_argument("output", metavar="OUT", help="where results go: s3://, gs://, az://, file://, or a folder")
    parser.add_argument("--job", default="default", metavar="NAME", help="name of the job (default: %(default)s)")
    parser.add_argument(
        "--failed",
        action="store_true",
        help="list the pictures that failed, with reasons",
    )
    parser.add_argument("--failed-to", metavar="FILE", help="write them to a Parquet file")
    parser.add_argument("--json", action="store_true", help="print an object; with --failed, one a line for each")


def _status(arguments: Arguments) -> int:
    from sesr.bulk.job import open_job
    from sesr.bulk.status import job_status
    from sesr.bulk.stores import Store
    from sesr.bulk.urls import as_url

    job = open_job(Store(as_url(arguments.output)), arguments.job)
    if arguments.failed_to is not None:
        _write_failed(job, arguments.failed_to)
    if arguments.failed:
        _print_failed(job, arguments.json)
    if arguments.failed or arguments.failed_to is not None:
        return 0
    status = job_status(job)
    print(json.dumps(status.as_dict()) if arguments.json else _text(job, status))
    return 0


def _text(job: "Job", status: "Status") -> str:
    """Return lines for people."""
    lines = [f"{job.shown}, {status.pictures} pictures from {job.source}"]
    lines.append(f"done {status.done}, failed {status.failed}, left {status.left}")
    if status.per_second is not None and status.seconds_left is not None and status.left:
        lines.append(f"{status.per_second:.3g} pictures/s, {_duration(status.seconds_left)} left")
    elif status.left:
        lines.append("nobody has recorded anything in the last ten minutes")
    if len(status.kernels) > 1:
        floats = any(not kernel.endswith(("int8", "int16")) for kernel in status.kernels)
        lines.append(f"computed by {', '.join(status.kernels)}" + (": equal within rounding" if floats else ""))
    return "\n".join(map(plain, lines))


def _print_failed(job: "Job", as_json: bool) -> None:
    """Print the pictures that failed."""
    from sesr.bulk.status import failed_records

    for record in failed_records(job):
        line = {"key": record.key, "reason": record.reason, "etag": record.etag}
        print(json.dumps(line) if as_json else plain(f"{record.key}: {record.reason}"))


def _write_failed(job: "Job", file: str) -> None:
    """Write the pictures that failed to a file."""
    from sesr.atomic import writing
    from sesr.bulk.records import log_bytes
    from sesr.bulk.status import failed_records

    if "://" in file:
        raise UsageError(f"--failed-to {file}: name a file here")
    with writing(Path(file)) as temporary:
        temporary.write_bytes(log_bytes(failed_records(job), {}))


def _duration(seconds: float) -> str:
    """Return a long time for people: 3 h 10 min, 12 days."""
    minutes = int(seconds) // 60
    if minutes < 60:
        return f"{minutes} min {int(seconds) % 60:02} s"
    hours = minutes // 60
    return f"{hours} h {minutes % 60:02} min" if hours < 48 else f"{hours // 24} days {hours % 24} h"
