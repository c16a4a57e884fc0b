"""The curvature of the loss in all weights together: how it is measured.

For a loss that is a mean of squared errors, weighted by crop, the Gauss-Newton matrix is the mean of J^T J, with J the
derivative of all output pixels by all weights. J itself would be far too large. But for random signs v, one for each
output pixel, J^T v is a single backward pass, and the mean of its outer products is J^T J. The matrix is therefore a
sum over tens of thousands of small crops with the gradient of each. Either the matrix is summed up, or, if there are
far fewer crops than weights, the gradients are kept as they are (`sesr.training.optimizers.inverse`).
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from sesr.data.crops import Batch
from sesr.errors import TrainingError
from sesr.memory import free_memory, gigabytes
from sesr.network.sesr import ActivatedConv, CollapsedSESR, wire
from sesr.training.optimizers.inverse import BLOCK, GradientsInverse, Inverse, MatrixInverse

CROP, CROPS_AT_ONCE = 24, 64
"""LR side of the crops that curvature is measured on, and the number that pass through the network together."""

LEAST_SQUARE = 1e-7
"""Added to a crop's mean square before the root is taken, to keep the gradients of flat crops finite."""

LEAST_SEEN = 1e-3
"""Added to a crop's mean error before the logarithm is taken, its square to the mean square. A quarter of a gray level
is hardly seen, and the weight of an exact crop must have a limit."""

_GATHERED = 2048
"""Crops whose gradients are multiplied at once."""


def measured_inverse(
    network: CollapsedSESR, batches: Iterable[Batch], crops: int, loss: str, damping: float
) -> Inverse:
    """Measure the Gauss-Newton matrix of all weights, in the order of the network's parameters, and invert it, damped.

    Args:
        network: the network whose weights it is measured at.
        batches: crops as in training; all count equally.
        crops: how many they are, over all batches, as `whole_batches` returns it.
        loss: ``l2``, ``rmse``, ``log-l2`` or ``log-l2-picture``, as in a recipe. The second part of the root and of
            the logarithms, which would need the errors' derivative, is left out.
        damping: fraction of the matrix's diagonal that is added to it.

    Raises `TrainingError` if it cannot be inverted.
    """
    if keeps_gradients(_weights(network), crops):
        return GradientsInverse(crop_gradients(network, batches, crops, loss), damping)
    return MatrixInverse(curvature(network, batches, loss), damping)


def whole_batches(crops: int) -> int:
    """Return the number of crops that curvature is measured on where a recipe asks for `crops`: batches are full."""
    return -(-crops // CROPS_AT_ONCE) * CROPS_AT_ONCE


def keeps_gradients(count: int, crops: int) -> bool:
    """Tell whether a step takes less time with the gradients of all crops than with the matrix of all weights.

    A step reads the gradients twice, in bfloat16, and the lower halves of the matrices twice, in float32. Turning
    bfloat16 into floats takes about as long again as reading it. So the gradients are kept if the crops are fewer than
    about 0.41 times the weights. Memory is less then, too.
    """
    return crops * (2 * count + crops) < count**2


def expect_room(count: int, crops: int, device: torch.device) -> None:
    """Raise `TrainingError` if measuring the curvature needs more than the memory that is free now.

    Args:
        count: number of weights.
        crops: number of crops that it is measured on.
        device: device that it lies on.
    """
    needed = _bytes_of_gradients(count, crops) if keeps_gradients(count, crops) else _bytes_of_matrix(count)
    free = _free_on_gpu(device) if device.type == "cuda" else free_memory()
    if free is not None and needed > free:
        raise TrainingError(
            f"gauss-newton for {count:,} weights needs {gigabytes(needed)} of memory, {gigabytes(free)} are free; "
            "lower curvature_crops, or use soap or adam"
        )


def _bytes_of_matrix(count: int) -> int:
    """The matrix, and the gradients that are added to it."""
    return 4 * count * (count + 3 * _GATHERED)


def _bytes_of_gradients(count: int, crops: int) -> int:
    """The gradients in bfloat16, two blocks of them in floats, and their products."""
    return 2 * count * crops + 8 * count * min(BLOCK, crops) + 4 * crops * crops


def _free_on_gpu(device: torch.device) -> int:
    """Return the bytes that are free on a GPU, together with those that PyTorch holds there without using them."""
    unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return torch.cuda.mem_get_info(device)[0] + unused


def curvature(network: CollapsedSESR, batches: Iterable[Batch], loss: str) -> Tensor:
    """Return the matrix, (P, P), of which the lower triangle is filled. Arguments as for `measured_inverse`."""
    count = _weights(network)
    matrix = torch.zeros(count, count, device=network.head.weight.device)
    crops = 0
    for gradients in _gathered(network, batches, loss):
        crops += len(gradients)
        for start in range(0, count, BLOCK):
            matrix[start:, start : start + BLOCK].addmm_(gradients[:, start:].T, gradients[:, start : start + BLOCK])
    return matrix.div_(crops)


def crop_gradients(network: CollapsedSESR, batches: Iterable[Batch], crops: int, loss: str) -> Tensor:
    """Return the gradients whose outer products have the matrix as their mean, (crops, P), in bfloat16."""
    count = _weights(network)
    gradients = torch.empty(crops, count, dtype=torch.bfloat16, device=network.head.weight.device)
    start = 0
    for batch in batches:
        gradients[start : start + len(batch.lr)] = _signed_gradients(network, batch, loss)
        start += len(batch.lr)
    assert start == crops
    return gradients


def _weights(network: CollapsedSESR) -> int:
    return sum(weight.numel() for weight in network.parameters())


def _gathered(network: CollapsedSESR, batches: Iterable[Batch], loss: str) -> Iterator[Tensor]:
    """Yield gradients (n, P), enough at a time that their products are worth a matrix multiplication."""
    rows: list[Tensor] = []
    for batch in batches:
        rows.append(_signed_gradients(network, batch, loss))
        if sum(map(len, rows)) >= _GATHERED:
            yield torch.cat(rows)
            rows.clear()
    if rows:
        yield torch.cat(rows)


@dataclass(frozen=True)
class _Layer:
    """One convolution's pass over a batch: its input, its output, and its output after the activation."""

    name: str
    convolution: nn.Conv2d
    source: Tensor
    before: Tensor
    after: Tensor


def _signed_gradients(network: CollapsedSESR, batch: Batch, loss: str) -> Tensor:
    """Return J^T v of each crop, (n, P), for random signs v, weighted as the loss weights the crop."""
    with torch.enable_grad():
        prediction, layers = _forward(network, batch.lr)
        signs = torch.randint(0, 2, prediction.shape, device=batch.lr.device).mul_(2).sub_(1).float()
        planes = [layer.before for layer in layers] + [layer.after for layer in layers]
        inner = torch.autograd.grad(prediction, planes, signs * _root_weight(prediction.detach(), batch, loss))
    parts: dict[str, Tensor] = {}
    for layer, before, after in zip(layers, inner[: len(layers)], inner[len(layers) :], strict=True):
        k = layer.convolution.kernel_size[0]
        flat, patches = before.flatten(2), functional.unfold(layer.source, k, padding=k // 2)
        parts[f"{layer.name}.weight"] = torch.bmm(flat, patches.transpose(1, 2)).flatten(1)
        parts[f"{layer.name}.bias"] = flat.sum(2)
        parts[f"{layer.name}.slope"] = (after * layer.before.detach().clamp(max=0)).sum((2, 3))
    return torch.cat([parts[name] for name, _ in network.named_parameters()], dim=1)


def _forward(network: CollapsedSESR, lr: Tensor) -> tuple[Tensor, list[_Layer]]:
    """Return the network's result, and what passed through each convolution."""
    layers: list[_Layer] = []

    def layer(name: str) -> Callable[[Tensor], Tensor]:
        convolution = network.get_submodule(name)
        assert isinstance(convolution, nn.Conv2d)

        def run(source: Tensor) -> Tensor:
            before = nn.Conv2d.forward(convolution, source)
            after = convolution.activate(before) if isinstance(convolution, ActivatedConv) else before
            layers.append(_Layer(name, convolution, source.detach(), before, after))
            return after

        return run

    body = [layer(f"body.{index}") for index in range(network.config.m)]
    return wire(lr, layer("head"), body, layer("tail"), network.config), layers


def _root_weight(prediction: Tensor, batch: Batch, loss: str) -> Tensor:
    """Return the root of the factor by which the loss multiplies a crop's squared errors, (n, 1, 1, 1)."""
    hr, pixels = batch.hr, batch.hr[0].numel()
    if loss == "l2":
        return torch.full_like(hr[:, :1, :1, :1], (2 / pixels) ** 0.5)
    squares = (prediction - hr).square().mean((1, 2, 3), keepdim=True)
    if loss == "log-l2-picture":
        assert batch.answer_error is not None
        squares.add_(batch.answer_error.view(-1, 1, 1, 1))
    if loss.startswith("log"):
        return (pixels * squares.add(LEAST_SEEN**2) / 2).rsqrt()
    return (pixels * squares.add(LEAST_SQUARE).sqrt()).rsqrt()
