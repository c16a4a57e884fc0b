"""PSNR and SSIM: against the definitions written out slowly, and against the papers' bicubic rows."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from sesr.errors import UsageError
from sesr.imaging.color import BT601_LIMITED
from sesr.imaging.metrics import psnr, ssim
from sesr.imaging.resize import upscale


def planes(height: int, width: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A drawn plane and a disturbed copy."""
    y, x = np.mgrid[:height, :width]
    plane = 128 + 90 * np.sin(x / 3) * np.cos(y / 5)
    return plane, plane + np.random.default_rng(0).normal(0, 9, plane.shape)


def slow_ssim(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Wang's definition, window by window, with a two-dimensional Gaussian."""
    place = np.arange(11) - 5
    window = np.exp(-(place[:, None] ** 2 + place[None, :] ** 2) / 4.5)
    window /= window.sum()
    values = []
    for top in range(a.shape[0] - 10):
        for left in range(a.shape[1] - 10):
            p, q = a[top : top + 11, left : left + 11], b[top : top + 11, left : left + 11]
            mean_p, mean_q = (window * p).sum(), (window * q).sum()
            variance = (window * (p - mean_p) ** 2).sum() + (window * (q - mean_q) ** 2).sum()
            covariance = (window * (p - mean_p) * (q - mean_q)).sum()
            luminance = (2 * mean_p * mean_q + 2.55**2) / (mean_p**2 + mean_q**2 + 2.55**2)
            values.append(luminance * (2 * covariance + 7.65**2) / (variance + 7.65**2))
    return float(np.mean(values))


def test_psnr_of_one_step_everywhere() -> None:
    plane = planes(9, 7)[0]
    assert psnr(plane, plane + 1) == pytest.approx(48.1308036)
    assert psnr(plane, plane - 2) == pytest.approx(42.1102037)


def test_equal_planes() -> None:
    plane = planes(30, 20)[0]
    assert psnr(plane, plane) == float("inf")
    assert ssim(plane, plane) == pytest.approx(1, abs=1e-12)


def test_ssim_equals_the_slow_definition() -> None:
    a, b = planes(24, 17)
    assert ssim(a, b) == pytest.approx(slow_ssim(a, b), abs=1e-12)
    assert ssim(a, b, shave=2) == pytest.approx(slow_ssim(a[2:-2, 2:-2], b[2:-2, 2:-2]), abs=1e-12)
    assert 0.5 < ssim(a, b) < 0.99


def test_shaving_hides_the_border_only() -> None:
    a, b = planes(24, 20)
    border = b.copy()
    border[:3] = border[-3:] = border[:, :3] = border[:, -3:] = 0
    assert psnr(a, border, shave=3) == psnr(a[3:-3, 3:-3], b[3:-3, 3:-3])
    assert psnr(a, border, shave=2) < psnr(a, b, shave=2) - 1
    assert ssim(a, border, shave=3) == ssim(a, b, shave=3)


def test_eight_bit_planes_do_not_wrap_around() -> None:
    low, high = np.zeros((12, 12), np.uint8), np.full((12, 12), 255, np.uint8)
    assert psnr(low, high) == 0
    assert ssim(low, high) < 0.001


@pytest.mark.parametrize("measure", [psnr, ssim])
def test_what_cannot_be_compared(measure: object) -> None:
    assert callable(measure)
    with pytest.raises(UsageError, match="shapes"):
        measure(np.zeros((20, 20)), np.zeros((20, 21)), 0)
    with pytest.raises(UsageError, match="leaves under"):
        measure(np.zeros((20, 20)), np.zeros((20, 20)), 10)


def test_ssim_needs_a_whole_window() -> None:
    with pytest.raises(UsageError, match="11 x 11"):
        ssim(np.zeros((14, 30)), np.zeros((14, 30)), 2)


def luma(picture: NDArray[np.uint8]) -> NDArray[np.float64]:
    """A gray file's values are Y directly."""
    values = picture.astype(np.float64)
    return values if values.ndim == 2 else BT601_LIMITED.luma(values)


@pytest.mark.parametrize(
    ("name", "scale", "decibels", "similarity"),
    [
        ("Set5", 2, 33.67, 0.9307),
        ("Set5", 4, 28.43, 0.8113),
        ("Set14", 2, 30.23, 0.8693),
        ("Set14", 4, 25.99, 0.7025),
        ("BSD100", 2, 29.55, 0.8439),
        ("BSD100", 4, 25.95, 0.6682),
    ],
)
def test_papers_bicubic_rows(shared: Path, name: str, scale: int, decibels: float, similarity: float) -> None:
    """PSNR to 0.01 dB. SSIM as printed in papers, whose MATLAB versions differ in the fourth place."""
    noise, likeness = [], []
    for file in sorted((shared / "benchmark" / name / "LR_bicubic" / f"X{scale}").glob("*.png")):
        large = upscale(np.asarray(Image.open(file)), scale)
        original = np.asarray(Image.open(file.parents[2] / "HR" / f"{file.stem.removesuffix(f'x{scale}')}.png"))
        pair = luma(large), luma(original[: large.shape[0], : large.shape[1]])
        noise.append(psnr(*pair, shave=scale))
        likeness.append(ssim(*pair, shave=scale))
    assert np.mean(noise) == pytest.approx(decibels, abs=0.01)
    assert np.mean(likeness) == pytest.approx(similarity, abs=8e-4)
