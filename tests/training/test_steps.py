"""Recorded steps: the same steps as those taken one by one, and what happens where a recording fails.

There is seldom a GPU where these tests run. So most of them "record" by keeping the step itself, which a CPU then runs
for each replay. Everything but CUDA is tested that way: the rows of coming steps, the counter, rates read from tensors.
"""

import contextlib
import copy
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from tests.tiny_training import ALONE, RECIPE, train, with_training, without_times
from tests.training.recorders import Keeping
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from sesr.data.crops import CropSampler
from sesr.data.planes import FINE, LumaPlanes
from sesr.network.quantized import QuantizedNetwork
from sesr.training import stage_run
from sesr.training.checkpoint import RunProgress, load_run, restore_run, save_run
from sesr.training.learner import Learner
from sesr.training.optimizers.curvature import keeps_gradients
from sesr.training.optimizers.gauss_newton import GaussNewton
from sesr.training.optimizers.inverse import GradientsInverse, Inverse, MatrixInverse
from sesr.training.processes import Processes
from sesr.training.recipe import Recipe
from sesr.training.sources import Sources
from sesr.training.steps import MAX_REPLAYED, WARM_UP, RecordedSteps, SingleSteps, Steps, choose_steps

ON_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
SERIES = [1] * (WARM_UP + 1) + [3, 1, 12]


class Failing(Keeping):
    """Fails to record a step."""

    def record(self, step: Callable[[], None]) -> Callable[[], None]:
        raise RuntimeError("operation not permitted when stream is capturing\nand more lines")


class Forgetting(Keeping):
    """Records nothing: a replay changes nothing."""

    def record(self, step: Callable[[], None]) -> Callable[[], None]:
        return lambda: None


class Drifting(Keeping):
    """A replay takes the step, and moves all weights a little besides."""

    def __init__(self, learner: Learner) -> None:
        self.learner = learner

    def record(self, step: Callable[[], None]) -> Callable[[], None]:
        def run() -> None:
            torch._foreach_add_([parameter.detach() for parameter in self.learner.parameters], 1e-3)
            step()

        return run


def planes(*, answers: bool = False) -> LumaPlanes:
    """Three pictures of noise; a teacher's answers in the place of HR on request."""
    draw, sizes = np.random.default_rng(0), np.array([[24, 30], [40, 20], [17, 33]])
    pixels = int(sizes.prod(1).sum())
    high = draw.integers(0, 256, 4 * pixels)
    hr = torch.from_numpy((high * FINE).astype(np.int16) if answers else high.astype(np.uint8))
    lr = torch.from_numpy(draw.integers(0, 256, pixels).astype(np.uint8))
    names = ("a.png", "b.png", "c.png")
    return LumaPlanes(hr, lr, sizes, np.array([False, True, False]), 2, names, torch.tensor([1e-3, 1e-1, 1.0]))


def with_data(recipe: Recipe, **changes: object) -> Recipe:
    return dataclasses.replace(recipe, data=dataclasses.replace(recipe.data, **changes))  # type: ignore[arg-type]


def with_training_of(recipe: Recipe, **changes: object) -> Recipe:
    return dataclasses.replace(recipe, training=dataclasses.replace(recipe.training, **changes))  # type: ignore[arg-type]


SMALL = with_data(with_training(steps=300), crop=8)
NEWTON = with_data(with_training(optimizer="gauss-newton", loss="rmse", steps=300, damping=0.2), crop=8)
RECIPES = {
    "adam": SMALL,
    "amsgrad": with_data(with_training(steps=300, amsgrad=True), crop=8),
    "newton": NEWTON,
    "newton by crops": with_training_of(NEWTON, curvature_crops=64),
    "images": with_data(SMALL, sampling="images", crops_per_image=5),
    "detail": with_data(SMALL, sampling="pixels", detail=1.5),
    "weights": with_data(SMALL, sampling="pixels", weights=(("b.png", 7.0),)),
    "answers": with_data(SMALL, sampling="pixels"),
    "newton on answers": with_training_of(NEWTON, loss="log-l2-picture", teacher="t"),
    "int8": with_data(with_training(steps=300, quant_w=True, quant_a=True), crop=8),
}


def learner_of(recipe: Recipe, *, record: bool, device: Processes = ALONE, compile_step: bool = False) -> Learner:
    learner = Learner(recipe, device, compile_step=compile_step, record=record)
    if recipe.training.optimizer == "gauss-newton":
        draw = torch.Generator().manual_seed(5)
        count = sum(parameter.numel() for parameter in learner.parameters)
        crops = recipe.training.curvature_crops
        by_crops = keeps_gradients(count, crops)
        rows = torch.randn(crops if by_crops else 2 * count, count, generator=draw).to(device.device)
        assert isinstance(learner.optimizer, GaussNewton)
        damping = recipe.training.damping
        matrix = MatrixInverse(rows.T @ rows / len(rows), damping)
        learner.optimizer.inverse = GradientsInverse(rows.bfloat16(), damping) if by_crops else matrix
    return learner


def sampler_of(recipe: Recipe, *, device: str = "cpu") -> CropSampler:
    pictures = planes(answers=recipe is RECIPES["answers"]).to(torch.device(device))
    return CropSampler(pictures, recipe.data, recipe.training.batch, recipe.training.seed)


def losses_of(steps: Steps, series: list[int], first: int = 0) -> list[float]:
    losses: list[float] = []
    for count in series:
        assert count <= max(steps.at_once, 1)
        losses += [float(loss) for loss in steps.take(first + len(losses), count)]
    return losses


def assert_equal(one: Learner, other: Learner) -> None:
    for kinds in zip(one.changing(), other.changing(), strict=True):
        for tensor, same in zip(*kinds, strict=True):
            assert torch.equal(tensor, same)


@pytest.mark.parametrize("name", RECIPES)
def test_recorded_steps_are_the_same_bit_for_bit(name: str) -> None:
    recipe = RECIPES[name]
    single, recorded = (learner_of(recipe, record=record) for record in (False, True))
    keeping = Keeping()
    expected = losses_of(SingleSteps(single, sampler_of(recipe)), [1] * sum(SERIES))
    steps = RecordedSteps(recorded, sampler_of(recipe), keeping)
    assert losses_of(steps, SERIES) == expected
    assert keeping.recorded == 1
    assert steps.at_once == MAX_REPLAYED
    assert_equal(single, recorded)
    assert max(float(mean.abs().max()) for mean in recorded.mean) > 0


def test_a_full_series() -> None:
    """As many steps as there are rows, some of them drawn before and some not, and as many again."""
    expected = losses_of(SingleSteps(learner_of(SMALL, record=False), sampler_of(SMALL)), [1] * 60)
    steps = RecordedSteps(learner_of(SMALL, record=True), sampler_of(SMALL), Keeping())
    losses = losses_of(steps, [1] * (WARM_UP + 1) + [MAX_REPLAYED, MAX_REPLAYED])
    assert losses[:60] == expected
    assert len(set(losses)) > MAX_REPLAYED


def test_a_whole_run_is_the_same(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Network, log and validations, over series that end for each of them."""
    recipe = with_data(with_training(steps=130, validate_every=55, checkpoint_minutes=9), crop=8)
    files = [train(recipe, pictures, pictures, tmp_path / "single")]
    learn, keeping = Learner.__init__, Keeping()
    monkeypatch.setattr(Learner, "__init__", lambda *args, **options: learn(*args, **options, record=True))
    monkeypatch.setattr(stage_run, "choose_steps", lambda learner, sampler: RecordedSteps(learner, sampler, keeping))
    files.append(train(recipe, pictures, pictures, tmp_path / "recorded"))
    assert keeping.recorded == 1
    assert files[0].read_bytes() == files[1].read_bytes()
    assert without_times(tmp_path / "single") == without_times(tmp_path / "recorded")


def test_nothing_moves_in_memory() -> None:
    """A graph reads and writes where things lay while it was recorded; so does one after a checkpoint was restored."""
    for name in ("adam", "newton"):
        recipe = RECIPES[name]
        learner = learner_of(recipe, record=True)
        steps = RecordedSteps(learner, sampler_of(recipe), Keeping())
        losses_of(steps, [1] * (WARM_UP + 1))
        places = [[tensor.data_ptr() for tensor in tensors] for tensors in learner.changing()]
        losses_of(steps, [5, 2], first=WARM_UP + 1)
        assert places == [[tensor.data_ptr() for tensor in tensors] for tensors in learner.changing()]


@pytest.mark.parametrize("name", ["adam", "newton"])
@pytest.mark.parametrize("records", [(False, True), (True, False), (True, True)])
def test_a_checkpoint_continues_recorded_or_not(name: str, records: tuple[bool, bool], tmp_path: Path) -> None:
    """As from a CPU to a GPU and back: the rate is a number in one, a tensor in the other."""
    recipe = RECIPES[name]
    unbroken = learner_of(recipe, record=False)
    expected = losses_of(SingleSteps(unbroken, sampler_of(recipe)), [1] * 70)
    before, after = (learner_of(recipe, record=record) for record in records)

    def steps_of(learner: Learner) -> Steps:
        sampler = sampler_of(recipe)
        return RecordedSteps(learner, sampler, Keeping()) if learner.recordable else SingleSteps(learner, sampler)

    losses_of(steps_of(before), [1] * 60)
    save_run(tmp_path, before, RunProgress(60), Sources("pictures"), [1, 2, 3])
    progress = restore_run(load_run(tmp_path), after, [1, 2, 3], tmp_path)
    assert losses_of(steps_of(after), [1] * 10, first=progress.step) == expected[60:]
    assert_equal(unbroken, after)


def test_a_checkpoint_of_an_earlier_version_continues() -> None:
    """Gauss-Newton kept its number of steps as a number, and running means were saved with their gradients' marks."""
    learners = [learner_of(NEWTON, record=record) for record in (False, True)]
    losses_of(SingleSteps(learners[0], sampler_of(NEWTON)), [1] * 55)
    state = copy.deepcopy(learners[0].state())
    (kept,) = state["optimizer"]["state"].values()
    kept["step"] = int(kept["step"])
    state["mean"] = [mean.requires_grad_() for mean in state["mean"]]
    learners[1].restore(state)
    for learner in learners:
        losses_of(SingleSteps(learner, sampler_of(NEWTON)), [1] * 3, first=55)
        assert not any(mean.requires_grad for mean in learner.mean)
    assert_equal(*learners)


@pytest.mark.parametrize("kind", [Failing, Forgetting, Drifting])
def test_without_a_recording_training_continues_as_it_was(kind: type, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = RECIPES["adam"]
    single, recorded = (learner_of(recipe, record=record) for record in (False, True))
    expected = losses_of(SingleSteps(single, sampler_of(recipe)), [1] * 12)
    steps = RecordedSteps(recorded, sampler_of(recipe), kind(recorded) if kind is Drifting else kind())
    assert losses_of(steps, [1] * 12) == expected
    assert steps.at_once == 1
    assert_equal(single, recorded)
    line = capsys.readouterr().out
    reason = "RuntimeError: operation not permitted" if kind is Failing else "a replayed step ended elsewhere, by "
    assert line.startswith(f"steps are not recorded as a whole, which is slower: {reason}")
    assert line.count("\n") == 1
    assert not recorded.recordable


def test_what_is_never_recorded() -> None:
    soap = with_training(optimizer="soap")
    assert not learner_of(soap, record=True).recordable
    assert not Learner(RECIPE, Processes(torch.device("cpu"), 0, 2), compile_step=False, record=True).recordable
    assert not Learner(RECIPE, ALONE, compile_step=False).recordable
    assert isinstance(choose_steps(learner_of(RECIPE, record=False), sampler_of(RECIPE)), SingleSteps)


def test_a_table_is_all_that_a_batch_needs() -> None:
    """Drawn in another order, by another sampler, and cut later."""
    for name in ("images", "detail", "weights", "answers"):
        recipe = RECIPES[name]
        one, other = sampler_of(recipe), sampler_of(recipe)
        tables = {step: torch.from_numpy(one.table(step)) for step in (30, 2, 100)}
        for step, table in tables.items():
            assert table.shape == one.table_shape
            assert all(map(torch.equal, tree_leaves(one.cut(table)), tree_leaves(other(step))))
            assert len(tree_leaves(other(step))) == 3


class Watching(Keeping):
    """Notes every operation of the recorded step that touches a tensor on the CPU."""

    def __init__(self) -> None:
        self.operations: list[str] = []
        self.on_cpu: list[str] = []

    def record(self, step: Callable[[], None]) -> Callable[[], None]:
        watching = self

        class Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
            def __torch_dispatch__(
                self, function: object, types: object, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
            ) -> object:
                result = function(*args, **(kwargs or {}))  # type: ignore[operator]
                watching.operations.append(str(function))
                tensors = [leaf for leaf in tree_leaves((args, kwargs, result)) if isinstance(leaf, Tensor)]
                if any(tensor.device.type == "cpu" for tensor in tensors):
                    watching.on_cpu.append(str(function))
                return result

        with Watch():  # type: ignore[no-untyped-call]
            step()
        return step


class Descent(torch.optim.Optimizer):
    """Stands for Adam, whose fused form exists on real devices only."""

    def __init__(self, parameters: list[Tensor], lr: Tensor, *_: object, **__: object) -> None:
        super().__init__(parameters, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: object = None) -> None:  # type: ignore[override]
        (group,) = self.param_groups
        for parameter in group["params"]:
            parameter.sub_(parameter.grad * group["lr"])


def inverse_nowhere(count: int, recipe: Recipe) -> Inverse:
    """An inverse of the recipe's form on PyTorch's device without memory, where none can be computed."""
    crops, scale = recipe.training.curvature_crops, torch.zeros(count, device="meta")
    if not keeps_gradients(count, crops):
        by_weights = MatrixInverse.__new__(MatrixInverse)
        by_weights.tensors = [torch.zeros(count, count, device="meta"), scale]
        return by_weights
    by_crops = GradientsInverse.__new__(GradientsInverse)
    by_crops.damping = recipe.training.damping
    gradients = torch.zeros(crops, count, device="meta", dtype=torch.bfloat16)
    by_crops.tensors = [gradients, torch.zeros(crops, crops, device="meta"), scale]
    return by_crops


@pytest.mark.parametrize("name", RECIPES)
def test_a_step_asks_nothing_of_the_cpu(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A graph would keep what it got from the CPU when it was recorded. So the step runs on PyTorch's device without
    memory, from which no number can be fetched, and none of its operations may touch a tensor of the CPU."""
    recipe, nowhere = RECIPES[name], torch.device("meta")
    monkeypatch.setattr(torch.optim, "Adam", Descent)
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: contextlib.nullcontext())  # unknown on that device
    learner = Learner(recipe, Processes(nowhere), compile_step=False, record=True)
    count = sum(parameter.numel() for parameter in learner.parameters)
    monkeypatch.setattr(GaussNewton, "inverse", inverse_nowhere(count, recipe), raising=False)
    sampler, watching = sampler_of(recipe), Watching()
    sampler.planes = sampler.planes.to(nowhere)  # which positions there are was read from them before
    steps = RecordedSteps(learner, sampler, watching)
    for step in range(WARM_UP + 1):
        steps.take(step, 1)
    assert len(watching.operations) > 100
    assert not watching.on_cpu


def close(one: Tensor, other: Tensor) -> bool:
    return torch.allclose(one, other.cpu(), rtol=2e-3, atol=2e-5)


@ON_GPU
@pytest.mark.parametrize("compile_step", [False, True])
@pytest.mark.parametrize("name", RECIPES)
def test_a_gpu_records_the_steps_of_a_processor(
    name: str, compile_step: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe, gpu = RECIPES[name], Processes(torch.device("cuda"))
    single = learner_of(recipe, record=False)
    recorded = learner_of(recipe, record=True, device=gpu, compile_step=compile_step)
    expected = losses_of(SingleSteps(single, sampler_of(recipe)), [1] * 30)
    steps = choose_steps(recorded, sampler_of(recipe, device="cuda"))
    losses = losses_of(steps, [1] * (WARM_UP + 1) + [30 - WARM_UP - 1])
    assert steps.at_once == MAX_REPLAYED, capsys.readouterr().out
    assert losses == pytest.approx(expected, rel=1e-2)
    if name in ("adam", "amsgrad", "newton"):  # int8 rounds, and takes another step where a value is nearly half
        assert all(map(close, single.mean, recorded.mean))


@ON_GPU
@pytest.mark.parametrize("quantized", [(True, False), (False, True), (True, True)])
def test_a_gpu_makes_networks_of_8_bits(quantized: tuple[bool, bool]) -> None:
    recipe = with_data(with_training(quant_w=quantized[0], quant_a=quantized[1]), crop=8)
    learner = learner_of(recipe, record=True, device=Processes(torch.device("cuda")))
    losses_of(choose_steps(learner, sampler_of(recipe, device="cuda")), [1] * (WARM_UP + 1))
    assert all(parameter.is_cuda for parameter in learner.parameters)
    assert isinstance(learner.mean_network(), QuantizedNetwork) == all(quantized)


@ON_GPU
def test_a_gpu_continues_without_a_recording(capsys: pytest.CaptureFixture[str]) -> None:
    """A recording that waits for the GPU fails; the step after it must work, and compute the same."""
    recipe, gpu = RECIPES["adam"], Processes(torch.device("cuda"))
    single, recorded = learner_of(recipe, record=False), learner_of(recipe, record=True, device=gpu)
    criterion = recorded.criterion

    def waiting(prediction: Tensor, hr: Tensor, answer_error: Tensor | None) -> Tensor:
        loss = criterion(prediction, hr, answer_error)
        assert float(loss.detach()) >= 0
        return loss

    recorded.criterion = waiting
    steps = choose_steps(recorded, sampler_of(recipe, device="cuda"))
    losses = losses_of(steps, [1] * 12)
    assert losses == pytest.approx(losses_of(SingleSteps(single, sampler_of(recipe)), [1] * 12), rel=1e-3)
    assert steps.at_once == 1
    assert "steps are not recorded as a whole" in capsys.readouterr().out


@ON_GPU
@pytest.mark.parametrize("name", ["adam", "newton"])
@pytest.mark.parametrize("devices", [("cpu", "cuda"), ("cuda", "cpu"), ("cuda", "cuda")])
def test_a_run_moves_between_processor_and_gpu(name: str, devices: tuple[str, str], tmp_path: Path) -> None:
    recipe = RECIPES[name]
    unbroken = learner_of(recipe, record=False)
    expected = losses_of(SingleSteps(unbroken, sampler_of(recipe)), [1] * 60)
    done = 0
    for device, count in zip(devices, (20, 40), strict=True):
        learner = learner_of(recipe, record=device == "cuda", device=Processes(torch.device(device)))
        if done:
            assert restore_run(load_run(tmp_path), learner, [1], tmp_path).step == done
        losses = losses_of(choose_steps(learner, sampler_of(recipe, device=device)), [1] * count, first=done)
        assert losses == pytest.approx(expected[done : done + count], rel=1e-2)
        done += count
        save_run(tmp_path, learner, RunProgress(done), Sources("pictures"), [1])
