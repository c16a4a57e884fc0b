"""Arguments that several subcommands share, so that they mean the same everywhere."""

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING

from sesr.network.variants import DEFAULT_NETWORK

if TYPE_CHECKING:
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
        help="network: a name, or a file (default: %(default)s)",
    )


def add_scale(parser: argparse.ArgumentParser) -> None:
    """Add the scale of a named network."""
    parser.add_argument(
        "-s", "--scale", type=int, choices=(2, 3, 4), help="how many times larger (default: 2, or what the file has)"
    )


def add_int8(parser: argparse.ArgumentParser) -> None:
    """Add the choice of the int8 network."""
    parser.add_argument(
        "--int8",
        action="store_true",
        help="the int8 network of this name: m5-int8, a ReLU network, for m5",
    )


def add_engine(parser: argparse.ArgumentParser) -> None:
    """Add the choice of an engine, and its threads."""
    parser.add_argument(
        "--engine",
        choices=("native", "openvino", "litert", "torch"),
        default="native",
        help="engine that runs the network (default: %(default)s)",
    )
    add_threads(parser)


def add_threads(parser: argparse.ArgumentParser) -> None:
    """Add the number of threads."""
    parser.add_argument(
        "--threads", type=positive, metavar="N", help="processor threads (default: the engine's choice)"
    )


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
