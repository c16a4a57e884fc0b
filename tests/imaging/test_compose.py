"""The large color picture: against the textbook route, neutral grays, strips."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sesr.imaging.color import BT601_LIMITED
from sesr.imaging.compose import compose_rgb, network_luma
from sesr.imaging.resize import upscale
from sesr.imaging.taps import KERNEL_RADIUS


def pair(height: int, width: int, scale: int) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """A noisy large luma and a noisy small picture."""
    source = np.random.default_rng(height * width)
    luma = source.random((height * scale, width * scale), np.float32)
    return luma, source.integers(0, 256, (height, width, 3), dtype=np.uint8)


def to_ycbcr(rgb: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The textbook's matrix: MATLAB's rgb2ycbcr before rounding."""
    matrix = np.array([[65.481, 128.553, 24.966], [-37.797, -74.203, 112.0], [112.0, -93.786, -18.214]])
    ycbcr: NDArray[np.float64] = rgb @ matrix.T / 255 + [16, 128, 128]
    return ycbcr


def to_rgb(ycbcr: NDArray[np.float64]) -> NDArray[np.float64]:
    """The textbook's equations, the other way round."""
    y, cb, cr = np.moveaxis(ycbcr - [16, 128, 128], -1, 0)
    red, blue = 1.402 * 255 / 224 * cr, 1.772 * 255 / 224 * cb
    gray = y * 255 / 219
    return np.stack([gray + red, gray - (0.299 * red + 0.114 * blue) / 0.587, gray + blue], axis=-1)


def test_network_luma_is_limited_luma_over_255() -> None:
    rgb = pair(300, 400, 2)[1]
    expected = BT601_LIMITED.luma(rgb.astype(np.float64)) / 255
    result = network_luma(rgb)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, expected, rtol=0, atol=3e-7)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_equals_the_textbook_route(scale: int) -> None:
    luma, rgb = pair(120, 150, scale)
    chroma = upscale(to_ycbcr(rgb), scale)[..., 1:]
    expected = to_rgb(np.concatenate([luma[..., None] * np.float64(255), chroma], axis=-1))
    off = np.abs(compose_rgb(luma, rgb, scale) - np.clip(expected, 0, 255))
    assert float(off.max()) <= 0.5 + 1e-3


def test_neutral_stays_neutral() -> None:
    luma, rgb = pair(40, 50, 2)
    gray = np.repeat(rgb[..., :1], 3, axis=2)
    result = compose_rgb(luma, gray, 2)
    assert np.array_equal(result[..., 0], result[..., 1])
    assert np.array_equal(result[..., 0], result[..., 2])
    assert len(np.unique(result)) == 256


def test_large_colors_keep_the_small_ones_luma() -> None:
    """With luma from bicubic instead of a network, the result is the plain bicubic enlargement."""
    rgb = np.random.default_rng(0).integers(60, 196, (30, 40, 3), dtype=np.uint8)
    plain = upscale(rgb.astype(np.float32), 2)
    assert float(np.abs(compose_rgb(upscale(network_luma(rgb), 2), rgb, 2) - plain).max()) <= 0.5 + 1e-3


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 25), st.integers(1, 9), st.sampled_from([2, 3, 4]), st.data())
def test_strip_with_context_has_the_whole_pictures_bits(h: int, w: int, scale: int, data: st.DataObject) -> None:
    first = data.draw(st.integers(0, h - 1))
    last = data.draw(st.integers(first + 1, h))
    luma, rgb = pair(h, w, scale)
    begin, end = max(first - KERNEL_RADIUS, 0), min(last + KERNEL_RADIUS, h)
    strip = compose_rgb(luma[begin * scale : end * scale], rgb[begin:end], scale)
    kept = strip[(first - begin) * scale : (last - begin) * scale]
    assert np.array_equal(kept, compose_rgb(luma, rgb, scale)[first * scale : last * scale])
