"""`sesr benchmark`: a table of benchmarks, each with its options and the function that measures its rows.

Every benchmark prints a line per row as soon as it is measured; with ``-o`` all rows become a CSV file.
"""

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sesr import benchmarks
from sesr.commands.arguments import Arguments, add_command, add_int8, add_network, add_scale, add_threads, positive
from sesr.errors import UsageError
from sesr.network.variants import SCALES, VARIANTS

if TYPE_CHECKING:
    from sesr.benchmarks.rows import Row
    from sesr.commands.arguments import Commands
    from sesr.network.zoo import Network

Option = Callable[[argparse.ArgumentParser], object]
"""Adds an option, or several, to a parser."""


@dataclass(frozen=True)
class Benchmark:
    """One kind of benchmark.

    Attributes:
        name: its name on the command line.
        purpose: what it measures, for the help.
        options: what a user may choose.
        measure: takes the parsed options and yields a row for each measurement.
        summarize: takes all rows and yields lines to print at the end.
    """

    name: str
    purpose: str
    options: Sequence[Option]
    measure: "Callable[[Arguments], Iterable[Row]]"
    summarize: Callable[[list[Any]], Iterable[str]] = lambda _: ()


def add_benchmark(commands: "Commands") -> None:
    """Add the subcommand and its kinds."""
    parser = commands.add_parser("benchmark", help="measure speed and memory", description="Measure speed and memory.")
    kinds = parser.add_subparsers(title="benchmarks", metavar="WHAT", required=True)
    for benchmark in BENCHMARKS:
        kind = add_command(kinds, benchmark.name, partial(_run, benchmark), benchmark.purpose)
        for add_option in benchmark.options:
            add_option(kind)
        kind.add_argument("-o", "--output", type=Path, metavar="CSV", help="also write the table to a file")
    _add_report(kinds)


def _add_report(kinds: "Commands") -> None:
    """Add the command that runs all others."""
    parser = add_command(
        kinds, "report", _report, "everything that the pages quote, with a record of how it was measured"
    )
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="benchmark sets, for the tables of quality")
    parser.add_argument("--kodak", type=Path, metavar="FOLDER", help="Kodak's pictures, for the tables of int8")
    parser.add_argument("--only", nargs="+", default=[], metavar="TABLE", help="such as peers or memory (default: all)")
    parser.add_argument("--quick", action="store_true", help="small commands, to see that everything works")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FOLDER", help="for the tables (default: results; quick: results-quick)"
    )


def _report(arguments: Arguments) -> int:
    """Measure, and write the pages of this checkout if the tables are its own."""
    from sesr.benchmarks.report import Sets, make_report, write_pages

    results = arguments.output or Path("results-quick" if arguments.quick else "results")
    note = partial(print, flush=True)
    sets = Sets(arguments.data, arguments.kodak)
    failed = make_report(results, sets, arguments.only, quick=arguments.quick, note=note)
    if results == Path("results"):
        failed += write_pages(Path(), note)
    return 1 if failed else 0


def _run(benchmark: Benchmark, arguments: Arguments) -> int:
    """Print rows as they come, then write them all.

    Until then they stand in a file beside the table, whose name ends in ``.unfinished``: what breaks off keeps the rows
    that it has, and an earlier table stays as it was.
    """
    from sesr.atomic import check_writable
    from sesr.benchmarks.rows import write_rows

    if arguments.output:
        check_writable(arguments.output)
    rows = []
    unfinished = arguments.output and arguments.output.with_name(f"{arguments.output.name}.unfinished")
    for row in benchmark.measure(arguments):
        rows.append(row)
        print(row.line(), flush=True)
        if unfinished:
            write_rows(rows, unfinished)
    for line in benchmark.summarize(rows):
        print(line)
    if unfinished:
        write_rows(rows, arguments.output)
        unfinished.unlink()
    return 0


def _network(arguments: Arguments, *, int8: bool | None = None) -> "Network":
    """Return the network that the options name, in int8 if these or the caller ask for it."""
    from sesr.network.zoo import find_network, resolve

    int8 = arguments.int8 if int8 is None else int8
    return find_network(resolve(arguments.model, int8=int8), arguments.scale)


def _shipped_int8(arguments: Arguments) -> "Network | None":
    """Return the int8 network that comes with the package next to a float one, if there is one."""
    from sesr.network.zoo import is_file

    with suppress(UsageError):
        return None if is_file(arguments.model) else _network(arguments, int8=True)
    return None


def _measure_engine(arguments: Arguments) -> "Iterable[Row]":
    if arguments.avx2:  # before either engine looks
        os.environ |= {"SESR_KERNEL": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"}
    size, rounds, threads = (arguments.width, arguments.height), arguments.rounds, arguments.threads
    return benchmarks.measure_engine(arguments.models, arguments.scales, *size, rounds, threads)


def _measure_peers(arguments: Arguments) -> "Iterable[Row]":
    from sesr.benchmarks.peers.speed import FULL, QUICK

    scope = QUICK if arguments.quick else FULL
    return benchmarks.measure_peers(scope, arguments.rounds, arguments.threads, partial(print, file=sys.stderr))


def _measure_bulk(arguments: Arguments) -> "Iterable[Row]":
    from sesr.benchmarks.bulk import FULL, QUICK

    return benchmarks.measure_bulk(QUICK if arguments.quick else FULL, arguments.only)


def _option(*names: str, **settings: object) -> Option:
    def add(parser: argparse.ArgumentParser) -> None:
        add_argument: Callable[..., object] = parser.add_argument
        add_argument(*names, **settings)

    return add


def _count(name: str, default: int, meaning: str = "") -> Option:
    """Return an option for a whole number from 1 on."""
    return _option(name, type=positive, default=default, metavar="N", help=f"{meaning} {_DEFAULT}".lstrip())


def _frame(width: int, height: int) -> list[Option]:
    return [_count("--width", width, "of the input"), _count("--height", height, "of the input")]


def _rounds(default: int) -> Option:
    return _count("--rounds", default, "rounds that count")


_DEFAULT = "(default: %(default)s)"
_MODEL = _option("-m", "--model", default="m5", metavar="NAME|FILE", help=f"network {_DEFAULT}")
_MODELS = _option("-m", "--models", nargs="+", default=["m5"], metavar="NAME", help="variants (default: m5)")
_SCALES = _option("-s", "--scales", nargs="+", type=int, choices=SCALES, default=[2], help="(default: 2)")
_VARIANT = _option("-m", "--model", choices=tuple(VARIANTS), default="m5", help=f"network {_DEFAULT}")
_SCALE = _option("-s", "--scale", type=int, choices=SCALES, default=2, help=_DEFAULT)
_TRAINED = _option(
    "-m",
    "--models",
    nargs="+",
    choices=(*VARIANTS, "teacher"),
    default=["m5", "m11", "xl", "teacher"],
    help="networks (default: m5 m11 xl teacher)",
)
_PRECISION = _option("--precision", choices=("float32", "tf32", "bfloat16"), default="bfloat16", help=_DEFAULT)
_INT8_MODEL = _option("model", metavar="MODEL", help="name or .safetensors file of an int8 network")
_MEGAPIXELS = {"type": float, "metavar": "N"}
_ONE_SIZE = _option("--megapixels", default=12.0, help=_DEFAULT, **_MEGAPIXELS)
_SIZES = _option("--megapixels", nargs="+", default=[2.0, 12.0, 100.0], help="(default: 2 12 100)", **_MEGAPIXELS)
_QUICK = _option("--quick", action="store_true", help="one small frame and few networks, to see that it works")
_SMALL = _option("--quick", action="store_true", help="few and small pictures, to see that it works")
_ONLY = _option("--only", nargs="+", default=[], metavar="PART", help="such as plan, scan or ray (default: all)")
_AVX2 = _option("--avx2", action="store_true", help="hold both engines to AVX2, as on a processor without VNNI")
_DEVICE = _option("--device", choices=("cpu", "cuda"), default="cpu", help=_DEFAULT)

BENCHMARKS = (
    Benchmark(
        "engine",
        "our own engine against OpenVINO and the processor's peak",
        [_MODELS, _SCALES, *_frame(1920, 1080), _rounds(7), add_threads, _AVX2],
        _measure_engine,
        lambda _: [benchmarks.processor_line()],
    ),
    Benchmark(
        "engine-memory",
        "our engine's memory beyond input and output",
        [add_network, add_int8, *_frame(8000, 10000), add_threads],
        lambda a: [benchmarks.measure_engine_memory(_network(a), a.width, a.height, a.threads)],
    ),
    Benchmark(
        "files",
        "picture files against the bare engine on the same pixels",
        [add_network, add_int8, _ONE_SIZE, _rounds(5), add_threads],
        lambda a: benchmarks.measure_files(_network(a), a.megapixels, a.rounds, a.threads),
    ),
    Benchmark(
        "video",
        "a film from file to file, and how much of it is the network and the encoder",
        [_MODEL, *_frame(960, 540), _count("--seconds", 20, "of the film"), add_threads],
        lambda a: benchmarks.measure_video(a.model, a.width, a.height, a.seconds, a.threads),
    ),
    Benchmark(
        "sharpen",
        "sharpening against the network whose result it sharpens",
        [add_network, add_int8, *_frame(1920, 1080), _rounds(9), add_threads],
        lambda a: benchmarks.measure_sharpen(_network(a), a.width, a.height, a.rounds, a.threads),
    ),
    Benchmark(
        "speed",
        "a network in OpenVINO against eager PyTorch",
        [add_network, *_frame(1920, 1080), _rounds(7), add_threads],
        lambda a: benchmarks.measure_general(
            _network(a, int8=False), a.width, a.height, a.rounds, a.threads, _shipped_int8(a)
        ),
    ),
    Benchmark(
        "peers",
        "shipped networks against other engines, other networks and resizers",
        [_QUICK, _rounds(5), _count("--threads", 2, "of every contender")],
        _measure_peers,
    ),
    Benchmark(
        "memory",
        "peak memory of `sesr upscale`",
        [_MODEL, _SIZES],
        lambda a: benchmarks.measure_memory(a.model, a.megapixels),
    ),
    Benchmark(
        "bulk",
        "jobs over many pictures: plans, workers, Ray, and runs that are killed",
        [_SMALL, _ONLY],
        _measure_bulk,
    ),
    Benchmark(
        "training",
        "a training step collapsed, by the paper's way, and expanded",
        [
            _VARIANT,
            _SCALE,
            _count("--batch-size", 32),
            _count("--crop", 64, "LR pixels"),
            _rounds(5),
            _DEVICE,
            add_threads,
        ],
        lambda a: benchmarks.measure_training(
            replace(VARIANTS[a.model], scale=a.scale), a.batch_size, a.crop, a.rounds, a.threads, a.device
        ),
    ),
    Benchmark(
        "gpu-training",
        "training steps on a GPU, recorded as a whole and one by one",
        [
            _TRAINED,
            _SCALE,
            _count("--batch-size", 32),
            _count("--crop", 64, "LR pixels"),
            _PRECISION,
            _rounds(5),
        ],
        lambda a: benchmarks.measure_gpu_training(a.models, a.scale, a.batch_size, a.crop, a.precision, a.rounds),
    ),
    Benchmark(
        "npu",
        "speed on Arm's NPUs against FSRCNN's, as Arm's compiler estimates it",
        [_INT8_MODEL, add_scale],
        lambda a: benchmarks.estimate_npu(_network(a, int8=True)),
        lambda rows: benchmarks.fsrcnn_ratios(rows),
    ),
)
"""Every benchmark, in the order of the help."""
