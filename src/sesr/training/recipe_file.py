"""Reading and writing a recipe: its file, or tables as TOML has them.

Whatever does not fit is told with the table and the key, and a misspelled key with the nearest one that exists.
"""

import contextlib
import dataclasses
import difflib
import json
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from sesr.data.settings import DataRecipe
from sesr.errors import RecipeError, UsageError
from sesr.training.kinds import converted, field_kinds
from sesr.training.recipe import SECTIONS, Recipe, TrainingRecipe, join_stages

Section = TypeVar("Section")


def load_recipe(path: Path) -> Recipe:
    """Read a recipe file. Raises `RecipeError` if it is missing, no TOML, or has a value that does not fit."""
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecipeError(f"{path}: {error.strerror or error}; recipes lie in the folder recipes/") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: not a TOML file: {error}") from error
    try:
        return parse_recipe(tables)
    except (RecipeError, UsageError) as error:
        raise RecipeError(f"{path}: {error}") from error


def parse_recipe(tables: dict[str, Any]) -> Recipe:
    """Turn tables into a checked recipe. Raises `RecipeError`, or `UsageError` for a network that cannot exist."""
    sections = {name: kind for name, kind in get_type_hints(Recipe).items() if name in SECTIONS}
    _refuse_unknown(tables, sections | {"stage": None}, "table")
    shared = {name: _parse_section(sections[name], name, tables[name]) for name in sections if name in tables}
    if "stage" not in tables:
        return Recipe(**shared)
    stages = tables["stage"]
    if not isinstance(stages, list) or not stages or not all(isinstance(stage, dict) for stage in stages):
        raise RecipeError(f"stage must be a list of tables, each headed [[stage]], not {stages!r}")
    parsed = []
    for number, stage in enumerate(stages, 1):
        with naming_stage(number):
            parsed.append(_parse_stage(stage, tables, shared, first=number == 1))
    return join_stages(parsed)


def _parse_stage(stage: dict[str, Any], tables: dict[str, Any], shared: dict[str, Any], *, first: bool) -> Recipe:
    """Turn a ``[[stage]]`` into a recipe of its own; what it leaves out is taken from the file's other tables."""
    for table in ("network", "card"):
        if table in stage:
            raise RecipeError(f"all stages share [{table}]; move the keys of this one's {table} there")
    _refuse_unknown(stage, field_kinds(TrainingRecipe) | {"data": None}, "key")
    own = {key: value for key, value in stage.items() if key != "data"}
    if not first and "init_from" in own:
        raise RecipeError("init_from is the first stage's; this one starts from the stage before it")
    if "epochs" in own:
        own = {"steps": 0} | own  # the inherited length does not count
    training = tables.get("training", {}) | own
    if not first:
        training.pop("init_from", None)
    data = stage.get("data", {})
    if not isinstance(data, dict):
        raise RecipeError(f"data must be a table, not {data!r}")
    parsed = {
        "training": _parse_section(TrainingRecipe, "training", training),
        "data": _parse_section(DataRecipe, "data", tables.get("data", {}) | data),
    }
    return Recipe(**shared | parsed)


@contextlib.contextmanager
def naming_stage(number: int | None) -> Iterator[None]:
    """Put a stage's number before the errors that its settings raise; None leaves them as they are."""
    try:
        yield
    except (RecipeError, UsageError) as error:
        if number is None:
            raise
        raise type(error)(f"stage {number}: {error}") from error


def _parse_section(section: type[Section], name: str, table: Any) -> Section:  # noqa: ANN401 - from a file
    if not isinstance(table, dict):
        raise RecipeError(f"[{name}] must be a table, not {table!r}")
    known = field_kinds(section)
    _refuse_unknown(table, known, "key", f"[{name}] ")
    values = {key: converted(known[key], name, key, value) for key, value in table.items()}
    for field_ in dataclasses.fields(section):  # type: ignore[arg-type]
        if field_.name not in values and field_.default is dataclasses.MISSING:
            raise RecipeError(f"[{name}] lacks the key {field_.name!r}; add it")
    return section(**values)


def _refuse_unknown(table: Iterable[str], known: dict[str, Any], what: str, where: str = "") -> None:
    for key in table:
        if key not in known:
            nearest = difflib.get_close_matches(key, known, n=1, cutoff=0.4)
            hint = f"did you mean {nearest[0]!r}?" if nearest else f"there are {', '.join(known)}"
            raise RecipeError(f"{where}unknown {what} {key!r}: {hint}")


def to_toml(recipe: Recipe) -> str:
    """Return the text of a recipe file with the same content, nothing left to defaults."""
    tables = recipe.to_dict()
    stages = tables.pop("stage", [])
    lines = [line for name, table in tables.items() for line in _table_lines(f"[{name}]", table)]
    for stage in stages:
        data = stage.pop("data")
        lines += [*_table_lines("[[stage]]", stage), *_table_lines("[stage.data]", data)]
    return "\n".join(lines)


def _table_lines(header: str, table: dict[str, Any]) -> list[str]:
    values = {key: json.dumps(value, ensure_ascii=False) for key, value in table.items()}
    return [header, *(f"{key} = {value.translate(_NOT_IN_TOML)}" for key, value in values.items()), ""]


_NOT_IN_TOML = {0x7F: "\\u007f"}
"""Escape of the one character that JSON leaves as it is and TOML does not allow."""
