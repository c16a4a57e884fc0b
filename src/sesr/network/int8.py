"""Fixed-point numbers: how int8 networks multiply and add reals with whole numbers alone.

**Quantization.** A plane of an int8 network stores 8-bit whole numbers q. Each stands for the real number
``scale * (q - zero_point)``, so q counts steps on an evenly spaced grid (`Quantization`). Convolutions multiply and add
such counts exactly. Rounding happens only where a result moves to another grid, and there every runtime has to round
alike or the pixels differ.

**Fixed point.** Moving to another grid multiplies by a real ratio of scales. Integer hardware replaces that ratio by
``multiplier / 2^shift`` with a whole multiplier of as many bits as fit. Two kinds occur:

- `Addition`: the sum of two planes. Each plane has a 21-bit multiplier, both share one shift, and the sum is rounded
  once. XNNPACK computes it this way.
- `Multiplier`: PReLU. The multiplier has 31 bits and the product is rounded twice. TFLite's own kernel computes it this
  way.

Convolutions need neither, because XNNPACK multiplies their sums by a float32 (`sesr.network.reference.requant_scale`).
"""

from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from sesr.errors import UsageError

Integers = TypeVar("Integers", bound=Any)
"""An array or a tensor of whole numbers."""

LOWEST, HIGHEST = -128, 127
"""Bounds of int8."""


@dataclass(frozen=True)
class Quantization:
    """The grid of a plane: the 8-bit number q stands for ``scale * (q - zero_point)``. `scale` is a float32 value."""

    scale: float
    zero_point: int

    def __post_init__(self) -> None:
        if not (np.isfinite(self.scale) and self.scale > 0 and self.scale == float(np.float32(self.scale))):
            raise UsageError(f"a scale must be a positive float32, not {self.scale!r}")
        if type(self.zero_point) is not int or not LOWEST <= self.zero_point <= HIGHEST:
            raise UsageError(f"a zero point must be a whole number in -128..127, not {self.zero_point!r}")


PIXELS = Quantization(float(np.float32(1 / 255)), -128)
"""Grid of the network's input and output: q = pixel - 128."""

SHIFTED = Quantization(PIXELS.scale, 0)
"""Grid of the input after 128/255 is subtracted, and of the last convolution's result, which is added to the input."""


@dataclass(frozen=True)
class Addition:
    """The sum of two planes in fixed point: ``(left * u + right * v + half) >> shift``.

    u and v are the planes' numbers less their zero points, and half is ``1 << (shift - 1)``. `left` and `right` are the
    planes' scales over the result's, as whole numbers of at most 21 bits; the larger has exactly 21. XNNPACK computes
    additions this way. Any other rounding differs now and then by one.
    """

    left: int
    right: int
    shift: int

    @classmethod
    def of(cls, left: Quantization, right: Quantization, result: Quantization) -> "Addition":
        """Return the multipliers that add two planes.

        Raises `UsageError` unless the larger ratio of scales lies between 1/1024 and 256: runtimes compute no others.
        """
        ratios = [np.float32(plane.scale) / np.float32(result.scale) for plane in (left, right)]
        largest = max(ratios)
        if not 2.0**-10 <= largest < 2.0**8:
            raise UsageError(f"two planes are added whose scales are {largest:g} times the result's")
        shift = 20 - int(np.frexp(largest)[1] - 1)
        multipliers = [int(np.rint(np.float64(ratio) * 2.0**shift)) for ratio in ratios]
        return cls(multipliers[0], multipliers[1], shift)


@dataclass(frozen=True)
class Multiplier:
    """Multiplication by a positive real in 31-bit fixed point: ``mantissa / 2^31 * 2^shift``, rounded twice.

    The product with the mantissa is rounded to a whole number, half up. Shifting that right rounds once more, half away
    from zero. TFLite's kernels without XNNPACK compute products this way, and PReLU has no other kernel.
    """

    mantissa: int
    shift: int

    @classmethod
    def of(cls, real: float) -> "Multiplier":
        """Return the nearest multiplier whose mantissa lies between a half and one."""
        mantissa, exponent = np.frexp(np.float64(real))
        fixed = int(np.floor(mantissa * 2.0**31 + 0.5))
        # rounding up to one would need 32 bits: halve it
        return cls(fixed >> 1, int(exponent) + 1) if fixed == 1 << 31 else cls(fixed, int(exponent))

    def times(self, values: Integers) -> Integers:
        """Multiply whole numbers of 64 bits, an array or a tensor."""
        high = ((values << max(self.shift, 0)) * self.mantissa + (1 << 30)) >> 31
        right = max(-self.shift, 0)
        # (high >> 63) is -1 for negative numbers: it turns "half up" into "half away from zero"
        result: Integers = (high + (1 << right - 1) + (high >> 63)) >> right if right else high
        return result


def prelu_multipliers(source: float, slope: float, output: float) -> tuple[Multiplier, Multiplier]:
    """Return PReLU's multipliers for positive and for negative values, from its input's, slopes' and output's scale."""
    positive = np.float32(source) / np.float32(output)
    negative = np.float32(source) * np.float32(slope) / np.float32(output)
    return Multiplier.of(float(positive)), Multiplier.of(float(negative))
