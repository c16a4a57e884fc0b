"""The int8 `.tflite` is the int8 network: the reference's pixels in LiteRT, close to them in OpenVINO."""

import importlib
import itertools
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.backends import needs
from tests.fakes import picture, random_network

from sesr.engines.base import Backend
from sesr.engines.load import load_engine
from sesr.errors import UsageError
from sesr.network.quantized import QuantizedNetwork, load_quantized
from sesr.network.reference import run_int8
from sesr.network.variants import Activation, SESRConfig
from sesr.tflite.file import operators, read_metadata
from sesr.tflite.writer import DEFAULT, Layout, export_tflite, write_tflite

Pixels = NDArray[np.uint8]

ACTIVATIONS: tuple[Activation, ...] = ("relu", "prelu")
KINDS = [
    SESRConfig(m=2, f=5, scale=scale, activation=activation, input_residual=residual)
    for scale, activation, residual in itertools.product((2, 3, 4), ACTIVATIONS, (True, False))
]
SIZES = [(1, 1), (1, 23), (31, 2), (29, 37)]
M5 = SESRConfig(m=5, activation="relu")

pytestmark = pytest.mark.needs("export")


def pixels_of(file: Path, backend: Backend, source: Pixels) -> Pixels:
    """Enlarge 8-bit luma with an engine, to 8-bit luma."""
    enlarged = load_engine(file, backend, threads=1).run(source.astype(np.float32) / np.float32(255))
    rounded: Pixels = np.rint(enlarged * 255).astype(np.uint8)
    assert np.abs(enlarged * 255 - rounded).max() < 1e-3, "an int8 network gives whole numbers"
    return rounded


def difference(one: Pixels, other: Pixels) -> NDArray[np.int64]:
    assert one.shape == other.shape
    steps: NDArray[np.int64] = np.abs(one.astype(np.int64) - other)
    return steps


def file_of(network: QuantizedNetwork, folder: Path, layout: Layout = DEFAULT) -> Path:
    export_tflite(network, folder / "net.tflite", layout)
    return folder / "net.tflite"


@pytest.mark.parametrize("config", KINDS, ids=str)
def test_litert_computes_the_reference(config: SESRConfig, tmp_path: Path) -> None:
    """Borders, a single pixel and both extremes included: the same pixels."""
    network = random_network(config)
    file = file_of(network, tmp_path)
    seen: set[int] = set()
    for size in SIZES:
        source = picture(*size)
        wanted = run_int8(network, source)
        seen |= set(np.unique(wanted).tolist())
        assert difference(pixels_of(file, "litert", source), wanted).max() == 0, size
    assert ({0, 255} if config.input_residual else {0}) <= seen
    assert len(seen) > 50


@needs("openvino", int8=True)
@pytest.mark.parametrize("config", KINDS, ids=str)
def test_openvino_comes_within_a_step(config: SESRConfig, tmp_path: Path) -> None:
    """OpenVINO rounds requantization differently, and random weights amplify that: one pixel in a thousand is two off.

    With PReLU it is far off where the whole plane is a single pixel (2026.4); that is left out here.
    """
    network = random_network(config)
    file = file_of(network, tmp_path)
    sizes = [size for size in SIZES if config.activation == "relu" or size != (1, 1)]
    sources = [picture(*size) for size in sizes]
    steps = [difference(pixels_of(file, "openvino", source), run_int8(network, source)) for source in sources]
    together = np.concatenate([step.ravel() for step in steps])
    assert together.max() <= 2
    assert (together > 1).mean() <= 1e-3
    assert (together > 0).mean() <= 0.25


def test_half_a_million_pixels_of_m5_are_the_same(tmp_path: Path) -> None:
    """The size of network that ships, at several shapes, borders included: not one pixel differs in LiteRT."""
    network = random_network(M5, seed=4)
    file = file_of(network, tmp_path)
    compared = 0
    for size in ((311, 401), (1, 501), (701, 3)):
        source = picture(*size, seed=sum(size))
        wanted = run_int8(network, source)
        assert int((pixels_of(file, "litert", source) != wanted).sum()) == 0
        compared += wanted.size
    assert compared >= 500_000


@pytest.mark.parametrize("residual", [True, False])
def test_a_relu_network_is_of_three_kinds_of_operator(residual: bool) -> None:
    """Nothing that an NPU or an old runtime could lack: the clip and the ReLU cost no operator."""
    content = write_tflite(random_network(replace(M5, input_residual=residual)))
    kinds = operators(content)
    assert set(kinds.values()) == {"CONV_2D", "ADD", "DEPTH_TO_SPACE"}
    counts = [list(kinds.values()).count(kind) for kind in ("CONV_2D", "ADD", "DEPTH_TO_SPACE")]
    assert counts == [7, 3 if residual else 2, 1]
    assert (next(iter(kinds)), list(kinds)[-1]) == ("shifted", "output")


def test_m5_is_small() -> None:
    assert len(write_tflite(random_network(M5))) < 25_000


def test_what_stands_in_the_file() -> None:
    """Input and output are pixels less 128; weights are int8 by channel, biases int32 of the matching scale."""
    model = schema().ModelT.InitFromPackedBuf(write_tflite(random_network(M5), Layout(24, 32)))
    kinds = schema().TensorType
    (graph,) = model.subgraphs
    for (number,), shape in ((graph.inputs, [1, 24, 32, 1]), (graph.outputs, [1, 48, 64, 1])):
        tensor = graph.tensors[number]
        assert tensor.type == kinds.INT8
        assert list(tensor.shape) == shape
        assert list(tensor.shapeSignature) == [1, -1, -1, 1]
        assert [float(value) for value in tensor.quantization.scale] == [float(np.float32(1 / 255))]
        assert list(tensor.quantization.zeroPoint) == [-128]
    named = {tensor.name.decode(): tensor for tensor in graph.tensors}
    weight, bias = named["head.weight"], named["head.bias"]
    assert (weight.type, bias.type) == (kinds.INT8, kinds.INT32)
    assert (len(weight.quantization.scale), weight.quantization.quantizedDimension) == (16, 0)
    shifted = np.float32(named["shifted"].quantization.scale[0])
    np.testing.assert_array_equal(
        np.asarray(bias.quantization.scale, np.float32), shifted * np.asarray(weight.quantization.scale, np.float32)
    )
    assert list(named["body.0"].quantization.zeroPoint) == [-128]
    numbers = {value: name for name, value in vars(schema().BuiltinOperator).items() if isinstance(value, int)}
    versions = {numbers[code.builtinCode]: code.version for code in model.operatorCodes}
    assert versions == {"CONV_2D": 3, "ADD": 2, "DEPTH_TO_SPACE": 1}
    assert model.description == b"SESR-M5 x2 (m=5, f=16, relu): int8, luma Y - 128 in and out"


def schema() -> Any:  # noqa: ANN401 - generated, without types
    return importlib.import_module("ai_edge_litert.schema_py_generated")


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_a_transposed_convolution_gives_the_same_pixels(scale: int, tmp_path: Path) -> None:
    """In place of depth-to-space, for one size, and any other size is refused in one line."""
    network = random_network(replace(KINDS[0], scale=scale))
    file = file_of(network, tmp_path, Layout(19, 26, transposed=True))
    assert set(operators(file.read_bytes()).values()) == {"CONV_2D", "ADD", "TRANSPOSE_CONV"}
    source = picture(19, 26)
    np.testing.assert_array_equal(pixels_of(file, "litert", source), run_int8(network, source))
    with pytest.raises(UsageError) as caught:
        pixels_of(file, "litert", picture(26, 19))
    assert str(caught.value) == f"{file}: takes planes of 26 x 19 pixels only"


@pytest.mark.parametrize("layout", [Layout(9, 14, fixed=True), Layout(9, 14, transposed=True)], ids=str)
def test_a_fixed_file_says_so(layout: Layout, tmp_path: Path) -> None:
    """No tensor of it has a free size, and it still computes the network."""
    network = random_network(KINDS[0])
    assert layout.size == (9, 14)
    file = file_of(network, tmp_path, layout)
    (graph,) = schema().ModelT.InitFromPackedBuf(file.read_bytes()).subgraphs
    for tensor in graph.tensors:
        assert tensor.shapeSignature is None or -1 not in list(tensor.shapeSignature)
    source = picture(9, 14)
    np.testing.assert_array_equal(pixels_of(file, "litert", source), run_int8(network, source))
    with pytest.raises(UsageError, match="takes planes of 14 x 9 pixels only"):
        pixels_of(file, "litert", picture(9, 15))


def test_the_header_is_read_back() -> None:
    network = random_network(KINDS[0])
    header = read_metadata(write_tflite(network))
    assert header is not None
    entry = json.loads(header)
    assert json.loads(network.header()).items() <= entry.items()
    assert (entry["name"], entry["values"]) == ("random", "int8: Y - 128")


def test_a_file_without_header_has_none() -> None:
    model = schema().ModelT.InitFromPackedBuf(write_tflite(random_network(KINDS[0])))
    model.metadata = None
    assert read_metadata(packed(model)) is None


def packed(model: Any) -> bytes:  # noqa: ANN401 - generated, without types
    builder = importlib.import_module("flatbuffers").Builder(1 << 14)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def test_cut_and_flipped_files_are_value_errors() -> None:
    """Wherever a file ends, and whatever some of its bytes say: readers answer, or raise `ValueError`."""
    content = write_tflite(random_network(SESRConfig(m=1, f=2, activation="relu")))
    damaged = [content[:length] for length in range(0, len(content), 61)]
    random = np.random.default_rng(0)
    for _ in range(150):
        flipped = np.frombuffer(content, np.uint8).copy()
        flipped[random.integers(0, len(content), 4)] = random.integers(0, 256, 4)
        damaged.append(flipped.tobytes())
    messages = [complaint(read, some) for read, some in itertools.product((read_metadata, operators), damaged)]
    refused = [message for message in messages if message]
    assert len(refused) > len(damaged)
    assert all(message.startswith("its flatbuffer cannot be read: ") for message in refused)


def complaint(read: Callable[[bytes], object], content: bytes) -> str:
    """Return a reader's complaint about a file, or nothing."""
    try:
        read(content)
    except ValueError as error:
        return str(error)
    return ""


def test_equal_networks_give_equal_bytes(tmp_path: Path) -> None:
    """Made anew, or read back from its file; another weight, or another card, is another file."""
    network = random_network(KINDS[1])
    network.save(tmp_path / "net.safetensors")
    content = write_tflite(network)
    assert content == write_tflite(random_network(KINDS[1]))
    assert content == write_tflite(load_quantized(tmp_path / "net.safetensors"))
    assert content != write_tflite(random_network(KINDS[1], seed=1))
    assert content != write_tflite(replace(network, card={}))
