"""The network's file: round trips, equal bytes, and files that are not whole."""

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from sesr.errors import WeightsError
from sesr.network.checkpoint import Checkpoint, load_checkpoint, read_header, tensor_shapes
from sesr.network.sesr import SESR, CollapsedSESR
from sesr.network.variants import SESRConfig

CONFIG = SESRConfig(m=2, f=3, feature_size=4)
CARD = {"data": "drawn", "steps": 3, "validation_db": 30.5, "licence": "Apache-2.0"}


def make(config: SESRConfig = CONFIG) -> Checkpoint:
    torch.manual_seed(0)
    return SESR.from_config(config).collapse().to_checkpoint(CARD)


@pytest.mark.parametrize("activation", ["prelu", "relu"])
@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("input_residual", [True, False])
def test_every_hyper_parameter_comes_back(tmp_path: Path, activation: str, scale: int, input_residual: bool) -> None:
    config = SESRConfig(3, 5, scale, activation, input_residual, 7)  # type: ignore[arg-type]
    network = SESR.from_config(config).collapse().eval()
    network.to_checkpoint(CARD).save(tmp_path / "net.safetensors")
    loaded = load_checkpoint(tmp_path / "net.safetensors")
    assert (loaded.config, loaded.card) == (config, CARD)
    luma = torch.rand(1, 1, 6, 5)
    with torch.no_grad():
        assert torch.equal(CollapsedSESR.from_checkpoint(loaded)(luma), network(luma))


def test_equal_networks_give_equal_bytes(tmp_path: Path) -> None:
    checkpoint = make()
    checkpoint.save(tmp_path / "net.safetensors")
    written = (tmp_path / "net.safetensors").read_bytes()
    assert written == checkpoint.to_bytes() == load_checkpoint(tmp_path / "net.safetensors").to_bytes()
    shuffled = Checkpoint(checkpoint.config, dict(reversed(checkpoint.tensors.items())), CARD)
    assert shuffled.to_bytes() == written


def test_shapes_are_those_of_the_module() -> None:
    for config in (CONFIG, SESRConfig(1, 2, 4, "relu", feature_size=3)):
        module = {name: tuple(tensor.shape) for name, tensor in CollapsedSESR(config).state_dict().items()}
        assert module == tensor_shapes(config)


def test_missing(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"none\.safetensors: no such file"):
        load_checkpoint(tmp_path / "none.safetensors")


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_damage_is_one_clear_line(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    content = bytearray(make().to_bytes())
    length = data.draw(st.integers(0, len(content) - 1), label="cut to")
    path = tmp_path_factory.mktemp("cut") / "net.safetensors"
    path.write_bytes(content[:length])
    with pytest.raises(WeightsError, match=r"net\.safetensors: ") as caught:
        load_checkpoint(path)
    assert "\n" not in str(caught.value)


def test_foreign_and_inconsistent_files(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    save_file({"a": np.zeros(3, np.float32)}, path)
    with pytest.raises(WeightsError, match="not a SESR network"):
        read_header(path)
    for header in (
        "nonsense",
        "[]",
        json.dumps({"config": {"m": 0}, "card": {}}),
        json.dumps({"config": {}}),
    ):
        save_file({"a": np.zeros(3, np.float32)}, path, metadata={"sesr": header})
        with pytest.raises(WeightsError, match="its header"):
            read_header(path)
    checkpoint = make()
    del checkpoint.tensors["head.bias"]
    checkpoint.save(path)
    with pytest.raises(WeightsError, match=r"tensor head\.bias"):
        load_checkpoint(path)
    checkpoint = make()
    checkpoint.tensors["head.bias"][0] = np.nan
    checkpoint.save(path)
    with pytest.raises(WeightsError, match="not all finite"):
        load_checkpoint(path)
