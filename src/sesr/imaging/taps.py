"""Bicubic resizing along one axis, as weights: which inputs each output is the weighted sum of.

Keys' cubic kernel with a = -0.5, stretched when shrinking. Positions are whole-number fractions, so the weights of an
output depend neither on where it lies nor on how large the picture is, and repeat with a period.
`sesr.imaging.passes` adds up by them.
"""

from dataclasses import dataclass, replace
from fractions import Fraction
from math import gcd

import numpy as np
from numpy.typing import NDArray

from sesr.errors import UsageError

KERNEL_RADIUS = 2
"""Half the width of the cubic kernel when enlarging: the rows of context that a strip needs beyond its own."""


@dataclass(frozen=True)
class Taps:
    """Weighted sums along one axis: output i is the sum over k of weights[i, k] * input[first[i] + k - offset].

    Edges are mirrored.

    Attributes:
        first, weights: first input and weights of each output, (outputs,) and (outputs, taps).
        size: length of the whole input.
        phases, step: first[i + phases] = first[i] + step, and both outputs have the same weights.
        offset: number of inputs that are left out at the start.
    """

    first: NDArray[np.int64]
    weights: NDArray[np.float64]
    size: int
    phases: int
    step: int
    offset: int = 0

    @property
    def count(self) -> int:
        """Taps of an output."""
        return int(self.weights.shape[1])

    def part(self, start: int, stop: int) -> "Taps":
        """Select outputs start..stop."""
        return replace(self, first=self.first[start:stop], weights=self.weights[start:stop])

    def after(self, offset: int) -> "Taps":
        """Adapt to an input whose first `offset` entries are left out."""
        return replace(self, offset=offset)

    def inputs(self) -> NDArray[np.int64]:
        """List the inputs that all outputs together need, in order, folded back at the edges."""
        return self.folded(np.arange(self.first[0], self.first[-1] + self.count)) - self.offset

    def folded(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """Fold places beyond the edges back into the input."""
        places = places % (2 * self.size)
        return np.where(places < self.size, places, 2 * self.size - 1 - places)


def centered_taps(size: int, wanted: int) -> Taps:
    """Compute weights along one axis of pixels, whose centers lie at half-integers on both grids.

    Args:
        size, wanted: inputs and outputs.

    Weights come from fractions with denominator 2 * wanted.
    """
    center = (2 * np.arange(wanted, dtype=np.int64) + 1) * size - wanted
    first, weights = _weights(center, 2 * wanted, 2 * KERNEL_RADIUS * max(size, wanted), max(size / wanted, 1.0))
    common = gcd(size, wanted)
    return Taps(first, weights, size, phases=wanted // common, step=size // common)


def sited_taps(size: int, wanted: int, step: Fraction, place: int) -> Taps:
    """Compute weights along one axis of samples that lie elsewhere: see `sesr.imaging.sited`.

    Args:
        size, wanted: inputs and outputs.
        step: distance between two outputs, in inputs.
        place: of each sample within its cell, in quarters of the cell.

    Weights come from fractions with denominator 4 * step.denominator.
    """
    across, unit = step.numerator, step.denominator
    center = 4 * across * np.arange(wanted, dtype=np.int64) + place * (across - unit)
    reach = 4 * KERNEL_RADIUS * max(across, unit)
    first, weights = _weights(center, 4 * unit, reach, max(across / unit, 1.0))
    return Taps(first, weights, size, phases=unit, step=across)


def _weights(
    center: NDArray[np.int64], unit: int, reach: int, stretch: float
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Compute each output's first input, (outputs,), and its weights, (outputs, taps).

    Args:
        center: input positions of the outputs, in fractions of `unit`.
        reach: half the width of the kernel in the same fractions.
        stretch: factor by which the kernel is wider than Keys'.
    """
    first = (center - reach) // unit + 1
    count = int(((center + reach - 1) // unit - first).max()) + 1
    distance = ((first[:, None] + np.arange(count)) * unit - center[:, None]) / unit
    weights = _cubic(distance / stretch)
    weights /= weights.sum(axis=1, keepdims=True)
    return first, weights


def _cubic(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Evaluate Keys' kernel, a = -0.5; 0 from |x| = 2 on."""
    x = np.abs(x)
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x <= 1, near, np.where(x < 2, far, 0.0))


def check_size(height: int, width: int) -> None:
    """Raise `UsageError` if a side is below 1."""
    if height < 1 or width < 1:
        raise UsageError(f"cannot resize to {width} x {height}: both sides must be at least 1")
