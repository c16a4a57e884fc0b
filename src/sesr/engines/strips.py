"""Pictures of any size in bounded memory: strips that equal the whole frame.

An engine that takes whole planes keeps several copies of all its features: about 230 bytes a pixel in
OpenVINO, half a gigabyte for a 1920 x 1080 frame. Cut into strips, the memory is the strip's. An output pixel
depends on input pixels no further away than the receptive radius, so a strip that is given that much more on
each side (its *halo*) yields exactly the whole frame's pixels inside: no seams, and no blending to hide them.
One thing must be right: the network pads with zeros where its input ends, so a strip may end only where its
halo does, or where the picture does.

::

    picture   0 ─────────────────────────────────────── H
    strip 0   ██████████████░░░                               █ kept   ░ halo, computed and dropped
    strip 1              ░░░████████░░░
    strip 2                        ░░░███████████████

All strips of a picture have the same source size: engines prepare themselves for a shape once.

By default strips run over the picture's full width and hold half a megapixel, about 230 MB with OpenVINO and
within 15 % of the speed of whole frames. They stay 14 radii high, so that halos cost a sixth at most; pictures
too wide for that are cut in columns too. So the network's memory is bounded for every shape.

A caller holds a band's pixels over the full width. Bands are therefore limited to two megapixels, all columns
together: above some 17,000 pixels of width (radius 9) they get lower, down to 4 radii, where halos double the work.
Beyond 58,000 pixels of width that least height stays, and a band grows with the width.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from numbers import Integral

import numpy as np

from sesr.engines.base import LumaEngine
from sesr.errors import UsageError
from sesr.imaging.arrays import Luma

PIXELS = 1 << 19
"""Input pixels of a strip, halo included, where no tile size is asked for."""

BAND_PIXELS = 1 << 21
"""Input pixels of a band, halo included, all its columns together, unless the picture is very wide."""

WORKING_BYTES = 1 << 27
"""Bytes of rows that an engine which streams rows may hold, all its threads together."""

GRID = 4
"""Pixels of a row that our own engine makes together."""

_RADII = 14
_LEAST_RADII = 4

ReadRows = Callable[[int, int], Luma]
"""Returns the picture's luma rows y0 up to but not including y1, float32 (y1 - y0, W)."""


@dataclass(frozen=True)
class Span:
    """A piece along one axis: input pixels start..stop are read, keep_start..keep_stop of them are kept."""

    start: int
    stop: int
    keep_start: int
    keep_stop: int

    def near(self, reach: int) -> "Span":
        """Return the piece without what is read further than `reach` pixels around the kept part."""
        start, stop = max(self.keep_start - reach, self.start), min(self.keep_stop + reach, self.stop)
        return Span(start, stop, self.keep_start, self.keep_stop)

    def within(self, outer: int, scale: int = 1) -> slice:
        """Return the place of the piece in one that starts at `outer`, or in its result, `scale` times the size."""
        return slice((self.start - outer) * scale, (self.stop - outer) * scale)

    def inside(self, scale: int = 1) -> slice:
        """Return the place of the kept pixels in the piece, or in its result, `scale` times the size."""
        return slice((self.keep_start - self.start) * scale, (self.keep_stop - self.start) * scale)


@dataclass(frozen=True)
class Band:
    """Rows that are finished together, and the columns that they are cut into."""

    rows: Span
    columns: tuple[Span, ...]


def plan(height: int, width: int, radius: int, tile: int | None = None, column_reach: int | None = None) -> list[Band]:
    """Plan how to cut a picture.

    Args:
        height, width: of the picture, input pixels, at least 1.
        radius: the engine's receptive radius, input pixels.
        tile: side of the square tiles, input pixels without halo; None for strips of bounded memory.
        column_reach: see `plan_rows`.

    The kept parts cover the picture without overlap, from top to bottom and from left to right.
    Raises `UsageError` for a tile that is no whole number from 1 on.
    """
    if tile is not None and (not isinstance(tile, Integral) or tile < 1):
        raise UsageError(f"tile must be a whole number, at least 1, not {tile}")
    keep_rows, keep_columns = (tile, tile) if tile is not None else _automatic(height, width, radius)
    columns = tuple(_cut_columns(width, radius, keep_columns, column_reach))
    return [Band(rows, columns) for rows in _cut(height, radius, keep_rows)]


def plan_rows(height: int, width: int, radius: int, column_bytes: int, column_reach: int | None = None) -> list[Band]:
    """Plan strips of two megapixels for an engine whose memory grows with their width alone.

    Args:
        height, width, radius: as for `plan`.
        column_bytes: the engine's memory per column of pixels. Strips run over the full width unless they would
            need more than `WORKING_BYTES`.
        column_reach: halo of columns where it is not the radius, because the engine makes `GRID` pixels of a row
            together: their last bits depend on each other. Such columns start at multiples of `GRID`.
    """
    keep = max(BAND_PIXELS // width - 2 * radius, _LEAST_RADII * radius, 1)
    across = max(WORKING_BYTES // column_bytes - 2 * radius, _LEAST_RADII * radius, 1)
    columns = tuple(_cut_columns(width, radius, across, column_reach))
    return [Band(rows, columns) for rows in _cut(height, radius, keep)]


def run_strips(
    engine: LumaEngine, read: ReadRows, height: int, width: int, tile: int | None = None
) -> Iterator[tuple[Band, Luma]]:
    """Upscale a picture band by band, so that neither it nor its result need ever be in memory as a whole.

    Args:
        engine: what runs the network.
        read: called once a band, from top to bottom, with `band.rows.start` and `band.rows.stop`. A caller
            that wants the same rows for its colors can keep them there; `band.rows.inside()` says which of
            them count.
        height, width: of the picture, input pixels.
        tile: as in `plan`.

    Yields every band with its finished rows, float32 (scale * (keep_stop - keep_start), scale * width).
    """
    for band in plan(height, width, engine.receptive_radius, tile, engine.column_reach):
        yield band, run_band(engine, read(band.rows.start, band.rows.stop), band)


def run_band(engine: LumaEngine, luma: Luma, band: Band) -> Luma:
    """Return the finished rows of a band, from its luma rows `band.rows.start` to `band.rows.stop`, float32."""
    scale = engine.scale
    inside = band.rows.inside(scale)
    if len(band.columns) == 1:
        return engine.run(luma)[inside]
    result = np.empty((inside.stop - inside.start, luma.shape[1] * scale), np.float32)
    for column in band.columns:
        piece = engine.run(luma[:, column.start : column.stop])
        result[:, column.keep_start * scale : column.keep_stop * scale] = piece[inside, column.inside(scale)]
    return result


def run_plane(engine: LumaEngine, luma: Luma, tile: int | None = None) -> Luma:
    """Upscale a whole plane (H, W) strip by strip, for callers that hold the plane anyway."""
    height, width = luma.shape
    result = np.empty((height * engine.scale, width * engine.scale), np.float32)
    for band, rows in run_strips(engine, lambda y0, y1: luma[y0:y1], height, width, tile):
        result[band.rows.keep_start * engine.scale : band.rows.keep_stop * engine.scale] = rows
    return result


def _automatic(height: int, width: int, radius: int) -> tuple[int, int]:
    """Return the rows and columns to keep, so that a strip with its halo has no more than `PIXELS` pixels."""
    rows = min(height, max(PIXELS // width, _RADII * radius))
    rows = min(rows, max(BAND_PIXELS // width, _LEAST_RADII * radius, 1))
    columns = PIXELS // rows
    return max(1, rows - 2 * radius), max(1, columns - 2 * radius)


def _cut_columns(width: int, radius: int, keep: int, reach: int | None) -> Iterator[Span]:
    return _cut(width, radius, keep) if reach is None else _cut(width, reach, keep, GRID)


def _cut(length: int, radius: int, keep: int, grid: int = 1) -> Iterator[Span]:
    """Cut an axis into pieces of one length that keep at most `keep` each and start at multiples of `grid`.

    The first and the last have no halo at the picture's end and keep `radius` more instead; the last is moved
    back to end with the picture. `keep` is rounded up to a multiple of `grid`.
    """
    keep = -(-keep // grid) * grid
    inner = length - 2 * radius
    if inner <= keep:
        yield Span(0, length, 0, length)
        return
    pieces = -(-inner // keep)
    step = -(-inner // (pieces * grid)) * grid  # may need a piece less after rounding up
    size = step + 2 * radius
    size += (length - size) % grid  # so that the last piece starts on the grid
    starts = [*range(0, length - size, step), length - size]
    for start, following in zip(starts, [*starts[1:], None], strict=True):
        keep_start = start + radius if start else 0
        yield Span(start, start + size, keep_start, length if following is None else following + radius)
