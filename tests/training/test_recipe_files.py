"""The files in recipes/: they are whole, each chain begins somewhere, and recipe, card and weights belong together."""

import dataclasses
import tomllib
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("msgspec")

from sesr.data.settings import DataRecipe
from sesr.network.checkpoint import Card, read_header
from sesr.network.variants import SESRConfig
from sesr.network.zoo import Network, list_networks
from sesr.training.named import initial_networks
from sesr.training.recipe import CardRecipe, Recipe, TrainingRecipe, describe_stages, join_stages
from sesr.training.recipe_file import load_recipe, parse_recipe

REPOSITORY = Path(__file__).parents[2]
RECIPES = {path.stem: load_recipe(path) for path in sorted((REPOSITORY / "recipes").glob("*.toml"))}
SHIPPED = {network.file.stem.removeprefix("sesr_") for network in list_networks()}

NOT_A_NETWORKS_OWN = {"paper_m5_x2"}
"""Recipes under other names than that of the network that they train."""


def chain_problems(stem: str, recipes: dict[str, Recipe], shipped: set[str]) -> list[str]:
    """Return what is wrong with the networks that a recipe starts and learns from, and with theirs in turn."""
    problems: list[str] = []

    def follow(name: str, behind: tuple[str, ...]) -> None:
        if name in behind:
            problems.append(f"{' needs '.join((*behind, name))}: begins nowhere")
            return
        for source, stems in sources_of(recipes[name]):
            found = [each for each in stems if each in recipes]
            if found:
                follow(found[0], (*behind, name))
            elif not set(stems) & shipped and not (REPOSITORY / source).is_file():
                problems.append(f"{name} needs {source}, which has no recipe and is not shipped")

    follow(stem, ())
    return problems


def sources_of(recipe: Recipe) -> list[tuple[str, list[str]]]:
    """Return the networks that a recipe names, and for each the recipes or shipped networks that it can stand for."""
    first, scale = recipe.stages[0], recipe.network.scale
    named = [(first.training.init_from, [f"{name}_x{each}" for name, each in initial_networks(first)])]
    named += [(stage.training.teacher, [f"{stage.training.teacher}_x{scale}"]) for stage in recipe.stages]
    return [
        (source, [Path(source).parts[1]] if source.startswith("runs/") else stems) for source, stems in named if source
    ]


def card_problems(card: Card, recipe: Recipe) -> list[str]:
    """Return where a network's card and its recipe differ."""
    training = recipe.training
    expected: Card = {
        "name": recipe.name,
        "data": recipe.card.data,
        "steps": sum(stage.training.steps for stage in recipe.stages),
        "init_from": recipe.stages[0].training.init_from,
    }
    if recipe.earlier:
        expected["stages"] = describe_stages(recipe.stages)
    else:
        expected |= {"seed": training.seed, "teacher": training.teacher}
    problems = [
        f"{key}: {card.get(key, '')!r}, by the recipe {value!r}"
        for key, value in expected.items()
        if card.get(key, "") != value
    ]
    if "psnr_db" not in card:
        return [*problems, "psnr_db is missing: sesr evaluate --card was not run"]
    if recipe.int8 or recipe.data.degradation != "none":  # their expected figures are of another protocol
        return problems
    kodak = card["validation_sets_db"]["kodim"] if "validation_sets_db" in card else card["validation_db"]
    figures = [f"{name} {psnr_db:.2f}" for name, psnr_db in card["psnr_db"].items()]
    figures.append(f"Kodak (unrounded luma) {kodak:.3f} dB")
    return problems + [f"{each}: not in expected" for each in figures if each not in recipe.card.expected]


@pytest.mark.parametrize("stem", RECIPES)
def test_recipes_are_whole(stem: str) -> None:
    card = RECIPES[stem].card
    assert card.name
    assert card.data
    assert card.expected
    assert card.hardware
    assert card.hours > 0


@pytest.mark.parametrize("stem", RECIPES)
def test_recipes_say_how_to_run_them(stem: str) -> None:
    """With the commands before, if those write what it needs into runs/."""
    text = (REPOSITORY / "recipes" / f"{stem}.toml").read_text(encoding="utf-8")
    own = text.index(f"sesr train recipes/{stem}.toml ")
    for source, (name, *_) in sources_of(RECIPES[stem]):
        if source.startswith("runs/"):
            assert 0 < text.find(f"sesr train recipes/{name}.toml ") < own, source


@pytest.mark.parametrize(
    "path", sorted(REPOSITORY.glob("recipes/start/*_stage*.safetensors")), ids=lambda path: path.stem
)
def test_stages_that_others_learned_from_are_those_of_their_recipes(path: Path) -> None:
    stem, count = path.stem.removeprefix("sesr_").split("_stage")
    config, card = read_header(path)
    recipe = RECIPES[stem]
    assert config == recipe.network
    assert card["stages"] == describe_stages(recipe.stages[: int(count)])
    assert card["init_from"] == recipe.stages[0].training.init_from


@pytest.mark.parametrize("stem", RECIPES)
def test_recipes_are_named_as_their_networks(stem: str) -> None:
    """So a network has exactly one."""
    assert stem == RECIPES[stem].stem or stem in NOT_A_NETWORKS_OWN


@pytest.mark.parametrize("stem", RECIPES)
def test_recipes_chain_from_nothing_or_from_named_networks(stem: str) -> None:
    assert chain_problems(stem, RECIPES, SHIPPED) == []


@pytest.mark.parametrize("network", list_networks(), ids=lambda network: network.file.stem)
def test_recipe_card_and_weights_belong_together(network: Network) -> None:
    assert network.safetensors is not None
    config, card = read_header(network.safetensors)
    recipe = RECIPES[f"{network.name}_x{config.scale}"]
    assert (recipe.name, recipe.int8) == (network.name, network.int8)
    kinds = [dataclasses.replace(each, feature_size=1) for each in (config, recipe.network)]
    assert kinds[0] == kinds[1]
    assert card_problems(card, recipe) == []


@pytest.mark.parametrize("stem", RECIPES)
def test_recipes_say_what_their_files_say(stem: str) -> None:
    """Against the files' tables put into the dataclasses as they are."""
    tables = tomllib.loads((REPOSITORY / "recipes" / f"{stem}.toml").read_text(encoding="utf-8"))
    training, data = tables.get("training", {}), tables.get("data", {})
    stages = []
    for number, own in enumerate(tables.get("stage", [{}])):
        start = {"init_from": ""} if number else {}
        inherited = training | start | ({"steps": 0} if "epochs" in own else {})
        sections: dict[str, Any] = {
            "network": SESRConfig(**tables["network"]),
            "data": DataRecipe(**as_tuples(data | own.get("data", {}))),
            "training": TrainingRecipe(**as_tuples(inherited | {key: own[key] for key in own if key != "data"})),
            "card": CardRecipe(**tables["card"]),
        }
        stages.append(Recipe(**sections))
    assert RECIPES[stem] == join_stages(stages)
    assert parse_recipe(RECIPES[stem].to_dict()) == RECIPES[stem]


def as_tuples(value: Any) -> Any:  # noqa: ANN401 - any TOML value
    if isinstance(value, dict):
        return {key: as_tuples(each) for key, each in value.items()}
    return tuple(map(as_tuples, value)) if isinstance(value, list) else value


def made_up(name: str, *stages: dict[str, Any], scale: int = 2) -> Recipe:
    """A recipe of two stages, or of those given."""
    card = {"name": name, "data": "drawn", "expected": "Set5 37.30, Kodak (unrounded luma) 33.200 dB"}
    tables = [{"seed": 5, "steps": 100}, {"seed": 6, "steps": 30}] if not stages else list(stages)
    return parse_recipe({"network": {"m": 5, "scale": scale}, "card": card, "stage": tables})


def test_chains_that_end() -> None:
    recipes = {
        "m5_x2": made_up("m5", {"teacher": "xl"}, {"teacher": "large"}),
        "m5_x4": made_up("m5", {"init_from": "m5", "teacher": "xl"}, scale=4),
        "m5-relu_x4": made_up("m5-relu", {"init_from": "m5_x4"}, scale=4),
        "m5-fine_x4": made_up("m5-fine", {"init_from": "m5_x4"}, scale=4),
        "xl_x2": made_up("xl", {"teacher": "runs/large_x2"}),
        "large_x2": made_up("large"),
    }
    for stem in recipes:
        assert chain_problems(stem, recipes, {"xl_x4"}) == []
    filed = made_up("m5", {"init_from": "src/sesr/weights/sesr_m3_x2.safetensors"})
    assert chain_problems("m5_x2", {"m5_x2": filed}, set()) == []


@pytest.mark.parametrize(
    ("stages", "problem"),
    [
        ([{"init_from": "m6"}], "m5_x2 needs m6, which has no recipe and is not shipped"),
        ([{}, {"teacher": "runs/m6_x2"}], "m5_x2 needs runs/m6_x2, which has no recipe and is not shipped"),
        ([{"init_from": "gone/m6.safetensors"}], "m5_x2 needs gone/m6.safetensors, which has no recipe"),
        ([{"init_from": "m5"}], "m5_x2 needs m5_x2: begins nowhere"),
        ([{"teacher": "xl"}], "m5_x2 needs xl_x2 needs m5_x2: begins nowhere"),
    ],
)
def test_chains_that_do_not_end(stages: list[dict[str, Any]], problem: str) -> None:
    recipes = {"m5_x2": made_up("m5", *stages), "xl_x2": made_up("xl", {"init_from": "m5"})}
    (found,) = chain_problems("m5_x2", recipes, {"m5_x2"})
    assert problem in found


def test_cards_that_do_not_fit() -> None:
    recipe = made_up("m5")
    card: Card = {
        "name": "m5",
        "data": "drawn",
        "steps": 130,
        "stages": {
            "1": "100 steps of adam, 32 crops of 64 x 64 LR pixels, rate 0.0002, loss l1, seed 5",
            "2": "30 steps of adam, 32 crops of 64 x 64 LR pixels, rate 0.0002, loss l1, seed 6",
        },
        "validation_mean_db": 31.0,
        "validation_sets_db": {"kodim": 33.2, "other": 28.8},
        "psnr_db": {"Set5": 37.3},
    }
    assert card_problems(card, recipe) == []
    changes: list[tuple[Card, str]] = [
        ({"name": "m7"}, "name: 'm7'"),
        ({"steps": 30}, "steps: 30, by the recipe 130"),
        ({"stages": card["stages"] | {"2": card["stages"]["2"].replace("6", "7")}}, "stages: "),
        ({"init_from": "m3"}, "init_from: 'm3', by the recipe ''"),
        ({"psnr_db": {"Set5": 37.4}}, "Set5 37.40: not in expected"),
        ({"validation_sets_db": {"kodim": 33.1, "other": 28.8}}, "Kodak (unrounded luma) 33.100 dB: not in expected"),
    ]
    for change, problem in changes:
        (found,) = card_problems(card | change, recipe)
        assert found.startswith(problem)
    del card["psnr_db"]
    assert card_problems(card, recipe) == ["psnr_db is missing: sesr evaluate --card was not run"]
