"""Luma and chroma: the papers' numbers, exact round trips, and known bounds for rounded ones."""

import numpy as np
import pytest
from numpy.typing import NDArray

from sesr.imaging.color import BT601_FULL, BT601_LIMITED, BT709_LIMITED, YCbCr, grey_from_luma, luma_from_grey, to_uint8

STANDARDS = [BT601_LIMITED, BT601_FULL, BT709_LIMITED]
BLACK, WHITE = [0.0, 0, 0], [255.0, 255, 255]


def many_colours() -> NDArray[np.float32]:
    """Every green and blue with every fifth red: 3.4 million colours, all corners among them."""
    axis = np.arange(256, dtype=np.float32)
    return np.stack(np.meshgrid(axis[::5], axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)


def test_limited_luma_is_the_papers() -> None:
    rgb = np.random.default_rng(0).random((7, 5, 3))
    paper = rgb @ [65.481, 128.553, 24.966] + 16
    np.testing.assert_allclose(BT601_LIMITED.luma(rgb * 255), paper, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("standard", "colour", "expected"),
    [
        (BT601_LIMITED, BLACK, [16, 128, 128]),
        (BT601_LIMITED, WHITE, [235, 128, 128]),
        (BT601_LIMITED, [0, 0, 255], [40.966, 240, 109.786]),
        (BT601_LIMITED, [255, 0, 0], [81.481, 90.203, 240]),
        (BT601_FULL, WHITE, [255, 128, 128]),
        (BT601_FULL, [255, 0, 0], [76.245, 84.972, 255.5]),
        (BT709_LIMITED, WHITE, [235, 128, 128]),
        (BT709_LIMITED, [0, 255, 0], [172.629, 41.664, 26.270]),
    ],
)
def test_known_colours(standard: YCbCr, colour: list[float], expected: list[float]) -> None:
    np.testing.assert_allclose(standard.from_rgb(np.array(colour, np.float64)), expected, rtol=0, atol=1e-3)


@pytest.mark.parametrize("standard", STANDARDS)
def test_inverse_undoes_the_matrix(standard: YCbCr) -> None:
    np.testing.assert_allclose(standard.inverse @ standard.matrix, np.eye(3), rtol=0, atol=1e-15)


@pytest.mark.parametrize("standard", STANDARDS)
def test_float_round_trip_returns_every_colour(standard: YCbCr) -> None:
    rgb = many_colours()
    back = standard.to_rgb(standard.from_rgb(rgb))
    assert back.dtype == np.float32
    assert float(np.abs(back - rgb).max()) < 2e-4
    assert np.array_equal(to_uint8(back), rgb.astype(np.uint8))


@pytest.mark.parametrize(("standard", "worst"), [(BT601_LIMITED, 2), (BT601_FULL, 1), (BT709_LIMITED, 2)])
def test_round_trip_through_eight_bits_is_off_by_a_known_bound(standard: YCbCr, worst: int) -> None:
    rgb = many_colours()
    stored = to_uint8(standard.from_rgb(rgb)).astype(np.float32)
    assert int(np.abs(to_uint8(standard.to_rgb(stored)) - rgb).max()) == worst


@pytest.mark.parametrize("standard", STANDARDS)
def test_luma_alone_is_the_first_of_the_three(standard: YCbCr) -> None:
    rgb = np.random.default_rng(1).random((6, 4, 3)) * 255
    assert np.array_equal(standard.luma(rgb), standard.from_rgb(rgb)[..., 0])


def test_grey_is_the_luma_of_a_neutral_colour_and_comes_back() -> None:
    grey = np.arange(256, dtype=np.float32)
    luma = luma_from_grey(grey)
    assert luma[[0, 255]].tolist() == [16, 235]
    np.testing.assert_allclose(luma, BT601_LIMITED.luma(np.stack([grey] * 3, axis=-1)), rtol=0, atol=1e-4)
    assert np.array_equal(to_uint8(grey_from_luma(luma)), grey.astype(np.uint8))


def test_to_uint8_clips_before_rounding() -> None:
    values = np.array([-300.0, -0.5, 0.49, 0.5, 254.5, 255.4, 256, 1e9])
    assert to_uint8(values).tolist() == [0, 0, 0, 1, 255, 255, 255, 255]
    assert values[0] == -300
