"""Networks that a recipe names: runs come before shipped networks, and what does not exist is reported."""

import dataclasses
from pathlib import Path

import pytest

pytest.importorskip("msgspec")

from sesr.errors import UsageError
from sesr.network.variants import SESRConfig
from sesr.training.named import find_initial, find_teacher
from sesr.training.recipe import Recipe, TrainingRecipe


def recipe(scale: int = 2, m: int = 5, **training: object) -> Recipe:
    return Recipe(SESRConfig(m=m, scale=scale), training=dataclasses.replace(TrainingRecipe(), **training))  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test works in its own folder, which holds no runs yet."""
    monkeypatch.chdir(tmp_path)


def make_run(name: str) -> Path:
    folder = Path("runs") / name
    folder.mkdir(parents=True)
    (folder / f"sesr_{name}.safetensors").touch()
    return folder


def test_a_recipe_that_names_nothing() -> None:
    assert find_initial(recipe()) is None
    assert find_teacher(recipe()) is None


def test_a_name_is_a_shipped_network_of_x2_to_start_from_and_of_the_same_scale_to_learn_from() -> None:
    initial, teacher = find_initial(recipe(4, init_from="m5")), find_teacher(recipe(4, teacher="xl"))
    assert initial is not None
    assert teacher is not None
    assert (initial.name, teacher.name) == ("sesr_m5_x2.safetensors", "sesr_xl_x4.safetensors")
    assert initial.is_file()
    assert teacher.is_file()


def test_a_name_to_start_from_may_tell_the_scale() -> None:
    initial = find_initial(recipe(4, init_from="m5_x4"))
    assert initial is not None
    assert initial.name == "sesr_m5_x4.safetensors"
    assert find_initial(recipe(2, init_from="m5_x2", quant_w=True, amsgrad=True)) != initial
    run = make_run("m5_x4")
    assert find_initial(recipe(4, init_from="m5_x4")) == run
    with pytest.raises(UsageError, match=r"no network to start from: no finished run runs/m6_x4; network 'm6'"):
        find_initial(recipe(4, init_from="m6_x4"))


def test_a_run_comes_before_the_shipped_network() -> None:
    x2, x4 = make_run("m5_x2"), make_run("m5_x4")
    Path("m5").touch()  # a file that is no network
    assert find_initial(recipe(3, init_from="m5")) == x2
    assert find_initial(recipe(4, init_from="m5")) == x2
    assert find_teacher(recipe(4, teacher="m5")) == x4 / "sesr_m5_x4.safetensors"


@pytest.mark.parametrize(
    ("scale", "training", "found"),
    [
        (4, {"quant_w": True, "quant_a": True}, "m7_x4"),
        (4, {"quant_w": True}, "m7_x4"),
        (3, {"quant_w": True, "quant_a": True}, "m7_x2"),
        (4, {}, "m7_x2"),
    ],
)
def test_int8_starts_from_the_network_of_its_own_scale(scale: int, training: dict[str, bool], found: str) -> None:
    """A float network of another scale starts from x2; int8 from the float network that it is to become."""
    make_run("m7_x2")
    make_run("m7_x4")
    assert find_initial(recipe(scale, init_from="m7", **training)) == Path("runs") / found


@pytest.mark.parametrize("path", ["somewhere/else", "my.safetensors"])
def test_a_path_is_taken_as_it_is(path: str) -> None:
    Path(path).mkdir(parents=True)
    (Path(path) / "sesr_any.safetensors").touch()
    assert find_initial(recipe(init_from=path)) == Path(path)
    assert find_teacher(recipe(teacher=path)) == Path(path) / "sesr_any.safetensors"


def test_a_path_that_leads_nowhere_is_reported_with_the_folder_it_counts_from(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"such network to start from in .*, the working directory; run from the proj"):
        find_initial(recipe(init_from="recipes/start/none.safetensors"))
    with pytest.raises(UsageError, match=r"no such network to start from; name another with --init-from$"):
        find_initial(recipe(init_from=str(tmp_path / "none.safetensors")))
    with pytest.raises(
        UsageError, match=r"such network to learn from in .*; run from the project's root, or .*--teacher$"
    ):
        find_teacher(recipe(teacher="recipes/start/none.safetensors"))


def test_a_run_in_the_working_directory() -> None:
    Path("mine").mkdir()
    Path("mine/checkpoint.pt").touch()
    assert find_initial(recipe(init_from="mine")) == Path("mine")


@pytest.mark.parametrize("count", [0, 1, 2])
def test_a_teachers_folder_holds_one_network(count: int) -> None:
    Path("some").mkdir()
    for index in range(count):
        Path(f"some/sesr_{index}.safetensors").touch()
    if count == 1:
        assert find_teacher(recipe(teacher="some")) == Path("some/sesr_0.safetensors")
        return
    with pytest.raises(UsageError, match=f"some: holds {count} networks to learn from; name a .safetensors"):
        find_teacher(recipe(teacher="some"))


def test_what_does_not_exist_is_reported_with_a_remedy() -> None:
    with pytest.raises(
        UsageError,
        match=r"no network to start from: no finished run runs/m9f16_x2; .*: --init-from none",
    ):
        find_initial(recipe(4, init_from="m9f16"))
    with pytest.raises(UsageError, match=r"no network to learn from: no finished run runs/m9_x2; .*--teacher none"):
        find_teacher(recipe(teacher="m9"))
    with pytest.raises(UsageError, match=r"runs/m9_x2: no such run to learn from; train recipes/m9_x2\.toml"):
        find_teacher(recipe(teacher="runs/m9_x2"))
    with pytest.raises(UsageError, match=r"runs/m9_x2: no such run to start from; train recipes/m9_x2\.toml"):
        find_initial(recipe(init_from="runs/m9_x2"))
    stage = r"runs/m9_x2/stage2: no such stage to start from; train recipes/m9_x2\.toml --stage 2, or --init-from"
    with pytest.raises(UsageError, match=stage):
        find_initial(recipe(init_from="runs/m9_x2/stage2"))
