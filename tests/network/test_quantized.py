"""The int8 network's file: round trips, and damaged files."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file
from tests.fakes import picture, random_network

from sesr.errors import WeightsError
from sesr.network.checkpoint import Checkpoint, load_checkpoint, read_header, tensor_shapes
from sesr.network.int8 import Quantization
from sesr.network.quantized import QuantizedNetwork, is_int8, load_network, load_quantized
from sesr.network.reference import run_int8
from sesr.network.variants import SESRConfig

KINDS = [
    SESRConfig(m=2, f=3, scale=s, activation=activation, input_residual=residual)
    for s in (2, 3, 4)
    for activation in ("relu", "prelu")
    for residual in (True, False)
]


@pytest.mark.parametrize("config", KINDS, ids=str)
def test_round_trip(config: SESRConfig, tmp_path: Path) -> None:
    network = random_network(config)
    network.save(tmp_path / "net.safetensors")
    loaded = load_quantized(tmp_path / "net.safetensors")
    assert loaded.to_bytes() == network.to_bytes() == (tmp_path / "net.safetensors").read_bytes()
    assert (loaded.config, loaded.card, loaded.residual_sum) == (config, network.card, network.residual_sum)
    np.testing.assert_array_equal(run_int8(loaded, picture(6, 7)), run_int8(network, picture(6, 7)))
    assert read_header(tmp_path / "net.safetensors") == (config, network.card)
    assert is_int8(tmp_path / "net.safetensors")


def test_float_and_int8_are_told_apart(tmp_path: Path) -> None:
    config = SESRConfig(m=1, f=2)
    tensors = {name: np.zeros(shape, np.float32) for name, shape in tensor_shapes(config).items()}
    Checkpoint(config, tensors).save(tmp_path / "float.safetensors")
    random_network(config).save(tmp_path / "int8.safetensors")
    assert isinstance(load_network(tmp_path / "float.safetensors"), Checkpoint)
    assert isinstance(load_network(tmp_path / "int8.safetensors"), QuantizedNetwork)
    with pytest.raises(WeightsError, match="a float network, not an int8 one"):
        load_quantized(tmp_path / "float.safetensors")
    with pytest.raises(WeightsError, match="an int8 network, where a float one is needed"):
        load_checkpoint(tmp_path / "int8.safetensors")


def damage(path: Path, *, tensors: dict[str, NDArray[Any]] | None = None, **planes: dict[str, float]) -> None:
    """Writes the file anew with some tensors and planes changed."""
    network = load_quantized(path)
    header = json.loads(network.header())
    header["planes"] |= planes
    save_file(load_file(path) | (tensors or {}), path, {"sesr": json.dumps(header)})


@pytest.mark.parametrize(
    ("tensors", "planes", "message"),
    [
        ({"head.weight": np.full((2, 1, 5, 5), -128, np.int8)}, {}, "head.weight holds -128"),
        ({"head.weight_scale": np.array([0, 1], np.float32)}, {}, "head.weight_scale is not positive"),
        ({"head.weight_scale": np.array([np.nan, 1], np.float32)}, {}, "not all finite"),
        ({"head.bias": np.zeros(2, np.int64)}, {}, "tensor head.bias is"),
        ({"more": np.zeros(2, np.int8)}, {}, "tensor more is"),
        ({}, {"total": {"scale": 0.02}}, "its header"),
        ({}, {"total": {"scale": 0.02, "zero_point": 0}}, "its header: a scale must be a positive float32"),
        ({}, {"total": {"scale": 0.5, "zero_point": 200}}, "its header: a zero point"),
        ({}, {"total": {"scale": 128.0, "zero_point": 0}}, "two planes are added"),
        ({}, {"body.0": {"scale": 0.5, "zero_point": 0}}, "its zero point must be -128"),
        ({}, {"other": {"scale": 0.5, "zero_point": 0}}, "its header names the planes"),
    ],
)
def test_damaged_files(
    tmp_path: Path, tensors: dict[str, NDArray[Any]], planes: dict[str, dict[str, float]], message: str
) -> None:
    path = tmp_path / "net.safetensors"
    random_network(SESRConfig(m=1, f=2, activation="relu")).save(path)
    damage(path, tensors=tensors, **planes)
    with pytest.raises(WeightsError) as caught:
        load_quantized(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_output_plane_without_residual(tmp_path: Path) -> None:
    network = random_network(SESRConfig(m=1, f=2, activation="relu", input_residual=False))
    wrong = replace(network, tail=replace(network.tail, output=Quantization(0.5, 0)))
    wrong.save(tmp_path / "net.safetensors")
    with pytest.raises(WeightsError, match="plane tail is the output"):
        load_quantized(tmp_path / "net.safetensors")
