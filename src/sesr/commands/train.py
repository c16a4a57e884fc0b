"""`sesr train`."""

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from sesr.commands.arguments import Arguments, add_command, add_threads, positive
from sesr.errors import EngineError, UsageError

if TYPE_CHECKING:
    from sesr.commands.arguments import Commands
    from sesr.training.recipe import Recipe


def add_train(commands: "Commands") -> None:
    """Add the subcommand."""
    parser = add_command(
        commands, "train", _train, "train a network, from a recipe or by the published script's settings"
    )
    parser.add_argument("recipe", type=Path, nargs="?", metavar="RECIPE.toml", help="what to train and how")
    parser.add_argument(
        "--data", metavar="DIR|div2k", help="pictures to train on: a folder, one with HR/ and LR/, or DIV2K, downloaded"
    )
    parser.add_argument(
        "--validation",
        nargs="+",
        metavar="DIR|PATTERN|div2k",
        help="pictures to measure on, on the way: a folder, or several, each measured by itself; or some pictures of a "
        'folder, as "DIR/bsds_*"',
    )
    parser.add_argument("--run", type=Path, metavar="DIR", help="folder for the results (default: runs/NAME)")
    parser.add_argument("--resume", type=Path, metavar="RUN", help="go on with the run in a folder, wherever it broke")
    parser.add_argument(
        "--stage", type=positive, metavar="N", help="train only this stage of the recipe, from the one before it"
    )
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="(default: %(default)s)")
    add_threads(parser)
    parser.add_argument(
        "--cache", type=Path, metavar="DIR", help="for downloads and prepared pictures (default: the user's cache)"
    )
    for option, what in (("--quant-w", "weights"), ("--quant-a", "activations")):
        parser.add_argument(option, action="store_true", default=None, help=f"train for {what} of 8 bits")
    parser.add_argument("--gen-tflite", action="store_true", help="also write a .tflite that opens at a given size")
    parser.add_argument("--tflite-height", type=positive, default=1080, metavar="N", help="(default: %(default)s)")
    parser.add_argument("--tflite-width", type=positive, default=1920, metavar="N", help="(default: %(default)s)")
    _add_recipe_options(parser)


def _add_recipe_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that override the recipe, under the names that `with_options` takes."""
    group = parser.add_argument_group(
        "settings",
        "Each overrides the recipe's, in all its stages or in that of --stage; --init-from is for the first alone. "
        "Defaults are those without a recipe.",
    )
    group.add_argument("--epochs", type=positive, metavar="N", help="(default: 300)")
    group.add_argument("--steps", type=positive, metavar="N", help="gradient steps, instead of epochs")
    group.add_argument("--batch-size", type=positive, metavar="N", help="crops a step (default: 32)")
    group.add_argument("--learning-rate", type=float, metavar="R", help="(default: 2e-4)")
    group.add_argument("--scale", type=int, choices=(2, 3, 4), help="how many times larger (default: 2)")
    group.add_argument("--m", type=positive, metavar="N", help="3 x 3 blocks (default: 5)")
    group.add_argument("--activation", choices=("prelu", "relu"), help="(default: prelu)")
    group.add_argument("--int-features", type=positive, metavar="N", help="channels between blocks (default: 16)")
    group.add_argument("--feature-size", type=positive, metavar="N", help="width inside blocks (default: 256)")
    group.add_argument(
        "--linear-block-type", choices=("collapsed", "expanded"), help="how blocks compute (default: collapsed)"
    )
    group.add_argument("--precision", choices=("float32", "tf32", "bfloat16"), help="(default: float32)")
    group.add_argument(
        "--init-from",
        metavar="NAME|FILE|RUN",
        help="start from another network, or from none (default: for x3 and x4 the x2 network of the same name)",
    )
    group.add_argument(
        "--teacher",
        metavar="NAME|FILE|RUN",
        help="learn a trained network's answers; none learns the pictures themselves (default: none)",
    )


def _train(arguments: Arguments) -> int:
    try:
        from sesr.data.cache import default_cache
        from sesr.training import RunOptions, resume, train
        from sesr.training.named import RUNS
        from sesr.training.recipe import Recipe
        from sesr.training.recipe_file import load_recipe
        from sesr.training.recipe_options import OPTIONS, with_options
        from sesr.training.sources import Sources
    except ModuleNotFoundError as error:
        raise EngineError(f"training needs {error.name}; pip install 'sesr[train]'") from error
    settings = {name: getattr(arguments, name) for name in OPTIONS}
    options = RunOptions(
        device=arguments.device,
        threads=arguments.threads,
        cache=arguments.cache or default_cache(),
        tflite_size=(arguments.tflite_height, arguments.tflite_width) if arguments.gen_tflite else None,
    )
    _recipe_after_validation(arguments)
    if arguments.resume:
        if arguments.recipe or arguments.run or any(value is not None for value in settings.values()):
            raise UsageError("a run is resumed as it was started: give --resume without a recipe, --run or settings")
        if arguments.stage:
            raise UsageError("--resume finishes all stages, or one whose folder it names: --resume RUN/stage1")
        return _print(resume(arguments.resume, options, arguments.data, arguments.validation))
    if not arguments.data:
        raise UsageError("train needs --data: a folder of pictures, or div2k")
    given = load_recipe(arguments.recipe) if arguments.recipe else Recipe()
    recipe = with_options(given, settings, arguments.stage)
    named = arguments.recipe is not None and recipe.name == given.name
    folder = arguments.run or RUNS / (arguments.recipe.stem if named else recipe.stem)
    _warn_of_prelu(recipe)
    return _print(train(recipe, Sources(arguments.data, arguments.validation), folder, options, arguments.stage))


def _recipe_after_validation(arguments: Arguments) -> None:
    """Take a recipe that was given after the validation folders for what it is."""
    last = arguments.validation[-1] if arguments.validation else ""
    if arguments.recipe is None and last.endswith(".toml"):
        arguments.recipe = Path(last)
        arguments.validation = arguments.validation[:-1] or None


def _print(path: Path) -> int:
    """Print where the network is. With several processes only the first does."""
    if os.environ.get("RANK", "0") == "0":
        print(path)
    return 0


def _warn_of_prelu(recipe: "Recipe") -> None:
    """Warn before the training that int8 PReLU works, but is slow."""
    training = recipe.training
    if training.quant_w and training.quant_a and recipe.network.activation == "prelu":
        print(
            "sesr: int8 PReLU has no fast kernel in most runtimes and is much slower there; "
            "--activation relu trains the ReLU network, which has",
            file=sys.stderr,
        )
