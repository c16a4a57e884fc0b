"""Starting from another network: its weights really arrive, and what does not fit is refused."""

import dataclasses
import json
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

pytest.importorskip("torch")

import torch
from tests.fakes import random_network

from sesr.errors import TrainingError
from sesr.network.sesr import SESR
from sesr.network.variants import Activation, SESRConfig
from sesr.training.initial import start_from
from sesr.training.quantization import QuantizedSESR

Save = Callable[[Path, SESR], Path]
"""Writes a trained network as a run or a file."""

CONFIG = SESRConfig(m=2, f=4, feature_size=12)
PARTS = ("head", "body.0", "body.1", "tail")


def network(seed: int, **changes: object) -> SESR:
    torch.manual_seed(seed)
    built = SESR.from_config(dataclasses.replace(CONFIG, **changes))  # type: ignore[arg-type]
    with torch.no_grad():
        for parameter in built.parameters():
            parameter.add_(torch.randn_like(parameter) / 10)
    return built


def save_checkpoint(
    folder: Path, config: SESRConfig, parameters: Iterable[torch.Tensor], step: int = 7, **training: object
) -> Path:
    """Write a run of 7 steps, as it is after `step` of them."""
    folder.mkdir()
    recipe = json.dumps({"network": dataclasses.asdict(config), "training": {"steps": 7, **training}})
    mean = [parameter.detach() for parameter in parameters]
    torch.save({"recipe": recipe, "sources": "{}", "mean": mean, "step": step}, folder / "checkpoint.pt")
    return folder


def save_run(folder: Path, trained: SESR, step: int = 7) -> Path:
    return save_checkpoint(folder, trained.config, trained.parameters(), step)


def save_file(folder: Path, trained: SESR) -> Path:
    trained.collapse().to_checkpoint({}).save(folder / "trained.safetensors")
    return folder / "trained.safetensors"


@pytest.mark.parametrize("scale", [3, 4])
def test_from_an_x2_run_all_but_the_last_block_arrives(tmp_path: Path, scale: int) -> None:
    trained, fresh, other = network(1), network(2, scale=scale), network(2, scale=scale)
    start_from(fresh, save_run(tmp_path / "run", trained))
    for name in PARTS[:-1]:
        ours, theirs = fresh.get_submodule(name).state_dict(), trained.get_submodule(name).state_dict()
        assert all(torch.equal(ours[key], theirs[key]) for key in theirs)
    assert all(torch.equal(*pair) for pair in zip(fresh.slopes, trained.slopes, strict=True))
    assert torch.equal(fresh.tail.expand, other.tail.expand)
    assert torch.equal(fresh.tail.project, other.tail.project)


@pytest.mark.parametrize("feature_size", [12, 20])
@pytest.mark.parametrize("save", [save_run, save_file])
def test_at_the_same_scale_the_function_arrives(tmp_path: Path, save: object, feature_size: int) -> None:
    trained, fresh = network(1), network(2, feature_size=feature_size)
    path = save_run(tmp_path / "run", trained) if save is save_run else save_file(tmp_path, trained)
    start_from(fresh, path)
    luma = torch.rand(1, 1, 9, 11)
    torch.testing.assert_close(fresh(luma), trained(luma), rtol=1e-5, atol=1e-5)


def test_a_file_gives_x4_its_features(tmp_path: Path) -> None:
    trained, fresh = network(1), network(2, scale=4)
    start_from(fresh, save_file(tmp_path, trained))
    ours, theirs = fresh.collapse().state_dict(), trained.collapse().state_dict()
    for name in theirs:
        if not name.startswith("tail"):
            torch.testing.assert_close(ours[name], theirs[name], rtol=1e-5, atol=1e-6)


def test_widened_blocks_stay_as_rich_as_fresh_ones(tmp_path: Path) -> None:
    """The wide weights of a block that was narrow have full rank, so that training can move all of them."""
    fresh = network(2)
    start_from(fresh, save_file(tmp_path, network(1)))
    assert int(torch.linalg.matrix_rank(fresh.head.expand.flatten(1))) == 12


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"m": 3}, "a network with m = 2, to train is one with 3"),
        ({"f": 5}, "a network with f = 4, to train is one with 5"),
        ({"input_residual": False}, "a network with input_residual = True, to train is one with False"),
    ],
)
def test_other_networks_are_refused(tmp_path: Path, change: dict[str, object], message: str) -> None:
    for path in (save_run(tmp_path / "run", network(1)), save_file(tmp_path, network(1))):
        with pytest.raises(TrainingError, match=f"{path.name}: {message}"):
            start_from(network(2, **change), path)


def test_a_network_with_slopes_cannot_start_from_one_without(tmp_path: Path) -> None:
    path = save_file(tmp_path, network(1, activation="relu"))
    with pytest.raises(TrainingError, match="a network with activation = relu, to train is one with prelu"):
        start_from(network(2), path)


def save_newton_run(folder: Path, trained: SESR) -> Path:
    """A run of narrow convolutions, as Gauss-Newton's are."""
    parameters = trained.collapse().parameters()
    return save_checkpoint(folder, trained.config, parameters, optimizer="gauss-newton", amsgrad=False, loss="l2")


def save_int8_run(folder: Path, trained: SESR) -> Path:
    """A run of linear blocks, the learned ranges of int8 after them."""
    parameters = list(QuantizedSESR(trained).parameters())
    assert len(parameters) > len(list(trained.parameters()))
    return save_checkpoint(folder, trained.config, parameters, quant_w=True, quant_a=True)


SAVES = [save_run, save_newton_run, save_int8_run]


@pytest.mark.parametrize("narrow", [False, True])
@pytest.mark.parametrize("save", [*SAVES, save_file])
def test_a_relu_network_takes_all_but_the_slopes_of_one_with_prelu(tmp_path: Path, save: Save, narrow: bool) -> None:
    trained = network(1)
    with torch.no_grad():
        for slope in trained.slopes:
            slope.zero_()  # PReLU with slopes of 0 is ReLU
    relu = network(2, activation="relu")
    fresh = relu.collapse() if narrow else relu
    (tmp_path / "there").mkdir()
    start_from(fresh, save(tmp_path / ("there" if save is save_file else "run"), trained))
    luma = torch.rand(1, 1, 9, 11)
    torch.testing.assert_close(fresh(luma), trained(luma), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("feature_size", [12, 20])
@pytest.mark.parametrize("activation", ["prelu", "relu"])
@pytest.mark.parametrize("save", SAVES)
def test_runs_of_every_kind_give_their_function_to_linear_blocks(
    tmp_path: Path, save: Save, activation: Activation, feature_size: int
) -> None:
    trained = network(1, activation=activation)
    fresh = network(2, activation=activation, feature_size=feature_size)
    start_from(fresh, save(tmp_path / "run", trained))
    luma = torch.rand(1, 1, 9, 11)
    torch.testing.assert_close(fresh(luma), trained(luma), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("activation", ["prelu", "relu"])
@pytest.mark.parametrize("save", [*SAVES, save_file])
def test_runs_of_every_kind_give_their_function_to_narrow_convolutions(
    tmp_path: Path, save: Save, activation: Activation
) -> None:
    """Gauss-Newton trains these: slopes arrive too, in single precision."""
    trained = network(1, activation=activation)
    fresh = network(2, activation=activation).collapse()
    (tmp_path / "there").mkdir()
    start_from(fresh, save(tmp_path / ("there" if save is save_file else "run"), trained))
    assert {parameter.dtype for parameter in fresh.parameters()} == {torch.float32}
    for name, value in trained.collapse().state_dict().items():
        torch.testing.assert_close(fresh.state_dict()[name], value, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("save", SAVES)
def test_narrow_convolutions_of_x4_keep_their_own_last_block(tmp_path: Path, save: Save) -> None:
    trained, fresh, other = network(1), network(2, scale=4).collapse(), network(2, scale=4).collapse()
    start_from(fresh, save(tmp_path / "run", trained))
    theirs, ours = trained.collapse().state_dict(), fresh.state_dict()
    for name, value in other.state_dict().items():
        wanted = value if name.startswith("tail") else theirs[name]
        torch.testing.assert_close(ours[name], wanted, rtol=1e-5, atol=1e-6)


def test_an_int8_file_is_refused(tmp_path: Path) -> None:
    """Its integers are no start for training; the run that made it is."""
    path = tmp_path / "int8.safetensors"
    random_network(SESRConfig(m=2, f=4)).save(path)
    with pytest.raises(TrainingError, match=r"cannot start from .*int8\.safetensors: an int8 network, where a float"):
        start_from(network(1), path)


def test_an_unfinished_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"run: has done 6 of 7 steps; finish it by --resume .*run, or start"):
        start_from(network(2), save_run(tmp_path / "run", network(1), step=6))


def test_a_run_with_stages_left_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    start = save_run(tmp_path / "run" / "stage1", network(1))
    with pytest.raises(
        TrainingError, match=r"recipe\.toml: is missing, so the run's stages are not known; name a stage"
    ):
        start_from(network(2), tmp_path / "run")
    (tmp_path / "run" / "recipe.toml").write_text("[network]\nm = 2\n[[stage]]\nsteps = 7\n[[stage]]\nsteps = 7\n")
    start_from(network(2), start)
    with pytest.raises(TrainingError, match="run: has done 1 of 2 stages; finish it by --resume"):
        start_from(network(2), tmp_path / "run")
    second = save_run(tmp_path / "run" / "stage2", network(3), step=6)
    with pytest.raises(TrainingError, match="run: has done 6 of 7 steps in stage 2; finish it by --resume"):
        start_from(network(2), tmp_path / "run")
    shutil.rmtree(second)
    save_run(second, network(3))
    start_from(network(2), tmp_path / "run")


def test_nothing_to_start_from(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="not a run"):
        start_from(network(1), tmp_path)
    with pytest.raises(TrainingError, match=r"cannot start from .*none\.safetensors: no such file"):
        start_from(network(1), tmp_path / "none.safetensors")
    (tmp_path / "checkpoint.pt").write_bytes(b"torn")
    with pytest.raises(TrainingError, match="not a whole checkpoint"):
        start_from(network(1), tmp_path)


def test_another_scale_starts_from_x2_only(tmp_path: Path) -> None:
    run = save_run(tmp_path / "run", network(1, scale=4))
    with pytest.raises(TrainingError, match="a network for x4; x3 starts from x2 or x3"):
        start_from(network(2, scale=3), run)
    start_from(network(2, scale=4), run)


def test_too_narrow_blocks_cannot_be_widened(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="feature_size 3 is too narrow"):
        start_from(network(2, feature_size=3), save_file(tmp_path, network(1)))
