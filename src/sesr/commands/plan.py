"""`sesr plan`: which pictures a job has, in shards that any machine can take."""

import argparse
from typing import TYPE_CHECKING

from sesr.commands.arguments import Arguments, add_command, add_size, plain, positive
from sesr.commands.upscale import add_files, add_networks, add_patterns

if TYPE_CHECKING:
    from sesr.commands.arguments import Commands

_MOST = 10_000


def add_plan(commands: "Commands") -> None:
    """Add the subcommand."""
    parser = add_command(commands, "plan", _plan, "list the pictures of a job in an object store, in shards")
    parser.add_argument("input", metavar="IN", help="where the pictures are: s3://, gs://, az://, file://, or a folder")
    parser.add_argument(
        "-o", "--output", required=True, metavar="OUT", help="where results, plan and logs go, likewise"
    )
    parser.add_argument(
        "--from",
        dest="inventory",
        metavar="PARQUET",
        help="take keys from an inventory, with columns key, size and etag, instead of listing IN",
    )
    parser.add_argument("--job", default="default", metavar="NAME", help="name of the job (default: %(default)s)")
    parser.add_argument(
        "--shard-size", type=_shard_size, default=_MOST, metavar="N", help="pictures in a shard (default: %(default)s)"
    )
    add_size(parser)
    add_patterns(parser)
    add_networks(parser)
    add_files(parser)


def _plan(arguments: Arguments) -> int:
    from sesr.bulk.plan import make_plan
    from sesr.bulk.stores import Store
    from sesr.bulk.urls import as_url
    from sesr.commands.jobs import whole_settings
    from sesr.jobs.folders import Search

    planned = make_plan(
        as_url(arguments.input),
        Store(as_url(arguments.output)),
        whole_settings(arguments),
        name=arguments.job,
        search=Search(True, tuple(arguments.include or ()), tuple(arguments.exclude or ())),
        inventory=arguments.inventory,
        shard=arguments.shard_size,
    )
    job = planned.job
    shards, pictures = _count(len(job.counts), "shard"), _count(job.pictures, "picture")
    print(plain(f"{job.shown}: {pictures} of {_size(job.bytes)} in {shards}"))
    if str(planned.left_out):
        print(plain(f"left out: {planned.left_out}"))
    named = "" if job.name == "default" else f" --job {job.name}"
    print(plain(f"work on it by: sesr upscale -o {job.output.url}{named}"))
    return 0


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"


def _size(size: int) -> str:
    """Return a size for people: 12.3 GB."""
    for unit in ("bytes", "kB", "MB", "GB", "TB"):
        if size < 1000 or unit == "TB":
            return f"{size:.3g} {unit}" if unit != "bytes" else f"{size} bytes"
        size /= 1000  # type: ignore[assignment]
    raise AssertionError


def _shard_size(text: str) -> int:
    """Parse a number of pictures in a shard."""
    number = positive(text)
    if number > _MOST:
        raise argparse.ArgumentTypeError(f"a shard has at most {_MOST} pictures, not {number}")
    return number
