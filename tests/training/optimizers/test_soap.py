"""SOAP: Adam where the basis is plain, faster where weights interact, and resumable."""

import copy

import pytest

pytest.importorskip("torch")

import torch
from torch import Tensor

from sesr.training.optimizers.soap import SOAP


def descend(optimizer: torch.optim.Optimizer, weights: Tensor, curvature: Tensor, steps: int) -> float:
    """Minimize |curvature weights|^2 / 2 and return what is left of it."""
    for _ in range(steps):
        weights.grad = curvature.T @ curvature @ weights.detach()
        optimizer.step()
    return float((curvature @ weights.detach()).square().sum() / 2)


def test_faster_than_adam_where_weights_interact() -> None:
    torch.manual_seed(0)
    turn = torch.linalg.qr(torch.randn(12, 12))[0]
    curvature = torch.diag(torch.logspace(-2, 0, 12)) @ turn
    start = turn.T @ torch.randn(12, 5)
    left = {}
    for name in ("adam", "soap"):
        weights = torch.nn.Parameter(start.clone())
        betas = (0.9, 0.99)
        optimizer = SOAP([weights], 0.02, betas) if name == "soap" else torch.optim.Adam([weights], 0.02, betas)
        left[name] = descend(optimizer, weights, curvature, 200)
    assert left["soap"] < 0.5 * left["adam"]


def test_vectors_are_adams() -> None:
    torch.manual_seed(1)
    ours = torch.nn.Parameter(torch.randn(7))
    theirs = torch.nn.Parameter(ours.detach().clone())
    soap, adam = SOAP([ours], 0.01, (0.9, 0.99), eps=1e-8), torch.optim.Adam([theirs], 0.01, (0.9, 0.99), eps=1e-8)
    for _ in range(5):
        ours.grad = torch.randn(7)
        theirs.grad = ours.grad.clone()
        soap.step()
        adam.step()
    torch.testing.assert_close(ours, theirs)


def test_turning_the_weights_turns_the_path() -> None:
    """Unlike Adam's, the path does not depend on the basis in which the weights are written."""
    torch.manual_seed(2)
    turn = torch.linalg.qr(torch.randn(6, 6, dtype=torch.float64))[0]
    plain = torch.nn.Parameter(torch.randn(6, 6, dtype=torch.float64))
    turned = torch.nn.Parameter(turn @ plain.detach())
    optimizers = SOAP([plain], 0.01), SOAP([turned], 0.01)
    for _ in range(12):
        gradient = torch.randn(6, 6, dtype=torch.float64)
        plain.grad, turned.grad = gradient, turn @ gradient
        for optimizer in optimizers:
            optimizer.step()
    torch.testing.assert_close(turn @ plain.detach(), turned.detach(), rtol=1e-6, atol=1e-8)


def test_kernels_are_matrices_and_the_state_continues_exactly() -> None:
    torch.manual_seed(3)
    kernel = torch.nn.Parameter(torch.randn(8, 3, 3, 3))
    optimizer = SOAP([kernel], 0.01)
    gradients = torch.randn(50, 8, 3, 3, 3)
    for gradient in gradients[:25]:
        kernel.grad = gradient
        optimizer.step()
    other = torch.nn.Parameter(kernel.detach().clone())
    resumed = SOAP([other], 0.01)
    resumed.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for gradient in gradients[25:]:
        kernel.grad, other.grad = gradient, gradient.clone()
        optimizer.step()
        resumed.step()
    assert torch.equal(kernel, other)
    assert optimizer.state[kernel]["left"].shape == (8, 8)
    assert optimizer.state[kernel]["right"].shape == (27, 27)
