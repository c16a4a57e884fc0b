"""One network over a whole picture, strip by strip.

The network enlarges luma. What is done with the rest of a picture, here in one place:

- *Colour*: chroma is enlarged by bicubic (`sesr.imaging.compose`).
- *Grey*: full-range grey becomes the luma of a pixel with R = G = B, goes through the network, and comes back grey.
- *Alpha*: enlarged by bicubic; visible colour is first spread under transparent pixels, so that cut-outs get no fringe
  (`sesr.imaging.alpha`).
- *16 bits*: luma and chroma are real numbers all the way, and rounded to 16 bits at the end.

In our own engine (`sesr.engines.native`) all this runs in one pipeline of rows for pictures of 8 bits, alpha apart.
For others it is done here in NumPy, around a network that sees strips.

A strip's luma comes with a halo of the network's receptive radius (`sesr.engines.strips`). That is more than bicubic
needs, so the same pixels serve chroma and alpha, and the result is the same however the picture is cut.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sesr.engines.base import Engine, Luma
from sesr.engines.native import NativeEngine, enlarge_by_bicubic
from sesr.engines.strips import Band, Span, plan, plan_rows
from sesr.imaging.alpha import REACH, spread_colour
from sesr.imaging.color import code_values, grey_from_luma, luma_from_grey, to_pixels
from sesr.imaging.compose import compose_rgb, network_luma
from sesr.imaging.resize import KERNEL_RADIUS
from sesr.imaging.resize import upscale as bicubic
from sesr.imaging.stream import Source

Pixels = NDArray[Any]
"""uint8 or uint16."""


@dataclass(frozen=True)
class Step:
    """A network that is ready for pictures.

    Attributes:
        engine: what runs the network.
        tile: side of the square tiles that the network sees at a time, input pixels; None for strips. The result does
            not depend on it, up to float rounding.
    """

    engine: Engine
    tile: int | None = None

    @property
    def scale(self) -> int:
        """Output pixels per input pixel, along a side."""
        return self.engine.scale

    def bands(self, source: Source) -> Iterator[Pixels]:
        """The enlarged picture in bands of rows from the top down, of the source's mode and depth.

        The source's rows are asked for from the top down.
        """
        for band in self._plan(source):
            yield self._band(source, band)

    def _plan(self, source: Source) -> list[Band]:
        engine = self.engine
        if self.tile is None and isinstance(engine, NativeEngine) and source.depth == 8:
            return plan_rows(source.height, source.width, engine.receptive_radius, engine.column_bytes)
        return plan(source.height, source.width, engine.receptive_radius, self.tile)

    def _band(self, source: Source, band: Band) -> Pixels:
        """A finished band. Over its full width only pixels are held, all else for one column at a time."""
        margin = REACH if source.mode in ("LA", "RGBA") else 0
        rows = _widened(band.rows, margin, source.height)
        pixels = source.rows(rows.start, rows.stop)
        height = (band.rows.keep_stop - band.rows.keep_start) * self.scale
        result = np.empty((height, source.width * self.scale, *pixels.shape[2:]), pixels.dtype)
        for column in band.columns:
            wide = _widened(column, margin, source.width)
            colour, alpha = _split(pixels[:, wide.start : wide.stop], source.mode)
            piece = band.rows.within(rows.start), column.within(wide.start)
            finished = self._piece(colour[piece], None if alpha is None else alpha[piece], band.rows, column)
            result[:, column.keep_start * self.scale : column.keep_stop * self.scale] = finished
        return result

    def _piece(self, colour: Pixels, alpha: Pixels | None, rows: Span, columns: Span) -> Pixels:
        """The kept part of a strip, finished; `colour` and `alpha` hold all that was read of it."""
        if isinstance(self.engine, NativeEngine) and colour.dtype == np.uint8:
            return _native_piece(self.engine, colour, alpha, rows, columns)
        luma = _unrounded(self.engine, _luma(colour))
        near_rows, near_columns = rows.near(KERNEL_RADIUS), columns.near(KERNEL_RADIUS)
        near = near_rows.within(rows.start), near_columns.within(columns.start)
        luma = luma[near_rows.within(rows.start, self.scale), near_columns.within(columns.start, self.scale)]
        if colour.ndim == 3:
            result = compose_rgb(luma, colour[near], self.scale)
        else:
            result = to_pixels(grey_from_luma(luma * np.float32(255)), colour.dtype)
        if alpha is not None:
            result = np.dstack([result, bicubic(alpha[near], self.scale)])
        return result[near_rows.inside(self.scale), near_columns.inside(self.scale)]


def _native_piece(engine: NativeEngine, colour: Pixels, alpha: Pixels | None, rows: Span, columns: Span) -> Pixels:
    """As `Step._piece`; the engine does the colours too."""
    kept = rows.inside()
    result = engine.enlarge(colour, kept)
    if alpha is not None:
        result = np.dstack([result, enlarge_by_bicubic(alpha, engine.scale, kept, engine.threads, engine.kernel)])
    return result[:, columns.inside(engine.scale)]


def _unrounded(engine: Engine, luma: Luma) -> Luma:
    return engine.run(luma, rounded=False) if isinstance(engine, NativeEngine) else engine.run(luma)


def _widened(span: Span, margin: int, length: int) -> Span:
    return Span(max(span.start - margin, 0), min(span.stop + margin, length), span.keep_start, span.keep_stop)


def _split(pixels: Pixels, mode: str) -> tuple[Pixels, Pixels | None]:
    """Grey (H, W) or RGB (H, W, 3), and alpha (H, W) if there is any; the outer `REACH` pixels lack context then."""
    if mode in ("L", "RGB"):
        return pixels, None
    colour = spread_colour(pixels)
    return colour[..., 0] if mode == "LA" else colour, pixels[..., -1]


def _luma(colour: Pixels) -> Luma:
    """What the network takes, float32 (rows, width)."""
    if colour.ndim == 3:
        return network_luma(colour)
    return luma_from_grey(code_values(colour)) / np.float32(255)
