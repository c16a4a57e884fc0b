"""`sesr export`."""

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sesr.commands.arguments import Arguments, add_command, add_int8, add_scale, plain, positive
from sesr.errors import SesrError, UsageError

if TYPE_CHECKING:
    from sesr.commands.arguments import Commands
    from sesr.export.check import Target
    from sesr.export.everything import Exported
    from sesr.network.quantized import AnyNetwork

_TFLITE_SIZE = 256

_SIZE = ("height", "width", "fixed_size")
_OPTIONS = {".tflite": (*_SIZE, "transpose_conv"), ".onnx": (*_SIZE, "rgb"), ".glsl": ("half",)}
"""Options that choose among the files of a kind."""


def add_export(commands: "Commands") -> None:
    """Add the subcommand."""
    parser = add_command(commands, "export", _export, "write a network for other runtimes, and check it there")
    parser.add_argument("model", metavar="MODEL", help="name or .safetensors file of a network")
    output = parser.add_mutually_exclusive_group(required=True)
    output.add_argument(
        "-o", "--output", type=Path, metavar="OUT", help="file to write; its name ends in .tflite, .onnx or .glsl"
    )
    output.add_argument(
        "--all", type=Path, metavar="DIR", dest="folder", help="write every kind of file into this folder, with a table"
    )
    add_scale(parser)
    add_int8(parser)
    sizes = f".tflite: at which the file opens, and it can be resized (default: {_TFLITE_SIZE}); .onnx: fixed"
    parser.add_argument("--height", type=positive, metavar="N", help=f"rows; {sizes}")
    parser.add_argument("--width", type=positive, metavar="N", help=f"columns; {sizes}")
    parser.add_argument("--fixed-size", action="store_true", help="only ever this size, as NPU compilers want it")
    parser.add_argument("--rgb", action="store_true", help="RGB in and out, with the color inside the file; .onnx only")
    parser.add_argument("--half", action="store_true", help="compute in 16-bit floats; .glsl only")
    parser.add_argument(
        "--transpose-conv",
        action="store_true",
        help="upscale by a transposed convolution, for NPUs without depth-to-space; one size, .tflite, LiteRT only",
    )
    parser.add_argument(
        "--require-check", action="store_true", help="fail where no installed runtime can run and compare a file"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace files that exist")


def _export(arguments: Arguments) -> int:
    from sesr.network.quantized import load_network
    from sesr.network.zoo import check_int8, find_network, resolve

    found = find_network(resolve(arguments.model, int8=arguments.int8), arguments.scale)
    if found.safetensors is None:
        raise UsageError(f"{arguments.model}: export reads a network's name or .safetensors, not a .tflite")
    if arguments.folder is None:
        target = _target(arguments)
        check_int8(found.safetensors, found.int8, arguments.int8)
        return _export_one(load_network(found.safetensors), found.safetensors, target, arguments)
    _check_usual(arguments)
    check_int8(found.safetensors, found.int8, arguments.int8)
    return _export_all(load_network(found.safetensors), found.safetensors, arguments)


def _target(arguments: Arguments) -> "Target":
    """Return the kind of file that the output's name ends in. Raises `UsageError` for options that it does not have."""
    suffix = arguments.output.suffix.lower()
    if suffix not in _OPTIONS:
        raise UsageError(f"{arguments.output}: export writes .tflite, .onnx and .glsl; name a file that ends so")
    for option in sorted({option for options in _OPTIONS.values() for option in options} - set(_OPTIONS[suffix])):
        if getattr(arguments, option):
            others = " and ".join(other for other, options in _OPTIONS.items() if option in options)
            raise UsageError(f"{arguments.output}: --{option.replace('_', '-')} is for {others}; leave it out")
    return {".tflite": _tflite, ".onnx": _onnx, ".glsl": _glsl}[suffix](arguments)


def _tflite(arguments: Arguments) -> "Target":
    from sesr.export.tflite import TFLite
    from sesr.tflite.writer import Layout

    height, width = arguments.height or _TFLITE_SIZE, arguments.width or _TFLITE_SIZE
    return TFLite(Layout(height, width, arguments.fixed_size, arguments.transpose_conv))


def _onnx(arguments: Arguments) -> "Target":
    from sesr.export.onnx import ONNX
    from sesr.export.onnx_writer import ONNXLayout

    given = [side for side in (arguments.height, arguments.width) if side is not None]
    if len(given) == 1 or (arguments.fixed_size and not given):
        raise UsageError(f"{arguments.output}: a fixed size needs both --height and --width")
    return ONNX(ONNXLayout((given[0], given[1]) if given else None, arguments.rgb))


def _glsl(arguments: Arguments) -> "Target":
    from sesr.export.glsl import GLSL

    return GLSL(arguments.half)


def _export_one(network: "AnyNetwork", source: Path, target: "Target", arguments: Arguments) -> int:
    from sesr.export.check import export_checked

    _check_writable([arguments.output], "-o", overwrite=arguments.overwrite)
    for line in export_checked(network, arguments.output, target, require_check=arguments.require_check):
        print(plain(line))
    print(plain(f"{source} -> {arguments.output}"))
    return 0


def _check_usual(arguments: Arguments) -> None:
    """Raise `UsageError` for options that choose among files of one kind."""
    for option in (option for options in _OPTIONS.values() for option in options):
        if getattr(arguments, option):
            raise UsageError(f"--all writes every file in its usual form; leave out --{option.replace('_', '-')}")


def _export_all(network: "AnyNetwork", source: Path, arguments: Arguments) -> int:
    from sesr.export.everything import export_all, list_files

    folder, stem = arguments.folder, source.stem
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SesrError(f"{folder}: cannot be made a folder ({error.strerror}); name another with --all") from error
    _check_writable(list_files(folder, stem), "--all", overwrite=arguments.overwrite)
    reports = list(export_all(network, folder, stem, require_check=arguments.require_check))
    for line in _table(reports):
        print(plain(line))
    for report in reports:
        for line in _remarks(report):
            print(plain(line))
    return 1 if any(report.failed for report in reports) else 0


def _check_writable(paths: Iterable[Path], option: str, *, overwrite: bool) -> None:
    """Raise `SesrError` where a file exists or cannot be written, before anything is written."""
    from sesr.atomic import check_writable

    for path in paths:
        if os.path.lexists(path) and not overwrite:
            raise SesrError(f"{path}: exists already; name another with {option}, or add --overwrite")
        check_writable(path)


def _table(reports: Iterable["Exported"]) -> Iterator[str]:
    """Return a line for each file and each runtime that ran it; differences are in steps of 1/255."""
    rows = [("file", "bytes", "runtime", "bound", "largest", "mean")]
    for report in reports:
        if report.check is None:
            rows.append((report.path.name, "-", "not written", "", "", ""))
            continue
        begin = (report.path.name, f"{report.size:,}")
        compared = [
            (*begin, each.runtime, f"{each.bound:g}", f"{each.largest:.2g}", f"{each.mean:.2g}")
            for each in report.check.comparisons
        ]
        rows += compared or [(*begin, "unchecked", "", "", "")]
    return _aligned(rows)


def _aligned(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for name, size, *rest in rows:
        cells = [name.ljust(widths[0]), size.rjust(widths[1])]
        yield "  ".join([*cells, *(cell.ljust(width) for cell, width in zip(rest, widths[2:], strict=True))]).rstrip()


def _remarks(report: "Exported") -> Iterator[str]:
    """Return why a file was not written, and why runtimes did not compare it."""
    if report.failed:
        yield report.failed
    elif report.refused:
        yield f"{report.path.name}: {report.refused}"
    if report.check is not None:
        yield from (f"{report.path.name}: {name}: {reason}" for name, reason in report.check.skipped.items())
