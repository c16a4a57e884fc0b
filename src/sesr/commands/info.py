"""`sesr info`: the networks that come with the package, and the licenses of what it runs with, as tables for people."""

import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from sesr.commands.arguments import Arguments, add_command

if TYPE_CHECKING:
    from sesr.commands.arguments import Commands
    from sesr.network.zoo import Network

_HEAD = ("name", "scale", "values", "weights", "MACs*", "radius", "dB", "file")
_ACTIVATIONS = {"prelu": "PReLU", "relu": "ReLU"}
_VIDEO_NOTE = (
    "av (PyAV, the extra video): its wheels contain FFmpeg with x264 and x265, which are under the GPL.\n"
    "SESR does not contain them. An app or a container that ships them with SESR is under the GPL as a whole."
)
_PAGE_NOTE = (
    "The page of `sesr demo` contains Mediabunny (https://mediabunny.dev), under the Mozilla Public License 2.0."
)
_NOTE = "* multiply-adds for one picture of 1280 x 720. radius: input pixels to each side that a pixel depends on."


def add_info(commands: "Commands") -> None:
    """Add the subcommand."""
    parser = add_command(commands, "info", _info, "list the networks that come with the package")
    parser.add_argument(
        "--licenses", "--licences", action="store_true", help="list the licenses of SESR and the packages it uses"
    )


def _info(arguments: Arguments) -> int:
    from sesr.network.zoo import list_networks

    if arguments.licenses:
        print(licenses_table())
        return 0
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


def licenses_table() -> str:
    """List each installed package that SESR asks for with its license, then notes on the page and on video."""
    from importlib.metadata import PackageNotFoundError, distribution, requires

    asked = [line for line in requires("sesr") or () if not re.search("extra == .(dev|docs)", line)]
    names = {re.split(r"[^\w.-]", line)[0] for line in asked} - {"sesr"}
    rows = [("sesr", distribution("sesr").version, _license_of("sesr"))]
    for name in sorted(names):
        with suppress(PackageNotFoundError):
            rows.append((name, distribution(name).version, _license_of(name)))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    aligned = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    return "\n".join([*(line.rstrip() for line in aligned), "", _PAGE_NOTE, _VIDEO_NOTE])


def _license_of(name: str) -> str:
    """Return what a package says about its license, in a few words."""
    from importlib.metadata import metadata

    about = metadata(name)
    stated = next((about[key] for key in ("License-Expression", "License") if key in about), "")
    classified = [line.rpartition(" :: ")[2] for line in about.get_all("Classifier", []) if line.startswith("License")]
    return stated if stated and len(stated) < 60 and "\n" not in stated else ", ".join(classified) or "not stated"


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
