"""What learns: the network, its optimiser and the running mean of its weights, and the step that changes them.

A step is the loss of a batch (the paper's is L1), its gradient, and Adam's update (paper, section 5.1). Loss and
gradient are compiled: run operation by operation the collapse is many tiny kernels, and features pass through memory
once for each. The running mean (EMA) of the weights follows at a distance and is better than any single step's; it is
what is validated and kept.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from sesr.network.sesr import SESR, CollapsedSESR
from sesr.training.recipe import Recipe, TrainingRecipe


def learning_rate(recipe: TrainingRecipe, step: int) -> float:
    """The rate of step 0, 1, ...: a linear warm-up, then constant or half a cosine down to zero."""
    if step < recipe.warmup:
        return recipe.learning_rate * (step + 1) / recipe.warmup
    if recipe.schedule == "constant":
        return recipe.learning_rate
    progress = (step - recipe.warmup) / max(1, recipe.steps - recipe.warmup)
    return recipe.learning_rate * (1 + math.cos(math.pi * progress)) / 2


class Learner:
    """A network, its optimiser and its running mean: the state that a step changes and a checkpoint holds."""

    def __init__(self, recipe: Recipe, device: torch.device, *, compile_step: bool) -> None:
        torch.manual_seed(recipe.training.seed)
        self.recipe = recipe
        self.network = SESR.from_config(recipe.network, recipe.training.form).to(device)
        self.parameters = list(self.network.parameters())
        self.mean = [parameter.detach().clone() for parameter in self.parameters]
        self.optimizer = torch.optim.Adam(
            self.parameters,
            lr=recipe.training.learning_rate,
            betas=recipe.training.betas,
            amsgrad=recipe.training.amsgrad,
            fused=True,
        )
        self._criterion = {"l1": functional.l1_loss, "l2": functional.mse_loss}[recipe.training.loss]
        self._loss: Callable[[Tensor, Tensor], Tensor]
        self._loss = torch.compile(self._forward) if compile_step else self._forward

    def _forward(self, lr: Tensor, hr: Tensor) -> Tensor:
        return self._criterion(self.network(lr), hr)

    def step(self, number: int, lr: Tensor, hr: Tensor) -> Tensor:
        """One gradient step on a batch; returns its loss."""
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.recipe.training, number)
        loss = self._loss(lr, hr)
        torch.autograd.backward(loss)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=False)
        torch._foreach_lerp_(self.mean, list[Tensor](self.parameters), 1 - self.recipe.training.ema)
        return loss.detach()

    @torch.no_grad()
    def collapsed_mean(self) -> CollapsedSESR:
        """The network of the running mean, collapsed in float64 and rounded once."""
        network = SESR.from_config(self.recipe.network)
        for parameter, mean in zip(network.parameters(), self.mean, strict=True):
            parameter.copy_(mean)
        return network.double().collapse().float().to(self.mean[0].device).eval()

    def state(self) -> dict[str, Any]:
        """Everything, as tensors and plain values."""
        return {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "mean": self.mean,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Takes up a state made by `state`."""
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        for mean, saved in zip(self.mean, state["mean"], strict=True):
            mean.copy_(saved)

    @torch.no_grad()
    def start_from(self, mean: list[Tensor]) -> None:
        """Takes another run's running mean for fresh weights; the optimiser starts anew."""
        for own, parameter, value in zip(self.mean, self.parameters, mean, strict=True):
            own.copy_(value)
            parameter.copy_(value)
