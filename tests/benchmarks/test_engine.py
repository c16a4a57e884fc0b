"""The comparison of our engine times equal work, in turns; its figures are not tested."""

from dataclasses import replace

import numpy as np
import pytest

from sesr.benchmarks.engine import make_contenders, measure_engine, measure_peak, random_float, random_int8
from sesr.engines.kernels import Values, has_fixed_point
from sesr.engines.native import NativeEngine
from sesr.engines.openvino import openvino_int8_trusted
from sesr.errors import UsageError
from sesr.network.reference import run_int8
from sesr.network.variants import VARIANTS

ALWAYS = ["native-1-thread", "native-8-bit", "native-10-bit", "native-rgb", "openvino"]


@pytest.mark.needs("openvino", "export")
def test_rows() -> None:
    timings = list(measure_engine(["m3"], [3], 40, 30, rounds=2, threads=2))
    tiled = NativeEngine(random_int8(VARIANTS["m3"]), 1).winograd_layers > 0
    wanted = {"int8": ["native", *["native-direct"] * tiled, *ALWAYS], "float32": ["native", "native-direct", *ALWAYS]}
    if has_fixed_point():
        wanted["int16"] = ["native", "native-float32", *ALWAYS]
    assert [(row.values, row.contender) for row in timings] == [
        (values, contender) for values, contenders in wanted.items() for contender in contenders
    ]
    for timing in timings:
        assert (timing.network, timing.scale, timing.width, timing.height) == ("m3", 3, 40, 30)
        assert (timing.threads, timing.rounds) == (1 if timing.contender == "native-1-thread" else 2, 2)
        assert 0 < timing.best_ms <= timing.median_ms
        assert timing.of_peak > 0
        direct = VARIANTS["m3"].weights - 4 * 16 * 25 + 9 * 16 * 25
        assert timing.direct_gmacs == round(direct * 1200 / 1e9, 3)
        halved = timing.contender not in ("native-direct", "openvino")
        if timing.values != "int8":
            assert timing.gmacs == round((direct - halved * 3 * 16 * 16 * 9 / 2) * 1200 / 1e9, 3)
        assert (timing.times_openvino == 1) or timing.contender != "openvino"
        assert (timing.kernel == "") == (timing.contender == "openvino")
        assert timing.line().startswith(f"m3 x3 {timing.values}")


@pytest.mark.needs("openvino", "export")
def test_contenders_do_the_same_work() -> None:
    """OpenVINO's result is our engine's, to rounding, so neither saves itself anything.

    In int8 it is wrong without VNNI, and the benchmark still times it.
    """
    for network in (random_int8(VARIANTS["m3"]), random_float(VARIANTS["m3"])):
        int8 = NativeEngine(network, 1).int8
        contenders = make_contenders(network, 33, 47, threads=1)
        ours, one_thread, theirs = (contenders[name]() for name in ("native", "native-1-thread", "openvino"))
        np.testing.assert_array_equal(ours, one_thread)
        assert ("native-direct" in contenders) == (NativeEngine(network, 1, floats="float32").winograd_layers > 0)
        if "native-direct" in contenders:
            np.testing.assert_allclose(ours, contenders["native-direct"](), rtol=0, atol=0 if int8 else 1e-5)
        eight = contenders["native-8-bit"]()
        np.testing.assert_array_equal(eight, ours if int8 else np.rint(ours * np.float32(255)))
        if int8:
            theirs = theirs.view(np.uint8) ^ 128
        if openvino_int8_trusted() or not int8:
            np.testing.assert_allclose(ours.astype(float), theirs.astype(float), atol=2 if int8 else 1e-5)
        assert theirs.shape == ours.shape
        deep = contenders["native-10-bit"]() / (4 if int8 else 4 * 255)
        near = abs(deep - ours) < (0.7 if int8 else 6e-4)  # but for what the 8-bit result's own clips hide
        assert near.mean() > 0.9
        assert contenders["native-rgb"]().shape == (66, 94, 3)


def test_random_networks_are_alive() -> None:
    """Planes use their 8 bits: a network of zeros might be faster."""
    config = replace(VARIANTS["m11"], scale=4)
    pixels = np.random.default_rng(1).integers(0, 256, (20, 20), np.uint8)
    enlarged = run_int8(random_int8(config), pixels)
    assert len(np.unique(enlarged)) > 100
    luma = NativeEngine(random_float(config), 1, floats="float32").run(pixels.astype(np.float32) / np.float32(255))
    assert len(np.unique(luma)) > 100


def test_peak_counts_what_was_done() -> None:
    clock = iter([0.0, 0.004, 0.01, 0.024])  # two calls, after 24 ms enough
    peak = measure_peak(1, "int8", seconds=0.02, spin=lambda rounds, values: 1000, clock=lambda: next(clock))
    assert peak == pytest.approx(2 * 1000 / 0.024)


def test_peak_adds_threads_up() -> None:
    def spin(_: int, values: Values) -> int:
        return 1000 if values == "int8" else 10

    assert measure_peak(3, "int8", seconds=0.001, spin=spin) > 10 * measure_peak(1, "float32", seconds=0.001, spin=spin)


def test_refusals() -> None:
    with pytest.raises(UsageError, match="rounds must be at least 1"):
        list(measure_engine(["m5"], [2], rounds=0))
    with pytest.raises(UsageError, match="network 'm4' is unknown: use some of m3, m5, m7, m11, xl"):
        list(measure_engine(["m4"], [2]))
