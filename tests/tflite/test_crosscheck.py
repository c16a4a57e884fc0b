"""Our `.tflite` equals what TensorFlow's own converter makes of the same network.

The converter's files are golden files, so TensorFlow is not needed; `tests.crosscheck.tensorflow_converter` made them
and says how. The two differ in nothing but the last bits of scales and the version of one operator.
"""

from dataclasses import replace

import numpy as np
import pytest
from tests.crosscheck.comparison import GOLDEN, Plane, compare, differing, read_operators, run_tflite
from tests.fakes import picture

from sesr.network.checkpoint import Checkpoint
from sesr.network.int8 import Quantization
from sesr.network.quantized import QuantizedNetwork, load_network, load_quantized
from sesr.network.reference import run_int8
from sesr.tflite.writer import write_tflite

NAMES = sorted(file.stem for file in GOLDEN.glob("*.tflite"))
INT8 = [name for name in NAMES if name.startswith("int8")]
FLOAT = [name for name in NAMES if name.startswith("float")]
PIXELS = picture(97, 131, seed=7)
LUMA: Plane = PIXELS.astype(np.float32) / np.float32(255)
QUANTIZED: Plane = (PIXELS.astype(np.int16) - 128).astype(np.int8)

pytestmark = pytest.mark.needs("export")


def golden(name: str) -> bytes:
    return (GOLDEN / f"{name}.tflite").read_bytes()


def network_of(name: str) -> Checkpoint | QuantizedNetwork:
    return load_network(GOLDEN / f"{name}.safetensors")


def test_golden_files_of_every_kind_are_there() -> None:
    assert len(INT8) == 6
    assert len(FLOAT) == 3


@pytest.mark.parametrize("name", NAMES)
def test_same_operators_weights_and_biases(name: str) -> None:
    """Kinds, order, options, inputs, shapes, types and zero points included."""
    ours, theirs = (read_operators(content) for content in (write_tflite(network_of(name)), golden(name)))
    found = compare(ours, theirs)
    known = [f"{len(ours) - 1} DEPTH_TO_SPACE version: 1, not 2"] if name in INT8 else []
    assert list(found.layout) == known
    assert found.weights.compared > 700
    assert found.weights.differing == 0
    assert found.biases.differing == 0
    assert (found.biases.compared > 0) == (found.scales.compared > 0) == (name in INT8)
    assert found.scales.largest < 1e-6


@pytest.mark.parametrize("name", INT8)
def test_same_int8_pixels(name: str) -> None:
    """In LiteRT both files give the same, and the reference's pixels."""
    network = load_quantized(GOLDEN / f"{name}.safetensors")
    ours, theirs = (run_tflite(content, QUANTIZED) for content in (write_tflite(network), golden(name)))
    assert differing(ours, theirs).differing == 0
    assert len(np.unique(theirs)) > 50
    steps = differing(theirs.astype(np.int16) + 128, run_int8(network, PIXELS))
    assert steps.largest == 0


@pytest.mark.parametrize("name", FLOAT)
def test_same_float_pixels(name: str) -> None:
    ours, theirs = (run_tflite(content, LUMA) for content in (write_tflite(network_of(name)), golden(name)))
    assert differing(ours, theirs).largest <= 1e-6
    assert len(np.unique(theirs)) > 1000


def test_comparison_sees_one_step() -> None:
    """A weight, a bias, a zero point or a scale that is off would be found, and the pixels show it."""
    network = load_quantized(GOLDEN / "int8_x2.safetensors")
    head, theirs = network.head, read_operators(golden("int8_x2"))
    weight, bias = head.weight.copy(), head.bias.copy()
    weight[0, 0, 2, 2] -= np.sign(weight[0, 0, 2, 2])
    bias[0] += 1
    point = Quantization(head.output.scale, head.output.zero_point + 1)
    changes = [
        replace(head, weight=weight),
        replace(head, bias=bias),
        replace(head, output=point),
        replace(head, weight_scale=head.weight_scale * np.float32(1.0001)),
    ]
    files = [write_tflite(replace(network, head=changed)) for changed in changes]
    found = [compare(read_operators(content), theirs) for content in files]
    assert found[0].weights.differing == found[1].biases.differing == 1
    assert [len(comparison.layout) for comparison in found] == [1, 1, 4, 1]
    assert found[3].scales.largest == pytest.approx(1e-4, rel=0.01)
    assert differing(run_tflite(files[0], QUANTIZED), run_tflite(golden("int8_x2"), QUANTIZED)).differing > 0
