"""Wide pictures run in strips of columns, and every bit is what it would be without."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.fakes import float_network, random_network

from sesr.engines.kernels import FLOATS, KERNEL, kernels
from sesr.engines.native import NativeEngine
from sesr.network.variants import SESRConfig

DEEP, HEIGHT, REACH = SESRConfig(m=5, f=32, activation="relu"), 19, 4 * 6
"""A network with much memory a column, a height that is no multiple of the rows that enter a strip together, and what
its results depend on."""

KERNELS = list(dict.fromkeys((next(name for name, there in kernels().items() if there), "avx2")))
"""The best ones, and those that store int8 as int16. All run in the same strips."""

KINDS = [("int8", ""), ("float32", "float32"), ("int16", "int16")]


@pytest.fixture(params=KERNELS)
def kernel(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if not kernels().get(request.param, False):
        pytest.skip(f"this processor has no {request.param}")
    monkeypatch.setenv(KERNEL, request.param)
    name: str = request.param
    return name


def make_engine(values: str, threads: int) -> NativeEngine:
    return NativeEngine(random_network(DEEP) if values == "int8" else float_network(DEEP), threads)


def whole_in_strips(engine: NativeEngine) -> int:
    """Return a width that is cut into three strips or more, the last of them a short one."""
    width = 512
    while engine.network.strips(width) < 3:
        width *= 2
    while engine.network.strips(width - 48) == 3:
        width -= 48
    return width - 11


def by_pieces(run: Callable[[NDArray[Any]], NDArray[Any]], picture: NDArray[Any], engine: NativeEngine) -> NDArray[Any]:
    """Enlarge pieces that are too narrow for strips, with what their results depend on around them."""
    width, piece, scale = picture.shape[1], 320, engine.scale
    parts = []
    for start in range(0, width, piece):
        left = max(start - REACH, 0)
        cut = picture[:, left : min(start + piece + REACH, width)]
        assert engine.network.strips(cut.shape[1]) == 1
        parts.append(run(cut)[:, (start - left) * scale : (min(start + piece, width) - left) * scale])
    return np.concatenate(parts, axis=1)


@pytest.mark.parametrize(("values", "floats"), KINDS, ids=[values for values, _ in KINDS])
def test_strips_change_no_bit(kernel: str, values: str, floats: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Planes of bytes, luma in floats and color: each has a reader and a writer of its own."""
    if floats:
        monkeypatch.setenv(FLOATS, floats)
    engine = make_engine(values, threads=2)
    if values == "int16" and engine.values != "int16":
        pytest.skip(f"{kernel} has no fixed point")
    width = whole_in_strips(engine)
    assert engine.network.strips(width) >= 2
    random = np.random.default_rng(width)
    luma = random.integers(0, 256, (HEIGHT, width), np.uint8)
    color = random.integers(0, 256, (HEIGHT, width, 3), np.uint8)
    np.testing.assert_array_equal(engine.run_bytes(luma), by_pieces(engine.run_bytes, luma, engine))
    real = luma.astype(np.float32) / np.float32(255)
    np.testing.assert_array_equal(engine.run(real), by_pieces(engine.run, real, engine))
    np.testing.assert_array_equal(engine.enlarge(color), by_pieces(engine.enlarge, color, engine))


def test_rows_of_a_wide_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bands begin and end anywhere among the rows that enter together."""
    monkeypatch.setenv(FLOATS, "float32")
    engine = make_engine("float32", 1)
    width = whole_in_strips(engine)
    color = np.random.default_rng(1).integers(0, 256, (HEIGHT, width, 3), np.uint8)
    whole = engine.enlarge(color)
    for start, stop in ((0, 1), (3, 18), (16, 19), (18, 19)):
        np.testing.assert_array_equal(engine.enlarge(color, slice(start, stop)), whole[2 * start : 2 * stop])
