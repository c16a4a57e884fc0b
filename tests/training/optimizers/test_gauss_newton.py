"""Gauss-Newton: its steps where Newton's are known."""

import pytest

pytest.importorskip("torch")

import torch

from sesr.training.optimizers import gauss_newton
from sesr.training.optimizers.gauss_newton import GaussNewton
from sesr.training.optimizers.inverse import MatrixInverse


def test_steps_reach_a_quadratics_minimum() -> None:
    """Badly scaled and coupled, it is reached in a few undamped Newton steps."""
    torch.manual_seed(1)
    root = torch.randn(6, 6) * torch.logspace(-2, 1, 6)
    matrix, target = root.T @ root, torch.randn(6)
    weights = torch.nn.Parameter(torch.zeros(6))
    optimizer = GaussNewton([weights], lr=1.0, momentum=0.0)
    optimizer.inverse = MatrixInverse(matrix.clone(), 1e-6)
    for _ in range(20):
        weights.grad = matrix @ (weights.detach() - target)
        optimizer.step()
    error = weights.detach() - target
    assert float(error @ matrix @ error) < 1e-6 * float(target @ matrix @ target)


def test_ordinary_early_steps_are_not_shortened(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their promises grow while the gradient's mean builds up."""
    ends = []
    for trust in (gauss_newton.EARLY_TRUST, float("inf")):
        monkeypatch.setattr(gauss_newton, "EARLY_TRUST", trust)
        weights = torch.nn.Parameter(torch.zeros(3))
        optimizer = GaussNewton([weights], lr=0.1)
        optimizer.inverse = MatrixInverse(torch.eye(3), 1e-6)
        for _ in range(50):
            weights.grad = torch.ones(3)
            optimizer.step()
        ends.append(weights.detach().clone())
    assert torch.equal(*ends)


@pytest.mark.parametrize(("when", "trust"), [(55, gauss_newton.TRUST), (30, gauss_newton.EARLY_TRUST)])
def test_a_step_that_promises_too_much_is_shortened(when: int, trust: float) -> None:
    """A gradient 100 times as large as usual moves the weights by the root of the trust, not by 100."""
    weights = torch.nn.Parameter(torch.zeros(3))
    optimizer = GaussNewton([weights], lr=1.0, momentum=0.0)
    optimizer.inverse = MatrixInverse(torch.eye(3), 1e-6)
    moves = []
    for step in range(60):
        before = weights.detach().clone()
        weights.grad = torch.ones(3) * (100.0 if step == when else 1.0)
        optimizer.step()
        moves.append(float((weights.detach() - before).norm()))
    assert moves[when - 1] == pytest.approx(moves[0], rel=1e-3)
    assert moves[when] == pytest.approx(moves[0] * trust**0.5, rel=0.02)
    assert moves[when + 1] == pytest.approx(moves[0], rel=1e-3)
