"""Sharpening: the values of its definition, luma alone, whatever the cut, the threads, the kernels and the engine."""

import pickle
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from tests.fakes import float_network, picture

import sesr
from sesr.engines.kernels import KERNEL, kernels
from sesr.engines.native import NativeEngine
from sesr.engines.pictures import AroundLuma
from sesr.errors import UsageError
from sesr.imaging.stream import Stream
from sesr.inference import sharpen
from sesr.inference.sharpen import LIMIT, Sharpening, blur_weights
from sesr.inference.upscale import Upscaler
from sesr.network.variants import SESRConfig

Pixels = NDArray[Any]

MODES = {"L": (), "LA": (2,), "RGB": (3,), "RGBA": (4,)}
SOME = settings(deadline=None, max_examples=60)
AMOUNTS = st.floats(0.01, 2)
TIMES = st.sampled_from((1.0, 2.0, 3.7, 4.0, 8.0))
ALL_KERNELS = [
    pytest.param(name, marks=pytest.mark.skipif(not there, reason=f"this processor has no {name}"))
    for name, there in kernels().items()
]


def noise(height: int, width: int, mode: str = "RGB", depth: int = 8, seed: int = 0) -> Pixels:
    """A picture of noise, flat parts and extremes."""
    shape = (height, width, *MODES[mode])
    pixels = picture(height, int(np.prod(shape[1:])), seed).reshape(shape)
    if depth == 8:
        return pixels
    low = np.random.default_rng(seed).integers(0, 256, shape, np.uint16)
    deep: Pixels = pixels.astype(np.uint16) * 256 + low
    return deep


def sharpened(pixels: Pixels, amount: float, times: float = 2, threads: int = 1, cuts: tuple[int, ...] = ()) -> Pixels:
    """The picture, which flows in bands that end at `cuts`."""
    height, width = pixels.shape[:2]
    mode = {shape: mode for mode, shape in MODES.items()}[pixels.shape[2:]]
    ends = sorted({0, height, *(cut for cut in cuts if 0 < cut < height)})
    source = Stream((pixels[a:b] for a, b in pairwise(ends)), width, height, mode, 8 * pixels.itemsize)
    return np.concatenate(list(Sharpening(amount, threads).bands(source, times)))


def definition(pixels: Pixels, amount: float, times: float) -> Pixels:
    """The same in NumPy, in the order of the engine's sums."""
    weights = blur_weights(times)
    one, f32 = (257 if pixels.dtype == np.uint16 else 1), np.float32
    channels = pixels if pixels.ndim == 3 else pixels[..., None]
    has_alpha = channels.shape[2] % 2 == 0
    values = channels.astype(np.float32)
    luma: Pixels = values[..., 0]
    if channels.shape[2] > 2:
        red, green, blue = values[..., 0], values[..., 1], values[..., 2]
        luma = green + (red - green) * f32(0.299) + (blue - green) * f32(0.114)

    def blur(plane: Pixels) -> Pixels:
        for axis in (1, 0):
            reach, length = len(weights) - 1, plane.shape[axis]
            folded = np.arange(-reach, length + reach) % (2 * length)
            folded = np.where(folded < length, folded, 2 * length - 1 - folded)
            at = [np.take(plane, folded[reach + k : reach + k + length], axis) for k in range(-reach, reach + 1)]
            total = at[reach] * weights[0]
            for k in range(1, reach + 1):
                total += (at[reach - k] + at[reach + k]) * weights[k]
            plane = total
        return plane

    detail: Pixels
    if has_alpha:
        alpha = values[..., -1] / f32(255 * one)
        low, seen = blur(luma * alpha), blur(alpha)
        detail = (luma * seen - low) / np.maximum(seen, f32(1e-6))
    else:
        detail = luma - blur(luma)
    wanted, limit = detail * f32(amount), f32(LIMIT * one)
    change = (wanted * limit / (limit + np.abs(wanted)) + f32(8192.5)).astype(np.int32) - 8192
    result = channels.astype(np.int32)
    result[..., : -1 if has_alpha else None] += change[..., None]
    return result.clip(0, 255 * one).astype(pixels.dtype).reshape(pixels.shape)


@pytest.fixture(params=ALL_KERNELS)
def kernel(request: pytest.FixtureRequest) -> Iterator[str]:
    """Each that this processor has, named in the environment."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(KERNEL, request.param)
        yield request.param


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("mode", MODES)
def test_values_are_those_of_the_definition(mode: str, depth: int, kernel: str) -> None:
    for seed, (height, width) in enumerate([(1, 1), (1, 9), (3, 2), (20, 33), (40, 130)]):
        pixels = noise(height, width, mode, depth, seed)
        for amount, times in ((0.3, 2.0), (2.0, 4.0), (1.0, 8.0), (0.7, 1.0)):
            assert np.array_equal(sharpened(pixels, amount, times), definition(pixels, amount, times))


@SOME
@given(
    st.integers(1, 60),
    st.integers(1, 40),
    st.sampled_from(list(MODES)),
    st.sampled_from((8, 16)),
    AMOUNTS,
    TIMES,
    st.integers(1, 5),
    st.lists(st.integers(1, 59), max_size=6),
    st.integers(1, 3000),
)
def test_neither_cut_nor_threads_matter(
    height: int,
    width: int,
    mode: str,
    depth: int,
    amount: float,
    times: float,
    threads: int,
    cuts: list[int],
    band_bytes: int,
) -> None:
    pixels = noise(height, width, mode, depth, seed=height)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sharpen, "_BAND_BYTES", band_bytes)
        cut = sharpened(pixels, amount, times, threads, tuple(cuts))
    assert np.array_equal(cut, definition(pixels, amount, times))


@SOME
@given(st.integers(0, 10**6), AMOUNTS, TIMES, st.sampled_from((8, 16)))
def test_red_green_and_blue_change_by_the_same_number(seed: int, amount: float, times: float, depth: int) -> None:
    pixels = noise(24, 31, depth=depth, seed=seed)
    pixels = pixels // 2 + pixels.dtype.type(64 if depth == 8 else 64 * 257)  # nothing reaches black or white
    change = sharpened(pixels, amount, times).astype(int) - pixels
    assert change.any() or amount < 0.1
    assert (change == change[..., :1]).all()
    assert abs(change).max() <= LIMIT * (1 if depth == 8 else 257)


@SOME
@given(st.integers(0, 10**6), AMOUNTS, TIMES, st.sampled_from((8, 16)))
def test_gray_is_color_of_equal_channels_and_opaque_is_without_alpha(
    seed: int, amount: float, times: float, depth: int
) -> None:
    gray = noise(19, 26, "L", depth, seed)
    expected = sharpened(gray, amount, times)
    assert (sharpened(np.dstack([gray] * 3), amount, times) == expected[..., None]).all()
    opaque = np.full_like(gray, np.iinfo(gray.dtype).max)
    assert (sharpened(np.dstack([gray, opaque]), amount, times)[..., 0] == expected).all()
    color = noise(19, 26, "RGB", depth, seed)
    with_alpha = sharpened(np.dstack([color, opaque]), amount, times)
    assert np.array_equal(with_alpha[..., :3], sharpened(color, amount, times))


@SOME
@given(st.integers(0, 255), AMOUNTS, TIMES, st.sampled_from(list(MODES)), st.sampled_from((8, 16)))
def test_a_plain_picture_stays(value: int, amount: float, times: float, mode: str, depth: int) -> None:
    pixels = np.full((17, 21, *MODES[mode]), value * (1 if depth == 8 else 257), f"u{depth // 8}")
    assert np.array_equal(sharpened(pixels, amount, times), pixels)


@SOME
@given(st.integers(0, 10**6), AMOUNTS, TIMES, st.sampled_from(("LA", "RGBA")))
def test_alpha_stays_and_hidden_color_does_not_show(seed: int, amount: float, times: float, mode: str) -> None:
    pixels = noise(30, 30, mode, seed=seed)
    pixels[:, 15:, -1] = 0
    other = pixels.copy()
    other[:, 15:, :-1] ^= 255
    one, two = sharpened(pixels, amount, times), sharpened(other, amount, times)
    assert np.array_equal(one[..., -1], pixels[..., -1])
    assert np.array_equal(one[:, :15], two[:, :15])


def test_an_edge_gets_steeper_and_overshoots_less_than_the_limit() -> None:
    edge = np.repeat(np.array([[60] * 20 + [90, 165] + [195] * 20], np.uint8), 10, axis=0)
    one = sharpened(edge, 1.0).astype(int)
    assert one[0, 21] - one[0, 20] > 75 + 10
    assert 195 < one.max() < 195 + LIMIT
    assert 60 > one.min() > 60 - LIMIT
    assert np.array_equal(one[0, :10], edge[0, :10])


# ------------------------------------------------------------------------------------------------- In its place

NETWORK = float_network(SESRConfig(m=1, f=4, scale=2))


def test_none_is_nothing_at_all() -> None:
    small = noise(40, 50)
    plain = Upscaler.of_engine(NativeEngine(NETWORK))
    assert plain.label == "x2"
    with pytest.MonkeyPatch.context() as patch:
        patch.delattr(Sharpening, "bands")
        plain.upscale(small)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("depth", [8, 16])
def test_it_is_the_last_step_of_every_engine(mode: str, depth: int) -> None:
    if (mode, depth) in (("LA", 8), ("LA", 16)):
        pytest.skip("arrays have no LA")
    small = noise(23, 31, mode, depth)
    engine = NativeEngine(NETWORK)
    for each in (engine, AroundLuma(engine)):
        plain = Upscaler.of_engine(each)
        sharp = Upscaler(plain.networks, plain.size, sharpening=Sharpening(0.8))
        assert np.array_equal(sharp.upscale(small), sharpened(plain.upscale(small), 0.8))
        assert not np.array_equal(sharp.upscale(small), plain.upscale(small))
    tiled = Upscaler.of_engine(engine, tile=5)
    sharp = Upscaler(tiled.networks, tiled.size, sharpening=Sharpening(0.8))
    assert np.array_equal(sharp.upscale(small), sharpened(tiled.upscale(small), 0.8))


@pytest.mark.parametrize(("size", "times"), [("60x", 60 / 31), ("31x", 1.0), ("15x", 15 / 31)])
def test_sizes_in_between_and_below(size: str, times: float) -> None:
    small = noise(31, 31)
    plain, sharp = sesr.load("m3", size=size), sesr.load("m3", size=size, sharpen=1)
    assert np.array_equal(sharp.upscale(small), sharpened(plain.upscale(small), 1, times))


def test_one_pixel() -> None:
    assert sesr.upscale(np.full((1, 1), 77, np.uint8), 4, sharpen=2).shape == (4, 4)


def test_pickled_and_to_files(tmp_path: Path) -> None:
    small = noise(20, 30)
    Image.fromarray(small).save(tmp_path / "a.png")
    upscaler = pickle.loads(pickle.dumps(sesr.load("m3", sharpen=0.5)))
    upscaler.upscale_file(tmp_path / "a.png", tmp_path / "b.png")
    expected = sesr.upscale(small, 2, "m3", sharpen=0.5)
    with Image.open(tmp_path / "b.png") as written:
        assert np.array_equal(np.asarray(written), expected)
    assert not np.array_equal(expected, sesr.upscale(small, 2, "m3"))


@pytest.mark.parametrize("amount", [-0.1, 2.01, float("nan"), float("inf"), "much", None])
def test_wrong_amounts(amount: float) -> None:
    with pytest.raises(UsageError, match=r"sharpen must be a number from 0 .* to 2"):
        sesr.load("m5", sharpen=amount)


@pytest.mark.parametrize(
    ("amount", "label"),
    [(0, "x2"), (0.3, "x2_sharp0.3"), (np.float32(0.3), "x2_sharp0.3"), (1, "x2_sharp1"), (2.0, "x2_sharp2")],
)
def test_label(amount: float, label: str) -> None:
    assert sesr.load("m5", sharpen=amount).label == label
