"""Recipes are strict: what is not understood is refused, with the nearest thing that would be."""

import math
from pathlib import Path
from typing import Any

import pytest

from sesr.errors import RecipeError, UsageError
from sesr.training.recipe import Recipe, load_recipe, parse_recipe

RECIPES = sorted((Path(__file__).parents[2] / "recipes").glob("*.toml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.name)
def test_shipped_recipes_are_whole(path: Path) -> None:
    recipe = load_recipe(path)
    assert recipe.card.name
    assert recipe.card.data
    assert recipe.card.expected
    assert recipe.card.hardware
    assert recipe.card.hours > 0


def test_round_trip() -> None:
    recipe = parse_recipe({"training": {"betas": [0.9, 0.99], "learning_rate": 1, "steps": 7}})
    assert recipe.training.betas == (0.9, 0.99)
    tables = recipe.to_dict()
    tables["training"]["betas"] = list(tables["training"]["betas"])
    tables["data"]["pictures"] = list(tables["data"]["pictures"])
    assert parse_recipe(tables) == recipe
    assert parse_recipe({}) == Recipe()


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"trainig": {}}, "unknown table 'trainig': did you mean 'training'"),
        ({"training": {"learning_rat": 1.0}}, r"\[training\] unknown key 'learning_rat': did you mean 'learning_rate'"),
        ({"training": {"qqq": 1}}, "unknown key 'qqq': there are seed, steps"),
        ({"training": {"steps": "many"}}, r"\[training\] steps must be a value of type int, not 'many'"),
        ({"training": {"steps": True}}, "must be a value of type int"),
        ({"training": {"steps": 0}}, "steps must be at least 1"),
        ({"training": {"batch": 0}}, "batch must be at least 1"),
        ({"training": {"warmup": 10, "steps": 5}}, "warmup must lie between"),
        ({"training": {"learning_rate": -1.0}}, "learning_rate must lie above 0"),
        ({"training": {"ema": 1.0}}, "ema must lie in"),
        ({"training": {"betas": [0.9]}}, "betas must be a list of 2 numbers"),
        ({"training": {"betas": [0.9, 1.0]}}, "betas must lie in"),
        ({"training": {"schedule": "linear"}}, "schedule must be one of constant, cosine"),
        ({"data": {"crop": 0}}, "crop must be at least 1"),
        ({"data": {"pictures": []}}, "pictures must be a list of at least one value"),
        ({"data": {"pictures": [3]}}, r"\[data\] pictures must be a value of type str"),
        ({"data": 3}, r"\[data\] must be a table"),
        ({"network": {"m": 5, "scale": 7}}, "scale 7 does not exist"),
        ({"network": {"f": 5}}, r"\[network\] lacks the key 'm'"),
        ({"training": {"learning_rate": math.inf}}, "learning_rate must lie above 0"),
    ],
)
def test_refusals(tables: dict[str, Any], message: str) -> None:
    with pytest.raises((RecipeError, UsageError), match=message):
        parse_recipe(tables)


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
