"""The networks of a name: found by scale, loaded when needed, once."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
from tests.fakes import float_network

from sesr.engines.base import EngineOptions
from sesr.engines.load import load_engine
from sesr.errors import UsageError
from sesr.imaging.resize import imresize
from sesr.inference import networks as module
from sesr.inference.networks import OneNetwork, find_networks
from sesr.inference.sizes import parse_scale
from sesr.inference.upscale import Upscaler
from sesr.network.variants import SESRConfig
from sesr.network.zoo import find_network, resolve, scales_of


def test_scales_of_a_name_and_networks_loaded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[str] = []

    def counting(path: Path, *rest: object) -> object:
        loaded.append(path.stem)
        return load_engine(path, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "load_engine", counting)
    found = find_networks("m7")
    assert tuple(found.scales) == (2, 4)
    assert loaded == []
    assert [found.step(scale).scale for scale in (4, 2, 4)] == [4, 2, 4]
    assert loaded == ["sesr_m7_x4", "sesr_m7_x2"]


@pytest.mark.parametrize(
    ("scale", "networks"),
    [("3", [3]), ("2.5", [3]), ("6", [2, 3]), ("5", [2, 3]), ("1.5", [2]), ("3.5", [4]), ("9", [3, 3])],
)
def test_a_name_with_a_network_for_x3_uses_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scale: str, networks: list[int]
) -> None:
    """For x3 itself and for sizes that x3 reaches with fewer pixels than x4 does. Whatever remains is shrunk."""
    for each in (2, 3, 4):
        float_network(SESRConfig(m=1, f=4, scale=each), each, strength=0.1).save(
            tmp_path / f"sesr_m5_x{each}.safetensors"
        )
    for function in (find_network, resolve, scales_of):
        monkeypatch.setattr(module, function.__name__, partial(function, folder=tmp_path))
    array = np.random.default_rng(0).integers(0, 256, (12, 14, 3), dtype=np.uint8)
    result = Upscaler(find_networks("m5"), parse_scale(scale)).upscale(array)
    expected = array
    for each in networks:
        engine = load_engine(tmp_path / f"sesr_m5_x{each}.safetensors")
        expected = Upscaler.of_engine(engine).upscale(expected)
    height, width, _ = result.shape
    assert (height, width) == (int(12 * float(scale)), int(14 * float(scale)))
    np.testing.assert_array_equal(result, imresize(expected, height, width))


@pytest.mark.parametrize(
    ("int8", "photo", "name"), [(True, False, "m5-int8"), (False, True, "m5-photo"), (False, False, "m5")]
)
def test_flavours(int8: bool, photo: bool, name: str) -> None:
    assert resolve("m5", int8=int8, photo=photo) == name
    assert 2 in find_networks("m5", int8=int8, photo=photo).scales


def test_flavours_that_there_are_not() -> None:
    with pytest.raises(UsageError, match="no such network yet"):
        find_networks("m5", int8=True, photo=True)
    with pytest.raises(UsageError, match="network m3 has no photo network"):
        find_networks("m3", photo=True)


def test_a_file_has_its_own_scale() -> None:
    file = find_network("m5", 4).safetensors
    found = find_networks(str(file), EngineOptions(tile=7))
    assert tuple(found.scales) == (4,)
    assert found.step(4).tile == 7
    assert isinstance(found, OneNetwork)
    with pytest.raises(ValueError, match="x4, not for x2"):
        found.step(2)
    with pytest.raises(UsageError, match="a float network"):
        find_networks(str(file), int8=True)
