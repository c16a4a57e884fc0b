"""Runs of several stages: one command trains all, and wherever it is killed, the resumed run ends alike."""

import dataclasses
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from filelock import FileLock
from tests.tiny_training import EAGER, RECIPE, Killed, column, train, with_training, without_times

from sesr.errors import DataError, TrainingError, UsageError
from sesr.network.checkpoint import Checkpoint, load_checkpoint
from sesr.network.quantized import load_quantized
from sesr.training import stage_run, stages
from sesr.training.checkpoint import load_run
from sesr.training.learner import Learner
from sesr.training.optimizers import curvature
from sesr.training.recipe import CardRecipe, Recipe, join_stages
from sesr.training.recipe_file import load_recipe
from sesr.training.run import resume
from sesr.training.sources import Sources
from sesr.training.stages import Stages

pytestmark = [
    pytest.mark.needs("export"),
    pytest.mark.filterwarnings("ignore:.*:DeprecationWarning:tensorboard.*"),
]

NAME = "sesr_tiny_x2.safetensors"
ADAM = with_training(steps=6, warmup=0, ema=0.5, validate_every=3)
NEWTON = with_training(
    optimizer="gauss-newton", loss="rmse", curvature_crops=2, learning_rate=1e-2, steps=4, warmup=0, ema=0.5, batch=2
)
TWO = join_stages([ADAM, NEWTON])


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures of noise, the same for the whole module."""
    from tests.pictures import noise, save

    folder = tmp_path_factory.mktemp("drawn")
    for index in range(3):
        save(folder / f"{index}.png", noise(48, 60, index))
    return folder


@pytest.fixture(scope="module")
def unbroken(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of both stages in one go, with one thread, as all tests have."""
    folder = tmp_path_factory.mktemp("unbroken") / "run"
    train(TWO, drawn, drawn, folder, dataclasses.replace(EAGER, threads=1))
    return folder


def kill_at(call: int, patch: pytest.MonkeyPatch, owner: type = Learner, name: str = "step") -> None:
    """Replace a method by one that dies in a given call, counted from 0."""
    calls: Iterator[int] = iter(range(1000))
    method: Callable[..., object] = getattr(owner, name)

    def dying(*given: object, **named: object) -> object:
        if next(calls) == call:
            raise Killed
        return method(*given, **named)

    patch.setattr(owner, name, dying)


@pytest.fixture
def train_until(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Train until a call of a method, a step unless told otherwise, dies."""

    def run(call: int, *given: Any, owner: type = Learner, name: str = "step", **named: Any) -> None:  # noqa: ANN401
        with monkeypatch.context() as patch:
            kill_at(call, patch, owner, name)
            with pytest.raises(Killed):
                train(*given, **named)

    return run


def assert_equal_weights(one: Checkpoint, other: Checkpoint) -> None:
    for name, tensor in one.tensors.items():
        np.testing.assert_array_equal(tensor, other.tensors[name], name)


def assert_same(made: Path, other: Path) -> None:
    for name in (NAME, "sesr_tiny_x2.tflite"):
        assert (made / name).read_bytes() == (other / name).read_bytes(), name
    assert load_recipe(made / "recipe.toml") == load_recipe(other / "recipe.toml")
    for stage in ("stage1", "stage2"):
        assert without_times(made / stage) == without_times(other / stage)


def test_all_stages_in_one_go(unbroken: Path, drawn: Path, tmp_path: Path) -> None:
    """The last stage's network is the run's; it is what the stages give as runs of their own."""
    assert sorted(path.name for path in unbroken.iterdir() if path.name != ".lock") == [
        "recipe.toml", NAME, "sesr_tiny_x2.tflite", "stage1", "stage2",
    ]  # fmt: skip
    assert (unbroken / NAME).read_bytes() == (unbroken / "stage2" / NAME).read_bytes()
    assert [column(unbroken / f"stage{number}", "step")[-1] for number in (1, 2)] == [6, 4]
    train(ADAM, drawn, drawn, tmp_path / "first")
    training = dataclasses.replace(NEWTON.training, init_from=str(tmp_path / "first"))
    alone = train(dataclasses.replace(NEWTON, training=training), drawn, drawn, tmp_path / "second")
    one, other = load_checkpoint(unbroken / NAME), load_checkpoint(alone)
    assert_equal_weights(one, other)


def test_the_card_lists_the_stages(unbroken: Path) -> None:
    card = load_checkpoint(unbroken / NAME).card
    assert card["steps"] == 10
    assert card["stages"] == {
        "1": "6 steps of adam, 4 crops of 16 x 16 LR pixels, rate 0.002, loss l1, seed 0",
        "2": "4 steps of gauss-newton, 2 crops of 16 x 16 LR pixels, rate 0.01, loss rmse, seed 0",
    }
    assert (card["name"], card["licence"]) == ("tiny", "Apache-2.0")
    assert not {"init_from", "seed", "batch"} & card.keys()
    assert card["validation_db"] == pytest.approx(column(unbroken / "stage2", "validation_psnr")[-1], abs=1e-3)
    assert load_checkpoint(unbroken / "stage1" / NAME).card["steps"] == 6


def test_the_runs_recipe_trains_the_same_again(unbroken: Path, drawn: Path, tmp_path: Path) -> None:
    written = load_recipe(unbroken / "recipe.toml")
    assert [stage.training.optimizer for stage in written.stages] == ["adam", "gauss-newton"]
    train(written, drawn, drawn, tmp_path / "again")
    assert_same(tmp_path / "again", unbroken)


@pytest.mark.parametrize("step", [3, 6, 8])
def test_a_run_killed_in_a_stage_resumes_exactly(
    step: int, unbroken: Path, drawn: Path, tmp_path: Path, train_until: Callable[..., None]
) -> None:
    """In the first stage; in the second before its first checkpoint; and after it."""
    train_until(step, TWO, drawn, drawn, tmp_path / "run")
    assert not (tmp_path / "run" / NAME).exists()
    assert resume(tmp_path / "run", EAGER) == tmp_path / "run" / NAME
    assert_same(tmp_path / "run", unbroken)


@pytest.mark.parametrize("stage", [1, 2])
def test_a_run_killed_while_its_network_is_written(
    stage: int, unbroken: Path, drawn: Path, tmp_path: Path, train_until: Callable[..., None]
) -> None:
    """All steps of the stage are done and saved."""
    train_until(stage - 1, TWO, drawn, drawn, tmp_path / "run", owner=stage_run.StageRun, name="finish")
    resume(tmp_path / "run", EAGER)
    assert_same(tmp_path / "run", unbroken)


def test_a_run_killed_before_its_network_is_copied(
    unbroken: Path, drawn: Path, tmp_path: Path, train_until: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    """Resumed, it needs no pictures any more; resumed again, it does no harm."""
    train_until(0, TWO, drawn, None, tmp_path / "run", owner=Stages, name="copy_up")
    for _ in range(2):
        assert resume(tmp_path / "run", EAGER, "no/such/folder") == tmp_path / "run" / NAME
        assert "all stages are done" in capsys.readouterr().out
    one, other = load_checkpoint(tmp_path / "run" / NAME), load_checkpoint(unbroken / NAME)
    assert_equal_weights(one, other)


def test_a_moved_run_goes_on(unbroken: Path, drawn: Path, tmp_path: Path, train_until: Callable[..., None]) -> None:
    """The second stage finds the first where it is now."""
    train_until(6, TWO, drawn, drawn, tmp_path / "run")
    (tmp_path / "run").rename(tmp_path / "moved")
    resume(tmp_path / "moved", EAGER)
    assert (tmp_path / "moved" / NAME).read_bytes() == (unbroken / NAME).read_bytes()


def test_stages_one_by_one(unbroken: Path, drawn: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    with pytest.raises(TrainingError, match="stage1: holds no run to start from; train --stage 1 first"):
        train(TWO, drawn, drawn, run, stage=2)
    assert not run.exists()
    assert train(TWO, drawn, drawn, run, stage=1) == run / "stage1" / NAME
    assert not (run / NAME).exists()
    with pytest.raises(TrainingError, match="stage1: holds a run already"):
        train(TWO, drawn, drawn, run, stage=1)
    with pytest.raises(TrainingError, match="run: holds a run already"):
        train(TWO, drawn, drawn, run)
    assert train(TWO, drawn, drawn, run, stage=2) == run / NAME
    assert_same(run, unbroken)
    wider = [dataclasses.replace(each, network=dataclasses.replace(each.network, f=5)) for each in TWO.stages]
    shutil.copytree(run / "stage1", tmp_path / "other" / "stage1")
    with pytest.raises(TrainingError, match="stage1: trained another network than the recipe's"):
        train(join_stages(wider), drawn, drawn, tmp_path / "other", stage=2)
    (run / "stage1" / "checkpoint.pt").unlink()
    with pytest.raises(TrainingError, match="stage2: was trained after stage 1"):
        train(TWO, drawn, drawn, run, stage=1)
    with pytest.raises(UsageError, match="--stage 3: the recipe has 2 stages"):
        train(TWO, drawn, drawn, run, stage=3)
    with pytest.raises(UsageError, match=r"--stage 2: the recipe has 1 stage$"):
        train(ADAM, drawn, drawn, tmp_path / "one", stage=2)


def test_an_unfinished_stage_is_finished_first(
    unbroken: Path, drawn: Path, tmp_path: Path, train_until: Callable[..., None]
) -> None:
    """A stage's own folder resumes it alone; the last stage's ends the whole run."""
    run = tmp_path / "run"
    train_until(3, TWO, drawn, drawn, run, stage=1)
    with pytest.raises(TrainingError, match=r"stage1: has done 3 of 6 steps; go on with it by --resume .*stage1"):
        train(TWO, drawn, drawn, run, stage=2)
    assert resume(run / "stage1", EAGER) == run / "stage1" / NAME
    train_until(2, TWO, drawn, drawn, run, stage=2)
    assert resume(run / "stage2", EAGER) == run / NAME
    assert_same(run, unbroken)


def test_a_run_stopped_before_its_first_checkpoint(
    drawn: Path, tmp_path: Path, train_until: Callable[..., None]
) -> None:
    run = tmp_path / "run"
    train_until(0, TWO, drawn, None, run)
    with pytest.raises(TrainingError, match="run: was stopped before its first checkpoint; start it again"):
        resume(run, EAGER)
    train(TWO, drawn, None, run)
    assert (run / NAME).exists()


def test_a_finished_stage_whose_checkpoint_was_deleted_is_not_trained_again(
    unbroken: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nor is one whose network's files were."""
    for number, name in enumerate(("checkpoint.pt", NAME)):
        run = tmp_path / f"run{number}"
        shutil.copytree(unbroken, run)
        (run / "stage1" / name).unlink()
        assert resume(run, EAGER, "no/such/folder") == run / NAME
        assert "all stages are done" in capsys.readouterr().out
        assert not (run / "stage1" / name).exists()


def test_each_checkpoint_is_read_once(unbroken: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are large."""
    read: list[Path] = []

    def counted(folder: Path) -> dict[str, Any]:
        read.append(folder)
        return load_run(folder)

    monkeypatch.setattr(stages, "load_run", counted)
    shutil.copytree(unbroken, tmp_path / "run")
    resume(tmp_path / "run", EAGER)
    resume(tmp_path / "run" / "stage2", EAGER)
    assert [folder.name for folder in read] == ["stage1", "stage2"] * 2


def test_a_trained_stage_needs_no_pictures_for_its_files(
    unbroken: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Learner, "prepare", None)  # would measure the curvature
    shutil.copytree(unbroken, tmp_path / "run")
    for folder in (tmp_path / "run", tmp_path / "run" / "stage2"):
        (folder / NAME).unlink()
    resume(tmp_path / "run", EAGER, "no/such/folder")
    assert_same(tmp_path / "run", unbroken)


def test_a_stage_is_resumed_from_its_own_folder(
    unbroken: Path, drawn: Path, tmp_path: Path, train_until: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As ``.``, or by a link."""
    for index, place in enumerate((Path(), tmp_path / "link")):
        run = tmp_path / f"run{index}"
        shutil.copytree(unbroken, run)
        for folder in (run, run / "stage2"):
            (folder / NAME).unlink()
        (tmp_path / "link").unlink(missing_ok=True)
        (tmp_path / "link").symlink_to(run / "stage2")
        monkeypatch.chdir(run / "stage2")
        assert resume(place, EAGER) == run / NAME
        assert_same(run, unbroken)


def test_a_run_that_lost_its_recipe(unbroken: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(unbroken, run)
    (run / "recipe.toml").unlink()
    with pytest.raises(TrainingError, match=r"recipe\.toml: is missing.* by --resume .*stage2"):
        resume(run, EAGER)
    assert resume(run / "stage2", EAGER) == run / "stage2" / NAME


def test_two_processes_do_not_train_in_one_folder(
    unbroken: Path, drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second one ends at once, whether it resumes the run or a stage of it; later the folder is free again."""
    run, step = tmp_path / "run", Learner.step
    refused: list[Path] = []

    def step_twice(self: Learner, *given: Any) -> torch.Tensor:  # noqa: ANN401
        if len(refused) < 2 and (run / "stage1" / "checkpoint.pt").exists():
            for folder in (run, run / "stage1"):
                with pytest.raises(TrainingError, match="run: another process is training here"):
                    resume(folder, EAGER)
                refused.append(folder)
        return step(self, *given)

    monkeypatch.setattr(Learner, "step", step_twice)
    train(TWO, drawn, drawn, run, dataclasses.replace(EAGER, threads=1))
    assert len(refused) == 2
    assert_same(run, unbroken)
    resume(run, EAGER)


def test_a_folder_that_cannot_be_locked_is_trained_in(
    drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for error in (NotImplementedError(), OSError(37, "No locks available")):
        with monkeypatch.context() as patch:

            def fail(*_: object, error: Exception = error, **__: object) -> None:
                raise error

            patch.setattr(FileLock, "acquire", fail)
            assert train(with_training(steps=1, warmup=0), drawn, None, tmp_path / type(error).__name__).is_file()


def test_a_run_that_fails_at_its_pictures_leaves_no_folder(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "a.png").write_bytes(b"torn")
    with pytest.raises(DataError, match="no image that can be read is as large as a crop"):
        train(ADAM, tmp_path / "pictures", None, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def taught(recipe: Recipe, teacher: Path) -> Recipe:
    training = dataclasses.replace(recipe.training, teacher=str(teacher))
    return dataclasses.replace(recipe, training=training)


def test_a_later_stages_teacher_is_kept_from_the_start(
    drawn: Path, tmp_path: Path, train_until: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever happens to the original while the first stage trains."""
    teacher = tmp_path / "teacher.safetensors"
    shutil.copy(train(with_training(steps=2, warmup=0), drawn, None, tmp_path / "other"), teacher)
    recipe = join_stages([ADAM, taught(NEWTON, teacher)])
    train(recipe, drawn, None, tmp_path / "whole")
    train_until(3, recipe, drawn, None, tmp_path / "run")
    teacher.unlink()
    capsys.readouterr()
    resume(tmp_path / "run", EAGER)
    copy = tmp_path / "run" / "stage2" / "teacher.safetensors"
    assert f"learning from {copy} ({teacher})\n" in capsys.readouterr().out
    assert (tmp_path / "run" / NAME).read_bytes() == (tmp_path / "whole" / NAME).read_bytes()
    assert load_checkpoint(tmp_path / "run" / NAME).card["teacher"] == str(teacher)
    with pytest.raises(UsageError, match=r"teacher\.safetensors: no such network to learn from"):
        train(recipe, drawn, None, tmp_path / "third")
    assert not (tmp_path / "third").exists(), "found before the first stage, not after"


def test_later_stages_are_checked_before_the_first(drawn: Path, tmp_path: Path) -> None:
    nobody = dataclasses.replace(NEWTON, training=dataclasses.replace(NEWTON.training, teacher="m99"))
    with pytest.raises(UsageError, match="no network to learn from: no finished run runs/m99_x2"):
        train(join_stages([ADAM, nobody]), drawn, None, tmp_path / "run")
    with pytest.raises(DataError, match="none: no such folder"):
        train(TWO, drawn, tmp_path / "none", tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ({"pictures": ("zz*",)}, r"no file name of its 3 images matches zz\*; change pictures"),
        ({"crop": 500}, "no image that can be read is as large as a crop, 1000 pixels a side"),
    ],
)
def test_later_stages_pictures_are_checked_before_the_first(
    data: dict[str, Any], problem: str, drawn: Path, tmp_path: Path
) -> None:
    """By names and headers."""
    later = dataclasses.replace(NEWTON, data=dataclasses.replace(NEWTON.data, **data))
    with pytest.raises(DataError, match=problem):
        train(join_stages([ADAM, later]), drawn, None, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_room_for_a_later_stages_curvature_is_checked_before_the_first(
    drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(curvature, "free_memory", lambda: 1000)
    with pytest.raises(TrainingError, match=r"gauss-newton for .* weights needs"):
        train(TWO, drawn, None, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_run_of_stages_is_a_network_to_start_and_to_learn_from(
    unbroken: Path, drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its folder, and by its name."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(unbroken, "runs/tiny_x2")
    still = {"steps": 1, "warmup": 1, "learning_rate": 1e-30}
    for source in ("tiny", "runs/tiny_x2"):
        made = train(
            with_training(**still, init_from=source, teacher=source), drawn, None, tmp_path / Path(source).name
        )
        one, other = load_checkpoint(unbroken / NAME).tensors, load_checkpoint(made).tensors
        assert all(np.allclose(one[name], other[name], atol=1e-6) for name in one)


def test_a_run_of_epochs_is_resumed_by_its_steps(drawn: Path, tmp_path: Path, train_until: Callable[..., None]) -> None:
    data = dataclasses.replace(RECIPE.data, sampling="images", crops_per_image=4)
    by_epochs = dataclasses.replace(with_training(steps=0, epochs=2, warmup=0), data=data)
    recipe = join_stages([by_epochs, dataclasses.replace(NEWTON, data=data)])
    train(recipe, drawn, None, tmp_path / "whole")
    train_until(7, recipe, drawn, None, tmp_path / "run")
    resume(tmp_path / "run", EAGER)
    assert (tmp_path / "run" / NAME).read_bytes() == (tmp_path / "whole" / NAME).read_bytes()
    assert "6 steps of adam" in load_checkpoint(tmp_path / "run" / NAME).card["stages"]["1"]


def test_a_second_tflite_is_copied_too(drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the way, PyTorch's memory on a GPU is given back once, between the stages."""
    emptied: list[None] = []
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: emptied.append(None))
    recipe = join_stages([with_training(steps=1, warmup=0), with_training(steps=1, warmup=0, seed=1)])
    train(recipe, drawn, None, tmp_path / "run")
    assert len(emptied) == 1
    resume(tmp_path / "run", dataclasses.replace(EAGER, tflite_size=(30, 40)))
    assert (tmp_path / "run" / "sesr_tiny_x2_30x40.tflite").is_file()


@pytest.mark.slow
def test_compiled_stages_do_not_depend_on_those_before(drawn: Path, tmp_path: Path) -> None:
    """The second stage's step is compiled for its own batch, as in a process that begins with it."""
    options = dataclasses.replace(EAGER, compile_step=True)
    train(TWO, drawn, drawn, tmp_path / "whole", options)
    train(TWO, drawn, drawn, tmp_path / "parts", options, stage=1)
    torch.compiler.reset()
    train(TWO, drawn, drawn, tmp_path / "parts", options, stage=2)
    assert_same(tmp_path / "parts", tmp_path / "whole")


def test_several_validation_sets(drawn: Path, tmp_path: Path) -> None:
    """Each has its column, its mean counts like the others', and the card lists all."""
    sets = (str(drawn), f"{drawn}/[01]*", str(drawn / "2.png*"))
    from sesr.training.run import train as train_from

    path = train_from(
        with_training(steps=4, warmup=0, validate_every=2), Sources(str(drawn), sets), tmp_path / "run", EAGER
    )
    columns = [column(tmp_path / "run", f"psnr_{name}") for name in (drawn.name, "01", "2.png")]
    assert [len(values) for values in columns] == [2, 2, 2]
    whole, two, one = (np.array(values) for values in columns)
    np.testing.assert_allclose(whole, (2 * two + one) / 3, rtol=1e-6)
    mean = column(tmp_path / "run", "validation_psnr")
    np.testing.assert_allclose(mean, (whole + two + one) / 3, rtol=1e-6)
    card = load_checkpoint(path).card
    assert card["validation_mean_db"] == pytest.approx(mean[-1], abs=1e-3)
    assert "validation_db" not in card  # that is of a single set
    assert card["validation_sets_db"] == {
        name: pytest.approx(values[-1], abs=1e-3)
        for name, values in zip((drawn.name, "01", "2.png"), columns, strict=True)
    }


def test_a_float_stage_before_an_int8_one(drawn: Path, tmp_path: Path) -> None:
    """Each stage's network has its own name; the run's is the last one's."""
    network = dataclasses.replace(RECIPE.network, activation="relu")
    plain = [with_training(steps=2, warmup=0, amsgrad=False, quant_w=int8, quant_a=int8) for int8 in (False, True)]
    recipe = join_stages(dataclasses.replace(each, network=network, card=CardRecipe()) for each in plain)
    path = train(recipe, drawn, None, tmp_path / "run")
    assert path == tmp_path / "run" / f"sesr_{network.int8_name}_x2.safetensors"
    assert load_quantized(path).card["quantised"] == "weights and features"
    assert load_checkpoint(tmp_path / "run" / "stage1" / f"sesr_{network.name}_x2.safetensors").config == network


def test_adam_goes_on_from_gauss_newton(drawn: Path, tmp_path: Path) -> None:
    """Narrow weights become wide ones that compute the same."""
    still = with_training(steps=1, warmup=1, learning_rate=1e-30)
    path = train(join_stages([*TWO.stages, still]), drawn, None, tmp_path / "run")
    one, other = load_checkpoint(tmp_path / "run" / "stage2" / NAME).tensors, load_checkpoint(path).tensors
    assert all(np.allclose(one[name], other[name], atol=1e-6) for name in one)
