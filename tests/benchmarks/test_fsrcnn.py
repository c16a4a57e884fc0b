"""FSRCNN's file runs, and is as large as the paper says."""

import importlib
import warnings
from typing import Any

import numpy as np
import pytest

from sesr.benchmarks.fsrcnn import LAYERS, fsrcnn_macs, fsrcnn_tflite
from sesr.tflite.file import operators

LAST = 9 * 9 * 56
"""Weights of FSRCNN's transposed convolution."""


@pytest.mark.needs("export")
def test_fsrcnn_runs_and_doubles() -> None:
    """LiteRT takes int8 and gives int8 of twice the size, which depends on the input."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        package = importlib.import_module("ai_edge_litert.interpreter")
        interpreter: Any = package.Interpreter(model_content=fsrcnn_tflite(11, 14))
    interpreter.allocate_tensors()
    (source,), (result,) = interpreter.get_input_details(), interpreter.get_output_details()
    assert (tuple(source["shape"]), source["dtype"]) == ((1, 11, 14, 1), np.int8)
    assert (tuple(result["shape"]), result["dtype"]) == ((1, 22, 28, 1), np.int8)
    outputs = []
    for seed in (0, 1):
        pixels = np.random.default_rng(seed).integers(-128, 128, (1, 11, 14, 1), np.int8)
        interpreter.set_tensor(source["index"], pixels)
        interpreter.invoke()
        outputs.append(interpreter.get_tensor(result["index"]))
    assert not np.array_equal(*outputs)


@pytest.mark.needs("export")
def test_fsrcnn_is_the_papers() -> None:
    """12,464 weights; the paper's 6.0 G multiply-adds for 1280 x 720 count the last layer's at every output pixel."""
    convolutions = sum(k * k * c_in * c_out for k, c_in, c_out in LAYERS)
    assert convolutions + LAST == 12_464
    assert fsrcnn_macs(640, 360) == (convolutions + 4 * LAST) * 640 * 360 == pytest.approx(6.0e9, rel=0.01)
    assert fsrcnn_macs(1920, 1080) == pytest.approx(54e9, rel=0.01)
    kinds = list(operators(fsrcnn_tflite(8, 8)).values())
    assert kinds == ["CONV_2D"] * 7 + ["TRANSPOSE_CONV"]
