"""Arguments that several subcommands share, so that they mean the same everywhere."""

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING

from sesr.errors import UsageError
from sesr.network.variants import DEFAULT_NETWORK

if TYPE_CHECKING:
    from sesr.inference.sizes import Size

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

Arguments = argparse.Namespace
Command = Callable[[Arguments], int]
"""Runs a subcommand and returns its exit code."""


def add_command(commands: "Commands", name: str, run: Command, purpose: str) -> argparse.ArgumentParser:
    """Add a subcommand that calls `run`."""
    parser = commands.add_parser(name, help=purpose, description=f"{purpose[0].upper()}{purpose[1:]}.")
    parser.set_defaults(run_command=run)
    return parser


def add_network(parser: argparse.ArgumentParser) -> None:
    """Add the choice of a network and its scale."""
    add_model(parser)
    add_scale(parser)


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add the choice of a network."""
    parser.add_argument(
        "-m",
        "--model",
        default=DEFAULT_NETWORK,
        metavar="NAME|FILE",
        help=f"network: a name, or a file (default: {DEFAULT_NETWORK})",
    )


def add_scale(parser: argparse.ArgumentParser) -> None:
    """Add the scale of a named network."""
    parser.add_argument(
        "-s", "--scale", type=int, choices=(2, 3, 4), help="how many times larger (default: 2, or what the file has)"
    )


def add_size(parser: argparse.ArgumentParser) -> None:
    """Add what says how large pictures or films become."""
    parser.add_argument("-s", "--scale", metavar="N", help="how many times larger, 1 to 64, also 1.5 (default: 2)")
    parser.add_argument(
        "--size", metavar="WxH", help="size instead: 3840x (this width), x2160 (this height), 3840x2160"
    )
    parser.add_argument("--fit", action="store_true", help="with --size 3840x2160: the largest that fits inside")


def add_int8(parser: argparse.ArgumentParser) -> None:
    """Add the choice of the int8 network."""
    parser.add_argument(
        "--int8",
        action="store_true",
        help="the int8 network of this name: m5-int8, a ReLU network, for m5",
    )


def add_engine(parser: argparse.ArgumentParser) -> None:
    """Add the choice of an engine, and its threads."""
    add_engine_name(parser)
    add_threads(parser)


def add_engine_name(parser: argparse.ArgumentParser) -> None:
    """Add the choice of an engine."""
    parser.add_argument(
        "--engine",
        choices=("native", "openvino", "litert", "torch"),
        default="native",
        help="engine that runs the network (default: native)",
    )


def add_threads(parser: argparse.ArgumentParser) -> None:
    """Add the number of threads."""
    parser.add_argument(
        "--threads", type=positive, metavar="N", help="processor threads (default: the engine's choice)"
    )


def wanted_size(arguments: Arguments) -> "Size | None":
    """Return the size that is asked for; None leaves it to the network. Raises `UsageError`."""
    from sesr.inference.sizes import parse_fit, parse_scale, parse_size

    if arguments.fit and arguments.size is None:
        raise UsageError("--fit says how to take a --size; give one, such as --size 3840x2160")
    if arguments.size is not None and arguments.scale is not None:
        raise UsageError("-s and --size both say how large pictures become; give one of them")
    if arguments.size is not None:
        return parse_fit(arguments.size) if arguments.fit else parse_size(arguments.size)
    return None if arguments.scale is None else parse_scale(arguments.scale)


_ESCAPES = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))} | {0x2028: "\\u2028", 0x2029: "\\u2029"}
"""Escapes for every character that ends a line or steers a terminal."""


def plain(text: object) -> str:
    """Return a text as one line, whatever characters the names in it have."""
    return str(text).translate(_ESCAPES)


def tile(text: str) -> int | None:
    """Parse a tile's side; None for ``auto``."""
    return None if text == "auto" else positive(text)


def positive(text: str) -> int:
    """Parse a whole number from 1 on."""
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 on")
    return int(text)


def port(text: str) -> int:
    """Parse a TCP port; 0 stands for any that is free."""
    if not text.isascii() or not text.isdigit() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port, a whole number from 0 to 65535")
    return int(text)


def sharpen_amount(text: str) -> float:
    """Parse an amount of sharpening."""
    from sesr.inference.sharpen import MAX_AMOUNT

    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= MAX_AMOUNT:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 (not at all) to {MAX_AMOUNT:g}, such as 0.3")
    return number
