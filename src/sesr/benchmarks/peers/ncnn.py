"""A graph in ncnn, whose files are simple enough to write by hand.

A network is two files. The first is text, a line for each layer: type, name, numbers of inputs and outputs, names of
these, then ``key=value`` parameters. The second holds all weights one after the other; kernels follow a word that says
that they are float32. A value that several layers take needs a ``Split`` layer first. ncnn wants a transposed kernel's
channels in the order (out, in).
"""

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from sesr.benchmarks.peers.graph import Array, Graph, Operation
from sesr.engines.base import import_package
from sesr.errors import EngineError

_MAGIC = 7767517
_FLOAT32 = bytes(4)


def ncnn_runner(graph: Graph, threads: int) -> Callable[[Array], Array]:
    """Return the graph as a function of planes (1, channels, H, W). Raises `NotInstalledError`."""
    ncnn = import_package("ncnn", "ncnn", "ncnn")
    net = ncnn.Net()
    net.opt.num_threads = threads
    net.opt.openmp_blocktime = 0  # else its threads would spin for 20 ms into the next contender's turn
    net.opt.use_fp16_storage = net.opt.use_fp16_packed = net.opt.use_fp16_arithmetic = False
    layers, weights = ncnn_files(graph)
    with tempfile.TemporaryDirectory(prefix="sesr-") as folder:
        param, model = Path(folder, "net.param"), Path(folder, "net.bin")
        param.write_text(layers, encoding="ascii")
        model.write_bytes(weights)
        if net.load_param(str(param)) or net.load_model(str(model)):
            raise EngineError(f"ncnn cannot load {graph.name}; upgrade it by pip install --upgrade ncnn")

    def run(planes: Array) -> Array:
        extractor = net.create_extractor()
        extractor.input("v0", ncnn.Mat(planes[0]).clone())  # a layer in place needs memory of its own
        code, result = extractor.extract("output")
        if code:
            raise EngineError(f"ncnn failed on {graph.name}, code {code}")
        return np.array(result)[None]

    return run


def ncnn_files(graph: Graph) -> tuple[str, bytes]:
    """Return both files' contents."""
    uses = Counter(source for step in graph.operations for source in step.sources)
    taken: Counter[int] = Counter()
    lines, weights, blobs = ["Input in 0 1 v0"], [], 1

    def split(value: int) -> None:
        nonlocal blobs
        if uses[value] > 1:
            copies = [f"v{value}_{index}" for index in range(uses[value])]
            lines.append(f"Split split{value} 1 {len(copies)} v{value} {' '.join(copies)}")
            blobs += len(copies)

    def take(value: int) -> str:
        taken[value] += 1
        return f"v{value}_{taken[value] - 1}" if uses[value] > 1 else f"v{value}"

    split(0)
    for number, step in enumerate(graph.operations, 1):
        kind, parameters, content = _layer(step, graph.scale)
        sources = " ".join(take(source) for source in step.sources)
        output = "output" if number == len(graph.operations) else f"v{number}"
        lines.append(f"{kind} step{number} {len(step.sources)} 1 {sources} {output} {parameters}".rstrip())
        weights.append(content)
        blobs += 1
        split(number)
    return "\n".join([str(_MAGIC), f"{len(lines)} {blobs}", *lines, ""]), b"".join(weights)


def _layer(step: Operation, scale: int) -> tuple[str, str, bytes]:
    """Return a layer's type, its parameters and its weights."""
    if step.kind in ("convolution", "transposed"):
        weight, bias = step.arrays()
        k, content = weight.shape[-1], b"".join([_FLOAT32, *_bytes(_out_first(step), bias)])
        parameters = f"0={bias.size} 1={k} 4={k // 2} 5=1 6={weight.size}"
        if step.kind == "convolution":
            return "Convolution", parameters, content
        return "Deconvolution", f"{parameters} 3={scale} 18={scale - 1} 19={scale - 1}", content
    if step.kind == "prelu":
        return "PReLU", f"0={step.values().size}", b"".join(_bytes(step.values()))
    others = {
        "relu": ("ReLU", ""),
        "offset": ("BinaryOp", f"0=0 1=1 2={step.weight[0] if step.weight is not None else 0}"),
        "add": ("BinaryOp", "0=0"),
        "shuffle": ("PixelShuffle", f"0={scale}"),
        "nearest": ("Interp", f"0=1 1={scale} 2={scale}"),
        "clip": ("Clip", "0=0.0 1=1.0"),
    }
    return (*others[step.kind], b"")


def _out_first(step: Operation) -> Array:
    weight, _ = step.arrays()
    return weight if step.kind == "convolution" else weight.swapaxes(0, 1)


def _bytes(*arrays: Array) -> Iterator[bytes]:
    for array in arrays:
        yield np.ascontiguousarray(array, "<f4").tobytes()
