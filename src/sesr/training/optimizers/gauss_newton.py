"""Gauss-Newton: every step looks at how all weights act together.

Adam scales each weight's step on its own, SOAP each layer's. These networks are so small that we can do what is out of
reach elsewhere: take the curvature of the loss in *all* weights together, a matrix of 13,700 x 13,700 for M5, and
multiply every gradient by its inverse. Along valleys that need thousands of small steps otherwise, a few hundred
suffice. Where Adam and SOAP no longer improve, this does.

**The curvature.** For a loss that is a mean of squared errors, weighted by crop, the Gauss-Newton matrix is the mean of
J^T J, with J the derivative of all output pixels by all weights. J itself would be far too large. But for random signs
v, one for each output pixel, J^T v is a single backward pass, and the mean of its outer products is J^T J. The matrix
is therefore a sum over tens of thousands of small crops with the gradient of each (`curvature`). It is measured once,
at the weights where a run starts, because it changes slowly.

**The step.** With D the matrix's diagonal, the gradient's running mean is multiplied by the inverse of ``A + damping
D``. The matrix is replaced by its triangular factor once, in its own memory (`factorize`). Each step then solves two
triangular systems (`solve`), which reads the lower half of that memory twice. Without damping, directions that hardly
matter would be taken in huge steps made of noise. The rate is a fraction of a whole Newton step, so that noise averages
out: from a trained network 0.01 to 0.03, down to 0, with a damping of 0.1 to 0.3, or 0.004 and 0.5 for XL. A step that
promises far more than usual is one for which the measured curvature no longer holds. It is shortened (`TRUST`), because
such steps reinforce each other and end in infinities. A step is tensors throughout, without a number that Python must
know, so that a GPU can record it (`sesr.training.steps`).

The *narrow* convolutions are trained here. Wide blocks change the path that gradients take; Gauss-Newton takes the same
path however weights are written.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from sesr.errors import TrainingError
from sesr.memory import free_memory, gigabytes
from sesr.network.sesr import ActivatedConv, CollapsedSESR, wire

CROP, CROPS_AT_ONCE = 24, 64
"""LR side of the crops that curvature is measured on, and the number that pass through the network together."""

TRUST, EARLY_TRUST = 2.0, 4.0
"""Largest decrease of the loss that a step may promise, relative to the usual one; a step above it is shortened.

The second is for early steps: there promises grow to 2.3 times the usual, because the gradient's mean builds up.
"""

_USUAL, _FIRST, _EARLY = 0.99, 10, 50
"""Decay rate of the running mean of promised decreases; steps that only show what is usual; steps that are early."""

_BLOCK = 1024
"""Rows and columns of a block of the matrix."""

_GATHERED = 2048
"""Crops whose gradients are multiplied at once."""

LEAST_SQUARE = 1e-7
"""Added to a crop's mean square before the root is taken, to keep the gradients of flat crops finite."""

_LEAST_DIAGONAL = 1e-3
"""Fraction of the diagonal's median that is added to it, so that weights without any effect stay unchanged."""


class GaussNewton(torch.optim.Optimizer):
    """The optimizer. It needs `set_curvature` before its first step.

    Args:
        parameters: weights to train, in the order of the curvature.
        lr: fraction of a Newton step; a tensor on a GPU that records steps.
        momentum: decay rate of the gradient's running mean.
        damping: fraction of the curvature's diagonal that is added to it.

    Raises `TrainingError` if memory is too small for the curvature.
    """

    def __init__(
        self, parameters: Iterable[Tensor], lr: float | Tensor, momentum: float = 0.9, damping: float = 0.1
    ) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "damping": damping})
        weights: list[Tensor] = self.param_groups[0]["params"]
        expect_room(sum(weight.numel() for weight in weights), weights[0].device)
        self._factor: Tensor | None = None
        self._scale: Tensor | None = None

    @property
    def prepared(self) -> list[Tensor]:
        """Factor (P, P) of the damped curvature, as `factorize` leaves it, and the weights' scales (P,)."""
        assert self._factor is not None
        assert self._scale is not None
        return [self._factor, self._scale]

    @torch.no_grad()
    def set_curvature(self, matrix: Tensor) -> None:
        """Set the curvature: the lower triangle of (P, P), in the order of all parameters. Its memory is reused.

        Raises `TrainingError` if it cannot be inverted.
        """
        (group,) = self.param_groups
        diagonal = matrix.diagonal().clone()
        self._scale = (diagonal + _LEAST_DIAGONAL * diagonal.median()).rsqrt()
        matrix.mul_(self._scale[:, None]).mul_(self._scale)
        matrix.diagonal().add_(group["damping"])
        factorize(matrix)
        self._factor = matrix

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Take one step along the running mean of the gradient, multiplied by the inverse curvature."""
        assert closure is None
        (group,) = self.param_groups
        parameters: list[Tensor] = group["params"]
        gradient = torch.cat([_gradient(parameter).flatten() for parameter in parameters])
        state: dict[str, Any] = self.state[parameters[0]]
        if not state:
            state["step"] = gradient.new_zeros(())
            state["mean"], state["usual"] = torch.zeros_like(gradient), gradient.new_zeros(())
        mean: Tensor = state["mean"]
        mean.lerp_(gradient, 1 - group["momentum"])
        factor, scale = self.prepared
        change = solve(factor, mean * scale).mul_(scale)
        promise = mean @ change
        change.mul_(_shortened(state, promise))
        rate = group["lr"]
        if isinstance(rate, Tensor) and rate.device.type != "cpu":
            change.mul_(rate)  # a number would have to be fetched from the GPU
            rate = 1.0
        parts = torch.split(change, [parameter.numel() for parameter in parameters])
        changes = [part.view_as(parameter) for part, parameter in zip(parts, parameters, strict=True)]
        torch._foreach_sub_(parameters, changes, alpha=float(rate))

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore a state. Checkpoints of earlier versions hold the number of steps as a number."""
        super().__setstate__(state)
        for kept in self.state.values():
            kept["step"] = torch.as_tensor(kept["step"], dtype=kept["mean"].dtype, device=kept["mean"].device)


def _shortened(state: dict[str, Any], promise: Tensor) -> Tensor:
    """Return the factor for a step with this promised decrease."""
    step, usual = state["step"].add_(1), state["usual"]
    early = step <= _EARLY
    most = torch.where(early, EARLY_TRUST, TRUST) * usual
    trusted = torch.where((step <= _FIRST) | (usual <= 0), promise, torch.minimum(promise, most))
    usual.lerp_(trusted, torch.where(early, 1 / step, 1 - _USUAL))
    return (trusted / promise.clamp(min=1e-30)).sqrt().clamp(max=1.0)


def factorize(matrix: Tensor) -> None:
    """Replace a positive definite matrix, the lower triangle of (P, P), by the factor that `solve` takes.

    That is Cholesky's factor L with each block on its diagonal replaced by the block's inverse, so that solving is
    multiplying only. Raises `TrainingError` if the matrix is not positive definite.
    """
    upper = matrix.mT  # LAPACK's order of memory, given as the result too: no second matrix is made
    failed = torch.empty((), dtype=torch.int32, device=matrix.device)
    torch.linalg.cholesky_ex(upper, upper=True, out=(upper, failed))
    if failed or not matrix.diagonal().isfinite().all():
        raise TrainingError("the curvature cannot be inverted; raise damping, or start from a trained network")
    kind: dict[str, Any] = {"dtype": matrix.dtype, "device": matrix.device}
    for start in range(0, len(matrix), _BLOCK):
        corner = matrix[start : start + _BLOCK, start : start + _BLOCK]
        corner.copy_(torch.linalg.solve_triangular(corner, torch.eye(len(corner), **kind), upper=False))


def solve(factor: Tensor, right: Tensor) -> Tensor:
    """Solve L L^T x = right for x, both (P,), with L as `factorize` leaves it: forward through L, then backward.

    Both passes read L in blocks of whole rows, in the order of memory, which decides the speed on a CPU.
    """
    x = right.clone()
    starts = range(0, len(x), _BLOCK)
    for start in starts:
        rows, part = factor[start : start + _BLOCK], x[start : start + _BLOCK]
        part.addmv_(rows[:, :start], x[:start], alpha=-1)
        part.copy_(rows[:, start : start + _BLOCK] @ part)
    for start in reversed(starts):
        rows, part = factor[start : start + _BLOCK], x[start : start + _BLOCK]
        part.copy_(rows[:, start : start + _BLOCK].mT @ part)
        x[:start].addmv_(rows[:, :start].mT, part, alpha=-1)
    return x


def _gradient(parameter: Tensor) -> Tensor:
    assert parameter.grad is not None
    return parameter.grad


def curvature(network: CollapsedSESR, batches: Iterable[tuple[Tensor, Tensor]], loss: str) -> Tensor:
    """Measure the Gauss-Newton matrix of all weights, in the order of the network's parameters.

    Args:
        network: the network whose weights it is measured at.
        batches: crops, LR and HR, as in training; all crops count equally.
        loss: ``l2`` or ``rmse``, as in a recipe. The root's second part, which would need the errors' derivative, is
            left out.

    Returns (P, P), of which the lower triangle is filled.
    """
    parameters = dict(network.named_parameters())
    count = sum(parameter.numel() for parameter in parameters.values())
    matrix = torch.zeros(count, count, device=next(iter(parameters.values())).device)
    crops = 0
    for gradients in _gathered(network, batches, loss):
        crops += len(gradients)
        for start in range(0, count, _BLOCK):
            matrix[start:, start : start + _BLOCK].addmm_(gradients[:, start:].T, gradients[:, start : start + _BLOCK])
    return matrix.div_(crops)


def expect_room(count: int, device: torch.device) -> None:
    """Raise `TrainingError` if the matrix, and the gradients added to it, need more than the free memory.

    Pictures, and other processes of the machine, are not counted.

    Args:
        count: number of weights.
        device: device that the matrix lies on.
    """
    needed = 4 * count * (count + 3 * _GATHERED)
    free = _free_on_gpu(device) if device.type == "cuda" else free_memory()
    if free is not None and needed > free:
        raise TrainingError(
            f"gauss-newton for {count:,} weights needs {gigabytes(needed)} of memory, {gigabytes(free)} are free; "
            "use soap or adam"
        )


def _free_on_gpu(device: torch.device) -> int:
    """Return the bytes that are free on a GPU, together with those that PyTorch holds there without using them."""
    unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return torch.cuda.mem_get_info(device)[0] + unused


def _gathered(network: CollapsedSESR, batches: Iterable[tuple[Tensor, Tensor]], loss: str) -> Iterator[Tensor]:
    """Yield gradients (n, P), enough at a time that their products are worth a matrix multiplication."""
    rows: list[Tensor] = []
    for lr, hr in batches:
        rows.append(_signed_gradients(network, lr, hr, loss))
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


def _signed_gradients(network: CollapsedSESR, lr: Tensor, hr: Tensor, loss: str) -> Tensor:
    """Return J^T v of each crop, (n, P), for random signs v, weighted as the loss weights the crop."""
    with torch.enable_grad():
        prediction, layers = _forward(network, lr)
        signs = torch.randint(0, 2, prediction.shape, device=lr.device).mul_(2).sub_(1).float()
        planes = [layer.before for layer in layers] + [layer.after for layer in layers]
        inner = torch.autograd.grad(prediction, planes, signs * _root_weight(prediction.detach(), hr, loss))
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


def _root_weight(prediction: Tensor, hr: Tensor, loss: str) -> Tensor:
    """Return the root of the factor by which the loss multiplies a crop's squared errors, (n, 1, 1, 1)."""
    pixels = hr[0].numel()
    if loss == "l2":
        return torch.full_like(hr[:, :1, :1, :1], (2 / pixels) ** 0.5)
    squares = (prediction - hr).square().mean((1, 2, 3), keepdim=True).add(LEAST_SQUARE)
    return (pixels * squares.sqrt()).rsqrt()
