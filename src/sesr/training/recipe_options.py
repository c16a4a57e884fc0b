"""Settings given on the command line, which override a recipe's."""

import dataclasses
from typing import Any

from sesr.errors import UsageError
from sesr.training.recipe import CardRecipe, Recipe, join_stages
from sesr.training.recipe_file import naming_stage, parse_recipe

OPTIONS = {
    "epochs": ("training", "epochs"),
    "steps": ("training", "steps"),
    "batch_size": ("training", "batch"),
    "learning_rate": ("training", "learning_rate"),
    "scale": ("network", "scale"),
    "m": ("network", "m"),
    "int_features": ("network", "f"),
    "feature_size": ("network", "feature_size"),
    "linear_block_type": ("training", "form"),
    "precision": ("training", "precision"),
    "init_from": ("training", "init_from"),
    "teacher": ("training", "teacher"),
    "activation": ("network", "activation"),
    "quant_w": ("training", "quant_w"),
    "quant_a": ("training", "quant_a"),
}
"""Table and key of each setting, by the name that the published script gives it; and some more settings."""


def with_options(recipe: Recipe, options: dict[str, Any], stage: int | None = None) -> Recipe:
    """Return a recipe with some settings changed.

    A setting goes for all stages, or for one if `stage` is given. The network's settings go for all in any case, and
    what to start from for the first alone. A changed network loses the recipe's card. A changed scale brings what the
    paper does for it: crops of 50 LR pixels for x4, and for x3 and x4 weights that start from the x2 network of the
    same name.

    Args:
        recipe: the recipe, which stays as it is.
        options: values by the names in `OPTIONS`; None changes nothing.
        stage: number of the only stage to change, from 1 on.

    Raises `RecipeError` or `UsageError` for values that do not fit.
    """
    given = {name: value for name, value in options.items() if value is not None}
    check_stage(recipe, stage)
    if {"epochs", "steps"} <= given.keys():
        raise UsageError("--epochs and --steps say the same; give one")
    if "init_from" in given and stage not in (None, 1):
        raise UsageError(f"stage {stage} starts from stage {stage - 1}; --init-from is for the first stage")
    changed = []
    for number, each in enumerate(recipe.stages, 1):
        own = {
            name: value
            for name, value in given.items()
            if (stage in (None, number) or OPTIONS[name][0] == "network") and (number == 1 or name != "init_from")
        }
        with naming_stage(number if recipe.earlier else None):
            changed.append(_with_own_options(each, own, first=number == 1))
    return join_stages(dataclasses.replace(each, card=changed[-1].card) for each in changed)


def check_stage(recipe: Recipe, stage: int | None) -> None:
    """Raise `UsageError` if a recipe has no stage of this number; None is always fine."""
    count = len(recipe.stages)
    if stage is not None and not 1 <= stage <= count:
        raise UsageError(f"--stage {stage}: the recipe has {count} stage{'s' if count > 1 else ''}")


def _with_own_options(recipe: Recipe, given: dict[str, Any], *, first: bool) -> Recipe:
    """Return a single stage with settings changed."""
    tables = recipe.to_dict()
    if given.get("teacher") == "none":
        tables["training"] |= {"teacher_share": 1.0, "teacher_precision": ""}
        if recipe.training.loss == "log-l2-picture":  # which needs a teacher
            tables["training"]["loss"] = "log-l2"
    given = given | {name: "" for name in ("init_from", "teacher") if given.get(name) == "none"}
    crops = {2: 64, 3: 64, 4: 50}
    if recipe.data.crop == crops[recipe.network.scale]:
        tables["data"]["crop"] = crops[given.get("scale", recipe.network.scale)]
    if "epochs" in given:
        tables["training"]["steps"] = 0
    for name, value in given.items():
        table, key = OPTIONS[name]
        tables[table][key] = value
    if tables["training"]["steps"]:
        tables["training"]["warmup"] = min(tables["training"]["warmup"], tables["training"]["steps"])
    changed = parse_recipe(tables)
    quantized = [(each.training.quant_w, each.training.quant_a) for each in (changed, recipe)]
    if changed.network != recipe.network or quantized[0] != quantized[1]:
        changed = dataclasses.replace(changed, card=CardRecipe())  # it describes the other network
    if changed.network.scale in (2, recipe.network.scale) or "init_from" in given or not first:
        return changed
    training = dataclasses.replace(changed.training, init_from=changed.network.name)
    return dataclasses.replace(changed, training=training)
