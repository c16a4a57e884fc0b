"""Fixed-point numbers of int8 networks."""

from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from sesr.errors import UsageError

Integers = TypeVar("Integers", bound=Any)
"""An array or a tensor of whole numbers."""


LOWEST, HIGHEST = -128, 127


@dataclass(frozen=True)
class Quantization:
    """What the 8-bit numbers of a plane mean: ``scale * (q - zero_point)``; `scale` is a float32 value."""

    scale: float
    zero_point: int

    def __post_init__(self) -> None:
        if not (np.isfinite(self.scale) and self.scale > 0 and self.scale == float(np.float32(self.scale))):
            raise UsageError(f"a scale must be a positive float32, not {self.scale!r}")
        if type(self.zero_point) is not int or not LOWEST <= self.zero_point <= HIGHEST:
            raise UsageError(f"a zero point must be a whole number in -128..127, not {self.zero_point!r}")


PIXELS = Quantization(float(np.float32(1 / 255)), -128)
"""Of input and output: q = pixel - 128."""


SHIFTED = Quantization(PIXELS.scale, 0)
"""Of the input after 128/255 is taken off, and of what is added to the input."""


@dataclass(frozen=True)
class Addition:
    """The sum of two planes in fixed point: ``(one * u + other * v + half) >> shift``, u and v less their zero points.

    `one` and `other` are the planes' scales over the result's, as whole numbers of 21 bits at most: the larger has
    exactly 21. So XNNPACK computes it; every other way of rounding gives other bits now and then.
    """

    one: int
    other: int
    shift: int

    @classmethod
    def of(cls, one: Quantization, other: Quantization, result: Quantization) -> "Addition":
        """The multipliers for three planes. Raises `UsageError` for scales too far apart: beyond 1/1024 and 256."""
        ratios = [np.float32(plane.scale) / np.float32(result.scale) for plane in (one, other)]
        largest = max(ratios)
        if not 2.0**-10 <= largest < 2.0**8:
            raise UsageError(f"two planes are added whose scales are {largest:g} times the result's")
        shift = 20 - int(np.frexp(largest)[1] - 1)
        first, second = (int(np.rint(np.float64(ratio) * 2.0**shift)) for ratio in ratios)
        return cls(first, second, shift)


@dataclass(frozen=True)
class Multiplier:
    """Multiplication by a positive real in 31-bit fixed point: ``factor / 2^31 * 2^shift``, rounded twice.

    First to a whole number by the factor alone, half up, then by the shift, half away from zero: so TFLite's kernels
    without XNNPACK do it, and PReLU has no other.
    """

    factor: int
    shift: int

    @classmethod
    def of(cls, real: float) -> "Multiplier":
        """The nearest factor of 31 bits, between a half and one, and its shift."""
        mantissa, exponent = np.frexp(np.float64(real))
        factor = int(np.floor(mantissa * 2.0**31 + 0.5))
        return cls(factor >> 1, int(exponent) + 1) if factor == 1 << 31 else cls(factor, int(exponent))

    def times(self, values: Integers) -> Integers:
        """Of whole numbers in 64 bits, an array or a tensor."""
        high = ((values << max(self.shift, 0)) * self.factor + (1 << 30)) >> 31
        right = max(-self.shift, 0)
        result: Integers = (high + (1 << right - 1) + (high >> 63)) >> right if right else high
        return result


def prelu_multipliers(source: float, slope: float, output: float) -> tuple[Multiplier, Multiplier]:
    """For what PReLU keeps and for what it bends, from the scales of its input, its slopes and its output."""
    keep = np.float32(source) / np.float32(output)
    bend = np.float32(source) * np.float32(slope) / np.float32(output)
    return Multiplier.of(float(keep)), Multiplier.of(float(bend))
