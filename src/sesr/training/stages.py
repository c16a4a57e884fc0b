"""The stages of a run: what is done, what is to do, and from what each one starts.

A recipe of one stage is trained in the run's folder itself. With several, each is trained in a folder of its own
(`sesr.training.layout`). Every stage after the first starts from the checkpoint at the end of the stage before it.
Networks that stages learn from are copied into their folders when the run begins, so that the run ends in the same
weights wherever it is killed and resumed, and whatever happens to the originals meanwhile.
"""

import dataclasses
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sesr.atomic import writing
from sesr.errors import TrainingError
from sesr.training.checkpoint import load_run
from sesr.training.layout import CHECKPOINT, RECIPE, TEACHER, begun_stages, is_run, stage_folder
from sesr.training.named import find_initial, find_teacher
from sesr.training.recipe import Recipe, join_stages
from sesr.training.recipe_file import load_recipe, parse_recipe, to_toml
from sesr.training.recipe_options import check_stage
from sesr.training.sources import Sources
from sesr.training.teacher import load_teacher


@dataclass(frozen=True)
class Stage:
    """A stage that is to be trained, or whose training goes on.

    Attributes:
        number: 1, 2, ...
        recipe: what it computes. If it starts from the stage before, `init_from` names that stage's folder.
        folder: its folder.
        initial: run or network to start from; None starts from fresh weights.
        teacher: network to learn from; None learns from HR alone.
        saved: content of the checkpoint to continue from; None starts the stage.
    """

    number: int
    recipe: Recipe
    folder: Path
    initial: Path | None = None
    teacher: Path | None = None
    saved: dict[str, Any] | None = None

    @property
    def network(self) -> Path:
        """Path of the network's file, written when the stage is finished."""
        return network_file(self.folder, self.recipe)

    @property
    def step(self) -> int:
        """Steps done."""
        return int(self.saved["step"]) if self.saved else 0

    @property
    def trained(self) -> bool:
        """True if all steps are done; the network's files may still be missing."""
        return 0 < self.step == self.recipe.training.steps


@dataclass(frozen=True)
class Stages:
    """A run's stages, and those of them that are to be trained now.

    Attributes:
        folder: the run's folder.
        recipe: the whole recipe; stages that have begun are as they were begun.
        todo: stages to train, in order; empty if all are finished.
        sources: pictures of the latest stage that has begun; None if none has.
    """

    folder: Path
    recipe: Recipe
    todo: tuple[Stage, ...]
    sources: Sources | None = None

    @property
    def several(self) -> bool:
        """True if the stages have folders of their own."""
        return bool(self.recipe.earlier)

    @property
    def ends(self) -> bool:
        """True if the recipe's last stage is finished when those to do are."""
        return not self.todo or self.todo[-1].number == len(self.recipe.stages)

    def write_recipe_and_teachers(self) -> None:
        """Write the whole recipe into the run's folder, and the networks to learn from into the stages' folders."""
        if not self.several:
            return
        with writing(self.folder / RECIPE) as temporary:
            temporary.write_text(to_toml(self.recipe), encoding="utf-8")
        for stage in self.todo[1:]:  # the first has done so itself
            copy = stage.folder / TEACHER
            if stage.teacher not in (None, copy):
                assert stage.teacher is not None
                stage.folder.mkdir(exist_ok=True)
                load_teacher(stage.teacher, stage.recipe.network.scale).to_checkpoint({}).save(copy)

    def copy_up(self, size: tuple[int, int] | None) -> Path:
        """Copy the last stage's network into the run's folder; return the path of its safetensors.

        Args:
            size: height and width of the second `.tflite`, if there is one.
        """
        last = network_file(stage_folder(self.folder, len(self.recipe.stages)), self.recipe)
        for file in network_files(last, size):
            with writing(self.folder / file.name) as temporary:
                shutil.copyfile(file, temporary)
        return self.folder / last.name


def network_file(folder: Path, recipe: Recipe) -> Path:
    """Return the path of a run's network."""
    return folder / f"sesr_{recipe.stem}.safetensors"


def tflite_of_size(path: Path, size: tuple[int, int]) -> Path:
    """Return the path of the `.tflite` for a height and width, next to a run's network."""
    return path.with_name(f"{path.stem}_{size[0]}x{size[1]}.tflite")


def network_files(path: Path, size: tuple[int, int] | None) -> list[Path]:
    """Return the paths of all files of a run's network, its safetensors first."""
    return [path, path.with_suffix(".tflite"), *([tflite_of_size(path, size)] if size else [])]


def begin(recipe: Recipe, folder: Path, number: int | None = None) -> Stages:
    """Return the stages of a run that begins, or that goes on by one stage.

    Args:
        recipe: the whole recipe. The networks that it names are found as `sesr.training.named` says.
        folder: the run's folder, which need not exist.
        number: number of the only stage to train; None trains all.

    Raises `TrainingError` if what is to begin has begun already, or the stage before is not finished, and `UsageError`
    for a named network that does not exist or a number that the recipe does not have.
    """
    check_stage(recipe, number)
    if not recipe.earlier:
        _refuse_begun(folder, is_run(folder))
        return Stages(folder, recipe, (Stage(1, recipe, folder, find_initial(recipe), find_teacher(recipe)),))
    begun = begun_stages(folder)
    _refuse_begun(folder, (folder / CHECKPOINT).exists() or (number is None and bool(begun)))
    if number is None:
        return Stages(folder, recipe, tuple(_fresh(recipe, folder, each) for each in range(1, len(recipe.stages) + 1)))
    _refuse_begun(stage_folder(folder, number), number in begun)
    if begun and max(begun) > number:
        raise TrainingError(
            f"{begun[max(begun)]}: was trained after stage {number}; move it away, or name another --run"
        )
    loaded = _load(begun)
    if number > 1:
        _check_trained(stage_folder(folder, number - 1), number - 1, loaded.get(number - 1))
    whole = _as_begun(recipe, loaded)
    return Stages(folder, whole, (_fresh(whole, folder, number),))


def pick_up(folder: Path, size: tuple[int, int] | None = None) -> Stages:
    """Return the stages of a run that is resumed.

    Args:
        folder: a run's folder, or that of a single stage, which is then the only one to train.
        size: height and width of a second `.tflite` that is wanted.

    Raises `TrainingError` if there is nothing to continue from, and `RecipeError` if the run's recipe is damaged.
    """
    folder = _resolved(folder)
    numbered = re.fullmatch(r"stage(\d+)", folder.name)
    if numbered and _of_several(folder.parent):
        number = int(numbered[1])
        loaded = _load(begun_stages(folder.parent))
        stage = loaded[number] if number in loaded else _begun(number, folder)
        return Stages(folder.parent, _as_begun(load_recipe(folder.parent / RECIPE), loaded), (stage,), _sources(stage))
    begun = begun_stages(folder)
    if (folder / CHECKPOINT).exists() or not _of_several(folder):
        _expect_recipe(folder, begun)
        alone = _begun(1, folder)
        return Stages(folder, alone.recipe, (alone,), _sources(alone))
    if not begun:
        raise TrainingError(f"{folder}: was stopped before its first checkpoint; start it again by its recipe")
    loaded = _load(begun)
    whole = _as_begun(load_recipe(folder / RECIPE), loaded)
    count = len(whole.stages)
    latest = loaded[max(number for number in loaded if number <= count)]
    finished = _is_finished(latest, size if latest.number == count else None)
    later = tuple(_fresh(whole, folder, number, continued=True) for number in range(latest.number + 1, count + 1))
    return Stages(folder, whole, later if finished else (latest, *later), _sources(latest))


def _resolved(folder: Path) -> Path:
    """Return a folder by its own name, if ``.``, ``..`` or a symbolic link stands for it."""
    real = folder.resolve()
    return folder if folder.name and folder.absolute() == real else real


def _expect_recipe(folder: Path, begun: dict[int, Path]) -> None:
    """Refuse a run of several stages whose recipe was lost."""
    if begun and not (folder / CHECKPOINT).exists() and not (folder / RECIPE).exists():
        raise TrainingError(
            f"{folder / RECIPE}: is missing, so the run's stages are not known; put it back, "
            f"or finish the last stage alone by --resume {begun[max(begun)]}"
        )


def _refuse_begun(folder: Path, begun: bool) -> None:
    if begun:
        raise TrainingError(f"{folder}: holds a run already; go on with it by --resume {folder}, or name another --run")


def _check_trained(folder: Path, number: int, stage: Stage | None) -> None:
    """Refuse to go on from a stage that has not begun, or not ended."""
    if stage is None:
        raise TrainingError(f"{folder}: holds no run to start from; train --stage {number} first")
    if not stage.trained:
        steps = f"{stage.step:,} of {stage.recipe.training.steps:,} steps"
        raise TrainingError(f"{folder}: has done {steps}; go on with it by --resume {folder}")


def _of_several(folder: Path) -> bool:
    """Return True if a folder is that of a run of several stages."""
    return (folder / RECIPE).exists() and bool(load_recipe(folder / RECIPE).earlier)


def _is_finished(stage: Stage, size: tuple[int, int] | None) -> bool:
    return stage.trained and all(file.exists() for file in network_files(stage.network, size))


def _load(begun: dict[int, Path]) -> dict[int, Stage]:
    return {number: _begun(number, folder) for number, folder in begun.items()}


def _begun(number: int, folder: Path) -> Stage:
    saved = load_run(folder)
    recipe = parse_recipe(saved["recipe"])
    return Stage(number, recipe, folder, None, folder / TEACHER if recipe.training.teacher else None, saved)


def _fresh(whole: Recipe, folder: Path, number: int, *, continued: bool = False) -> Stage:
    """Return a stage that has not begun. In a run that is continued, the teacher that was copied for it counts."""
    recipe, own = whole.stages[number - 1], stage_folder(folder, number)
    teacher = (
        own / TEACHER if continued and recipe.training.teacher and (own / TEACHER).exists() else find_teacher(recipe)
    )
    if number == 1:
        return Stage(number, recipe, own, find_initial(recipe), teacher)
    before = stage_folder(folder, number - 1)
    return Stage(number, _starting_from(str(before), recipe), own, before, teacher)


def _as_begun(recipe: Recipe, begun: dict[int, Stage]) -> Recipe:
    """Return a whole recipe with the stages that have begun as they were begun, but with the recipe's card."""
    stages = list(recipe.stages)
    for number, stage in begun.items():
        if number > len(stages):
            continue
        own = dataclasses.replace(stage.recipe, card=recipe.card)
        if own.network != recipe.network:
            raise TrainingError(f"{stage.folder}: trained another network than the recipe's; name another --run")
        stages[number - 1] = own if number == 1 else _starting_from("", own)
    return join_stages(stages)


def _starting_from(source: str, recipe: Recipe) -> Recipe:
    return dataclasses.replace(recipe, training=dataclasses.replace(recipe.training, init_from=source))


def _sources(stage: Stage) -> Sources:
    assert stage.saved is not None
    return Sources(**stage.saved["sources"])
