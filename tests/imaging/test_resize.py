"""Bicubic resizing against the definition in exact fractions, and against MATLAB's own pictures."""

from collections.abc import Callable
from fractions import Fraction
from math import floor
from operator import mul
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from tests.kernels import cubic, drawn

from sesr.errors import UsageError
from sesr.imaging import passes
from sesr.imaging.resize import Resizing, downscale, imresize, upscale
from sesr.imaging.taps import KERNEL_RADIUS

Exact = list[list[Fraction]]
SIDES = st.integers(1, 13)


def dense_matrix(size: int, wanted: int) -> Exact:
    """The weights of one axis, (wanted, size): the whole mirrored line summed, no limits worked out."""
    ratio = Fraction(size, wanted)
    stretch = max(ratio, Fraction(1))
    rows = []
    for i in range(wanted):
        centre = (i + Fraction(1, 2)) * ratio - Fraction(1, 2)
        row = [Fraction(0)] * size
        for n in range(-2 * size - 9, 3 * size + 9):
            source = n % (2 * size)
            row[source if source < size else 2 * size - 1 - source] += cubic((n - centre) / stretch)
        rows.append([weight / sum(row) for weight in row])
    return rows


def product(matrix: Exact, picture: Exact) -> Exact:
    columns = transposed(picture)
    return [[sum(map(mul, row, column), Fraction(0)) for column in columns] for row in matrix]


def transposed(picture: Exact) -> Exact:
    return [list(column) for column in zip(*picture, strict=True)]


def eight_bit(picture: Exact) -> Exact:
    """Rounded, halves up (what lies below 0 is clipped anyway), then clipped."""
    return [[Fraction(min(max(floor(v + Fraction(1, 2)), 0), 255)) for v in row] for row in picture]


def exact(picture: Exact) -> Exact:
    return picture


def reference(image: NDArray[np.generic], height: int, width: int, store: Callable[[Exact], Exact]) -> Exact:
    """Both passes from the definition, in exact fractions, the axis that shrinks most first."""
    picture = [[Fraction(float(v)) for v in row] for row in image.astype(np.float64)]
    down, across = dense_matrix(image.shape[0], height), dense_matrix(image.shape[1], width)
    if Fraction(width, image.shape[1]) < Fraction(height, image.shape[0]):
        turned = store(product(across, transposed(picture)))
        return store(product(down, transposed(turned)))
    turned = transposed(store(product(down, picture)))
    return transposed(store(product(across, turned)))


def test_impulse_shows_the_kernels_weights() -> None:
    line = np.zeros((1, 17), np.float64)
    line[0, 8] = 128
    assert upscale(line, 2)[0, 12:22].tolist() == [0, -3, -9, 29, 111, 111, 29, -9, -3, 0]
    assert (2 * downscale(np.repeat(line, 2, axis=0), 2))[0].tolist() == [0, 0, -3, 29, 111, -9, 0, 0]


@pytest.mark.parametrize(("height", "width"), [(8, 12), (4, 4), (12, 20)])
@pytest.mark.parametrize("scale", [2, 4])
def test_eight_bit_equals_the_definition(height: int, width: int, scale: int) -> None:
    image = drawn(height, width)
    small = reference(image, height // scale, width // scale, eight_bit)
    large = reference(image, height * scale, width * scale, eight_bit)
    assert downscale(image, scale).tolist() == small
    assert upscale(image, scale).tolist() == large
    assert {0, 255} <= {int(v) for row in large for v in row}


@settings(max_examples=40, deadline=None)
@given(SIDES, SIDES, SIDES, SIDES, st.integers(0, 99))
def test_any_size_equals_the_definition(h: int, w: int, height: int, width: int, seed: int) -> None:
    image = drawn(h, w, seed).astype(np.float64)
    expected = np.array(reference(image, height, width, exact), dtype=np.float64)
    np.testing.assert_allclose(imresize(image, height, width), expected, rtol=0, atol=1e-11)
    single = imresize(image.astype(np.float32), height, width)
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, expected, rtol=0, atol=2e-4)


def test_rounding_between_passes_goes_along_the_axis_that_shrinks_most_first() -> None:
    image = drawn(12, 16, seed=3)
    assert imresize(image, 6, 4).tolist() == reference(image, 6, 4, eight_bit)
    assert imresize(image, 3, 8).tolist() == reference(image, 3, 8, eight_bit)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 30), st.integers(1, 9), st.sampled_from([2, 3, 4]), st.data())
def test_strip_with_context_has_the_whole_pictures_bits(h: int, w: int, scale: int, data: st.DataObject) -> None:
    first = data.draw(st.integers(0, h - 1))
    last = data.draw(st.integers(first + 1, h))
    halo = data.draw(st.integers(KERNEL_RADIUS, 5))
    plane = np.random.default_rng(h).random((h, w), np.float32)
    begin, end = max(first - halo, 0), min(last + halo, h)
    strip = upscale(plane[begin:end], scale)[(first - begin) * scale : (last - begin) * scale]
    assert np.array_equal(strip, upscale(plane, scale)[first * scale : last * scale])


def test_blocks_of_rows_leave_no_trace() -> None:
    """Wide enough for many blocks of one row, and compared with few wide ones."""
    wide = np.random.default_rng(0).random((40, 70_000), np.float32)
    middle = slice(30_000, 30_100)
    context = slice(middle.start - 3, middle.stop + 3)
    assert np.array_equal(upscale(wide, 2)[:, 60_000:60_200], upscale(wide[:, context], 2)[:, 6:-6])
    assert np.array_equal(downscale(wide, 4)[:, 100:200], downscale(wide[:, :1200], 4)[:, 100:200])


@settings(max_examples=150, deadline=None)
@given(SIDES, SIDES, SIDES, SIDES, st.sampled_from([np.uint8, np.uint16, np.float32]), st.data())
def test_any_rows_have_the_whole_pictures_bits(
    h: int, w: int, height: int, width: int, dtype: type[np.generic], data: st.DataObject
) -> None:
    """In pieces as small as can be, too."""
    image = drawn(h, 3 * w).reshape(h, w, 3).astype(dtype)
    image *= dtype(257 if dtype == np.uint16 else 1)
    whole = imresize(image, height, width)
    top = data.draw(st.integers(0, height - 1))
    bottom = data.draw(st.integers(top + 1, height))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passes, "_PIECE", data.draw(st.sampled_from([1, 60, 1 << 17])))
        patch.setattr(passes, "_ACROSS", data.draw(st.sampled_from([(1, 7), (512, 2048)])))
        patch.setattr(passes, "_BETWEEN_BYTES", data.draw(st.sampled_from([1, 100])))
        patch.setattr(passes, "_PERIODS", data.draw(st.sampled_from([1, 4, 1000])))
        plan = Resizing(h, w, height, width)
        first, last = plan.needed(top, bottom)
        rows = plan.rows(image[first:last], top, bottom)
    assert rows.dtype == dtype
    assert np.array_equal(rows, whole[top:bottom])


def test_rows_that_do_not_fit_are_refused() -> None:
    plan = Resizing(40, 30, 20, 15)
    assert plan.needed(10, 12) == (17, 27)
    with pytest.raises(ValueError, match="rows 17 to 27"):
        plan.rows(np.zeros((9, 30), np.uint8), 10, 12)


def test_channels_are_resized_apart() -> None:
    image = np.stack([drawn(9, 12, seed) for seed in range(3)], axis=-1)
    for height, width in [(18, 24), (3, 4), (5, 7)]:
        planes = [imresize(np.ascontiguousarray(image[..., c]), height, width) for c in range(3)]
        assert np.array_equal(imresize(image, height, width), np.stack(planes, axis=-1))


def test_sixteen_bits_use_their_own_range() -> None:
    edge = np.repeat(np.array([[0, 65535]], np.uint16), 4, axis=1).repeat(4, axis=0)
    large = upscale(edge, 2)
    assert large.dtype == np.uint16
    assert (large.min(), large.max()) == (0, 65535)


def test_downscale_crops_the_top_left() -> None:
    image = drawn(11, 15)
    assert np.array_equal(downscale(image, 4), downscale(image[:8, :12], 4))


def test_same_size_is_a_copy() -> None:
    image = drawn(5, 6)
    same = imresize(image, 5, 6)
    assert np.array_equal(same, image)
    assert not np.shares_memory(same, image)


@pytest.mark.parametrize(
    ("image", "height", "width", "message"),
    [
        (np.zeros((0, 4), np.uint8), 2, 2, "shape"),
        (np.zeros(4, np.uint8), 2, 2, "shape"),
        (np.zeros((4, 4), np.uint8), 0, 2, "at least 1"),
        (np.zeros((4, 4), np.int32), 2, 2, "int32"),
    ],
)
def test_impossible_calls(image: NDArray[np.generic], height: int, width: int, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        imresize(image, height, width)


def test_too_small_to_shrink() -> None:
    with pytest.raises(UsageError, match="3 x 9"):
        downscale(drawn(9, 3), 4)


@pytest.mark.parametrize("scale", [2, 4])
def test_every_matlab_picture_is_reproduced_exactly(shared: Path, scale: int) -> None:
    small_files = sorted((shared / "benchmark").glob(f"*/LR_bicubic/X{scale}/*.png"))
    assert len(small_files) == 119
    different = []
    for file in small_files:
        large = np.asarray(Image.open(file.parents[2] / "HR" / f"{file.stem.removesuffix(f'x{scale}')}.png"))
        if not np.array_equal(downscale(large, scale), np.asarray(Image.open(file))):
            different.append(file.name)
    assert not different


GOLDEN = Path(__file__).with_name("golden")
"""A drawn picture and its LR, stored when every MATLAB reference image was reproduced bit for bit."""


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_drawn_golden(scale: int) -> None:
    with Image.open(GOLDEN / "hr.png") as hr, Image.open(GOLDEN / f"lr_x{scale}.png") as lr:
        assert np.array_equal(downscale(np.asarray(hr), scale), np.asarray(lr))
