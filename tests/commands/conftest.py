"""Networks and pictures that the commands' tests share."""

from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.fakes import calm_network

from sesr.errors import NotInstalledError
from sesr.network.checkpoint import Checkpoint, tensor_shapes
from sesr.network.variants import SESRConfig
from sesr.tflite.writer import export_tflite


@pytest.fixture(scope="session")
def network(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A network with random weights, x2: a `.safetensors`, with its `.tflite` where that can be written."""
    config = SESRConfig(m=3)
    generator = np.random.default_rng(1)
    shapes = tensor_shapes(config).items()
    checkpoint = Checkpoint(config, {k: generator.normal(0, 0.08, shape).astype(np.float32) for k, shape in shapes})
    path = tmp_path_factory.mktemp("network") / "random.safetensors"
    checkpoint.save(path)
    with suppress(NotInstalledError):
        export_tflite(checkpoint, path.with_suffix(".tflite"))
    return str(path)


@pytest.fixture(scope="session")
def int8_network(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An int8 ReLU network, x2: a `.safetensors`, with its `.tflite` where that can be written."""
    path = tmp_path_factory.mktemp("int8") / "own.safetensors"
    network = calm_network(SESRConfig(m=1, f=4, activation="relu"))
    network.save(path)
    with suppress(NotInstalledError):
        export_tflite(network, path.with_suffix(".tflite"))
    return str(path)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A small JPEG."""
    path = tmp_path / "photo.jpg"
    Image.fromarray(np.random.default_rng(3).integers(0, 256, (20, 30, 3), dtype=np.uint8)).save(path)
    return path


@pytest.fixture
def pictures(tmp_path: Path) -> str:
    """A folder with a picture to measure on."""
    (tmp_path / "pictures").mkdir()
    noise = np.random.default_rng(4).integers(0, 256, (40, 44, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "pictures" / "a.png")
    return str(tmp_path / "pictures")
