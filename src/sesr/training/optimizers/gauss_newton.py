"""Gauss-Newton: every step looks at how all weights act together.

Adam scales each weight's step on its own, SOAP each layer's. These networks are so small that we can do what is out of
reach elsewhere: take the curvature of the loss in *all* weights together, a matrix of 13,700 x 13,700 for M5, and
multiply every gradient by its inverse. Along valleys that need thousands of small steps otherwise, a few hundred
suffice. Where Adam and SOAP no longer improve, this does.

**The curvature** is measured once, at the weights where a run starts, because it changes slowly
(`sesr.training.optimizers.curvature`).

**The step.** With D the matrix's diagonal, the gradient's running mean is multiplied by the inverse of ``A + damping
D`` (`sesr.training.optimizers.inverse`). Without damping, directions that hardly matter would be taken in huge steps
made of noise. The rate is a fraction of a whole Newton step, so that noise averages out: from a trained network 0.01 to
0.03, down to 0, with a damping of 0.1 to 0.3, or 0.004 and 0.5 for XL. A step that promises far more than usual is one
for which the measured curvature no longer holds. It is shortened (`TRUST`), because such steps reinforce each other and
end in infinities. A step is tensors throughout, without a number that Python must know, so that a GPU can record it
(`sesr.training.steps`).

The *narrow* convolutions are trained here. Wide blocks change the path that gradients take; Gauss-Newton takes the same
path however weights are written.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from sesr.training.optimizers.inverse import Inverse

TRUST, EARLY_TRUST = 2.0, 4.0
"""Largest decrease of the loss that a step may promise, relative to the usual one; a step above it is shortened.

The second is for early steps: there promises grow to 2.3 times the usual, because the gradient's mean builds up.
"""

_USUAL, _FIRST, _EARLY = 0.99, 10, 50
"""Decay rate of the running mean of promised decreases; steps that only show what is usual; steps that are early."""


class GaussNewton(torch.optim.Optimizer):
    """The optimizer.

    Args:
        parameters: weights to train, in the order of the curvature.
        lr: fraction of a Newton step; a tensor on a GPU that records steps.
        momentum: decay rate of the gradient's running mean.

    Attributes:
        inverse: of the damped curvature, to be set before the first step.
    """

    inverse: Inverse

    def __init__(self, parameters: Iterable[Tensor], lr: float | Tensor, momentum: float = 0.9) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum})

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
        change = self.inverse(mean)
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
        """Restore a state. Checkpoints of earlier versions hold the damping, and the number of steps as a number."""
        super().__setstate__(state)
        for group in self.param_groups:
            group.pop("damping", None)
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


def _gradient(parameter: Tensor) -> Tensor:
    assert parameter.grad is not None
    return parameter.grad
