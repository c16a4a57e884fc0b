"""Planes of frames: luma equals the engine's, chroma equals the resampler with its siting, at any size and depth."""

from dataclasses import replace
from fractions import Fraction
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.engines.test_planes import LAYOUTS, Layout, by_numpy, codes

from sesr.engines.native import NativeEngine
from sesr.engines.planes import Plane
from sesr.errors import UsageError
from sesr.imaging.resize import imresize
from sesr.imaging.sited import SitedResizing, upscale_sited
from sesr.network import zoo
from sesr.network.quantized import load_network
from sesr.network.zoo import find_network, list_networks
from sesr.video import upscaler
from sesr.video.planes import ChromaSiting, PlaneFormat, Planes, Subsampling
from sesr.video.upscaler import VideoUpscaler

SOME = settings(max_examples=30, deadline=None)


@cache
def shipped(name: str, scale: int) -> NativeEngine:
    file = find_network(name, scale).safetensors
    assert file is not None
    return NativeEngine(load_network(file), 1)


@cache
def loaded(scale: float, model: str) -> VideoUpscaler:
    int8 = False if model == "xl" else None
    return VideoUpscaler(PlaneFormat(8, 8), scale, model=model, int8=int8)


def upscaler_of(form: PlaneFormat, scale: float, model: str = "m5") -> VideoUpscaler:
    return loaded(scale, model).for_frames(form)


def frame(form: PlaneFormat, seed: int = 0) -> Planes:
    return tuple(codes(*shape, form.depth, seed + each) for each, shape in enumerate(form.shapes))


def by_engine(engine: NativeEngine, luma: Plane, form: PlaneFormat) -> Plane:
    if form.depth == 8 and not form.full_range:
        return engine.run_bytes(luma)
    return by_numpy(engine, luma, form.depth, full_range=form.full_range)


def assert_equal(found: Planes, wanted: Planes) -> None:
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(one, other)


FORMS = st.builds(
    PlaneFormat,
    width=st.integers(1, 40),
    height=st.integers(1, 24),
    subsampling=st.sampled_from(Subsampling),
    depth=st.sampled_from([8, 10, 12]),
    full_range=st.booleans(),
    siting=st.sampled_from(ChromaSiting),
)


@SOME
@given(FORMS, st.sampled_from([2, 4]), st.sampled_from(["m5-int8", "xl"]), st.integers(0, 99))
def test_whole_scales_are_the_engines_and_the_siteds(form: PlaneFormat, scale: int, name: str, seed: int) -> None:
    upscaler, planes = upscaler_of(form, scale, name), frame(form, seed)
    luma, *chroma = upscaler.run(planes)
    assert upscaler.target == form.resized(form.width * scale, form.height * scale)
    wanted = by_engine(shipped(name, scale), planes[0], form)
    np.testing.assert_array_equal(luma, wanted)
    for plane, source, shape in zip(chroma, planes[1:], upscaler.target.shapes[1:], strict=True):
        np.testing.assert_array_equal(plane, upscale_sited(source, scale, *shape, form.chroma_places, form.depth))


@pytest.mark.parametrize("name", ["m5-int8", "m5"])
def test_luma_is_the_engines_result_bit_for_bit(name: str) -> None:
    form = PlaneFormat(75, 41)
    planes = frame(form)
    luma = VideoUpscaler(form, model=name, int8=False).run(planes)[0]
    np.testing.assert_array_equal(luma, shipped(name, 2).run_bytes(planes[0]))


@SOME
@given(FORMS, st.sampled_from([1.5, 3, 2.7]), st.integers(0, 99))
def test_other_scales_shrink_a_networks_result(form: PlaneFormat, scale: float, seed: int) -> None:
    upscaler, planes = upscaler_of(form, scale), frame(form, seed)
    target = upscaler.target
    times = max(target.width / form.width, target.height / form.height)
    luma, *chroma = upscaler.run(planes)
    if times <= 4:
        alone = upscaler_of(form, next(each for each in (2, 3, 4) if times <= each))
        whole = alone.target.width % form.width == alone.target.height % form.height == 0
        assume(whole)  # else an odd side was made even, and a larger network's result shrunk to it
        larger = alone.run(planes)[0]
        wanted = SitedResizing(larger.shape[0], larger.shape[1], target.height, target.width).rows(
            larger, 0, len(luma), form.depth
        )
        np.testing.assert_array_equal(luma, wanted)
    steps = Fraction(form.height, target.height), Fraction(form.width, target.width)
    for plane, source, shape in zip(chroma, planes[1:], target.shapes[1:], strict=True):
        resizing = SitedResizing(source.shape[0], source.shape[1], shape[0], shape[1], steps, form.chroma_places)
        np.testing.assert_array_equal(plane, resizing.rows(source, 0, shape[0], form.depth))


def test_shrunk_luma_is_a_pictures_but_rounded_once() -> None:
    form = PlaneFormat(64, 48, Subsampling.GRAY)
    planes = frame(form)
    (luma,) = VideoUpscaler(form, 1.5).run(planes)
    larger = shipped("m5-int8", 2).run_bytes(planes[0]).astype(np.float64)
    once = np.floor(np.clip(imresize(larger, 72, 96), 0, 255) + 0.5)
    assert abs(luma - once).max() <= 1
    assert (luma != once).mean() < 0.001


def test_sides_with_subsampled_chroma_become_even() -> None:
    def size(subsampling: Subsampling, scale: float, size: str | None = None) -> tuple[int, int]:
        form = PlaneFormat(5, 7, subsampling)
        target = VideoUpscaler(form, None if size else scale, size=size).target
        return target.width, target.height

    assert size(Subsampling.YUV420, 2) == (10, 14)
    assert size(Subsampling.YUV420, 3) == (16, 22)
    assert size(Subsampling.YUV422, 3) == (16, 21)
    assert size(Subsampling.YUV444, 3) == (15, 21)
    assert size(Subsampling.GRAY, 1.5) == (8, 11)
    assert size(Subsampling.YUV420, 1.5) == (8, 12)
    assert size(Subsampling.YUV420, 0, "14x") == (14, 20)
    with pytest.raises(UsageError, match="4:2:0 cannot be 15 x 21: sides with subsampled chroma are even; 16 x 22"):
        size(Subsampling.YUV420, 0, "15x")
    assert size(Subsampling.YUV444, 0, "15x") == (15, 21)


def test_frames_of_5_x_7() -> None:
    planes = VideoUpscaler(PlaneFormat(5, 7)).run(frame(PlaneFormat(5, 7)))
    assert [plane.shape for plane in planes] == [(14, 10), (7, 5), (7, 5)]


def test_a_scale_of_one_copies() -> None:
    form = PlaneFormat(6, 4, Subsampling.YUV422)
    planes = frame(form)
    assert_equal(VideoUpscaler(form, 1).run(planes), planes)


def test_sizes_beyond_one_network_take_two() -> None:
    form = PlaneFormat(10, 8)
    planes = frame(form)
    twice = VideoUpscaler(form, 8).run(planes)[0]
    between = shipped("m5-int8", 2).run_bytes(planes[0])
    np.testing.assert_array_equal(twice, shipped("m5-int8", 4).run_bytes(between))


@SOME
@given(FORMS, st.sampled_from([2, 1.5]), LAYOUTS, LAYOUTS, st.integers(0, 99))
def test_planes_may_lie_anywhere(form: PlaneFormat, scale: float, into: Layout, out_of: Layout, seed: int) -> None:
    """Strides and padding as decoders have them; what lies behind the rows of a result stays as it is."""
    upscaler, planes = upscaler_of(form, scale), frame(form, seed)
    wanted = upscaler.run(planes)
    rooms = [out_of.room(shape, form.depth) for shape in upscaler.target.shapes]
    upscaler.run([into.holding(plane, form.depth) for plane in planes], [plane for _, plane in rooms])
    for (memory, _), plane in zip(rooms, wanted, strict=True):
        expected, inside = out_of.room(plane.shape, form.depth)
        inside[:] = plane
        np.testing.assert_array_equal(memory, expected)


@pytest.mark.parametrize("depth", [10, 12])
@pytest.mark.parametrize("scale", [2, 1.5])
def test_ramps_of_many_bits_keep_their_steps(depth: int, scale: float) -> None:
    """Every code of the ramp is in the result, close to its place; in 8 bits every fourth would be, or sixteenth."""
    form = PlaneFormat(512, 16, Subsampling.YUV444, depth)
    ramp = np.tile(np.arange(512, dtype=np.uint16) // 2 + (300 << depth - 10), (16, 1))
    luma, *chroma = VideoUpscaler(form, scale).run((ramp, ramp, ramp))
    for plane, bound in zip((luma, *chroma), (1 << depth - 8, 1, 1), strict=True):
        inner = plane[4:-4, 16:-16].astype(int)
        assert set(np.unique(ramp[:, 16:-16])) <= set(np.unique(inner))
        ideal = (np.arange(plane.shape[1]) + 0.5) / scale / 2 - 0.5 + ramp[0, 0]
        assert abs(inner.mean(axis=0) - ideal[16:-16]).max() <= bound


@pytest.mark.parametrize("scale", [2, 3, 1.5])
@pytest.mark.parametrize("siting", [ChromaSiting.LEFT, ChromaSiting.CENTER, ChromaSiting.TOPLEFT])
def test_a_colored_edge_stays_in_its_place(siting: ChromaSiting, scale: float) -> None:
    """An edge, sampled where chroma lies in one siting, is found at the same pixels of the result, and else is not."""
    form = PlaneFormat(48, 32, Subsampling.YUV420, 12, siting=siting)
    other = ChromaSiting.LEFT if siting is ChromaSiting.CENTER else ChromaSiting.CENTER

    def edge(shape: tuple[int, int], pixel: float) -> Plane:
        """Color at the places of chroma samples, with pixels of this size."""
        down, across = (int(place) / 2 for place in form.chroma_places)
        y = (np.arange(shape[0])[:, None] * 2 + down) * pixel
        x = (np.arange(shape[1]) * 2 + across) * pixel
        color: Plane = np.rint(2048 + 1500 * np.tanh((x + y / 2 - 32) / 8)).astype(np.uint16)
        return color

    luma, chroma = np.full((32, 48), 2048, np.uint16), edge(form.shapes[1], 1)

    def away(each: PlaneFormat) -> int:
        found = upscaler_of(each, scale).run((luma, chroma, chroma))[1]
        return int(abs(found.astype(int) - edge(found.shape, 1 / scale))[8:-8, 8:-8].max())

    assert away(form) <= 4
    assert away(replace(form, siting=other)) >= 20


def test_full_range_keeps_black_and_white() -> None:
    form = PlaneFormat(32, 16, Subsampling.GRAY, full_range=True)
    for code in (0, 255):
        (luma,) = VideoUpscaler(form).run((np.full((16, 32), code, np.uint8),))
        assert abs(luma.astype(int) - code).mean() <= 0.5
    planes = frame(form)
    (full,) = VideoUpscaler(form).run(planes)
    (limited,) = VideoUpscaler(replace(form, full_range=False)).run(planes)
    assert (full != limited).any()


def test_which_network(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = [network for network in list_networks() if network.name != "m7-int8"]
    for module in (zoo, upscaler):
        monkeypatch.setattr(module, "list_networks", lambda *_: kept)
    form = PlaneFormat(24, 16, Subsampling.GRAY)
    planes = frame(form)

    def equals(name: str, scale: int = 2, **options: object) -> bool:
        (luma,) = VideoUpscaler(form, scale, **options).run(planes)  # type: ignore[arg-type]
        return bool((luma == shipped(name, scale).run_bytes(planes[0])).all())

    assert equals("m5-int8")
    assert equals("m5", int8=False)
    assert equals("m5-photo", photo=True)
    assert equals("m11-int8", model="m11")
    assert equals("m7", model="m7"), "it has no int8 network"
    assert equals("m3-int8", 4, model="m3")
    assert equals("m5-relu", model="m5-relu")
    file = find_network("m7", 2).safetensors
    assert file is not None
    assert equals("m7", model=file)
    with pytest.raises(UsageError, match="network m7 has no int8 network"):
        VideoUpscaler(form, model="m7", int8=True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scale": 2, "size": "20x"}, "give one of them"),
        ({"scale": 65}, "from 1 to 64"),
        ({"size": "100x20"}, "do not have the shape"),
        ({"model": "m4"}, "unknown"),
        ({"model": Path("m4.safetensors")}, "no such file"),
    ],
)
def test_impossible_wishes(options: dict[str, object], message: str) -> None:
    with pytest.raises(Exception, match=message):
        VideoUpscaler(PlaneFormat(16, 12), **options)  # type: ignore[arg-type]


def test_networks_serve_frames_of_any_form() -> None:
    first = VideoUpscaler(PlaneFormat(16, 12), 1.5, model="m3")
    other = PlaneFormat(10, 30, Subsampling.YUV444, 10)
    second = first.for_frames(other)
    assert (second.source, first.source.width) == (other, 16)
    planes = frame(other)
    assert_equal(second.run(planes), VideoUpscaler(other, 1.5, model="m3").run(planes))
    with pytest.raises(UsageError, match="do not have the shape"):
        VideoUpscaler(PlaneFormat(16, 12), size="32x24").for_frames(other)


def test_planes_of_another_form() -> None:
    form = PlaneFormat(16, 12)
    upscaler, planes = VideoUpscaler(form), frame(form)
    with pytest.raises(UsageError, match="the frame must be planes"):
        upscaler.run(planes[:1])
    with pytest.raises(UsageError, match="the result must be planes"):
        upscaler.run(planes, planes)
    with pytest.raises(UsageError, match="the frame before must be planes"):
        upscaler.changes(planes[:1], planes)


def test_int8_is_not_taken_where_it_needs_other_scales(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name whose int8 network is for x4 alone."""
    kinds = {int8: SimpleNamespace(scales=scales) for int8, scales in ((False, (2, 4)), (True, (4,)))}
    monkeypatch.setattr("sesr.video.upscaler.find_networks", lambda *_, int8=False, **__: kinds[int8])
    monkeypatch.setattr(VideoUpscaler, "_prepare", lambda *_: None)
    form = PlaneFormat(24, 16, Subsampling.GRAY)
    for scale, int8 in ((2, False), (4, True)):
        assert VideoUpscaler(form, scale, model="m3")._networks is kinds[int8]
