"""The learner: the network, its optimizer, the running mean of its weights, and the step that changes them.

A step is the loss of a batch (the paper's is L1), its gradient, and Adam's update (paper, section 5.1). Loss and
gradient are compiled: run operation by operation, the collapse is many tiny kernels, and features pass through memory
once for each. On a GPU, launching a step's kernels one by one takes longer than running them. There they are recorded
once as a graph and then replayed: the whole step if possible (`sesr.training.steps`), otherwise loss and gradient. The
running mean (EMA) of the weights is better than the weights after any single step. It is what is validated and kept.

`Learner.learn` is the step, the same one on every device, recorded or not. The learning rate, and how far the running
mean follows, come from outside: as numbers, or as tensors if the step is recorded. Everything that a step changes stays
where it is in memory.
"""

import copy
import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from sesr.data.crops import Batch
from sesr.network.checkpoint import Checkpoint
from sesr.network.quantized import QuantizedNetwork
from sesr.network.sesr import SESR, CollapsedSESR
from sesr.training.machine import has_bfloat16
from sesr.training.optimizers.curvature import (
    CROP,
    CROPS_AT_ONCE,
    LEAST_SEEN,
    LEAST_SQUARE,
    measured_inverse,
    whole_batches,
)
from sesr.training.optimizers.gauss_newton import GaussNewton
from sesr.training.optimizers.inverse import Inverse
from sesr.training.optimizers.soap import SOAP
from sesr.training.processes import Processes
from sesr.training.quantization import QuantizedSESR
from sesr.training.recipe import Recipe, TrainingRecipe

Narrow = CollapsedSESR | QuantizedSESR
"""A network that can be validated: a collapsed one, or one that simulates int8."""

Crops = Callable[[int, int, int], Iterable[Batch]]
"""Source of batches; takes the crops' LR side, crops per batch, and the number of batches."""


Loss = Callable[[Tensor, Tensor, Tensor | None], Tensor]
"""Takes a prediction, or LR for the whole step; HR; and the error of HR (`Batch.answer_error`). Returns the loss."""


def learning_rate(recipe: TrainingRecipe, step: int) -> float:
    """Return the rate of step 0, 1, ...: a linear warm-up, then constant or half a cosine down to zero."""
    if step < recipe.warmup:
        return recipe.learning_rate * (step + 1) / recipe.warmup
    if recipe.schedule == "constant":
        return recipe.learning_rate
    progress = (step - recipe.warmup) / max(1, recipe.steps - recipe.warmup)
    return recipe.learning_rate * (1 + math.cos(math.pi * progress)) / 2


def build_network(recipe: Recipe) -> SESR | CollapsedSESR:
    """Build the network that a recipe trains: of linear blocks, or for Gauss-Newton of narrow convolutions."""
    network = SESR.from_config(recipe.network, recipe.training.form)
    return network.collapse() if recipe.training.optimizer == "gauss-newton" else network


def _optimizer(parameters: list[nn.Parameter], recipe: TrainingRecipe, *, recordable: bool) -> torch.optim.Optimizer:
    """Return the recipe's optimizer. If it is recorded, it reads its rate from a tensor in every step."""
    rate: float | Tensor = recipe.learning_rate
    betas, device = recipe.betas, parameters[0].device
    if recordable:  # PyTorch wants float32 on a GPU; on a CPU a number must stay exactly what it is
        rate = torch.tensor(rate, device=device, dtype=torch.float32 if device.type == "cuda" else torch.float64)
    if recipe.optimizer == "gauss-newton":
        return GaussNewton(parameters, rate, betas[0])
    if recipe.optimizer == "soap":
        return SOAP(parameters, recipe.learning_rate, betas)
    return torch.optim.Adam(parameters, rate, betas, amsgrad=recipe.amsgrad, fused=True, capturable=recordable)


def _l1(prediction: Tensor, hr: Tensor, answer_error: Tensor | None) -> Tensor:
    """Return the mean absolute error."""
    return functional.l1_loss(prediction, hr)


def _l2(prediction: Tensor, hr: Tensor, answer_error: Tensor | None) -> Tensor:
    """Return the mean squared error."""
    return functional.mse_loss(prediction, hr)


def _rmse(prediction: Tensor, hr: Tensor, answer_error: Tensor | None) -> Tensor:
    """Return the mean over crops of the root of the mean squared error."""
    return (prediction - hr).square().mean((1, 2, 3)).add(LEAST_SQUARE).sqrt().mean()


def _log_l1(prediction: Tensor, hr: Tensor, answer_error: Tensor | None) -> Tensor:
    """Return the mean over crops of the logarithm of the mean absolute error."""
    return (prediction - hr).abs().mean((1, 2, 3)).add(LEAST_SEEN).log().mean()


def _log_l2(prediction: Tensor, hr: Tensor, answer_error: Tensor | None) -> Tensor:
    """Return the mean over crops of the logarithm of their mean squared error, which is -ln 10 / 10 of their PSNR."""
    return (prediction - hr).square().mean((1, 2, 3)).add(LEAST_SEEN**2).log().mean()


def _log_l2_picture(prediction: Tensor, hr: Tensor, answer_error: Tensor | None) -> Tensor:
    """Return the mean over crops of the logarithm of the mean squared error against the pictures, as far as known.

    Were the teacher's answer the mean of all pictures that fit LR, the rest of the picture would be noise, and the
    squared errors of the crop against the answer and of the answer against the picture would add up. The second is the
    whole picture's. Where it is the larger by far, a picture's crops weigh as in the picture's PSNR.
    """
    assert answer_error is not None
    return (prediction - hr).square().mean((1, 2, 3)).add(answer_error + LEAST_SEEN**2).log().mean()


CRITERIA: dict[str, Loss] = {
    "l1": _l1,
    "l2": _l2,
    "rmse": _rmse,
    "log-l1": _log_l1,
    "log-l2": _log_l2,
    "log-l2-picture": _log_l2_picture,
}
"""Losses of a prediction by their names in recipes."""


def _with_simulation(network: SESR | CollapsedSESR, recipe: TrainingRecipe) -> SESR | CollapsedSESR | QuantizedSESR:
    """Return the network, wrapped in a simulation of int8 if the recipe asks for one."""
    if not (recipe.quant_w or recipe.quant_a):
        return network
    assert isinstance(network, SESR)
    return QuantizedSESR(network, quant_w=recipe.quant_w, quant_a=recipe.quant_a)


def can_record(recipe: TrainingRecipe, processes: Processes) -> bool:
    """Tell whether whole steps can be recorded.

    SOAP cannot: from time to time, by a count that Python keeps, it renews its basis. Nor can several processes, whose
    gradients travel in the middle of a step.
    """
    return recipe.optimizer != "soap" and processes.ranks == 1


class Learner:
    """A network, its optimizer and its running mean: the state that a step changes and a checkpoint holds.

    Args:
        recipe: what is trained and how.
        processes: this process among all, and its device.
        compile_step: compile loss and gradient.
        record: prepare for whole steps to be recorded; None does so on a GPU where `can_record` allows it.

    Attributes:
        recordable: True if `learn` may be recorded. If not, compiled loss and gradient are recorded by themselves.
    """

    def __init__(self, recipe: Recipe, processes: Processes, *, compile_step: bool, record: bool | None = None) -> None:
        torch.manual_seed(recipe.training.seed)
        self.recipe, self.processes = recipe, processes
        on_gpu = processes.device.type == "cuda"
        self.recordable = can_record(recipe.training, processes) and (on_gpu if record is None else record)
        self.network = build_network(recipe).to(processes.device)
        self.model = _with_simulation(self.network, recipe.training).to(processes.device)
        self._bfloat16 = recipe.training.precision == "bfloat16" and has_bfloat16(processes.device)
        torch.backends.cudnn.allow_tf32 = recipe.training.precision == "tf32"
        self.parameters = list(self.model.parameters())
        for parameter in self.parameters:
            parameter.grad = torch.zeros_like(parameter)  # our own memory, where gradients stay
        self.mean = [parameter.detach().clone() for parameter in self.parameters]
        self._share = torch.zeros(sum(mean.numel() for mean in self.mean), device=processes.device)  # for `_follow`
        self._start: list[Tensor] = []
        self.optimizer = _optimizer(self.parameters, recipe.training, recordable=self.recordable)
        self.criterion = CRITERIA[recipe.training.loss]
        self._compile_step = compile_step
        self._loss: Loss = self._first_loss if compile_step else self._forward

    def _first_loss(self, lr: Tensor, hr: Tensor, answer_error: Tensor | None) -> Tensor:
        """Compile the loss. If that fails, for a missing header or on a newer GPU, training continues without."""
        graphs_of_its_own = self.processes.device.type == "cuda" and not self.recordable
        mode = "reduce-overhead" if graphs_of_its_own else "default"
        compiled = torch.compile(self._forward, mode=mode)
        try:
            loss: Tensor = compiled(lr, hr, answer_error)
            self._loss = compiled
        except Exception as error:  # many kinds; an error of the step itself is raised again below
            reason = (str(error).split("\n") or [""])[0][:200]
            tqdm.write(f"steps are not compiled, which is slower: {type(error).__name__}: {reason}")
            self._loss = self._forward
            loss = self._forward(lr, hr, answer_error)
        return loss

    def _forward(self, lr: Tensor, hr: Tensor, answer_error: Tensor | None) -> Tensor:
        with torch.autocast(lr.device.type, torch.bfloat16, enabled=self._bfloat16):
            prediction = self.model(lr)
        return self.criterion(prediction.float(), hr, answer_error)

    def rates(self, number: int) -> tuple[float, float]:
        """Return the learning rate of step 0, 1, ..., and how far the running mean goes to the new weights (0 to 1)."""
        decay = min(self.recipe.training.ema, (1 + number) / (10 + number))  # forgets the first weights soon
        return learning_rate(self.recipe.training, number), 1 - decay

    def step(self, number: int, batch: Batch) -> Tensor:
        """Take a gradient step on this process's share of a batch. Return the whole batch's loss."""
        return self.learn(batch, *self.rates(number))

    def learn(self, batch: Batch, rate: float | Tensor, share: float | Tensor) -> Tensor:
        """Take a gradient step at a learning rate; the running mean goes a share of the way to the new weights.

        With tensors for `rate` and `share`, nothing here depends on Python's numbers, and the step may be recorded.
        """
        for group in self.optimizer.param_groups:
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(rate)
            else:
                group["lr"] = float(rate)
        loss = self._loss(*batch)
        gradients = [parameter.grad for parameter in self.parameters if parameter.grad is not None]
        torch._foreach_copy_(gradients, list(torch.autograd.grad(loss, self.parameters, materialize_grads=True)))
        loss = loss.detach().clone()  # a replayed graph writes the next loss to the same place
        self.processes.average([*gradients, loss])
        self.optimizer.step()
        self._follow(share)
        return loss

    @torch.no_grad()
    def _follow(self, share: float | Tensor) -> None:
        """Move the running mean a share of the way to the weights."""
        weights = list[Tensor](self.parameters)
        if isinstance(share, Tensor):  # one kernel for all weights wants a share for each
            parts = torch.split(self._share.fill_(share), [mean.numel() for mean in self.mean])
            shares = [part.view_as(mean) for part, mean in zip(parts, self.mean, strict=True)]
            torch._foreach_lerp_(self.mean, weights, shares)
        else:
            torch._foreach_lerp_(self.mean, weights, share)

    def stop_recording(self) -> None:
        """Give up whole recorded steps: compiled loss and gradient are recorded by themselves again."""
        self.recordable = False
        if self._compile_step:
            self._loss = self._first_loss

    def changing(self) -> list[list[Tensor]]:
        """Return every tensor that a step changes, gradients aside: weights, their means, each kind of the optimizer's.

        These are the very tensors that steps write to. The optimizer's exist from the first step on.
        """
        kinds: dict[str, list[Tensor]] = {}
        for state in self.optimizer.state.values():
            for kind, value in state.items():
                kinds.setdefault(kind, []).append(value)
        return [[parameter.detach() for parameter in self.parameters], self.mean, *kinds.values()]

    def prepare(self, crops: Crops, *, fresh: bool) -> None:
        """Measure what the recipe needs before the first step: int8 ranges, or the curvature of the loss.

        Args:
            crops: source of batches.
            fresh: the run starts. A resumed run has its ranges, and measures curvature where it started.
        """
        if isinstance(self.model, QuantizedSESR) and fresh:
            self.model.start_ranges(batch.lr for batch in crops(self.recipe.data.crop, self.recipe.training.batch, 8))
            self.reset_mean()
        if isinstance(self.optimizer, GaussNewton):
            if fresh:
                self._start = [parameter.detach().clone() for parameter in self.parameters]
            self.optimizer.inverse = self._inverse(crops)
            self.processes.share(self.optimizer.inverse.tensors)

    def _inverse(self, crops: Crops) -> Inverse:
        """Measure the curvature at the weights where the run started, so that a resumed run finds the same."""
        training = self.recipe.training
        network = CollapsedSESR(self.recipe.network).to(self.processes.device)
        with torch.no_grad():
            torch._foreach_copy_(list[Tensor](network.parameters()), self._start)
        count = whole_batches(training.curvature_crops)
        torch.manual_seed(training.seed)
        measured_on = crops(CROP, CROPS_AT_ONCE, count // CROPS_AT_ONCE)
        return measured_inverse(network, measured_on, count, training.loss, training.damping)

    @torch.no_grad()
    def mean_model(self) -> Narrow:
        """Return the running mean as a model: collapsed in float64 and rounded once, or the settled int8 simulation."""
        if isinstance(self.model, QuantizedSESR):
            model = copy.deepcopy(self.model).eval()
            torch._foreach_copy_(list[Tensor](model.parameters()), self.mean)
            if model.quant_w and model.quant_a:
                model.settle()
            return model
        return self._collapsed_mean()

    @torch.no_grad()
    def mean_network(self) -> Checkpoint | QuantizedNetwork:
        """Return the running mean as a network to keep: int8 if both weights and planes are, else float.

        If only weights are quantized, it holds the rounded weights. Quantized planes alone leave no trace in it.
        """
        model = self.mean_model()
        if isinstance(model, QuantizedSESR) and model.quant_w and model.quant_a:
            return model.to_integers()
        narrow = self._collapsed_mean()
        if isinstance(model, QuantizedSESR):
            narrow.load_state_dict(model.rounded_weights())
        return narrow.to_checkpoint({})

    def _collapsed_mean(self) -> CollapsedSESR:
        network = build_network(self.recipe)
        own = list[Tensor](network.parameters())  # the ranges of a simulation come after them
        with torch.no_grad():
            torch._foreach_copy_(own, self.mean[: len(own)])
        narrow = network.double().collapse().float() if isinstance(network, SESR) else network
        return narrow.to(self.mean[0].device).eval()

    def state(self) -> dict[str, Any]:
        """Return the whole state as tensors and plain values."""
        return {
            "network": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "mean": self.mean,
            "start": self._start,
        }

    @torch.no_grad()
    def restore(self, state: dict[str, Any]) -> None:
        """Restore a state that `state` returned."""
        self.model.load_state_dict(state["network"])
        settings = [{**group} for group in self.optimizer.param_groups]
        self.optimizer.load_state_dict(state["optimizer"])
        for group, own in zip(self.optimizer.param_groups, settings, strict=True):
            group.update(own)  # the recipe's settings, as this device needs them: a rate may be a tensor, or not
        for mean, saved in zip(self.mean, state["mean"], strict=True):
            mean.copy_(saved)
        self._start = [start.to(self.processes.device) for start in state.get("start", [])]

    def reset_mean(self) -> None:
        """Reset the running mean to the present weights."""
        torch._foreach_copy_(self.mean, [parameter.detach() for parameter in self.parameters])
