"""PSNR and SSIM as the super-resolution papers compute them.

Both take luma planes in 8-bit code values (limited BT.601 Y, see `sesr.imaging.color`) and first cut `shave`
pixels off each side, because near the border networks see padding instead of picture. The papers shave
`scale`.

- PSNR = 10 log10(255^2 / mean squared error), in decibels.
- SSIM (Wang et al. 2004) compares local means, variances and covariance under an 11 x 11 Gaussian window of
  sigma 1.5, K1 = 0.01, K2 = 0.03, L = 255, only where the window lies wholly inside, without the downsampling
  that some libraries add. The offset 16 of limited luma cancels in PSNR but not in SSIM.

A table's figure is the mean over pictures of each picture's value, not the value of the mean error.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sesr.errors import UsageError

Plane = NDArray[np.floating[Any]] | NDArray[np.uint8]

WINDOW = 11
"""Side of SSIM's window, and so the smallest side of a plane that can be compared after shaving."""

_SIGMA = 1.5
_PEAK = 255.0
_C1 = (0.01 * _PEAK) ** 2
_C2 = (0.03 * _PEAK) ** 2
_BAND_PIXELS = 1 << 14


def psnr(a: Plane, b: Plane, shave: int = 0) -> float:
    """Peak signal-to-noise ratio in decibels, infinite for equal planes.

    Args:
        a: (H, W), code values 0..255.
        b: the same shape.
        shave: pixels to cut off each side first.

    Raises:
        UsageError: the shapes differ, or nothing is left.
    """
    x, y = _shaved(a, b, shave, least=1)
    error = float(np.mean((x - y) ** 2))
    return float(10 * np.log10(_PEAK**2 / error)) if error else float("inf")


def ssim(a: Plane, b: Plane, shave: int = 0) -> float:
    """Mean structural similarity, 1 for equal planes.

    Arguments as `psnr`. Raises `UsageError` where the shapes differ or less than 11 x 11 pixels are left.
    """
    x, y = _shaved(a, b, shave, least=WINDOW)
    windows = (x.shape[0] - WINDOW + 1, x.shape[1] - WINDOW + 1)
    band = max(_BAND_PIXELS // windows[1], 1)
    total = 0.0
    for top in range(0, windows[0], band):
        rows = slice(top, min(top + band, windows[0]) + WINDOW - 1)
        total += float(_similarities(x[rows], y[rows]).sum())
    return float(total / (windows[0] * windows[1]))


def _similarities(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the SSIM of each window."""
    mean_x, mean_y = _blurred(x), _blurred(y)
    variance_x = _blurred(x * x) - mean_x**2
    variance_y = _blurred(y * y) - mean_y**2
    covariance = _blurred(x * y) - mean_x * mean_y
    similar = (2 * mean_x * mean_y + _C1) * (2 * covariance + _C2)
    similar /= (mean_x**2 + mean_y**2 + _C1) * (variance_x + variance_y + _C2)
    return similar


def _shaved(a: Plane, b: Plane, shave: int, least: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return both planes in float64 without their borders."""
    if a.shape != b.shape or a.ndim != 2:
        raise UsageError(f"planes of shapes {a.shape} and {b.shape} cannot be compared: give two equal (H, W)")
    if shave < 0 or min(a.shape) - 2 * shave < least:
        raise UsageError(f"a plane of shape {a.shape} leaves under {least} x {least} pixels at shave {shave}")
    inside = (slice(shave, a.shape[0] - shave), slice(shave, a.shape[1] - shave))
    return a[inside].astype(np.float64), b[inside].astype(np.float64)


def _blurred(plane: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return Gaussian-weighted means over each window that lies inside: (H, W) to (H - 10, W - 10)."""
    position = np.arange(WINDOW) - WINDOW // 2
    weights = np.exp(-(position**2) / (2 * _SIGMA**2))
    weights /= weights.sum()
    height, width = plane.shape[0] - WINDOW + 1, plane.shape[1] - WINDOW + 1
    columns = np.zeros((height, plane.shape[1]))
    for k, weight in enumerate(weights):
        columns += weight * plane[k : k + height]
    result = np.zeros((height, width))
    for k, weight in enumerate(weights):
        result += weight * columns[:, k : k + width]
    return result
