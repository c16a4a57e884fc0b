"""Measures what fixed point costs: `python examples/fixed_point.py DATA`, DATA being the folder of benchmark sets.

Writes results/fixed_point.csv: for every network that the package brings in floats, and every set, the mean PSNR in
floats and in fixed point (docs/inside/fixed-point.md), by the papers' protocol. Both run in our own engine. The
difference does not depend on the processor by more than float rounding.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from sesr.benchmarks.rows import Row, write_rows
from sesr.engines.kernels import FloatValues
from sesr.engines.native import NativeEngine
from sesr.evaluation.protocol import as_run, enlarge_by_network, picture_luma
from sesr.evaluation.sets import find_sets, read_to_measure
from sesr.imaging.metrics import psnr
from sesr.network.checkpoint import load_checkpoint
from sesr.network.zoo import Network, list_networks

TABLE = Path(__file__).resolve().parents[1] / "results" / "fixed_point.csv"


@dataclass(frozen=True)
class FixedPointLoss(Row):
    """Mean PSNR of a network over one set, in dB.

    Attributes:
        network, scale: the network.
        set: name of the set.
        float32, int16: by the arithmetic of the network.
        loss: the first less the second.
    """

    network: str
    scale: int
    set: str
    float32: float
    int16: float
    loss: float

    def line(self) -> str:
        """Return the figures for people."""
        return f"{self.network} x{self.scale} {self.set}: {self.float32:.4f} dB, fixed point {-self.loss:+.4f}"


def losses(network: Network, data: Path) -> Iterator[FixedPointLoss]:
    """Yield a row for each set."""
    assert network.safetensors is not None
    checkpoint = load_checkpoint(network.safetensors)
    scale = checkpoint.config.scale
    for benchmark in find_sets(data, scale):
        kinds: dict[FloatValues, list[float]] = {"float32": [], "int16": []}
        for floats, found in kinds.items():
            upscaler = as_run(NativeEngine(checkpoint, floats=floats))
            for pair in benchmark.pairs:
                hr, lr = read_to_measure(pair, scale)
                enlarged = enlarge_by_network(upscaler, lr, scale).picture
                found.append(psnr(picture_luma(enlarged), picture_luma(hr), scale))
        one, other = (round(fmean(found), 4) for found in kinds.values())
        yield FixedPointLoss(network.name, scale, benchmark.name, one, other, round(one - other, 4))


def main(data: Path) -> None:
    """Measure all networks, and write the table."""
    rows: list[FixedPointLoss] = []
    for network in list_networks():
        if network.safetensors is not None and not network.int8:
            for row in losses(network, data):
                print(row.line(), flush=True)
                rows.append(row)
    write_rows(rows, TABLE)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, metavar="DATA")
    main(parser.parse_args().data)
