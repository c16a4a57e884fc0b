"""One network over a whole picture, band by band.

An engine for pictures (`sesr.engines.pictures`) says how a picture is to be cut and enlarges the pieces. What concerns
the picture as a whole is done here: reading rows with their context, putting columns together, and transparency.
Visible color is first spread under transparent pixels, so that cut-outs get no fringe (`sesr.imaging.alpha`).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from sesr.engines.pictures import PictureEngine
from sesr.engines.strips import Band, Span
from sesr.imaging.alpha import REACH, spread_color
from sesr.imaging.arrays import Pixels
from sesr.imaging.stream import Source


@dataclass(frozen=True)
class Step:
    """A network that is ready for pictures.

    Attributes:
        engine: what enlarges pieces of a picture.
        tile: side of the square tiles that the network sees at a time, input pixels; None for strips. The result does
            not depend on it, up to float rounding.
    """

    engine: PictureEngine
    tile: int | None = None

    @property
    def scale(self) -> int:
        """Output pixels per input pixel, along a side."""
        return self.engine.scale

    def bands(self, source: Source) -> Iterator[Pixels]:
        """Yield the enlarged picture in bands of rows from the top down, of the source's mode and depth.

        The source's rows are asked for from the top down.
        """
        for band in self.engine.plan(source.height, source.width, source.depth, self.tile):
            yield self._band(source, band)

    def _band(self, source: Source, band: Band) -> Pixels:
        """Return a finished band. Only pixels are held over its full width, all else for one column at a time."""
        margin = REACH if source.mode in ("LA", "RGBA") else 0
        rows = _widened(band.rows, margin, source.height)
        pixels = source.rows(rows.start, rows.stop)
        height = (band.rows.keep_stop - band.rows.keep_start) * self.scale
        result = np.empty((height, source.width * self.scale, *pixels.shape[2:]), pixels.dtype)
        for column in band.columns:
            wide = _widened(column, margin, source.width)
            color, alpha = _split(pixels[:, wide.start : wide.stop], source.mode)
            piece = band.rows.within(rows.start), column.within(wide.start)
            wanted = band.rows.inside(), column.inside()
            finished = self.engine.enlarge(color[piece], *wanted)
            if alpha is not None:
                finished = np.dstack([finished, self.engine.enlarge_alpha(alpha[piece], *wanted)])
            result[:, column.keep_start * self.scale : column.keep_stop * self.scale] = finished
        return result


def _widened(span: Span, margin: int, length: int) -> Span:
    return Span(max(span.start - margin, 0), min(span.stop + margin, length), span.keep_start, span.keep_stop)


def _split(pixels: Pixels, mode: str) -> tuple[Pixels, Pixels | None]:
    """Return gray (H, W) or RGB (H, W, 3), and alpha (H, W) if there is any.

    With alpha, the color of the outer `REACH` pixels lacks the context that it is spread from.
    """
    if mode in ("L", "RGB"):
        return pixels, None
    color = spread_color(pixels)
    return color[..., 0] if mode == "LA" else color, pixels[..., -1]
