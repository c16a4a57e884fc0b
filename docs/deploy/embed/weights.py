"""Writes a float network's numbers for C++: `python weights.py m5 2 weights.bin`.

The file holds m, f, scale and whether the input is added (1 or 0) as int32, then for each convolution its weight, its
bias and, in the middle, its slopes, all as float32.
"""

import sys
from pathlib import Path

import numpy as np

from sesr.network.checkpoint import load_checkpoint
from sesr.network.zoo import find_network

name, scale, target = sys.argv[1:]
path = find_network(name, int(scale)).safetensors
if path is None:
    raise SystemExit(f"{name}: no float network; name one that `sesr info` lists")
network = load_checkpoint(path)
config, tensors = network.config, network.tensors
with Path(target).open("wb") as file:
    file.write(np.array([config.m, config.f, config.scale, config.input_residual], np.int32).tobytes())
    for layer in ("head", *(f"body.{index}" for index in range(config.m)), "tail"):
        file.write(tensors[f"{layer}.weight"].tobytes() + tensors[f"{layer}.bias"].tobytes())
        if layer.startswith("body"):
            file.write(tensors.get(f"{layer}.slope", np.zeros(config.f, np.float32)).tobytes())
