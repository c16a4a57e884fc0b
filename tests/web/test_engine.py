"""The engine as WebAssembly, in node, held against the engine that runs here.

`web/native/sesr.wasm` and the TypeScript around it read the shipped networks' files themselves. int8 must be equal in
every byte of luma, floats within 1e-5.
"""

import dataclasses
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from tests.pictures import noise

import sesr
from sesr.engines.native import NativeEngine
from sesr.network.int8 import Quantization
from sesr.network.quantized import QuantizedNetwork, Slope, load_network, load_quantized
from sesr.network.zoo import WEIGHTS

WEB = Path(__file__).parents[2] / "web"
ESBUILD = WEB / "node_modules" / ".bin" / "esbuild"
SHIPPED = sorted(WEIGHTS.glob("*.safetensors"))
SIZES = [(1, 1), (3, 70), (37, 53)]

pytestmark = pytest.mark.skipif(
    shutil.which("node") is None or not ESBUILD.exists(), reason="needs node, and `npm ci` in web/"
)


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`web/library/test/enlarge.ts` as one file for node."""
    script = tmp_path_factory.mktemp("script") / "enlarge.mjs"
    options = ["--bundle", "--format=esm", "--platform=node", "--loader:.wasm=base64", "--log-level=warning"]
    subprocess.run([ESBUILD, WEB / "library" / "test" / "enlarge.ts", *options, f"--outfile={script}"], check=True)
    return script


@pytest.fixture
def enlarge(script: Path, tmp_path: Path) -> Callable[[list[tuple[Path, NDArray[Any]]]], list[NDArray[Any]]]:
    """Enlarge pictures by networks in one run of node; the kind of numbers follows from the array."""

    def run(jobs: list[tuple[Path, NDArray[Any]]]) -> list[NDArray[Any]]:
        listed = []
        for index, (network, picture) in enumerate(jobs):
            source, result = (tmp_path / f"{index}.{end}" for end in ("in", "out"))
            source.write_bytes(np.ascontiguousarray(picture).tobytes())
            kind = "rgba" if picture.ndim == 3 else "luma" if picture.dtype == np.float32 else "bytes"
            height, width = picture.shape[:2]
            files = {"network": str(network), "input": str(source), "output": str(result)}
            listed.append({**files, "kind": kind, "height": height, "width": width})
        (tmp_path / "jobs.json").write_text(json.dumps(listed))
        subprocess.run(["node", script, tmp_path / "jobs.json"], check=True)
        return [_result(tmp_path / f"{index}.out", job) for index, job in enumerate(jobs)]

    return run


def _result(file: Path, job: tuple[Path, NDArray[Any]]) -> NDArray[Any]:
    network, picture = job
    scale = load_network(network).config.scale
    height, width = picture.shape[:2]
    return np.fromfile(file, picture.dtype).reshape(height * scale, width * scale, *picture.shape[2:])


Run = Callable[[list[tuple[Path, NDArray[Any]]]], list[NDArray[Any]]]


@pytest.mark.parametrize("network", SHIPPED, ids=lambda path: path.stem)
def test_luma(network: Path, enlarge: Run) -> None:
    engine = NativeEngine(load_network(network), 1, floats="float32")
    pictures: list[NDArray[Any]] = [noise(*size, 5) for size in SIZES]
    if not engine.int8:
        pictures = [(picture / np.float32(255)).astype(np.float32) for picture in pictures]
    for picture, result in zip(pictures, enlarge([(network, picture) for picture in pictures]), strict=True):
        if engine.int8:
            np.testing.assert_array_equal(result, engine.run_bytes(picture))
        else:
            np.testing.assert_allclose(result, engine.run(picture), rtol=0, atol=1e-5)


def test_prelu_in_int8(enlarge: Run, tmp_path: Path) -> None:
    """No shipped int8 network has PReLU, but those that people train may have."""
    shipped = load_quantized(WEIGHTS / "sesr_m5-int8_x2.safetensors")
    generator = np.random.default_rng(3)

    def slope(index: int) -> Slope:
        weight = generator.integers(-127, 128, shipped.config.f).astype(np.int8)
        grid = shipped.body[index].output
        return Slope(weight, float(np.float32(0.004)), Quantization(grid.scale, -100 + 20 * index))

    config = dataclasses.replace(shipped.config, activation="prelu")
    slopes = tuple(slope(index) for index in range(config.m))
    network = QuantizedNetwork(
        config, shipped.head, shipped.body, slopes, shipped.residual_sum, shipped.tail, shipped.card
    )
    network.save(tmp_path / "prelu.safetensors")
    picture = noise(40, 60, 6)
    (result,) = enlarge([(tmp_path / "prelu.safetensors", picture)])
    np.testing.assert_array_equal(result, NativeEngine(network, 1).run_bytes(picture))


@pytest.mark.parametrize(("name", "scale"), [("m5", 2), ("m5-int8", 2), ("m11", 2), ("m11", 3), ("m5-int8", 3)])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_pictures(name: str, scale: int, mode: str, enlarge: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pixels are those of `sesr.upscale`, within one step; alpha is equal."""
    monkeypatch.setenv("SESR_FLOATS", "float32")
    pixels = noise(45, 62, 7, 4)
    pixels[..., 3] = 255 if mode == "RGB" else np.where(pixels[..., 3] < 120, 0, pixels[..., 3])
    expected = np.asarray(sesr.upscale(Image.fromarray(pixels).convert(mode), scale, name).convert("RGBA")).astype(int)
    (result,) = enlarge([(WEIGHTS / f"sesr_{name}_x{scale}.safetensors", pixels)])
    assert np.abs(result - expected)[..., :3].max() <= 1
    np.testing.assert_array_equal(result[..., 3], expected[..., 3])
