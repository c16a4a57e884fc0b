"""A graph in eager PyTorch, channels last, which its convolutions prefer. Import it only where PyTorch is installed."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from sesr.benchmarks.peers.graph import Array, Graph, Operation


class GraphModule(nn.Module):
    """A graph whose operations run one after the other."""

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self.sources = [step.sources for step in graph.operations]
        self.steps = nn.ModuleList(_module(step, graph.scale) for step in graph.operations)

    def forward(self, planes: Tensor) -> Tensor:
        """Enlarge planes (1, channels, H, W). Values stay alive to the end only where a later step takes them."""
        values: dict[int, Tensor] = {0: planes}
        for number, (sources, step) in enumerate(zip(self.sources, self.steps, strict=True), 1):
            values[number] = step(*(values[source] for source in sources))
            later = {source for after in self.sources[number:] for source in after}
            values = {name: value for name, value in values.items() if name in later or name == number}
        return values[len(self.steps)]


class _Function(nn.Module):
    """A function without weights."""

    def __init__(self, function: Callable[..., Tensor]) -> None:
        super().__init__()
        self.forward = function


def torch_runner(graph: Graph, threads: int) -> Callable[[Array], Array]:
    """Return the graph as a function of planes (1, channels, H, W). The threads hold for the whole process."""
    torch.set_num_threads(threads)
    module = GraphModule(graph).eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def run(planes: Array) -> Array:
        with torch.inference_mode():
            result: Tensor = module(torch.from_numpy(planes))
        return np.ascontiguousarray(result.numpy())

    return run


def _module(step: Operation, scale: int) -> nn.Module:
    """Return one operation as PyTorch has it."""
    if step.kind in ("convolution", "transposed"):
        return _convolution(step, scale)
    if step.kind == "prelu":
        module = nn.PReLU(step.values().size)
        module.weight.data = torch.from_numpy(step.values().copy())
        return module
    if step.kind == "offset":
        number = float(step.values()[0])
        return _Function(lambda value: value + number)
    if step.kind == "add":
        return _Function(torch.add)
    if step.kind == "clip":
        return _Function(lambda value: value.clamp(0, 1))
    if step.kind == "nearest":
        return _Function(lambda value: functional.interpolate(value, scale_factor=scale))
    return nn.PixelShuffle(scale) if step.kind == "shuffle" else nn.ReLU()


def _convolution(step: Operation, scale: int) -> nn.Module:
    weight, bias = step.arrays()
    k = weight.shape[-1]
    module: nn.Conv2d | nn.ConvTranspose2d
    if step.kind == "convolution":
        module = nn.Conv2d(weight.shape[1], weight.shape[0], k, padding=k // 2)
    else:
        module = nn.ConvTranspose2d(
            weight.shape[0], weight.shape[1], k, scale, padding=k // 2, output_padding=scale - 1
        )
    module.weight = nn.Parameter(torch.from_numpy(weight.copy()))
    module.bias = nn.Parameter(torch.from_numpy(bias.copy()))
    return module
