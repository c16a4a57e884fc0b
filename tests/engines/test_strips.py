"""Strips equal the whole frame, for every size of picture and of tile."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.backends import backend_params
from tests.fakes import float_network

from sesr.engines.base import LumaEngine
from sesr.engines.load import load_engine
from sesr.engines.native import NativeEngine
from sesr.engines.strips import BAND_PIXELS, PIXELS, WORKING_BYTES, Span, plan, plan_rows, run_plane, run_strips
from sesr.errors import UsageError
from sesr.network.variants import SESRConfig

Luma = NDArray[np.float32]
TILES = st.none() | st.integers(1, 40)


@dataclass
class BoxSum:
    """An engine of exact arithmetic: sums whole numbers over a square of its radius, zeros beyond the border."""

    receptive_radius: int
    scale: int = 2
    int8: bool = False
    column_reach: int | None = None

    def run(self, luma: Luma) -> Luma:
        side = 2 * self.receptive_radius + 1
        padded = np.pad(luma, self.receptive_radius)
        sums = np.lib.stride_tricks.sliding_window_view(padded, (side, side)).sum((2, 3))
        return np.kron(sums, np.arange(1, self.scale**2 + 1).reshape(self.scale, -1)).astype(np.float32)


def whole_numbers(height: int, width: int) -> Luma:
    return np.random.default_rng(height + 1000 * width).integers(0, 9, (height, width)).astype(np.float32)


@settings(deadline=None, max_examples=150)
@given(st.integers(1, 60), st.integers(1, 60), st.integers(0, 6), TILES, st.integers(2, 4))
def test_equal_to_the_whole_frame_exactly(height: int, width: int, radius: int, tile: int | None, scale: int) -> None:
    engine = BoxSum(radius, scale)
    luma = whole_numbers(height, width)
    np.testing.assert_array_equal(run_plane(engine, luma, tile), engine.run(luma))


def test_a_halo_one_pixel_short_shows() -> None:
    """The property above can fail: an engine that reaches further than it says differs."""

    class Liar(BoxSum):
        def run(self, luma: Luma) -> Luma:
            return BoxSum(self.receptive_radius + 1).run(luma)

    luma = whole_numbers(40, 30)
    assert not np.array_equal(run_plane(Liar(3), luma, 10), Liar(3).run(luma))


@pytest.fixture(scope="module", params=backend_params("native", "openvino"))
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> LumaEngine:
    """A small network of random weights that all matter, biases too, so that its padding shows."""
    path = tmp_path_factory.mktemp("strips") / "net.safetensors"
    float_network(SESRConfig(m=1, f=4), strength=0.6).save(path)
    return load_engine(path, request.param, threads=1)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(height=st.integers(1, 50), width=st.integers(1, 50), tile=TILES)
def test_equal_to_the_whole_frame_with_a_network(engine: LumaEngine, height: int, width: int, tile: int | None) -> None:
    assert engine.receptive_radius == 5
    luma = np.random.default_rng(height * 99 + width).random((height, width), np.float32)
    np.testing.assert_allclose(run_plane(engine, luma, tile), engine.run(luma), rtol=0, atol=1e-6)


@settings(deadline=None, max_examples=200)
@given(st.integers(1, 20000), st.integers(1, 20000), st.integers(1, 40))
def test_default_strips_are_bounded_and_of_one_size(height: int, width: int, radius: int) -> None:
    bands = plan(height, width, radius)
    sizes = {
        (band.rows.stop - band.rows.start, column.stop - column.start) for band in bands for column in band.columns
    }
    ((rows, columns),) = sizes
    assert rows * columns <= PIXELS
    computed = rows * columns * len(bands) * len(bands[0].columns)
    lowered = rows < min(height, 14 * radius)
    assert computed <= (2.2 if lowered else 1.45) * height * width + (2 if lowered else 1) * PIXELS


@settings(deadline=None, max_examples=200)
@given(st.integers(1, 2000), st.integers(1, 500_000), st.integers(5, 20))
def test_bands_are_bounded_at_full_width_too(height: int, width: int, radius: int) -> None:
    rows = plan(height, width, radius)[0].rows
    assert (rows.stop - rows.start) * width <= max(BAND_PIXELS, 4 * radius * width)


@pytest.mark.parametrize(("width", "pieces"), [(1920, 1), (4000, 1), (12000, 3), (200000, 14)])
def test_only_wide_pictures_are_cut_in_columns(width: int, pieces: int) -> None:
    assert len(plan(3000, width, 9)[0].columns) == pieces


@settings(deadline=None, max_examples=200)
@given(st.integers(1, 500), st.integers(0, 20), st.integers(1, 100))
def test_kept_rows_follow_each_other(height: int, radius: int, tile: int) -> None:
    rows = [band.rows for band in plan(height, 1, radius, tile)]
    assert [span.keep_start for span in rows] == [0, *[span.keep_stop for span in rows[:-1]]]
    assert rows[-1].keep_stop == height
    for span in rows:
        assert span.keep_start - span.start >= radius or span.start == 0
        assert span.stop - span.keep_stop >= radius or span.stop == height
        assert span.keep_stop - span.keep_start <= tile + 2 * radius


@settings(deadline=None, max_examples=200)
@given(st.integers(1, 20000), st.integers(1, 500_000), st.integers(1, 40))
def test_rows_for_engines_that_keep_few(height: int, width: int, radius: int) -> None:
    """Over the full width where memory allows, with whole halos, bounded as bands are but for six radii."""
    bands = plan_rows(height, width, radius, WORKING_BYTES // width)
    rows = [band.rows for band in bands]
    assert all(band.columns == (Span(0, width, 0, width),) for band in bands)
    assert [span.keep_start for span in rows] == [0, *[span.keep_stop for span in rows[:-1]]]
    assert rows[-1].keep_stop == height
    for span in rows:
        assert span.keep_start - span.start >= radius or span.start == 0
        assert span.stop - span.keep_stop >= radius or span.stop == height
        assert (span.stop - span.start) * width <= max(BAND_PIXELS, 6 * radius * width)
    assert len(rows) == 1 or 2 * (rows[0].stop - rows[0].start) * width > min(BAND_PIXELS, height * width)


@settings(deadline=None)
@given(st.integers(1, 500_000), st.integers(1, 40), st.integers(1, 100_000))
def test_columns_where_rows_would_take_too_much(width: int, radius: int, column_bytes: int) -> None:
    (band,) = plan_rows(radius, width, radius, column_bytes)
    assert [span.keep_start for span in band.columns] == [0, *[span.keep_stop for span in band.columns[:-1]]]
    assert band.columns[-1].keep_stop == width
    for span in band.columns:
        assert (span.stop - span.start) * column_bytes <= max(WORKING_BYTES, 6 * radius * column_bytes)


def test_reads_each_band_once_and_hands_it_over() -> None:
    luma = whole_numbers(50, 7)
    asked: list[tuple[int, int]] = []

    def read(y0: int, y1: int) -> Luma:
        asked.append((y0, y1))
        return luma[y0:y1]

    engine = BoxSum(3)
    whole = engine.run(luma)
    for done, (band, rows) in enumerate(run_strips(engine, read, 50, 7, tile=10), 1):
        assert len(asked) == done, "a band is read when its turn comes, not before"
        assert asked[-1] == (band.rows.start, band.rows.stop)
        np.testing.assert_array_equal(rows, whole[2 * band.rows.keep_start : 2 * band.rows.keep_stop])
    assert len(asked) == 5


def test_inside_of_a_span() -> None:
    assert Span(10, 30, 13, 27).inside() == slice(3, 17)
    assert Span(10, 30, 13, 27).inside(4) == slice(12, 68)


@pytest.mark.parametrize("tile", [0, 2.5, "auto"])
def test_tile_that_is_no_size_is_refused(tile: Any) -> None:  # noqa: ANN401 - wrong on purpose
    with pytest.raises(UsageError, match=f"tile must be a whole number, at least 1, not {tile}"):
        plan(10, 10, 3, tile)


def test_tile_may_be_a_numpy_number() -> None:
    assert plan(30, 30, 3, np.int64(9)) == plan(30, 30, 3, 9)  # type: ignore[arg-type]


def test_small_pictures_stay_whole() -> None:
    """A picture within the budget is one strip, whatever its shape."""
    for height, width in ((1, 1), (1, PIXELS), (PIXELS, 1), (700, 700)):
        (band,) = plan(height, width, 9)
        assert band.rows == Span(0, height, 0, height)
        assert band.columns == (Span(0, width, 0, width),)


def test_our_engines_floats_are_cut_between_tiles() -> None:
    network = float_network(SESRConfig(m=2))
    engine, luma = NativeEngine(network, floats="float32"), np.random.default_rng(0).random((12, 403), np.float32)
    for tile in (5, 50):
        np.testing.assert_array_equal(run_plane(engine, luma, tile), engine.run(luma))
