"""RGB to luma, and code values to pixels.

A luma-chroma standard is fixed by two constants, the shares Kr and Kb of red and blue in luma::

    Y  = Kr R + (1 - Kr - Kb) G + Kb B
    Cb = (B - Y) / (2 (1 - Kb))        Cr = (R - Y) / (2 (1 - Kr))

with R, G, B and Y in 0..1 and Cb, Cr in -1/2..1/2. *Full* range, of JPEG files, stretches them over all 8-bit codes.
*Limited* range, of video, keeps luma in 16..235. The super-resolution papers' Y is limited BT.601, MATLAB's
`rgb2ycbcr`: 16 + 65.481 R + 128.553 G + 24.966 B. The network is trained on it and PSNR is measured on it. Taking
full-range luma instead lowers the PSNR by 1.3 dB, by the scale alone.

All arrays hold 8-bit *code values* (0..255, also between whole numbers) as float32 or float64. Nothing here rounds or
clips except where the name says so.
"""

from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from sesr.imaging.arrays import Bytes, Pixels

Float = TypeVar("Float", np.float32, np.float64)


@dataclass(frozen=True)
class LimitedLuma:
    """Luma of limited range by one standard.

    Attributes:
        kr: share of red.
        kb: share of blue.
    """

    kr: float
    kb: float

    @property
    def kg(self) -> float:
        """Share of green."""
        return 1 - self.kr - self.kb

    def luma(self, rgb: NDArray[Float]) -> NDArray[Float]:
        """Return the Y of R, G, B: (..., 3) to (...), in 16..235; the type stays."""
        red, green, blue = (np.array([self.kr, self.kg, self.kb]) * 219 / 255).tolist()
        # always in this order, so that equal pixels get equal bits in any strip
        luma: NDArray[Any] = rgb[..., 0] * red
        luma += rgb[..., 1] * green
        luma += rgb[..., 2] * blue
        luma += 16.0
        return luma


BT601_LIMITED = LimitedLuma(kr=0.299, kb=0.114)
"""Standard-definition video, MATLAB's `rgb2ycbcr`, and the super-resolution papers."""

DEEP_STEPS = 257
"""16-bit steps to one 8-bit step: 255 becomes 65535."""


def luma_from_gray(gray: NDArray[Float]) -> NDArray[Float]:
    """Turn full-range gray 0..255 into limited luma 16..235: the Y of a pixel with R = G = B = gray."""
    return gray * gray.dtype.type(219 / 255) + gray.dtype.type(16)


def gray_from_luma(luma: NDArray[Float]) -> NDArray[Float]:
    """Turn limited luma into full-range gray, neither rounded nor clipped."""
    return (luma - luma.dtype.type(16)) * luma.dtype.type(255 / 219)


def to_uint8(values: NDArray[Float]) -> Bytes:
    """Clip to 0..255, then round, halves up. In that order: rounding first could wrap around."""
    clipped = np.maximum(values, 0)
    np.minimum(clipped, 255, out=clipped)
    clipped += 0.5
    return clipped.astype(np.uint8)


def code_values(pixels: Pixels) -> NDArray[np.float32]:
    """Return pixels as 8-bit code values 0..255; 16-bit pixels give values between whole numbers too."""
    values = pixels.astype(np.float32)
    if pixels.dtype == np.uint16:
        values /= np.float32(DEEP_STEPS)
    return values


def to_pixels(values: NDArray[Float], dtype: "np.dtype[Any]") -> Pixels:
    """Turn code values into uint8 or uint16 pixels: clipped, then rounded, halves up."""
    if dtype == np.uint8:
        return to_uint8(values)
    clipped = np.clip(values, 0, 255)
    clipped *= DEEP_STEPS
    clipped += 0.5
    return clipped.astype(np.uint16)
