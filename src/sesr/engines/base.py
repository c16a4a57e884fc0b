"""Protocol that every engine fulfills, and the conversions that engines share."""

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from sesr.errors import EngineError, NotInstalledError, UsageError

Backend = Literal["native", "openvino", "litert", "torch"]


DEFAULT: Backend = "native"


Luma = NDArray[np.float32]


class Engine(Protocol):
    """A network that runs."""

    @property
    def scale(self) -> int:
        """Output pixels per input pixel, along a side."""

    @property
    def receptive_radius(self) -> int:
        """Input pixels on each side of a pixel that its output depends on."""

    @property
    def int8(self) -> bool:
        """Whether it computes in 8 bits: its output is a multiple of 1/255."""

    def run(self, luma: Luma) -> Luma:
        """Upscales a plane.

        `luma` is Y/255, float32 (H, W), at least 1 x 1; the result a new float32 (scale H, scale W) in [0, 1].
        One engine serves one thread at a time. Raises `EngineError` when it fails, mostly for want of memory.
        """


def plane_of(luma: Luma) -> Luma:
    """The plane as engines take it: float32, two-dimensional, in one piece and writable."""
    if luma.ndim != 2 or 0 in luma.shape:
        raise UsageError(f"luma must be a plane (H, W) of at least 1 x 1, not of shape {luma.shape}")
    return np.require(luma, np.float32, ["C", "W"])


_LUMA = (np.arange(256, dtype=np.uint8).view(np.int8).astype(np.float32) + 128) / np.float32(255)
"""Luma of each int8 value, by the value's bits."""


def to_int8(luma: Luma) -> NDArray[np.int8]:
    """Luma Y/255 as an int8 network takes it: rounded Y less 128."""
    pixels = luma * np.float32(255)
    np.rint(pixels, out=pixels)
    np.clip(pixels, 0, 255, out=pixels)
    pixels -= 128
    return pixels.astype(np.int8)


def from_int8(values: NDArray[np.int8]) -> Luma:
    """An int8 network's result as luma Y/255."""
    return _LUMA.take(values.view(np.uint8))


@contextmanager
def running(luma: Luma) -> Iterator[None]:
    """Makes what a runtime raises into `EngineError`."""
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
    """The telling end of OpenVINO's many-line messages."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
