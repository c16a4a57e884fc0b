"""Parts that stand still: copied rows and computed rows make the very frame that a whole run makes."""

from collections.abc import Sequence
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.engines.test_planes import codes

from sesr.engines.native import NativeEngine
from sesr.engines.planes import Plane
from sesr.errors import UsageError
from sesr.imaging.taps import KERNEL_RADIUS
from sesr.network.quantized import load_network
from sesr.network.zoo import find_network
from sesr.video.planes import ChromaSiting, PlaneFormat, Planes, Subsampling
from sesr.video.upscaler import VideoUpscaler

FORMS = st.builds(
    PlaneFormat,
    width=st.integers(1, 12),
    height=st.integers(1, 90),
    subsampling=st.sampled_from(Subsampling),
    depth=st.sampled_from([8, 10]),
    full_range=st.booleans(),
    siting=st.sampled_from(ChromaSiting),
)
WISHES = st.sampled_from([(2.0, "m5"), (2.0, "m3"), (1.5, "m5"), (3.0, "m3"), (4.0, "m5"), (5.0, "m5"), (1.0, "m5")])
"""Scales and networks: direct, shrunk, two networks, none; int8 and float."""


@cache
def loaded(scale: float, model: str) -> VideoUpscaler:
    return VideoUpscaler(PlaneFormat(8, 8), scale, model=model)


def upscaler_of(form: PlaneFormat, scale: float = 2, model: str = "m5") -> VideoUpscaler:
    return loaded(scale, model).for_frames(form)


def frame(form: PlaneFormat, seed: int) -> Planes:
    return tuple(codes(*shape, form.depth, seed + each) for each, shape in enumerate(form.shapes))


def changed(planes: Planes, data: st.DataObject) -> Planes:
    """The frame with some rows of some planes changed, by one code or by many, in one place or all along."""
    after = tuple(plane.copy() for plane in planes)
    for plane in after:
        for row in data.draw(st.sets(st.integers(0, len(plane) - 1), max_size=4)):
            start = data.draw(st.integers(0, plane.shape[1] - 1))
            plane[row, start : start + data.draw(st.integers(1, 12))] ^= data.draw(st.sampled_from([1, 255]))
    return after


def assert_equal(found: Sequence[Plane], wanted: Sequence[Plane]) -> None:
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(one, other)


@settings(max_examples=60, deadline=None)
@given(FORMS, WISHES, st.integers(0, 99), st.data())
def test_updates_equal_whole_runs(form: PlaneFormat, wish: tuple[float, str], seed: int, data: st.DataObject) -> None:
    upscaler = upscaler_of(form, *wish)
    before = frame(form, seed)
    after = changed(before, data)
    changes = upscaler.changes(before, after)
    assert changes.none == all((one == other).all() for one, other in zip(before, after, strict=True))
    old, wanted = upscaler.run(before), upscaler.run(after)
    assert_equal(upscaler.update(after, changes, lambda: old), wanted)
    for mask, one, other in zip(changes.rows, old, wanted, strict=True):
        assert (one != other).any(axis=1)[~mask].sum() == 0
    assert_equal(upscaler.update(after, changes, lambda: old, out=old), wanted)  # in place


@settings(max_examples=20, deadline=None)
@given(st.sampled_from([2.0, 1.5, 4.0]), st.integers(0, 299), st.integers(0, 149), st.integers(0, 99))
def test_few_rows_are_computed(scale: float, row: int, chroma_row: int, seed: int) -> None:
    """A row of luma reaches as far as the network does, and one of chroma as far as bicubic."""
    form = PlaneFormat(4, 300)
    upscaler = upscaler_of(form, scale)
    before = frame(form, seed)
    luma, u, v = (plane.copy() for plane in before)
    luma[row] ^= 1
    v[chroma_row] ^= 1
    changes = upscaler.changes(before, (luma, u, v))
    counts = [int(mask.sum()) for mask in changes.rows]
    margin = 0 if scale == int(scale) else 8
    assert 0 < counts[0] <= scale * (2 * reach(scale) + 1) + margin
    assert counts[1] == 0
    assert 0 < counts[2] <= scale * (2 * KERNEL_RADIUS + 1) + margin
    assert not changes.none
    assert not changes.all


@cache
def reach(scale: float) -> int:
    file = find_network("m5-int8", 4 if scale > 2 else 2).safetensors
    assert file is not None
    return NativeEngine(load_network(file)).receptive_radius


def test_only_changed_rows_are_computed_and_the_others_copied() -> None:
    """A result before with marks in it: they stay where nothing changed, and are gone where something did."""
    form = PlaneFormat(8, 200, Subsampling.GRAY)
    upscaler = upscaler_of(form)
    (before,) = frame(form, 0)
    after = before.copy()
    after[100] ^= 1
    (wanted,) = upscaler.run((after,))
    marked = wanted ^ 1
    changes = upscaler.changes((before,), (after,))
    (found,) = upscaler.update((after,), changes, lambda: (marked,))
    kept = (found == marked).all(axis=1)
    assert kept.sum() >= 400 - 2 * (2 * reach(2) + 1)
    np.testing.assert_array_equal(found[~kept], wanted[~kept])
    np.testing.assert_array_equal(kept, ~changes.rows[0])


def test_the_result_before_is_asked_for_last_and_only_if_needed() -> None:
    form = PlaneFormat(8, 60, Subsampling.GRAY)
    upscaler = upscaler_of(form)
    (before,) = frame(form, 0)
    after = before.copy()
    after[30] ^= 1
    out, (wanted,) = np.zeros((120, 16), np.uint8), upscaler.run((after,))
    changes = upscaler.changes((before,), (after,))

    def previous() -> Planes:
        np.testing.assert_array_equal(out[changes.rows[0]], wanted[changes.rows[0]])
        return upscaler.run((before,))

    upscaler.update((after,), changes, previous, (out,))
    np.testing.assert_array_equal(out, wanted)

    everything = upscaler.changes((before,), (before ^ 1,))
    assert everything.all

    def never() -> Planes:
        raise AssertionError("not needed")

    assert_equal(upscaler.update((before ^ 1,), everything, never), upscaler.run((before ^ 1,)))


def test_a_result_before_of_another_form() -> None:
    form = PlaneFormat(8, 60, Subsampling.GRAY)
    upscaler, planes = upscaler_of(form), frame(form, 0)
    with pytest.raises(UsageError, match="the result before must be planes"):
        upscaler.update(planes, upscaler.changes(planes, planes), lambda: planes)
