"""`sesr benchmark`: speed, memory and training."""

import argparse
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from sesr.commands.arguments import Arguments, add_command, add_int8, add_network, add_scale, add_threads, positive
from sesr.errors import UsageError

if TYPE_CHECKING:
    from sesr.commands.arguments import Commands


def add_benchmark(commands: "Commands") -> None:
    """Adds the subcommand and its kinds."""
    parser = commands.add_parser("benchmark", help="measure speed and memory", description="Measure speed and memory.")
    kinds = parser.add_subparsers(title="benchmarks", metavar="WHAT", required=True)
    _add_engine(kinds)
    _add_engine_memory(kinds)
    _add_files(kinds)
    _add_speed(kinds)
    _add_memory(kinds)
    _add_training_speed(kinds)
    _add_npu(kinds)


def _add_engine(kinds: "Commands") -> None:
    parser = add_command(kinds, "engine", _benchmark_engine, "our own engine against OpenVINO and the processor's peak")
    parser.add_argument("-m", "--models", nargs="+", default=["m5"], metavar="NAME", help="variants (default: m5)")
    parser.add_argument("-s", "--scales", nargs="+", type=int, choices=(2, 3, 4), default=[2], help="(default: 2)")
    _add_frame(parser)
    add_threads(parser)
    parser.add_argument("-o", "--output", type=Path, metavar="CSV", help="also write the table to a file")


def _benchmark_engine(arguments: Arguments) -> int:
    from sesr.atomic import check_writable
    from sesr.benchmarks.engine_speed import EngineTiming, measure_engine
    from sesr.benchmarks.rows import write_rows

    if arguments.output:
        check_writable(arguments.output)
    timings: list[EngineTiming] = []
    size = arguments.width, arguments.height
    for timing in measure_engine(arguments.models, arguments.scales, *size, arguments.rounds, arguments.threads):
        timings.append(timing)
        network = f"{timing.network} x{timing.scale} {timing.values}"
        print(
            f"{network:16} {timing.contender:16} {timing.threads} threads {timing.median_ms:8.1f} ms  "
            f"{timing.times_openvino:5.2f} times as fast as OpenVINO  {timing.of_peak:4.0%} of the peak",
            flush=True,
        )
    if arguments.output:
        write_rows(timings, arguments.output)
    return 0


def _add_engine_memory(kinds: "Commands") -> None:
    parser = add_command(
        kinds, "engine-memory", _benchmark_engine_memory, "our engine's memory beyond input and output"
    )
    add_network(parser)
    add_int8(parser)
    parser.add_argument("--width", type=positive, default=8000, metavar="N", help="of the input (default: %(default)s)")
    parser.add_argument(
        "--height", type=positive, default=10000, metavar="N", help="of the input (default: %(default)s)"
    )
    add_threads(parser)
    parser.add_argument("-o", "--output", type=Path, metavar="CSV", help="also write the table to a file")


def _benchmark_engine_memory(arguments: Arguments) -> int:
    from sesr.atomic import check_writable
    from sesr.benchmarks.engine_memory import measure_working_memory
    from sesr.benchmarks.rows import write_rows
    from sesr.network.zoo import find_network, resolve

    network = find_network(resolve(arguments.model, int8=arguments.int8), arguments.scale)
    if arguments.output:
        check_writable(arguments.output)
    row = measure_working_memory(network, arguments.width, arguments.height, arguments.threads)
    print(
        f"{row.network} x{row.scale} {row.values}, {row.width} x {row.height}, {row.threads} threads: "
        f"{row.working_mb:.1f} MB beyond input and output, {row.seconds:.1f} s"
    )
    if arguments.output:
        write_rows([row], arguments.output)
    return 0


def _add_files(kinds: "Commands") -> None:
    parser = add_command(kinds, "files", _benchmark_files, "picture files against the bare engine on the same pixels")
    add_network(parser)
    add_int8(parser)
    parser.add_argument("--megapixels", type=float, default=12.0, metavar="N", help="(default: %(default)s)")
    parser.add_argument("--rounds", type=positive, default=5, metavar="N", help="to count (default: %(default)s)")
    add_threads(parser)
    parser.add_argument("-o", "--output", type=Path, metavar="CSV", help="also write the table to a file")


def _benchmark_files(arguments: Arguments) -> int:
    from sesr.atomic import check_writable
    from sesr.benchmarks.file_speed import FileTiming, measure_files
    from sesr.benchmarks.rows import write_rows
    from sesr.network.zoo import find_network, resolve

    network = find_network(resolve(arguments.model, int8=arguments.int8), arguments.scale)
    if arguments.output:
        check_writable(arguments.output)
    rows: list[FileTiming] = []
    for row in measure_files(network, arguments.megapixels, arguments.rounds, arguments.threads):
        rows.append(row)
        print(
            f"{row.source} -> {row.target}  {row.file_seconds:6.2f} s, bare engine {row.engine_seconds:6.2f} s: "
            f"throughput {row.throughput:.2f}",
            flush=True,
        )
    if arguments.output:
        write_rows(rows, arguments.output)
    return 0


def _add_frame(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--width", type=positive, default=1920, metavar="N", help="of the input (default: %(default)s)")
    parser.add_argument(
        "--height", type=positive, default=1080, metavar="N", help="of the input (default: %(default)s)"
    )
    parser.add_argument("--rounds", type=positive, default=7, metavar="N", help="to count (default: %(default)s)")


def _add_speed(kinds: "Commands") -> None:
    parser = add_command(kinds, "speed", _benchmark_speed, "a network in OpenVINO against eager PyTorch")
    add_network(parser)
    _add_frame(parser)
    add_threads(parser)
    parser.add_argument("-o", "--output", type=Path, metavar="CSV", help="also write the table to a file")


def _benchmark_speed(arguments: Arguments) -> int:
    from sesr.atomic import check_writable
    from sesr.benchmarks.rows import write_rows
    from sesr.benchmarks.speed import measure_speed
    from sesr.network.zoo import WEIGHTS, find_network, resolve

    network = find_network(arguments.model, arguments.scale)
    if arguments.output:
        check_writable(arguments.output)
    int8 = None
    with suppress(UsageError):  # not every network has one
        int8 = (
            find_network(resolve(arguments.model, int8=True), arguments.scale)
            if network.file.parent == WEIGHTS
            else None
        )
    timings = measure_speed(network, arguments.width, arguments.height, arguments.rounds, arguments.threads, int8)
    for timing in timings:
        print(f"{timing.engine:20} {timing.median_ms:8.1f} ms  {timing.ratio:5.2f} times OpenVINO's")
    if arguments.output:
        write_rows(timings, arguments.output)
    return 0


def _add_memory(kinds: "Commands") -> None:
    parser = add_command(kinds, "memory", _benchmark_memory, "peak memory of `sesr upscale`")
    parser.add_argument("-m", "--model", default="m5", metavar="NAME|FILE", help="network (default: %(default)s)")
    parser.add_argument(
        "--megapixels", type=float, nargs="+", default=[2.0, 12.0, 100.0], metavar="N", help="(default: 2 12 100)"
    )
    parser.add_argument("-o", "--output", type=Path, metavar="CSV", help="also write the table to a file")


def _benchmark_memory(arguments: Arguments) -> int:
    from sesr.atomic import check_writable
    from sesr.benchmarks.memory import MemoryRow, measure_memory, memory_line, write_csv

    if arguments.output:
        check_writable(arguments.output)
    rows: list[MemoryRow] = []
    for row in measure_memory(arguments.model, arguments.megapixels):
        rows.append(row)
        print(memory_line(row), flush=True)
    if arguments.output:
        write_csv(rows, arguments.output)
    return 0


def _add_training_speed(kinds: "Commands") -> None:
    parser = add_command(
        kinds, "training", _benchmark_training, "a training step collapsed, by the paper's way, and expanded"
    )
    parser.add_argument(
        "-m", "--model", choices=("m3", "m5", "m7", "m11", "xl"), default="m5", help="network (default: %(default)s)"
    )
    parser.add_argument("-s", "--scale", type=int, choices=(2, 3, 4), default=2, help="(default: %(default)s)")
    parser.add_argument("--batch-size", type=positive, default=32, metavar="N", help="(default: %(default)s)")
    parser.add_argument("--crop", type=positive, default=64, metavar="N", help="LR pixels (default: %(default)s)")
    parser.add_argument("--rounds", type=positive, default=5, metavar="N", help="to count (default: %(default)s)")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="(default: %(default)s)")
    add_threads(parser)
    parser.add_argument("-o", "--output", type=Path, metavar="CSV", help="also write the table to a file")


def _benchmark_training(arguments: Arguments) -> int:
    from dataclasses import replace

    from sesr.atomic import check_writable
    from sesr.benchmarks.training_speed import measure_training, training_line, write_csv
    from sesr.network.variants import VARIANTS

    if arguments.output:
        check_writable(arguments.output)
    rows = measure_training(
        replace(VARIANTS[arguments.model], scale=arguments.scale),
        batch=arguments.batch_size,
        crop=arguments.crop,
        rounds=arguments.rounds,
        threads=arguments.threads,
        device=arguments.device,
    )
    for row in rows:
        print(training_line(row))
    if arguments.output:
        write_csv(rows, arguments.output)
    return 0


def _add_npu(kinds: "Commands") -> None:
    parser = add_command(kinds, "npu", _benchmark_npu, "speed on Arm's NPUs beside FSRCNN's, as their compiler expects")
    parser.add_argument("model", metavar="MODEL", help="name or .safetensors file of an int8 network")
    add_scale(parser)
    parser.add_argument("-o", "--output", type=Path, metavar="CSV", help="also write the table to a file")


def _benchmark_npu(arguments: Arguments) -> int:
    from sesr.atomic import check_writable
    from sesr.benchmarks.npu import Estimate, estimate_npu, npu_line, ratios
    from sesr.benchmarks.rows import write_rows
    from sesr.network.quantized import load_quantized
    from sesr.network.zoo import find_network, resolve

    found = find_network(resolve(arguments.model, int8=True), arguments.scale)
    if found.safetensors is None:
        raise UsageError(f"{found.file}: an estimate needs the int8 network's .safetensors")
    if arguments.output:
        check_writable(arguments.output)
    estimates: list[Estimate] = []
    for estimate in estimate_npu(load_quantized(found.safetensors), found.name):
        estimates.append(estimate)
        print(npu_line(estimate), flush=True)
    for line in ratios(estimates):
        print(line)
    if arguments.output:
        write_rows(estimates, arguments.output)
    return 0
