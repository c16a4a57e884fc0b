"""The engine's comparison runs all contenders in turns and writes its table; its figures are not tested."""

import csv
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from sesr.benchmarks import engine_speed
from sesr.benchmarks.engine_speed import EngineTiming, measure_engine, random_float, random_int8
from sesr.benchmarks.rows import write_rows
from sesr.engines.native import NativeEngine
from sesr.engines.openvino import openvino_int8_trusted
from sesr.errors import UsageError
from sesr.network.reference import run_int8
from sesr.network.variants import VARIANTS

CONTENDERS = ["native", "native-1-thread", "native-rgb", "openvino"]


@pytest.mark.needs("openvino", "export")
def test_table(tmp_path: Path) -> None:
    timings = list(measure_engine(["m3"], [3], 40, 30, rounds=2, threads=2))
    assert [(timing.values, timing.contender) for timing in timings] == [
        (values, contender) for values in ("int8", "float32") for contender in CONTENDERS
    ]
    for timing in timings:
        assert (timing.network, timing.scale, timing.width, timing.height) == ("m3", 3, 40, 30)
        assert (timing.threads, timing.rounds) == (1 if timing.contender == "native-1-thread" else 2, 2)
        assert 0 < timing.best_ms <= timing.median_ms
        assert timing.of_peak > 0
        assert (timing.times_openvino == 1) or timing.contender != "openvino"
    write_rows(timings, tmp_path / "engine.csv")
    with (tmp_path / "engine.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [field.name for field in fields(EngineTiming)]
    assert [float(row["of_peak"]) for row in rows] == [timing.of_peak for timing in timings]


@pytest.mark.needs("openvino", "export")
def test_contenders_do_the_same_work() -> None:
    """OpenVINO's result is our engine's, to rounding, so neither saves itself anything.

    In int8 it is wrong without VNNI, and the benchmark still times it.
    """
    for network in (random_int8(VARIANTS["m3"]), random_float(VARIANTS["m3"])):
        engine = NativeEngine(network, 1)
        contenders = engine_speed._contenders(network, engine, (33, 47))
        ours, one, theirs = (np.asarray(contenders[name]()) for name in ("native", "native-1-thread", "openvino"))
        np.testing.assert_array_equal(ours, one)
        if engine.int8:
            theirs = theirs.view(np.uint8) ^ 128
        if openvino_int8_trusted() or not engine.int8:
            np.testing.assert_allclose(ours.astype(float), theirs.astype(float), atol=2 if engine.int8 else 1e-5)
        assert theirs.shape == ours.shape
        assert np.asarray(contenders["native-rgb"]()).shape == (66, 94, 3)


def test_random_networks_are_alive() -> None:
    """Planes use their 8 bits: a network of zeros might be faster."""
    config = replace(VARIANTS["m11"], scale=4)
    pixels = np.random.default_rng(1).integers(0, 256, (20, 20), np.uint8)
    enlarged = run_int8(random_int8(config), pixels)
    assert len(np.unique(enlarged)) > 100
    luma = NativeEngine(random_float(config), 1).run(pixels.astype(np.float32) / np.float32(255))
    assert len(np.unique(luma)) > 100


def test_peak_counts_what_was_done(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 0.004, 0.01, 0.016, 0.024])  # of which 4 to 24 ms are measured
    monkeypatch.setattr("sesr.benchmarks.engine_speed.PEAK_SECONDS", 0.02)
    monkeypatch.setattr("sesr.benchmarks.engine_speed.time.perf_counter", lambda: next(clock))
    monkeypatch.setattr("sesr.benchmarks.engine_speed.multiply_adds", lambda rounds, int8: 1000)
    assert engine_speed._peak(int8=True, threads=1) == pytest.approx(2 * 1000 / 0.02)


def test_refusals() -> None:
    with pytest.raises(UsageError, match="rounds must be at least 1"):
        list(measure_engine(["m5"], [2], rounds=0))
    with pytest.raises(UsageError, match="network 'm4' is unknown: use some of m3, m5, m7, m11, xl"):
        list(measure_engine(["m4"], [2]))
