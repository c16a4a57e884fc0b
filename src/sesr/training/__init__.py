"""Training: from a recipe and folders of pictures to a network's files. Needs the extra ``train``.

    from sesr.training import Sources, load_recipe, train

    path = train(load_recipe(Path("recipes/m5_x2.toml")), Sources("pictures"), Path("runs/m5_x2"))

Importing the package loads neither PyTorch nor anything else; each name does when first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sesr.training.recipe import Recipe
    from sesr.training.recipe_file import load_recipe
    from sesr.training.run import resume, train
    from sesr.training.sources import Sources
    from sesr.training.stage_run import RunOptions

__all__ = ["Recipe", "RunOptions", "Sources", "load_recipe", "resume", "train"]

_HOMES = {
    "Recipe": "sesr.training.recipe",
    "RunOptions": "sesr.training.stage_run",
    "Sources": "sesr.training.sources",
    "load_recipe": "sesr.training.recipe_file",
    "resume": "sesr.training.run",
    "train": "sesr.training.run",
}


if not TYPE_CHECKING:  # type checkers shall find misspelled names

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module 'sesr.training' has no attribute {name!r}")
        found: object = getattr(import_module(_HOMES[name]), name)
        return found


def __dir__() -> list[str]:
    return sorted(__all__)
