"""Compare an exported file, as runtimes compute it, with the network's definition.

A file that nobody ran is a guess, because runtimes read the same operators in different ways. So exporters run every
file before they hand it out. The pictures are drawn for the purpose: mistakes show at corners, borders and extremes.
The results are compared with the network's arithmetic in plain NumPy (`sesr.network.reference`). The largest difference
is reported in 8-bit steps, and above a runtime's bound the export fails. Nothing here depends on the file's format: a
`Runtime` is anything that turns luma into larger luma.

Bounds, in steps of 1/255:

- Float: 0.01, a hundred times the rounding of float32.
- Int8 in LiteRT: 0. It computes the reference's bits.
- Int8 in OpenVINO: 3, or 4 with PReLU. OpenVINO requantizes in its own way, so a feature may be off by one, and later
  layers add to that; more than one step is rare. LiteRT, and so the reference, rounds PReLU twice. The bound holds
  where the processor has VNNI; elsewhere OpenVINO's int8 is not compared (`openvino_int8_trusted`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from sesr.errors import ExportError
from sesr.imaging.arrays import Luma
from sesr.imaging.drawn import luma_card
from sesr.network.quantized import AnyNetwork
from sesr.network.reference import LumaBytes, Reals, reference

MANY = 200_000
"""Largest number of pixels at which a file of one fixed size is run on all pictures and not on one alone."""

FLOAT_BOUND = 0.01
INT8_BOUNDS = {("litert", "relu"): 0.0, ("litert", "prelu"): 0.0, ("openvino", "relu"): 3.0, ("openvino", "prelu"): 4.0}


class Runtime(Protocol):
    """A runtime with a file loaded. It runs on luma Y/255, (H, W) to (scale H, scale W)."""

    def run(self, luma: Luma) -> Luma: ...


@dataclass(frozen=True)
class Comparison:
    """Result of one runtime on all pictures.

    Attributes:
        runtime: the runtime's name.
        pixels: number of output pixels compared.
        differing: number of pixels that differ by more than float32's rounding can explain (0.01 step).
        largest: largest difference in steps of 1/255.
        bound: largest difference allowed.
    """

    runtime: str
    pixels: int
    differing: int
    largest: float
    bound: float

    def __str__(self) -> str:
        what = f"largest difference {self.largest:.4g} of an 8-bit step, at most {self.bound:g} allowed"
        return f"{self.runtime}: {self.differing:,} of {self.pixels:,} pixels differ; {what}"


def verify(
    network: AnyNetwork, file: Path, runtimes: Mapping[str, Runtime], size: tuple[int, int] | None = None
) -> list[Comparison]:
    """Compare an exported file in several runtimes with the reference.

    Args:
        network: the network that the file was made from.
        file: the file's name, for error messages.
        runtimes: runtimes with the file loaded, by name: ``litert``, ``openvino``.
        size: the only (height, width) that the file accepts; None if it accepts all.

    Raises `ExportError` when a difference is above its bound.
    """
    pictures = drawn_pictures(size)
    expected = [reference(network, picture) for picture in pictures]
    comparisons = [_compare(network, name, runtime, pictures, expected) for name, runtime in runtimes.items()]
    for comparison in comparisons:
        if not comparison.largest <= comparison.bound:
            raise ExportError(f"{file}: does not compute what the network does, so it is not to be used; {comparison}")
    return comparisons


def drawn_pictures(size: tuple[int, int] | None = None) -> list[LumaBytes]:
    """Draw 8-bit luma planes (H, W): in many sizes, a single pixel among them, or all in the given one."""
    extremes_size = size or (40, 37)
    flat = [np.full(extremes_size, value, np.uint8) for value in (0, 16, 128, 255)]
    checkers = (np.indices(extremes_size).sum(0) // 2 % 2 * 255).astype(np.uint8)
    noise = np.random.default_rng(0).integers(0, 256, extremes_size, np.uint8)
    extremes = [*flat, checkers, noise]
    if size is not None:
        return [luma_card(*size), *extremes] if size[0] * size[1] <= MANY else [luma_card(*size)]
    return [*(luma_card(*each) for each in [(1, 1), (1, 40), (33, 2), (7, 5), (96, 150)]), *extremes]


def _compare(
    network: AnyNetwork, name: str, runtime: Runtime, pictures: Sequence[LumaBytes], expected: Sequence[Reals]
) -> Comparison:
    if name == "openvino" and network.int8 and network.slopes and len(pictures) > 1:
        # OpenVINO's int8 PReLU is tens of steps off on a picture of a single pixel, and right on all others
        pictures, expected = zip(*((p, e) for p, e in zip(pictures, expected, strict=True) if p.size > 1), strict=True)
    results = [runtime.run(picture.astype(np.float32) / np.float32(255)) for picture in pictures]
    differences = [np.abs(255 * a.astype(np.float64) - b).ravel() for a, b in zip(results, expected, strict=True)]
    steps = np.concatenate(differences)
    steps = np.where(np.isnan(steps), np.inf, steps)
    if network.int8:
        steps = np.rint(steps)
        bound = INT8_BOUNDS[name, network.config.activation]
    else:
        bound = FLOAT_BOUND
    return Comparison(name, steps.size, int((steps > FLOAT_BOUND).sum()), float(steps.max()), bound)
