"""Degradation of low-resolution pictures (LR) to what a camera's files look like, for networks of the flavor *photo*.

A network that has only seen exact bicubic LR takes everything in its input for the truth. Given a compressed file, it
enlarges the edges of JPEG's blocks and the ripples along contours as faithfully as the picture. A network that learns
from LR with such marks, and from high resolution (HR) without them, learns to leave them out.

The exact bicubic LR, as 8-bit gray of full range, passes through what happens to a picture on its way:

1. **blur**: no lens is as sharp as bicubic. Gaussian, with a standard deviation within `BLUR` LR pixels, for a share
   `BLURRED` of the pictures;
2. **noise** of the sensor: Gaussian, independent from pixel to pixel, with a standard deviation within `NOISE` gray
   levels, for a share `NOISY`;
3. **JPEG**, with a quality within `QUALITY`.

A share `CLEAN` of the pictures stays as it is, so that clean pictures keep their detail. Strengths are drawn for each
picture, uniformly, by a generator that is seeded with the picture's own pixels: the same picture has the same LR
whatever lies next to it and wherever it is read. HR is never touched.
"""

import math
import zlib
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.random import PCG64, Generator
from numpy.typing import NDArray

from sesr.files.jpeg import through_jpeg

Gray = NDArray[np.uint8]

CLEAN = 0.15
"""Share of the pictures that stay as they are."""

BLURRED, BLUR = 0.5, (0.2, 0.6)
"""Share of the others that is blurred; its standard deviations, LR pixels."""

NOISY, NOISE = 0.5, (0.3, 2.5)
"""Share of the others that gets noise; its standard deviations, gray levels of 255."""

QUALITY = (50, 95)
"""JPEG's qualities for the others, both included."""


@dataclass(frozen=True)
class Degradation:
    """Strengths for one picture.

    Attributes:
        blur: standard deviation, LR pixels; 0 is none.
        noise: standard deviation, gray levels of 255; 0 is none.
        quality: quality of JPEG; None leaves JPEG out.
    """

    blur: float = 0.0
    noise: float = 0.0
    quality: int | None = None


def degrade(gray: Gray, kind: Literal["none", "photo"]) -> Gray:
    """Return exact LR, (H, W), as a network of a recipe's `degradation` sees it."""
    return degrade_as_photo(gray) if kind == "photo" else gray


def degrade_as_photo(gray: Gray, seed: int = 0) -> Gray:
    """Degrade LR for the flavor *photo*.

    Args:
        gray: exact LR, (H, W), 0 black to 255 white.
        seed: together with the pixels, decides everything.

    Returns (H, W).
    """
    draw = Generator(PCG64([seed, zlib.crc32(gray.tobytes()), *gray.shape]))
    return apply(draw_photo(draw), gray, draw)


def draw_photo(draw: Generator) -> Degradation:
    """Draw the strengths for one picture from the ranges above."""
    if draw.random() < CLEAN:
        return Degradation()
    blur = draw.uniform(*BLUR) if draw.random() < BLURRED else 0.0
    noise = draw.uniform(*NOISE) if draw.random() < NOISY else 0.0
    return Degradation(blur, noise, int(draw.integers(QUALITY[0], QUALITY[1] + 1)))


def apply(degradation: Degradation, gray: Gray, draw: Generator) -> Gray:
    """Blur, add noise and compress, in this order.

    Args:
        degradation: the strengths.
        gray: (H, W).
        draw: draws the noise.

    Returns (H, W). Raises `PictureError` if JPEG is asked for and the picture is too large for it.
    """
    seen = gray.astype(np.float32)
    if degradation.blur:
        seen = gaussian_blur(seen, degradation.blur)
    if degradation.noise:
        seen = seen + np.float32(degradation.noise) * draw.standard_normal(gray.shape, np.float32)
    rounded = np.clip(np.rint(seen), 0, 255).astype(np.uint8)
    return rounded if degradation.quality is None else through_jpeg(rounded, degradation.quality)


def gaussian_blur(plane: NDArray[np.float32], deviation: float) -> NDArray[np.float32]:
    """Blur (H, W) by a Gaussian, sampled at whole pixels up to 4 deviations; the border repeats its last pixel."""
    reach = math.ceil(4 * deviation)
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / deviation) ** 2)
    weights = (weights / weights.sum()).astype(np.float32)
    return _blur_columns(_blur_columns(plane, weights).T, weights).T


def _blur_columns(plane: NDArray[np.float32], weights: NDArray[np.float32]) -> NDArray[np.float32]:
    reach = len(weights) // 2
    padded = np.pad(plane, ((reach, reach), (0, 0)), mode="edge")
    result = np.zeros_like(plane)
    for offset, weight in enumerate(weights):
        result += weight * padded[offset : offset + len(plane)]
    return result
