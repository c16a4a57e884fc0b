"""The networks of a name: found by scale, loaded when needed, once."""

from pathlib import Path

import pytest

from sesr.engines.base import EngineOptions
from sesr.engines.load import load_engine
from sesr.errors import UsageError
from sesr.inference import networks as module
from sesr.inference.networks import OneNetwork, find_networks
from sesr.network.zoo import find_network, resolve


def test_scales_of_a_name_and_networks_loaded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[str] = []

    def counting(path: Path, *rest: object) -> object:
        loaded.append(path.stem)
        return load_engine(path, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "load_engine", counting)
    found = find_networks("m5")
    assert tuple(found.scales) == (2, 4)
    assert loaded == []
    assert [found.step(scale).scale for scale in (4, 2, 4)] == [4, 2, 4]
    assert loaded == ["sesr_m5_x4", "sesr_m5_x2"]


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
