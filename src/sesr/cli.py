"""The command `sesr`: each subcommand parses, calls one function, and prints.

Whatever a subcommand needs is imported when it runs, so that `sesr --help` is instant.
Exit codes: 0 all done, 1 some failed, 2 wrong usage, 130 stopped with Ctrl-C, 143 by SIGTERM: either way no half
files stay. Failures go to stderr, a line each; control characters in file names are shown as escapes.
"""

import argparse
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from sesr.errors import EngineError, SesrError, UsageError

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

Arguments = argparse.Namespace
Command = Callable[[Arguments], int]

_ESCAPES = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))} | {0x2028: "\\u2028", 0x2029: "\\u2029"}
"""Of all characters that end a line or steer a terminal."""


class _Terminated(KeyboardInterrupt):
    """SIGTERM, on the way of Ctrl-C."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line and returns the exit code; wrong usage found by the parser raises `SystemExit(2)`."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # file names need not be text
    arguments = build_parser().parse_args(argv)
    run: Command = arguments.run_command
    try:
        with _terminable():
            code = run(arguments)
        sys.stdout.flush()
        return code
    except SesrError as error:
        _complain(error)
        return 2 if isinstance(error, UsageError) else 1
    except KeyboardInterrupt as stop:
        _complain("stopped")
        return 143 if isinstance(stop, _Terminated) else 130
    except OSError as error:
        if error.filename is None:
            _drop_output()
        if not isinstance(error, BrokenPipeError):  # as `sesr info | head -1` makes it: nobody wants more
            _complain(f"{error.filename or 'output'}: {error.strerror or error}; check the place and its permissions")
        return 1


def build_parser() -> argparse.ArgumentParser:
    """All subcommands with their options."""
    parser = argparse.ArgumentParser(
        prog="sesr", description="Super-resolution on a plain CPU: enlarges pictures 2, 3 or 4 times."
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_upscale(commands)
    _add_train(commands)
    _add_evaluate(commands)
    _add_export(commands)
    _add_info(commands)
    _add_benchmark(commands)
    return parser


class _Version(argparse.Action):
    """Prints the version; looked up only then."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        import sesr

        print(f"sesr {sesr.__version__}")
        parser.exit()


def _add_upscale(commands: "Commands") -> None:
    parser = _add(commands, "upscale", _upscale, "enlarge pictures")
    parser.add_argument("inputs", nargs="+", metavar="IN", help="PNG, JPEG, WebP, TIFF or BMP files")
    parser.add_argument(
        "-o", "--output", metavar="OUT", help="file, or folder/ (default: name_x2.png beside each input)"
    )
    _add_network(parser)
    _add_engine(parser)
    parser.add_argument(
        "-t", "--tile", type=_tile, default=None, metavar="N", help="side of the tiles in pixels (default: auto)"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace files that exist")


def _upscale(arguments: Arguments) -> int:
    from sesr.inference.batch import Failed, upscale_files
    from sesr.inference.upscale import load

    upscaler = load(
        arguments.model,
        arguments.scale,
        engine=arguments.engine,
        threads=arguments.threads,
        tile=arguments.tile,
    )
    failures = 0
    sources = [Path(name) for name in arguments.inputs]
    for outcome in upscale_files(upscaler, sources, arguments.output, overwrite=arguments.overwrite):
        if isinstance(outcome, Failed):
            _complain(outcome.reason)
            failures += 1
        else:
            (w, h), (larger_w, larger_h) = outcome.source_size, outcome.target_size
            files = _plain(f"{outcome.source} -> {outcome.target}")
            print(f"{files}  {w} x {h} -> {larger_w} x {larger_h}", flush=True)
    return 1 if failures else 0


def _add_train(commands: "Commands") -> None:
    parser = _add(commands, "train", _train, "train a network, from a recipe or by the published script's settings")
    parser.add_argument("recipe", type=Path, nargs="?", metavar="RECIPE.toml", help="what to train and how")
    parser.add_argument(
        "--data", metavar="DIR|div2k", help="pictures to train on: a folder, one with HR/ and LR/, or DIV2K, downloaded"
    )
    parser.add_argument("--validation", metavar="DIR|div2k", help="pictures to measure on, on the way")
    parser.add_argument("--run", type=Path, metavar="DIR", help="folder for the results (default: runs/NAME)")
    parser.add_argument("--resume", type=Path, metavar="RUN", help="go on with the run in a folder")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="(default: %(default)s)")
    _add_threads(parser)
    parser.add_argument(
        "--cache", type=Path, metavar="DIR", help="for downloads and prepared pictures (default: the user's cache)"
    )
    for option, what in (("--quant-w", "weights"), ("--quant-a", "activations")):
        parser.add_argument(option, action="store_true", help=f"train for int8 {what} (not there yet: refused)")
    parser.add_argument("--gen-tflite", action="store_true", help="also write a .tflite that opens at a given size")
    parser.add_argument("--tflite-height", type=_positive, default=1080, metavar="N", help="(default: %(default)s)")
    parser.add_argument("--tflite-width", type=_positive, default=1920, metavar="N", help="(default: %(default)s)")
    _add_recipe_options(parser)


def _add_recipe_options(parser: argparse.ArgumentParser) -> None:
    """Options that override the recipe; their names without dashes are those `with_options` takes."""
    group = parser.add_argument_group("settings", "Each overrides the recipe's; defaults are those without a recipe.")
    group.add_argument("--epochs", type=_positive, metavar="N", help="(default: 300)")
    group.add_argument("--steps", type=_positive, metavar="N", help="gradient steps, instead of epochs")
    group.add_argument("--batch-size", type=_positive, metavar="N", help="crops a step (default: 32)")
    group.add_argument("--learning-rate", type=float, metavar="R", help="(default: 2e-4)")
    group.add_argument("--scale", type=int, choices=(2, 3, 4), help="how many times larger (default: 2)")
    group.add_argument("--m", type=_positive, metavar="N", help="3 x 3 blocks (default: 5)")
    group.add_argument("--int-features", type=_positive, metavar="N", help="channels between blocks (default: 16)")
    group.add_argument("--feature-size", type=_positive, metavar="N", help="width inside blocks (default: 256)")
    group.add_argument(
        "--linear-block-type", choices=("collapsed", "expanded"), help="how blocks compute (default: collapsed)"
    )
    group.add_argument("--precision", choices=("float32", "tf32", "bfloat16"), help="(default: float32)")
    group.add_argument(
        "--init-from",
        metavar="NAME|FILE|RUN",
        help="start from another network, or from none (default: for x3 and x4 the x2 network of the same name)",
    )


def _train(arguments: Arguments) -> int:
    try:
        from sesr.training.checkpoint import Sources
        from sesr.training.planes import default_cache
        from sesr.training.recipe import OPTIONS, Recipe, load_recipe, with_options
        from sesr.training.trainer import RunOptions, resume, train
    except ModuleNotFoundError as error:
        raise EngineError(f"training needs {error.name}; pip install 'sesr[train]'") from error
    if arguments.quant_w or arguments.quant_a:
        raise UsageError("--quant-w and --quant-a: training for int8 is not there yet; train without them")
    settings = {name: getattr(arguments, name) for name in OPTIONS}
    options = RunOptions(
        device=arguments.device,
        threads=arguments.threads,
        cache=arguments.cache or default_cache(),
        tflite_size=(arguments.tflite_height, arguments.tflite_width) if arguments.gen_tflite else None,
    )
    if arguments.resume:
        if arguments.recipe or arguments.run or any(value is not None for value in settings.values()):
            raise UsageError("a run is resumed as it was started: give --resume without a recipe, --run or settings")
        return _report(resume(arguments.resume, options, arguments.data, arguments.validation))
    if not arguments.data:
        raise UsageError("train needs --data: a folder of pictures, or div2k")
    given = load_recipe(arguments.recipe) if arguments.recipe else Recipe()
    recipe = with_options(given, settings)
    named = arguments.recipe is not None and recipe.network == given.network
    run = arguments.run or Path("runs") / (arguments.recipe.stem if named else recipe.stem)
    sources = Sources(arguments.data, arguments.validation)
    initial = _initial(recipe.training.init_from)
    return _report(train(recipe, sources, run, options, init_from=initial))


def _report(path: Path) -> int:
    """Prints where the network lies; of several processes that `torchrun` started, the first does."""
    if os.environ.get("RANK", "0") == "0":
        print(path)
    return 0


def _initial(name: str) -> Path | None:
    """What a name means to start from: a run's folder, a file, an x2 run in ``runs``, or the shipped x2 network."""
    from sesr.inference.zoo import find_network

    if not name:
        return None
    path, run = Path(name), Path("runs") / f"{name}_x2"
    if path.name != name or path.suffix or (path / "checkpoint.pt").exists():
        return path
    if (run / f"sesr_{run.name}.safetensors").exists():
        return run
    try:
        return find_network(name, 2).safetensors
    except UsageError as error:
        raise UsageError(f"no x2 network to start from: no finished run {run}; {error}; or --init-from none") from error


def _add_evaluate(commands: "Commands") -> None:
    parser = _add(commands, "evaluate", _evaluate, "measure a network by the papers' protocol")
    parser.add_argument("model", metavar="MODEL", help="name or file of a network")
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        metavar="DIR",
        help="benchmark sets (Set5/HR/*.png), or any folder of pictures",
    )
    _add_scale(parser)
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path("results"),
        metavar="DIR",
        help="for the tables (default: %(default)s)",
    )
    parser.add_argument("--card", action="store_true", help="write the figures into the network's own files too")
    _add_engine(parser)


def _evaluate(arguments: Arguments) -> int:
    from sesr.atomic import check_writable
    from sesr.evaluation.evaluate import evaluate
    from sesr.evaluation.table import text_table, write_csv
    from sesr.inference.strips import run_plane
    from sesr.inference.upscale import load
    from sesr.inference.zoo import find_network

    network = find_network(arguments.model, arguments.scale)
    if arguments.card and network.safetensors is None:
        raise UsageError(f"{network.file}: --card needs the network's .safetensors")
    engine = load(arguments.model, arguments.scale, engine=arguments.engine, threads=arguments.threads).engine
    arguments.output.mkdir(parents=True, exist_ok=True)
    check_writable(arguments.output / "any.csv")
    measured = evaluate(
        lambda luma: run_plane(engine, luma), network.name, arguments.data, engine.scale, progress=sys.stderr.isatty()
    )
    print(text_table(measured))
    print("\nwritten:", *(_plain(path) for path in write_csv(measured, arguments.output)))
    if arguments.card and network.safetensors is not None:
        from sesr.evaluation.card import record

        record(measured, network.safetensors)
        print(f"card: {_plain(network.safetensors)}")
    return 0


def _add_export(commands: "Commands") -> None:
    parser = _add(commands, "export", _export, "write a network for another runtime")
    parser.add_argument("model", metavar="MODEL", help="name or .safetensors file of a network")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="OUT.tflite", help="file to write")
    _add_scale(parser)
    parser.add_argument("--overwrite", action="store_true", help="replace a file that exists")


def _export(arguments: Arguments) -> int:
    from sesr.atomic import check_writable
    from sesr.export.tflite import export_tflite
    from sesr.inference.zoo import find_network
    from sesr.network.checkpoint import load_checkpoint

    source = find_network(arguments.model, arguments.scale).safetensors
    if source is None or arguments.output.suffix.lower() != ".tflite":
        raise UsageError("export reads a network's name or .safetensors, and writes a file that ends in .tflite")
    if os.path.lexists(arguments.output) and not arguments.overwrite:
        raise SesrError(f"{arguments.output}: exists already; name another with -o, or add --overwrite")
    check_writable(arguments.output)
    export_tflite(load_checkpoint(source), arguments.output)
    print(_plain(f"{source} -> {arguments.output}"))
    return 0


def _add_info(commands: "Commands") -> None:
    _add(commands, "info", _info, "list the networks that come with the package")


def _info(arguments: Arguments) -> int:
    from sesr.inference.info import networks_table
    from sesr.inference.zoo import list_networks

    print(networks_table(list_networks()))
    return 0


def _add_benchmark(commands: "Commands") -> None:
    parser = commands.add_parser("benchmark", help="measure speed and memory", description="Measure speed and memory.")
    kinds = parser.add_subparsers(title="benchmarks", metavar="WHAT", required=True)
    _add_speed(kinds)
    _add_memory(kinds)
    _add_training_speed(kinds)


def _add_speed(kinds: "Commands") -> None:
    parser = _add(kinds, "speed", _benchmark_speed, "a network in OpenVINO against eager PyTorch")
    _add_network(parser)
    parser.add_argument(
        "--width", type=_positive, default=1920, metavar="N", help="of the input (default: %(default)s)"
    )
    parser.add_argument(
        "--height", type=_positive, default=1080, metavar="N", help="of the input (default: %(default)s)"
    )
    parser.add_argument("--rounds", type=_positive, default=7, metavar="N", help="to count (default: %(default)s)")
    _add_threads(parser)
    parser.add_argument("-o", "--output", type=Path, metavar="CSV", help="also write the table to a file")


def _benchmark_speed(arguments: Arguments) -> int:
    from sesr.atomic import check_writable
    from sesr.evaluation.speed import measure_speed, write_csv
    from sesr.inference.zoo import find_network

    network = find_network(arguments.model, arguments.scale)
    if arguments.output:
        check_writable(arguments.output)
    timings = measure_speed(network, arguments.width, arguments.height, arguments.rounds, arguments.threads)
    for timing in timings:
        print(f"{timing.engine:20} {timing.median_ms:8.1f} ms  {timing.ratio:5.2f} times OpenVINO's")
    if arguments.output:
        write_csv(timings, arguments.output)
    return 0


def _add_memory(kinds: "Commands") -> None:
    parser = _add(kinds, "memory", _benchmark_memory, "peak memory of `sesr upscale`")
    parser.add_argument("-m", "--model", default="m5", metavar="NAME|FILE", help="network (default: %(default)s)")
    parser.add_argument(
        "--megapixels", type=float, nargs="+", default=[2.0, 12.0, 100.0], metavar="N", help="(default: 2 12 100)"
    )
    parser.add_argument("-o", "--output", type=Path, metavar="CSV", help="also write the table to a file")


def _benchmark_memory(arguments: Arguments) -> int:
    from sesr.atomic import check_writable
    from sesr.evaluation.memory import MemoryRow, measure_memory, memory_line, write_csv

    if arguments.output:
        check_writable(arguments.output)
    rows: list[MemoryRow] = []
    for row in measure_memory(arguments.model, arguments.megapixels):
        rows.append(row)
        print(memory_line(row), flush=True)
    if arguments.output:
        write_csv(rows, arguments.output)
    return 0


def _add_training_speed(kinds: "Commands") -> None:
    parser = _add(kinds, "training", _benchmark_training, "a training step collapsed, by the paper's way, and expanded")
    parser.add_argument(
        "-m", "--model", choices=("m3", "m5", "m7", "m11", "xl"), default="m5", help="network (default: %(default)s)"
    )
    parser.add_argument("-s", "--scale", type=int, choices=(2, 3, 4), default=2, help="(default: %(default)s)")
    parser.add_argument("--batch-size", type=_positive, default=32, metavar="N", help="(default: %(default)s)")
    parser.add_argument("--crop", type=_positive, default=64, metavar="N", help="LR pixels (default: %(default)s)")
    parser.add_argument("--rounds", type=_positive, default=5, metavar="N", help="to count (default: %(default)s)")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="(default: %(default)s)")
    _add_threads(parser)
    parser.add_argument("-o", "--output", type=Path, metavar="CSV", help="also write the table to a file")


def _benchmark_training(arguments: Arguments) -> int:
    from dataclasses import replace

    from sesr.atomic import check_writable
    from sesr.evaluation.training_speed import measure_training, training_line, write_csv
    from sesr.network.variants import VARIANTS

    if arguments.output:
        check_writable(arguments.output)
    rows = measure_training(
        replace(VARIANTS[arguments.model], scale=arguments.scale),
        batch=arguments.batch_size,
        crop=arguments.crop,
        rounds=arguments.rounds,
        threads=arguments.threads,
        device=arguments.device,
    )
    for row in rows:
        print(training_line(row))
    if arguments.output:
        write_csv(rows, arguments.output)
    return 0


def _add(commands: "Commands", name: str, run: Command, purpose: str) -> argparse.ArgumentParser:
    """A subcommand that calls `run`."""
    parser = commands.add_parser(name, help=purpose, description=f"{purpose[0].upper()}{purpose[1:]}.")
    parser.set_defaults(run_command=run)
    return parser


def _add_network(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-m", "--model", default="m5", metavar="NAME|FILE", help="network: a name, or a file (default: %(default)s)"
    )
    _add_scale(parser)


def _add_scale(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-s", "--scale", type=int, choices=(2, 3, 4), help="how many times larger (default: 2, or what the file has)"
    )


def _add_engine(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--engine",
        choices=("openvino", "torch"),
        default="openvino",
        help="what runs the network (default: %(default)s)",
    )
    _add_threads(parser)


def _add_threads(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--threads", type=_positive, metavar="N", help="processor threads (default: the engine's choice)"
    )


def _tile(text: str) -> int | None:
    return None if text == "auto" else _positive(text)


def _positive(text: str) -> int:
    """A whole number from 1 on."""
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 on")
    return int(text)


def _drop_output() -> None:
    """Forgets what could not be printed; Python would try once more on exit and complain by itself."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def _terminable() -> Iterator[None]:
    """Makes SIGTERM, of which Python would die on the spot, an exception that cleans up on its way."""

    def stop(*_: object) -> None:
        raise _Terminated

    if threading.current_thread() is not threading.main_thread():  # others may not set this
        yield
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL if before is None else before)


def _plain(text: object) -> str:
    """One line, whatever characters the names in it have."""
    return str(text).translate(_ESCAPES)


def _complain(message: object) -> None:
    print(f"sesr: {_plain(message)}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
