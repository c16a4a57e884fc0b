"""Degradation for the flavor photo: strengths, each step, and the same result for the same picture."""

import numpy as np
import pytest

pytest.importorskip("torch")

from numpy.random import PCG64, Generator

from sesr.data import degradation as module
from sesr.data.degradation import Degradation, apply, degrade, degrade_as_photo, draw_photo, gaussian_blur
from sesr.files.jpeg import through_jpeg

GRAY = np.random.default_rng(0).integers(0, 256, (48, 64), np.uint8)


def generator(seed: int = 0) -> Generator:
    return Generator(PCG64(seed))


def test_same_picture_same_lr() -> None:
    pictures = [np.roll(GRAY, k, 0) for k in range(40)]
    first = [degrade_as_photo(picture) for picture in pictures]
    assert all(np.array_equal(*pair) for pair in zip(first, map(degrade_as_photo, pictures[::1]), strict=True))
    assert any(not np.array_equal(degrade_as_photo(p, 1), f) for p, f in zip(pictures, first, strict=True))


def test_strengths_keep_to_their_ranges_and_shares() -> None:
    draw = generator()
    drawn = [draw_photo(draw) for _ in range(4000)]
    touched = [found for found in drawn if found != Degradation()]
    assert 1 - len(touched) / 4000 == pytest.approx(module.CLEAN, abs=0.03)
    qualities = [found.quality for found in touched if found.quality is not None]
    assert len(qualities) == len(touched)
    assert (min(qualities), max(qualities)) == module.QUALITY
    for values, share, (least, most) in (
        ([found.blur for found in touched], module.BLURRED, module.BLUR),
        ([found.noise for found in touched], module.NOISY, module.NOISE),
    ):
        above = [value for value in values if value]
        assert len(above) / len(values) == pytest.approx(share, abs=0.04)
        assert least <= min(above) < least + 0.1 * (most - least)
        assert most - 0.1 * (most - least) < max(above) <= most


def test_clean_is_clean() -> None:
    assert np.array_equal(apply(Degradation(), GRAY, generator()), GRAY)


def test_jpeg_alone_is_jpeg() -> None:
    assert np.array_equal(apply(Degradation(quality=60), GRAY, generator()), through_jpeg(GRAY, 60))


def test_noise_has_its_deviation() -> None:
    gray = np.full((200, 200), 128, np.uint8)
    noisy = apply(Degradation(noise=2.0), gray, generator()).astype(float)
    assert noisy.mean() == pytest.approx(128, abs=0.05)
    assert noisy.std() == pytest.approx(np.hypot(2.0, np.sqrt(1 / 12)), rel=0.03)


@pytest.mark.parametrize("deviation", [0.2, 0.6, 1.5])
def test_blur_of_a_point_is_a_gaussian(deviation: float) -> None:
    point = np.zeros((41, 41), np.float32)
    point[20, 20] = 1
    blurred = gaussian_blur(point, deviation)
    y, x = np.mgrid[-20:21, -20:21]
    expected = np.exp(-(x**2 + y**2) / (2 * deviation**2))
    np.testing.assert_allclose(blurred, expected / expected.sum(), atol=1e-4)
    np.testing.assert_allclose(gaussian_blur(np.full((5, 7), 3, np.float32), deviation), 3, rtol=1e-5)


def test_degrade_by_kind() -> None:
    assert np.array_equal(degrade(GRAY, "none"), GRAY)
    assert np.array_equal(degrade(GRAY, "photo"), degrade_as_photo(GRAY))
