"""Networks that a recipe names: the file or run that `init_from` and `teacher` stand for.

Both keys hold a path, or a bare name such as ``m5``. A name stands for the finished run ``runs/m5_x2`` if there is one,
and for the shipped network otherwise. In `init_from`, a name may tell the scale: ``m5_x4``.
"""

import re
from pathlib import Path

from sesr.errors import UsageError
from sesr.network.zoo import find_network
from sesr.training.layout import is_run
from sesr.training.recipe import Recipe

RUNS = Path("runs")
"""Folder, in the working directory, that runs go into unless told otherwise."""


def find_initial(recipe: Recipe) -> Path | None:
    """Return the run's folder or network's file that a recipe starts from; None if it starts from fresh weights.

    A name without a scale means the x2 network. Training for int8 starts from the network of its own scale if there is
    one.

    Raises `UsageError` if there is no such network.
    """
    name = recipe.training.init_from
    if not name:
        return None
    if _is_path(name):
        return _checked(Path(name), "start", "--init-from", "NAME")
    for name, scale in initial_networks(recipe):
        try:
            return _finished_run_or_shipped(name, scale)
        except UsageError as error:
            reason = error
    raise UsageError(
        f"no network to start from: {reason}; or start from nothing: --init-from none, in a recipe init_from = ''"
    )


def initial_networks(recipe: Recipe) -> list[tuple[str, int]]:
    """Return name and scale of each network that a recipe's `init_from` can mean if it is a name, the best first."""
    name, quantized = recipe.training.init_from, recipe.training.quant_w or recipe.training.quant_a
    scaled = re.fullmatch(r"(.+)_x([234])", name)
    if scaled:
        return [(scaled[1], int(scaled[2]))]
    return [(name, scale) for scale in dict.fromkeys((recipe.network.scale, 2) if quantized else (2,))]


def find_teacher(recipe: Recipe) -> Path | None:
    """Return the file of the network that a recipe learns from; None if it has no teacher.

    Raises `UsageError` if there is no such network of the recipe's scale.
    """
    name = recipe.training.teacher
    if not name:
        return None
    try:
        is_path = _is_path(name) or Path(name).is_dir()
        path = Path(name) if is_path else _finished_run_or_shipped(name, recipe.network.scale)
    except UsageError as error:
        raise UsageError(f"no network to learn from: {error}; or --teacher none") from error
    if not _checked(path, "learn", "--teacher", "xl").is_dir():
        return path
    files = sorted(path.glob("sesr_*.safetensors"))
    if len(files) != 1:
        raise UsageError(f"{path}: holds {len(files)} networks to learn from; name a .safetensors, or --teacher none")
    return files[0]


def _is_path(name: str) -> bool:
    path = Path(name)
    return path.name != name or bool(path.suffix) or is_run(path)


def _checked(path: Path, purpose: str, option: str, example: str) -> Path:
    """Return a path that a recipe names, or refuse it with what makes it or what to name instead."""
    if path.exists():
        return path
    instead = f"{option} {example} or none"
    if path.parent.name == RUNS.name:
        raise UsageError(f"{path}: no such run to {purpose} from; train recipes/{path.name}.toml, or {instead}")
    stage = re.fullmatch(r"stage(\d+)", path.name)
    if stage and path.parent.parent.name == RUNS.name:
        recipe = f"recipes/{path.parent.name}.toml --stage {stage[1]}"
        raise UsageError(f"{path}: no such stage to {purpose} from; train {recipe}, or {instead}")
    where = "" if path.is_absolute() else f" in {Path.cwd()}, the working directory"
    run = "" if path.is_absolute() else "run from the project's root, or "
    raise UsageError(f"{path}: no such network to {purpose} from{where}; {run}name another with {option}")


def _finished_run_or_shipped(name: str, scale: int) -> Path:
    run = RUNS / f"{name}_x{scale}"
    if (run / f"sesr_{run.name}.safetensors").exists():
        return run
    try:
        found = find_network(name, scale).safetensors
    except UsageError as error:
        raise UsageError(f"no finished run {run}; {error}") from error
    assert found is not None  # shipped networks have both files
    return found
