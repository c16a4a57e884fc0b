"""LiteRT as an engine: the same planes as OpenVINO's, strips without seams, and one line for what is no network."""

import importlib
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.backends import backend_params, needs
from tests.fakes import float_network, picture, random_network

from sesr.engines.base import Backend, LumaEngine, from_int8, to_int8
from sesr.engines.litert import LiteRTEngine
from sesr.engines.load import load_engine
from sesr.engines.strips import run_plane
from sesr.errors import EngineError, UsageError, WeightsError
from sesr.network.variants import SESRConfig
from sesr.tflite.file import sealed
from sesr.tflite.writer import Layout, export_tflite, write_tflite

Luma = NDArray[np.float32]

pytestmark = pytest.mark.needs("export")

CONFIG = SESRConfig(m=1, f=4, activation="relu")


def luma(height: int, width: int) -> Luma:
    return np.random.default_rng(height * 99 + width).random((height, width), np.float32)


@needs("openvino")
@pytest.mark.parametrize("config", [SESRConfig(m=2, f=4, scale=2), SESRConfig(m=1, f=3, scale=4, activation="relu")])
def test_equals_openvino(config: SESRConfig, tmp_path: Path) -> None:
    """From the `.tflite` and from the `.safetensors`; both engines know scale and radius."""
    network = float_network(config)
    network.save(tmp_path / "net.safetensors")
    export_tflite(network, tmp_path / "net.tflite")
    engines = [load_engine(tmp_path / f"net.{kind}", "litert", threads=1) for kind in ("tflite", "safetensors")]
    openvino = load_engine(tmp_path / "net.tflite", "openvino", threads=1)
    for engine in engines:
        assert isinstance(engine, LiteRTEngine)
        assert (engine.scale, engine.receptive_radius) == (config.scale, config.receptive_radius)
        assert not engine.int8
        for size in ((1, 1), (19, 30), (4, 3), (256, 256), (19, 30)):
            plane = engine.run(luma(*size))
            assert plane.dtype == np.float32
            np.testing.assert_allclose(plane, openvino.run(luma(*size)), rtol=0, atol=1e-5)


def test_results_are_the_callers_own(tmp_path: Path) -> None:
    """A later run does not write into an earlier result, and the input is left alone."""
    export_tflite(float_network(CONFIG), tmp_path / "net.tflite")
    engine, plane = load_engine(tmp_path / "net.tflite", "litert"), luma(9, 12)
    before = plane.copy()
    first = engine.run(plane)
    kept = first.copy()
    engine.run(1 - plane)
    np.testing.assert_array_equal(first, kept)
    np.testing.assert_array_equal(plane, before)


def refused(path: Path, reason: str, error: type[Exception] = WeightsError) -> None:
    with pytest.raises(error, match=reason) as caught:
        load_engine(path, "litert")
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def rewritten(change: Callable[[Any], object]) -> bytes:
    """A float network's file with something changed."""
    schema = importlib.import_module("ai_edge_litert.schema_py_generated")
    model = schema.ModelT.InitFromPackedBuf(write_tflite(float_network(CONFIG)))
    change(model)
    builder = importlib.import_module("flatbuffers").Builder(1 << 14)
    builder.Finish(model.Pack(builder), b"TFL3")
    return sealed(bytes(builder.Output()))


def test_a_file_without_our_header(tmp_path: Path) -> None:
    """It may be sound, but LiteRT cannot tell its radius."""
    path = tmp_path / "bare.tflite"
    content = rewritten(lambda model: setattr(model, "metadata", None))
    path.write_bytes(content)
    refused(path, "a .tflite, but not a SESR network's")
    path.write_bytes(content[:-40])
    refused(path, "damaged, or not a .tflite that `sesr export` wrote; export it again")


@needs("openvino")
def test_openvino_measures_a_file_without_our_header(tmp_path: Path) -> None:
    path = tmp_path / "bare.tflite"
    path.write_bytes(rewritten(lambda model: setattr(model, "metadata", None))[:-40])
    assert load_engine(path, "openvino").receptive_radius == CONFIG.receptive_radius


@pytest.mark.parametrize(
    "header", [b"", b"no json", b"[]", b"7", b"null", b'{"config": null}', b'{"config": {"m": 0}}', b'{"config": {}}']
)
def test_a_header_of_something_else(tmp_path: Path, header: bytes) -> None:
    def change(model: Any) -> None:  # noqa: ANN401 - generated, without types
        model.buffers[model.metadata[0].buffer].data = np.frombuffer(header, np.uint8)

    path = tmp_path / "odd.tflite"
    path.write_bytes(rewritten(change))
    refused(path, "a .tflite, but not a SESR network's; its header: ")


def test_what_is_no_whole_file(tmp_path: Path) -> None:
    content = write_tflite(random_network(CONFIG))
    path = tmp_path / "cut.tflite"
    for length in (0, 4, 8, 16, 100, len(content) // 2, len(content) - 500):
        path.write_bytes(content[:length])
        refused(path, "damaged, or not a .tflite|not a .tflite file inside")
    text = tmp_path / "text.tflite"
    text.write_text("this is a text, and no network at all\n" * 20)
    refused(text, "not a .tflite file inside; fetch or export it again")
    refused(tmp_path / "none.tflite", "no such file")


def test_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    export_tflite(float_network(CONFIG), tmp_path / "net.tflite")
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    with pytest.raises(EngineError, match=r"LiteRT is not installed.*pip install 'sesr\[export\]'"):
        load_engine(tmp_path / "net.tflite", "litert")


def test_a_file_of_one_size(tmp_path: Path) -> None:
    """Runs at its size, again and again, and says which it is where another is asked for."""
    network = float_network(CONFIG)
    export_tflite(network, tmp_path / "net.tflite", Layout(6, 8, fixed=True))
    export_tflite(network, tmp_path / "free.tflite")
    engine, free = (load_engine(tmp_path / name, "litert") for name in ("net.tflite", "free.tflite"))
    for _ in range(2):
        np.testing.assert_allclose(engine.run(luma(6, 8)), free.run(luma(6, 8)), rtol=0, atol=1e-6)
        with pytest.raises(UsageError, match="takes planes of 8 x 6 pixels only"):
            engine.run(luma(8, 6))


@pytest.fixture(scope="module", params=backend_params("litert", "openvino", int8=True))
def int8_engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> LumaEngine:
    path = tmp_path_factory.mktemp("int8") / "net.tflite"
    export_tflite(random_network(CONFIG), path)
    backend: Backend = request.param
    return load_engine(path, backend, threads=1)


@settings(deadline=None, max_examples=12)
@given(height=st.integers(1, 45), width=st.integers(1, 45), tile=st.integers(3, 20))
def test_int8_strips_equal_the_whole_frame(int8_engine: LumaEngine, height: int, width: int, tile: int) -> None:
    """Bit for bit: whole numbers do not round differently in a smaller picture."""
    assert int8_engine.int8
    plane = picture(height, width, seed=tile).astype(np.float32) / np.float32(255)
    np.testing.assert_array_equal(run_plane(int8_engine, plane, tile), int8_engine.run(plane))


def test_all_pixels_survive_the_way_to_int8_and_back() -> None:
    values = np.arange(256, dtype=np.float32)
    plane = (values / np.float32(255))[None]
    eight = to_int8(plane)
    assert eight.dtype == np.int8
    np.testing.assert_array_equal(eight[0], np.arange(-128, 128))
    back = from_int8(eight)
    assert back.dtype == np.float32
    np.testing.assert_array_equal(back, plane)


def test_to_int8_rounds_and_clips() -> None:
    """Values outside [0, 1] go to its ends, without wrapping around; the plane is left as it was."""
    plane = np.array([[-1.0, -0.001, 0.4 / 255, 0.6 / 255, 254.6 / 255, 1.001, 9.0]], np.float32)
    kept = plane.copy()
    np.testing.assert_array_equal(to_int8(plane), [[-128, -128, -128, -127, 127, 127, 127]])
    np.testing.assert_array_equal(plane, kept)


@pytest.mark.parametrize("backend", backend_params("litert", "openvino"))
def test_a_changed_byte_is_found(backend: Backend, tmp_path: Path) -> None:
    """Anywhere: some would make LiteRT abort the process, others give another picture."""
    content, path = bytearray(write_tflite(random_network(CONFIG))), tmp_path / "net.tflite"
    for place in range(8, len(content) - 40, 397):
        content[place] ^= 1
        path.write_bytes(content)
        content[place] ^= 1
        with pytest.raises(WeightsError, match=r"net\.tflite: damaged, its checksum does not fit"):
            load_engine(path, backend)


def test_threads_leave_stderr_alone(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Engines made and resized in several threads at once; what is printed afterwards arrives."""
    path = tmp_path / "net.tflite"
    path.write_bytes(write_tflite(random_network(CONFIG)))

    def work(number: int) -> None:
        engine = load_engine(path, "litert", threads=1)
        for side in range(1, 12):
            engine.run(np.zeros((side, number + 1), np.float32))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(8)))
    sys.stderr.write("still here")
    sys.stderr.flush()
    assert "still here" in capfd.readouterr().err
