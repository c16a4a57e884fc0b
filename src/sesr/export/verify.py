"""Compare an exported file, as runtimes compute it, with the network's definition.

A file that nobody ran is a guess, because runtimes read the same operators in different ways. So exporters run every
file before they hand it out (`sesr.export.check`). The pictures are drawn for the purpose: mistakes show at corners,
borders, extremes and letters. The results are compared with the network's arithmetic in plain NumPy
(`sesr.network.reference`). The largest difference is reported in 8-bit steps, and above a runtime's bound the export
fails. Nothing here depends on the file's format: a `Runtime` is anything that turns a picture into a larger one.

Bounds, in steps of 1/255:

- Float: 0.01, a hundred times the rounding of float32.
- Int8 in LiteRT: 0. It computes the reference's bits.
- Int8 in onnxruntime: 1. The long residual is added in float32, which may round one sum of tens of thousands the other
  way. For the shipped networks it does not: no pixel differs.
- Int8 in OpenVINO: 3, or 4 with PReLU. OpenVINO requantizes in its own way, so a feature may be off by one, and later
  layers add to that; more than one step is rare. LiteRT, and so the reference, rounds PReLU twice. The bound holds
  where the processor has VNNI; elsewhere OpenVINO's int8 is not compared (`openvino_int8_trusted`).
- Shaders in libplacebo: 1, and 0.1 in the mean; with 16-bit arithmetic 3 and 0.2. Between passes a player keeps
  features in 16 bits.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from sesr.errors import EngineError, ExportError
from sesr.imaging.arrays import Bytes
from sesr.imaging.color import BT601_LIMITED, DEEP_STEPS
from sesr.imaging.compose import compose_rgb
from sesr.imaging.drawn import luma_card, luma_text
from sesr.network.quantized import AnyNetwork
from sesr.network.reference import LumaBytes, Reals, reference, run_float, run_int8_unrounded

MANY = 200_000
"""Largest number of pixels at which a file of one fixed size is run on all pictures and not on one alone."""

_CARDS, _EXTREMES = ((1, 1), (1, 40), (33, 2), (7, 5), (96, 150)), (40, 37)
"""Sizes of the cards, and of the other pictures."""

FLOAT_BOUND = 0.01
INT8_BOUNDS = {
    ("litert", "relu"): 0.0,
    ("litert", "prelu"): 0.0,
    ("openvino", "relu"): 3.0,
    ("openvino", "prelu"): 4.0,
    ("onnxruntime", "relu"): 1.0,
}

LIBPLACEBO, LIBPLACEBO_16 = "libplacebo", "libplacebo-16bit"
"""Names of libplacebo as a runtime, by the arithmetic of the shader."""


@dataclass(frozen=True)
class Bounds:
    """Largest and mean difference allowed, in steps of 1/255."""

    largest: float
    mean: float = np.inf


_SHADER_BOUNDS = {LIBPLACEBO: Bounds(1, 0.1), LIBPLACEBO_16: Bounds(3, 0.2)}


def bounds(network: AnyNetwork, runtime: str) -> Bounds:
    """Return the bounds of a runtime for a network."""
    if network.int8:
        return Bounds(INT8_BOUNDS[runtime, network.config.activation])
    return _SHADER_BOUNDS.get(runtime, Bounds(FLOAT_BOUND))


Planes = NDArray[np.float32]
"""Luma Y/255, (H, W), or RGB in 0..1, (H, W, 3)."""


class Runtime(Protocol):
    """A runtime with a file loaded. It turns (H, W) or (H, W, 3) into `scale` times as many rows and columns."""

    def run(self, picture: Planes, /) -> Planes: ...


@runtime_checkable
class BatchRuntime(Protocol):
    """A runtime that is slow with each new size of picture. It takes all pictures at once, of three sizes."""

    def run_all(self, pictures: Sequence[Planes], /) -> list[Planes]: ...


AnyRuntime = Runtime | BatchRuntime


@dataclass(frozen=True)
class Comparison:
    """Result of one runtime on all pictures.

    Attributes:
        runtime: the runtime's name.
        pixels: number of output pixels compared; in RGB, of their values.
        differing: number of pixels that differ: by more than float32's rounding can explain (0.01 step), or after
            rounding to 8 bits where the bound is a step or more.
        largest: largest difference in steps of 1/255.
        mean: mean difference, likewise.
        bound: largest difference allowed.
        mean_bound: largest mean difference allowed.
    """

    runtime: str
    pixels: int
    differing: int
    largest: float
    mean: float
    bound: float
    mean_bound: float = np.inf

    @property
    def within(self) -> bool:
        """True if both differences are within their bounds; not a number is not."""
        return self.largest <= self.bound and self.mean <= self.mean_bound

    def __str__(self) -> str:
        seen = f"largest difference {self.largest:.4g} of an 8-bit step, at most {self.bound:g} allowed"
        mean = f"mean {self.mean:.2g}" + (f", at most {self.mean_bound:g} allowed" if self.mean_bound < np.inf else "")
        return f"{self.runtime}: {self.differing:,} of {self.pixels:,} pixels differ; {seen}; {mean}"


def verify(
    network: AnyNetwork,
    file: Path,
    runtimes: Mapping[str, AnyRuntime],
    size: tuple[int, int] | None = None,
    *,
    rgb: bool = False,
) -> list[Comparison]:
    """Compare an exported file in several runtimes with the reference.

    Args:
        network: the network that the file was made from.
        file: the file's name, for error messages.
        runtimes: runtimes with the file loaded, by name: ``litert``, ``openvino``, ``onnxruntime``,
            ``libplacebo``.
        size: the only (height, width) that the file accepts; None if it accepts all.
        rgb: whether the file takes RGB instead of luma.

    Raises `ExportError` when a difference is above its bound, and when a runtime fails.
    """
    if not runtimes:
        return []
    pictures = drawn_rgb(size) if rgb else drawn_pictures(size)
    expected = [(reference_rgb if rgb else reference)(network, picture) for picture in pictures]
    comparisons = []
    for name, runtime in runtimes.items():
        try:
            comparisons.append(_compare(network, name, runtime, pictures, expected))
        except EngineError as error:
            raise ExportError(f"{file}: {name} cannot run it ({error})") from error
    for comparison in comparisons:
        if not comparison.within:
            raise ExportError(f"{file}: does not compute what the network does, so it is not to be used; {comparison}")
    return comparisons


def drawn_pictures(size: tuple[int, int] | None = None) -> list[LumaBytes]:
    """Draw 8-bit luma planes (H, W): in many sizes, a single pixel among them, or all in the given one."""
    extremes_size = size or _EXTREMES
    flat = [np.full(extremes_size, value, np.uint8) for value in (0, 16, 128, 255)]
    checkers = (np.indices(extremes_size).sum(0) // 2 % 2 * 255).astype(np.uint8)
    noise = np.random.default_rng(0).integers(0, 256, extremes_size, np.uint8)
    extremes = [*flat, checkers, noise, luma_text(*extremes_size)]
    if size is not None:
        return [luma_card(*size), *extremes] if size[0] * size[1] <= MANY else [luma_card(*size)]
    return [*(luma_card(*each) for each in _CARDS), *extremes]


def drawn_rgb(size: tuple[int, int] | None = None) -> list[Bytes]:
    """Draw 8-bit RGB pictures (H, W, 3) in the sizes of `drawn_pictures`: its planes, turned, as colors; gray text.

    No pixel's luma lies within a hundredth of a half, where it could be rounded either way to 8 bits.
    """
    planes = drawn_pictures(size)
    gray, colored = planes[-1], planes[:-1] or planes
    pictures = [np.stack([plane, 255 - plane[::-1], plane[:, ::-1]], axis=-1) for plane in colored]
    pictures.append(np.stack([gray] * 3, axis=-1))
    for picture in pictures:
        near_half = np.abs(BT601_LIMITED.luma(picture.astype(np.float64)) % 1 - 0.5) < 0.01
        picture[near_half, 1] ^= 1  # moves luma by a half
    return pictures


def reference_rgb(network: AnyNetwork, pixels: Bytes) -> Reals:
    """Enlarge an 8-bit RGB picture (H, W, 3) by the reference, around which color is as in `sesr.imaging.compose`.

    Returns (scale H, scale W, 3) in steps of 1/255, to 1/514 of a step.
    """
    luma = BT601_LIMITED.luma(pixels.astype(np.float64)) / 255
    larger = run_int8_unrounded(network, luma) if network.int8 else run_float(network, luma)
    deep = compose_rgb(larger.astype(np.float32), pixels.astype(np.uint16) * DEEP_STEPS, network.config.scale)
    return deep.astype(np.float64) / DEEP_STEPS


def _compare(
    network: AnyNetwork, name: str, runtime: AnyRuntime, pictures: Sequence[Bytes], expected: Sequence[Reals]
) -> Comparison:
    spared = _spared_sizes(network, name, runtime)
    kept = [n for n, picture in enumerate(pictures) if picture.shape[:2] not in spared] or range(len(pictures))
    planes = [pictures[n].astype(np.float32) / np.float32(255) for n in kept]
    results = runtime.run_all(planes) if isinstance(runtime, BatchRuntime) else [runtime.run(each) for each in planes]
    found = np.concatenate([255 * result.astype(np.float64).ravel() for result in results])
    wanted = np.concatenate([expected[n].ravel() for n in kept])
    steps, allowed = np.abs(found - wanted), bounds(network, name)
    if network.int8 and expected[0].ndim == 2:  # whole pixels
        steps = np.rint(steps)
    steps = np.where(np.isnan(steps), np.inf, steps)
    different = np.rint(found) != np.rint(wanted) if allowed.largest >= 1 else steps > FLOAT_BOUND
    largest, mean = float(steps.max()), float(steps.mean())
    return Comparison(name, steps.size, int(different.sum()), largest, mean, allowed.largest, allowed.mean)


def _spared_sizes(network: AnyNetwork, name: str, runtime: AnyRuntime) -> Sequence[tuple[int, int]]:
    """Return the sizes of pictures that a runtime is not asked to run."""
    if isinstance(runtime, BatchRuntime):  # each new size takes it seconds
        return _CARDS[1:4]
    if name == "openvino" and network.int8 and network.slopes:  # tens of steps off on a single pixel, right on others
        return _CARDS[:1]
    return ()
