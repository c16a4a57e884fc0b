"""Planes whose samples lie beside luma's, resized: against the definition in exact fractions."""

from fractions import Fraction
from math import floor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.kernels import cubic, drawn

from sesr.errors import UsageError
from sesr.imaging.resize import imresize, upscale
from sesr.imaging.sited import SitedResizing, Siting, upscale_sited

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
