"""Sharpens a finished picture, for those who want that: an unsharp mask on luma, with a soft limit.

A network that is trained to be right on average is cautious where the small picture does not tell what was there, so
its result is softer than a photograph of that size. Sharpening exaggerates the detail that it did find. It invents
nothing, and costs decibels (docs/guides/sharpening.md).

- *Detail* is luma less its Gaussian blur. `Sharpening.amount` times the detail is added.
- *The blur's width* follows how many times larger the picture became, because so does the softness.
- *The soft limit*: a change of d becomes d L / (L + |d|). Fine detail gains nearly all of its share; a strong edge,
  which would get a bright and a dark seam, changes by less than L. There is no clamping to neighbors, which makes
  stairs.
- *Luma only*: red, green and blue change by the same whole number. Cb and Cr stay exactly as they are, except where a
  channel is cut off at black or white.
- *Alpha* stays as it is. Colors count in the blur as much as they are visible.

It is the last step, on pixels of 8 or 16 bits as the engine made them, whichever engine that is. So the result is
rounded twice. The first rounding is at most half a step, and `Sharpening.amount` adds that much of it once more.

The result does not depend on how the picture is cut into bands, nor on the number of threads or the kernels.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil
from numbers import Real

import numpy as np
from numpy.typing import NDArray

from sesr.engines.native import add_detail
from sesr.errors import UsageError
from sesr.imaging.arrays import Pixels
from sesr.imaging.stream import CHANNELS, Source

MAX_AMOUNT = 2.0
"""Largest amount."""

LIMIT = 24.0
"""Bound of a pixel's change, in 8-bit steps."""

_SIGMA = 0.5
_LEAST_SIGMA, _MOST_SIGMA = 0.5, 4.0
_REACH = 2.5
_PARTS = 1 << 16
_BAND_BYTES = 1 << 22


@dataclass(frozen=True)
class Sharpening:
    """How much to sharpen, and in how many threads.

    Attributes:
        amount: share of the detail to add, from 0 (none at all) to 2. 0.3 is visible, 1 is strong.
        threads: processor threads; None takes as many as the process may use.

    Raises `UsageError` for any other amount.
    """

    amount: float = 0.0
    threads: int | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.amount, Real) or not 0 <= self.amount <= MAX_AMOUNT:
            raise UsageError(
                f"sharpen must be a number from 0 (not at all) to {MAX_AMOUNT:g}, such as 0.3, not {self.amount!r}"
            )

    @property
    def label(self) -> str:
        """Part of result names: _sharp0.3, or nothing."""
        return f"_sharp{np.format_float_positional(self.amount, trim='-')}" if self.amount else ""

    def picture(self, pixels: Pixels, times: float) -> Pixels:
        """Return a whole picture sharpened, as `bands` would."""
        return add_detail(pixels, blur_weights(times), self.amount, LIMIT, threads=self.threads)

    def bands(self, source: Source, times: float) -> Iterator[Pixels]:
        """Yield the sharpened picture in bands of rows from the top down, of the source's mode and depth.

        Args:
            source: the finished picture.
            times: how many times larger than its original it is, along a side.
        """
        weights = blur_weights(times)
        reach = len(weights) - 1
        pixel = CHANNELS[source.mode] * source.depth // 8
        count = max(_BAND_BYTES // (pixel * source.width), 8 * reach)
        for top in range(0, source.height, count):
            bottom = min(top + count, source.height)
            first = max(top - reach, 0)
            strip = source.rows(first, min(bottom + reach, source.height))
            yield add_detail(strip, weights, self.amount, LIMIT, slice(top - first, bottom - first), self.threads)


NOT_SHARPENED = Sharpening()


def blur_weights(times: float) -> NDArray[np.float32]:
    """Return the blur's weights in the middle and at distance 1, 2 ..., for a picture that became `times` larger.

    They are whole 65536ths and exactly 1 together, so that opaque pixels with alpha are sharpened as those without.
    """
    sigma = min(max(_SIGMA * times, _LEAST_SIGMA), _MOST_SIGMA)
    gauss = np.exp(-0.5 * (np.arange(ceil(_REACH * sigma) + 1) / sigma) ** 2)
    parts = np.rint(gauss * (_PARTS / (2 * gauss.sum() - gauss[0])))
    parts[0] = _PARTS - 2 * parts[1:].sum()
    weights: NDArray[np.float32] = (parts / _PARTS).astype(np.float32)
    return weights
