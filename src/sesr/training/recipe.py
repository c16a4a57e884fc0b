"""A recipe: everything that decides what a training run computes, as a strict TOML file.

A recipe has the tables ``[network]``, ``[data]``, ``[training]`` and ``[card]``. Their keys are the fields of the
dataclasses below. A key left out takes the field's default, which is what the published training script does. A key
that does not exist is an error that names the nearest one that does, because a misspelled setting that is silently
ignored costs hours. Where the images are is not part of a recipe: folders are given on the command line.

A network may be trained in stages, one after the other. Each is a table ``[[stage]]``. Its keys are those of
``[training]``; its own table ``data`` has the keys of ``[data]``. A key left out is inherited from ``[training]`` or
``[data]``. Each stage starts from the network that the stage before it ends with; only the first may name one in
``init_from``::

    [network]
    m = 5
    [training]
    amsgrad = false
    teacher = "xl"

    [[stage]]
    steps = 24000
    [[stage]]
    steps = 1500
    optimizer = "gauss-newton"
    loss = "rmse"
    data = {crop = 32}

`sesr.training.recipe_file` reads and writes the file, `sesr.training.recipe_options` changes settings from the command
line.
"""

import dataclasses
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from sesr.data.fields import Betas, Count, CountOrZero, Decay, FileName, NotNegative, Positive, Share
from sesr.data.settings import DataRecipe
from sesr.errors import RecipeError
from sesr.network.variants import Form, SESRConfig
from sesr.training.kinds import converted, field_kinds


@dataclass(frozen=True)
class TrainingRecipe:
    """Settings that decide how the network learns.

    Attributes:
        seed: decides the initial weights and, together with the step's number, every batch.
        epochs: length of the training; an epoch is `crops_per_image` crops of every picture.
        steps: length of the training in gradient steps; 0 goes by `epochs`.
        batch: crops per step, over all processes.
        optimizer: ``adam``; ``soap``, Adam in a better basis; or ``gauss-newton``, which turns gradients by the
            curvature in all weights together: for networks that are trained already, with ``loss``
            ``log-l2-picture``, ``log-l2``, ``rmse`` or ``l2`` (`sesr.training.optimizers`).
        learning_rate: the optimizer's rate after the warm-up.
        warmup: steps over which the rate climbs linearly from zero.
        schedule: ``constant``, or ``cosine`` down to zero at the last step.
        betas: Adam's two decay rates; the first is also Gauss-Newton's.
        amsgrad: the variant of Adam that the published code uses.
        ema: decay per step of the running mean of the weights; the mean is what is validated and kept.
        loss: ``l1``, the mean absolute error; ``l2``, the mean squared error; ``rmse``, the mean over crops of the root
            of their mean squared error; or ``log-l1`` and ``log-l2``, the mean over crops of the logarithm of their
            mean absolute or squared error. In ``l2`` hard crops count most; with the logarithms all crops count alike.
            ``log-l2-picture``, which needs a teacher, is the logarithm of a sum: the mean squared error of the
            teacher's answer over the whole picture, and the crop's against the answer. Where the first is the larger
            by far, pictures count alike, and crops of one picture by their squared errors, as in a mean of PSNR.
        damping: Gauss-Newton's.
        curvature_crops: crops that Gauss-Newton's curvature is measured on, in batches of 64. Fewer than about 0.41
            times the weights take less memory than the weights' matrix (`sesr.training.optimizers.inverse`).
        quant_w: trains for weights of 8 bits (`sesr.training.quantization`).
        quant_a: trains for features of 8 bits; with both, the run's network is int8.
        form: which of the equal ways the blocks compute while training.
        precision: ``float32``; ``tf32``, which rounds the inputs of convolutions to 11 bits on GPUs that have it; or
            ``bfloat16`` for features and convolutions, or floats on a processor without it. Weights, their collapse and
            the loss are float32 always.
        init_from: a network to start from: its name (``m5`` for x2, ``m5_x4`` for x4), its `.safetensors`, or a
            finished run's folder; nothing draws fresh weights. If the network has another scale, all but the last block
            is taken. For the first stage alone.
        teacher: a network of the same scale whose answers stand in for HR (`sesr.training.teacher`): a shipped
            network's name, its `.safetensors`, or a finished run's folder; nothing learns from HR alone. It sees LR as
            the learner does: if LR is degraded, name a teacher for such pictures.
        teacher_share: share of the answers in the targets, above 0; the rest is HR.
        teacher_precision: ``bfloat16`` for a teacher that answers in it, where the processor has it, whatever the
            learner computes in; nothing is the learner's `precision`. Stages of one teacher and precision share its
            answers in the cache.
        validate_every: steps between validations; 0 validates after each epoch.
        checkpoint_minutes: minutes between checkpoints.
    """

    seed: CountOrZero = 0
    epochs: Count = 300
    steps: CountOrZero = 0
    batch: Count = 32
    optimizer: Literal["adam", "soap", "gauss-newton"] = "adam"
    learning_rate: Positive = 2e-4
    warmup: CountOrZero = 0
    schedule: Literal["constant", "cosine"] = "constant"
    betas: Betas = (0.9, 0.999)
    amsgrad: bool = True
    ema: Decay = 0.0
    loss: Literal["l1", "l2", "rmse", "log-l1", "log-l2", "log-l2-picture"] = "l1"
    damping: Positive = 0.1
    curvature_crops: Count = 24576
    quant_w: bool = False
    quant_a: bool = False
    form: Form = "collapsed"
    precision: Literal["float32", "tf32", "bfloat16"] = "float32"
    init_from: str = ""
    teacher: str = ""
    teacher_share: Share = 1.0
    teacher_precision: Literal["", "bfloat16"] = ""
    validate_every: CountOrZero = 0
    checkpoint_minutes: NotNegative = 3.0


@dataclass(frozen=True)
class CardRecipe:
    """Facts for the finished network's file, in addition to those that the run itself knows.

    Attributes:
        name: the network's name without its scale, if it is not the usual one for its settings.
        data: the pictures that it was trained on, and their licenses.
        licence: license of the weights.
        hardware: the machine that trained it.
        hours: time that the training took, the teacher's answers included unless the cache had them.
        expected: figures that the run should reach, for comparison.
    """

    name: FileName = ""
    data: str = ""
    licence: str = ""
    hardware: str = ""
    hours: float = 0.0
    expected: str = ""


@dataclass(frozen=True)
class Recipe:
    """A network's training: its only stage, or its last one together with those before it.

    Raises `RecipeError` for values that do not fit, alone or together.

    Attributes:
        network: what is trained.
        data: how pictures become crops.
        training: how the network learns.
        card: facts for the finished network's file.
        earlier: the stages before, in order; none has earlier ones itself. All are of the same network and card.
    """

    network: SESRConfig = field(default_factory=lambda: SESRConfig(m=5))
    data: DataRecipe = field(default_factory=DataRecipe)
    training: TrainingRecipe = field(default_factory=TrainingRecipe)
    card: CardRecipe = field(default_factory=CardRecipe)
    earlier: "tuple[Recipe, ...]" = ()

    def __post_init__(self) -> None:
        for name in SECTIONS:
            table = getattr(self, name)
            for key, kind in field_kinds(type(table)).items():
                converted(kind, name, key, getattr(table, key))
        training = self.training
        quantized = training.quant_w or training.quant_a
        newton = training.optimizer == "gauss-newton"
        rules = {
            '[data] weights need sampling = "pixels"': self.data.sampling == "pixels" or not self.data.weights,
            "[training] warmup must not be above steps; lower it": not 0 < training.steps < training.warmup,
            "[training] amsgrad is Adam's; set it to false": training.optimizer == "adam" or not training.amsgrad,
            "[training] loss log-l2-picture needs a teacher; name one, or use log-l2": (
                training.teacher or training.loss != "log-l2-picture"
            ),
            "[training] loss log-l2-picture needs the teacher's answers alone; set teacher_share to 1": (
                training.teacher_share == 1 or training.loss != "log-l2-picture"
            ),
            "[training] gauss-newton needs loss log-l2-picture, log-l2, rmse or l2": not newton
            or training.loss not in ("l1", "log-l1"),
            "[training] gauss-newton cannot train for int8; recipes/m5-int8_x2.toml shows what can": (
                not newton or not quantized
            ),
            "[training] precision must be float32 to train for int8": training.precision == "float32" or not quantized,
            "[training] teacher_share is a teacher's; name one": training.teacher or training.teacher_share == 1,
            "[training] teacher_precision is a teacher's; name one": training.teacher or not training.teacher_precision,
            "a stage before the last has stages of its own; put all into one row": not any(
                stage.earlier for stage in self.earlier
            ),
            "all stages need the same network and card": all(
                (stage.network, stage.card) == (self.network, self.card) for stage in self.earlier
            ),
            "init_from is the first stage's; the others start from the stage before": not any(
                stage.training.init_from for stage in (*self.earlier, self)[1:]
            ),
        }
        for rule, holds in rules.items():
            if not holds:
                raise RecipeError(rule)

    @property
    def stages(self) -> "tuple[Recipe, ...]":
        """All stages in order, each as a recipe of its own."""
        return (*self.earlier, dataclasses.replace(self, earlier=()))

    def describe(self) -> str:
        """Return a line for people about what the (last) stage computes, for the network's card."""
        training, crop = self.training, self.data.crop
        length = f"{training.steps:,} steps" if training.steps else f"{training.epochs:,} epochs"
        share = f" (share {training.teacher_share:g})" if training.teacher_share < 1 else ""
        teacher = f", teacher {training.teacher}{share}" if training.teacher else ""
        return (
            f"{length} of {training.optimizer}, {training.batch} crops of {crop} x {crop} LR pixels, "
            f"rate {training.learning_rate:g}, loss {training.loss}, seed {training.seed}{teacher}"
        )

    @property
    def stem(self) -> str:
        """Name of the trained network with its scale: ``m5_x2``, ``m5-int8_x2``, ``m5-photo_x2``."""
        return f"{self.name}_x{self.network.scale}"

    @property
    def name(self) -> str:
        """Name of the trained network without its scale: the card's name if it has one."""
        if self.card.name:
            return self.card.name
        alone = "-w8" if self.training.quant_w else "-a8" if self.training.quant_a else ""
        flavor = "" if self.data.degradation == "none" else f"-{self.data.degradation}"
        return (self.network.int8_name if self.int8 else self.network.name + alone) + flavor

    @property
    def int8(self) -> bool:
        """True if the result is an int8 network."""
        return self.training.quant_w and self.training.quant_a

    def to_dict(self) -> dict[str, Any]:
        """Return plain tables, as in the file, nothing left to defaults."""
        tables = {name: dataclasses.asdict(getattr(self, name)) for name in SECTIONS}
        if not self.earlier:
            return tables
        stages = [
            dataclasses.asdict(stage.training) | {"data": dataclasses.asdict(stage.data)} for stage in self.stages
        ]
        for stage in stages[1:]:
            del stage["init_from"]
        return {"network": tables["network"], "card": tables["card"], "stage": stages}

    def with_steps(self, steps_per_epoch: float) -> "Recipe":
        """Return the recipe with its length, and the time between validations, in steps. Raises `RecipeError`."""
        training = self.training
        steps = training.steps or math.ceil(training.epochs * steps_per_epoch)
        warmup = min(training.warmup, steps)
        validate_every = training.validate_every or max(1, round(steps_per_epoch))
        return dataclasses.replace(
            self, training=dataclasses.replace(training, steps=steps, warmup=warmup, validate_every=validate_every)
        )


SECTIONS = ("network", "data", "training", "card")
"""Tables of a recipe, in the order in which they are written."""


def describe_stages(stages: Sequence[Recipe]) -> dict[str, str]:
    """Return a line for each stage, by its number."""
    return {str(number): stage.describe() for number, stage in enumerate(stages, 1)}


def join_stages(stages: Iterable[Recipe]) -> Recipe:
    """Join recipes of one stage each into one recipe. Raises `RecipeError` if they cannot follow one another."""
    *earlier, last = stages
    return dataclasses.replace(last, earlier=tuple(earlier))
