"""Converts our networks with TensorFlow's own converter, as a check of the `.tflite` that we write ourselves.

Optional: no test needs TensorFlow. Each network is built once more in TensorFlow, as a graph in real numbers with
fake-quantization marks, and `tf.lite.TFLiteConverter` makes its own file of it, int8 or float. These files and the
networks are kept in ``golden/``, and ``tests/tflite/test_crosscheck.py`` compares our writer's files with them. Run
this again when the graph changes, in an environment of its own (1.6 GB)::

    python -m venv tfenv
    tfenv/bin/pip install tensorflow-cpu ai-edge-litert safetensors
    PYTHONPATH=src tfenv/bin/python -m tests.crosscheck.tensorflow_converter

It overwrites the golden files and prints the differences. Found with TensorFlow 2.21.0 and LiteRT 2.3.0:

- In all nine files the same operators in the same order: options, fused activations, inputs and their order, shapes
  (free height and width included), types and zero points.
- Not one weight, bias or slope differs.
- Scales agree within 1.7e-7: TensorFlow takes a range in float32 and divides it by 255 or 254.
- TensorFlow gives int8 DEPTH_TO_SPACE version 2, we give it 1. Runtimes take both; some older ones know only 1.
- Not one pixel differs in LiteRT between the two files; and for int8, none from the reference
  (`sesr.network.reference.run_int8`), PReLU included.

Rules for the TensorFlow graph that lead to this result:

- The shift's constant carries a mark of its own; otherwise it gets a scale that fits it alone.
- The shift is an ADD of a negative constant (``x - 0.5`` becomes SUB), and constants have shape (1,).
- PReLU is recognized in ``relu(x) + -slope * relu(-x)``, with a slope of shape (1, 1, C); with one of shape (C,) five
  operators come out. An int8 slope must have no mark of its own, or PRELU runs in float between DEQUANTIZE and
  QUANTIZE; unmarked, it gets the scale ``largest / 127``. So the slopes here have a largest value of 127.
"""
# ruff: noqa: T201 - a script: it prints

import importlib
import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tests.crosscheck.comparison import GOLDEN, Plane, compare, differing, read_operators, run_tflite
from tests.fakes import picture, random_network

from sesr.network.checkpoint import Checkpoint, tensor_shapes
from sesr.network.int8 import PIXELS, SHIFTED, Quantization
from sesr.network.quantized import AnyNetwork, Convolution, QuantizedNetwork, Slope
from sesr.network.reference import run_int8
from sesr.network.variants import SESRConfig
from sesr.tflite.writer import write_tflite

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
tf: Any = importlib.import_module("tensorflow")
"""Without types: TensorFlow is not part of the project's environment, and its own types are not complete."""

Symbol = Any
"""A tensor of the graph that TensorFlow traces."""

INT8 = {
    "int8_x2": SESRConfig(m=2, f=4, scale=2, activation="relu"),
    "int8_x2_nores": SESRConfig(m=2, f=4, scale=2, activation="relu", input_residual=False),
    "int8_x3": SESRConfig(m=2, f=4, scale=3, activation="relu"),
    "int8_x4": SESRConfig(m=2, f=4, scale=4, activation="relu"),
    "int8_prelu_x2": SESRConfig(m=2, f=4, scale=2, activation="prelu"),
    "int8_m5_x2": SESRConfig(m=5, f=16, scale=2, activation="relu"),
}
FLOAT = {
    "float_prelu_x2": SESRConfig(m=2, f=4, scale=2, activation="prelu"),
    "float_relu_x4": SESRConfig(m=2, f=4, scale=4, activation="relu"),
    "float_relu_x2_nores": SESRConfig(m=2, f=4, scale=2, activation="relu", input_residual=False),
}


def main() -> None:
    """Writes all golden files and says how ours differ from them."""
    GOLDEN.mkdir(exist_ok=True)
    print(f"TensorFlow {tf.__version__}")
    for name, network in _networks().items():
        content = _convert(network)
        network.save(GOLDEN / f"{name}.safetensors")
        (GOLDEN / f"{name}.tflite").write_bytes(content)
        _report(name, network, content)
    print(f"{sum(file.stat().st_size for file in GOLDEN.iterdir()):,} bytes of golden files")


def _networks() -> dict[str, AnyNetwork]:
    int8 = {name: _random_int8(config, seed) for seed, (name, config) in enumerate(INT8.items())}
    return int8 | {name: _random_checkpoint(config, seed) for seed, (name, config) in enumerate(FLOAT.items())}


def _random_int8(config: SESRConfig, seed: int) -> QuantizedNetwork:
    network = random_network(config, seed)
    return replace(network, slopes=tuple(_with_full_range(slope) for slope in network.slopes))


def _with_full_range(slope: Slope) -> Slope:
    """The slope whose largest value is 127: so the converter, which chooses the scale itself, arrives at ours."""
    weight = slope.weight.copy()
    weight[np.abs(weight.astype(int)).argmax()] = 127
    return replace(slope, weight=weight)


def _random_checkpoint(config: SESRConfig, seed: int) -> Checkpoint:
    """Random weights whose output lies around the middle, yet reaches past both ends of the clip."""
    random = np.random.default_rng(seed)

    def tensor(shape: tuple[int, ...]) -> NDArray[np.float32]:
        values: NDArray[np.float64] = random.normal(size=shape) / np.sqrt(np.prod(shape[1:]))
        return values.astype(np.float32)

    tensors = {name: tensor(shape) for name, shape in tensor_shapes(config).items()}
    for name in (name for name, value in tensors.items() if value.ndim == 1):
        tensors[name] *= np.float32(0.1)
    if not config.input_residual:
        tensors["tail.bias"] += np.float32(0.5)
    return Checkpoint(config, tensors, {"name": "random"})


def _convert(network: AnyNetwork) -> bytes:
    """Return the network's `.tflite` as TensorFlow's converter makes it."""
    body = _int8_graph(network) if network.int8 else _float_graph(network)
    module = tf.Module()
    module.body = tf.function(body, input_signature=[tf.TensorSpec([1, None, None, 1], tf.float32, "input")])
    converter = tf.lite.TFLiteConverter.from_concrete_functions([module.body.get_concrete_function()], module)
    if network.int8:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.inference_input_type = converter.inference_output_type = tf.int8
    return bytes(converter.convert())


def _float_graph(checkpoint: Checkpoint) -> Callable[[Symbol], Symbol]:
    config, tensors = checkpoint.config, checkpoint.tensors

    def convolution(name: str, source: Symbol) -> Symbol:
        return _convolved(source, tensors[f"{name}.weight"].transpose(2, 3, 1, 0)) + tensors[f"{name}.bias"]

    def network(luma: Symbol) -> Symbol:
        features = first = convolution("head", luma + tf.constant([-0.5]))
        for index in range(config.m):
            features = convolution(f"body.{index}", features)
            slope = tensors.get(f"body.{index}.slope")
            features = tf.nn.relu(features) if slope is None else _prelu(features, slope)
        y = convolution("tail", features + first)
        y = y + luma if config.input_residual else y
        return tf.nn.depth_to_space(tf.minimum(tf.nn.relu(y), tf.constant([1.0])), config.scale)

    return network


def _int8_graph(network: QuantizedNetwork) -> Callable[[Symbol], Symbol]:
    config = network.config

    def traced(luma: Symbol) -> Symbol:
        luma = _fake_quantized(luma, PIXELS)
        shift = _fake_quantized(tf.constant([-128 / 255], tf.float32), SHIFTED)
        shifted = _fake_quantized(luma + shift, SHIFTED)
        features = first = _int8_convolution(shifted, SHIFTED, network.head)
        grid = network.head.output
        for index, convolution in enumerate(network.body):
            features = _int8_convolution(features, grid, convolution, relu=config.activation == "relu")
            grid = convolution.output
            if network.slopes:
                features, grid = _int8_prelu(features, network.slopes[index]), network.slopes[index].output
        total = _fake_quantized(features + first, network.residual_sum)
        y = _int8_convolution(total, network.residual_sum, network.tail)
        y = _fake_quantized(y + luma, PIXELS) if config.input_residual else y
        return tf.nn.depth_to_space(y, config.scale)

    return traced


def _int8_convolution(source: Symbol, grid: Quantization, layer: Convolution, *, relu: bool = False) -> Symbol:
    """Write the convolution in real numbers, marked so that the converter arrives at our whole numbers."""
    scales = layer.weight_scale.astype(np.float64)
    kernel = (layer.weight * scales[:, None, None, None]).transpose(2, 3, 1, 0).astype(np.float32)
    weight = tf.quantization.fake_quant_with_min_max_vars_per_channel(
        tf.constant(kernel), *((sign * 127 * scales).astype(np.float32) for sign in (-1, 1)), narrow_range=True
    )
    y = _convolved(source, weight) + (layer.bias * grid.scale * scales).astype(np.float32)
    return _fake_quantized(tf.nn.relu(y) if relu else y, layer.output)


def _int8_prelu(source: Symbol, slope: Slope) -> Symbol:
    alpha = (slope.weight * slope.scale).astype(np.float32)
    return _fake_quantized(_prelu(source, alpha), slope.output)


def _fake_quantized(plane: Symbol, grid: Quantization) -> Symbol:
    lowest, highest = (grid.scale * (bound - grid.zero_point) for bound in (-128, 127))
    return tf.quantization.fake_quant_with_min_max_vars(plane, lowest, highest)


def _convolved(source: Symbol, weight: Symbol) -> Symbol:
    return tf.nn.conv2d(source, weight, strides=1, padding="SAME")


def _prelu(source: Symbol, slope: Symbol) -> Symbol:
    """Write PReLU as Keras does; the converter recognizes this form."""
    return tf.nn.relu(source) + -slope.reshape(1, 1, -1) * tf.nn.relu(-source)


def _report(name: str, network: AnyNetwork, golden: bytes) -> None:
    content = write_tflite(network)
    ours, theirs = read_operators(content), read_operators(golden)
    print(f"\n{name}: {len(content):,} bytes, TensorFlow's {len(golden):,}")
    for title, operators in (("ours  ", ours), ("theirs", theirs)):
        print(f"  {title}", *(operator.kind for operator in operators))
    try:
        found = compare(ours, theirs)
        print("  layout", *(found.layout or ["the same"]), sep="\n    ")
        print(f"  scales {found.scales}; weights {found.weights}; biases {found.biases}")
    except ValueError as error:
        print(f"  not comparable: {error}")
    _report_pixels(network, content, golden)


def _report_pixels(network: AnyNetwork, content: bytes, golden: bytes) -> None:
    pixels = picture(211, 307)
    source: Plane = pixels.astype(np.float32) / np.float32(255)
    if network.int8:
        source = (pixels.astype(np.int16) - 128).astype(np.int8)
    ours, theirs = (run_tflite(file, source) for file in (content, golden))
    print(f"  pixels in LiteRT, ours against theirs: {differing(ours, theirs)}")
    if network.int8:
        print(
            f"  pixels, theirs in LiteRT against the reference: {differing(theirs + 128.0, run_int8(network, pixels))}"
        )


if __name__ == "__main__":
    main()
