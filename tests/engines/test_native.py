"""Our own engine equals the references: int8 bit for bit, float to rounding; in all kernels, sizes, threads, cuts."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.fakes import CONFIGS, calm_network, float_network, picture, random_network

from sesr import _native
from sesr.engines.base import from_int8, to_int8
from sesr.engines.kernels import KERNEL, WINOGRAD, kernels
from sesr.engines.native import NativeEngine, enlarge_by_bicubic
from sesr.engines.prepare import prepare
from sesr.errors import EngineError, UsageError, WeightsError
from sesr.imaging.color import gray_from_luma, luma_from_gray, to_uint8
from sesr.imaging.compose import compose_rgb, network_luma
from sesr.imaging.resize import upscale as bicubic
from sesr.network import reference as oracle
from sesr.network.checkpoint import Checkpoint, load_checkpoint
from sesr.network.quantized import QuantizedNetwork, load_network
from sesr.network.variants import SESRConfig
from sesr.network.zoo import list_networks

pytestmark = pytest.mark.usefixtures("float32")  # fixed point is tested in test_fixed.py

Bytes = NDArray[np.uint8]
Luma = NDArray[np.float32]

ALL_KERNELS = [
    pytest.param(name, marks=pytest.mark.skipif(not there, reason=f"this processor has no {name}"))
    for name, there in kernels().items()
]
SEEDS, THREADS, CHANNELS = st.integers(0, 10**6), st.integers(1, 5), st.sampled_from((None, 3))
SOME = settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
MANY = settings(SOME, max_examples=150)
HEIGHTS, WIDTHS = st.integers(1, 20), st.integers(1, 70)
EDGES = (1, 2, 3, 4, 5, 15, 16, 17, 23, 24, 25, 31, 32, 33, 63, 64, 65, 1000)
"""Widths about those of vectors and of blocks of pixels, and a wide one."""
KINDS = [
    SESRConfig(m=1, f=16, activation="relu"),
    SESRConfig(m=2, f=7, scale=3),
    SESRConfig(m=1, f=32, scale=4, activation="relu"),
    SESRConfig(m=1, f=20, input_residual=False),
]
SMALL = SESRConfig(m=1, f=4, activation="relu")
EXACT_TILES = ("avx2", "portable")
"""Kernels that store int8 as int16, and so have Winograd's form for it."""
SHIPPED = [network.safetensors for network in list_networks() if network.safetensors is not None]


@pytest.fixture(params=ALL_KERNELS)
def kernel(request: pytest.FixtureRequest) -> Iterator[str]:
    """Each that this processor has, named in the environment."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(KERNEL, request.param)
        yield request.param


def noise(height: int, width: int, channels: int | None, seed: int = 0) -> Bytes:
    """A picture of noise, flat parts and extremes, grey (H, W) or with channels."""
    pixels = picture(height, width * (channels or 1), seed)
    return pixels if channels is None else pixels.reshape(height, width, channels)


def plane(height: int, width: int, seed: int = 0) -> Luma:
    """Luma of all values, a few of them beyond both ends."""
    random = np.random.default_rng(seed)
    return random.uniform(-0.05, 1.05, (height, width)).astype(np.float32)


def by_pytorch(network: Checkpoint, luma: Luma) -> NDArray[np.float64]:
    """The collapsed network in float64. Skips the test that asks where PyTorch is missing."""
    torch = pytest.importorskip("torch")
    from sesr.network.sesr import CollapsedSESR

    with torch.inference_mode():
        source = torch.from_numpy(luma.astype(np.float64))[None, None]
        result: NDArray[np.float64] = CollapsedSESR.from_checkpoint(network).double()(source)[0, 0].numpy()
    return result


def by_definition(network: QuantizedNetwork, luma: Luma) -> NDArray[np.float64]:
    """An int8 network's result without rounding: what the last convolution adds up, real, and luma as it came."""
    source = to_int8(luma).astype(np.int32)[None]
    total = oracle.residual_sum(network, source) - network.residual_sum.zero_point
    height, width = luma.shape
    padded = np.pad(total, ((0, 0), (2, 2), (2, 2))).astype(np.int64)
    sums = np.tile(network.tail.bias[:, None, None].astype(np.int64), (1, height, width))
    for dy in range(5):
        for dx in range(5):
            window = padded[:, dy : dy + height, dx : dx + width]
            sums += np.tensordot(network.tail.weight[:, :, dy, dx].astype(np.int64), window, 1)
    real = sums * (np.float64(network.residual_sum.scale) * network.tail.weight_scale[:, None, None])
    real += luma if network.config.input_residual else 0
    return np.clip(oracle.depth_to_space(real, network.config.scale), 0, 1)


def shipped(name: str) -> Path:
    """Return the file of a network x2."""
    (path,) = [path for path in SHIPPED if path.stem == f"sesr_{name}_x2"]
    return path


def by_numpy(engine: NativeEngine, pixels: Bytes) -> Bytes:
    """A picture enlarged by what other engines have around them."""
    if pixels.ndim == 3:
        return compose_rgb(engine.run(network_luma(pixels), rounded=False), pixels, engine.scale)
    luma = luma_from_gray(pixels.astype(np.float32)) / np.float32(255)
    return to_uint8(gray_from_luma(engine.run(luma, rounded=False) * np.float32(255)))


class TestInt8:
    """Luma through int8 networks."""

    @MANY
    @given(config=CONFIGS, seed=SEEDS, height=HEIGHTS, width=WIDTHS, threads=THREADS)
    def test_equals_the_reference(
        self, kernel: str, config: SESRConfig, seed: int, height: int, width: int, threads: int
    ) -> None:
        network, pixels = random_network(config, seed), picture(height, width, seed)
        engine = NativeEngine(network, threads)
        assert (engine.kernel, engine.int8) == (kernel, True)
        assert (engine.scale, engine.receptive_radius) == (config.scale, config.receptive_radius)
        result = engine.run_bytes(pixels)
        assert result.dtype == np.uint8
        np.testing.assert_array_equal(result, oracle.run_int8(network, pixels))

    @pytest.mark.parametrize("config", KINDS, ids=str)
    def test_every_width(self, kernel: str, config: SESRConfig) -> None:
        network = random_network(config)
        for width in EDGES:
            pixels, wanted = reference(config, width)
            np.testing.assert_array_equal(NativeEngine(network, 2).run_bytes(pixels), wanted)

    @pytest.mark.parametrize("config", KINDS, ids=str)
    def test_float_luma_is_rounded_on_both_ways(self, kernel: str, config: SESRConfig) -> None:
        """As `to_int8` does it, halves included; what lies beyond 0..1 is clipped."""
        engine = NativeEngine(random_network(config), 1)
        halves = ((np.arange(-1, 257, dtype=np.float32) + np.float32(0.5)) / np.float32(255)).reshape(6, 43)
        for luma in (halves, plane(9, 70), plane(1, 1), np.nextafter(halves, np.float32(2))):
            eight = to_int8(luma)
            result = engine.run(luma)
            assert result.dtype == np.float32
            wanted = engine.run_bytes((eight.astype(np.int16) + 128).astype(np.uint8))
            np.testing.assert_array_equal(result, from_int8((wanted.astype(np.int16) - 128).astype(np.int8)))

    @SOME
    @given(config=CONFIGS, seed=SEEDS, height=HEIGHTS, width=WIDTHS, threads=THREADS)
    def test_unrounded_equals_its_definition(
        self, kernel: str, config: SESRConfig, seed: int, height: int, width: int, threads: int
    ) -> None:
        network, luma = random_network(config, seed), plane(height, width, seed)
        result = NativeEngine(network, threads).run(luma, rounded=False)
        np.testing.assert_allclose(result, by_definition(network, luma), rtol=0, atol=1e-6)

    def test_rounding_matters_to_the_definition(self) -> None:
        """The property above can fail."""
        network, luma = random_network(SMALL), plane(20, 20)
        assert np.abs(NativeEngine(network).run(luma) - by_definition(network, luma)).max() > 1e-3

    @pytest.mark.parametrize("path", [path for path in SHIPPED if "int8" in path.stem], ids=lambda path: path.stem)
    def test_shipped_networks(self, kernel: str, path: Path) -> None:
        network, pixels = load_network(path), picture(19, 37)
        assert isinstance(network, QuantizedNetwork)
        np.testing.assert_array_equal(NativeEngine(network).run_bytes(pixels), oracle.run_int8(network, pixels))


@cache
def reference(config: SESRConfig, width: int) -> tuple[Bytes, Bytes]:
    """A picture and what an int8 network makes of it."""
    pixels = picture(6, width)
    return pixels, oracle.run_int8(random_network(config), pixels)


class TestFloat:
    """Luma through float networks."""

    @MANY
    @given(config=CONFIGS, seed=SEEDS, height=HEIGHTS, width=WIDTHS, threads=THREADS)
    def test_equals_pytorch(
        self, kernel: str, config: SESRConfig, seed: int, height: int, width: int, threads: int
    ) -> None:
        network, luma = float_network(config, seed), plane(height, width, seed)
        engine = NativeEngine(network, threads)
        assert (engine.kernel, engine.int8) == (kernel, False)
        assert (engine.scale, engine.receptive_radius) == (config.scale, config.receptive_radius)
        result = engine.run(luma)
        assert result.dtype == np.float32
        np.testing.assert_allclose(result, by_pytorch(network, luma), rtol=0, atol=1e-5)

    @pytest.mark.parametrize("config", KINDS, ids=str)
    def test_every_width(self, kernel: str, config: SESRConfig) -> None:
        engine = NativeEngine(float_network(config), 2)
        for width in EDGES:
            np.testing.assert_allclose(engine.run(plane(6, width)), by_float64(config, width), rtol=0, atol=1e-5)

    def test_pixels_reach_both_ends_and_lie_between(self) -> None:
        result = NativeEngine(float_network(SESRConfig(m=2))).run(plane(40, 40))
        assert (result.min(), result.max()) == (0, 1)
        assert ((result > 0) & (result < 1)).mean() > 0.5

    @pytest.mark.parametrize("path", [path for path in SHIPPED if "int8" not in path.stem], ids=lambda path: path.stem)
    def test_shipped_networks(self, kernel: str, path: Path) -> None:
        network, luma = load_checkpoint(path), plane(19, 37)
        np.testing.assert_allclose(NativeEngine(network).run(luma), by_pytorch(network, luma), rtol=0, atol=1e-5)

    @SOME
    @given(config=CONFIGS, seed=SEEDS, height=HEIGHTS, width=WIDTHS)
    def test_threads_change_no_bit(self, kernel: str, config: SESRConfig, seed: int, height: int, width: int) -> None:
        network, luma = float_network(config, seed), plane(height, width, seed)
        whole = NativeEngine(network, 1).run(luma)
        for threads in range(2, 6):
            np.testing.assert_array_equal(NativeEngine(network, threads).run(luma), whole)

    def test_bytes_are_the_floats_rounded(self, kernel: str) -> None:
        engine, pixels = NativeEngine(float_network(SESRConfig(m=2, f=8, scale=3)), 2), picture(9, 33)
        wanted = np.rint(engine.run(pixels.astype(np.float32) / np.float32(255)) * np.float32(255))
        np.testing.assert_array_equal(engine.run_bytes(pixels), wanted)


@cache
def by_float64(config: SESRConfig, width: int) -> NDArray[np.float64]:
    """Return a float network's result for a plane."""
    return by_pytorch(float_network(config), plane(6, width))


class TestPictures:
    """Grey and RGB."""

    @SOME
    @given(
        config=CONFIGS, seed=SEEDS, height=HEIGHTS, width=WIDTHS, channels=CHANNELS, int8=st.booleans(), threads=THREADS
    )
    def test_one_step_from_numpy(
        self,
        kernel: str,
        config: SESRConfig,
        seed: int,
        height: int,
        width: int,
        channels: int | None,
        int8: bool,
        threads: int,
    ) -> None:
        """An int8 network reads luma in whole steps, and halves may fall to either side: a calm one hardly shows it."""
        network = calm_network(config, seed) if int8 else float_network(config, seed)
        engine, pixels = NativeEngine(network, threads), noise(height, width, channels, seed)
        result = engine.enlarge(pixels)
        assert result.shape == (height * config.scale, width * config.scale, *pixels.shape[2:])
        assert result.dtype == np.uint8
        assert np.abs(result.astype(int) - by_numpy(engine, pixels)).max() <= 1

    @pytest.mark.parametrize("channels", [None, 3])
    def test_nearly_all_pixels_equal_numpys(self, kernel: str, channels: int | None) -> None:
        """99.99 % of them."""
        pixels = noise(100, 120, channels)
        for network in [*map(load_network, SHIPPED), float_network(SESRConfig(m=2, scale=3)), random_network(SMALL)]:
            engine = NativeEngine(network)
            assert (engine.enlarge(pixels) != by_numpy(engine, pixels)).mean() < 1e-4

    @SOME
    @given(config=CONFIGS, seed=SEEDS, height=HEIGHTS, width=WIDTHS, int8=st.booleans())
    def test_grey_stays_grey(
        self, kernel: str, config: SESRConfig, seed: int, height: int, width: int, int8: bool
    ) -> None:
        network = random_network(config, seed) if int8 else float_network(config, seed)
        result = NativeEngine(network).enlarge(np.dstack([picture(height, width, seed)] * 3))
        assert np.array_equal(result[..., 0], result[..., 1])
        assert np.array_equal(result[..., 0], result[..., 2])

    @pytest.mark.parametrize("tile", [3, 40, 130])
    @pytest.mark.parametrize("name", ["m5", "m5-int8"])
    def test_planned_columns_equal_the_whole_frame(self, kernel: str, name: str, tile: int) -> None:
        """Bit for bit: what a pixel becomes depends neither on where in a vector it lies nor on where a tile ends."""
        engine = NativeEngine(load_network(shipped(name)))
        noise = np.random.default_rng(0).integers(0, 256, (40, 403, 3), np.uint8)
        whole = engine.enlarge(noise)
        for band in engine.plan(40, 403, 8, tile):
            rows = slice(band.rows.keep_start, band.rows.keep_stop)
            for column in band.columns:
                part = engine.enlarge(noise[:, column.start : column.stop], rows, column.inside())
                kept = slice(2 * column.keep_start, 2 * column.keep_stop)
                assert np.array_equal(part, whole[2 * rows.start : 2 * rows.stop, kept])

    def test_columns_cut_elsewhere_show(self) -> None:
        """The property above can fail: a float's last bits depend on all pixels of its tiles."""
        engine = NativeEngine(load_network(shipped("m5")))
        assert engine.winograd_layers == 5
        luma = plane(30, 200)
        part, whole = engine.run(luma[:, 50:150]), engine.run(luma)
        assert not np.array_equal(part[:, 40:-40], whole[:, 140:-140])

    @SOME
    @given(data=st.data(), config=CONFIGS, seed=SEEDS, width=WIDTHS, channels=CHANNELS, int8=st.booleans())
    def test_strips_equal_the_whole_frame(
        self,
        kernel: str,
        data: st.DataObject,
        config: SESRConfig,
        seed: int,
        width: int,
        channels: int | None,
        int8: bool,
    ) -> None:
        """Bit for bit: rows of a whole picture, and of a strip that has the receptive radius on each side."""
        network = random_network(config, seed) if int8 else float_network(config, seed)
        height = data.draw(st.integers(1, 50))
        start = data.draw(st.integers(0, height - 1))
        stop = data.draw(st.integers(start + 1, height))
        engine, pixels = NativeEngine(network, data.draw(THREADS)), noise(height, width, channels, seed)
        wanted = NativeEngine(network, 1).enlarge(pixels)[start * config.scale : stop * config.scale]
        np.testing.assert_array_equal(engine.enlarge(pixels, slice(start, stop)), wanted)
        top = max(start - config.receptive_radius, 0)
        strip = pixels[top : stop + config.receptive_radius]
        np.testing.assert_array_equal(engine.enlarge(strip, slice(start - top, stop - top)), wanted)

    def test_a_halo_one_pixel_short_shows(self) -> None:
        """The property above can fail."""
        config = SESRConfig(m=2, f=8)
        engine, pixels, short = NativeEngine(float_network(config)), picture(40, 60), config.receptive_radius - 1
        strip = engine.enlarge(pixels[15 - short :], slice(short, short + 1))
        assert not np.array_equal(strip, engine.enlarge(pixels)[30:32])

    def test_rows_are_counted_as_in_python(self) -> None:
        engine, pixels = NativeEngine(random_network(SMALL)), noise(9, 12, 3)
        whole = engine.enlarge(pixels)
        np.testing.assert_array_equal(engine.enlarge(pixels, slice(-3, None)), whole[-6:])
        np.testing.assert_array_equal(engine.enlarge(pixels, slice(4, 100)), whole[8:])


class TestWinograd:
    """Convolutions of 3 x 3 in Winograd's form."""

    @MANY
    @given(config=CONFIGS, seed=SEEDS, height=HEIGHTS, width=WIDTHS)
    def test_int8_is_equal_in_both_forms(
        self, kernel: str, config: SESRConfig, seed: int, height: int, width: int
    ) -> None:
        network, pixels = random_network(config, seed), picture(height, width, seed)
        direct = NativeEngine(network, winograd=False).run_bytes(pixels)
        np.testing.assert_array_equal(NativeEngine(network).run_bytes(pixels), direct)

    @pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
    def test_shipped_networks_take_it_in_all_layers(self, kernel: str, path: Path) -> None:
        network = load_network(path)
        wanted = 0 if network.int8 and kernel not in EXACT_TILES else network.config.m
        assert NativeEngine(network).winograd_layers == wanted
        assert NativeEngine(network, winograd=False).winograd_layers == 0

    @pytest.mark.parametrize("path", [path for path in SHIPPED if "int8" not in path.stem], ids=lambda path: path.stem)
    def test_floats_stay_near_the_exact_result(self, kernel: str, path: Path) -> None:
        """Nearer than the bound of other tests, over noise and a checkerboard."""
        network = load_checkpoint(path)
        for luma in (plane(24, 61), np.indices((24, 61)).sum(0).astype(np.float32) % 2):
            worst = np.abs(NativeEngine(network).run(luma) - by_pytorch(network, luma)).max()
            assert worst < 8e-6

    def test_the_environment_turns_it_off(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(WINOGRAD, "off")
        assert NativeEngine(load_network(shipped("m5"))).winograd_layers == 0

    def test_only_on_and_off(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(WINOGRAD, "of")
        with pytest.raises(EngineError, match="SESR_WINOGRAD=of: must be on or off"):
            NativeEngine(random_network(SMALL))


class TestBicubic:
    """`enlarge_by_bicubic`."""

    @MANY
    @given(
        channels=st.sampled_from((None, 1, 2, 3, 4)),
        scale=st.sampled_from((2, 3, 4)),
        seed=SEEDS,
        height=HEIGHTS,
        width=WIDTHS,
        threads=THREADS,
        data=st.data(),
    )
    def test_equals_matlabs(
        self,
        kernel: str,
        channels: int | None,
        scale: int,
        seed: int,
        height: int,
        width: int,
        threads: int,
        data: st.DataObject,
    ) -> None:
        """Exactly, for x3 too: its weights are whole 1/27, of which no sum lies near a half."""
        pixels = noise(height, width, channels, seed)
        wanted = bicubic(pixels, scale)
        result = enlarge_by_bicubic(pixels, scale, threads=threads)
        assert result.dtype == np.uint8
        np.testing.assert_array_equal(result, wanted)
        start = data.draw(st.integers(0, height - 1))
        stop = data.draw(st.integers(start + 1, height))
        rows = enlarge_by_bicubic(pixels, scale, slice(start, stop), threads)
        np.testing.assert_array_equal(rows, wanted[start * scale : stop * scale])

    @pytest.mark.parametrize("channels", [None, 1, 2, 3, 4])
    def test_every_width(self, kernel: str, channels: int | None) -> None:
        for width in EDGES:
            for scale in (2, 3, 4):
                pixels = noise(3, width, channels)
                np.testing.assert_array_equal(enlarge_by_bicubic(pixels, scale), bicubic(pixels, scale))

    @pytest.mark.parametrize("scale", [-2, 0, 1, 5])
    def test_other_scales_are_refused(self, scale: int) -> None:
        with pytest.raises(UsageError, match=f"scale must be 2, 3 or 4, not {scale}"):
            enlarge_by_bicubic(noise(4, 4, 3), scale)


class TestArrays:
    """Arrays as callers hand them over."""

    @pytest.mark.parametrize("channels", [None, 3])
    def test_any_memory_order(self, channels: int | None) -> None:
        engine, pixels = NativeEngine(random_network(SMALL)), noise(12, 9, channels)
        for same in same_values(pixels):
            np.testing.assert_array_equal(engine.enlarge(same, slice(2, 9)), engine.enlarge(pixels, slice(2, 9)))
            np.testing.assert_array_equal(enlarge_by_bicubic(same, 3), enlarge_by_bicubic(pixels, 3))
            if channels is None:
                np.testing.assert_array_equal(engine.run_bytes(same), engine.run_bytes(pixels))
        luma = plane(12, 9)
        for same in (*same_values(luma), luma.astype(">f4"), luma.astype(np.float64)):
            np.testing.assert_array_equal(engine.run(same), engine.run(luma))

    def test_results_are_the_callers_own(self) -> None:
        """A later run does not write into an earlier result, and the input is left alone."""
        engine, pixels = NativeEngine(random_network(SMALL)), noise(9, 12, 3)
        before = pixels.copy()
        first = engine.enlarge(pixels)
        kept = first.copy()
        engine.enlarge(255 - pixels)
        np.testing.assert_array_equal(first, kept)
        np.testing.assert_array_equal(pixels, before)
        assert first.flags.writeable

    @pytest.mark.parametrize("shape", [(0, 4), (4, 0), (4,), (), (4, 4, 1), (1, 4, 4, 3)])
    def test_not_a_plane(self, shape: tuple[int, ...]) -> None:
        engine = NativeEngine(random_network(SMALL))
        with pytest.raises(UsageError, match="luma must be a plane"):
            engine.run(np.zeros(shape, np.float32))

    @pytest.mark.parametrize(
        "wrong",
        [
            np.zeros((0, 4), np.uint8),
            np.zeros((4, 0, 3), np.uint8),
            np.zeros((4, 4, 0), np.uint8),
            np.zeros(4, np.uint8),
            np.zeros((1, 4, 4, 3), np.uint8),
            np.zeros((4, 4), np.int8),
            np.zeros((4, 4), np.uint32),
            np.zeros((4, 4, 3), np.float32),
            np.zeros((4, 4), bool),
        ],
        ids=lambda array: f"{array.dtype}{array.shape}",
    )
    def test_not_a_picture(self, wrong: Bytes) -> None:
        engine = NativeEngine(random_network(SMALL))
        calls: list[Callable[[Bytes], object]] = [
            engine.enlarge,
            engine.run_bytes,
            lambda array: enlarge_by_bicubic(array, 2),
        ]
        for call in calls:
            with pytest.raises(UsageError):
                call(wrong)

    @pytest.mark.parametrize("channels", [2, 4, 5])
    def test_other_numbers_of_channels(self, channels: int) -> None:
        engine, pixels = NativeEngine(random_network(SMALL)), noise(4, 5, channels)
        with pytest.raises(UsageError, match="a picture must be"):
            engine.enlarge(pixels)
        with pytest.raises(UsageError, match="luma must be a plane"):
            engine.run_bytes(pixels)
        if channels > 4:
            with pytest.raises(UsageError, match="up to 4 channels, not 5"):
                enlarge_by_bicubic(pixels, 2)

    @pytest.mark.parametrize(
        "rows", [slice(3, 3), slice(5, 2), slice(6, 9), slice(-9, -6), slice(0, 6, 2), slice(None, None, -1)]
    )
    def test_rows_that_are_none(self, rows: slice) -> None:
        engine, pixels = NativeEngine(random_network(SMALL)), noise(6, 5, 3)
        with pytest.raises(UsageError, match="rows must be some of the picture's 6"):
            engine.enlarge(pixels, rows)
        with pytest.raises(UsageError, match="rows must be some of the picture's 6"):
            enlarge_by_bicubic(pixels, 2, rows)

    @pytest.mark.parametrize("height", [1 << 45, 1 << 60, (1 << 62) - 1])
    def test_no_memory_for_the_result(self, height: int) -> None:
        """Views of a single number, of which no pixel is read."""
        engine = NativeEngine(random_network(SMALL))
        pixels = np.lib.stride_tricks.as_strided(np.zeros(1, np.uint8), (height, 1), (1, 1))
        calls: list[Callable[[], object]] = [
            lambda: engine.enlarge(pixels),
            lambda: engine.run_bytes(pixels),
            lambda: enlarge_by_bicubic(pixels, 2),
        ]
        for call in calls:
            with pytest.raises(EngineError, match=f"not enough memory to enlarge 1 x {height} pixels"):
                call()
        luma = np.lib.stride_tricks.as_strided(np.zeros(1, np.float32), (1 << 45, 1), (4, 4))
        with pytest.raises(EngineError, match="not enough memory"):
            engine.run(luma)

    def test_no_memory_for_a_copy(self) -> None:
        """Arrays that are not contiguous."""
        engine, endless = NativeEngine(random_network(SMALL)), (1 << 31, 1 << 29)
        with pytest.raises(EngineError, match="not enough memory"):
            engine.enlarge(np.broadcast_to(np.uint8(0), endless))
        with pytest.raises(EngineError, match="not enough memory"):
            engine.run(np.broadcast_to(np.float32(0), endless))

    @pytest.mark.skipif(sys.platform != "linux", reason="no such limit")
    def test_no_memory_on_the_way(self) -> None:
        """Rows of 4 million pixels, of which a float network holds 30 or so with all their features."""
        script = (
            "import resource, numpy as np\n"
            "from sesr.errors import EngineError\n"
            "from sesr.engines.native import NativeEngine, enlarge_by_bicubic\n"
            "from sesr.network.zoo import find_network\n"
            "from sesr.network.quantized import load_network\n"
            "engine = NativeEngine(load_network(find_network('m5').safetensors), 2)\n"
            "pixels, luma = (np.zeros((2, 4_000_000), kind) for kind in (np.uint8, np.float32))\n"
            "held = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()\n"
            "resource.setrlimit(resource.RLIMIT_AS, (held + (400 << 20), -1))\n"
            "for call, given in ((engine.run, luma), (engine.run_bytes, pixels), (engine.enlarge, pixels)):\n"
            "    try:\n"
            "        call(given)\n"
            "    except EngineError as error:\n"
            "        print(error)\n"
        )
        message = "not enough memory to enlarge 4000000 x 2 pixels at once; a smaller tile needs less\n"
        assert output_of(script) == 3 * message


def same_values(array: NDArray[Any]) -> list[NDArray[Any]]:
    """The array again, as views of other orders."""
    frozen = array.copy()
    frozen.flags.writeable = False
    wide = np.repeat(np.repeat(array, 2, 0), 3, 1)
    return [
        np.asfortranarray(array),
        wide[::2, ::3],
        np.ascontiguousarray(array[::-1, ::-1])[::-1, ::-1],
        np.ascontiguousarray(array.swapaxes(0, 1)).swapaxes(0, 1),
        frozen,
    ]


def output_of(script: str) -> str:
    """Return the output of a Python process, which must end well and write nothing to stderr."""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


class TestModule:
    """`sesr._native` itself: whatever it is given, it refuses in an exception."""

    @pytest.mark.parametrize(
        ("position", "values", "reason"),
        [
            (0, (2, 0, -1, 1 << 40), "there must be m \\+ 2 convolutions"),
            (1, (5, 17), "weights have the wrong shape"),
            (1, (0, -4), "wrong shape"),
            (2, (3, 4), "weights have the wrong shape"),
        ],
    )
    @pytest.mark.parametrize("int8", [False, True])
    def test_hyper_parameters_that_do_not_fit(
        self, int8: bool, position: int, values: tuple[int, ...], reason: str
    ) -> None:
        for value in values:
            arguments = given_arguments(int8)
            arguments[position] = value
            with pytest.raises(ValueError, match=reason):
                _native.Network(*arguments)

    @pytest.mark.parametrize("int8", [False, True])
    @pytest.mark.parametrize("scale", [-2, 0, 1, 5])
    def test_scales_that_do_not_exist(self, int8: bool, scale: int) -> None:
        arguments = given_arguments(int8)
        arguments[2] = scale
        last, outputs = arguments[4][-1], scale * scale
        factors = [np.ones(outputs, np.float32), *last[3:]] if int8 else last[2:]
        weight, bias = np.zeros((outputs, 4, 5, 5), last[0].dtype), np.zeros(outputs, last[1].dtype)
        arguments[4] = [*arguments[4][:-1], (weight, bias, *factors)]
        with pytest.raises(ValueError, match="scale must be 2, 3 or 4"):
            _native.Network(*arguments)

    def test_no_features(self) -> None:
        layers: list[Any] = [
            (np.zeros((outputs, inputs, k, k), np.float32), np.zeros(outputs, np.float32), None)
            for outputs, inputs, k in ((0, 1, 5), (0, 0, 3), (4, 0, 5))
        ]
        with pytest.raises(ValueError, match=r"f must lie in 1\.\.1024"):
            _native.Network(1, 0, 2, True, layers, True, None)

    def test_networks_of_endless_depth_or_width(self) -> None:
        """`SESRConfig` lets more pass than there is room for."""
        for config in (SESRConfig(m=257, f=1), SESRConfig(m=1000, f=1)):
            with pytest.raises(WeightsError, match=r"the network cannot run: m must lie in 0\.\.256"):
                NativeEngine(float_network(config))
        widest = float_network(SESRConfig(m=1, f=1000))
        np.testing.assert_allclose(NativeEngine(widest).run(plane(3, 3)), by_pytorch(widest, plane(3, 3)), atol=1e-5)

    @pytest.mark.parametrize("int8", [False, True])
    @pytest.mark.parametrize("layer", [0, 1, 2])
    def test_arrays_of_the_wrong_shape(self, int8: bool, layer: int) -> None:
        right = given_arguments(int8)[4][layer]
        for part in range(3 if int8 else 2):
            for axis in range(right[part].ndim):
                for wrong in (right[part].take([0], axis), np.repeat(right[part], 2, axis)):
                    if wrong.shape != right[part].shape:
                        with pytest.raises(ValueError, match="wrong shape"):
                            _native.Network(*with_layer(given_arguments(int8), layer, part, wrong))
            with pytest.raises(TypeError):
                _native.Network(*with_layer(given_arguments(int8), layer, part, right[part][None]))

    @pytest.mark.parametrize("shape", [(3,), (5,), (0,)])
    def test_slopes_of_the_wrong_shape(self, shape: tuple[int]) -> None:
        with pytest.raises(ValueError, match="slopes have the wrong shape"):
            _native.Network(*with_layer(given_arguments(False), 1, 2, np.zeros(shape, np.float32)))

    @pytest.mark.parametrize("shape", [(4, 255), (3, 256), (256, 4)])
    def test_tables_of_the_wrong_shape(self, shape: tuple[int, int]) -> None:
        with pytest.raises(ValueError, match="tables have the wrong shape"):
            _native.Network(*with_layer(given_arguments(True), 1, 5, np.zeros(shape, np.int8)))

    @pytest.mark.parametrize(
        ("layer", "part", "value", "reason"),
        [
            (0, 1, (1 << 31) - 1, "a bias is too large"),
            (1, 1, -(1 << 31), "a bias is too large"),
            (2, 1, (1 << 31) - 1, "a bias is too large"),
            (0, 2, 0, "factors are positive"),
            (2, 2, -1, "factors are positive"),
            (1, 2, np.nan, "factors are positive"),
            (2, 2, np.inf, "factors are positive"),
            (1, 2, 1e30, "a channel's scale is too large"),
            (2, 2, 1e30, "a channel's scale is too large"),
        ],
    )
    def test_numbers_that_no_network_has(self, layer: int, part: int, value: float, reason: str) -> None:
        right = given_arguments(True)[4][layer][part]
        wrong = np.full(right.shape, value, right.dtype)
        with pytest.raises(ValueError, match=reason):
            _native.Network(*with_layer(given_arguments(True), layer, part, wrong))

    @pytest.mark.parametrize("part", [3, 4, 6])
    @pytest.mark.parametrize("zero_point", [-129, 128, 1 << 30])
    def test_zero_points_beyond_8_bits(self, part: int, zero_point: int) -> None:
        with pytest.raises(ValueError, match=r"zero points lie in -128\.\.127"):
            _native.Network(*with_layer(given_arguments(True), 1, part, zero_point))

    @pytest.mark.parametrize(
        ("place", "value"), [(0, -1), (1, (1 << 21) + 1), (2, 0), (2, 31), (3, 128), (4, -129), (5, 1 << 30)]
    )
    @pytest.mark.parametrize("which", [5, 6])
    def test_additions_out_of_bounds(self, which: int, place: int, value: int) -> None:
        arguments = given_arguments(True)
        arguments[which] = tuple(value if index == place else old for index, old in enumerate(arguments[which]))
        with pytest.raises(ValueError, match=r"an addition|zero points lie"):
            _native.Network(*arguments)

    @pytest.mark.parametrize("scale", [0.0, -1.0, np.nan, np.inf])
    def test_tail_scale_out_of_bounds(self, scale: float) -> None:
        arguments = given_arguments(True)
        arguments[7] = scale
        with pytest.raises(ValueError, match="scales are positive"):
            _native.Network(*arguments)

    def test_huge_float_weights(self) -> None:
        """Infinities and what they make of zeros end as pixels all the same."""
        network = float_network(SMALL)
        for value in (1e38, -1e38, np.inf, np.nan):
            tensors = network.tensors | {"body.0.bias": np.full(4, value, np.float32)}
            engine = NativeEngine(replace(network, tensors=tensors))
            for result in (engine.run(plane(9, 20)), engine.enlarge(noise(9, 20, 3)), engine.run_bytes(picture(9, 20))):
                assert 0 <= result.min() <= result.max() <= (1 if result.dtype == np.float32 else 255)

    @pytest.mark.parametrize("int8", [False, True])
    def test_luma_that_is_no_number(self, int8: bool) -> None:
        """It spoils nothing beyond the network's reach, and what comes out are pixels."""
        engine = NativeEngine(random_network(SMALL) if int8 else float_network(SMALL))
        clean = plane(20, 40)
        for value in (np.nan, np.inf, -np.inf, 3e38, -3e38):
            luma = clean.copy()
            luma[3, 5] = value
            for rounded in (True, False):
                result = engine.run(luma, rounded=rounded)
                assert 0 <= result.min() <= result.max() <= 1
                np.testing.assert_array_equal(result[18:, 22:], engine.run(clean, rounded=rounded)[18:, 22:])

    def test_results_that_do_not_fit(self) -> None:
        network = _native.Network(*given_arguments(True))
        source = picture(5, 6)[..., None]
        for shape in ((10, 11, 1), (10, 13, 1), (9, 12, 1), (12, 12, 1), (0, 12, 1), (10, 12, 3), (10, 0, 1)):
            with pytest.raises(ValueError, match=r"fit|one channel"):
                network.bytes(source, np.zeros(shape, np.uint8), 0, 1)
            with pytest.raises(ValueError, match=r"fit|as many channels"):
                network.picture(source, np.zeros(shape, np.uint8), 0, 1)
            with pytest.raises(ValueError, match=r"fit|one channel"):
                network.luma(source.astype(np.float32), np.zeros(shape, np.float32), True, 0, 1)
            with pytest.raises(ValueError, match=r"fit|as many channels"):
                _native.bicubic(source, np.zeros(shape, np.uint8), 2, 0, 1, None)

    def test_results_that_cannot_be_written(self) -> None:
        """Read-only, not in one piece, of another type or number of axes, or no array at all."""
        network, source, right = _native.Network(*given_arguments(True)), picture(5, 6)[..., None], (10, 12, 1)
        frozen = np.zeros(right, np.uint8)
        frozen.flags.writeable = False
        wrong: list[Any] = [
            frozen,
            np.zeros((10, 24, 1), np.uint8)[:, ::2],
            np.zeros((20, 12, 1), np.uint8)[::2],
            np.zeros(right, np.uint8)[::-1],
            np.zeros(right, np.int8),
            np.zeros(right, np.float64),
            np.zeros((10, 12), np.uint8),
            np.zeros((1, *right), np.uint8),
            None,
            bytearray(120),
        ]
        for result in wrong:
            for call in (network.bytes, network.picture):
                with pytest.raises(TypeError):
                    call(source, result, 0, 1)
            with pytest.raises(TypeError):
                network.luma(source.astype(np.float32), result, True, 0, 1)
            with pytest.raises(TypeError):
                _native.bicubic(source, result, 2, 0, 1, None)
        assert not frozen.any()

    def test_sources_that_do_not_fit(self) -> None:
        network, result = _native.Network(*given_arguments(True)), np.zeros((10, 12, 1), np.uint8)
        wrong: list[Any] = [np.zeros((5, 12, 1), np.uint8)[:, ::2], np.zeros((5, 6, 1), np.int8), result[..., 0], None]
        for source in wrong:
            with pytest.raises(TypeError):
                network.bytes(source, result, 0, 1)
        for shape in ((0, 6, 1), (5, 0, 1), (5, 6, 0), (4, 6, 1), (5, 6, 2)):
            with pytest.raises(ValueError, match=r"empty|fit|channel"):
                network.bytes(np.zeros(shape, np.uint8), result, 0, 1)
        for channels in (2, 4):
            with pytest.raises(ValueError, match="pictures have 1 or 3 channels"):
                network.picture(np.zeros((5, 6, channels), np.uint8), np.zeros((10, 12, channels), np.uint8), 0, 1)
        with pytest.raises(ValueError, match="pictures have 1 to 4 channels"):
            _native.bicubic(np.zeros((5, 6, 5), np.uint8), np.zeros((10, 12, 5), np.uint8), 2, 0, 1, None)
        with pytest.raises(ValueError, match="scale must be 2, 3 or 4"):
            _native.bicubic(np.zeros((5, 6, 1), np.uint8), np.zeros((25, 30, 1), np.uint8), 5, 0, 1, None)

    @pytest.mark.parametrize("top", [-1, 4, 5, (1 << 63) - 1, -(1 << 63)])
    def test_top_out_of_range(self, top: int) -> None:
        network, source = _native.Network(*given_arguments(True)), picture(5, 6)[..., None]
        result = np.zeros((4, 12, 1), np.uint8)
        with pytest.raises(ValueError, match="the result's rows do not fit"):
            network.bytes(source, result, top, 1)
        with pytest.raises(ValueError, match="the result's rows do not fit"):
            _native.bicubic(source, result, 2, top, 1, None)
        network.bytes(source, result, 3, 1)
        np.testing.assert_array_equal(result[..., 0], oracle.run_int8(random_network(SMALL), source[..., 0])[6:])

    @pytest.mark.parametrize("threads", [-(1 << 63), -1, 0, 1 << 40, (1 << 63) - 1])
    def test_any_number_of_threads(self, threads: int) -> None:
        network, source = _native.Network(*given_arguments(True)), picture(5, 6)[..., None]
        result = np.zeros((10, 12, 1), np.uint8)
        network.bytes(source, result, 0, threads)
        np.testing.assert_array_equal(result[..., 0], oracle.run_int8(random_network(SMALL), source[..., 0]))

    def test_kernels_by_name(self) -> None:
        assert [name for name, _ in _native.kernels()] == list(kernels())
        assert kernels()["portable"]
        for name, there in kernels().items():
            arguments = [*given_arguments(False)[:-1], name]
            if there:
                assert _native.Network(*arguments).kernel == name
            else:
                with pytest.raises(ValueError, match="which this processor does not have"):
                    _native.Network(*arguments)
        with pytest.raises(ValueError, match=r"kernel 'no' is not among those built: .*portable"):
            _native.Network(*[*given_arguments(False)[:-1], "no"])


def given_arguments(int8: bool) -> list[Any]:
    """Return the arguments of `_native.Network` for a small network."""
    given: list[Any] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_native, "Network", lambda *arguments: given.extend(arguments))
        prepare(random_network(SMALL) if int8 else float_network(SMALL), None, winograd=True, floats="float32")
    return given


def with_layer(arguments: list[Any], layer: int, part: int, value: object) -> list[Any]:
    """The arguments with something in a layer replaced."""
    parts = list(arguments[4][layer])
    parts[part] = value
    layers = [*arguments[4][:layer], tuple(parts), *arguments[4][layer + 1 :]]
    return [*arguments[:4], layers, *arguments[5:]]


class TestKernels:
    """Which kernels run."""

    def test_best_one_by_default(self, monkeypatch: pytest.MonkeyPatch) -> None:
        best = next(name for name, there in kernels().items() if there)
        for name in ("", None):
            if name is None:
                monkeypatch.delenv(KERNEL, raising=False)
            else:
                monkeypatch.setenv(KERNEL, name)
            assert NativeEngine(random_network(SMALL)).kernel == best

    def test_unknown_one(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(KERNEL, "abacus")
        message = f"SESR_KERNEL=abacus: unknown; there are {', '.join(kernels())}"
        with pytest.raises(EngineError) as caught:
            NativeEngine(random_network(SMALL))
        assert str(caught.value) == message
        with pytest.raises(EngineError) as caught:
            enlarge_by_bicubic(picture(3, 3), 2)
        assert str(caught.value) == message

    def test_one_that_the_processor_lacks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(_native, "kernels", lambda: [("future", False), ("portable", True)])
        monkeypatch.setenv(KERNEL, "future")
        with pytest.raises(EngineError, match="SESR_KERNEL=future: this processor does not have what it needs"):
            NativeEngine(random_network(SMALL))


class TestProcess:
    """Threads, processes, imports and memory."""

    @pytest.mark.parametrize("int8", [False, True])
    def test_one_engine_serves_many_threads(self, int8: bool) -> None:
        network = random_network(SMALL) if int8 else float_network(SMALL)
        engine, alone = NativeEngine(network, 2), NativeEngine(network, 1)
        pictures = [noise(20 + seed, 61 - seed, 3, seed) for seed in range(24)]
        wanted = [alone.enlarge(pixels) for pixels in pictures]
        with ThreadPoolExecutor(6) as pool:
            for found, right in zip(pool.map(engine.enlarge, pictures), wanted, strict=True):
                np.testing.assert_array_equal(found, right)

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
    def test_a_fork_goes_on(self) -> None:
        """With an engine that its parent had used, and with a new one."""
        script = (
            "import os, numpy as np\n"
            "from sesr.engines.native import NativeEngine\n"
            "from sesr.network.zoo import find_network\n"
            "from sesr.network.quantized import load_network\n"
            "network = load_network(find_network('m5-int8').safetensors)\n"
            "pixels = np.random.default_rng(0).integers(0, 256, (50, 60, 3), np.uint8)\n"
            "engine = NativeEngine(network, 3)\n"
            "wanted = engine.enlarge(pixels)\n"
            "child = os.fork()\n"
            "same = all(np.array_equal(it.enlarge(pixels), wanted) for it in (engine, NativeEngine(network, 2)))\n"
            "if not child:\n"
            "    os._exit(0 if same else 1)\n"
            "print(same, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
        )
        assert output_of(script) == "True 0\n"

    def test_importing_is_light(self) -> None:
        script = "import sys, sesr.engines.native\nprint({'openvino', 'torch', 'ai_edge_litert'} & set(sys.modules))"
        assert output_of(script) == "set()\n"

    def test_threads_are_those_of_the_process_by_default(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("sesr.engines.native.available_threads", lambda: 7)
        assert NativeEngine(random_network(SMALL)).threads == 7
        assert NativeEngine(random_network(SMALL), 3).threads == 3

    @pytest.mark.slow
    @pytest.mark.skipif(sys.platform == "win32", reason="the system does not tell")
    @pytest.mark.parametrize("int8", [False, True])
    def test_memory_does_not_grow_with_the_height(self, int8: bool, tmp_path: Path) -> None:
        """Beyond input and output less than 64 MB, for a plane whose features would take gigabytes.

        A process in between, because a process begins with the peak of the one that started it.
        """
        network = random_network(SMALL) if int8 else float_network(SMALL)
        network.save(tmp_path / "net.safetensors")
        script = (
            "import resource, sys, numpy as np\n"
            "from pathlib import Path\n"
            "from sesr.engines.native import NativeEngine\n"
            "from sesr.network.quantized import load_network\n"
            f"engine = NativeEngine(load_network(Path({str(tmp_path)!r}, 'net.safetensors')), 2)\n"
            "run, kind = (engine.run_bytes, np.uint8) if engine.int8 else (engine.run, np.float32)\n"
            "def peak():\n"
            "    unit = 1 if sys.platform == 'darwin' else 1024\n"
            "    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit\n"
            "run(np.zeros((9, 9), kind))\n"
            "luma = np.full((6000, 8000), 1, kind)\n"
            "before = peak()\n"
            "result = run(luma)\n"
            "print(peak() - before - result.nbytes)\n"
        )
        between = f"import subprocess, sys\nsys.exit(subprocess.call([sys.executable, '-c', {script!r}]))"
        assert -(8 << 20) < int(output_of(between)) < 64 << 20
