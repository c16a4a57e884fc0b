"""Networks as a list of operations, from which every engine builds its own graph.

A `Graph` is a short program. Value 0 is the input, operation i makes value i + 1, and the last value is the output.
Nine kinds of operation are enough for SESR and for the networks that it is compared with:

- SESR itself, from a checkpoint;
- FSRCNN (d = 56, s = 12, m = 4; Dong et al., 2016), on luma;
- SRVGGNetCompact (64 features, 16 convolutions), the small network of Real-ESRGAN, on RGB;
- QuickSRNet-small (32 features, 2 convolutions between; Qualcomm, 2023), on RGB.

The last three have random weights, because speed does not depend on weights.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sesr.network.checkpoint import Checkpoint

Kind = Literal["convolution", "transposed", "prelu", "relu", "offset", "add", "shuffle", "nearest", "clip"]
Array = NDArray[np.float32]


@dataclass(frozen=True)
class Operation:
    """One step of a graph.

    Attributes:
        kind: what it does. ``convolution`` and ``transposed`` pad with zeros, so that the size stays, or grows by the
            graph's scale. ``offset`` adds a number, ``add`` adds two values (one channel goes to all), ``clip`` cuts to
            0..1. ``shuffle`` is depth-to-space, ``nearest`` repeats pixels; both by the graph's scale.
        sources: numbers of the values that it takes.
        weight: kernels (out, in, k, k), for ``transposed`` (in, out, k, k); slopes (channels,) for ``prelu``; the
            number (1,) for ``offset``.
        bias: one number per output channel of a convolution.
    """

    kind: Kind
    sources: tuple[int, ...]
    weight: Array | None = None
    bias: Array | None = None

    def arrays(self) -> tuple[Array, Array]:
        """Return weight and bias of an operation that has both."""
        assert self.weight is not None
        assert self.bias is not None
        return self.weight, self.bias

    def values(self) -> Array:
        """Return the weight of an operation that has one."""
        assert self.weight is not None
        return self.weight


@dataclass
class Graph:
    """A network under description.

    Attributes:
        name: for people.
        channels: of the input: 1 for luma, 3 for RGB.
        scale: output pixels per input pixel, along a side.
        operations: in the order in which they run.
    """

    name: str
    channels: int
    scale: int
    operations: list[Operation] = field(default_factory=list)

    @property
    def weights(self) -> int:
        """Number of weights in convolutions, without biases and slopes."""
        kernels = (step.values().size for step in self.operations if step.kind in ("convolution", "transposed"))
        return sum(kernels)

    def macs(self, height: int, width: int) -> int:
        """Return the multiply-adds for one input of the given size: each weight is used once per input pixel."""
        return self.weights * height * width

    def then(self, kind: Kind, *sources: int, weight: Array | None = None, bias: Array | None = None) -> int:
        """Append an operation and return the number of its value. Without `sources` it takes the last value."""
        self.operations.append(Operation(kind, sources or (len(self.operations),), weight, bias))
        return len(self.operations)


def sesr_graph(network: Checkpoint) -> Graph:
    """Describe a float SESR network."""
    config, tensors = network.config, network.tensors
    graph = Graph(config.name, 1, config.scale)

    def convolution(name: str, *sources: int) -> int:
        weight, bias = tensors[f"{name}.weight"], tensors[f"{name}.bias"]
        return graph.then("convolution", *sources, weight=weight, bias=bias)

    graph.then("offset", weight=np.array([-0.5], np.float32))
    first = convolution("head")
    for index in range(config.m):
        convolution(f"body.{index}")
        if config.activation == "prelu":
            graph.then("prelu", weight=tensors[f"body.{index}.slope"])
        else:
            graph.then("relu")
    graph.then("add", first, len(graph.operations))
    last = convolution("tail")
    if config.input_residual:
        graph.then("add", last, 0)
    graph.then("shuffle")
    graph.then("clip")
    return graph


def fsrcnn(scale: int) -> Graph:
    """Describe FSRCNN: 56 features shrink to 12, are mapped, expand, and enlarge by a transposed convolution."""
    graph, layer = _random_network("fsrcnn", 1, scale)
    for k, c_in, c_out in [(5, 1, 56), (1, 56, 12), *[(3, 12, 12)] * 4, (1, 12, 56)]:
        layer(k, c_in, c_out)
        graph.then("prelu", weight=np.full(c_out, 0.25, np.float32))
    weight = np.random.default_rng(1).normal(0, 0.05, (56, 1, 9, 9)).astype(np.float32)
    graph.then("transposed", weight=weight, bias=np.zeros(1, np.float32))
    return graph


def compact(scale: int) -> Graph:
    """Describe SRVGGNetCompact (64 features, 16 convolutions): adds its result to the input's repeated pixels."""
    graph, layer = _random_network("realesr-compact", 3, scale)
    for c_in in (3, *[64] * 16):
        layer(3, c_in, 64)
        graph.then("prelu", weight=np.full(64, 0.25, np.float32))
    layer(3, 64, 3 * scale**2)
    detail = graph.then("shuffle")
    graph.then("add", detail, graph.then("nearest", 0))
    return graph


def quicksrnet(scale: int) -> Graph:
    """Describe QuickSRNet-small: four plain convolutions and depth-to-space."""
    graph, layer = _random_network("quicksrnet-small", 3, scale)
    for c_in in (3, 32, 32):
        layer(3, c_in, 32)
        graph.then("relu")
    layer(3, 32, 3 * scale**2)
    graph.then("shuffle")
    graph.then("clip")
    return graph


PEERS: dict[str, Callable[[int], Graph]] = {
    "fsrcnn": fsrcnn,
    "realesr-compact": compact,
    "quicksrnet-small": quicksrnet,
}
"""The networks of others, by name; each takes a scale."""


def _random_network(name: str, channels: int, scale: int) -> tuple[Graph, Callable[[int, int, int], int]]:
    """Return an empty graph, and a function that appends a random convolution: its size, channels in and out."""
    graph, random = Graph(name, channels, scale), np.random.default_rng(0)

    def layer(k: int, c_in: int, c_out: int) -> int:
        weight = random.normal(0, (c_in * k * k) ** -0.5, (c_out, c_in, k, k)).astype(np.float32)
        return graph.then("convolution", weight=weight, bias=np.zeros(c_out, np.float32))

    return graph, layer
