"""The learner: its rates, losses and steps, in every form and precision."""

import dataclasses
import math

import pytest

pytest.importorskip("torch")

import torch
from tests.tiny_training import ALONE, RECIPE, with_training

from sesr.data.crops import Batch
from sesr.network.sesr import SESR, CollapsedSESR
from sesr.training.learner import Learner, learning_rate
from sesr.training.processes import Processes
from sesr.training.recipe import TrainingRecipe


def test_learning_rate_schedules() -> None:
    cosine = TrainingRecipe(steps=110, warmup=10, learning_rate=1.0, schedule="cosine")
    assert [learning_rate(cosine, step) for step in (0, 4, 9, 10)] == pytest.approx([0.1, 0.5, 1.0, 1.0])
    assert learning_rate(cosine, 60) == pytest.approx(0.5)
    assert learning_rate(cosine, 109) == pytest.approx(0, abs=3e-4)
    constant = dataclasses.replace(cosine, schedule="constant")
    assert [learning_rate(constant, step) for step in (0, 10, 109)] == pytest.approx([0.1, 1.0, 1.0])


def test_mean_is_the_running_mean() -> None:
    learner = Learner(with_training(ema=0.75), ALONE, compile_step=False)
    expected = [mean.clone() for mean in learner.mean]
    for number in range(3):
        learner.step(number, Batch(torch.rand(2, 1, 8, 8), torch.rand(2, 1, 16, 16)))
        weights = [parameter.detach() for parameter in learner.parameters]
        kept = min(0.75, (1 + number) / (10 + number))
        expected = [kept * mean + (1 - kept) * now for mean, now in zip(expected, weights, strict=True)]
    for mean, value in zip(learner.mean, expected, strict=True):
        torch.testing.assert_close(mean, value)
        assert not mean.requires_grad  # nor does it hold on to every step before
    collapsed = learner.mean_model()
    assert isinstance(collapsed, CollapsedSESR)
    kernel = (expected[2 - 1] @ expected[0].flatten(1)).view_as(collapsed.head.weight)
    torch.testing.assert_close(collapsed.head.weight.detach(), kernel, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("form", ["expanded", "delta"])
def test_all_forms_reach_the_same_weights(form: str) -> None:
    """Over 20 steps from the same seed, in double precision, where rounding cannot hide a difference."""
    learners = [
        Learner(with_training(form=kind, learning_rate=1e-3), ALONE, compile_step=False) for kind in ("collapsed", form)
    ]
    for learner in learners:
        learner.network.double()
        learner.mean = [mean.double() for mean in learner.mean]
        learner.criterion = lambda prediction, hr, _: (prediction.double() - hr).abs().mean()
    for number in range(20):
        torch.manual_seed(number)
        lr, hr = torch.rand(2, 1, 12, 12).double(), torch.rand(2, 1, 24, 24).double()
        for learner in learners:
            learner.step(number, Batch(lr, hr))
    for one, other in zip(*(learner.parameters for learner in learners), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-7)


def collapsed(learner: Learner) -> CollapsedSESR:
    assert isinstance(learner.network, SESR)
    return learner.network.collapse()


@pytest.mark.parametrize("form", ["expanded", "delta"])
def test_all_forms_reach_the_same_weights_within_rounding(form: str) -> None:
    """In single precision, which training uses: kernels differ by less than a hundredth of what 20 steps changed."""
    kinds = ("collapsed", form)
    learners = [Learner(with_training(form=kind, learning_rate=1e-3), ALONE, compile_step=False) for kind in kinds]
    start = collapsed(learners[0]).state_dict()
    for number in range(20):
        torch.manual_seed(number)
        lr, hr = torch.rand(2, 1, 12, 12), torch.rand(2, 1, 24, 24)
        for learner in learners:
            learner.step(number, Batch(lr, hr))
    one, other = (collapsed(learner).state_dict() for learner in learners)
    for name in start:
        assert float((one[name] - other[name]).abs().max()) < 0.01 * float((one[name] - start[name]).abs().max()), name


@pytest.mark.slow
def test_compiled_step_computes_the_same() -> None:
    learners = [Learner(RECIPE, ALONE, compile_step=compiled) for compiled in (False, True)]
    for number in range(3):
        torch.manual_seed(number)
        lr, hr = torch.rand(2, 1, 12, 12), torch.rand(2, 1, 24, 24)
        losses = [float(learner.step(number, Batch(lr, hr))) for learner in learners]
        assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_losses_are_what_they_are_called() -> None:
    lr, hr = torch.rand(2, 1, 8, 8), torch.rand(2, 1, 16, 16)
    for loss, power, root in (("l1", 1, 1), ("l2", 2, 1), ("rmse", 2, 2)):
        learner = Learner(with_training(loss=loss), ALONE, compile_step=False)
        with torch.no_grad():
            error = (learner.network(lr) - hr).abs().pow(power)
            expected = error.mean((1, 2, 3)).pow(1 / root).mean()
        assert float(learner.step(0, Batch(lr, hr))) == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize(("loss", "power"), [("log-l1", 1), ("log-l2", 2)])
def test_logarithms_of_crops_errors(loss: str, power: int) -> None:
    """They end at a quarter of a gray level, and a crop without error moves nothing out of bounds."""
    learner = Learner(with_training(loss=loss), ALONE, compile_step=False)
    lr, hr = torch.rand(2, 1, 8, 8), torch.rand(2, 1, 16, 16)
    with torch.no_grad():
        errors = (learner.network(lr) - hr).abs().double().pow(power)
    expected = [math.log(float(error.mean()) + 1e-3**power) for error in errors]
    assert float(learner.step(0, Batch(lr, hr))) == pytest.approx(sum(expected) / 2, rel=1e-5)
    with torch.no_grad():
        exact = learner.network(lr)
    assert float(learner.step(1, Batch(lr, exact))) == pytest.approx(power * math.log(1e-3), rel=1e-5)
    assert all(bool(parameter.isfinite().all()) for parameter in learner.parameters)


def test_squared_errors_against_pictures() -> None:
    """A crop's against the answer, and the answer's over the whole picture, add up; then comes the logarithm."""
    learner = Learner(with_training(loss="log-l2-picture", teacher="t"), ALONE, compile_step=False)
    lr, hr, answer_error = torch.rand(2, 1, 8, 8), torch.rand(2, 1, 16, 16), torch.tensor([0.03, 2.0])
    with torch.no_grad():
        squares = (learner.network(lr) - hr).double().square().mean((1, 2, 3))
    expected = (squares + answer_error + 1e-6).log().mean()
    assert float(learner.step(0, Batch(lr, hr, answer_error))) == pytest.approx(float(expected), rel=1e-5)


def test_gradients_keep_their_place() -> None:
    """A step recorded as a CUDA graph adds to them where they lie."""
    learner = Learner(RECIPE, ALONE, compile_step=False)
    places = [parameter.grad.data_ptr() for parameter in learner.parameters if parameter.grad is not None]
    for number in range(3):
        learner.step(number, Batch(torch.rand(2, 1, 8, 8), torch.rand(2, 1, 16, 16)))
    assert len(places) == len(learner.parameters)
    assert places == [parameter.grad.data_ptr() for parameter in learner.parameters if parameter.grad is not None]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_a_gpu_steps_as_a_processor_does() -> None:
    learners = [Learner(RECIPE, Processes(torch.device(name)), compile_step=name == "cuda") for name in ("cpu", "cuda")]
    for number in range(6):
        torch.manual_seed(number)
        lr, hr = torch.rand(2, 1, 12, 12), torch.rand(2, 1, 24, 24)
        losses = [
            float(learner.step(number, Batch(*(batch.to(learner.processes.device) for batch in (lr, hr)))))
            for learner in learners
        ]
        assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_a_step_that_does_not_compile_is_run_as_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(function: object, mode: str) -> object:
        def fail(*_: torch.Tensor) -> torch.Tensor:
            raise RuntimeError("Python.h: No such file")

        return fail

    monkeypatch.setattr(torch, "compile", broken)
    lr, hr = torch.rand(2, 1, 8, 8), torch.rand(2, 1, 16, 16)
    losses = [
        [float(learner.step(number, Batch(lr, hr))) for number in range(3)]
        for learner in (Learner(RECIPE, ALONE, compile_step=compiled) for compiled in (True, False))
    ]
    assert losses[0] == losses[1]
    assert capsys.readouterr().out.count("steps are not compiled") == 1
