"""`sesr evaluate`: measure networks by the papers' protocol, as printed tables and CSV files."""

import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from sesr.commands.arguments import Arguments, add_command, add_engine, add_int8, plain, positive, sharpen_amount
from sesr.errors import UsageError

if TYPE_CHECKING:
    from sesr.commands.arguments import Commands
    from sesr.engines.base import LumaEngine
    from sesr.evaluation.evaluate import Evaluation
    from sesr.network.zoo import Network


def add_evaluate(commands: "Commands") -> None:
    """Add the subcommand."""
    parser = add_command(commands, "evaluate", _evaluate, "measure a network by the papers' protocol")
    parser.add_argument("models", nargs="+", metavar="MODEL", help="name or file of a network")
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        metavar="DIR",
        help="benchmark sets (Set5/HR/*.png), or any folder of pictures",
    )
    parser.add_argument(
        "-s",
        "--scale",
        type=int,
        nargs="+",
        choices=(2, 3, 4),
        help="how many times larger, one or several (default: 2, or what the file has)",
    )
    add_int8(parser)
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path("results"),
        metavar="DIR",
        help="folder for the tables (default: %(default)s)",
    )
    parser.add_argument("--card", action="store_true", help="also write the figures into the network's own files")
    parser.add_argument(
        "--round-input", action="store_true", help="round the network's input luma to 8 bits, as int8 networks see it"
    )
    parser.add_argument(
        "--jpeg",
        type=positive,
        metavar="QUALITY",
        help="pass the small pictures through JPEG of this quality first, such as 75",
    )
    parser.add_argument(
        "--against-x4",
        action="store_true",
        help="also measure the x4 network of the same name, its result shrunk to the scale",
    )
    parser.add_argument(
        "--sharpen",
        type=sharpen_amount,
        nargs="+",
        metavar="AMOUNT",
        help="measure results sharpened by each of these amounts, such as 0 0.5 1, and write sharpen.csv alone",
    )
    add_engine(parser)


def _evaluate(arguments: Arguments) -> int:
    from sesr.atomic import check_writable
    from sesr.evaluation.table import write_quality

    for option in ("round_input", "jpeg"):
        if arguments.card and getattr(arguments, option):
            name = f"--{option.replace('_', '-')}"
            raise UsageError(f"--card keeps the protocol's figures, and {name} gives others; take one of them")
    for option in ("card", "jpeg", "against_x4", "round_input"):
        if arguments.sharpen and getattr(arguments, option):
            name = f"--{option.replace('_', '-')}"
            raise UsageError(f"--sharpen writes a table of its own, and {name} has no place there; take one of them")
    scales: list[int | None] = arguments.scale or [None]
    loaded = [_load(arguments, model, scale) for model in arguments.models for scale in scales]
    names = Counter((network.name, engine.scale) for network, engine in loaded)
    for (name, scale), count in names.items():
        if count > 1:
            raise UsageError(f"{name} x{scale} is asked for {count} times, and its tables have one name; give it once")
    rivals = [_x4_of(arguments, network.name, engine.scale) for network, engine in loaded]
    if arguments.output.exists() and not arguments.output.is_dir():
        raise UsageError(f"{arguments.output}: a file; -o takes the folder for the tables")
    arguments.output.mkdir(parents=True, exist_ok=True)
    check_writable(arguments.output / "any.csv")
    if arguments.sharpen:
        return _evaluate_sharpened(arguments, loaded)
    evaluations = [
        _evaluate_one(arguments, network, engine, x4) for (network, engine), x4 in zip(loaded, rivals, strict=True)
    ]
    if len(evaluations) > 1:
        print(f"all: {plain(write_quality(evaluations, arguments.output))}")
    return 0


def _evaluate_sharpened(arguments: Arguments, loaded: "list[tuple[Network, LumaEngine]]") -> int:
    """Measure networks by each amount of sharpening, print the table and write it."""
    from sesr.evaluation.protocol import as_run
    from sesr.evaluation.sharpened import evaluate_sharpened, sharpened_table, write_sharpened

    rows = []
    for network, engine in loaded:
        rows += evaluate_sharpened(
            as_run(engine),
            network.name,
            arguments.data,
            engine.scale,
            list(dict.fromkeys(arguments.sharpen)),
            progress=sys.stderr.isatty(),
        )
    print(sharpened_table(rows))
    print(f"\nwritten: {plain(write_sharpened(rows, arguments.output))}")
    return 0


def _load(arguments: Arguments, model: str, scale: int | None) -> "tuple[Network, LumaEngine]":
    """Find a network and load it."""
    from sesr.engines.load import load_engine
    from sesr.network.zoo import check_int8, find_network, resolve

    network = find_network(resolve(model, int8=arguments.int8), scale)
    if arguments.card and network.safetensors is None:
        raise UsageError(f"{network.file}: --card needs the network's .safetensors")
    engine = load_engine(network.file, arguments.engine, arguments.threads)
    check_int8(network.file, engine.int8, arguments.int8)
    if scale not in (None, engine.scale):
        raise UsageError(f"{network.file}: a network for x{engine.scale}, not for x{scale}; leave -s out")
    return network, engine


def _x4_of(arguments: Arguments, name: str, scale: int) -> "LumaEngine | None":
    """Load the shipped x4 network of a name, if it is to be measured too."""
    from sesr.engines.load import load_engine
    from sesr.network.zoo import find_network

    if not arguments.against_x4:
        return None
    if scale == 4:
        raise UsageError("--against-x4 compares a network for another scale with the one for x4; take -s 3 or -s 2")
    return load_engine(find_network(name, 4).file, arguments.engine, arguments.threads)


def _evaluate_one(
    arguments: Arguments, network: "Network", engine: "LumaEngine", x4: "LumaEngine | None"
) -> "Evaluation":
    """Measure a network, print its table and write its files."""
    from sesr.evaluation.evaluate import evaluate
    from sesr.evaluation.protocol import as_run, rounded_input
    from sesr.evaluation.table import text_table, write_csv

    upscaler = rounded_input if arguments.round_input else as_run
    evaluation = evaluate(
        upscaler(engine),
        network.name,
        arguments.data,
        engine.scale,
        x4=None if x4 is None else upscaler(x4),
        jpeg=arguments.jpeg,
        progress=sys.stderr.isatty(),
    )
    print(text_table(evaluation))
    print("\nwritten:", *(plain(path) for path in write_csv(evaluation, arguments.output)))
    if arguments.card and network.safetensors is not None:
        from sesr.evaluation.card import record

        record(evaluation, network.safetensors)
        print(f"card: {plain(network.safetensors)}")
    return evaluation
