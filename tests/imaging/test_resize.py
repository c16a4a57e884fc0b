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

from sesr.errors import UsageError
from sesr.imaging import passes
from sesr.imaging.resize import Resizing, downscale, imresize, upscale
from sesr.imaging.sited import SitedResizing, Siting, upscale_sited
from sesr.imaging.taps import KERNEL_RADIUS

Exact = list[list[Fraction]]
SIDES = st.integers(1, 13)


def cubic(x: Fraction) -> Fraction:
    """Keys' kernel with a = -1/2, as textbooks print it."""
    x, a = abs(x), Fraction(-1, 2)
    if x <= 1:
        return (a + 2) * x**3 - (a + 3) * x**2 + 1
    return a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a if x < 2 else Fraction(0)


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


def drawn(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    """Noise of hard black and white with grays between: it overshoots and clips everywhere."""
    values = np.random.default_rng(seed).integers(-200, 456, (height, width))
    return np.clip(values, 0, 255).astype(np.uint8)


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


PLANES = st.tuples(st.integers(1, 12), st.integers(1, 12), st.sampled_from([2, 3, 4]))
SITINGS = st.tuples(st.sampled_from(Siting), st.sampled_from(Siting))


def mirrored(i: int, size: int) -> int:
    """The pixel that stands for pixel i of a line that is repeated backwards beyond its ends."""
    i %= 2 * size
    return i if i < size else 2 * size - 1 - i


def sited_weights(size: int, step: Fraction, wanted: int, siting: Siting) -> NDArray[np.float64]:
    """Weights (wanted, size) from exact fractions: output j lies at (j + s) * step - s.

    The kernel is `step` times as wide when shrinking.
    """
    share, stretch = Fraction(int(siting), 4), max(step, Fraction(1))
    weights = np.zeros((wanted, size))
    for j in range(wanted):
        center = (j + share) * step - share
        taps = range(floor(center - 2 * stretch), floor(center + 2 * stretch) + 2)
        exact = {tap: cubic((tap - center) / stretch) for tap in taps}
        total = sum(exact.values())
        for tap, weight in exact.items():
            weights[j, mirrored(tap, size)] += float(weight / total)
    return weights


def sited_plane(
    plane: NDArray[np.generic], steps: tuple[Fraction, Fraction], size: tuple[int, int], siting: tuple[Siting, Siting]
) -> NDArray[np.float64]:
    """A plane resized by the definition, not rounded."""
    down, across = (sited_weights(*each) for each in zip(plane.shape, steps, size, siting, strict=True))
    result: NDArray[np.float64] = down @ plane.astype(np.float64) @ across.T
    return result


@settings(max_examples=60, deadline=None)
@given(PLANES, SITINGS, st.sampled_from([8, 10, 16]), st.integers(0, 99), st.data())
def test_sited_planes_equal_the_definition(
    size: tuple[int, int, int], siting: tuple[Siting, Siting], depth: int, seed: int, data: st.DataObject
) -> None:
    h, w, scale = size
    height, width = (scale * n + data.draw(st.integers(1 - scale, scale - 1)) for n in (h, w))
    most = 2**depth - 1
    plane = np.clip(np.random.default_rng(seed).integers(-most, 2 * most, (h, w)), 0, most)
    plane = plane.astype(np.uint8 if depth == 8 else np.uint16)
    wanted = sited_plane(plane, (Fraction(1, scale), Fraction(1, scale)), (height, width), siting).clip(0, most)
    result = upscale_sited(plane, scale, height, width, siting, depth)
    assert result.dtype == plane.dtype
    assert abs(result - wanted).max() <= 0.5 + most * 1e-6


STEPS = st.fractions(Fraction(1, 5), 5, max_denominator=40)


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(st.integers(1, 14), st.integers(1, 14)),
    st.tuples(STEPS, STEPS),
    SITINGS,
    st.sampled_from([8, 10, 16]),
    st.integers(0, 99),
    st.data(),
)
def test_any_step_equals_the_definition(
    size: tuple[int, int],
    steps: tuple[Fraction, Fraction],
    siting: tuple[Siting, Siting],
    depth: int,
    seed: int,
    data: st.DataObject,
) -> None:
    """Larger and smaller, whole and by rows; `sources` names all rows that count, and `needed` what is read."""
    most = 2**depth - 1
    plane = np.clip(np.random.default_rng(seed).integers(-most, 2 * most, size), 0, most)
    plane = plane.astype(np.uint8 if depth == 8 else np.uint16)
    height, width = (max(round(n / step), 1) for n, step in zip(size, steps, strict=True))
    resizing = SitedResizing(size[0], size[1], height, width, steps, siting)
    result = resizing.rows(plane, 0, height, depth)
    assert result.dtype == plane.dtype
    wanted = sited_plane(plane, steps, (height, width), siting).clip(0, most)
    assert abs(result - wanted).max() <= 0.5 + most * 1e-6

    top = data.draw(st.integers(0, height - 1))
    bottom = data.draw(st.integers(top + 1, height))
    first, last = resizing.needed(top, bottom)
    np.testing.assert_array_equal(resizing.rows(plane[first:last], top, bottom, depth), result[top:bottom])

    row = data.draw(st.integers(0, height - 1))
    others = np.setdiff1d(np.arange(size[0]), resizing.sources()[row])
    changed = plane.copy()
    changed[others] ^= most
    np.testing.assert_array_equal(resizing.rows(changed, 0, height, depth)[row], result[row])


def test_steps_are_the_sizes_by_default() -> None:
    plane = drawn(12, 9)
    resized = SitedResizing(12, 9, 9, 6).rows(plane, 0, 9)
    once = np.floor(np.clip(imresize(plane.astype(np.float64), 9, 6), 0, 255) + 0.5)
    assert abs(resized - once).max() <= 1
    assert (resized != once).mean() < 0.05


def test_impossible_sited_resizing() -> None:
    with pytest.raises(UsageError, match="steps of resizing must be above 0, not 0 and 1"):
        SitedResizing(4, 4, 4, 4, (Fraction(0), Fraction(1)))
    with pytest.raises(UsageError, match="cannot resize to 4 x 0"):
        SitedResizing(4, 4, 0, 4)
    resizing = SitedResizing(8, 4, 4, 4)
    with pytest.raises(UsageError, match="must be uint8 or uint16"):
        resizing.rows(np.zeros((8, 4), np.float32), 0, 4)
    with pytest.raises(ValueError, match=r"\(3, 4\) for rows 0 to 8 of planes 4 wide"):
        resizing.rows(np.zeros((3, 4), np.uint8), 0, 4)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_sited_in_the_middle_is_bicubic_rounded_once(scale: int) -> None:
    plane = drawn(9, 7)
    once = np.floor(np.clip(imresize(plane.astype(np.float64), 9 * scale, 7 * scale), 0, 255) + 0.5)
    result = upscale_sited(plane, scale, 9 * scale, 7 * scale)
    assert (result != once).mean() < 0.001
    assert (result != upscale(plane, scale)).any()


def test_chroma_stays_where_luma_is() -> None:
    """A ramp over luma, sampled on every second pixel from the first, is a ramp over the enlarged luma again."""
    for scale in (2, 3, 4):
        luma = np.arange(64) * 8.0
        fine = (np.arange(64 * scale) + 0.5) / scale * 8 - 4  # the same ramp, on the enlarged luma's pixels
        for siting, chroma, goal in (
            (Siting.FIRST, luma[::2], fine[::2]),
            (Siting.LAST, luma[1::2], fine[1::2]),
            (Siting.CENTER, (luma[::2] + luma[1::2]) / 2, (fine[::2] + fine[1::2]) / 2),
        ):
            plane = np.tile(chroma * 64, (4, 1)).astype(np.uint16)
            result = upscale_sited(plane, scale, 4 * scale, 32 * scale, (Siting.CENTER, siting))
            inner = slice(3 * scale, -3 * scale)
            assert abs(result[:, inner] / 64 - goal[inner]).max() < 1 / 64


@pytest.mark.parametrize(
    ("plane", "scale", "size", "depth", "message"),
    [
        (np.zeros((4, 5), np.float32), 2, (8, 10), None, "uint8 or uint16"),
        (np.zeros((4, 5, 3), np.uint8), 2, (8, 10), None, "must be uint8 or uint16 \\(H, W\\)"),
        (np.zeros((0, 5), np.uint8), 2, (0, 10), None, "must be uint8 or uint16 \\(H, W\\)"),
        (np.zeros((4, 5), np.uint8), 5, (20, 25), None, "scale must be 2, 3 or 4, not 5"),
        (np.zeros((4, 5), np.uint8), 2, (8, 12), None, "does not have the size"),
        (np.zeros((4, 5), np.uint8), 2, (6, 10), None, "does not have the size"),
        (np.zeros((4, 5), np.uint8), 2, (8, 10), 9, "uint8 does not hold 9 bits"),
    ],
)
def test_impossible_sited_planes(
    plane: NDArray[np.generic], scale: int, size: tuple[int, int], depth: int | None, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        upscale_sited(plane, scale, *size, depth=depth)
