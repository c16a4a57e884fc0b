"""Engines for pictures: the adapter around luma, and our own engine, which is one by itself."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.fakes import Nearest, float_network

from sesr.engines.native import NativeEngine
from sesr.engines.pictures import AroundLuma, PictureEngine, picture_engine
from sesr.errors import UsageError
from sesr.imaging.resize import upscale as bicubic
from sesr.network.variants import SESRConfig

NATIVE = NativeEngine(float_network(SESRConfig(m=1, f=4)), 1)
ENGINES: list[PictureEngine] = [NATIVE, AroundLuma(NATIVE), AroundLuma(Nearest())]


def picture(height: int, width: int, channels: int, depth: int) -> NDArray[np.uint8] | NDArray[np.uint16]:
    shape = (height, width) if channels == 1 else (height, width, channels)
    dtype = np.uint8 if depth == 8 else np.uint16
    return np.random.default_rng(height * 99 + width).integers(0, 2**depth, shape, dtype)


def test_an_engine_for_pictures_is_taken_as_it_is_and_others_are_wrapped() -> None:
    assert picture_engine(NATIVE) is NATIVE
    assert isinstance(picture_engine(Nearest()), AroundLuma)


@pytest.mark.parametrize("channels", [1, 3])
def test_the_adapter_makes_what_our_own_engine_makes(channels: int) -> None:
    pixels = picture(31, 22, channels, 8)
    difference = NATIVE.enlarge(pixels).astype(int) - AroundLuma(NATIVE).enlarge(pixels)
    assert np.abs(difference).max() <= 1
    assert (difference != 0).mean() < 1e-3


@settings(deadline=None, max_examples=40)
@given(data=st.data(), channels=st.sampled_from([1, 3]), depth=st.sampled_from([8, 16]))
def test_a_part_is_cut_out_of_the_whole(data: st.DataObject, channels: int, depth: int) -> None:
    """With all of the strip as context, the part asked for is the same part of the whole, for every engine."""
    engine = data.draw(st.sampled_from(ENGINES))
    pixels = picture(24, 19, channels, depth)
    rows, columns = (
        slice(*sorted(data.draw(st.lists(st.integers(0, side), min_size=2, max_size=2, unique=True))))
        for side in (24, 19)
    )
    larger = tuple(slice(span.start * 2, span.stop * 2) for span in (rows, columns))
    part, whole = engine.enlarge(pixels, rows, columns), engine.enlarge(pixels)
    assert part.dtype == pixels.dtype
    np.testing.assert_array_equal(part, whole[larger])
    alpha = pixels if channels == 1 else pixels[..., 0]
    np.testing.assert_array_equal(engine.enlarge_alpha(alpha, rows, columns), bicubic(alpha, 2)[larger])


def test_luma_of_pictures_is_not_rounded_to_8_bits() -> None:
    luma = np.random.default_rng(0).random((9, 12), np.float32)
    for engine in ENGINES:
        result = engine.enlarge_luma(luma)
        assert result.shape == (18, 24)
        assert not np.allclose(result * 255, np.rint(result * 255))


@pytest.mark.parametrize("shape", [(4,), (4, 4, 2), (0, 4), (4, 4, 4)])
def test_other_shapes_are_refused_by_our_own_engine(shape: tuple[int, ...]) -> None:
    with pytest.raises(UsageError, match="a picture must be"):
        NATIVE.enlarge(np.zeros(shape, np.uint8))
