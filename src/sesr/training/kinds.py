"""Kinds of a recipe's values: what a field's type and its limits accept, and the words for that."""

from typing import Any, Literal, get_args, get_origin, get_type_hints

import msgspec

from sesr.errors import RecipeError


def field_kinds(section: type[Any]) -> dict[str, Any]:
    """Return the types of a section's fields, with what `sesr.data.fields` says about them."""
    return get_type_hints(section, include_extras=True)


def converted(kind: Any, table: str, key: str, value: Any) -> Any:  # noqa: ANN401 - any field's type, any TOML value
    """Convert a value to a field's type: lists to tuples and whole numbers to floats. Raises `RecipeError`."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise RecipeError(f"[{table}] {key} must be {described(kind)}, not {value!r}") from error


_PLAIN = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}


def described(kind: Any) -> str:  # noqa: ANN401 - any field's type
    """Return the values that a field takes, in words."""
    if get_origin(kind) is Literal:
        return f"one of {', '.join(get_args(kind))}"
    described = [meta.description for meta in getattr(kind, "__metadata__", ()) if meta.description]
    return described[0] if described else _PLAIN[kind]
