"""Luma against the papers' formula, and the ways to and from gray, bytes and 16-bit pixels."""

import numpy as np
import pytest

from sesr.imaging.color import BT601_LIMITED, code_values, gray_from_luma, luma_from_gray, to_pixels, to_uint8


def test_luma_is_the_papers() -> None:
    rgb = np.random.default_rng(0).random((7, 5, 3))
    paper = rgb @ [65.481, 128.553, 24.966] + 16
    np.testing.assert_allclose(BT601_LIMITED.luma(rgb * 255), paper, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("color", "luma"),
    [([0, 0, 0], 16), ([255, 255, 255], 235), ([0, 0, 255], 40.966), ([255, 0, 0], 81.481), ([0, 255, 0], 144.553)],
)
def test_luma_of_known_colors(color: list[float], luma: float) -> None:
    assert BT601_LIMITED.luma(np.array(color, np.float64)) == pytest.approx(luma, abs=1e-3)


def test_luma_keeps_the_type_and_its_bits_in_any_strip() -> None:
    rgb = np.random.default_rng(1).integers(0, 256, (31, 17, 3)).astype(np.float32)
    luma = BT601_LIMITED.luma(rgb)
    assert luma.dtype == np.float32
    assert np.array_equal(BT601_LIMITED.luma(rgb[5:9, 3:4]), luma[5:9, 3:4])


def test_gray_is_the_luma_of_a_neutral_color_and_comes_back() -> None:
    gray = np.arange(256, dtype=np.float32)
    luma = luma_from_gray(gray)
    assert luma[[0, 255]].tolist() == [16, 235]
    np.testing.assert_allclose(luma, BT601_LIMITED.luma(np.stack([gray] * 3, axis=-1)), rtol=0, atol=1e-4)
    assert np.array_equal(to_uint8(gray_from_luma(luma)), gray.astype(np.uint8))


def test_to_uint8_clips_before_rounding() -> None:
    values = np.array([-300.0, -0.5, 0.49, 0.5, 254.5, 255.4, 256, 1e9])
    assert to_uint8(values).tolist() == [0, 0, 0, 1, 255, 255, 255, 255]
    assert values[0] == -300


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_every_pixel_value_comes_back(dtype: type[np.uint8] | type[np.uint16]) -> None:
    pixels = np.arange(np.iinfo(dtype).max + 1).astype(dtype)
    values = code_values(pixels)
    assert values.dtype == np.float32
    assert values[[0, -1]].tolist() == [0, 255]
    assert np.array_equal(to_pixels(values, np.dtype(dtype)), pixels)


def test_16_bits_clip_before_rounding() -> None:
    values = np.array([-1.0, 0.5 / 257, 127.5, 300])
    assert to_pixels(values, np.dtype(np.uint16)).tolist() == [0, 1, 32768, 65535]
