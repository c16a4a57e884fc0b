"""Speed on an NPU as Arm's compiler Vela estimates it, without the hardware.

Vela (package ethos-u-vela) compiles a `.tflite` for Arm's Ethos-U and prints the cycles that it expects. Operators that
it cannot compile are left to the processor next to the NPU. They cost time that no estimate includes, so each row names
them.

A frame can be given whole, or in tiles as in the paper (400 x 300, section 5.4). A whole frame's features take some
100 MB, and Vela assumes that the memory for features has room for them. On a U55 that memory is SRAM, of which no
device has so much: there only the tiles tell what one would do. Tiles overlap here by the receptive radius, so that
together they give exactly the whole frame's pixels; a frame needs that many more of them.
"""

import csv
import importlib.util
import math
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sesr.benchmarks.fsrcnn import FSRCNN_RADIUS, fsrcnn_macs, fsrcnn_tflite
from sesr.benchmarks.rows import Row
from sesr.errors import EngineError, SesrError, UsageError
from sesr.network.quantized import QuantizedNetwork, load_quantized
from sesr.network.zoo import Network
from sesr.tflite.file import operators
from sesr.tflite.writer import Layout, write_tflite


@dataclass(frozen=True)
class Accelerator:
    """An NPU and the system around it, by Vela's names."""

    name: str
    system: str
    memory: str


ACCELERATORS = (
    Accelerator("ethos-u55-256", "Ethos_U55_High_End_Embedded", "Shared_Sram"),
    Accelerator("ethos-u65-512", "Ethos_U65_Client_Server", "Dedicated_Sram"),
    Accelerator("ethos-u85-512", "Ethos_U85_SYS_DRAM_Mid", "Dedicated_Sram_384KB"),
)

TIMEOUT = 600
"""Seconds after which Vela counts as hanging; it takes less than one for a file."""

Size = tuple[int, int]
"""Width and height."""

FRAME: Size = (1920, 1080)
TILE: Size = (400, 300)


@dataclass(frozen=True)
class Case:
    """A network's file for one input size.

    Attributes:
        network: the network's name.
        enlarges: how it makes the larger picture, ``depth-to-space`` or ``transposed``.
        width, height: of the input.
        tiles: inputs of this size that make a frame.
        macs: multiply-adds for one input.
        content: the file's bytes.
    """

    network: str
    enlarges: str
    width: int
    height: int
    tiles: int
    macs: int
    content: bytes


@dataclass(frozen=True)
class Estimate(Row):
    """Vela's estimate for one case on one accelerator.

    Attributes:
        network, enlarges, width, height, tiles: as in `Case`.
        accelerator: the NPU.
        system, memory_mode: the rest of the machine, by Vela's names.
        clock_mhz: the NPU's clock.
        mega_cycles: cycles for one inference, 10^6, without operators that fall to the processor.
        inferences_per_second: inferences in a second, without the same operators.
        frames_per_second: frames in a second, with all tiles of each.
        sram_mb, dram_mb: memory that tensors take.
        mac_use: multiply-adds per cycle, as a share of the most that the NPU can do.
        on_processor: kinds of operators that fall to the processor.
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

    def line(self) -> str:
        """Return the case, its speed and its memory."""
        size = f"{self.width} x {self.height}"
        left = f", without {self.on_processor} on the processor" if self.on_processor else ""
        return (
            f"{self.network:14} {self.enlarges:14} {size:>11} {self.accelerator:13} "
            f"{self.inferences_per_second:7.2f} inferences/s  {self.frames_per_second:6.2f} frames/s "
            f"of {self.tiles:>2}  SRAM {self.sram_mb:6.2f} MB  DRAM {self.dram_mb:6.2f} MB  "
            f"MACs used {self.mac_use:4.0%}{left}"
        )


def estimate_npu(network: Network, frame: Size = FRAME, tile: Size = TILE) -> Iterator[Estimate]:
    """Compile the network and FSRCNN for every accelerator, a whole frame and tiles, and yield one after the other.

    Args:
        network: an int8 network with its `.safetensors`.
        frame, tile: (width, height) in pixels.

    Raises `UsageError` for a network without `.safetensors`, `WeightsError` for a file that is damaged or not int8,
    `EngineError` if Vela is not installed, `SesrError` if it fails.
    """
    if network.safetensors is None:
        raise UsageError(f"{network.file}: an estimate needs the int8 network's .safetensors")
    quantized = load_quantized(network.safetensors)
    if importlib.util.find_spec("ethosu") is None:
        raise EngineError("Vela is not installed: pip install 'sesr[npu]'")
    for case in make_cases(quantized, network.name, frame, tile):
        for accelerator in ACCELERATORS:
            yield compile_case(case, accelerator)


def fsrcnn_ratios(estimates: Sequence[Estimate]) -> Iterator[str]:
    """Yield a line for each case that runs on the NPU entirely: its frames/s over those of FSRCNN."""
    fsrcnn = {(each.accelerator, each.width): each for each in estimates if each.network == "fsrcnn"}
    for each in estimates:
        other = fsrcnn.get((each.accelerator, each.width))
        if other is not None and each is not other and not each.on_processor:
            ratio = (other.mega_cycles * other.tiles) / (each.mega_cycles * each.tiles)
            yield f"{each.accelerator}, {each.width} x {each.height}: {ratio:.1f} times FSRCNN's frames/s"


def make_cases(network: QuantizedNetwork, name: str, frame: Size = FRAME, tile: Size = TILE) -> Iterator[Case]:
    """Yield the files to compile, for a frame and then a tile: the network in both ways to enlarge, FSRCNN at x2."""
    config = network.config
    for width, height in (frame, tile):
        tiles = count_tiles(frame, (width, height), config.receptive_radius)
        for transposed in (False, True):
            content = write_tflite(network, Layout(height, width, fixed=True, transposed=transposed))
            macs = config.weights * width * height
            yield Case(name, "transposed" if transposed else "depth-to-space", width, height, tiles, macs, content)
        if config.scale == 2:
            tiles = count_tiles(frame, (width, height), FSRCNN_RADIUS)
            content = fsrcnn_tflite(height, width)
            yield Case("fsrcnn", "transposed", width, height, tiles, fsrcnn_macs(width, height), content)


def count_tiles(frame: Size, tile: Size, radius: int) -> int:
    """Return how many tiles cover a frame.

    A tile gives the pixels that lie `radius` or more inside its border, and those at the frame's own border.
    """
    if tile == frame:
        return 1
    across, down = (
        max(1, math.ceil((length - 2 * radius) / (side - 2 * radius))) for length, side in zip(frame, tile, strict=True)
    )
    return across * down


def compile_case(case: Case, accelerator: Accelerator) -> Estimate:
    """Return Vela's estimate for one file. Raises `SesrError` if Vela fails."""
    with tempfile.TemporaryDirectory(prefix="sesr-", ignore_cleanup_errors=True) as folder:
        file = Path(folder, "network.tflite")
        file.write_bytes(case.content)
        options = ["--accelerator-config", accelerator.name, "--config", "Arm/vela.ini"]
        options += ["--system-config", accelerator.system, "--memory-mode", accelerator.memory]
        options += ["--show-cpu-operations", "--output-dir", folder]
        command = [sys.executable, "-m", "ethosu.vela", str(file), *options]
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
        network=case.network,
        enlarges=case.enlarges,
        width=case.width,
        height=case.height,
        tiles=case.tiles,
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
