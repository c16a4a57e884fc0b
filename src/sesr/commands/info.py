"""`sesr info`: the networks that come with the package, as a table for people."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sesr.commands.arguments import Arguments, add_command

if TYPE_CHECKING:
    from sesr.commands.arguments import Commands
    from sesr.network.zoo import Network

_HEAD = ("name", "scale", "values", "weights", "MACs*", "radius", "dB", "file")
_ACTIVATIONS = {"prelu": "PReLU", "relu": "ReLU"}
_NOTE = "* multiply-adds for one picture of 1280 x 720. radius: input pixels to each side that a pixel depends on."


def add_info(commands: "Commands") -> None:
    """Add the subcommand."""
    add_command(commands, "info", _info, "list the networks that come with the package")


def _info(arguments: Arguments) -> int:
    from sesr.network.zoo import list_networks

    print(networks_table(list_networks()))
    return 0


def networks_table(networks: "Sequence[Network]") -> str:
    """Return a line per network, several lines without a newline at the end.

    The column dB holds the measured figures in the network's card, its entry ``psnr_db``.
    """
    if not networks:
        return "no networks come with this installation; train one, and name its file with -m"
    lines = [_HEAD, *(_line(network) for network in networks)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    aligned = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines]
    return "\n".join([*(line.rstrip() for line in aligned), "", _NOTE])


def _line(network: "Network") -> tuple[str, ...]:
    config = network.config
    if config is None:
        return (network.name, *[""] * 6, str(network.file))
    return (
        network.name,
        f"x{config.scale}",
        f"{'int8' if network.int8 else 'float'}, {_ACTIVATIONS[config.activation]}",
        f"{config.weights:,}",
        f"{config.macs() / 1e9:.2f} G",
        str(config.receptive_radius),
        _decibels(network.card.get("psnr_db")),
        str(_shortest(network.safetensors or network.file)),
    )


def _decibels(measured: object) -> str:
    """Return ``Set5 37.30, Set14 32.80``; short names come first, which is also the papers' order."""
    if not isinstance(measured, dict):
        return "not measured"
    return ", ".join(f"{name} {measured[name]:.2f}" for name in sorted(measured, key=lambda name: (len(name), name)))


def _shortest(path: Path) -> Path:
    """Return the path, relative to the working folder if it lies inside."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
