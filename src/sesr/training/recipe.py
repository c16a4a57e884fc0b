"""A recipe: everything that decides what a training run computes, as a strict TOML file.

A recipe has the tables ``[network]``, ``[data]``, ``[training]`` and ``[card]``; their keys are the fields of the
dataclasses below, and a key left out takes the field's default. A key that does not exist is an error that names the
nearest one that does, because a misspelt setting that is silently ignored costs hours. Where the images lie is no
part of a recipe: folders are given on the command line.
"""

import dataclasses
import difflib
import math
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from sesr.errors import RecipeError, UsageError
from sesr.network.variants import Form, SESRConfig

Section = TypeVar("Section")


@dataclass(frozen=True)
class DataRecipe:
    """How pictures become crops.

    Attributes:
        grey_range: what the values of grey pictures mean. ``full``: ordinary grey, 0 black to 255 white, mapped to
            luma as Y = 16 + v 219/255. ``limited``: they are Y already. Colour pictures are always mapped to grey of
            full range first (BT.601, 8 bits).
        crop: side of a crop in low-resolution pixels.
        pictures: patterns of file names, such as ``bsd200_*``; pictures that match none are left out.
    """

    grey_range: Literal["full", "limited"] = "full"
    crop: int = 64
    pictures: tuple[str, ...] = ("*",)


@dataclass(frozen=True)
class TrainingRecipe:
    """How the network learns.

    Attributes:
        seed: decides the initial weights and, together with the step's number, every batch.
        steps: gradient steps.
        batch: crops a step.
        learning_rate: Adam's rate after the warm-up.
        warmup: steps over which the rate climbs linearly from zero.
        schedule: ``constant``, or ``cosine`` down to zero at the last step.
        betas: Adam's two decay rates.
        amsgrad: the variant of Adam that the published code uses.
        ema: decay a step of the running mean of the weights; the mean is what is validated and kept.
        loss: ``l1``, the mean absolute error, or ``l2``, the mean squared error, which is what PSNR measures.
        form: in which of two equal ways the blocks compute while training.
        validate_every: steps between validations.
        checkpoint_minutes: minutes between checkpoints.
    """

    seed: int = 0
    steps: int = 480_000
    batch: int = 32
    learning_rate: float = 5e-4
    warmup: int = 0
    schedule: Literal["constant", "cosine"] = "constant"
    betas: tuple[float, float] = (0.9, 0.999)
    amsgrad: bool = False
    ema: float = 0.999
    loss: Literal["l1", "l2"] = "l1"
    form: Form = "collapsed"
    validate_every: int = 1000
    checkpoint_minutes: float = 3.0


@dataclass(frozen=True)
class CardRecipe:
    """What the finished network says of itself beside what the run itself knows."""

    name: str = ""
    data: str = ""
    licence: str = ""
    hardware: str = ""
    hours: float = 0.0
    expected: str = ""


@dataclass(frozen=True)
class Recipe:
    """A whole recipe."""

    network: SESRConfig = field(default_factory=lambda: SESRConfig(m=5))
    data: DataRecipe = field(default_factory=DataRecipe)
    training: TrainingRecipe = field(default_factory=TrainingRecipe)
    card: CardRecipe = field(default_factory=CardRecipe)

    def __post_init__(self) -> None:
        training = self.training
        checks = {
            "[data] crop must be at least 1": self.data.crop >= 1,
            "[training] steps must be at least 1": training.steps >= 1,
            "[training] batch must be at least 1": training.batch >= 1,
            "[training] warmup must lie between 0 and steps; lower it": 0 <= training.warmup <= training.steps,
            "[training] learning_rate must lie above 0 and be finite": 0 < training.learning_rate < math.inf,
            "[training] ema must lie in [0, 1)": 0 <= training.ema < 1,
            "[training] betas must lie in [0, 1)": all(0 <= beta < 1 for beta in training.betas),
            "[training] validate_every must be at least 1": training.validate_every >= 1,
            "[training] checkpoint_minutes must not be negative": training.checkpoint_minutes >= 0,
            "[training] seed must not be negative": training.seed >= 0,
        }
        for rule, holds in checks.items():
            if not holds:
                raise RecipeError(rule)

    def to_dict(self) -> dict[str, Any]:
        """Plain tables, as in the file."""
        return dataclasses.asdict(self)


def load_recipe(path: Path) -> Recipe:
    """Reads a recipe file. Raises `RecipeError` when it is missing, no TOML, or says what cannot be."""
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
    """Tables to a checked recipe. Raises `RecipeError` or `UsageError`."""
    sections = get_type_hints(Recipe)
    _refuse_unknown(tables, sections, "table")
    return Recipe(**{name: _parse_section(sections[name], name, table) for name, table in tables.items()})


def _parse_section(section: type[Section], name: str, table: Any) -> Section:  # noqa: ANN401 - from a file
    if not isinstance(table, dict):
        raise RecipeError(f"[{name}] must be a table, not {table!r}")
    kinds = get_type_hints(section)
    _refuse_unknown(table, kinds, "key", f"[{name}] ")
    values = {key: _parse_value(kinds[key], f"[{name}] {key}", value) for key, value in table.items()}
    for field_ in dataclasses.fields(section):  # type: ignore[arg-type]
        if field_.name not in values and field_.default is dataclasses.MISSING:
            raise RecipeError(f"[{name}] lacks the key {field_.name!r}; add it")
    return section(**values)


def _refuse_unknown(table: dict[str, Any], known: dict[str, Any], what: str, where: str = "") -> None:
    for key in table:
        if key not in known:
            nearest = difflib.get_close_matches(key, known, n=1, cutoff=0.4)
            hint = f"did you mean {nearest[0]!r}?" if nearest else f"there are {', '.join(known)}"
            raise RecipeError(f"{where}unknown {what} {key!r}: {hint}")


def _parse_value(kind: Any, where: str, value: Any) -> Any:  # noqa: ANN401 - any field's type, any TOML value
    if get_origin(kind) is Literal:
        if value not in get_args(kind):
            raise RecipeError(f"{where} must be one of {', '.join(get_args(kind))}, not {value!r}")
        return value
    if get_origin(kind) is tuple and get_args(kind)[1] is Ellipsis:
        if not isinstance(value, list) or not value:
            raise RecipeError(f"{where} must be a list of at least one value, not {value!r}")
        return tuple(_parse_value(get_args(kind)[0], where, part) for part in value)
    if get_origin(kind) is tuple:
        if not isinstance(value, list) or len(value) != len(get_args(kind)):
            raise RecipeError(f"{where} must be a list of {len(get_args(kind))} numbers, not {value!r}")
        return tuple(_parse_value(item, where, part) for item, part in zip(get_args(kind), value, strict=True))
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        raise RecipeError(f"{where} must be a value of type {kind.__name__}, not {value!r}")
    return value
