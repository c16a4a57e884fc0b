"""A plain color behind a transparent picture.

Formats such as JPEG have no alpha channel, and what lies behind the picture cannot be guessed: white for a drawing,
black for a slide. Given a color, the picture is laid over it *before* it is enlarged. The network then sees the edge
that the result will show.
"""

import numpy as np

from sesr.imaging.arrays import Pixels
from sesr.imaging.stream import Source

Color = tuple[int, int, int]
"""Red, green and blue, 0 to 255, in the picture's own color space."""


class Flattened:
    """A source over a color, opaque. It is gray where source and color are, else RGB.

    Args:
        source: any picture; one without alpha stays as it is.
        color: what shows where it is transparent.
    """

    def __init__(self, source: Source, color: Color) -> None:
        self.width, self.height, self.depth = source.width, source.height, source.depth
        self._source, self._color = source, color
        self._has_alpha = source.mode in ("LA", "RGBA")
        gray = source.mode in ("L", "LA") and (not self._has_alpha or len(set(color)) == 1)
        self.mode = "L" if gray else "RGB"

    def rows(self, top: int, bottom: int) -> Pixels:
        """Return rows `top` to `bottom` (exclusive), as `sesr.imaging.stream.Source`."""
        pixels = self._source.rows(top, bottom)
        if not self._has_alpha:
            return pixels
        behind = self._color[:1] if self.mode == "L" else self._color
        flat = over(pixels, behind)
        return flat[..., 0] if self.mode == "L" else flat


def over(pixels: Pixels, behind: tuple[int, ...]) -> Pixels:
    """Lay pixels with straight alpha over a color, rounded to the nearest value.

    Args:
        pixels: uint8 or uint16, (H, W, 2) gray and alpha, or (H, W, 4) RGBA.
        behind: the color, 0 to 255 a channel. Gray pixels over three channels become RGB.

    Returns (H, W, channels of `behind`) of the same type.
    """
    most = np.iinfo(pixels.dtype).max
    colors, alpha = pixels[..., :-1].astype(np.uint32), pixels[..., -1:].astype(np.uint32)
    back = np.asarray(behind, np.uint32) * np.uint32(most // 255)
    mixed = colors * alpha + back * (most - alpha)  # at most `most` squared, which 32 bits hold with the half below
    return ((mixed + most // 2) // most).astype(pixels.dtype)
