"""`sesr video`."""

import argparse
import re
import sys
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from sesr.commands.arguments import (
    Arguments,
    add_command,
    add_model,
    add_size,
    add_threads,
    plain,
    positive,
    wanted_size,
)
from sesr.commands.quiet import quiet_libraries
from sesr.commands.stop import Stopped, more_patience, raise_if_stopped
from sesr.errors import UsageError

if TYPE_CHECKING:
    from sesr.commands.arguments import Commands
    from sesr.commands.video_report import Reporter
    from sesr.video.film import Film
    from sesr.video.pipes import PipedFilm
    from sesr.video.settings import Progress, Report, Settings, Watch

_CODECS = ("x264", "x265", "av1", "vp9", "ffv1", "prores")
_TIME = re.compile(r"(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d+)?)")
_JOINING = 3600.0
"""Seconds that joining may take after Ctrl-C."""


def add_video(commands: "Commands") -> None:
    """Add the subcommand."""
    parser = add_command(commands, "video", _video, "enlarge a film")
    parser.add_argument("input", metavar="IN", help="a film, or - for stdin")
    parser.add_argument(
        "output",
        nargs="?",
        metavar="OUT",
        help="the new film, an .mkv, .mp4, .mov or .webm, or - for stdout (default: name_x2 with the suffix of IN)",
    )
    parser.add_argument("-o", "--output", dest="named_output", metavar="OUT", help="OUT, named as in other commands")
    parser.add_argument(
        "-f", "--format", choices=("nut", "y4m"), default="nut", help="container for stdout (default: %(default)s)"
    )
    add_size(parser)
    add_model(parser)
    parser.add_argument("--float", action="store_true", help="the float network, instead of the int8 one: slower")
    parser.add_argument("--photo", action="store_true", help="the network trained on compressed pictures, m5-photo")
    _add_encoding(parser)
    _add_part(parser)
    _add_running(parser)


def _add_encoding(parser: argparse.ArgumentParser) -> None:
    """Add what says how the new film is encoded."""
    parser.add_argument(
        "--codec",
        choices=_CODECS,
        help="codec (default: x264 for 8 bits, x265 for 10 and 12; .webm: vp9 for 8, av1 for 10)",
    )
    parser.add_argument(
        "--crf",
        type=_quality,
        metavar="N",
        help="quality, smaller is better and larger on the disk (default: 17 for x264, 18 for x265, 24 for av1, vp9)",
    )
    parser.add_argument(
        "--preset",
        metavar="NAME",
        help="speed of the encoder: ultrafast to veryslow for x264 and x265 (default: veryfast), 0 to 13 for av1, "
        "0 to 8 for vp9; profile of prores",
    )
    parser.add_argument(
        "--drop", action="store_true", help="leave out streams that OUT cannot hold, instead of refusing the film"
    )


def _add_part(parser: argparse.ArgumentParser) -> None:
    """Add what says which part of the film is meant."""
    parser.add_argument("--start", type=_time, metavar="TIME", help="where to begin: seconds, 1:30 or 1:02:30")
    parser.add_argument("--duration", type=_length, metavar="TIME", help="how much to enlarge (default: all)")
    parser.add_argument(
        "--preview",
        type=_length,
        metavar="SECONDS",
        help="only so much, from --start or from the middle, for a look; --overwrite replaces an earlier one",
    )


def _add_running(parser: argparse.ArgumentParser) -> None:
    """Add what says how the work is done."""
    parser.add_argument(
        "--deinterlace",
        action="store_true",
        help="make whole frames of those that are flagged as interlaced, by FFmpeg's bwdif",
    )
    parser.add_argument(
        "--deinterlace-all", action="store_true", help="treat all frames so, for a film whose flags are missing"
    )
    parser.add_argument(
        "--no-still",
        action="store_true",
        help="compute parts again that did not change since the frame before; the result is the same",
    )
    add_threads(parser)
    parser.add_argument(
        "--segment",
        type=positive,
        default=240,
        metavar="FRAMES",
        help="frames that an interrupted run loses at most (default: %(default)s)",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace OUT, and drop segments of other settings")
    parser.add_argument(
        "--json", action="store_true", help="print an object a line: the plan, progress, and what was done"
    )


def _video(arguments: Arguments) -> int:
    from sesr.commands.video_report import reporter
    from sesr.video.library import check_installed

    check_installed()
    settings = _settings(arguments)
    if arguments.output and arguments.named_output:
        raise UsageError(f"two names for the new film, {arguments.output} and {arguments.named_output}; give one")
    named = arguments.output or arguments.named_output
    with quiet_libraries():
        source, target = arguments.input, named or _default_target(arguments.input, settings, arguments)
        with reporter(source, target, arguments.json) as report:
            _check_streams(source, target)
            return _enlarge(source, target, settings, arguments, report)


def _enlarge(source: str, target: str, settings: "Settings", arguments: Arguments, report: "Reporter") -> int:
    from sesr.video.film import Film
    from sesr.video.pipes import PipedFilm

    def watch(progress: "Progress") -> None:
        raise_if_stopped()
        report.progress(progress)

    if "-" in (source, target):
        work: Film | PipedFilm = PipedFilm(
            source, target, settings, container=arguments.format, overwrite=arguments.overwrite
        )
    else:
        work = Film(Path(source), Path(target), settings, overwrite=arguments.overwrite)
    with work as film:
        if not film.whole:
            report.plan(film.plan)
        try:
            report.done(_run(film, watch))
        except KeyboardInterrupt as stop:
            report.stopping()
            with more_patience(_JOINING):
                report.partial(None if film.encoded else film.save_partial(), film.encoded)
            if isinstance(stop, Stopped):
                stop.told = not arguments.json
            raise
    return 0


def _run(film: "Film | PipedFilm", watch: "Watch") -> "Report":
    """Enlarge the film. Raises `Stopped` too where a library has made another exception of a signal."""
    try:
        return film.run(watch)
    except Exception:
        raise_if_stopped()
        raise


def _settings(arguments: Arguments) -> "Settings":
    from sesr.video.settings import Settings

    if arguments.preview is not None and arguments.duration is not None:
        raise UsageError("--preview and --duration both say how much to enlarge; give one of them")
    return Settings(
        model=arguments.model,
        size=wanted_size(arguments),
        int8=False if arguments.float else None,
        photo=arguments.photo,
        codec=arguments.codec,
        crf=arguments.crf,
        preset=arguments.preset,
        start=arguments.start or Fraction(0),
        duration=arguments.duration if arguments.preview is None else arguments.preview,
        centered=arguments.preview is not None and arguments.start is None,
        deinterlace="all" if arguments.deinterlace_all else arguments.deinterlace,
        still=not arguments.no_still,
        drop=arguments.drop,
        threads=arguments.threads,
        segment=arguments.segment,
    )


def _check_streams(source: str, target: str) -> None:
    """Raise `UsageError` for a URL, and where a terminal is at the other end of a pipe."""
    if "://" in source:
        raise UsageError(f"{source}: a URL; pipe it: ffmpeg -i URL -c copy -f matroska - | sesr video - OUT")
    if source == "-" and (sys.stdin is None or sys.stdin.isatty()):
        raise UsageError("stdin is the terminal; pipe a film in, or name a file")
    if target == "-" and (sys.__stdout__ is None or sys.stdout.isatty()):
        raise UsageError("a film cannot be shown on a terminal; pipe it into FFmpeg or mpv, or name a file")


def _default_target(source: str, settings: "Settings", arguments: Arguments) -> str:
    """Return name_x2.mkv next to the film, or with its own suffix where films of that kind are written."""
    from sesr.video.containers import FORMATS

    if source == "-":
        return "-"
    path = Path(source)
    suffix = path.suffix.lower() if path.suffix.lower() in FORMATS else ".mkv"
    label = "x2" if settings.size is None else settings.size.label
    preview = ".preview" if arguments.preview is not None else ""
    return str(path.with_name(f"{path.stem}_{label}{preview}{suffix}"))


def _time(text: str) -> Fraction:
    """Parse seconds: 90, 90.5, 1:30 or 1:02:30."""
    found = _TIME.fullmatch(text.strip())
    if found is None:
        raise argparse.ArgumentTypeError(f"{plain(text)!r} is not a time such as 90, 1:30 or 1:02:30")
    hours, minutes, seconds = found.groups()
    return int(hours or 0) * 3600 + int(minutes or 0) * 60 + Fraction(seconds)


def _length(text: str) -> Fraction:
    """Parse a time that is more than nothing."""
    length = _time(text)
    if not length:
        raise argparse.ArgumentTypeError("nothing to enlarge; give more than 0 seconds")
    return length


def _quality(text: str) -> int:
    """Parse a whole number from 0 on."""
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(f"{plain(text)!r} is not a whole number from 0 on")
    return int(text)
