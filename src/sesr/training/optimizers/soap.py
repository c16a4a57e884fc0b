"""SOAP: Adam, in a basis where the gradient's entries are nearly independent (Vyas et al., 2024, arXiv 2409.11321).

Adam scales every weight's step by how large its gradient usually is. That helps most when weights do not interact, and
a convolution's do: neighboring taps and channels see nearly the same pictures. For a weight matrix with gradients G,
SOAP keeps the running means of ``G G^T`` and ``G^T G``, turns gradients by their eigenvectors, lets Adam work there,
and turns the step back. The eigenvectors change slowly; every few steps one round of QR iteration keeps them up to
date.

A kernel (c_out, c_in, k, k) is the matrix (c_out, c_in k k). Vectors (biases, slopes) are plain Adam's.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor


class SOAP(torch.optim.Optimizer):
    """The optimizer.

    Args:
        parameters: weights to train.
        lr: the rate, as Adam's.
        betas: decay rates of the running means of gradients and of their squares.
        basis_beta: decay rate of the running means from which the basis is computed.
        basis_every: steps between updates of the basis.
        eps: keeps steps finite if gradients vanish.
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        lr: float,
        betas: tuple[float, float] = (0.9, 0.99),
        basis_beta: float = 0.95,
        basis_every: int = 10,
        eps: float = 1e-10,
    ) -> None:
        defaults = {"lr": lr, "betas": betas, "basis_beta": basis_beta, "basis_every": basis_every, "eps": eps}
        super().__init__(parameters, defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Take one step. A matrix's first gradient only sets up its basis."""
        assert closure is None
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, group)

    def _update(self, parameter: Tensor, group: dict[str, Any]) -> None:
        state = self.state[parameter]
        gradient = parameter.grad
        assert gradient is not None
        matrix = gradient.flatten(1) if gradient.ndim > 1 else gradient
        if not state:
            state["step"] = 0
            state["mean"], state["square"] = torch.zeros_like(matrix), torch.zeros_like(matrix)
            if matrix.ndim > 1:
                _start_basis(state, matrix)
                return
        state["step"] += 1
        turned = _turn(matrix, state) if matrix.ndim > 1 else matrix
        beta1, beta2 = group["betas"]
        state["mean"].lerp_(matrix, 1 - beta1)
        state["square"].lerp_(turned.square(), 1 - beta2)
        mean = _turn(state["mean"], state) if matrix.ndim > 1 else state["mean"]
        scale = (state["square"] / (1 - beta2 ** state["step"])).sqrt_().add_(group["eps"])
        change = mean / (1 - beta1 ** state["step"]) / scale
        if matrix.ndim > 1:
            change = state["left"] @ change @ state["right"].T
            _follow(state, matrix, group)
        parameter.sub_(change.view_as(parameter), alpha=group["lr"])


def _start_basis(state: dict[str, Any], matrix: Tensor) -> None:
    state["rows"], state["columns"] = matrix @ matrix.T, matrix.T @ matrix
    state["left"] = torch.linalg.eigh(state["rows"])[1].contiguous()
    state["right"] = torch.linalg.eigh(state["columns"])[1].contiguous()


def _turn(matrix: Tensor, state: dict[str, Any]) -> Tensor:
    """Return the matrix in the eigenbasis."""
    turned: Tensor = state["left"].T @ matrix @ state["right"]
    return turned


def _follow(state: dict[str, Any], matrix: Tensor, group: dict[str, Any]) -> None:
    """Update the running means, and from time to time the basis. The first steps change the basis the most."""
    state["rows"].lerp_(matrix @ matrix.T, 1 - group["basis_beta"])
    state["columns"].lerp_(matrix.T @ matrix, 1 - group["basis_beta"])
    if state["step"] >= 20 and state["step"] % group["basis_every"]:
        return
    for name, covariance, dim in (("left", state["rows"], 0), ("right", state["columns"], 1)):
        order = (state[name] * (covariance @ state[name])).sum(0).argsort(descending=True)
        state["square"] = state["square"].index_select(dim, order)
        state[name] = torch.linalg.qr(covariance @ state[name][:, order])[0]
