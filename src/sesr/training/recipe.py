"""A recipe: everything that decides what a training run computes, as a strict TOML file.

A recipe has the tables ``[network]``, ``[data]``, ``[training]`` and ``[card]``; their keys are the fields of the
dataclasses below, and a key left out takes the field's default, which is what the published training script does. A
key that does not exist is an error that names the nearest one that does, because a misspelt setting that is silently
ignored costs hours. Where the images lie is no part of a recipe: folders are given on the command line.
"""

import dataclasses
import difflib
import json
import math
import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from sesr.data.settings import DataRecipe
from sesr.errors import RecipeError, UsageError
from sesr.network.variants import Form, SESRConfig

Section = TypeVar("Section")


@dataclass(frozen=True)
class TrainingRecipe:
    """How the network learns.

    Attributes:
        seed: decides the initial weights and, together with the step's number, every batch.
        epochs: how long to train; an epoch is `crops_per_image` crops of every picture.
        steps: how long to train in gradient steps; 0 goes by `epochs`.
        batch: crops a step, over all processes.
        optimizer: ``adam``; ``soap``, Adam in a better basis; or ``gauss-newton``, which turns gradients by the
            curvature in all weights together: for networks that are trained already, with ``loss`` ``rmse`` or ``l2``
            (`sesr.training.optimizers`).
        learning_rate: the optimiser's rate after the warm-up.
        warmup: steps over which the rate climbs linearly from zero.
        schedule: ``constant``, or ``cosine`` down to zero at the last step.
        betas: Adam's two decay rates; the first is also Gauss-Newton's.
        amsgrad: the variant of Adam that the published code uses.
        ema: decay a step of the running mean of the weights; the mean is what is validated and kept.
        loss: ``l1``, the mean absolute error; ``l2``, the mean squared error, which is what PSNR measures; or ``rmse``,
            the root of each crop's mean squared error: crops that are hard count less than in ``l2``, as they do when
            PSNR is averaged over pictures.
        damping: Gauss-Newton's.
        curvature_crops: crops that Gauss-Newton's curvature is measured on.
        quant_w: trains for weights of 8 bits (`sesr.training.quantization`).
        quant_a: trains for features of 8 bits; with both, the run's network is int8.
        form: in which of the equal ways the blocks compute while training.
        precision: ``float32``; ``tf32``, which rounds the inputs of convolutions to 11 bits on GPUs that have it; or
            ``bfloat16`` for features and convolutions. Weights, their collapse and the loss are float32 always.
        init_from: what to start from: a network's name, its `.safetensors`, or a run's folder; nothing draws fresh
            weights. Of a network of another scale all but the last block is taken.
        teacher: a network of the same scale whose answers stand in for HR (`sesr.training.teacher`): a shipped
            network's name, its `.safetensors`, or a finished run's folder; nothing learns from HR alone. It sees LR as
            the learner does: where that is degraded, name a teacher that is for such pictures.
        teacher_share: of the answers in the targets, above 0; the rest is HR.
        validate_every: steps between validations; 0 validates after each epoch.
        checkpoint_minutes: minutes between checkpoints.
    """

    seed: int = 0
    epochs: int = 300
    steps: int = 0
    batch: int = 32
    optimizer: Literal["adam", "soap", "gauss-newton"] = "adam"
    learning_rate: float = 2e-4
    warmup: int = 0
    schedule: Literal["constant", "cosine"] = "constant"
    betas: tuple[float, float] = (0.9, 0.999)
    amsgrad: bool = True
    ema: float = 0.0
    loss: Literal["l1", "l2", "rmse"] = "l1"
    damping: float = 0.1
    curvature_crops: int = 24576
    quant_w: bool = False
    quant_a: bool = False
    form: Form = "collapsed"
    precision: Literal["float32", "tf32", "bfloat16"] = "float32"
    init_from: str = ""
    teacher: str = ""
    teacher_share: float = 1.0
    validate_every: int = 0
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
        quantised = training.quant_w or training.quant_a
        weights = [weight for _, weight in self.data.weights]
        checks = {
            "[data] crop must be at least 1": self.data.crop >= 1,
            "[data] crops_per_image must be at least 1": self.data.crops_per_image >= 1,
            "[data] pictures must be a list of at least one value": self.data.pictures,
            "[data] weights must lie above 0 and be finite": all(0 < weight < math.inf for weight in weights),
            '[data] weights need sampling = "pixels"': self.data.sampling == "pixels" or not weights,
            "[data] detail must not be negative and must be finite": 0 <= self.data.detail < math.inf,
            "[training] epochs must be at least 1": training.epochs >= 1,
            "[training] steps must not be negative": training.steps >= 0,
            "[training] batch must be at least 1": training.batch >= 1,
            "[training] warmup must lie between 0 and steps; lower it": (
                training.warmup >= 0 and not 0 < training.steps < training.warmup
            ),
            "[training] learning_rate must lie above 0 and be finite": 0 < training.learning_rate < math.inf,
            "[training] amsgrad is Adam's; set it to false": training.optimizer == "adam" or not training.amsgrad,
            "[training] gauss-newton needs loss rmse or l2": (
                training.optimizer != "gauss-newton" or training.loss != "l1"
            ),
            "[training] gauss-newton cannot train for int8; recipes/m5-int8_x2.toml shows what can": (
                training.optimizer != "gauss-newton" or not quantised
            ),
            "[training] precision must be float32 to train for int8": training.precision == "float32" or not quantised,
            "[training] teacher_share must lie above 0 and not above 1": 0 < training.teacher_share <= 1,
            "[training] teacher_share is a teacher's; name one": training.teacher or training.teacher_share == 1,
            "[training] damping must lie above 0 and be finite": 0 < training.damping < math.inf,
            "[training] curvature_crops must be at least 1": training.curvature_crops >= 1,
            "[training] ema must lie in [0, 1)": 0 <= training.ema < 1,
            "[training] betas must lie in [0, 1)": all(0 <= beta < 1 for beta in training.betas),
            "[training] validate_every must not be negative": training.validate_every >= 0,
            "[training] checkpoint_minutes must not be negative": training.checkpoint_minutes >= 0,
            "[training] seed must not be negative": training.seed >= 0,
            "[card] name must be of letters, digits, '.', '_' and '-'": re.fullmatch(r"[\w.-]*", self.card.name),
        }
        for rule, holds in checks.items():
            if not holds:
                raise RecipeError(rule)

    @property
    def stem(self) -> str:
        """What the trained network is called: ``m5_x2``, ``m5-int8_x2``, ``m5-photo_x2``."""
        return f"{self.name}_x{self.network.scale}"

    @property
    def name(self) -> str:
        """The same without its scale; the card's name, if it has one."""
        if self.card.name:
            return self.card.name
        alone = "-w8" if self.training.quant_w else "-a8" if self.training.quant_a else ""
        flavour = "" if self.data.degradation == "none" else f"-{self.data.degradation}"
        return (self.network.int8_name if self.int8 else self.network.name + alone) + flavour

    @property
    def int8(self) -> bool:
        """Whether an int8 network comes out."""
        return self.training.quant_w and self.training.quant_a

    def to_dict(self) -> dict[str, Any]:
        """Plain tables, as in the file."""
        return dataclasses.asdict(self)

    def to_toml(self) -> str:
        """The text of a recipe file that says the same, nothing left out."""
        lines = []
        for name, table in self.to_dict().items():
            values = (f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in table.items())
            lines += [f"[{name}]", *values, ""]
        return "\n".join(lines)

    def with_steps(self, steps_per_epoch: float) -> "Recipe":
        """The same with its length, and the time between validations, in steps. Raises `RecipeError`."""
        training = self.training
        steps = training.steps or math.ceil(training.epochs * steps_per_epoch)
        warmup = min(training.warmup, steps)
        validate_every = training.validate_every or max(1, round(steps_per_epoch))
        return dataclasses.replace(
            self, training=dataclasses.replace(training, steps=steps, warmup=warmup, validate_every=validate_every)
        )


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
"""The published script's names of settings, and more, with the table and key that each is in a recipe."""


def with_options(recipe: Recipe, options: dict[str, Any]) -> Recipe:
    """A recipe with some settings changed.

    Another network has nothing of the recipe's card. Another scale brings what the paper does for it: crops of 50 LR
    pixels for x4, and for x3 and x4 weights that start from the x2 network of the same name.

    Args:
        recipe: stays as it is.
        options: values by the names in `OPTIONS`; None changes nothing.

    Raises `RecipeError` or `UsageError` for values that cannot be.
    """
    tables = recipe.to_dict()
    given = {name: value for name, value in options.items() if value is not None}
    if {"epochs", "steps"} <= given.keys():
        raise UsageError("--epochs and --steps say the same; give one")
    if given.get("teacher") == "none":
        tables["training"]["teacher_share"] = 1.0
    given |= {name: "" for name in ("init_from", "teacher") if given.get(name) == "none"}
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
    changed = parse_recipe(json.loads(json.dumps(tables)))
    quantised = [(each.training.quant_w, each.training.quant_a) for each in (changed, recipe)]
    if changed.network != recipe.network or quantised[0] != quantised[1]:
        changed = dataclasses.replace(changed, card=CardRecipe())  # which tells of another network
    if changed.network.scale in (2, recipe.network.scale) or "init_from" in given:
        return changed
    training = dataclasses.replace(changed.training, init_from=changed.network.name)
    return dataclasses.replace(changed, training=training)


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
    values = {key: _parse_key(kinds[key], name, key, value) for key, value in table.items()}
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


_EXAMPLES = {"weights": '[["bsd200_*", 8]]'}
"""Of keys whose form is not plain."""


def _parse_key(kind: Any, table: str, key: str, value: Any) -> Any:  # noqa: ANN401 - any field's type, any TOML value
    try:
        return _parse_value(kind, f"[{table}] {key}", value)
    except RecipeError as error:
        if key not in _EXAMPLES:
            raise
        raise RecipeError(f"{error}; write {key} = {_EXAMPLES[key]}") from error


def _listed(kinds: tuple[type, ...]) -> str:
    words = {float: "number", int: "number", str: "text", bool: "truth value"}
    if len(set(kinds)) == 1:
        return f"{len(kinds)} {words[kinds[0]]}s"
    return " and ".join(f"a {words[kind]}" for kind in kinds)


def _parse_value(kind: Any, where: str, value: Any) -> Any:  # noqa: ANN401 - any field's type, any TOML value
    if get_origin(kind) is Literal:
        if value not in get_args(kind):
            raise RecipeError(f"{where} must be one of {', '.join(get_args(kind))}, not {value!r}")
        return value
    if get_origin(kind) is tuple and get_args(kind)[1] is Ellipsis:
        if not isinstance(value, list):
            raise RecipeError(f"{where} must be a list, not {value!r}")
        return tuple(_parse_value(get_args(kind)[0], where, part) for part in value)
    if get_origin(kind) is tuple:
        if not isinstance(value, list) or len(value) != len(get_args(kind)):
            raise RecipeError(f"{where} must be a list of {_listed(get_args(kind))}, not {value!r}")
        return tuple(_parse_value(item, where, part) for item, part in zip(get_args(kind), value, strict=True))
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        raise RecipeError(f"{where} must be a value of type {kind.__name__}, not {value!r}")
    return value
