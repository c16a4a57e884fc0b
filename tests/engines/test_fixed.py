"""Float networks in fixed point: the engine equals the definition in every bit, the definition nearly the network."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.fakes import CONFIGS, float_network

from sesr import _native
from sesr.engines.kernels import (
    FLOATS,
    KERNEL,
    WINOGRAD,
    FloatValues,
    floats_in_use,
    gains_from_fixed_point,
    has_fixed_point,
    kernels,
)
from sesr.engines.native import NativeEngine
from sesr.errors import EngineError, WeightsError
from sesr.imaging.drawn import luma_text
from sesr.network.checkpoint import Checkpoint, load_checkpoint
from sesr.network.fixed import (
    DARK,
    POINTS_OF_FEATURES,
    RESULTS_OF_POINTS,
    TILE_MOST,
    WEIGHT_MOST,
    FixedConvolution,
    FixedNetwork,
    fix_network,
    run_fixed,
)
from sesr.network.reference import run_float
from sesr.network.variants import SESRConfig
from sesr.network.zoo import list_networks

FIXED_KERNELS = [
    pytest.param(name, marks=pytest.mark.skipif(not there, reason=f"this processor has no {name}"))
    for name, there in kernels().items()
    if not there or _native.has_int16(name)
]
SOME = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
SHIPPED = [network.safetensors for network in list_networks() if network.safetensors is not None and not network.int8]


@pytest.fixture(params=FIXED_KERNELS)
def kernel(request: pytest.FixtureRequest) -> Iterator[str]:
    """Each that has fixed point and that this processor has, named in the environment."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(KERNEL, request.param)
        yield request.param


def noise(height: int, width: int, seed: int = 0) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """Luma of all values, a few of them beyond both ends."""
    return np.random.default_rng(seed).uniform(-0.05, 1.05, (height, width)).astype(np.float32)


@SOME
@given(config=CONFIGS, seed=st.integers(0, 10**6), size=st.tuples(st.integers(1, 20), st.integers(1, 70)))
def test_the_engine_equals_the_definition(kernel: str, config: SESRConfig, seed: int, size: tuple[int, int]) -> None:
    network, luma = float_network(config, seed), noise(*size, seed)
    for threads in (1, 3):
        engine = NativeEngine(network, threads, floats="int16")
        assert engine.kernel == kernel
        np.testing.assert_array_equal(engine.run(luma), run_fixed(fix_network(network), luma))


@pytest.mark.parametrize("width", [79, 80, 81, 95, 96, 97, 127, 128, 129, 403])
def test_widths_about_those_of_chunks(kernel: str, width: int) -> None:
    network, luma = float_network(SESRConfig(m=2)), noise(3, width)
    engine = NativeEngine(network, 2, floats="int16")
    np.testing.assert_array_equal(engine.run(luma), run_fixed(fix_network(network), luma))


def test_bytes_pictures_and_columns(kernel: str) -> None:
    """The ways that `sesr upscale` and video take."""
    network = float_network(SESRConfig(m=3))
    engine, pixels = (
        NativeEngine(network, 2, floats="int16"),
        np.random.default_rng(0).integers(0, 256, (30, 203), np.uint8),
    )
    luma = pixels.astype(np.float32) / np.float32(255)
    wanted = run_fixed(fix_network(network), luma)
    np.testing.assert_array_equal(engine.run_bytes(pixels), np.rint(wanted * np.float32(255)))
    whole = engine.enlarge(pixels)
    near = NativeEngine(network, 2, floats="float32").enlarge(pixels).astype(int)
    assert np.abs(whole.astype(int) - near).max() <= 3
    for band in engine.plan(30, 203, 8, tile=24):
        for column in band.columns:
            rows = slice(band.rows.keep_start, band.rows.keep_stop)
            part = engine.enlarge(pixels[:, column.start : column.stop], rows, column.inside())
            kept = slice(2 * column.keep_start, 2 * column.keep_stop)
            np.testing.assert_array_equal(part, whole[2 * rows.start : 2 * rows.stop, kept])


def test_a_channel_that_the_drawn_picture_leaves_dark(kernel: str) -> None:
    """It is as it is defined, and never wraps around."""
    network = float_network(SESRConfig(m=2, f=4))
    tensors = {name: tensor.copy() for name, tensor in network.tensors.items()}
    tensors["head.weight"][0] = 0
    tensors["head.bias"][0] = 0
    tensors["body.0.weight"][1] = 0
    tensors["body.0.weight"][1, :, 1, 1] = 900
    tensors["body.0.bias"][1] = -1e6
    dark = Checkpoint(network.config, tensors)
    for luma in (noise(9, 40), np.full((9, 40), 0.5, np.float32)):
        result = NativeEngine(dark, floats="int16").run(luma)
        np.testing.assert_array_equal(result, run_fixed(fix_network(dark), luma))


@pytest.mark.parametrize("slope", [-1e5, 1e5])
def test_a_dark_channel_that_prelu_enlarges(kernel: str, slope: float) -> None:
    """Its step holds the result after PReLU, so that rounding it cannot wrap around to the other sign."""
    network = float_network(SESRConfig(m=2, f=4))
    tensors = {name: tensor.copy() for name, tensor in network.tensors.items()}
    tensors["body.0.weight"][1] = 0
    tensors["body.0.weight"][1, :, 1, 1] = 1e4, -1e4, 1e4, -1e4
    tensors["body.0.bias"][1] = -3e4
    tensors["body.0.slope"][1] = 0  # dark, unless features are far beyond those of the drawn picture
    tensors["body.1.weight"][2] = 0
    tensors["body.1.weight"][2, 1, 1, 1] = -3e6
    tensors["body.1.bias"][2] = 0
    tensors["body.1.slope"][2] = slope
    dark = Checkpoint(network.config, tensors)
    fixed = fix_network(dark)
    assert fixed.overshoot > DARK
    assert NativeEngine(dark, floats="auto").values == "float32"
    for layer in fixed.body:
        assert layer.slope is not None
        assert (largest_results(layer).max(1) * layer.scale * np.maximum(1, np.abs(layer.slope)) < 2**30 * 1.02).all()
    for luma in (noise(9, 40), np.full((9, 40), 0.5, np.float32)):
        np.testing.assert_array_equal(NativeEngine(dark, floats="int16").run(luma), run_fixed(fixed, luma))


def test_weights_that_are_no_numbers(kernel: str) -> None:
    network = float_network(SESRConfig(m=1))
    network.tensors["body.0.weight"][0, 0, 0, 0] = np.nan
    with pytest.raises(WeightsError, match=r"body\.0\.weight holds a number that is infinite or none"):
        NativeEngine(network, floats="int16")


def test_the_module_refuses_what_could_wrap_around(kernel: str) -> None:
    fixed = fix_network(float_network(SESRConfig(m=1, f=4)))
    layers = [[layer.weight, layer.bias, layer.scale, layer.slope] for layer in (fixed.head, *fixed.body, fixed.tail)]

    def make(sums: tuple[object, object] = (fixed.last_scale, fixed.first_scale)) -> None:
        _native.Network(1, 4, 2, True, [tuple(layer) for layer in layers], *sums, kernel)  # type: ignore[call-overload]

    make()
    for index, part, value, reason in (
        (1, 0, np.full_like(layers[1][0], 32767), "too large for sums of 32 bits"),
        (0, 1, np.full(4, 2**31 - 1, np.int32), "too large for sums of 32 bits"),
        (1, 2, np.full(4, 3e38, np.float32), "scale is too large"),
        (1, 3, np.full(4, -1e9, np.float32), "scale is too large"),
        (1, 3, np.full(4, np.nan, np.float32), "slopes are finite"),
        (2, 2, np.full(4, np.nan, np.float32), "factors are positive"),
    ):
        kept, layers[index][part] = layers[index][part], value
        with pytest.raises(ValueError, match=reason):
            make()
        layers[index][part] = kept
    with pytest.raises(ValueError, match="scales are finite"):
        make((np.full(4, np.inf, np.float32), fixed.first_scale))


def test_it_has_winograds_form_only() -> None:
    with pytest.raises(EngineError, match=r"Winograd's form only; .*SESR_FLOATS.*SESR_WINOGRAD"):
        NativeEngine(float_network(SESRConfig(m=1)), winograd=False, floats="int16")


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_networks_stay_near(path: Path) -> None:
    """Over soft waves and hard edges at most 1.5 steps, a tenth of a step in the mean; over letters at most 10 steps.

    Dots at random, black and white, have the largest features of all. Some are clipped there: up to 20 steps. Where
    features are clipped on letters too, results are off by 100.
    """
    y, x = np.indices((40, 60)) / 8
    waves = np.where(x + y > 7, 0.5 + 0.4 * np.sin(x * y), 0.2 + 0.1 * np.cos(x)).astype(np.float32)
    letters = luma_text(32, 48).astype(np.float32) / np.float32(255)
    dots = np.random.default_rng(99).integers(0, 2, (32, 48)).astype(np.float32)
    network = load_checkpoint(path)
    fixed = fix_network(network)
    for luma, most, mean in ((waves, 1.5, 0.1), (letters, 10, 0.5), (1 - letters, 10, 0.5), (dots, 20, 1)):
        error = 255 * np.abs(run_fixed(fixed, luma) - run_float(network, luma.astype(np.float64)))
        assert error.max() < most
        assert error.mean() < mean


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_networks_take_fixed_point(path: Path) -> None:
    assert fix_network(load_checkpoint(path)).overshoot < 0.9 * DARK


@pytest.mark.parametrize("layer", [0, 1])
def test_a_channel_that_only_other_pictures_light(layer: int) -> None:
    """A channel finds a pattern of 5 x 5 dots, which the drawn picture lacks. It is not clipped where it finds it."""
    sign = np.random.default_rng(3).choice([-1, 1], (5, 5))
    network = float_network(SESRConfig(m=2, f=4, activation="relu"))
    tensors = {name: 0.1 * tensor for name, tensor in network.tensors.items()}
    for name in ("head", "body.0", "body.1"):
        tensors[f"{name}.weight"][:2] = tensors[f"{name}.bias"][:2] = 0
    tensors["head.weight"][0, 0] = sign  # 12.5 where all dots are right, 11.5 where one is wrong
    tensors["body.0.weight"][[0, 1], [0, 1], 1, 1] = tensors["body.1.weight"][[0, 1], [0, 1], 1, 1] = 1
    tensors[f"body.{layer}.weight"][1, 0, 1, 1], tensors[f"body.{layer}.bias"][1] = 1, -11.75
    tensors["tail.weight"][:, :2] = 0
    tensors["tail.weight"][:, 1, 2, 2] = -0.2 * sign[2, 2]  # away from black or white
    checkpoint = Checkpoint(network.config, tensors)
    luma = np.full((24, 24), 0.5, np.float32)
    luma[9:14, 9:14] = (sign + 1) / 2
    wanted = run_float(checkpoint, luma.astype(np.float64))
    fixed = fix_network(checkpoint)
    assert fixed.overshoot < DARK
    assert np.abs(255 * (run_fixed(fixed, luma) - wanted)).max() < 1

    tensors[f"body.{layer}.bias"][1] = -100  # the channel is off
    without = run_float(checkpoint, luma.astype(np.float64))
    assert np.abs(255 * (without - wanted)).max() > 20


@SOME
@given(config=st.one_of(CONFIGS, st.just(SESRConfig(m=1, f=300))), seed=st.integers(0, 10**6), spread=st.floats(-6, 6))
def test_no_result_leaves_32_bits(config: SESRConfig, seed: int, spread: float) -> None:
    """Whatever the features are: each weight meets the largest feature of its own sign, at the points as rounded."""
    network = float_network(config, seed)
    scaled = {name: (tensor * 10**spread).astype(np.float32) for name, tensor in network.tensors.items()}
    try:
        fixed = fix_network(Checkpoint(network.config, scaled))
    except WeightsError:
        assert spread > 3
        return
    for layer, most in ((fixed.head, 32767), (fixed.tail, 32767)):
        assert (np.abs(layer.weight.astype(np.int64)).sum((1, 2, 3)) * most + np.abs(layer.bias) < 2**31).all()
    for layer in fixed.body:
        assert np.abs(layer.weight).max() <= WEIGHT_MOST
        assert largest_results(layer).max() < 2**31


def largest_results(layer: FixedConvolution) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """The largest of each of a tile's four results, from what each feature adds to it."""
    shares = np.einsum("yp,oirp,pd->oyird", RESULTS_OF_POINTS, layer.weight.astype(np.float64), POINTS_OF_FEATURES)
    largest: np.ndarray[tuple[int, ...], np.dtype[np.float64]] = np.abs(shares).sum((2, 3, 4)) * TILE_MOST
    return largest + np.abs(layer.bias.astype(np.float64))[:, None]


class TestDefault:
    """Fixed point where kernels gain from it and the network suits it."""

    NETWORK = float_network(SESRConfig(m=2))

    def test_where_kernels_gain(self, kernel: str) -> None:
        wanted: FloatValues = "int16" if gains_from_fixed_point() else "float32"
        assert gains_from_fixed_point() or kernel not in ("avx512vnni", "avxvnni", "vnni256", "avx2")
        luma, engine = noise(9, 30), NativeEngine(self.NETWORK)
        assert (engine.values, floats_in_use()) == (wanted, wanted)
        np.testing.assert_array_equal(engine.run(luma), NativeEngine(self.NETWORK, floats=wanted).run(luma))

    @pytest.mark.parametrize("name", [name for name, there in kernels().items() if there and not has_fixed_point(name)])
    def test_kernels_without_it(self, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        """NEON's."""
        monkeypatch.setenv(KERNEL, name)
        assert (NativeEngine(self.NETWORK).values, floats_in_use()) == ("float32", "float32")
        with pytest.raises(EngineError, match="fixed point"):
            NativeEngine(self.NETWORK, floats="int16")

    def test_networks_that_do_not_suit_it(self, kernel: str) -> None:
        """Numbers beyond the bounds, and a channel that is dark over the drawn picture and not over others."""
        for name, value in (("body.0.weight", np.nan), ("body.1.bias", np.inf), ("body.0.bias", -1e6)):
            tensors = {key: tensor.copy() for key, tensor in self.NETWORK.tensors.items()}
            tensors[name][0] = value
            tensors["body.0.slope"][0] = 0
            network, luma = Checkpoint(self.NETWORK.config, tensors), noise(9, 30)
            engine = NativeEngine(network)
            assert engine.values == "float32"
            np.testing.assert_array_equal(engine.run(luma), NativeEngine(network, floats="float32").run(luma))

    def test_the_same_numbers_are_converted_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """By content, not by file or object, so that no change is missed."""
        converted = []

        def counted(network: Checkpoint) -> FixedNetwork:
            converted.append(network)
            return fix_network(network)

        monkeypatch.setattr("sesr.engines.prepare.fix_network", counted)
        monkeypatch.setenv(KERNEL, "portable")
        network, luma = float_network(SESRConfig(m=2), seed=4711), noise(9, 30)
        first = NativeEngine(network, floats="int16").run(luma)
        again = NativeEngine(float_network(SESRConfig(m=2), seed=4711), floats="int16").run(luma)
        np.testing.assert_array_equal(first, again)
        assert len(converted) == 1
        network.tensors["tail.bias"][0] += 0.25
        changed = NativeEngine(network, floats="int16").run(luma)
        assert len(converted) == 2
        np.testing.assert_array_equal(changed, run_fixed(fix_network(network), luma))

    def test_without_winograds_form(self, monkeypatch: pytest.MonkeyPatch, kernel: str) -> None:
        assert NativeEngine(self.NETWORK, winograd=False).values == "float32"
        monkeypatch.setenv(WINOGRAD, "off")
        assert (NativeEngine(self.NETWORK).values, floats_in_use()) == ("float32", "float32")

    def test_the_environment(self, monkeypatch: pytest.MonkeyPatch, kernel: str) -> None:
        auto = "int16" if gains_from_fixed_point() else "float32"
        for value, wanted in (("float32", "float32"), ("int16", "int16"), ("auto", auto), ("", auto)):
            monkeypatch.setenv(FLOATS, value)
            assert (NativeEngine(self.NETWORK).values, floats_in_use()) == (wanted, wanted)
        assert NativeEngine(self.NETWORK, floats="float32").values == "float32"
        monkeypatch.setenv(FLOATS, "int17")
        with pytest.raises(EngineError, match="SESR_FLOATS=int17: must be auto, float32 or int16"):
            NativeEngine(self.NETWORK)
