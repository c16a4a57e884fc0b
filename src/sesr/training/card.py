"""The card of a trained network: what its file says about its training."""

from collections.abc import Sequence
from pathlib import Path

from sesr.network.checkpoint import Card
from sesr.training.checkpoint import RunProgress
from sesr.training.recipe import Recipe, describe_stages
from sesr.training.sources import Sources


def network_card(stages: Sequence[Recipe], sources: Sources, progress: RunProgress) -> Card:
    """Return the card of a network.

    Args:
        stages: all that made it, in order, each as it was trained.
        sources: the pictures of the last.
        progress: end of the last, with its validation.
    """
    first, last = stages[0].training, stages[-1].training
    card: Card = {
        "name": stages[-1].name,
        "data": stages[-1].card.data or Path(sources.data).name,
        "licence": stages[-1].card.licence,
        "steps": sum(stage.training.steps for stage in stages),
    }
    card |= _of_one_stage(stages[0]) if len(stages) == 1 else {"stages": describe_stages(stages)}
    if last.quant_w or last.quant_a:
        both = last.quant_w and last.quant_a
        card["quantised"] = "weights and features" if both else "weights" if last.quant_w else "features"
    teachers = list(dict.fromkeys(stage.training.teacher for stage in stages if stage.training.teacher))
    if teachers:
        card["teacher"] = ", ".join(teachers)
    if first.init_from:
        card["init_from"] = first.init_from
    if progress.validation_psnr is not None:
        several = len(progress.validation) > 1
        card["validation_mean_db" if several else "validation_db"] = round(progress.validation_psnr, 3)
        if several:
            card["validation_sets_db"] = {name: round(psnr_db, 3) for name, psnr_db in progress.validation.items()}
    return card


def _of_one_stage(recipe: Recipe) -> Card:
    training, crop = recipe.training, recipe.data.crop
    return {"batch": f"{training.batch} crops of {crop} x {crop} LR pixels", "seed": training.seed}
