"""Color under transparent pixels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sesr.imaging.alpha import REACH, spread_color


@settings(deadline=None, max_examples=50)
@given(arrays(np.uint8, st.tuples(st.integers(1, 12), st.integers(1, 12), st.sampled_from([2, 4]))))
def test_visible_color_is_never_changed(pixels: np.typing.NDArray[np.uint8]) -> None:
    visible = pixels[..., -1] > 0
    assert np.array_equal(spread_color(pixels)[visible], pixels[visible][:, :-1])


def test_one_color_spreads_as_that_color_and_only_so_far() -> None:
    pixels = np.zeros((1, 20, 4), np.uint8)
    pixels[0, 0] = (200, 100, 50, 1)
    spread = spread_color(pixels)
    assert np.array_equal(spread[0, : REACH + 1], np.tile([200, 100, 50], (REACH + 1, 1)))
    assert not spread[0, REACH + 1 :].any()


def test_a_strip_with_enough_context_gives_the_rows_of_the_whole() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (60, 30, 4), dtype=np.uint8)
    pixels[..., 3] = np.random.default_rng(2).random((60, 30)) > 0.99
    whole = spread_color(pixels)
    strip = spread_color(pixels[20 - REACH : 35 + REACH])[REACH:-REACH]
    assert np.array_equal(strip, whole[20:35])
    assert not np.array_equal(strip, pixels[20:35, :, :3])


@pytest.mark.parametrize("alpha", [0, 255])
def test_nothing_to_spread(alpha: int) -> None:
    pixels = np.random.default_rng(3).integers(0, 256, (5, 5, 2), dtype=np.uint8)
    pixels[..., 1] = alpha
    assert np.array_equal(spread_color(pixels), pixels[..., :1])
