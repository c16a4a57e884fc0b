"""The written `.tflite` computes what the network computes, in both runtimes, and its bytes are settled."""

import importlib
import itertools
import json
import sys
import warnings
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from numpy.typing import NDArray

from sesr.engines.load import load_engine
from sesr.errors import EngineError
from sesr.network.checkpoint import Checkpoint, load_checkpoint
from sesr.network.quantized import load_network
from sesr.network.sesr import CollapsedSESR
from sesr.network.variants import Activation, SESRConfig
from sesr.network.zoo import list_networks
from sesr.tflite.writer import Layout, export_tflite, write_tflite

Luma = NDArray[np.float32]

SIZES = [(37, 21), (1, 1), (2, 9), (5, 64)]
ACTIVATIONS: tuple[Activation, ...] = ("prelu", "relu")
KINDS = [
    SESRConfig(m=2, f=6, scale=scale, activation=activation, input_residual=residual)
    for scale, activation, residual in itertools.product((2, 3, 4), ACTIVATIONS, (True, False))
]

pytestmark = pytest.mark.needs("export")


def network(config: SESRConfig) -> CollapsedSESR:
    """Random weights that keep the output around the middle, yet reach past both ends of the clip."""
    torch.manual_seed(1)
    result = CollapsedSESR(config).eval()
    with torch.no_grad():
        for slope in (tensor for name, tensor in result.named_parameters() if name.endswith("slope")):
            slope.uniform_(-0.5, 0.5)
        result.tail.weight.mul_(6)
        assert result.tail.bias is not None
        result.tail.bias.copy_(torch.linspace(-0.1, 0.1, config.scale**2) + (not config.input_residual) / 2)
    return result


def luma(height: int, width: int) -> Luma:
    """A plane whose border is far from mid-gray, so that padding the unshifted plane would show."""
    return np.random.default_rng(height * 100 + width).random((height, width)).astype(np.float32) ** 2


def expected(reference: CollapsedSESR, plane: Luma) -> Luma:
    with torch.inference_mode():
        result: Luma = reference(torch.from_numpy(plane)[None, None])[0, 0].numpy()
    return result


class LiteRT:
    """The file in LiteRT, resized for every plane."""

    def __init__(self, content: bytes) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            module = importlib.import_module("ai_edge_litert.interpreter")
            self.interpreter: Any = module.Interpreter(model_content=content)

    def run(self, plane: Luma) -> Luma:
        source = self.interpreter.get_input_details()[0]["index"]
        self.interpreter.resize_tensor_input(source, [1, *plane.shape, 1])
        self.interpreter.allocate_tensors()
        self.interpreter.set_tensor(source, plane[None, :, :, None])
        self.interpreter.invoke()
        result: Luma = self.interpreter.get_tensor(self.interpreter.get_output_details()[0]["index"])
        return result[0, :, :, 0]


@pytest.mark.needs("openvino")
@pytest.mark.parametrize("config", KINDS, ids=str)
def test_both_runtimes_equal_pytorch(config: SESRConfig, tmp_path: Path) -> None:
    reference = network(config)
    checkpoint = reference.to_checkpoint({})
    export_tflite(checkpoint, tmp_path / "net.tflite")
    litert, openvino = LiteRT((tmp_path / "net.tflite").read_bytes()), load_engine(tmp_path / "net.tflite", "openvino")
    for size in SIZES:
        plane = luma(*size)
        wanted = expected(reference, plane)
        np.testing.assert_allclose(litert.run(plane), wanted, atol=1e-5)
        np.testing.assert_allclose(openvino.run(plane), wanted, atol=1e-5)
    largest = expected(reference, luma(37, 21))
    assert largest.min() == 0
    assert largest.max() == 1
    assert ((largest > 0) & (largest < 1)).mean() > 0.3


@pytest.mark.needs("openvino")
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_channel_order(scale: int, tmp_path: Path) -> None:
    """A network that only shows its last bias: channel dy * scale + dx must land at row dy, column dx."""
    config = SESRConfig(m=1, f=1, scale=scale, activation="relu", input_residual=False)
    zeros = CollapsedSESR(config).eval()
    levels = np.arange(scale**2, dtype=np.float32) / scale**2
    with torch.no_grad():
        for parameter in zeros.parameters():
            parameter.zero_()
        assert zeros.tail.bias is not None
        zeros.tail.bias.copy_(torch.from_numpy(levels))
    content = write_tflite(zeros.to_checkpoint({}))
    (tmp_path / "net.tflite").write_bytes(content)
    for engine in (LiteRT(content), load_engine(tmp_path / "net.tflite", "openvino")):
        patch = engine.run(np.zeros((2, 3), np.float32))
        np.testing.assert_array_equal(patch, np.tile(levels.reshape(scale, scale), (2, 3)))


def test_two_shuffles_by_two_are_one_by_four_permuted() -> None:
    """The paper's x4: with the 16 channels as 2 x 2 x 2 x 2, one shuffle by 4 swaps the two middle axes.

    PyTorch's two shuffles by 2 have a third order, which is TensorFlow's with the channels transposed as 4 x 4.
    """
    planes = np.random.default_rng(0).random((3, 5, 16), np.float32)
    once = torch.pixel_shuffle(torch.from_numpy(planes).permute(2, 0, 1)[None], 4)[0, 0].numpy()

    def twice(planes: Luma) -> Luma:
        return depth_to_space(depth_to_space(planes, 2), 2)[..., 0]

    swapped = planes.reshape(3, 5, 2, 2, 2, 2).swapaxes(3, 4).reshape(planes.shape)
    np.testing.assert_array_equal(twice(swapped), once)
    assert not np.array_equal(twice(planes), once)
    transposed = planes.reshape(3, 5, 4, 4).swapaxes(2, 3).reshape(planes.shape)
    tensor = torch.from_numpy(planes).permute(2, 0, 1)[None]
    torch_twice = torch.pixel_shuffle(torch.pixel_shuffle(tensor, 2), 2)[0, 0].numpy()
    np.testing.assert_array_equal(twice(transposed), torch_twice)


def depth_to_space(planes: Luma, block: int) -> Luma:
    """TensorFlow's: channel (dy * block + dx) * depth + d of planes (H, W, C) goes to row dy, column dx."""
    height, width, channels = planes.shape
    depth = channels // block**2
    split = planes.reshape(height, width, block, block, depth).transpose(0, 2, 1, 3, 4)
    return split.reshape(height * block, width * block, depth)


def test_bytes_are_deterministic() -> None:
    checkpoint = network(KINDS[0]).to_checkpoint({"data": "drawn", "psnr": {"set5": 37.3}})
    again = Checkpoint(checkpoint.config, dict(reversed(checkpoint.tensors.items())), dict(checkpoint.card))
    assert write_tflite(checkpoint) == write_tflite(again)
    assert write_tflite(checkpoint) != write_tflite(replace(checkpoint, card={}))


def test_survives_the_trip_through_the_checkpoint_file(tmp_path: Path) -> None:
    checkpoint = network(KINDS[0]).to_checkpoint({"licence": "Apache-2.0", "psnr": {"set5": 37.3}})
    checkpoint.save(tmp_path / "net.safetensors")
    assert write_tflite(load_checkpoint(tmp_path / "net.safetensors")) == write_tflite(checkpoint)


def test_shipped_files_are_what_their_checkpoints_give() -> None:
    shipped = [item for item in list_networks() if item.safetensors and item.tflite]
    if not shipped:
        pytest.skip("no networks in the package yet")
    for item in shipped:
        assert item.safetensors is not None
        assert item.tflite is not None
        assert write_tflite(load_network(item.safetensors)) == item.tflite.read_bytes(), item.tflite.name


def test_what_stands_in_the_file() -> None:
    """Names, versions, free sizes, alignment, and the header, as the schema's own reader sees them."""
    schema = importlib.import_module("ai_edge_litert.schema_py_generated")
    config = SESRConfig(m=5)
    checkpoint = network(config).to_checkpoint({"data": "drawn"})
    content = write_tflite(checkpoint, Layout(24, 32))
    model = schema.ModelT.InitFromPackedBuf(content)
    assert content[4:8] == b"TFL3"
    assert model.description == b"SESR-M5 x2 (m=5, f=16, prelu): luma Y/255 in and out"
    assert {code.version for code in model.operatorCodes} == {1}
    (signature,) = model.signatureDefs
    assert (signature.signatureKey, signature.inputs[0].name, signature.outputs[0].name) == (
        b"serving_default",
        b"input",
        b"output",
    )
    (graph,) = model.subgraphs
    (output,) = graph.outputs
    assert list(graph.tensors[output].shape) == [1, 48, 64, 1]
    assert list(graph.tensors[output].shapeSignature) == [1, -1, -1, 1]
    header = json.loads(bytes(model.buffers[model.metadata[0].buffer].data))
    assert header["config"] == asdict(config)
    assert header["card"] == {"data": "drawn"}
    assert (header["name"], header["version"]) == ("m5", 1)
    assert header["colour"].startswith("luma Y")
    assert header["range"].startswith("limited")
    assert header["values"] == "float32: Y / 255"
    weights = [tensor.astype("<f4").transpose(0, 2, 3, 1) for tensor in checkpoint.tensors.values() if tensor.ndim == 4]
    assert len(weights) == 7
    for weight in weights:
        assert content.index(weight.tobytes()) % 16 == 0


def test_missing_extra_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "flatbuffers", None)
    with pytest.raises(EngineError, match=r"pip install 'sesr\[export\]'"):
        write_tflite(network(KINDS[0]).to_checkpoint({}))


def test_nothing_is_left_when_writing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "flatbuffers", None)
    with pytest.raises(EngineError):
        export_tflite(network(KINDS[0]).to_checkpoint({}), tmp_path / "net.tflite")
    assert not list(tmp_path.iterdir())
