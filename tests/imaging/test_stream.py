"""Pictures in bands: whatever the cut, the bits are those of the whole."""

import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from weakref import ref

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sesr.errors import UsageError
from sesr.imaging import stream
from sesr.imaging.resize import Resizing, imresize
from sesr.imaging.stream import CHANNELS, Source, Stream, resized

Pixels = NDArray[Any]
SIDES = st.integers(1, 24)
MODES = st.sampled_from(sorted(CHANNELS))
DEPTHS = st.sampled_from([8, 16])


@dataclass(frozen=True)
class Whole:
    """A picture in memory as a source."""

    pixels: Pixels
    mode: str

    @property
    def height(self) -> int:
        return len(self.pixels)

    @property
    def width(self) -> int:
        return int(self.pixels.shape[1])

    @property
    def depth(self) -> int:
        return 8 * self.pixels.dtype.itemsize

    def rows(self, top: int, bottom: int) -> Pixels:
        return self.pixels[top:bottom]


def picture(height: int, width: int, mode: str, depth: int, seed: int = 0) -> Whole:
    """Noise with a good share of black and white; alpha is 0 or full in places."""
    dtype = np.uint8 if depth == 8 else np.uint16
    most = np.iinfo(dtype).max
    shape = (height, width) if mode == "L" else (height, width, CHANNELS[mode])
    values = np.random.default_rng(seed).integers(-most // 2, most * 3 // 2, shape)
    return Whole(np.clip(values, 0, most).astype(dtype), mode)


def cut(pixels: Pixels, sizes: list[int]) -> Iterator[Pixels]:
    """Bands of the given sizes, over and over."""
    top = 0
    while top < len(pixels):
        for size in sizes:
            if top < len(pixels):
                yield pixels[top : top + size].copy()
            top += size


def streamed(whole: Whole, sizes: list[int]) -> Stream:
    return Stream(cut(whole.pixels, sizes), whole.width, whole.height, whole.mode, whole.depth)


def joined(source: Source, width: int, height: int, band_bytes: int = 1, least_rows: int = 3) -> Pixels:
    """All that `resized` gives, in low bands."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stream, "_BAND_BYTES", band_bytes)
        patch.setattr(stream, "_LEAST_ROWS", least_rows)
        return np.concatenate(list(resized(source, width, height)))


@given(st.integers(1, 30), MODES, DEPTHS, st.lists(st.integers(1, 9), min_size=1), st.data())
def test_rows_are_those_of_the_picture(
    height: int, mode: str, depth: int, sizes: list[int], data: st.DataObject
) -> None:
    whole = picture(height, 3, mode, depth)
    source = streamed(whole, sizes)
    for top in sorted(data.draw(st.lists(st.integers(0, height - 1)))):
        bottom = data.draw(st.integers(top + 1, height))
        rows = source.rows(top, bottom)
        assert rows.dtype == whole.pixels.dtype
        assert np.array_equal(rows, whole.pixels[top:bottom])


def test_rows_that_were_passed_are_let_go() -> None:
    alive: list[ref[Pixels]] = []

    def bands() -> Iterator[Pixels]:
        for _ in range(50):
            band = np.zeros((2, 5), np.uint8)
            alive.append(ref(band))
            yield band
            del band

    source = Stream(bands(), 5, 100, "L", 8)
    for top in range(0, 96, 3):
        source.rows(top, top + 4)
        assert sum(band() is not None for band in alive) <= 3
        assert len(alive) <= top // 2 + 3
    source.rows(99, 100)
    assert sum(band() is not None for band in alive) == 1


def test_rows_above_cannot_be_asked_for_again() -> None:
    source = streamed(picture(9, 3, "L", 8), [2])
    source.rows(4, 5)
    assert len(source.rows(4, 9)) == 5
    for top, bottom in [(3, 5), (5, 5), (6, 10)]:
        with pytest.raises(ValueError, match=f"rows {top} to {bottom} of 9, after rows from 4 on"):
            source.rows(top, bottom)


@pytest.mark.parametrize(
    ("bands", "message"),
    [
        ([], "ended after 0 of 4"),
        ([np.zeros((3, 5, 3), np.uint8)], "ended after 3 of 4"),
        ([np.zeros((5, 5, 3), np.uint8)], "5 rows after 0 of 4"),
        ([np.zeros((0, 5, 3), np.uint8)], "0 rows after 0 of 4"),
        ([np.zeros((4, 6, 3), np.uint8)], "8-bit RGB of 5"),
        ([np.zeros((4, 5), np.uint8)], "8-bit RGB of 5"),
        ([np.zeros((4, 5, 3), np.uint16)], "8-bit RGB of 5"),
    ],
)
def test_bands_that_do_not_fit_are_refused(bands: list[Pixels], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Stream(bands, 5, 4, "RGB", 8).rows(0, 4)


def test_what_the_bands_raise_goes_through() -> None:
    def failing() -> Iterator[Pixels]:
        yield np.zeros((1, 2), np.uint8)
        raise UsageError("no more")

    source = Stream(failing(), 2, 5, "L", 8)
    assert source.rows(0, 1).shape == (1, 2)
    with pytest.raises(UsageError, match="no more"):
        source.rows(0, 3)


@settings(max_examples=200, deadline=None)
@given(SIDES, SIDES, SIDES, SIDES, st.sampled_from(["L", "RGB"]), DEPTHS, st.lists(st.integers(1, 9), min_size=1))
def test_resized_equals_the_whole_resized(
    h: int, w: int, height: int, width: int, mode: str, depth: int, sizes: list[int]
) -> None:
    whole = picture(h, w, mode, depth)
    assert np.array_equal(joined(streamed(whole, sizes), width, height), imresize(whole.pixels, height, width))


@pytest.mark.parametrize(("height", "width"), [(450, 600), (333, 300), (331, 717), (1, 1), (900, 1)])
def test_larger_pictures_in_their_own_bands(height: int, width: int) -> None:
    whole = picture(600, 800, "RGB", 8)
    expected = imresize(whole.pixels, height, width)
    assert np.array_equal(np.concatenate(list(resized(streamed(whole, [7, 64]), width, height))), expected)
    assert np.array_equal(joined(streamed(whole, [7, 64]), width, height, 50_000, 8), expected)


@settings(max_examples=100, deadline=None)
@given(SIDES, SIDES, SIDES, SIDES, st.sampled_from(["LA", "RGBA"]), DEPTHS, st.floats(0, 1))
def test_constant_alpha_leaves_color_as_it_is_without(
    h: int, w: int, height: int, width: int, mode: str, depth: int, opacity: float
) -> None:
    whole = picture(h, w, mode, depth)
    whole.pixels[..., -1] = int(opacity * np.iinfo(whole.pixels.dtype).max)
    result = joined(streamed(whole, [4]), width, height)
    assert np.array_equal(result[..., :-1], imresize(whole.pixels[..., :-1], height, width))
    assert (result[..., -1] == whole.pixels[0, 0, -1]).all()


@settings(max_examples=100, deadline=None)
@given(SIDES, SIDES, SIDES, SIDES, st.sampled_from(["LA", "RGBA"]), DEPTHS)
def test_alpha_is_that_of_the_whole_resized_and_bands_leave_no_trace(
    h: int, w: int, height: int, width: int, mode: str, depth: int
) -> None:
    whole = picture(h, w, mode, depth)
    result = joined(streamed(whole, [4]), width, height)
    assert np.array_equal(result[..., -1], imresize(whole.pixels[..., -1], height, width))
    if (h, w) != (height, width):
        assert np.array_equal(result, Resizing(h, w, height, width).rows_seen(whole.pixels, 0, height))


@settings(max_examples=100, deadline=None)
@given(SIDES, SIDES, SIDES, SIDES, DEPTHS, st.integers(0, 99))
def test_a_cut_out_of_one_color_stays_so(h: int, w: int, height: int, width: int, depth: int, seed: int) -> None:
    """The color of transparent pixels does not show: there is no halo."""
    whole = picture(h, w, "RGBA", depth, seed)
    color = whole.pixels[0, 0, :-1].copy()
    whole.pixels[whole.pixels[..., -1] > 0, :-1] = color
    result = joined(whole, width, height)
    assert (result[result[..., -1] > 0][:, :-1] == color).all()


def weights(size: int, wanted: int) -> NDArray[np.float64]:
    """(wanted, size): what each output takes of each input."""
    matrix: NDArray[np.float64] = imresize(np.eye(size, dtype=np.float64), wanted, size)
    return matrix


def one_pass(matrix: NDArray[np.float64], pixels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Along the first axis of (n, m, C), color as seen over its alpha, by whole matrices."""
    alpha = np.tensordot(matrix, pixels[..., -1], 1)
    product = np.tensordot(matrix, pixels[..., :-1] * pixels[..., -1:], 1)
    plain = np.tensordot(matrix, pixels[..., :-1], 1)
    color = np.where(alpha[..., None] >= 0.5, product / np.maximum(alpha, 0.5)[..., None], plain)
    rounded: NDArray[np.float64] = np.floor(np.clip(np.dstack([color, alpha]), 0, 255) + 0.5)
    return rounded


@pytest.mark.parametrize(("height", "width"), [(30, 21), (37, 29), (60, 63), (13, 90)])
def test_color_is_weighted_by_alpha(height: int, width: int) -> None:
    h, w = 40, 42
    whole = picture(h, w, "RGBA", 8)
    down, across = (weights(h, height), 0), (weights(w, width), 1)
    expected = whole.pixels.astype(np.float64)
    for matrix, axis in [across, down] if width * h < height * w else [down, across]:
        expected = one_pass(matrix, expected.swapaxes(0, axis)).swapaxes(0, axis)
    result = joined(whole, width, height)
    assert np.mean(result == expected) > 0.999  # halves may fall to either side


def test_the_same_size_is_passed_on() -> None:
    whole = picture(30, 5, "RGBA", 16)
    bands = list(resized(whole, 5, 30))
    assert all(np.shares_memory(band, whole.pixels) for band in bands)
    assert np.array_equal(np.concatenate(bands), whole.pixels)


def test_impossible_sizes() -> None:
    with pytest.raises(UsageError, match="at least 1"):
        next(resized(picture(3, 3, "L", 8), 0, 4))


@pytest.mark.parametrize(("width", "height"), [(1500, 15_000), (1400, 15_000)])
def test_memory_does_not_grow_with_the_height(width: int, height: int) -> None:
    bands = (np.zeros((100, 2000), np.uint8) for _ in range(200))
    tracemalloc.start()
    try:
        rows = sum(len(band) for band in resized(Stream(bands, 2000, 20_000, "L", 8), width, height))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert rows == height
    assert peak < 22e6
