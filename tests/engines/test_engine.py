"""All engines compute the same, find scale and radius by themselves, and refuse what is not a network."""

import importlib
import itertools
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.backends import backend_params, needs
from tests.fakes import float_network, random_network

from sesr.engines import load as engine_module
from sesr.engines import openvino as openvino_module
from sesr.engines.base import Backend
from sesr.engines.load import load_engine
from sesr.engines.native import NativeEngine
from sesr.engines.openvino import OpenVINOEngine
from sesr.engines.torch import TorchEngine
from sesr.errors import EngineError, NotInstalledError, SesrError, UsageError, WeightsError
from sesr.network.quantized import load_network
from sesr.network.variants import Activation, SESRConfig
from sesr.network.zoo import find_network
from sesr.tflite.graph import Graph
from sesr.tflite.writer import export_tflite

Luma = NDArray[np.float32]


def luma(height: int, width: int) -> Luma:
    return np.random.default_rng(height * 99 + width).random((height, width), np.float32)


@pytest.fixture
def pair(tmp_path: Path) -> Path:
    """A network's `.safetensors`, a copy of a shipped one, and its `.tflite` beside it, if that can be written here."""
    shipped = find_network("m3", 2)
    assert shipped.safetensors is not None
    with suppress(NotInstalledError):
        export_tflite(load_network(shipped.safetensors), tmp_path / "net.tflite")
    return Path(shutil.copy(shipped.safetensors, tmp_path / "net.safetensors"))


BACKENDS = backend_params("native", "openvino", "torch")
ACTIVATIONS: tuple[Activation, ...] = ("prelu", "relu")
KINDS = [
    SESRConfig(m=m, f=4, scale=scale, activation=activation, input_residual=scale != 3)
    for (m, scale), activation in itertools.product(((1, 2), (3, 3), (4, 4)), ACTIVATIONS)
]


@pytest.mark.usefixtures("float32")
@pytest.mark.needs("openvino", "export", "torch")
@pytest.mark.parametrize("config", KINDS, ids=str)
def test_engines_agree_and_know_themselves(config: SESRConfig, tmp_path: Path) -> None:
    float_network(config).save(tmp_path / "net.safetensors")
    backends: tuple[Backend, ...] = ("native", "openvino", "torch")
    engines = [load_engine(tmp_path / "net.safetensors", backend) for backend in backends]
    for engine in engines:
        assert (engine.scale, engine.receptive_radius) == (config.scale, config.receptive_radius)
    for size in ((1, 1), (19, 30), (4, 3)):
        planes = [engine.run(luma(*size)) for engine in engines]
        for plane in planes:
            assert plane.shape == (size[0] * config.scale, size[1] * config.scale)
            assert plane.dtype == np.float32
            assert 0 <= plane.min() <= plane.max() <= 1
        for plane in planes[1:]:
            np.testing.assert_allclose(plane, planes[0], rtol=0, atol=1e-6)


@pytest.mark.needs("export")
@pytest.mark.parametrize("backend", BACKENDS)
def test_both_kinds_of_file_serve_all_engines(pair: Path, backend: Backend) -> None:
    plane = luma(9, 12)
    one = load_engine(pair, backend, threads=1).run(plane)
    other = load_engine(pair.with_suffix(".tflite"), backend, threads=1).run(plane)
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("backend", BACKENDS)
def test_results_are_the_callers_own(pair: Path, backend: Backend) -> None:
    """A later run does not write into an earlier result, and the input is left alone."""
    engine = load_engine(pair, backend)
    plane = luma(9, 12)
    before = plane.copy()
    first = engine.run(plane)
    kept = first.copy()
    engine.run(1 - plane)
    np.testing.assert_array_equal(first, kept)
    np.testing.assert_array_equal(plane, before)


@pytest.mark.parametrize("backend", BACKENDS)
def test_planes_of_any_memory_order(pair: Path, backend: Backend) -> None:
    engine = load_engine(pair, backend)
    plane = luma(12, 9)
    wanted = engine.run(plane)
    frozen = plane.copy()
    frozen.flags.writeable = False
    for same in (np.asfortranarray(plane), np.repeat(plane, 2, 1)[:, ::2], frozen):
        np.testing.assert_array_equal(engine.run(same), wanted)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("shape", [(0, 4), (4, 0), (4,), (4, 4, 1)])
def test_not_a_plane(pair: Path, backend: Backend, shape: tuple[int, ...]) -> None:
    engine = load_engine(pair, backend)
    with pytest.raises(UsageError, match="luma must be a plane"):
        engine.run(np.zeros(shape, np.float32))


@pytest.mark.needs("openvino", "export", "torch")
def test_computes_in_float32(pair: Path) -> None:
    """bfloat16, which OpenVINO would choose on some processors, is off by a hundred times more."""
    plane = luma(30, 40)
    difference = load_engine(pair, "openvino").run(plane) - load_engine(pair, "torch").run(plane)
    assert np.abs(difference).max() < 1e-6


@needs("openvino")
def test_shipped_checkpoint_uses_the_file_beside_it(pair: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ai_edge_litert.schema_py_generated", None)
    with pytest.raises(EngineError, match=r"pip install 'sesr\[export\]'"):
        load_engine(pair, "openvino")
    monkeypatch.setattr(engine_module, "WEIGHTS", pair.parent)
    assert load_engine(pair, "openvino").scale == 2


@pytest.mark.needs("export")
def test_engine_not_installed(pair: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(EngineError, match=r"OpenVINO is not installed.*pip install 'sesr\[openvino\]'"):
        load_engine(pair.with_suffix(".tflite"), "openvino")
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    monkeypatch.setitem(sys.modules, "ai_edge_litert.schema_py_generated", None)  # not what is complained about first
    with pytest.raises(EngineError, match=r"OpenVINO is not installed.*pip install 'sesr\[openvino\]'"):
        load_engine(pair, "openvino")
    with pytest.raises(EngineError, match=r"LiteRT is not installed.*pip install 'sesr\[export\]'"):
        load_engine(pair, "litert")
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(EngineError, match="PyTorch is not installed"):
        load_engine(pair, "torch")
    assert load_engine(pair).scale == 2


@pytest.mark.needs("export")
@pytest.mark.parametrize("backend", backend_params("native", "torch"))
def test_some_want_the_checkpoint(pair: Path, backend: Backend) -> None:
    pair.unlink()
    with pytest.raises(EngineError, match=rf"the {backend} engine reads .*net\.safetensors is not beside it") as caught:
        load_engine(pair.with_suffix(".tflite"), backend)
    assert str(caught.value).endswith("take --engine openvino for a .tflite alone")


@pytest.mark.parametrize("backend", BACKENDS)
def test_threads_below_one(pair: Path, backend: Backend) -> None:
    with pytest.raises(UsageError, match="threads must be at least 1, not 0"):
        load_engine(pair, backend, threads=0)


def refused(path: Path, reason: str, backend: Backend = "openvino") -> None:
    with pytest.raises(WeightsError, match=reason) as caught:
        load_engine(path, backend)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.needs("openvino")
def test_files_that_are_no_networks(tmp_path: Path) -> None:
    refused(tmp_path / "none.tflite", "no such file")
    for name, content, reason in (
        ("picture.tflite", b"\x89PNG\r\n\x1a\n" + bytes(100), "not a .tflite file inside"),
        ("empty.tflite", b"", "not a .tflite file inside"),
        ("short.tflite", b"\x1c\x00\x00\x00TFL3", "damaged"),
        ("picture.safetensors", b"\x89PNG\r\n\x1a\n" + bytes(100), "not a whole SESR network"),
        ("network.onnx", b"\x08", "give a .safetensors or a .tflite"),
    ):
        (tmp_path / name).write_bytes(content)
        refused(tmp_path / name, reason)
        if not name.endswith(".tflite"):
            refused(tmp_path / name, reason, "native")
    refused(tmp_path / "none.safetensors", "no such file", "native")


@pytest.mark.needs("openvino")
def test_truncated_file(pair: Path, tmp_path: Path) -> None:
    content = pair.with_suffix(".tflite").read_bytes()
    for length in (16, 100, len(content) // 2, len(content) - 500):
        (tmp_path / "cut.tflite").write_bytes(content[:length])
        refused(tmp_path / "cut.tflite", "damaged")
    content = pair.read_bytes()
    for length in (0, 16, 100, len(content) // 2, len(content) - 1):
        (tmp_path / "cut.safetensors").write_bytes(content[:length])
        refused(tmp_path / "cut.safetensors", "not a whole SESR network", "native")


@pytest.mark.needs("openvino")
def test_flipped_bytes_never_crash(pair: Path, tmp_path: Path) -> None:
    """Either the file still loads (a weight has changed) or it is refused in one line."""
    content = pair.with_suffix(".tflite").read_bytes()
    rng = np.random.default_rng(0)
    refusals = 0
    for _ in range(60):
        damaged = np.frombuffer(content, np.uint8).copy()
        damaged[rng.integers(8, len(content), 8)] = rng.integers(0, 256, 8)
        (tmp_path / "flipped.tflite").write_bytes(damaged.tobytes())
        refusals += one_line(tmp_path / "flipped.tflite", "openvino")
    assert refusals


@pytest.mark.parametrize("int8", [False, True])
def test_flipped_bytes_never_crash_our_own(tmp_path: Path, int8: bool) -> None:
    """No checksum protects these: what loads runs, and gives pixels."""
    path, config = tmp_path / "net.safetensors", SESRConfig(m=2, f=4)
    (random_network(config) if int8 else float_network(config)).save(path)
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    refusals = 0
    for _ in range(300):
        damaged = np.frombuffer(content, np.uint8).copy()
        damaged[rng.integers(0, len(content), 2)] = rng.integers(0, 256, 2)
        path.write_bytes(damaged.tobytes())
        if one_line(path, "native"):
            refusals += 1
        else:
            result = load_engine(path, "native").run(luma(9, 12))
            assert 0 <= result.min() <= result.max() <= 1
    assert 0 < refusals < 300


def one_line(path: Path, backend: Backend) -> bool:
    """Return True if the file is refused, in one line."""
    try:
        load_engine(path, backend)
    except SesrError as error:
        message = str(error)
    else:
        return False
    assert "\n" not in message
    return True


@needs("openvino")
@pytest.mark.parametrize(
    ("option", "value", "reason"),
    [("dilation", 2, "its convolution of 5 x 5 is not one of"), ("stride", 2, "not a SESR network for one plane")],
)
def test_foreign_convolutions(pair: Path, option: str, value: int, reason: str) -> None:
    """The kernel's size would no longer say how far the convolution reaches."""
    path = pair.with_suffix(".tflite")
    model = schema().ModelT.InitFromPackedBuf(path.read_bytes())
    options = model.subgraphs[0].operators[1].builtinOptions
    names = ("strideH", "strideW") if option == "stride" else ("dilationHFactor", "dilationWFactor")
    for name in names:
        setattr(options, name, value)
    builder = importlib.import_module("flatbuffers").Builder(1 << 16)
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(bytes(builder.Output()))
    refused(path, reason)


def colour(graph: Graph) -> tuple[int, int]:
    """Three channels in, three out."""
    source = graph.plane("input", 3)
    return source, graph.add(source, source, graph.plane("output", 3))


def pooling(graph: Graph) -> tuple[int, int]:
    """The largest of 3 x 3 pixels."""
    options = schema().Pool2DOptionsT()
    options.filterHeight = options.filterWidth = 3
    options.strideH = options.strideW = 1
    source = graph.plane("input", 1)
    return source, graph._operator("MAX_POOL_2D", [source], graph.plane("output", 1), options)


def half_precision(graph: Graph) -> tuple[int, int]:
    """The same plane as float16."""
    source, output = graph.plane("input", 1), graph.plane("output", 1)
    graph.graph.tensors[output].type = schema().TensorType.FLOAT16
    return source, graph._operator("CAST", [source], output, schema().CastOptionsT())


def picture_to_number(graph: Graph) -> tuple[int, int]:
    """A plane that comes out four-dimensional, but of one pixel."""
    source = graph.plane("input", 1)
    output = graph.constant("pixel", np.ones((1, 1, 1, 1), np.float32))
    return source, output


@needs("openvino")
@pytest.mark.parametrize(
    ("build", "reason"),
    [
        (colour, r"its input is \[1,\?,\?,3\]"),
        (pooling, "operation MaxPool is not one of"),
        (half_precision, "input and output are f16 and f32, neither float32 nor int8"),
        (picture_to_number, "not a SESR network for one plane|damaged"),
    ],
)
def test_foreign_networks(tmp_path: Path, build: Callable[[Graph], tuple[int, int]], reason: str) -> None:
    """A sound `.tflite` of something else, which could not be run in strips, or not on luma at all."""
    graph = Graph(8, 8)
    source, output = build(graph)
    (tmp_path / "foreign.tflite").write_bytes(graph.finish(source, output, "foreign", b"{}"))
    refused(tmp_path / "foreign.tflite", reason)


def schema() -> Any:  # noqa: ANN401 - generated, without types
    return importlib.import_module("ai_edge_litert.schema_py_generated")


@pytest.mark.needs("openvino")
def test_importing_is_light_and_running_is_silent(pair: Path) -> None:
    """No OpenVINO and no PyTorch before they are asked for, or by default; nothing on the terminal when they are."""
    script = (
        "import sys, numpy, pathlib\n"
        "from sesr.engines import load as engine, strips\n"
        "from sesr.network import zoo\n"
        "assert not {'openvino', 'torch', 'ai_edge_litert', 'flatbuffers'} & set(sys.modules), 'heavy import'\n"
        f"file = pathlib.Path({str(pair.with_suffix('.tflite'))!r})\n"
        "assert engine.load_engine(file).run(numpy.zeros((3, 5), numpy.float32)).shape == (6, 10)\n"
        "assert 'openvino' not in sys.modules\n"
        "assert engine.load_engine(file, 'openvino').run(numpy.zeros((3, 5), numpy.float32)).shape == (6, 10)\n"
        "assert 'torch' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.needs("openvino", "export", "torch")
def test_kinds_of_engine(pair: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert isinstance(load_engine(pair), NativeEngine)
        assert isinstance(load_engine(pair, "native"), NativeEngine)
        assert isinstance(load_engine(pair, "openvino"), OpenVINOEngine)
        assert isinstance(load_engine(pair, "torch"), TorchEngine)


@pytest.mark.parametrize("error", [RuntimeError("Exception from here:\n\nno memory\n"), MemoryError("no memory")])
@pytest.mark.parametrize(
    ("backend", "part"),
    [
        pytest.param("openvino", "_request", marks=needs("openvino")),
        pytest.param("torch", "_network", marks=needs("torch")),
    ],
)
def test_failure_on_the_way_is_one_line(
    pair: Path, backend: Backend, part: str, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = load_engine(pair.with_suffix(".tflite"), backend, 1)
    monkeypatch.setattr(engine, part, Mock(side_effect=error, **{"infer.side_effect": error}))
    with pytest.raises(EngineError) as caught:
        engine.run(luma(6, 9))
    assert str(caught.value) == (
        "the network failed on 9 x 6 pixels at once (no memory); a smaller tile needs less memory"
    )


ALL_VNNI = frozenset({"avx512vnni", "vnni256", "avxvnni"})


@pytest.mark.parametrize(
    ("kernels", "limit", "trusted"),
    [
        (ALL_VNNI, "", True),
        (frozenset({"avxvnni"}), "", True),
        (frozenset[str](), "", False),
        (frozenset[str](), "ALL", False),
        (ALL_VNNI, "avx2", False),
        (ALL_VNNI, "AVX512_CORE", False),
        (ALL_VNNI, "AVX512_CORE_VNNI", True),
        (ALL_VNNI, "AVX512_CORE_AMX", True),
        (ALL_VNNI, "AVX2_VNNI", True),
        (frozenset({"avx512vnni", "vnni256"}), "AVX2_VNNI", False),
    ],
)
@pytest.mark.parametrize("variable", openvino_module.ISA_LIMITS)
def test_int8_of_openvino_is_trusted_with_vnni_only(
    kernels: frozenset[str], limit: str, trusted: bool, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The processor's, less what oneDNN is told to leave unused; whichever kernels our own engine takes."""
    for name in openvino_module.ISA_LIMITS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, limit)
    monkeypatch.setenv("SESR_KERNEL", "portable")
    monkeypatch.setattr("sesr.engines.kernels.vnni_kernels", lambda: kernels)
    assert openvino_module.openvino_int8_trusted() == trusted


@needs("openvino")
@pytest.mark.parametrize("suffix", [".safetensors", ".tflite"])
def test_int8_of_openvino_is_refused_without_vnni(tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one line with the remedy, unless a benchmark asks for it; float is not concerned."""
    monkeypatch.setattr("sesr.engines.kernels.vnni_kernels", frozenset)
    network, path = random_network(SESRConfig(m=1, f=4, activation="relu")), tmp_path / f"net{suffix}"
    network.save(path) if suffix == ".safetensors" else export_tflite(network, path)
    with pytest.raises(EngineError, match=r"net\.tflite: OpenVINO's int8 cannot .*; take --engine native") as caught:
        load_engine(path, "openvino")
    assert "\n" not in str(caught.value)
    assert load_engine(path, "openvino", inexact=True).run(luma(9, 12)).shape == (18, 24)
    float_network(SESRConfig(m=1, f=4)).save(tmp_path / "float.safetensors")
    assert not load_engine(tmp_path / "float.safetensors", "openvino").int8
