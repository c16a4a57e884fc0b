"""An exported file is run before it is trusted.

A file that nobody ran is a guess: runtimes read the same operators in different ways. So what `sesr export` and `sesr
train` write is run on pictures drawn for it, whose corners, borders and extremes are where such mistakes show, by every
runtime that is at hand (`sesr.export.tflite`), and compared with arithmetic that is written out here or in
`sesr.network.quantized`, in NumPy and with no library's convolution. The largest difference is told in 8-bit steps;
above a runtime's bound the export fails.

Bounds, in steps of 1/255. Float: 0.01, a hundred times what float32 rounds. Int8 in LiteRT: none at all. Int8 in
OpenVINO, which requantises in its own way, so that a feature may come out a step off, and later layers add to that:
three, though more than one is rare; four for PReLU, which LiteRT, and so the reference, rounds twice. That holds where
the processor has VNNI; elsewhere OpenVINO's int8 is not compared (`sesr.engines.openvino.openvino_int8_trusted`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from sesr.errors import ExportError
from sesr.imaging.arrays import Luma
from sesr.network.quantized import AnyNetwork
from sesr.network.reference import LumaBytes, Reals, reference

MANY = 200_000
"""Pixels of a file of one size beyond which it is run on one picture only, which takes seconds."""

FLOAT_BOUND = 0.01
INT8_BOUNDS = {("litert", "relu"): 0.0, ("litert", "prelu"): 0.0, ("openvino", "relu"): 3.0, ("openvino", "prelu"): 4.0}


class Runtime(Protocol):
    """Anything that runs the file on luma Y/255, (H, W) to (scale H, scale W)."""

    def run(self, luma: Luma) -> Luma: ...


@dataclass(frozen=True)
class Comparison:
    """How one runtime did on all pictures.

    Attributes:
        runtime: its name.
        pixels: output pixels compared.
        differing: how many differ by more than rounding of float32 can explain (0.01 step).
        largest: the largest difference in steps of 1/255.
        bound: the largest that is allowed.
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
    """Compares a `.tflite` in several runtimes with the reference.

    Args:
        network: what the file was made of.
        file: named in errors.
        runtimes: ready to run the file, by name: ``litert``, ``openvino``.
        size: height and width, of a file that takes no others.

    Raises `ExportError` when a difference is above its bound.
    """
    pictures = drawn_pictures(size)
    expected = [reference(network, picture) for picture in pictures]
    found = [_compare(network, name, runtime, pictures, expected) for name, runtime in runtimes.items()]
    for comparison in found:
        if not comparison.largest <= comparison.bound:
            raise ExportError(f"{file}: does not compute what the network does, so it is not to be used; {comparison}")
    return found


def drawn_pictures(size: tuple[int, int] | None = None) -> list[LumaBytes]:
    """8-bit luma planes (H, W): of many sizes, a single pixel among them, or all of a given one."""
    one = size or (40, 37)
    flat = [np.full(one, value, np.uint8) for value in (0, 16, 128, 255)]
    checked = (np.indices(one).sum(0) // 2 % 2 * 255).astype(np.uint8)
    noise = np.random.default_rng(0).integers(0, 256, one, np.uint8)
    extremes = [*flat, checked, noise]
    if size is not None:
        return [_drawn(*size), *extremes] if size[0] * size[1] <= MANY else [_drawn(*size)]
    return [*(_drawn(*each) for each in [(1, 1), (1, 40), (33, 2), (7, 5), (96, 150)]), *extremes]


def _drawn(height: int, width: int) -> LumaBytes:
    """Ramps, rings of growing fineness, black and white at the borders, and a little noise."""
    y, x = np.mgrid[:height, :width]
    rings = 128 + 127 * np.sin((x**2 + y**2) / (4 + 0.02 * max(height, width) ** 2 / 4))
    ramp = 255 * x / max(width - 1, 1)
    picture = np.where((x // 16 + y // 16) % 2 == 0, rings, ramp)
    picture += np.random.default_rng(height * 10_000 + width).normal(0, 4, picture.shape)
    picture[:2], picture[-1:] = 255, 0
    picture[:, :1], picture[:, -2:] = 0, 255
    drawn: LumaBytes = np.clip(np.rint(picture), 0, 255).astype(np.uint8)
    return drawn


def _compare(
    network: AnyNetwork, name: str, runtime: Runtime, pictures: Sequence[LumaBytes], expected: Sequence[Reals]
) -> Comparison:
    if name == "openvino" and network.int8 and network.slopes and len(pictures) > 1:
        # its int8 PReLU is tens of steps off on a single pixel, and right beside another
        pictures, expected = zip(*((p, e) for p, e in zip(pictures, expected, strict=True) if p.size > 1), strict=True)
    seen = [runtime.run(picture.astype(np.float32) / np.float32(255)) for picture in pictures]
    differences = [np.abs(255 * a.astype(np.float64) - b).ravel() for a, b in zip(seen, expected, strict=True)]
    together = np.concatenate(differences)
    together = np.where(np.isnan(together), np.inf, together)
    if network.int8:
        together = np.rint(together)
        bound = INT8_BOUNDS[name, network.config.activation]
    else:
        bound = FLOAT_BOUND
    return Comparison(name, together.size, int((together > FLOAT_BOUND).sum()), float(together.max()), bound)
