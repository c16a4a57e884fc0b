"""Our own engine equals the references: int8 bit for bit, float to rounding, for all kernels, sizes, threads and cuts."""

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
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.network.quantized_networks import calm_network, picture, random_network

from sesr import _native
from sesr.errors import EngineError, SesrError, UsageError, WeightsError
from sesr.imaging.color import grey_from_luma, luma_from_grey, to_uint8
from sesr.imaging.compose import compose_rgb, network_luma
from sesr.imaging.resize import upscale as bicubic
from sesr.inference import native
from sesr.inference.engine import from_int8, to_int8
from sesr.inference.native import KERNEL, NativeEngine, enlarge_by_bicubic, kernels
from sesr.inference.zoo import list_networks
from sesr.network import quantized
from sesr.network.checkpoint import Checkpoint, load_checkpoint, tensor_shapes
from sesr.network.quantized import PIXELS, SHIFTED, QuantizedNetwork, load_network
from sesr.network.sesr import CollapsedSESR
from sesr.network.variants import SESRConfig

Bytes = NDArray[np.uint8]
Luma = NDArray[np.float32]

ALL_KERNELS = [
    pytest.param(name, marks=pytest.mark.skipif(not there, reason=f"this processor has no {name}"))
    for name, there in kernels().items()
]
CONFIGS = st.builds(
    SESRConfig,
    m=st.integers(1, 4),
    f=st.integers(1, 40),
    scale=st.sampled_from((2, 3, 4)),
    activation=st.sampled_from(("prelu", "relu")),
    input_residual=st.booleans(),
)
SEEDS, THREADS, CHANNELS = st.integers(0, 10**6), st.integers(1, 5), st.sampled_from((None, 3))
SOME = settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
MANY = settings(SOME, max_examples=60)
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
SHIPPED = [network.safetensors for network in list_networks() if network.safetensors is not None]


@pytest.fixture(params=ALL_KERNELS)
def kernel(request: pytest.FixtureRequest) -> Iterator[str]:
    """Each that this processor has, named in the environment."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(KERNEL, request.param)
        yield request.param


def float_network(config: SESRConfig, seed: int = 0) -> Checkpoint:
    """Weights that matter throughout, and pixels that reach both ends."""
    random = np.random.default_rng(seed)
    shapes = tensor_shapes(config).items()
    tensors = {name: random.normal(0, 0.6 / np.sqrt(np.prod(shape[1:])), shape) for name, shape in shapes}
    tensors["tail.bias"] += 0 if config.input_residual else 0.5
    return Checkpoint(config, {name: tensor.astype(np.float32) for name, tensor in tensors.items()})


def noise(height: int, width: int, channels: int | None, seed: int = 0) -> Bytes:
    """A picture of noise, flat parts and extremes, grey (H, W) or with channels."""
    pixels = picture(height, width * (channels or 1), seed)
    return pixels if channels is None else pixels.reshape(height, width, channels)


def plane(height: int, width: int, seed: int = 0) -> Luma:
    """Luma of all values, a few of them beyond both ends."""
    random = np.random.default_rng(seed)
    return random.uniform(-0.05, 1.05, (height, width)).astype(np.float32)


def by_pytorch(network: Checkpoint, luma: Luma) -> NDArray[np.float64]:
    """The collapsed network in float64."""
    with torch.inference_mode():
        source = torch.from_numpy(luma.astype(np.float64))[None, None]
        result: NDArray[np.float64] = CollapsedSESR.from_checkpoint(network).double()(source)[0, 0].numpy()
    return result


def by_definition(network: QuantizedNetwork, luma: Luma) -> NDArray[np.float64]:
    """An int8 network's result without rounding: what the last convolution adds up, real, and luma as it came."""
    source = to_int8(luma).astype(np.int32)[None]
    first = features = quantized._convolve(source, SHIFTED, network.head)
    meaning = network.head.output
    for index, convolution in enumerate(network.body):
        features, meaning = quantized._convolve(features, meaning, convolution), convolution.output
        if network.slopes:
            features = quantized.prelu(features, meaning, network.slopes[index])
            meaning = network.slopes[index].output
    total = quantized._add(features, meaning, first, network.head.output, network.total) - network.total.zero_point
    height, width = luma.shape
    padded = np.pad(total, ((0, 0), (2, 2), (2, 2))).astype(np.int64)
    sums = np.tile(network.tail.bias[:, None, None].astype(np.int64), (1, height, width))
    for dy in range(5):
        for dx in range(5):
            window = padded[:, dy : dy + height, dx : dx + width]
            sums += np.tensordot(network.tail.weight[:, :, dy, dx].astype(np.int64), window, 1)
    real = sums * (np.float64(network.total.scale) * network.tail.weight_scale[:, None, None])
    real += luma if network.config.input_residual else 0
    return np.clip(quantized.depth_to_space(real, network.config.scale), 0, 1)


def by_numpy(engine: NativeEngine, pixels: Bytes) -> Bytes:
    """A picture enlarged by what other engines have around them."""
    if pixels.ndim == 3:
        return compose_rgb(engine.run(network_luma(pixels), rounded=False), pixels, engine.scale)
    luma = luma_from_grey(pixels.astype(np.float32)) / np.float32(255)
    return to_uint8(grey_from_luma(engine.run(luma, rounded=False) * np.float32(255)))


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
        np.testing.assert_array_equal(result, quantized.run(network, pixels))

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
        np.testing.assert_array_equal(NativeEngine(network).run_bytes(pixels), quantized.run(network, pixels))


@cache
def reference(config: SESRConfig, width: int) -> tuple[Bytes, Bytes]:
    """A picture and what an int8 network makes of it."""
    pixels = picture(6, width)
    return pixels, quantized.run(random_network(config), pixels)


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
    """What a float network makes of a plane."""
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
        network = calm_network(config, seed) if int8 else float_network(config, seed)
        engine, pixels = NativeEngine(network, threads), noise(height, width, channels, seed)
        result = engine.enlarge(pixels)
        assert (result.shape, result.dtype) == (enlarged(pixels, config.scale), np.uint8)
        assert np.abs(result.astype(int) - by_numpy(engine, pixels)).max() <= 1

    @pytest.mark.parametrize("channels", [None, 3])
    def test_nearly_all_pixels_equal_numpys(self, kernel: str, channels: int | None) -> None:
        pixels = noise(60, 80, channels)
        for network in [*map(load_network, SHIPPED), float_network(SESRConfig(m=2, scale=3)), random_network(SMALL)]:
            engine = NativeEngine(network)
            assert (engine.enlarge(pixels) != by_numpy(engine, pixels)).mean() < 1e-3

    @SOME
    @given(config=CONFIGS, seed=SEEDS, height=HEIGHTS, width=WIDTHS, int8=st.booleans())
    def test_grey_stays_grey(
        self, kernel: str, config: SESRConfig, seed: int, height: int, width: int, int8: bool
    ) -> None:
        network = random_network(config, seed) if int8 else float_network(config, seed)
        result = NativeEngine(network).enlarge(np.dstack([picture(height, width, seed)] * 3))
        assert np.array_equal(result[..., 0], result[..., 1])
        assert np.array_equal(result[..., 0], result[..., 2])

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


def enlarged(pixels: Bytes, scale: int) -> tuple[int, ...]:
    """The shape of a picture's result."""
    return (pixels.shape[0] * scale, pixels.shape[1] * scale, *pixels.shape[2:])


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
