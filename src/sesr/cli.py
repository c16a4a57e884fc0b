"""The command `sesr`: each subcommand parses, calls one function, and prints.

Whatever a subcommand needs is imported when it runs, so that `sesr --help` is instant. Failures go to stderr, one line
each; control characters in file names are shown as escapes. Exit codes:

====  ===================================================================================================
0     all done
1     some failed, and the others are done
2     wrong usage; nothing was begun
3     a job in a store was not ended: the store failed, or no picture can be worked on here
130   stopped by Ctrl-C (SIGINT)
143   stopped by SIGTERM
129   stopped by SIGHUP: the terminal was closed
====  ===================================================================================================

However it is stopped, no half-written file stays.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import suppress

from sesr.commands.arguments import Command, plain
from sesr.commands.benchmark import add_benchmark
from sesr.commands.completion import add_completion, answer_shell
from sesr.commands.demo import add_demo
from sesr.commands.evaluate import add_evaluate
from sesr.commands.export import add_export
from sesr.commands.info import add_info
from sesr.commands.plan import add_plan
from sesr.commands.status import add_status
from sesr.commands.stop import Stopped, stoppable
from sesr.commands.train import add_train
from sesr.commands.upscale import add_upscale
from sesr.commands.video import add_video
from sesr.errors import SesrError


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code. Wrong usage that the parser finds raises `SystemExit(2)`."""
    _open_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # file names need not be text
    parser = build_parser()
    answer_shell(parser)
    arguments = parser.parse_args(argv)
    run: Command = arguments.run_command
    try:
        with stoppable():
            code = run(arguments)
            sys.stdout.flush()
        return code
    except SesrError as error:
        _complain(error)
        return error.exit_code
    except KeyboardInterrupt as stop:
        if not (isinstance(stop, Stopped) and stop.told):
            _complain("stopped")
        _flush_or_drop_output()
        return stop.code if isinstance(stop, Stopped) else 130
    except OSError as error:
        if error.filename is None:
            _drop_output()
        if not isinstance(error, BrokenPipeError):  # from `sesr info | head -1`: nobody wants more
            _complain(f"{error.filename or 'output'}: {error.strerror or error}; check the place and its permissions")
        return 1


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all subcommands with their options."""
    parser = argparse.ArgumentParser(
        prog="sesr",
        description="Super-resolution on a plain CPU: upscales pictures and films 2, 3 or 4 times, or to any size.",
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    add_upscale(commands)
    add_plan(commands)
    add_status(commands)
    add_video(commands)
    add_train(commands)
    add_evaluate(commands)
    add_export(commands)
    add_info(commands)
    add_benchmark(commands)
    add_demo(commands)
    add_completion(commands)
    return parser


class _Version(argparse.Action):
    """Print the version; looked up only then."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        import sesr

        print(f"sesr {sesr.__version__}")
        parser.exit()


def _open_closed_streams() -> None:
    """Open stdin, stdout and stderr to nothing where they are closed, as some schedulers leave them.

    Otherwise the next file that is opened gets such a stream's descriptor, and what libraries print goes into it.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest descriptor that is free
    if sys.stdout is None:
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115  (for good)
    if sys.stderr is None:
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115  (for good)


def _drop_output() -> None:
    """Forget what could not be printed: Python would try once more on exit and complain by itself."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _flush_or_drop_output() -> None:
    """Print what waits to be printed, unless nobody is there any more: the terminal may be closed."""
    try:
        sys.stdout.flush()
    except OSError:
        _drop_output()


def _complain(message: object) -> None:
    """Print one line on stderr, unless that is closed as well."""
    with suppress(OSError, ValueError):
        print(f"sesr: {plain(message)}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
