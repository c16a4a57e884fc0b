"""`sesr upscale`."""

import argparse
import re
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from sesr.commands.arguments import (
    Arguments,
    add_command,
    add_engine_name,
    add_int8,
    add_model,
    add_size,
    add_threads,
    positive,
    sharpen_amount,
    tile,
    wanted_size,
)
from sesr.commands.jobs import USUAL, fill_in
from sesr.commands.quiet import quiet_libraries
from sesr.commands.stop import until_stopped
from sesr.commands.upscale_report import report_json, report_text
from sesr.errors import UsageError

if TYPE_CHECKING:
    from sesr.commands.arguments import Commands
    from sesr.imaging.flatten import Color
    from sesr.inference.upscale import Upscaler
    from sesr.jobs.streams import Places


def add_upscale(commands: "Commands") -> None:
    """Add the subcommand."""
    parser = add_command(commands, "upscale", _upscale, "enlarge pictures")
    parser.add_argument(
        "inputs",
        type=_place,
        nargs="*",
        metavar="IN",
        help="picture files, patterns such as '*.jpg', folders, - for stdin, or a URL: s3://, gs://, az://, file://",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=_place,
        metavar="OUT",
        help="a file, a folder, a URL, or - for stdout (default: name_x2.png next to each input; stdout for stdin)",
    )
    add_size(parser)
    parser.add_argument(
        "-r", "--recursive", action="store_true", help="go down into subfolders, and make the same tree in OUT"
    )
    add_patterns(parser)
    add_networks(parser)
    add_threads(parser)
    add_files(parser)
    _add_batch(parser)
    _add_job(parser)
    parser.set_defaults(**dict.fromkeys(USUAL))


def add_patterns(parser: argparse.ArgumentParser) -> None:
    """Add what says which pictures of a folder are meant."""
    parser.add_argument(
        "--include",
        action="append",
        metavar="PATTERN",
        help="from folders, only pictures whose name or path matches, such as '*.jpg' or '2024/*'; may be repeated",
    )
    parser.add_argument(
        "--exclude",
        action="append",
        metavar="PATTERN",
        help="from folders, no pictures or subfolders whose name or path matches; may be repeated",
    )


def add_networks(parser: argparse.ArgumentParser) -> None:
    """Add what says which network runs, and how."""
    add_model(parser)
    add_int8(parser)
    parser.add_argument(
        "--photo",
        action="store_true",
        help="the network trained on compressed pictures, m5-photo for m5; it doubles, so -s 4 runs it twice",
    )
    parser.add_argument(
        "--sharpen",
        type=sharpen_amount,
        default=0.0,
        metavar="AMOUNT",
        help="sharpen the result, from 0 (not at all, the default) over 0.3 (visible) and 1 (strong) to 2",
    )
    add_engine_name(parser)
    parser.add_argument("-t", "--tile", type=_tile, metavar="N", help="side of the tiles in pixels (default: auto)")


def add_files(parser: argparse.ArgumentParser) -> None:
    """Add what says how files are read and written."""
    parser.add_argument(
        "-f",
        "--format",
        metavar="FORMAT",
        help="format where OUT does not name it: png, jpg, webp, tiff ..., or same to keep each file's (default: png)",
    )
    parser.add_argument(
        "--quality", type=_quality, metavar="N", help="of JPEG, WebP, AVIF, HEIC and JPEG XL, 1 to 100 (default: 95)"
    )
    parser.add_argument(
        "--background",
        type=_color,
        metavar="COLOR",
        help="replace transparency by a color, such as white or '#ff8800'; JPEG and BMP need one",
    )
    parser.add_argument(
        "--page",
        type=_page,
        metavar="N",
        help="page or frame of files with several, from 1 on, or all: name_x2_p1.png, name_x2_p2.png ...",
    )
    parser.add_argument(
        "--strip-metadata", action="store_true", help="keep colors only: no EXIF, XMP, comments or text"
    )
    parser.add_argument(
        "--max-megapixels", type=_megapixels, metavar="N", help="largest picture to read (default: 500)"
    )


def _add_batch(parser: argparse.ArgumentParser) -> None:
    """Add what is replaced, how much runs at a time, and what is printed."""
    parser.add_argument(
        "--overwrite", action="store_true", help="replace files that exist; in folders, do again what was done"
    )
    parser.add_argument(
        "-j", "--jobs", type=positive, metavar="N", help="pictures at a time (default: one a processor, of our engine)"
    )
    parser.add_argument(
        "--memory",
        type=_bytes,
        metavar="SIZE",
        help="memory that pictures at a time may need together, such as 4GB (default: half of what is free)",
    )
    parser.add_argument("--json", action="store_true", help="print an object a line for each picture, and a summary")


def _add_job(parser: argparse.ArgumentParser) -> None:
    """Add what concerns jobs that `sesr plan` has planned: many pictures, many machines."""
    parser.add_argument(
        "--shard",
        metavar="I/N",
        help="of the job in OUT, only part I of N, from 0 on (default: all; in an array task of Slurm, AWS Batch or "
        "Kubernetes its own part)",
    )
    parser.add_argument(
        "--ray",
        nargs="?",
        const="",
        metavar="ADDRESS",
        help="work on Ray: at ADDRESS, such as auto or ray://host:10001, at RAY_ADDRESS, or on this machine alone",
    )
    parser.add_argument("--job", metavar="NAME", help="name of the job in OUT, with URLs (default: default)")


def _upscale(arguments: Arguments) -> int:
    if _is_bulk(arguments):
        from sesr.commands.upscale_objects import upscale_objects

        return upscale_objects(arguments)
    fill_in(arguments)
    if not arguments.inputs:
        raise UsageError("name what to enlarge: files, folders, patterns, - for stdin, or a URL")
    from sesr.jobs.patterns import expand_patterns
    from sesr.jobs.streams import opened_streams
    from sesr.memory import return_freed_blocks

    return_freed_blocks()
    with quiet_libraries(), opened_streams(expand_patterns(arguments.inputs), arguments.output) as places:
        if arguments.json and places.to_stdout:
            raise UsageError("--json and the picture would both go to stdout; name a file with -o")
        return _upscale_in(places, arguments)


def _is_bulk(arguments: Arguments) -> bool:
    """Tell whether object stores or a planned job are meant, rather than files here."""
    from sesr.bulk.urls import is_url

    output = [arguments.output] if arguments.output else []
    asked = (arguments.shard, arguments.ray, arguments.job)
    if any(map(is_url, (*arguments.inputs, *output))) or any(option is not None for option in asked):
        return True
    return not arguments.inputs and any(Path(folder, ".sesr").is_dir() for folder in output)


def _upscale_in(places: "Places", arguments: Arguments) -> int:
    from sesr.files.write import Output
    from sesr.jobs.batch import upscale_files
    from sesr.jobs.folders import PassedOver, Search, find_pictures
    from sesr.jobs.pages import with_pages

    search = Search(arguments.recursive, tuple(arguments.include or ()), tuple(arguments.exclude or ()))
    passed_over = PassedOver()
    results = None if places.output is None else Path(places.output)
    work = with_pages(find_pictures(map(Path, places.inputs), search, results, passed_over), arguments.page)
    if places.to_stdout and len(work) > 1:
        raise UsageError(f"stdout takes one picture, not {len(work)}; name a folder with -o")
    jobs, threads = _shared_processors(arguments, len(work))
    outcomes = upscale_files(
        _upscalers(arguments, jobs, threads),
        work,
        places.output,
        file_format=arguments.format,
        writing=Output(
            arguments.quality, arguments.overwrite, keep_notes=not arguments.strip_metadata, threads=threads
        ),
        memory=arguments.memory,
    )
    with closing(outcomes):
        report = report_json if arguments.json else report_text
        return report(until_stopped(outcomes), places, passed_over)


def _shared_processors(arguments: Arguments, pictures: int) -> tuple[int, int]:
    """Return how many pictures to work on at a time, and how many threads each of them gets."""
    from sesr.processors import available_threads

    threads = arguments.threads or available_threads()
    usual = min(threads, pictures) if arguments.engine == "native" else 1
    jobs = arguments.jobs or max(1, usual)
    return jobs, max(1, threads // jobs)


def _upscalers(arguments: Arguments, jobs: int, threads: int) -> "list[Upscaler]":
    """Make one for each picture at a time. Our engine serves any number of threads, the others one."""
    if arguments.engine == "native":
        return [_ready(arguments, threads)] * jobs
    return [_ready(arguments, arguments.threads if jobs == 1 else threads) for _ in range(jobs)]


def _ready(arguments: Arguments, threads: int | None) -> "Upscaler":
    from dataclasses import replace

    from sesr.inference.upscale import load

    upscaler = load(
        arguments.model,
        size=wanted_size(arguments),
        engine=arguments.engine,
        threads=threads,
        tile=arguments.tile or None,
        int8=arguments.int8,
        photo=arguments.photo,
        sharpen=arguments.sharpen,
    )
    limit = arguments.max_megapixels
    pixels = upscaler.pixel_limit if limit is None else round(limit * 1e6)
    return replace(upscaler, pixel_limit=pixels, background=arguments.background)


def _place(text: str) -> str:
    """Parse a path, which is not empty: an unset variable of a script would mean the current folder."""
    if not text:
        raise argparse.ArgumentTypeError("an empty name names nothing; the current folder is called .")
    return text


def _megapixels(text: str) -> float:
    """Parse a number above zero."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return number


def _quality(text: str) -> int:
    """Parse a whole number from 1 to 100."""
    number = positive(text)
    if number > 100:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to 100")
    return number


def _page(text: str) -> int:
    """Parse a page's number, or ``all``: `sesr.jobs.pages.ALL`."""
    return 0 if text == "all" else positive(text)


def _tile(text: str) -> int:
    """Parse a tile's side; 0 for ``auto``."""
    return tile(text) or 0


def _bytes(text: str) -> int:
    """Parse a size in memory: 4GB, 512MB, 1.5GiB, or a number of bytes."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(?:([kmgt])(i?)b?|b)?", text.strip().lower())
    size = 0
    if found is not None:
        number, prefix, binary = found.groups()
        size = int(float(number) * (1024 if binary else 1000) ** (" kmgt".index(prefix or " ")))
    if size < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size such as 4GB or 512MB")
    return size


def _color(text: str) -> "Color":
    """Parse a name or ``#rrggbb`` of an opaque color."""
    from PIL import ImageColor

    try:
        red, green, blue, *alpha = ImageColor.getrgb(text)
    except ValueError:
        red, green, blue, alpha = 0, 0, 0, [0]
    if alpha not in ([], [255]):
        raise argparse.ArgumentTypeError(f"{text!r} is not an opaque color; write a name, such as white, or '#ff8800'")
    return red, green, blue
