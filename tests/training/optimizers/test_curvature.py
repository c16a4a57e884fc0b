"""The curvature against derivatives taken one by one, in both forms, and the memory that it needs."""

import pytest

pytest.importorskip("torch")

import torch
from torch import Tensor

from sesr.data.crops import Batch
from sesr.errors import TrainingError
from sesr.network.sesr import SESR, CollapsedSESR
from sesr.network.variants import Activation
from sesr.training.learner import CRITERIA
from sesr.training.optimizers import curvature
from sesr.training.optimizers.curvature import (
    CROPS_AT_ONCE,
    crop_gradients,
    expect_room,
    keeps_gradients,
    measured_inverse,
)
from sesr.training.optimizers.inverse import GradientsInverse, MatrixInverse

CPU = torch.device("cpu")


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
@pytest.mark.parametrize("loss", ["l2", "rmse", "log-l2", "log-l2-picture"])
def test_curvature_is_the_mean_of_j_transposed_j(activation: Activation, loss: str) -> None:
    """Random signs give it on average: with many, each entry comes within a few hundredths of the diagonal's size."""
    made = network(activation)
    lr, hr, answer_error = torch.rand(1, 1, 4, 4), torch.rand(1, 1, 8, 8), torch.full((1,), 0.1)
    exact = jacobian(made, lr)
    exact = exact.T @ exact * 2 / 64
    with torch.no_grad():
        square = float((made(lr) - hr).square().mean())
    exact *= {"l2": 1, "rmse": square**-0.5 / 2, "log-l2": 1 / square, "log-l2-picture": 1 / (square + 0.1)}[loss]
    torch.manual_seed(0)
    batch = Batch(lr.repeat(200, 1, 1, 1), hr.repeat(200, 1, 1, 1), answer_error.repeat(200))
    found = curvature.curvature(made, [batch] * 60, loss)
    size = exact.diagonal().clamp(min=1e-9).sqrt()
    difference = ((found - exact) / size[:, None] / size).tril()
    assert float(difference.abs().max()) < 0.08
    assert float(difference.abs().mean()) < 0.01


@pytest.mark.parametrize("loss", ["log-l2", "log-l2-picture"])
def test_small_errors_weigh_in_the_curvature_as_in_the_loss(loss: str) -> None:
    """The derivative of the loss by a pixel is its error times the weight of the crop, however small the error."""
    prediction = torch.rand(3, 1, 8, 8, dtype=torch.float64, requires_grad=True)
    for size in (0, 1e-4, 1e-3, 1e-1):
        hr = (prediction + size * torch.randn_like(prediction)).detach()
        batch = Batch(prediction, hr, torch.tensor([0, 1e-4, 1e-2], dtype=torch.float64))
        (slope,) = torch.autograd.grad(CRITERIA[loss](prediction, hr, batch.answer_error), prediction)
        weight = curvature._root_weight(prediction.detach(), batch, loss).square() / len(prediction)
        torch.testing.assert_close(slope, weight * (prediction - hr).detach())


@pytest.mark.parametrize("loss", ["l2", "rmse", "log-l2", "log-l2-picture"])
def test_kept_gradients_have_the_matrix_as_their_mean_product(loss: str) -> None:
    made = network()
    torch.manual_seed(4)
    batches = [Batch(torch.rand(3, 1, 6, 6), torch.rand(3, 1, 12, 12), torch.rand(3)) for _ in range(4)]
    torch.manual_seed(5)
    matrix = curvature.curvature(made, batches, loss)
    torch.manual_seed(5)
    rows = crop_gradients(made, batches, 12, loss).double()
    size = matrix.diagonal().clamp(min=1e-12).sqrt().double()
    difference = ((rows.T @ rows / 12 - matrix) / size[:, None] / size).tril()
    assert float(difference.abs().max()) < 2**-7  # bfloat16


def test_few_crops_are_kept_themselves() -> None:
    """By weights for M11 and for XL on a GPU, by crops for XL on few of them."""
    assert not keeps_gradients(27_716, 24_576)
    assert keeps_gradients(106_116, 24_576)
    assert keeps_gradients(115_728, 16_384)
    assert not keeps_gradients(106_116, 65_536)
    assert [curvature.whole_batches(crops) for crops in (1, 64, 65, 24_576)] == [64, 64, 128, 24_576]


@pytest.mark.parametrize(("batches", "form"), [(1, GradientsInverse), (10, MatrixInverse)])
@pytest.mark.parametrize("damping", [0.5, 0.05])
def test_what_is_measured_is_inverted(batches: int, form: type, damping: float) -> None:
    """Against float64, in the form that the number of crops asks for."""
    made, count = network(), batches * CROPS_AT_ONCE
    crops = [Batch(torch.rand(CROPS_AT_ONCE, 1, 4, 4), torch.rand(CROPS_AT_ONCE, 1, 8, 8)) for _ in range(batches)]
    torch.manual_seed(6)
    rows = crop_gradients(made, crops, count, "rmse").double()
    matrix = rows.T @ rows / count
    scale = (matrix.diagonal() + 1e-3 * matrix.diagonal().median()).rsqrt()
    right = torch.randn(len(scale))
    damped = matrix * scale * scale[:, None] + damping * torch.eye(len(scale))
    wanted = scale * torch.linalg.solve(damped, scale * right)
    torch.manual_seed(6)
    found = measured_inverse(made, crops, count, "rmse", damping)
    assert isinstance(found, form)
    assert float((found(right) - wanted).norm() / wanted.norm()) < 0.02


def test_crops_that_are_not_as_many_as_said_are_refused() -> None:
    batches = [Batch(torch.rand(3, 1, 4, 4), torch.rand(3, 1, 8, 8))]
    with pytest.raises(AssertionError):
        crop_gradients(network(), batches, 4, "l2")


def test_memory_that_is_not_known_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(curvature, "free_memory", lambda: None)
    curvature.expect_room(10**9, 10**9, torch.device("cpu"))


def test_more_weights_than_memory_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(curvature, "free_memory", lambda: 1_000_000)
    with pytest.raises(TrainingError, match=r"gauss-newton for 296 weights needs .* of memory"):
        expect_room(296, 10_000, CPU)
    monkeypatch.setattr(curvature, "free_memory", lambda: 100_000_000)
    with pytest.raises(TrainingError, match="are free; lower curvature_crops, or use soap or adam"):
        expect_room(100_000, 5000, CPU)


def test_memory_for_gradients_of_crops(monkeypatch: pytest.MonkeyPatch) -> None:
    """They themselves, two blocks of them in floats, and the matrix of their products."""
    needed = 2 * 100_000 * 5000 + 2 * 4 * 100_000 * 1024 + 4 * 5000 * 5000
    monkeypatch.setattr(curvature, "free_memory", lambda: needed)
    expect_room(100_000, 5000, CPU)
    monkeypatch.setattr(curvature, "free_memory", lambda: needed - 1)
    with pytest.raises(TrainingError, match="needs"):
        expect_room(100_000, 5000, CPU)


def test_memory_that_pytorch_keeps_on_a_gpu_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    """That is what it has reserved and not given to a tensor."""
    count, device = 1000, torch.device("cuda")
    needed = 4 * count * (count + 3 * 2048)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (needed - 300, 10 * needed))
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda _: 5000)
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda _: 5300)
    expect_room(count, 10**6, device)
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda _: 5299)
    with pytest.raises(TrainingError, match="needs"):
        expect_room(count, 10**6, device)
