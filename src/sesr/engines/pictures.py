"""Protocol of engines that enlarge pictures, and the adapter that makes one of an engine for luma.

A network enlarges luma. A picture has more, and every `PictureEngine` treats it alike:

- *Color*: the luma goes through the network, chroma is enlarged by bicubic (`sesr.imaging.compose`).
- *Gray*: full-range gray becomes the luma of a pixel with R = G = B, goes through the network, and comes back gray.
- *Alpha*: bicubic.
- *16 bits*: luma and chroma are real numbers all the way, and are rounded to 16 bits at the end.

Pictures are handed over in strips with context around the part that is wanted (`sesr.engines.strips`): the network's
receptive radius on each side, which is more than bicubic needs. So the result is the same however a picture is cut.

Our own engine (`sesr.engines.native`) does all of this in one pipeline of rows for 8 bits. `AroundLuma` does it in
NumPy around any other engine, and around ours for 16 bits.
"""

from typing import Protocol, runtime_checkable

import numpy as np

from sesr.engines.base import LumaEngine
from sesr.engines.strips import Band, plan, run_plane
from sesr.imaging.arrays import Luma, Pixels
from sesr.imaging.color import code_values, gray_from_luma, luma_from_gray, to_pixels
from sesr.imaging.compose import compose_rgb, network_luma
from sesr.imaging.resize import upscale as bicubic
from sesr.imaging.taps import KERNEL_RADIUS


@runtime_checkable
class PictureEngine(Protocol):
    """A network that is ready to run on pictures."""

    @property
    def scale(self) -> int:
        """Output pixels per input pixel, along a side."""

    @property
    def receptive_radius(self) -> int:
        """Input pixels on each side of a pixel that its output depends on."""

    def plan(self, height: int, width: int, depth: int, tile: int | None = None) -> list[Band]:
        """Return how to cut a picture of `depth` bits a channel; `tile` is as in `sesr.engines.strips.plan`."""

    def enlarge(self, picture: Pixels, rows: slice | None = None, columns: slice | None = None) -> Pixels:
        """Enlarge a strip of a picture.

        Args:
            picture: full-range gray (H, W) or RGB (H, W, 3), uint8 or uint16, with context around what is wanted.
            rows: rows of the strip to enlarge, all of them by default.
            columns: columns of the strip to enlarge, all of them by default.

        Returns the enlarged rows and columns, of the picture's type. Raises `EngineError` when the network fails,
        `UsageError` for other shapes and types.
        """

    def enlarge_alpha(self, alpha: Pixels, rows: slice | None = None, columns: slice | None = None) -> Pixels:
        """Enlarge the alpha channel (H, W) of a strip by bicubic; arguments as for `enlarge`."""

    def enlarge_luma(self, luma: Luma) -> Luma:
        """Enlarge a whole plane of luma as `enlarge` does inside: not rounded to 8 bits where the engine can help it.

        Arguments and result as for `LumaEngine.run`.
        """


def picture_engine(engine: LumaEngine | PictureEngine) -> PictureEngine:
    """Return the engine itself where it takes pictures, else the adapter around it."""
    return engine if isinstance(engine, PictureEngine) else AroundLuma(engine)


class AroundLuma:
    """A `PictureEngine` in NumPy around an engine for luma."""

    def __init__(self, engine: LumaEngine) -> None:
        self.engine, self.scale, self.receptive_radius = engine, engine.scale, engine.receptive_radius

    def plan(self, height: int, width: int, depth: int, tile: int | None = None) -> list[Band]:
        """See `PictureEngine.plan`: strips that bound the memory of an engine that keeps whole planes."""
        return plan(height, width, self.receptive_radius, tile, self.engine.column_reach)

    def enlarge(self, picture: Pixels, rows: slice | None = None, columns: slice | None = None) -> Pixels:
        """See `PictureEngine.enlarge`."""
        luma, place = self.engine.run(_luma(picture)), _Place(picture, self.scale, rows, columns)
        near = luma[place.larger]
        if picture.ndim == 3:
            result = compose_rgb(near, picture[place.near], self.scale)
        else:
            result = to_pixels(gray_from_luma(near * np.float32(255)), picture.dtype)
        return result[place.inside]

    def enlarge_alpha(self, alpha: Pixels, rows: slice | None = None, columns: slice | None = None) -> Pixels:
        """See `PictureEngine.enlarge_alpha`."""
        place = _Place(alpha, self.scale, rows, columns)
        enlarged: Pixels = bicubic(alpha[place.near], self.scale)
        return enlarged[place.inside]

    def enlarge_luma(self, luma: Luma) -> Luma:
        """See `PictureEngine.enlarge_luma`: strip by strip."""
        return run_plane(self.engine, luma)


class _Place:
    """Indices of the wanted part of a strip.

    Attributes:
        near: the wanted part and as much around it as bicubic reaches, in the strip.
        larger: the same in the enlarged strip.
        inside: the wanted part in what `near` becomes when it is enlarged.
    """

    def __init__(self, strip: Pixels, scale: int, rows: slice | None, columns: slice | None) -> None:
        sides = [
            (length, range(length)[wanted or slice(None)])
            for length, wanted in zip(strip.shape, (rows, columns), strict=False)
        ]
        near = [(max(kept.start - KERNEL_RADIUS, 0), min(kept.stop + KERNEL_RADIUS, end)) for end, kept in sides]
        self.near = tuple(slice(start, stop) for start, stop in near)
        self.larger = tuple(slice(start * scale, stop * scale) for start, stop in near)
        self.inside = tuple(
            slice((kept.start - start) * scale, (kept.stop - start) * scale)
            for (_, kept), (start, _) in zip(sides, near, strict=True)
        )


def _luma(picture: Pixels) -> Luma:
    """Return what the network takes of a picture, float32 (H, W)."""
    if picture.ndim == 3:
        return network_luma(picture)
    return luma_from_gray(code_values(picture)) / np.float32(255)
