"""Protocol of engines that run a network on a plane of luma, and the conversions that they share.

Two protocols say what an engine is:

- `LumaEngine` runs the network alone: one plane of luma in, a larger one out. Every engine does that.
- `sesr.engines.pictures.PictureEngine` enlarges pictures. Our own engine is one by itself;
  `sesr.engines.pictures.AroundLuma` makes one of any `LumaEngine`.

Whatever a network computes in, planes are luma Y/255 in float32 here. An int8 network sees them rounded to 8 bits, and
answers with multiples of 1/255.
"""

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from sesr.errors import EngineError, NotInstalledError, UsageError
from sesr.imaging.arrays import Luma

Backend = Literal["native", "openvino", "litert", "torch"]
"""Names of the engines."""

DEFAULT: Backend = "native"


@dataclass(frozen=True)
class EngineOptions:
    """Choice of engine, and how it runs.

    Attributes:
        backend: the engine's name.
        threads: processor threads; None leaves the choice to the engine.
        tile: side of the square tiles that the network sees at a time, input pixels; None for strips. The result does
            not depend on it, up to float rounding.
    """

    backend: Backend = DEFAULT
    threads: int | None = None
    tile: int | None = None


DEFAULT_OPTIONS = EngineOptions()


class LumaEngine(Protocol):
    """A network that is ready to run on planes of luma."""

    @property
    def scale(self) -> int:
        """Output pixels per input pixel, along a side."""

    @property
    def receptive_radius(self) -> int:
        """Input pixels on each side of a pixel that its output depends on."""

    @property
    def int8(self) -> bool:
        """True for a network that computes in 8 bits: its output is a multiple of 1/255."""

    @property
    def column_reach(self) -> int | None:
        """Input columns on each side of a strip that share its results' last bits.

        None for the receptive radius: a pixel depends on nothing further away. Our own engine makes several pixels of a
        row together, so a float network's last bits depend on more. See `sesr.engines.strips.plan_rows`.
        """

    def run(self, luma: Luma) -> Luma:
        """Upscale a plane.

        `luma` is Y/255, float32 (H, W), at least 1 x 1; the result a new float32 (scale H, scale W) in [0, 1].
        One engine serves one thread at a time. Raises `EngineError` when it fails, mostly for want of memory.
        """


def plane_of(luma: Luma) -> Luma:
    """Return the plane as engines take it: float32, two-dimensional, contiguous and writable. Raises `UsageError`."""
    if luma.ndim != 2 or 0 in luma.shape:
        raise UsageError(f"luma must be a plane (H, W) of at least 1 x 1, not of shape {luma.shape}")
    return np.require(luma, np.float32, ["C", "W"])


_LUMA_OF_BITS = (np.arange(256, dtype=np.uint8).view(np.int8).astype(np.float32) + 128) / np.float32(255)
"""Luma of each int8 value, indexed by the value's bits as uint8."""


def to_int8(luma: Luma) -> NDArray[np.int8]:
    """Return luma Y/255 as an int8 network takes it: rounded Y less 128."""
    pixels = luma * np.float32(255)
    np.rint(pixels, out=pixels)
    np.clip(pixels, 0, 255, out=pixels)
    pixels -= 128
    return pixels.astype(np.int8)


def from_int8(values: NDArray[np.int8]) -> Luma:
    """Return an int8 network's result as luma Y/255."""
    return _LUMA_OF_BITS.take(values.view(np.uint8))


@contextmanager
def running(luma: Luma) -> Iterator[None]:
    """Turn what a runtime raises on this plane into `EngineError`."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        size = f"{luma.shape[1]} x {luma.shape[0]} pixels at once"
        reason = last_line(error)
        raise EngineError(f"the network failed on {size} ({reason}); a smaller tile needs less memory") from error


def import_package(module: str, name: str, package: str) -> ModuleType:
    """Import a module that an engine needs; `package` is what to install. Raises `NotInstalledError`."""
    try:
        return importlib.import_module(module)
    except (ImportError, OSError) as error:
        raise NotInstalledError(
            f"{name} is not installed or does not load ({error}): pip install '{package}'"
        ) from error


def last_line(error: Exception) -> str:
    """Return the last line of a runtime's message, which says what went wrong."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
