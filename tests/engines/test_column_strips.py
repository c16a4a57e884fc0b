"""Wide pictures run in strips of columns, and every bit is what it would be without."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.fakes import float_network, random_network

from sesr.engines.kernels import KERNEL, kernels
from sesr.engines.native import NativeEngine
from sesr.engines.planes import upscale_luma
from sesr.errors import EngineError
from sesr.network.variants import SESRConfig

HEIGHT = 19
"""No multiple of the rows that enter a strip together, and more."""

DEEP = SESRConfig(m=5, f=32, activation="relu")

KERNELS = list(dict.fromkeys((next(name for name, there in kernels().items() if there), "avx2")))
"""The best ones, and those that store int8 as int16. All run in the same strips."""

Run = Callable[[NDArray[Any]], NDArray[Any]]


@dataclass(frozen=True)
class Kind:
    """A network with much memory for each column, and the arithmetic that it runs in."""

    values: str
    config: SESRConfig = DEEP
    winograd: bool = True

    def engine(self, threads: int = 2) -> NativeEngine:
        if self.values == "int8":
            return NativeEngine(random_network(self.config), threads, winograd=self.winograd)
        floats: Any = self.values
        return NativeEngine(float_network(self.config), threads, winograd=self.winograd, floats=floats)


KINDS = [
    Kind("int8"),
    Kind("int8", SESRConfig(m=4, f=32, scale=4, input_residual=False)),
    Kind("float32"),
    Kind("float32", SESRConfig(m=4, f=32, scale=3), winograd=False),
    Kind("int16"),
    Kind("int16", SESRConfig(m=4, f=32, scale=4)),
]


@pytest.fixture(params=KERNELS)
def kernel(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if not kernels().get(request.param, False):
        pytest.skip(f"this processor has no {request.param}")
    monkeypatch.setenv(KERNEL, request.param)
    name: str = request.param
    return name


def made(kind: Kind) -> NativeEngine:
    try:
        return kind.engine()
    except EngineError as error:
        pytest.skip(str(error))


def width_of_two_strips(engine: NativeEngine) -> int:
    """Return a width just above that of one strip, and not a multiple of anything."""
    width = 501
    while len(engine.network.strips(width)) < 2:
        width += 64
    return width


def by_pieces(run: Run, picture: NDArray[Any], engine: NativeEngine) -> NDArray[Any]:
    """Enlarge pieces that are too narrow for strips, with what their results depend on around them."""
    width, piece, scale, reach = picture.shape[1], 320, engine.scale, 4 * 6
    parts = []
    for start in range(0, width, piece):
        left = max(start - reach, 0)
        cut = np.ascontiguousarray(picture[:, left : min(start + piece + reach, width)])
        assert len(engine.network.strips(cut.shape[1])) == 1
        parts.append(run(cut)[:, (start - left) * scale : (min(start + piece, width) - left) * scale])
    return np.concatenate(parts, axis=1)


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_strips_change_no_bit(kernel: str, kind: Kind) -> None:
    """Luma in floats, planes of 8 and 10 bits, and color: each has a reader and a writer of its own."""
    engine = made(kind)
    width = width_of_two_strips(engine)
    random = np.random.default_rng(width)

    def planes(codes: NDArray[np.uint16]) -> NDArray[np.uint16]:
        result = np.empty((codes.shape[0] * engine.scale, codes.shape[1] * engine.scale), np.uint16)
        upscale_luma(engine, codes, result, depth=10)
        return result

    luma = random.integers(0, 256, (HEIGHT, width), np.uint8)
    runs: list[tuple[Run, NDArray[Any]]] = [
        (engine.run_bytes, luma),
        (engine.run, luma.astype(np.float32) / np.float32(255)),
        (planes, random.integers(0, 1024, (HEIGHT, width), np.uint16)),
        (engine.enlarge, random.integers(0, 256, (HEIGHT, width, 3), np.uint8)),
    ]
    for run, picture in runs:
        np.testing.assert_array_equal(run(picture), by_pieces(run, picture, engine))


@pytest.mark.parametrize("values", ["int8", "float32"])
def test_rows_of_a_wide_picture(values: str) -> None:
    """Bands begin and end anywhere among the rows that enter together."""
    engine = made(Kind(values))
    color = np.random.default_rng(1).integers(0, 256, (HEIGHT, width_of_two_strips(engine), 3), np.uint8)
    whole = engine.enlarge(color)
    for start, stop in ((0, 1), (3, 18), (16, 19), (18, 19)):
        np.testing.assert_array_equal(engine.enlarge(color, slice(start, stop)), whole[2 * start : 2 * stop])


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_strips_cover_the_row_once(kind: Kind) -> None:
    engine = made(kind)
    assert engine.network.strips(1) == [(0, 1, 0, 1)]
    for width in range(width_of_two_strips(engine) - 70, 20000, 431):
        strips = engine.network.strips(width)
        assert [strip[2] for strip in strips] == [0, *(strip[3] for strip in strips[:-1])]
        assert strips[-1][3] == width
        for start, stop, first, last in strips:
            assert 0 <= start <= first < last <= stop <= width
            assert start % 4 == first % 16 == 0
            assert start == 0 or first - start >= engine.config.m + 2
            assert stop == width or stop - last >= engine.config.m + 2
