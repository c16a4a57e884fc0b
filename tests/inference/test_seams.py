"""Seams cannot exist: for every network, scale, engine and odd size, tiles make the picture that the whole frame makes.

Int8 networks bit for bit; float ones up to the rounding of float32, which is a step of the finished pixels at most.
"""

from functools import cache
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.backends import needs
from tests.fakes import float_network, random_network

from sesr.engines.base import Backend, LumaEngine
from sesr.engines.load import load_engine
from sesr.engines.pictures import picture_engine
from sesr.engines.strips import run_plane
from sesr.imaging.stream import CHANNELS, Stream
from sesr.inference.step import Step
from sesr.network.variants import SCALES, VARIANTS, SESRConfig
from sesr.network.zoo import list_networks

Luma = NDArray[np.float32]

SHIPPED = {
    network.safetensors.stem.removeprefix("sesr_"): network.safetensors
    for network in list_networks()
    if network.safetensors is not None
}
RANDOM = [
    f"{name}{kind}_x{scale}"
    for name in VARIANTS
    for scale in SCALES
    for kind in ("", "-int8")
    if f"{name}{kind}_x{scale}" not in SHIPPED
]
"""Networks of the paper that are not shipped, with weights that all matter, biases too, so that their padding shows."""
CASES = [
    pytest.param((name, backend), marks=needs(backend, int8="int8" in name), id=f"{name}-{backend}")
    for name in [*SHIPPED, *RANDOM]
    for backend in get_args(Backend)
    if not ("int8" in name and backend == "torch")  # which PyTorch does not run
]
SIZES, TILES, SEEDS = st.integers(1, 45), st.integers(1, 30), st.integers(0, 10**6)
SOME = settings(deadline=None, max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("networks")


@pytest.fixture(params=CASES)
def engine(request: pytest.FixtureRequest, folder: Path) -> LumaEngine:
    name, backend = request.param
    return load_engine(SHIPPED.get(name) or random_file(name, folder), backend, threads=1)


@cache
def random_file(name: str, folder: Path) -> Path:
    path = folder / f"{name}.safetensors"
    kind, scale = name.split("_x")
    paper = VARIANTS[kind.removesuffix("-int8")]
    if "int8" in name:
        random_network(SESRConfig(paper.m, paper.f, int(scale), "relu")).save(path)
        return path
    float_network(SESRConfig(paper.m, paper.f, int(scale)), strength=0.6).save(path)
    return path


@SOME
@given(height=SIZES, width=SIZES, tile=TILES, seed=SEEDS)
def test_luma(engine: LumaEngine, height: int, width: int, tile: int, seed: int) -> None:
    luma = np.random.default_rng(seed).random((height, width), np.float32)
    tiled, whole = run_plane(engine, luma, tile), engine.run(luma)
    np.testing.assert_allclose(tiled, whole, rtol=0, atol=0 if engine.int8 else 2e-6)


@SOME
@given(
    height=SIZES,
    width=SIZES,
    tile=TILES,
    seed=SEEDS,
    mode=st.sampled_from(tuple(CHANNELS)),
    depth=st.sampled_from((8, 16)),
)
def test_pictures(engine: LumaEngine, height: int, width: int, tile: int, seed: int, mode: str, depth: int) -> None:
    """Colours and transparency too, in 8 and 16 bits, whoever enlarges them."""
    shape = (height, width) if mode == "L" else (height, width, CHANNELS[mode])
    kind = np.uint8 if depth == 8 else np.uint16
    pixels = np.random.default_rng(seed).integers(0, 2**depth, shape, kind)

    def enlarged(side: int | None) -> NDArray[np.int64]:
        source = Stream([pixels], width, height, mode, depth)
        return np.concatenate([*Step(picture_engine(engine), side).bands(source)]).astype(np.int64)

    tiled, whole = enlarged(tile), enlarged(None)  # so small a picture is one strip by default
    assert np.abs(tiled - whole).max() <= (0 if engine.int8 else 1)
