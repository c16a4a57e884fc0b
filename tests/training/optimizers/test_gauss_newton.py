"""Gauss-Newton: its curvature against derivatives taken one by one, and its steps where Newton's are known."""

import pytest

pytest.importorskip("torch")

import torch
from torch import Tensor

from sesr.errors import TrainingError
from sesr.network.sesr import SESR, CollapsedSESR
from sesr.network.variants import Activation
from sesr.training.optimizers import gauss_newton
from sesr.training.optimizers.gauss_newton import GaussNewton, curvature

NO_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")


def network(activation: Activation = "prelu") -> CollapsedSESR:
    torch.manual_seed(2)
    made = SESR(m=1, f=2, feature_size=4, activation=activation).collapse().train()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.2)
    return made


def jacobian(made: CollapsedSESR, lr: Tensor) -> Tensor:
    """Derivatives of all output pixels by all weights, (pixels, P)."""
    parameters = dict(made.named_parameters())

    def run(*values: Tensor) -> Tensor:
        return torch.func.functional_call(made, dict(zip(parameters, values, strict=True)), lr).flatten()  # type: ignore[no-any-return]

    parts = torch.autograd.functional.jacobian(run, tuple(parameters.values()))  # type: ignore[no-untyped-call]
    return torch.cat([part.flatten(1) for part in parts], dim=1)


@pytest.mark.parametrize("activation", ["prelu", "relu"])
@pytest.mark.parametrize("loss", ["l2", "rmse"])
def test_curvature_is_the_mean_of_j_transposed_j(activation: Activation, loss: str) -> None:
    """Random signs give it on average: with many, each entry comes within a few hundredths of the diagonal's size."""
    made = network(activation)
    lr, hr = torch.rand(1, 1, 4, 4), torch.rand(1, 1, 8, 8)
    exact = jacobian(made, lr)
    exact = exact.T @ exact * 2 / 64
    if loss == "rmse":
        with torch.no_grad():
            exact /= 2 * (made(lr) - hr).square().mean().sqrt()
    torch.manual_seed(0)
    found = curvature(made, [(lr.repeat(200, 1, 1, 1), hr.repeat(200, 1, 1, 1))] * 60, loss)
    size = exact.diagonal().clamp(min=1e-9).sqrt()
    difference = ((found - exact) / size[:, None] / size).tril()
    assert float(difference.abs().max()) < 0.08
    assert float(difference.abs().mean()) < 0.01


def test_steps_reach_a_quadratics_minimum() -> None:
    """Badly scaled and coupled, it is reached in a few undamped Newton steps."""
    torch.manual_seed(1)
    root = torch.randn(6, 6) * torch.logspace(-2, 1, 6)
    matrix, target = root.T @ root, torch.randn(6)
    weights = torch.nn.Parameter(torch.zeros(6))
    optimizer = GaussNewton([weights], lr=1.0, momentum=0.0, damping=1e-6)
    optimizer.set_curvature(matrix.clone())
    for _ in range(20):
        weights.grad = matrix @ (weights.detach() - target)
        optimizer.step()
    error = weights.detach() - target
    assert float(error @ matrix @ error) < 1e-6 * float(target @ matrix @ target)


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=NO_GPU)])
@pytest.mark.parametrize("count", [5, 8, 21])
def test_solving_undoes_the_matrix(count: int, device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In blocks that fill the matrix exactly, or do not; only its lower triangle is looked at."""
    monkeypatch.setattr(gauss_newton, "_BLOCK", 4)
    torch.manual_seed(3)
    root = torch.randn(count, count, dtype=torch.float64)
    matrix, wanted = root @ root.T + torch.eye(count), torch.randn(count, dtype=torch.float64)
    factor = matrix.masked_fill(torch.ones(count, count).triu(1).bool(), float("nan")).to(device)
    gauss_newton.factorize(factor)
    found = gauss_newton.solve(factor, (matrix @ wanted).to(device))
    torch.testing.assert_close(found.cpu(), wanted, rtol=1e-9, atol=1e-9)


def test_an_indefinite_curvature_is_refused() -> None:
    with pytest.raises(TrainingError, match="cannot be inverted"):
        gauss_newton.factorize(torch.tensor([[1.0, 2.0], [2.0, 1.0]]))


def test_memory_that_is_not_known_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gauss_newton, "free_memory", lambda: None)
    GaussNewton(network().parameters(), lr=0.1)


def test_more_weights_than_memory_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gauss_newton, "free_memory", lambda: 1_000_000)
    with pytest.raises(TrainingError, match=r"gauss-newton for 296 weights needs .* of memory"):
        GaussNewton(network().parameters(), lr=0.1)


def test_memory_that_pytorch_keeps_on_a_gpu_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    """That is what it has reserved and not given to a tensor."""
    count, device = 1000, torch.device("cuda")
    needed = 4 * count * (count + 3 * 2048)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (needed - 300, 10 * needed))
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda _: 5000)
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda _: 5300)
    gauss_newton.expect_room(count, device)
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda _: 5299)
    with pytest.raises(TrainingError, match="needs"):
        gauss_newton.expect_room(count, device)


def test_no_curvature_is_refused() -> None:
    optimizer = GaussNewton([torch.nn.Parameter(torch.zeros(3))], lr=0.1)
    with pytest.raises(TrainingError, match="cannot be inverted"):
        optimizer.set_curvature(torch.full((3, 3), float("nan")))


def test_ordinary_early_steps_are_not_shortened(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their promises grow while the gradient's mean builds up."""
    ends = []
    for trust in (gauss_newton.EARLY_TRUST, float("inf")):
        monkeypatch.setattr(gauss_newton, "EARLY_TRUST", trust)
        weights = torch.nn.Parameter(torch.zeros(3))
        optimizer = GaussNewton([weights], lr=0.1, damping=1e-6)
        optimizer.set_curvature(torch.eye(3))
        for _ in range(50):
            weights.grad = torch.ones(3)
            optimizer.step()
        ends.append(weights.detach().clone())
    assert torch.equal(*ends)


@pytest.mark.parametrize(("when", "trust"), [(55, gauss_newton.TRUST), (30, gauss_newton.EARLY_TRUST)])
def test_a_step_that_promises_too_much_is_shortened(when: int, trust: float) -> None:
    """A gradient 100 times as large as usual moves the weights by the root of the trust, not by 100."""
    weights = torch.nn.Parameter(torch.zeros(3))
    optimizer = GaussNewton([weights], lr=1.0, momentum=0.0, damping=1e-6)
    optimizer.set_curvature(torch.eye(3))
    moves = []
    for step in range(60):
        before = weights.detach().clone()
        weights.grad = torch.ones(3) * (100.0 if step == when else 1.0)
        optimizer.step()
        moves.append(float((weights.detach() - before).norm()))
    assert moves[when - 1] == pytest.approx(moves[0], rel=1e-3)
    assert moves[when] == pytest.approx(moves[0] * trust**0.5, rel=0.02)
    assert moves[when + 1] == pytest.approx(moves[0], rel=1e-3)
