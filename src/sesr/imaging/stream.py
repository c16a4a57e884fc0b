"""Pictures that flow from the top down, so that none need be in memory as a whole.

Whatever gives a picture is a `Source`: it is asked for rows. Whatever makes one gives *bands*, arrays of whole rows
from the top down, as many in each as it likes. `Stream` makes a source of bands, and so links a decoder to a network, a
network to the next and to `resized`, and that to an encoder: each link holds only the rows that it works on.

Resizing needs rows around those that it makes: 4 when enlarging, 4 times the ratio when shrinking, and as many more as
it makes at a time. Only shrinking to a few rows is therefore not cheap in memory: those need all of the picture.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from sesr.imaging.resize import Resizing

Pixels = NDArray[Any]
"""uint8 or uint16: (rows, width) for grey, else (rows, width, channels)."""

CHANNELS = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4}
"""What a picture may be, and its channels: grey or colour, with or without alpha, which is the last, and straight."""

_BAND_BYTES = 1 << 22
_LEAST_ROWS = 8


class Source(Protocol):
    """A picture that can be read by rows."""

    @property
    def width(self) -> int:
        """Pixels."""

    @property
    def height(self) -> int:
        """Pixels."""

    @property
    def mode(self) -> str:
        """L, LA, RGB or RGBA."""

    @property
    def depth(self) -> int:
        """Bits a channel, 8 or 16."""

    def rows(self, top: int, bottom: int) -> Pixels:
        """Rows `top` to `bottom` (exclusive): (rows, width) for L, else (rows, width, channels); uint8 or uint16.

        Not to be written into. `top` must not be less than the time before: a source may have let go of what is above.
        """


class Stream:
    """A source made of bands.

    Args:
        bands: arrays as `Source.rows` gives them, at least a row each, from the top down; all rows together.
        width, height, mode, depth: of the picture, as in `Source`.

    Bands are taken as rows are asked for, and let go when `top` has passed them. What the iterator raises goes through.
    """

    def __init__(self, bands: Iterable[Pixels], width: int, height: int, mode: str, depth: int) -> None:
        self.width, self.height, self.mode, self.depth = width, height, mode, depth
        self._bands = iter(bands)
        self._kept: deque[Pixels] = deque()
        self._kept_top = self._kept_bottom = self._top = 0

    def rows(self, top: int, bottom: int) -> Pixels:
        """Rows `top` to `bottom` (exclusive), as `Source.rows`; a view where one band holds them all.

        Raises `ValueError` for rows that were let go or do not exist, and for bands that do not fit the picture.
        """
        if not self._top <= top < bottom <= self.height:
            raise ValueError(f"rows {top} to {bottom} of {self.height}, after rows from {self._top} on were asked for")
        self._top = top
        self._let_go()
        while self._kept_bottom < bottom:
            self._take()
            self._let_go()
        start, stop = top - self._kept_top, bottom - self._kept_top
        if stop <= len(self._kept[0]):
            return self._kept[0][start:stop]
        return self._joined(stop)[start:]

    def bands(self) -> Iterator[Pixels]:
        """All bands, as they come, for whoever does not ask for rows."""
        return self._bands

    def _let_go(self) -> None:
        """Drops bands that end above `_top`."""
        while self._kept and self._kept_top + len(self._kept[0]) <= self._top:
            self._kept_top += len(self._kept.popleft())

    def _take(self) -> None:
        band = next(self._bands, None)
        if band is None:
            raise ValueError(f"the bands ended after {self._kept_bottom} of {self.height} rows")
        self._check(band)
        self._kept.append(band)
        self._kept_bottom += len(band)

    def _joined(self, count: int) -> Pixels:
        """The first `count` rows that are kept."""
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
    """A picture resized by bicubic, antialiased, in bands: `sesr.imaging.resize.imresize`, bit for bit.

    Args:
        source: is asked for each row once or a few times, from the top down.
        width, height: wanted, pixels, at least 1.

    Yields bands of `height` rows together. With alpha, colour counts by how far it is seen, so that what transparent
    pixels hold never shows (`Resizing.rows_seen`); the colours are those of `imresize` wherever alpha is constant. A
    picture that has the size already is given unchanged.

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
    """Rows to make at a time: a few megabytes in and out."""
    pixel = CHANNELS[source.mode] * source.depth // 8
    taken = source.width * source.height // height
    return max(_BAND_BYTES // (pixel * max(width, taken)), _LEAST_ROWS)
