"""LR for the flavour photo: what is done to it, how strongly, and that it comes out the same again."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from numpy.random import PCG64, Generator
from PIL import Image

from sesr.data import degradation as module
from sesr.data.degradation import Degradation, apply, degrade_as_photo, draw_photo, gaussian_blur
from sesr.data.planes import load_planes, read_validation
from sesr.data.settings import DataRecipe
from sesr.files.jpeg import through_jpeg

GREY = np.random.default_rng(0).integers(0, 256, (48, 64), np.uint8)


def generator(seed: int = 0) -> Generator:
    return Generator(PCG64(seed))


def test_same_picture_same_lr() -> None:
    pictures = [np.roll(GREY, k, 0) for k in range(40)]
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
    assert np.array_equal(apply(Degradation(), GREY, generator()), GREY)


def test_jpeg_alone_is_jpeg() -> None:
    assert np.array_equal(apply(Degradation(quality=60), GREY, generator()), through_jpeg(GREY, 60))


def test_noise_has_its_deviation() -> None:
    grey = np.full((200, 200), 128, np.uint8)
    noisy = apply(Degradation(noise=2.0), grey, generator()).astype(float)
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


def test_planes_and_validation_see_degraded_lr_and_clean_hr(tmp_path: Path) -> None:
    """And their cache keeps both flavours apart."""
    for index in range(12):
        picture = np.random.default_rng(index).integers(0, 256, (64, 96), np.uint8)
        Image.fromarray(picture).save(tmp_path / f"{index:02}.png")
    clean, photo = DataRecipe(crop=8), DataRecipe(crop=8, degradation="photo")
    cache = tmp_path / "cache"
    for _ in range(2):  # read, and from the cache
        plain, degraded = (load_planes(tmp_path, 2, recipe, cache, quiet=True) for recipe in (clean, photo))
        assert np.array_equal(plain.hr, degraded.hr)
        assert not np.array_equal(plain.lr, degraded.lr)
        expected = [degrade_as_photo(part) for part in plain.lr.numpy().reshape(12, 32, 48)]
        assert np.array_equal(degraded.lr, np.concatenate([part.reshape(-1) for part in expected]))
    pictures = [list(read_validation(tmp_path, 2, recipe)) for recipe in (clean, photo)]
    assert all(np.array_equal(one[0], two[0]) for one, two in zip(*pictures, strict=True))
    assert any(not np.array_equal(one[1], two[1]) for one, two in zip(*pictures, strict=True))
