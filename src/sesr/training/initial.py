"""First weights of a run that starts from another network instead of fresh ones.

The paper trains x4 from the trained x2 network: all but the last block, whose outputs are 16 instead of 4
(section 5.1). The same works for x3, and with the last block too where the scale is the same.

The other network is either a run's folder, whose wide weights are copied, or a file with the collapsed network, which
no longer holds wide weights. Many wide weights collapse into the same kernel K. Those nearest to a fresh block's are
taken: with W1 and W2 drawn as usual, W1 moves by the least change that makes W2 W1 equal K, ``W1 + pinv(W2) (K - W2
W1)``. If the narrow convolutions themselves are trained, kernels are copied.

A ReLU network may start from one with PReLU, whose slopes are left out. It is some decibels worse at first, and better
after a few thousand steps than one trained from nothing.
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sesr.errors import TrainingError, WeightsError
from sesr.network.checkpoint import load_checkpoint
from sesr.network.linear_block import LinearBlock
from sesr.network.sesr import SESR, CollapsedSESR
from sesr.network.variants import SESRConfig
from sesr.training.checkpoint import load_run
from sesr.training.layout import CHECKPOINT, RECIPE, begun_stages, latest
from sesr.training.learner import build_network
from sesr.training.recipe import Recipe
from sesr.training.recipe_file import load_recipe, parse_recipe


def start_from(network: SESR | CollapsedSESR, source: Path) -> None:
    """Give a fresh network the weights of another.

    Args:
        network: changed in place; keeps its own last block if the other's scale differs.
        source: the folder of a finished run or stage, or a network's `.safetensors`.

    Raises `TrainingError` if there is nothing to start from, a run that is not finished, or a network with other
    hyper-parameters.
    """
    if source.is_dir():
        _from_run(network, source)
    else:
        _from_file(network, source)


def _from_run(network: SESR | CollapsedSESR, run: Path) -> None:
    saved = load_run(latest(run))
    recipe = parse_recipe(saved["recipe"])
    check_fits(network.config, recipe.network, run)
    _check_finished(run, saved, recipe)
    other = build_network(recipe)
    own = list[Tensor](other.parameters())  # the ranges of an int8 run come after them
    with torch.no_grad():
        torch._foreach_copy_(own, saved["mean"][: len(own)])
    if isinstance(other, CollapsedSESR):
        _copy_collapsed(network, other)
    elif isinstance(network, CollapsedSESR) or recipe.network.feature_size != network.config.feature_size:
        _copy_collapsed(network, other.double().collapse())
    else:
        for name in _shared_parts(network.config, other.config):
            network.get_submodule(name).load_state_dict(other.get_submodule(name).state_dict())
        if network.config.activation == other.config.activation:
            network.slopes.load_state_dict(other.slopes.state_dict())


def _check_finished(run: Path, saved: dict[str, Any], recipe: Recipe) -> None:
    """Refuse to start from a run that has steps or stages left, which would train to another network unnoticed."""
    steps, begun = recipe.training.steps, begun_stages(run)
    if saved["step"] < steps:
        stage = f" in stage {max(begun)}" if begun else ""
        raise _unfinished(run, f"{saved['step']:,} of {steps:,} steps{stage}")
    if not begun or (run / CHECKPOINT).exists():
        return
    if not (run / RECIPE).exists():
        raise TrainingError(f"{run / RECIPE}: is missing, so the run's stages are not known; name a stage's folder")
    count = len(load_recipe(run / RECIPE).stages)
    if max(begun) < count:
        raise _unfinished(run, f"{max(begun)} of {count} stages")


def _unfinished(run: Path, done: str) -> TrainingError:
    return TrainingError(f"{run}: has done {done}; finish it by --resume {run}, or start from a .safetensors")


def _from_file(network: SESR | CollapsedSESR, path: Path) -> None:
    try:
        other = CollapsedSESR.from_checkpoint(load_checkpoint(path))
    except WeightsError as error:
        raise TrainingError(f"cannot start from {error}") from error
    check_fits(network.config, other.config, path)
    _copy_collapsed(network, other)


def check_fits(config: SESRConfig, other: SESRConfig, source: Path) -> None:
    """Raise `TrainingError` unless a network of `config` can start from one of `other`."""
    for name in ("m", "f", "activation", "input_residual"):
        ours, theirs = getattr(config, name), getattr(other, name)
        if ours != theirs and (name, ours) != ("activation", "relu"):
            raise TrainingError(
                f"{source}: a network with {name} = {theirs}, to train is one with {ours}; name one that fits"
            )
    if other.scale not in (2, config.scale):
        raise TrainingError(
            f"{source}: a network for x{other.scale}; x{config.scale} starts from x2 or x{config.scale}"
        )


def _shared_parts(config: SESRConfig, other: SESRConfig) -> list[str]:
    """Return the names of the parts that both have: all, or all but the last block."""
    return ["head", "body", *(["tail"] if other.scale == config.scale else [])]


@torch.no_grad()
def _copy_collapsed(network: SESR | CollapsedSESR, other: CollapsedSESR) -> None:
    weights = other.state_dict()
    for name in _shared_parts(network.config, other.config):
        part = network.get_submodule(name)
        if isinstance(network, CollapsedSESR):
            kept = part.state_dict().keys()  # a ReLU network has no slopes
            theirs = other.get_submodule(name).state_dict()
            part.load_state_dict({key: tensor for key, tensor in theirs.items() if key in kept})
            continue
        for path, block in part.named_modules(prefix=name):
            if isinstance(block, LinearBlock):
                _widen(block, weights[f"{path}.weight"], weights[f"{path}.bias"])
    if isinstance(network, SESR):
        for index, slope in enumerate(network.slopes):  # none in a ReLU network
            slope.copy_(weights[f"body.{index}.slope"])


def _widen(block: LinearBlock, kernel: Tensor, bias: Tensor) -> None:
    """Move a block's wide weights to ones that collapse into `kernel`."""
    c_out, p = block.project.shape
    if p < c_out:
        raise TrainingError(f"feature_size {p} is too narrow to start from a collapsed network; give {c_out} or more")
    missing = (kernel.to(block.expand).double() - block.kernel().double()).flatten(1)
    change = torch.linalg.pinv(block.project.double()) @ missing
    block.expand.add_(change.view_as(block.expand).to(block.expand))
    block.bias.copy_(bias)
