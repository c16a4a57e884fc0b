"""A grid of the long residual on which whole numbers and floats agree."""

from dataclasses import replace

import numpy as np
import pytest
from tests.fakes import random_network

from sesr.network.int8 import Quantization
from sesr.network.long_residual import WIDENINGS, sums_agree
from sesr.network.quantized import QuantizedNetwork
from sesr.network.reference import add
from sesr.network.variants import SESRConfig


def with_scales(last: float, first: float, total: float) -> QuantizedNetwork:
    """Return a network whose long residual adds planes of these scales."""
    network = random_network(SESRConfig(m=1, f=4, activation="relu"))
    grids = [Quantization(float(np.float32(scale)), zero) for scale, zero in ((last, -128), (first, 3), (total, -50))]
    body = (replace(network.body[0], output=grids[0]),)
    return replace(network, head=replace(network.head, output=grids[1]), body=body, residual_sum=grids[2])


def agrees(network: QuantizedNetwork) -> bool:
    return sums_agree(network.body[-1].output, network.head.output, network.residual_sum)


def differing(network: QuantizedNetwork) -> int:
    """Return how many of all pairs of numbers floats add otherwise than whole numbers do."""
    last, first, total = network.body[-1].output, network.head.output, network.residual_sum
    numbers = np.arange(-128, 128, dtype=np.int32)
    u, v = numbers[:, None], numbers[None]
    real = (u - last.zero_point) * np.float32(last.scale) + (v - first.zero_point) * np.float32(first.scale)
    floats = np.clip(np.rint(real.astype(np.float32) / np.float32(total.scale)) + total.zero_point, -128, 127)
    return int((add(u, last, v, first, total) != floats).sum())


def widened(network: QuantizedNetwork, widening: float) -> QuantizedNetwork:
    """Return the network with a larger scale of its long residual."""
    grid = network.residual_sum
    return replace(network, residual_sum=replace(grid, scale=float(np.float32(grid.scale * widening))))


@pytest.mark.parametrize(
    "scales", [(0.01, 0.01, 0.02), (0.009, 0.008, 0.0125), (0.007287089, 0.006193624, 0.009222715)]
)
def test_a_larger_scale_moves_sums_away_from_the_middle(scales: tuple[float, float, float]) -> None:
    network = with_scales(*scales)
    agreeing = [widening for widening in WIDENINGS if agrees(widened(network, widening))]
    assert agreeing
    assert differing(widened(network, agreeing[0])) == 0


def test_it_tells_where_floats_differ() -> None:
    halves = with_scales(0.01, 0.01, 0.02)
    assert differing(halves) > 1000
    assert not agrees(halves)
