"""Recipes are strict: what is not understood is refused, with the nearest thing that would be understood."""

import dataclasses
import math
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, strategies

pytest.importorskip("msgspec")

from sesr.data.settings import DataRecipe
from sesr.errors import RecipeError, UsageError
from sesr.network.variants import SESRConfig
from sesr.training.recipe import Recipe, TrainingRecipe, join_stages
from sesr.training.recipe_file import load_recipe, parse_recipe, to_toml
from sesr.training.recipe_options import OPTIONS, with_options

NEWTON = {"optimizer": "gauss-newton", "amsgrad": False}


def test_numbers_become_floats_where_a_field_is_one() -> None:
    recipe = parse_recipe({"training": {"learning_rate": 1, "checkpoint_minutes": 2}, "card": {"hours": 3}})
    values = recipe.training.learning_rate, recipe.training.checkpoint_minutes, recipe.card.hours
    assert [type(value) for value in values] == [float] * 3


def test_recipes_made_in_python_are_checked_too() -> None:
    with pytest.raises(RecipeError, match=r"\[training\] batch must be a whole number of 1 or more, not 0"):
        Recipe(training=dataclasses.replace(TrainingRecipe(), batch=0))
    with pytest.raises(RecipeError, match=r"\[data\] sampling must be one of pixels, images, not 'pixel'"):
        Recipe(data=DataRecipe(sampling="pixel"))  # type: ignore[arg-type]


def test_round_trip() -> None:
    recipe = parse_recipe({"training": {"betas": [0.9, 0.99], "learning_rate": 1, "steps": 7}})
    assert recipe.training.betas == (0.9, 0.99)
    tables = recipe.to_dict()
    tables["training"]["betas"] = list(tables["training"]["betas"])
    tables["data"]["pictures"] = list(tables["data"]["pictures"])
    tables["data"]["weights"] = [list(pair) for pair in tables["data"]["weights"]]
    assert parse_recipe(tables) == recipe
    assert parse_recipe({}) == Recipe()


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"trainig": {}}, "unknown table 'trainig': did you mean 'training'"),
        ({"training": {"learning_rat": 1.0}}, r"\[training\] unknown key 'learning_rat': did you mean 'learning_rate'"),
        ({"training": {"qqq": 1}}, "unknown key 'qqq': there are seed, epochs, steps"),
        ({"training": {"steps": "many"}}, r"\[training\] steps must be a whole number of 0 or more, not 'many'"),
        ({"training": {"steps": True}}, "steps must be a whole number of 0 or more, not True"),
        ({"training": {"steps": -1}}, "steps must be a whole number of 0 or more, not -1"),
        ({"card": {"name": "a/b"}}, r"\[card\] name must be a text of letters"),
        ({"training": {"epochs": 0}}, "epochs must be a whole number of 1 or more"),
        ({"training": {"optimizer": "soap"}}, "amsgrad is Adam's; set it to false"),
        ({"training": {"batch": 0}}, "batch must be a whole number of 1 or more"),
        ({"training": {"warmup": 10, "steps": 5}}, "warmup must not be above steps; lower it"),
        ({"training": {"learning_rate": -1.0}}, "learning_rate must be a number above 0"),
        ({"training": {"ema": 1.0}}, "ema must be a number from 0 up to, but not including, 1, not 1.0"),
        ({"training": {"betas": [0.9]}}, "betas must be a list of 2 numbers"),
        ({"training": {"betas": [0.9, 1.0]}}, "betas must be a list of 2 numbers from 0 up to"),
        ({"training": {"schedule": "linear"}}, "schedule must be one of constant, cosine"),
        ({"data": {"crop": 0}}, "crop must be a whole number of 1 or more"),
        ({"data": {"weights": [["a*", 0]]}}, "weights must be a list of pairs of a text and a number above 0"),
        (
            {"data": {"weights": [["a*"]]}},
            r'weights must be a list of pairs .* such as \[\["bsd200_\*", 8\]\], not ',
        ),
        (
            {"data": {"weights": ["a*", 2]}},
            r'weights must be a list of pairs .* such as \[\["bsd200_\*", 8\]\], not ',
        ),
        ({"data": {"weights": {"a*": 2}}}, "weights must be a list of pairs"),
        ({"data": {"weights": [["a*", "2"]]}}, "weights must be a list of pairs"),
        ({"data": {"weights": [["a*", 2]], "sampling": "images"}}, 'weights need sampling = "pixels"'),
        ({"data": {"pictures": []}}, "pictures must be a list of at least one text"),
        ({"data": {"pictures": [3]}}, r"\[data\] pictures must be a list of at least one text"),
        ({"data": 3}, r"\[data\] must be a table"),
        ({"network": {"m": 5, "scale": 7}}, "scale 7 does not exist"),
        ({"network": {"f": 5}}, r"\[network\] lacks the key 'm'"),
        ({"training": {"learning_rate": math.inf}}, "learning_rate must be a number above 0"),
        ({"training": {"teacher_precision": "bfloat16"}}, "teacher_precision is a teacher's; name one"),
        ({"training": {"loss": "log-l2-picture"}}, "log-l2-picture needs a teacher; name one, or use log-l2"),
        (
            {"training": {"loss": "log-l2-picture", "teacher": "xl", "teacher_share": 0.5}},
            "log-l2-picture needs the teacher's answers alone; set teacher_share to 1",
        ),
        ({"training": NEWTON}, "gauss-newton needs loss log-l2-picture, log-l2, rmse or l2"),
        ({"training": NEWTON | {"loss": "l2", "quant_w": True}}, "gauss-newton cannot train for int8"),
        ({"training": NEWTON | {"loss": "rmse", "quant_a": True}}, "gauss-newton cannot train for int8"),
        ({"training": {"quant_w": True, "precision": "bfloat16"}}, "precision must be float32 to train for int8"),
        ({"training": NEWTON | {"loss": "l2", "amsgrad": True}}, "amsgrad is Adam's"),
        ({"training": {"damping": 0.0}}, "damping must be a number above 0"),
        ({"training": {"damping": math.inf}}, "damping must be a number above 0"),
        ({"training": {"curvature_crops": 0}}, "curvature_crops must be a whole number of 1 or more"),
        ({"training": {"quant_w": 1}}, r"\[training\] quant_w must be true or false, not 1"),
    ],
)
def test_refusals(tables: dict[str, Any], message: str) -> None:
    with pytest.raises((RecipeError, UsageError), match=message):
        parse_recipe(tables)


@pytest.mark.parametrize("loss", ["l2", "rmse", "log-l2", "log-l2-picture"])
def test_gauss_newton_with_a_loss_that_it_can(loss: str) -> None:
    recipe = parse_recipe({"training": NEWTON | {"loss": loss, "damping": 1, "teacher": "xl"}})
    assert (recipe.training.optimizer, recipe.training.loss, recipe.training.damping) == ("gauss-newton", loss, 1.0)


def test_int8_networks_have_names_of_their_own() -> None:
    """Both switches make an int8 network; one alone leaves a float one."""
    relu = {"network": {"m": 5, "activation": "relu"}}
    for training, stem in (
        ({"quant_w": True, "quant_a": True}, "m5-int8_x2"),
        ({"quant_w": True}, "m5-relu-w8_x2"),
        ({"quant_a": True}, "m5-relu-a8_x2"),
    ):
        assert parse_recipe(relu | {"training": training}).stem == stem
    assert with_options(Recipe(), {"quant_w": True, "quant_a": True, "activation": "relu"}).stem == "m5-int8_x2"


def test_without_a_teacher_its_settings_are_gone() -> None:
    taught = parse_recipe({"training": {"teacher": "xl", "teacher_share": 0.5, "teacher_precision": "bfloat16"}})
    training = with_options(taught, {"teacher": "none"}).training
    assert (training.teacher, training.teacher_share, training.teacher_precision) == ("", 1, "")
    newton = parse_recipe({"training": NEWTON | {"teacher": "xl", "loss": "log-l2-picture"}})
    assert with_options(newton, {"teacher": "none"}).training.loss == "log-l2"
    assert with_options(newton, {"teacher": "m11"}).training.loss == "log-l2-picture"


def test_int8_of_a_recipes_network_is_another_network() -> None:
    """The float network's card does not hold for it."""
    recipe = parse_recipe({"network": {"m": 5}, "card": {"name": "mine", "expected": "38 dB"}})
    assert with_options(recipe, {"steps": 7}).card.name == "mine"
    changed = with_options(recipe, {"quant_w": True, "quant_a": True})
    assert (changed.stem, changed.card.expected) == ("m5-prelu-int8_x2", "")


def test_errors_name_the_file(tmp_path: Path) -> None:
    path = tmp_path / "r.toml"
    with pytest.raises(RecipeError, match=r"r\.toml: No such file"):
        load_recipe(path)
    path.write_text("[training\n")
    with pytest.raises(RecipeError, match=r"r\.toml: not a TOML file"):
        load_recipe(path)
    path.write_text("[network]\nm = 5\nscale = 9\n")
    with pytest.raises(RecipeError, match=r"r\.toml: scale 9 does not exist"):
        load_recipe(path)


def test_a_written_recipe_reads_back(tmp_path: Path) -> None:
    recipe = parse_recipe(
        {"network": {"m": 3}, "card": {"data": 'ring "a"\n\u00fc'}, "training": {"learning_rate": 1e-5}}
    )
    (tmp_path / "again.toml").write_text(to_toml(recipe), encoding="utf-8")
    assert load_recipe(tmp_path / "again.toml") == recipe


def test_defaults_are_the_published_scripts() -> None:
    recipe = Recipe()
    network, training, data = recipe.network, recipe.training, recipe.data
    assert (network.m, network.f, network.feature_size, network.scale) == (5, 16, 256, 2)
    assert (training.epochs, training.batch, training.learning_rate, training.amsgrad) == (300, 32, 2e-4, True)
    assert (training.form, training.loss, training.schedule, training.ema) == ("collapsed", "l1", "constant", 0)
    assert (data.crop, data.crops_per_image, data.sampling) == (64, 64, "images")


def test_the_papers_recipe_is_its_text() -> None:
    """800 pictures, 64 crops each, 32 a step, 300 epochs: 480,000 steps."""
    recipe = load_recipe(Path(__file__).parents[2] / "recipes" / "paper_m5_x2.toml")
    full = recipe.with_steps(800 * recipe.data.crops_per_image / recipe.training.batch)
    assert (full.training.steps, full.training.validate_every) == (480_000, 1600)
    assert (full.training.learning_rate, full.training.amsgrad, full.training.ema) == (5e-4, True, 0)


def test_steps_come_from_epochs_unless_given() -> None:
    assert parse_recipe({"training": {"epochs": 3}}).with_steps(2.5).training.steps == 8
    assert parse_recipe({"training": {"epochs": 3, "steps": 5}}).with_steps(2.5).training.steps == 5


def test_options_change_what_they_name() -> None:
    values: dict[str, Any] = {
        "epochs": 7, "steps": 9, "batch_size": 8, "learning_rate": 1e-3, "scale": 2, "m": 3, "int_features": 8,
        "feature_size": 64, "linear_block_type": "expanded", "precision": "tf32", "init_from": "m3",
        "teacher": "xl", "activation": "relu", "quant_w": True, "quant_a": True,
    }  # fmt: skip
    assert values.keys() == OPTIONS.keys()
    for absent in ("epochs", "steps"):
        given = {name: value for name, value in values.items() if name != absent}
        if absent == "steps":
            given["precision"] = "float32"
        else:
            given["quant_w"] = given["quant_a"] = False
        tables = with_options(Recipe(), given).to_dict()
        assert {name: tables[OPTIONS[name][0]][OPTIONS[name][1]] for name in given} == given
    assert with_options(Recipe(), dict.fromkeys(OPTIONS)) == Recipe()


def test_options_and_what_goes_with_them() -> None:
    by_steps = parse_recipe({"training": {"steps": 100, "warmup": 20}})
    assert with_options(by_steps, {"steps": 5}).training.warmup == 5
    assert with_options(by_steps, {"epochs": 5}).training.steps == 0
    x4 = with_options(Recipe(), {"scale": 4})
    assert (x4.data.crop, x4.training.init_from, x4.stem) == (50, "m5", "m5_x4")
    assert with_options(Recipe(), {"scale": 4, "m": 11}).training.init_from == "m11"
    assert with_options(Recipe(), {"scale": 3, "init_from": "none"}).training.init_from == ""
    assert with_options(x4, {"scale": 4}) == x4
    assert with_options(parse_recipe({"data": {"crop": 30}}), {"scale": 4}).data.crop == 30
    long_warmup = parse_recipe({"training": {"warmup": 500, "epochs": 2}})
    assert long_warmup.with_steps(3).training.warmup == 6
    with pytest.raises(RecipeError, match="learning_rate must be a number above 0"):
        with_options(Recipe(), {"learning_rate": 0.0})


STAGES: dict[str, Any] = {
    "network": {"m": 3},
    "data": {"crop": 32, "sampling": "pixels"},
    "training": {"init_from": "m3", "teacher": "xl", "amsgrad": False, "steps": 100, "warmup": 10, "batch": 8},
    "card": {"name": "mine"},
    "stage": [
        {"learning_rate": 2e-3, "data": {"pictures": ["bsd*"]}},
        {"optimizer": "gauss-newton", "loss": "rmse", "steps": 50, "batch": 16},
        {"epochs": 2, "teacher": "", "data": {"crop": 48}},
    ],
}


def with_stage(number: int, **changes: object) -> dict[str, Any]:
    """Return `STAGES` with other keys in one stage."""
    stages = [stage | changes if each == number else stage for each, stage in enumerate(STAGES["stage"], 1)]
    return STAGES | {"stage": stages}


def test_stages_inherit_what_they_leave_out() -> None:
    recipe = parse_recipe(STAGES)
    training = [stage.training for stage in recipe.stages]
    assert [each.steps for each in training] == [100, 50, 0], "epochs are not overruled by inherited steps"
    assert [each.batch for each in training] == [8, 16, 8]
    assert [each.optimizer for each in training] == ["adam", "gauss-newton", "adam"]
    assert [each.teacher for each in training] == ["xl", "xl", ""]
    assert [each.init_from for each in training] == ["m3", "", ""], "later stages start from the one before"
    assert [stage.data.crop for stage in recipe.stages] == [32, 32, 48]
    assert [stage.data.pictures for stage in recipe.stages] == [("bsd*",), ("*",), ("*",)]
    assert {(stage.network.m, stage.stem) for stage in recipe.stages} == {(3, "mine_x2")}
    assert all(not stage.earlier for stage in recipe.stages)
    assert dataclasses.replace(recipe, earlier=()) == recipe.stages[-1]


def test_one_stage_is_a_recipe_without_stages() -> None:
    tables = {"network": {"m": 3}, "training": {"steps": 7}, "stage": [{"batch": 2}]}
    assert parse_recipe(tables) == parse_recipe({"network": {"m": 3}, "training": {"steps": 7, "batch": 2}})


def test_stages_are_written_and_read_back(tmp_path: Path) -> None:
    recipe = parse_recipe(STAGES)
    (tmp_path / "again.toml").write_text(to_toml(recipe), encoding="utf-8")
    assert load_recipe(tmp_path / "again.toml") == recipe
    assert parse_recipe(recipe.to_dict()) == recipe
    text = "[training]\nsteps = 3\n[[stage]]\n[[stage]]\nbatch = 5\n[stage.data]\ncrop = 9\n"
    (tmp_path / "dotted.toml").write_text(text)
    read = load_recipe(tmp_path / "dotted.toml")
    assert [(stage.training.batch, stage.data.crop) for stage in read.stages] == [(32, 64), (5, 9)]


KEYS = {
    "seed": strategies.integers(0, 2**31),
    "steps": strategies.integers(1, 10**6),
    "learning_rate": strategies.floats(1e-12, 1e3),
    "betas": strategies.tuples(*[strategies.floats(0, 0.999)] * 2),
    "teacher": strategies.text(max_size=9),
    "loss": strategies.sampled_from(["l1", "l2", "rmse", "log-l1", "log-l2"]),  # log-l2-picture wants a teacher
    "data": strategies.fixed_dictionaries(
        {"pictures": strategies.lists(strategies.text(max_size=5), min_size=1, max_size=3)}
    ),
}


@given(strategies.lists(strategies.fixed_dictionaries({}, optional=KEYS), min_size=1, max_size=4))
@example([{"teacher": '\x7f\n"\\'}, {"teacher": "\U0001f5bc"}])
def test_any_stages_survive_being_written(stages: list[dict[str, Any]]) -> None:
    recipe = parse_recipe({"network": {"m": 3}, "stage": stages})
    assert len(recipe.stages) == len(stages)
    assert parse_recipe(tomllib.loads(to_toml(recipe))) == recipe


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        (STAGES | {"stage": []}, r"stage must be a list of tables, each headed \[\[stage\]\], not \[\]"),
        (STAGES | {"stage": {"steps": 3}}, "stage must be a list of tables"),
        (STAGES | {"stages": []}, "unknown table 'stages': did you mean 'stage'"),
        (with_stage(2, stepz=3), "stage 2: unknown key 'stepz': did you mean 'steps'"),
        (with_stage(2, steps=-3), r"stage 2: \[training\] steps must be a whole number of 0 or more"),
        (with_stage(1, data={"crops": 3}), r"stage 1: \[data\] unknown key 'crops': did you mean 'crop'"),
        (with_stage(1, data=3), "stage 1: data must be a table, not 3"),
        (with_stage(2, loss="l1"), "stage 2: .* gauss-newton needs loss log-l2-picture, log-l2, rmse or l2"),
        (with_stage(2, amsgrad=True), "stage 2: .* amsgrad is Adam's"),
        (with_stage(2, steps=5), "stage 2: .* warmup must not be above steps"),
        (
            with_stage(2, init_from="m3"),
            "stage 2: init_from is the first stage's; this one starts from the",
        ),
        (STAGES | {"training": {"batch": 0}}, r"^\[training\] batch must be"),
        (STAGES | {"network": {"m": 3, "scale": 9}}, "^scale 9 does not exist"),
    ],
)
def test_stages_that_cannot_be(tables: dict[str, Any], message: str) -> None:
    with pytest.raises((RecipeError, UsageError), match=message):
        parse_recipe(tables)


def test_stages_joined_in_python() -> None:
    one, other = Recipe(), Recipe(training=TrainingRecipe(seed=1))
    assert join_stages([one, other]).stages == (one, other)
    assert join_stages([one]) == one
    with pytest.raises(RecipeError, match="all stages need the same network and card"):
        join_stages([one, Recipe(SESRConfig(m=7))])
    with pytest.raises(RecipeError, match="a stage before the last has stages of its own"):
        join_stages([join_stages([one, other]), one])
    with pytest.raises(RecipeError, match="init_from is the first stage's"):
        join_stages([one, Recipe(training=TrainingRecipe(init_from="m5"))])


def test_options_go_for_all_stages_or_for_one() -> None:
    recipe = parse_recipe(STAGES)

    def batches(changed: Recipe) -> list[int]:
        return [stage.training.batch for stage in changed.stages]

    assert batches(with_options(recipe, {"batch_size": 4})) == [4, 4, 4]
    assert batches(with_options(recipe, {"batch_size": 4}, stage=2)) == [8, 4, 8]
    short = with_options(recipe, {"steps": 3})
    assert [(stage.training.steps, stage.training.warmup) for stage in short.stages] == [(3, 3)] * 3
    assert with_options(recipe, {}) == recipe


def test_options_of_the_network_and_the_start() -> None:
    recipe = parse_recipe(STAGES)
    larger = with_options(recipe, {"m": 7}, stage=2)
    assert {stage.network.m for stage in larger.stages} == {7}
    assert larger.stem == "m7_x2", "the card described the other network"
    x4 = with_options(recipe, {"scale": 4, "init_from": None})
    assert [stage.training.init_from for stage in x4.stages] == ["m3", "", ""]
    started = with_options(recipe, {"init_from": "m11"})
    assert [stage.training.init_from for stage in started.stages] == ["m11", "", ""]
    with pytest.raises(UsageError, match="stage 2 starts from stage 1; --init-from is for the first stage"):
        with_options(recipe, {"init_from": "m11"}, stage=2)
    with pytest.raises(UsageError, match="--stage 4: the recipe has 3 stages"):
        with_options(recipe, {}, stage=4)
    with pytest.raises(RecipeError, match=r"stage 2: .*gauss-newton cannot train for int8"):
        with_options(recipe, {"quant_w": True})


def test_a_table_that_all_stages_share_is_refused_in_one() -> None:
    for table in ("network", "card"):
        with pytest.raises(RecipeError, match=rf"stage 1: all stages share \[{table}\]; move the keys"):
            parse_recipe({"network": {"m": 5}, "stage": [{table: {}}]})
