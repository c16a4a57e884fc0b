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
from typing import TYPE_CHECKING

from sesr.commands.arguments import Arguments, Command, add_command, plain
from sesr.commands.benchmark import add_benchmark
from sesr.commands.evaluate import add_evaluate
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
    add_evaluate(commands)
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


def _add_info(commands: "Commands") -> None:
    add_command(commands, "info", _info, "list the networks that come with the package")


def _info(arguments: Arguments) -> int:
    from sesr.commands.info import networks_table
    from sesr.network.zoo import list_networks

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
