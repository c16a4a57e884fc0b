"""Checkpoints: a run's whole state, refused where it is damaged, of other pictures, or of a run that has diverged."""

from pathlib import Path

import pytest

pytest.importorskip("torch")

import torch
from tests.tiny_training import ALONE, RECIPE, with_training

from sesr.data.crops import Batch
from sesr.errors import TrainingError
from sesr.training.checkpoint import RunProgress, load_run, restore_run, save_run
from sesr.training.layout import CHECKPOINT
from sesr.training.learner import Learner
from sesr.training.recipe_file import parse_recipe
from sesr.training.sources import Sources

SOURCES = Sources("pictures", "watch")
IMAGES = [3, 1000, 42]


def learner(steps: int = 0, optimizer: str = "adam") -> Learner:
    """A learner that took some steps on noise."""
    made = Learner(with_training(optimizer=optimizer, warmup=0), ALONE, compile_step=False)
    for number in range(steps):
        made.step(number, Batch(torch.full((2, 1, 8, 8), number / 9), torch.full((2, 1, 16, 16), 0.3)))
    return made


@pytest.mark.parametrize("optimizer", ["adam", "soap"])
def test_a_restored_learner_steps_as_the_saved_one(tmp_path: Path, optimizer: str) -> None:
    saved = learner(3, optimizer)
    save_run(tmp_path, saved, RunProgress(3, [torch.tensor(0.5)], {"a": 31.5}), SOURCES, IMAGES)
    content = load_run(tmp_path)
    other = learner(0, optimizer)
    progress = restore_run(content, other, IMAGES, tmp_path)
    assert (progress.step, [float(loss) for loss in progress.losses], progress.validation_psnr) == (3, [0.5], 31.5)
    assert parse_recipe(content["recipe"]) == saved.recipe
    assert Sources(**content["sources"]) == SOURCES
    batch = Batch(torch.full((2, 1, 8, 8), 0.7), torch.full((2, 1, 16, 16), 0.2))
    assert torch.equal(saved.step(3, batch), other.step(3, batch))
    for one, two in zip([*saved.parameters, *saved.mean], [*other.parameters, *other.mean], strict=True):
        assert torch.equal(one, two)


def test_other_pictures_are_refused(tmp_path: Path) -> None:
    save_run(tmp_path, learner(), RunProgress(), SOURCES, IMAGES)
    with pytest.raises(TrainingError, match="was trained on other images, or by another teacher"):
        restore_run(load_run(tmp_path), learner(), [3, 1000, 43], tmp_path)


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
@pytest.mark.parametrize("where", ["weights", "losses"])
def test_a_run_that_has_diverged_is_not_saved(tmp_path: Path, value: float, where: str) -> None:
    broken, losses = learner(1), [torch.tensor(0.1)]
    save_run(tmp_path, broken, RunProgress(1, losses), SOURCES, IMAGES)
    before = (tmp_path / CHECKPOINT).read_bytes()
    if where == "weights":
        with torch.no_grad():
            broken.parameters[0].flatten()[0] = value
    else:
        losses.append(torch.tensor(value))
    with pytest.raises(TrainingError, match="the training diverged near step 2"):
        save_run(tmp_path, broken, RunProgress(2, losses), SOURCES, IMAGES)
    assert (tmp_path / CHECKPOINT).read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == [CHECKPOINT]


def test_a_folder_without_a_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=rf"{tmp_path}: not a run, it holds no checkpoint\.pt"):
        load_run(tmp_path)


@pytest.mark.parametrize("keep", [0, 1, 2])
def test_a_damaged_checkpoint_is_named(tmp_path: Path, keep: int) -> None:
    """Empty, cut in the middle, and with entries missing."""
    path = tmp_path / CHECKPOINT
    save_run(tmp_path, learner(), RunProgress(), SOURCES, IMAGES)
    if keep == 2:
        torch.save({"step": 3}, path)
    else:
        path.write_bytes(path.read_bytes()[: keep * path.stat().st_size // 2])
    with pytest.raises(TrainingError, match=r"checkpoint\.pt: not a whole checkpoint of this version; remove it"):
        load_run(tmp_path)


def test_the_recipe_is_saved_as_the_learner_has_it(tmp_path: Path) -> None:
    made = learner()
    made.recipe = RECIPE.with_steps(10)
    save_run(tmp_path, made, RunProgress(), SOURCES, IMAGES)
    assert parse_recipe(load_run(tmp_path)["recipe"]) == made.recipe


def test_older_checkpoints_hold_one_validation(tmp_path: Path) -> None:
    """Without the name of its set; and one set as a text."""
    save_run(tmp_path, learner(), RunProgress(), SOURCES, IMAGES)
    saved = load_run(tmp_path)
    del saved["validation"]
    for before, expected in ((31.5, 31.5), (None, None)):
        progress = restore_run(saved | {"validation_psnr": before}, learner(), IMAGES, tmp_path)
        assert progress.validation_psnr == expected
    assert Sources(data="a", validation="b").sets() == {"b": "b"}


@pytest.mark.parametrize("error", [RuntimeError("[enforce fail at inline_container.cc:672]"), OSError(28, "No space")])
def test_a_full_disk_keeps_the_last_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """PyTorch raises a `RuntimeError` then."""
    save_run(tmp_path, learner(1), RunProgress(1), SOURCES, IMAGES)

    def full(_: object, path: Path) -> None:
        path.write_bytes(b"half")
        raise error

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(TrainingError, match=r"checkpoint\.pt: cannot be written \(.*\); make room, then go on"):
        save_run(tmp_path, learner(1), RunProgress(2), SOURCES, IMAGES)
    assert load_run(tmp_path)["step"] == 1
    assert [path.name for path in tmp_path.iterdir()] == [CHECKPOINT]
