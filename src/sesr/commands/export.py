"""`sesr export`."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from sesr.commands.arguments import Arguments, add_command, add_int8, add_scale, plain, positive
from sesr.errors import SesrError, UsageError

if TYPE_CHECKING:
    from sesr.commands.arguments import Commands


def add_export(commands: "Commands") -> None:
    """Add the subcommand."""
    parser = add_command(commands, "export", _export, "write a network for another runtime, and check it there")
    parser.add_argument("model", metavar="MODEL", help="name or .safetensors file of a network")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="OUT.tflite", help="file to write")
    add_scale(parser)
    add_int8(parser)
    size = "at which the file opens; it can be resized (default: %(default)s)"
    parser.add_argument("--height", type=positive, default=256, metavar="N", help=f"rows {size}")
    parser.add_argument("--width", type=positive, default=256, metavar="N", help=f"columns {size}")
    parser.add_argument("--fixed-size", action="store_true", help="only ever this size, as NPU compilers want it")
    parser.add_argument(
        "--transpose-conv",
        action="store_true",
        help="upscale by a transposed convolution, for NPUs without depth-to-space; one size, LiteRT only",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace a file that exists")


def _export(arguments: Arguments) -> int:
    from sesr.atomic import check_writable
    from sesr.export.tflite import export_checked
    from sesr.network.quantized import load_network
    from sesr.network.zoo import check_int8, find_network, resolve
    from sesr.tflite.writer import Layout

    found = find_network(resolve(arguments.model, int8=arguments.int8), arguments.scale)
    if found.safetensors is None:
        raise UsageError(f"{arguments.model}: export reads a network's name or .safetensors, not a .tflite")
    if arguments.output.suffix.lower() != ".tflite":
        raise UsageError(f"{arguments.output}: export writes .tflite; name a file that ends so")
    check_int8(found.safetensors, found.int8, arguments.int8)
    if os.path.lexists(arguments.output) and not arguments.overwrite:
        raise SesrError(f"{arguments.output}: exists already; name another with -o, or add --overwrite")
    check_writable(arguments.output)
    network = load_network(found.safetensors)
    layout = Layout(arguments.height, arguments.width, arguments.fixed_size, arguments.transpose_conv)
    for line in export_checked(network, arguments.output, layout):
        print(plain(line))
    print(plain(f"{found.safetensors} -> {arguments.output}"))
    return 0
