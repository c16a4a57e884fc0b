"""`sesr upscale`."""

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from sesr.commands.arguments import Arguments, add_command, add_engine, add_int8, add_model, plain, positive, tile
from sesr.errors import UsageError

if TYPE_CHECKING:
    from sesr.commands.arguments import Commands
    from sesr.inference.sizes import Size
    from sesr.inference.upscale import Upscaler
    from sesr.jobs.batch import Done, Outcome
    from sesr.jobs.folders import Work


def add_upscale(commands: "Commands") -> None:
    """Adds the subcommand."""
    parser = add_command(commands, "upscale", _upscale, "enlarge pictures")
    parser.add_argument("inputs", nargs="+", metavar="IN", help="picture files, and folders of them")
    parser.add_argument(
        "-o", "--output", metavar="OUT", help="file, or folder/ (default: name_x2.png beside each input)"
    )
    _add_size(parser)
    _add_folders(parser)
    _add_network(parser)
    _add_files(parser)
    parser.add_argument(
        "-j", "--jobs", type=positive, metavar="N", help="pictures at a time (default: one a processor, of our engine)"
    )
    parser.add_argument("--json", action="store_true", help="print an object a line for each picture, and a summary")


def _add_size(parser: argparse.ArgumentParser) -> None:
    """How large pictures become."""
    parser.add_argument("-s", "--scale", metavar="N", help="how many times larger, 1 to 64, also 1.5 (default: 2)")
    parser.add_argument("--size", metavar="WxH", help="how large instead: 3840x (so wide), x2160 (so high), 3840x2160")
    parser.add_argument("--fit", action="store_true", help="with --size 3840x2160: the largest that fits inside")


def _add_folders(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-r", "--recursive", action="store_true", help="folders with all in them; the same tree under OUT"
    )
    parser.add_argument(
        "--include",
        action="append",
        metavar="PATTERN",
        help="of folders, only pictures whose name or path matches, such as '*.jpg' or '2024/*'; may be repeated",
    )
    parser.add_argument(
        "--exclude",
        action="append",
        metavar="PATTERN",
        help="of folders, no pictures or folders whose name or path matches; may be repeated",
    )


def _add_network(parser: argparse.ArgumentParser) -> None:
    add_model(parser)
    add_int8(parser)
    parser.add_argument(
        "--photo", action="store_true", help="the network trained on compressed pictures: m5-photo for m5"
    )
    add_engine(parser)
    parser.add_argument(
        "-t", "--tile", type=tile, default=None, metavar="N", help="side of the tiles in pixels (default: auto)"
    )


def _add_files(parser: argparse.ArgumentParser) -> None:
    """What files are written, and how."""
    parser.add_argument(
        "-f",
        "--format",
        metavar="FORMAT",
        help="of results that OUT does not name: png, jpg, webp, tiff ... (default: png)",
    )
    parser.add_argument(
        "--quality", type=_quality, metavar="N", help="of JPEG, WebP, AVIF, HEIC and JPEG XL, 1 to 100 (default: 95)"
    )
    parser.add_argument(
        "--strip-metadata", action="store_true", help="keep colours only: no EXIF, XMP, comments or text"
    )
    parser.add_argument(
        "--max-megapixels", type=_megapixels, metavar="N", help="largest picture to read (default: 500)"
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace files that exist, and do again what was done in folders"
    )


def _upscale(arguments: Arguments) -> int:
    from sesr.files.encoders import Saving
    from sesr.jobs.batch import upscale_files

    work = _work(arguments)
    outcomes = upscale_files(
        _upscalers(arguments, len(work)),
        work,
        arguments.output,
        file_format=arguments.format,
        saving=Saving(arguments.quality),
        overwrite=arguments.overwrite,
    )
    with closing(outcomes):
        return _report_json(outcomes) if arguments.json else _report(outcomes)


def _work(arguments: Arguments) -> "Work":
    from sesr.jobs.folders import Search, find_pictures

    search = Search(arguments.recursive, tuple(arguments.include or ()), tuple(arguments.exclude or ()))
    apart = None if arguments.output is None else Path(arguments.output)
    return find_pictures(map(Path, arguments.inputs), search, apart)


def _upscalers(arguments: Arguments, pictures: int) -> "list[Upscaler]":
    """One for each picture at a time; together they take the processors that there are."""
    from sesr.processors import available_threads

    threads = arguments.threads or available_threads()
    if arguments.engine == "native":
        jobs = arguments.jobs or max(1, min(threads, pictures))
        return [_ready(arguments, max(1, threads // jobs))] * jobs  # it serves any number of threads
    jobs = arguments.jobs or 1
    return [_ready(arguments, arguments.threads if jobs == 1 else max(1, threads // jobs)) for _ in range(jobs)]


def _ready(arguments: Arguments, threads: int | None) -> "Upscaler":
    from dataclasses import replace

    from sesr.inference.upscale import load

    upscaler = load(
        arguments.model,
        size=_size(arguments),
        engine=arguments.engine,
        threads=threads,
        tile=arguments.tile,
        int8=arguments.int8,
        photo=arguments.photo,
    )
    limit = arguments.max_megapixels
    pixels = upscaler.pixel_limit if limit is None else round(limit * 1e6)
    return replace(upscaler, pixel_limit=pixels, notes=not arguments.strip_metadata)


def _size(arguments: Arguments) -> "Size | None":
    """The size that is asked for; None leaves it to the network. Raises `UsageError`."""
    from sesr.inference.sizes import parse_fit, parse_scale, parse_size

    if arguments.fit and arguments.size is None:
        raise UsageError("--fit says how to take a --size; give one, such as --size 3840x2160")
    if arguments.size is not None and arguments.scale is not None:
        raise UsageError("-s and --size both say how large pictures become; give one of them")
    if arguments.size is not None:
        return parse_fit(arguments.size) if arguments.fit else parse_size(arguments.size)
    return None if arguments.scale is None else parse_scale(arguments.scale)


def _report(outcomes: "Iterable[Outcome]") -> int:
    """Lines for people: what was done on stdout, what failed on stderr. Returns the exit code."""
    from tqdm import tqdm

    from sesr.jobs.batch import Done, Failed, Skipped

    started, counts, older = time.monotonic(), Counter[str](), 0
    for outcome in outcomes:
        counts[type(outcome).__name__] += 1
        with tqdm.external_write_mode():  # the bar makes way
            if isinstance(outcome, Failed):
                print(f"sesr: {plain(outcome.reason)}", file=sys.stderr)
            elif isinstance(outcome, Done):
                print(_line(outcome), flush=True)
                _print_remarks(outcome)
            elif isinstance(outcome, Skipped) and outcome.older:
                older += 1
                print(f"{plain(str(outcome.source))} is newer than {plain(str(outcome.target))}: skipped", flush=True)
    if counts.total() != 1 or counts["Skipped"]:
        done = f"enlarged {counts['Done']}, skipped {counts['Skipped']}, failed {counts['Failed']}"
        print(f"{done} in {_duration(time.monotonic() - started)}")
    if older:
        print("add --overwrite to enlarge pictures anew that were changed")
    return 1 if counts["Failed"] else 0


def _line(done: "Done") -> str:
    (w, h), (larger_w, larger_h) = done.source_size, done.target_size
    return f"{plain(f'{done.source} -> {done.target}')}  {w} x {h} -> {larger_w} x {larger_h}"


def _print_remarks(done: "Done") -> None:
    """Print one line on stderr about what was converted and lost, if anything was."""
    remarks = [*done.notes, *([f"lost: {', '.join(done.lost)}"] if done.lost else [])]
    if remarks:
        print(f"sesr: {plain(done.source)}: {plain('; '.join(remarks))}", file=sys.stderr)


def _report_json(outcomes: "Iterable[Outcome]") -> int:
    """An object a line for scripts. Returns the exit code."""
    started, counts = time.monotonic(), Counter[str]()
    for outcome in outcomes:
        written = _object(outcome)
        counts[str(written["status"])] += 1
        _print_json(written)
    numbers = {status: counts[status] for status in ("done", "skipped", "failed")}
    _print_json({"status": "summary", **numbers, "seconds": round(time.monotonic() - started, 3)})
    return 1 if counts["failed"] else 0


def _print_json(content: dict[str, object]) -> None:
    from tqdm import tqdm

    with tqdm.external_write_mode():
        print(json.dumps(content), flush=True)


def _object(outcome: "Outcome") -> dict[str, object]:
    """All keys are there in each; names that are no text have their bytes as lone surrogates, as in Python."""
    target = getattr(outcome, "target", None)
    return {
        "status": type(outcome).__name__.lower(),
        "source": str(outcome.source),
        "target": None if target is None else str(target),
        "source_size": getattr(outcome, "source_size", None),
        "target_size": getattr(outcome, "target_size", None),
        "reason": getattr(outcome, "reason", None),
        "notes": getattr(outcome, "notes", ()),
        "lost": getattr(outcome, "lost", ()),
        "seconds": round(getattr(outcome, "seconds", 0.0), 3),
    }


def _duration(seconds: float) -> str:
    """12.3 s, 4 min 12 s, 1 h 03 min."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes = int(seconds) // 60
    if minutes < 60:
        return f"{minutes} min {int(seconds) % 60:02} s"
    return f"{minutes // 60} h {minutes % 60:02} min"


def _megapixels(text: str) -> float:
    """A number above zero."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return number


def _quality(text: str) -> int:
    """A whole number from 1 to 100."""
    number = positive(text)
    if number > 100:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to 100")
    return number
