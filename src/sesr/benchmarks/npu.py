"""How fast a network would run on an NPU: Arm's compiler Vela estimates it, without the hardware.

Vela (package ethos-u-vela) compiles a `.tflite` for Arm's Ethos-U and prints the cycles that it expects. What it cannot
compile is left to the processor beside the NPU and costs time that no estimate knows; such operators are named.

A frame can be given whole, or in tiles, as the paper does (400 x 300, section 5.4). Whole, its features take some 100
MB, which Vela counts as the memory that each system here has for them, however fast. On a U55 that is SRAM, which no
device has so much of: there only the tiles say what one would do. Tiles here overlap by the receptive radius, so that
they give the whole frame's pixels; that many more of them are needed.
"""

import csv
import importlib.util
import math
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sesr.benchmarks.fsrcnn import fsrcnn_macs, fsrcnn_tflite
from sesr.errors import EngineError, SesrError
from sesr.network.quantized import QuantizedNetwork
from sesr.tflite.file import operators
from sesr.tflite.writer import Layout, write_tflite


@dataclass(frozen=True)
class Accelerator:
    """An NPU, and the system that Vela is told it sits in, by Vela's names."""

    name: str
    system: str
    memory: str


ACCELERATORS = (
    Accelerator("ethos-u55-256", "Ethos_U55_High_End_Embedded", "Shared_Sram"),
    Accelerator("ethos-u65-512", "Ethos_U65_Client_Server", "Dedicated_Sram"),
    Accelerator("ethos-u85-512", "Ethos_U85_SYS_DRAM_Mid", "Dedicated_Sram_384KB"),
)

TIMEOUT = 600
"""Seconds that Vela may take for one file; it takes less than one."""

FRAME = (1920, 1080)
TILE = (400, 300)


@dataclass(frozen=True)
class Case:
    """What is compiled: a network's file for one size, and how many of them make a frame.

    Attributes:
        network: its name.
        enlarges: ``depth-to-space`` or ``transposed``.
        width, height: of the input.
        tiles: how many make a 1920 x 1080 frame.
        macs: multiply-adds of one.
        content: the file.
    """

    network: str
    enlarges: str
    width: int
    height: int
    tiles: int
    macs: int
    content: bytes


@dataclass(frozen=True)
class Estimate:
    """What Vela expects.

    Attributes:
        network, enlarges, width, height, tiles: as in `Case`.
        accelerator: the NPU.
        system, memory_mode: the rest of the machine, by Vela's names.
        clock_mhz: the NPU's clock.
        mega_cycles: of one inference, without what falls off the NPU.
        inferences_per_second: likewise.
        frames_per_second: 1920 x 1080 in, all tiles of a frame.
        sram_mb, dram_mb: memory that tensors take.
        mac_use: multiply-adds a cycle over the NPU's most.
        on_processor: kinds of operators that fall off the NPU.
    """

    network: str
    enlarges: str
    width: int
    height: int
    tiles: int
    accelerator: str
    system: str
    memory_mode: str
    clock_mhz: float
    mega_cycles: float
    inferences_per_second: float
    frames_per_second: float
    sram_mb: float
    dram_mb: float
    mac_use: float
    on_processor: str


def estimate_npu(network: QuantizedNetwork, name: str) -> Iterator[Estimate]:
    """Compiles the network and FSRCNN for every accelerator, whole frames and tiles, and yields one after the other.

    Raises `EngineError` where Vela is not installed, `SesrError` where it fails.
    """
    if importlib.util.find_spec("ethosu") is None:
        raise EngineError("Vela is not installed: pip install 'sesr[npu]'")
    for case in _cases(network, name):
        for accelerator in ACCELERATORS:
            yield _compile(case, accelerator)


def _cases(network: QuantizedNetwork, name: str) -> Iterator[Case]:
    config = network.config
    for width, height in (FRAME, TILE):
        tiles = 1 if (width, height) == FRAME else _tiles(width, height, config.receptive_radius)
        for transposed in (False, True):
            content = write_tflite(network, Layout(height, width, fixed=True, transposed=transposed))
            macs = config.weights * width * height
            yield Case(name, "transposed" if transposed else "depth-to-space", width, height, tiles, macs, content)
        if config.scale == 2:
            tiles = 1 if (width, height) == FRAME else _tiles(width, height, _FSRCNN_RADIUS)
            content = fsrcnn_tflite(height, width)
            yield Case("fsrcnn", "transposed", width, height, tiles, fsrcnn_macs(width, height), content)


_FSRCNN_RADIUS = 2 + 4 + 2


def _tiles(width: int, height: int, radius: int) -> int:
    """How many tiles cover a frame, each less its halo but where the frame ends."""

    def count(length: int, side: int) -> int:
        return max(1, math.ceil((length - 2 * radius) / (side - 2 * radius)))

    return count(FRAME[0], width) * count(FRAME[1], height)


def _compile(case: Case, accelerator: Accelerator) -> Estimate:
    with tempfile.TemporaryDirectory(prefix="sesr-", ignore_cleanup_errors=True) as folder:
        file = Path(folder, "network.tflite")
        file.write_bytes(case.content)
        options = ["--accelerator-config", accelerator.name, "--config", "Arm/vela.ini"]
        options += ["--system-config", accelerator.system, "--memory-mode", accelerator.memory]
        program = "import sys; from ethosu.vela.vela import main; sys.exit(main(sys.argv[1:]))"
        command = [sys.executable, "-c", program, str(file), *options]
        command += ["--show-cpu-operations", "--output-dir", folder]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=TIMEOUT)
        except subprocess.TimeoutExpired as error:
            raise SesrError(f"Vela did not end within {TIMEOUT} s on {case.network} for {accelerator.name}") from error
        tables = list(Path(folder).glob("*_summary_*.csv"))
        if done.returncode or not tables:
            reason = (done.stderr or done.stdout).strip().splitlines() or ["no output"]
            raise SesrError(f"Vela failed on {case.network} for {accelerator.name}: {reason[-1]}")
        with tables[0].open(newline="") as table:
            summary = next(csv.DictReader(table))
    return _estimate(case, accelerator, summary, done.stdout)


def _estimate(case: Case, accelerator: Accelerator, summary: dict[str, str], printed: str) -> Estimate:
    clock, cycles = float(summary["core_clock"]), float(summary["cycles_total"])
    macs_a_cycle = int(accelerator.name.rpartition("-")[2])
    kinds = operators(case.content)
    left = re.findall(r"CPU: \S+ = (\S+)", printed)
    per_second = clock / cycles if cycles else math.nan
    return Estimate(
        **{name: getattr(case, name) for name in ("network", "enlarges", "width", "height", "tiles")},
        accelerator=accelerator.name,
        system=accelerator.system,
        memory_mode=accelerator.memory,
        clock_mhz=round(clock / 1e6),
        mega_cycles=round(cycles / 1e6, 2),
        inferences_per_second=round(per_second, 2),
        frames_per_second=round(per_second / case.tiles, 2),
        sram_mb=round(float(summary["sram_memory_used"]) / 1024, 2),
        dram_mb=round(float(summary["dram_memory_used"]) / 1024, 2),
        mac_use=round(case.macs / cycles / macs_a_cycle, 3) if cycles else 0.0,
        on_processor=" ".join(sorted({kinds.get(name, name) for name in left})),
    )


def npu_line(estimate: Estimate) -> str:
    """One estimate for people."""
    size = f"{estimate.width} x {estimate.height}"
    left = f", without {estimate.on_processor} on the processor" if estimate.on_processor else ""
    return (
        f"{estimate.network:14} {estimate.enlarges:14} {size:>11} {estimate.accelerator:13} "
        f"{estimate.inferences_per_second:7.2f} inferences/s  {estimate.frames_per_second:6.2f} frames/s "
        f"of {estimate.tiles:>2}  SRAM {estimate.sram_mb:6.2f} MB  DRAM {estimate.dram_mb:6.2f} MB  "
        f"MACs used {estimate.mac_use:4.0%}{left}"
    )


def ratios(estimates: list[Estimate]) -> Iterator[str]:
    """How many times FSRCNN's frames/s the network makes where all of both runs on the NPU, a line each."""
    fsrcnn = {(each.accelerator, each.width): each for each in estimates if each.network == "fsrcnn"}
    for each in estimates:
        other = fsrcnn.get((each.accelerator, each.width))
        if other is not None and each is not other and not each.on_processor:
            ratio = (other.mega_cycles * other.tiles) / (each.mega_cycles * each.tiles)
            yield f"{each.accelerator}, {each.width} x {each.height}: {ratio:.1f} times FSRCNN's frames/s"
