"""Pictures that flow from the top down, so that none has to be in memory as a whole.

A `Source` is a picture that can be read by rows. Whatever produces a picture yields *bands*: arrays of whole rows from
the top down, with any number of rows in each. `Stream` turns bands into a source. It links a decoder to a network, a
network to the next one and to `resized`, and that to an encoder. Each link holds only the rows that it works on.

Resizing needs rows around those that it makes: 4 when enlarging, 4 times the ratio when shrinking, and as many more as
it makes at a time. Shrinking to a few rows therefore takes much memory: those rows need all of the picture.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Protocol

import numpy as np

from sesr.imaging.arrays import Pixels
from sesr.imaging.resize import Resizing

CHANNELS = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4}
"""Channels of each mode: gray or color, with or without alpha, which is straight and comes last."""

_BAND_BYTES = 1 << 22
_LEAST_ROWS = 8


class Source(Protocol):
    """A picture that can be read by rows."""

    @property
    def width(self) -> int:
        """Width in pixels."""

    @property
    def height(self) -> int:
        """Height in pixels."""

    @property
    def mode(self) -> str:
        """Mode: L, LA, RGB or RGBA."""

    @property
    def depth(self) -> int:
        """Bits per channel, 8 or 16."""

    def rows(self, top: int, bottom: int) -> Pixels:
        """Return rows `top` to `bottom` (exclusive), read-only.

        `top` must not be less than in the call before: a source may have dropped the rows above it.
        """


class Stream:
    """A source made of bands.

    Args:
        bands: the picture from the top down, in arrays of at least one row as `Source.rows` returns them.
        width, height, mode, depth: as in `Source`.

    Bands are read when rows are asked for and dropped when `top` has passed them. Exceptions from `bands` propagate.
    """

    def __init__(self, bands: Iterable[Pixels], width: int, height: int, mode: str, depth: int) -> None:
        self.width, self.height, self.mode, self.depth = width, height, mode, depth
        self._bands = iter(bands)
        self._kept: deque[Pixels] = deque()
        self._kept_top = self._kept_bottom = self._top = 0

    def rows(self, top: int, bottom: int) -> Pixels:
        """Return rows `top` to `bottom` (exclusive), as `Source.rows`; a view where one band holds them all.

        Raises `ValueError` for rows that were dropped or do not exist, and for bands that do not fit the picture.
        """
        if not self._top <= top < bottom <= self.height:
            raise ValueError(f"rows {top} to {bottom} of {self.height}, after rows from {self._top} on were asked for")
        self._top = top
        self._drop_passed()
        while self._kept_bottom < bottom:
            self._read_band()
            self._drop_passed()
        start, stop = top - self._kept_top, bottom - self._kept_top
        if stop <= len(self._kept[0]):
            return self._kept[0][start:stop]
        return self._joined(stop)[start:]

    def bands(self) -> Iterator[Pixels]:
        """Return the iterator of all bands, for callers that do not ask for rows."""
        return self._bands

    def _drop_passed(self) -> None:
        """Drop bands that end above `_top`."""
        while self._kept and self._kept_top + len(self._kept[0]) <= self._top:
            self._kept_top += len(self._kept.popleft())

    def _read_band(self) -> None:
        band = next(self._bands, None)
        if band is None:
            raise ValueError(f"the bands ended after {self._kept_bottom} of {self.height} rows")
        self._check(band)
        self._kept.append(band)
        self._kept_bottom += len(band)

    def _joined(self, count: int) -> Pixels:
        """Join the first `count` rows that are kept."""
        pieces, missing = [], count
        for band in self._kept:
            pieces.append(band[:missing])
            missing -= len(pieces[-1])
            if not missing:
                break
        return np.concatenate(pieces)

    def _check(self, band: Pixels) -> None:
        channels = CHANNELS[self.mode]
        shape = (self.width,) if channels == 1 else (self.width, channels)
        if band.shape[1:] != shape or band.dtype != np.dtype(f"u{self.depth // 8}"):
            raise ValueError(f"a band of {band.dtype} {band.shape} in a {self.depth}-bit {self.mode} of {self.width}")
        if not 0 < len(band) <= self.height - self._kept_bottom:
            raise ValueError(f"a band of {len(band)} rows after {self._kept_bottom} of {self.height}")


def resized(source: Source, width: int, height: int) -> Iterator[Pixels]:
    """Resize a picture in bands by antialiased bicubic: `sesr.imaging.resize.imresize`, bit for bit.

    Args:
        source: the picture. Its rows are read from the top down, each once or a few times.
        width, height: size of the result in pixels, at least 1.

    Yields bands that have `height` rows together. With alpha, color is weighted by alpha, so that the color of
    transparent pixels never shows (`Resizing.rows_seen`); wherever alpha is constant, colors are those of `imresize`. A
    picture that has the right size already comes out unchanged.

    Raises `UsageError` for a size below 1 x 1.
    """
    plan = Resizing(source.height, source.width, height, width)
    count = _band_rows(source, width, height)
    make = plan.rows_seen if source.mode in ("LA", "RGBA") else plan.rows
    for top in range(0, height, count):
        bottom = min(top + count, height)
        if (width, height) == (source.width, source.height):
            yield source.rows(top, bottom)
        else:
            yield make(source.rows(*plan.needed(top, bottom)), top, bottom)


def _band_rows(source: Source, width: int, height: int) -> int:
    """Choose the number of rows to make at a time: a few megabytes in and out."""
    pixel = CHANNELS[source.mode] * source.depth // 8
    input_pixels = source.width * source.height // height  # read for one row of the result
    return max(_BAND_BYTES // (pixel * max(width, input_pixels)), _LEAST_ROWS)
