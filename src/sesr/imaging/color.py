"""RGB and luma-chroma, as matrices derived from three numbers.

A luma-chroma standard is fixed by two constants, the shares Kr and Kb of red and blue in luma, and by a
range::

    Y  = Kr R + (1 - Kr - Kb) G + Kb B
    Cb = (B - Y) / (2 (1 - Kb))        Cr = (R - Y) / (2 (1 - Kr))

with R, G, B and Y in 0..1 and Cb, Cr in -1/2..1/2. *Full* range stretches them over all 8-bit codes (JPEG
files). *Limited* range, of video, keeps luma in 16..235 and chroma in 16..240. The super-resolution papers' Y
is limited BT.601, MATLAB's `rgb2ycbcr`: 16 + 65.481 R + 128.553 G + 24.966 B. The network is trained on it
and PSNR is measured on it; taking full-range luma instead costs 1.3 dB on paper, by the scale alone.

All arrays hold 8-bit *code values* (0..255, also between whole numbers) as float32 or float64. Nothing here
rounds or clips except where the name says so: converting there and back is exact to floating-point rounding.
Rounding to 8 bits in between is not: the worst colours of limited range come back wrong by 2 codes.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Float = TypeVar("Float", np.float32, np.float64)


@dataclass(frozen=True)
class YCbCr:
    """One luma-chroma standard.

    Attributes:
        kr: share of red in luma.
        kb: share of blue in luma.
        limited: luma in 16..235 and chroma in 16..240, instead of 0..255.
    """

    kr: float
    kb: float
    limited: bool

    @cached_property
    def matrix(self) -> NDArray[np.float64]:
        """(3, 3): (Y, Cb, Cr) = matrix @ (R, G, B) + offset, in code values."""
        luma = np.array([self.kr, 1 - self.kr - self.kb, self.kb])
        blue = (np.array([0, 0, 1]) - luma) / (2 * (1 - self.kb))
        red = (np.array([1, 0, 0]) - luma) / (2 * (1 - self.kr))
        rows: NDArray[np.float64] = np.stack([luma, blue, red]) * np.array(self._spans)[:, None] / 255
        return rows

    @cached_property
    def inverse(self) -> NDArray[np.float64]:
        """(3, 3): (R, G, B) = inverse @ ((Y, Cb, Cr) - offset)."""
        blue, red = 2 * (1 - self.kb), 2 * (1 - self.kr)
        kg = 1 - self.kr - self.kb
        rows: NDArray[np.float64] = np.array(
            [[1, 0, red], [1, -self.kb * blue / kg, -self.kr * red / kg], [1, blue, 0]]
        )
        rows *= 255 / np.array(self._spans)
        return rows

    @property
    def _spans(self) -> tuple[int, int, int]:
        """Code values that Y, Cb and Cr spread over."""
        return (219, 224, 224) if self.limited else (255, 255, 255)

    @property
    def offset(self) -> tuple[float, float, float]:
        """Code values of black's Y, Cb and Cr."""
        return (16.0 if self.limited else 0.0, 128.0, 128.0)

    def from_rgb(self, rgb: NDArray[Float]) -> NDArray[Float]:
        """(..., 3) R, G, B to (..., 3) Y, Cb, Cr; the type stays."""
        return _mixed(rgb, self.matrix) + np.array(self.offset, rgb.dtype)

    def to_rgb(self, ycbcr: NDArray[Float]) -> NDArray[Float]:
        """(..., 3) Y, Cb, Cr to (..., 3) R, G, B, neither rounded nor clipped; the type stays."""
        return _mixed(ycbcr - np.array(self.offset, ycbcr.dtype), self.inverse)

    def luma(self, rgb: NDArray[Float]) -> NDArray[Float]:
        """(..., 3) R, G, B to Y alone, (...)."""
        return _plane(rgb, self.matrix[0], self.offset[0])


BT601_LIMITED = YCbCr(kr=0.299, kb=0.114, limited=True)
"""Standard-definition video, MATLAB's `rgb2ycbcr`, and the super-resolution papers."""

BT601_FULL = YCbCr(kr=0.299, kb=0.114, limited=False)
"""JPEG, and Pillow's modes YCbCr and L."""

BT709_LIMITED = YCbCr(kr=0.2126, kb=0.0722, limited=True)
"""High-definition video."""


DEEP_STEPS = 257
"""Of 16 bits, to a step of 8: 255 becomes 65535."""


def luma_from_grey(grey: NDArray[Float]) -> NDArray[Float]:
    """Full-range grey 0..255 to limited luma 16..235: the Y of a pixel with R = G = B = grey."""
    return grey * grey.dtype.type(219 / 255) + grey.dtype.type(16)


def grey_from_luma(luma: NDArray[Float]) -> NDArray[Float]:
    """Limited luma to full-range grey, neither rounded nor clipped."""
    return (luma - luma.dtype.type(16)) * luma.dtype.type(255 / 219)


def to_uint8(values: NDArray[Float]) -> NDArray[np.uint8]:
    """Clips to 0..255, then rounds halves up. In that order: rounding first could wrap around."""
    clipped = np.maximum(values, 0)
    np.minimum(clipped, 255, out=clipped)
    clipped += 0.5
    return clipped.astype(np.uint8)


def code_values(pixels: NDArray[Any]) -> NDArray[np.float32]:
    """uint8 or uint16 pixels as 8-bit code values 0..255, float32, those of 16 bits between whole numbers too."""
    values = pixels.astype(np.float32)
    if pixels.dtype == np.uint16:
        values /= np.float32(DEEP_STEPS)
    return values


def to_pixels(values: NDArray[Float], dtype: "np.dtype[Any]") -> NDArray[Any]:
    """Code values to uint8 or uint16 pixels: clipped, then rounded, halves up."""
    if dtype == np.uint8:
        return to_uint8(values)
    clipped = np.clip(values, 0, 255)
    clipped *= DEEP_STEPS
    clipped += 0.5
    return clipped.astype(np.uint16)


def _mixed(pixels: NDArray[Float], matrix: NDArray[np.float64]) -> NDArray[Float]:
    """(..., 3) with each pixel multiplied by the matrix."""
    return np.stack([_plane(pixels, row, 0.0) for row in matrix], axis=-1)


def _plane(pixels: NDArray[Float], row: NDArray[np.float64], offset: float) -> NDArray[Any]:
    """One weighted sum of the three channels, plus an offset; in a fixed order, so the same for any strip."""
    total = pixels[..., 0] * float(row[0])
    total += pixels[..., 1] * float(row[1])
    total += pixels[..., 2] * float(row[2])
    total += offset
    return total
