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
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from sesr.commands.arguments import (
    Arguments,
    Command,
    add_command,
    add_engine,
    add_int8,
    add_scale,
    plain,
    positive,
)
from sesr.commands.benchmark import add_benchmark
from sesr.commands.export import add_export
from sesr.commands.train import add_train
from sesr.commands.upscale import add_upscale
from sesr.errors import SesrError, UsageError

if TYPE_CHECKING:
    from sesr.commands.arguments import Commands


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
    add_upscale(commands)
    add_train(commands)
    _add_evaluate(commands)
    add_export(commands)
    _add_info(commands)
    add_benchmark(commands)
    return parser


class _Version(argparse.Action):
    """Prints the version; looked up only then."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        import sesr

        print(f"sesr {sesr.__version__}")
        parser.exit()


def _add_evaluate(commands: "Commands") -> None:
    parser = add_command(commands, "evaluate", _evaluate, "measure a network by the papers' protocol")
    parser.add_argument("model", metavar="MODEL", help="name or file of a network")
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        metavar="DIR",
        help="benchmark sets (Set5/HR/*.png), or any folder of pictures",
    )
    add_scale(parser)
    add_int8(parser)
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path("results"),
        metavar="DIR",
        help="for the tables (default: %(default)s)",
    )
    parser.add_argument("--card", action="store_true", help="write the figures into the network's own files too")
    parser.add_argument(
        "--round-input", action="store_true", help="give the network luma rounded to 8 bits, as int8 networks see it"
    )
    parser.add_argument(
        "--jpeg",
        type=positive,
        metavar="QUALITY",
        help="make the small pictures JPEG of a quality, such as 75, before they are enlarged",
    )
    add_engine(parser)


def _evaluate(arguments: Arguments) -> int:
    from sesr.atomic import check_writable
    from sesr.evaluation.evaluate import evaluate
    from sesr.evaluation.protocol import as_run, rounded_input
    from sesr.evaluation.table import text_table, write_csv
    from sesr.inference.networks import find_networks
    from sesr.inference.zoo import find_network

    network = find_network(arguments.model, arguments.scale, int8=arguments.int8)
    if arguments.card and network.safetensors is None:
        raise UsageError(f"{network.file}: --card needs the network's .safetensors")
    if arguments.card and arguments.round_input:
        raise UsageError("--card keeps the protocol's figures, and --round-input gives others; take one of them")
    if arguments.card and arguments.jpeg:
        raise UsageError("--card keeps the protocol's figures, and --jpeg gives others; take one of them")
    networks = find_networks(arguments.model, arguments.engine, arguments.threads, int8=arguments.int8)
    engine = networks.step(arguments.scale or min(networks.scales)).engine
    arguments.output.mkdir(parents=True, exist_ok=True)
    check_writable(arguments.output / "any.csv")
    upscale = (rounded_input if arguments.round_input else as_run)(engine)
    measured = evaluate(
        upscale,
        network.name,
        arguments.data,
        engine.scale,
        jpeg=arguments.jpeg,
        progress=sys.stderr.isatty(),
    )
    print(text_table(measured))
    print("\nwritten:", *(plain(path) for path in write_csv(measured, arguments.output)))
    if arguments.card and network.safetensors is not None:
        from sesr.evaluation.card import record

        record(measured, network.safetensors)
        print(f"card: {plain(network.safetensors)}")
    return 0


def _add_info(commands: "Commands") -> None:
    add_command(commands, "info", _info, "list the networks that come with the package")


def _info(arguments: Arguments) -> int:
    from sesr.inference.info import networks_table
    from sesr.inference.zoo import list_networks

    print(networks_table(list_networks()))
    return 0


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


def _complain(message: object) -> None:
    print(f"sesr: {plain(message)}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
