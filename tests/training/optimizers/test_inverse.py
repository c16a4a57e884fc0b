"""The inverse of a curvature: both forms against the exact solution, and their factor."""

import pytest

pytest.importorskip("torch")

import torch

from sesr.errors import TrainingError
from sesr.training.optimizers import inverse
from sesr.training.optimizers.inverse import GradientsInverse, MatrixInverse

NO_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")


@pytest.mark.parametrize("damping", [1e-1, 1e-3, 1e-5, 1e-7])
def test_damping_is_refused_or_leaves_steps_downhill(damping: float) -> None:
    """Of gradients that are nearly the same, so that one eigenvalue holds nearly everything."""
    torch.manual_seed(0)
    gradients = (torch.randn(3000) + 0.05 * torch.randn(64, 3000)).bfloat16()
    try:
        inverse = GradientsInverse(gradients, damping)
    except TrainingError:
        assert damping < 1e-3
        return
    assert damping > 1e-7
    for right in torch.randn(50, 3000):
        assert float(right @ inverse(right)) > 0
        assert float(gradients[0].float() @ inverse(gradients[0].float())) > 0


def exact(gradients: torch.Tensor, damping: float, right: torch.Tensor) -> torch.Tensor:
    """Solve ``(A + damping D) x = right`` in float64, D being A's diagonal with a thousandth of its median added."""
    rows = gradients.double()
    matrix = rows.T @ rows / len(rows)
    diagonal = matrix.diagonal() + 1e-3 * matrix.diagonal().median()
    scale = diagonal.rsqrt()
    scaled = matrix * scale * scale[:, None] + damping * torch.eye(len(matrix))
    solution: torch.Tensor = torch.linalg.solve(scaled, scale * right.double())
    return scale * solution


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=NO_GPU)])
@pytest.mark.parametrize("damping", [0.5, 0.01])
@pytest.mark.parametrize(("crops", "weights"), [(7, 23), (16, 64), (30, 11)])
def test_both_forms_solve(
    crops: int, weights: int, damping: float, device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In blocks that fill the matrices exactly, or do not, and with weights of very different scales."""
    for name, value in {"BLOCK": 4, "_AT_ONCE": 50, "_AT_ONCE_ON_GPU": 50}.items():
        monkeypatch.setattr(inverse, name, value)
    torch.manual_seed(crops)
    gradients = (torch.randn(crops, weights) * torch.logspace(-3, 2, weights)).bfloat16().to(device)
    right = torch.randn(weights, device=device) * torch.logspace(-3, 2, weights).to(device)
    wanted = exact(gradients.cpu(), damping, right.cpu())
    rows = gradients.float()
    for form in (GradientsInverse(gradients, damping), MatrixInverse(rows.T @ rows / crops, damping)):
        found = form(right).cpu().double()
        torch.testing.assert_close(found / wanted.abs().clamp(min=1e-9), wanted.sign(), rtol=0, atol=2e-3)


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=NO_GPU)])
@pytest.mark.parametrize("count", [5, 8, 21])
def test_solving_undoes_the_matrix(count: int, device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In blocks that fill the matrix exactly, or do not; only its lower triangle is looked at."""
    monkeypatch.setattr(inverse, "BLOCK", 4)
    torch.manual_seed(3)
    root = torch.randn(count, count, dtype=torch.float64)
    matrix, wanted = root @ root.T + torch.eye(count), torch.randn(count, dtype=torch.float64)
    factor = matrix.masked_fill(torch.ones(count, count).triu(1).bool(), float("nan")).to(device)
    inverse.factorize(factor)
    found = inverse.solve(factor, (matrix @ wanted).to(device))
    torch.testing.assert_close(found.cpu(), wanted, rtol=1e-9, atol=1e-9)


def test_an_indefinite_curvature_is_refused() -> None:
    with pytest.raises(TrainingError, match="cannot be inverted"):
        inverse.factorize(torch.tensor([[1.0, 2.0], [2.0, 1.0]]))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_no_curvature_is_refused(value: float) -> None:
    with pytest.raises(TrainingError, match="cannot be inverted"):
        MatrixInverse(torch.full((3, 3), value), 0.1)
    with pytest.raises(TrainingError, match="cannot be inverted"):
        GradientsInverse(torch.full((2, 3), value, dtype=torch.bfloat16), 0.1)
