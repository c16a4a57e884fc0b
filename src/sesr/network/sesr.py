"""SESR: a network that enlarges luma two, three or four times.

Paper: "Collapsible Linear Blocks for Super-Efficient Super Resolution", Kartikeya Bhardwaj, Milos Milosavljevic,
Liam O'Neil, Dibakar Gope, Ramon Matas, Alex Chalfin, Naveen Suda, Lingchuan Meng, Danny Loh. MLSys 2022.
https://arxiv.org/abs/2103.09404 (sections and figures below are this paper's; "the published code" is
https://github.com/ARM-software/sesr)

`SESR` is the network as it trains, made of linear blocks (section 3.1, figure 2). `SESR.collapse` returns the network
as it runs, `CollapsedSESR`: m + 2 small convolutions and nothing else. Both compute, for luma x of shape
(N, 1, H, W)::

    h0 = conv5x5(x - 0.5)                        1 -> f
    h  = act(conv3x3(h) + h), m times            f -> f    the short residual is inside the block
    y  = conv5x5(h + h0) + x                     f -> scale^2, x added to every channel
    depth-to-space: channel scale * dy + dx of a pixel becomes the pixel (dy, dx) of its scale x scale patch

x is Y/255, where Y is BT.601 luma of limited range (16..235). The shift by 0.5 comes before the zero padding, so the
picture continues as mid-gray beyond its border.

The paper makes x4 by two depth-to-spaces of 2. The single one of 4 used here is equal, except that the last layer's 16
channels come in another order. Call the offset in the coarse step (y1 x1) and in the fine step (y2 x2): the paper's
channel bits y1 x1 y2 x2 are y1 y2 x1 x2 here. (PyTorch's own shuffle, run twice, has y2 x2 y1 x1: TensorFlow's order
transposed as a 4 x 4 matrix.)

The result is clipped to [0, 1] in evaluation mode only, because a clip would stop gradients while training.
"""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional

from sesr.network.checkpoint import Card, Checkpoint
from sesr.network.linear_block import LinearBlock
from sesr.network.variants import Activation, Form, SESRConfig

INITIAL_GAINS = (1.0, 0.2, 0.1)
"""Gains of the first block, the middle ones and the last. A fresh network nearly repeats its input's pixels."""


class SESR(nn.Module):
    """The trainable network. Arguments as in `SESRConfig`, plus the `form` in which its blocks compute."""

    def __init__(
        self,
        m: int = 5,
        f: int = 16,
        feature_size: int = 256,
        scale: int = 2,
        activation: Activation = "prelu",
        *,
        input_residual: bool = True,
        form: Form = "collapsed",
    ) -> None:
        super().__init__()
        self.config = SESRConfig(m, f, scale, activation, input_residual, feature_size)
        head_gain, body_gain, tail_gain = INITIAL_GAINS
        self.head = LinearBlock(1, f, 5, feature_size, gain=head_gain, form=form)
        self.body = nn.ModuleList(
            LinearBlock(f, f, 3, feature_size, gain=body_gain, residual=True, form=form) for _ in range(m)
        )
        slopes = m if activation == "prelu" else 0
        self.slopes = nn.ParameterList(nn.Parameter(torch.full((f,), 0.25)) for _ in range(slopes))
        self.tail = LinearBlock(f, scale**2, 5, feature_size, gain=tail_gain, form=form)

    @classmethod
    def from_config(cls, config: SESRConfig, form: Form = "collapsed") -> "SESR":
        """Build the network that a config describes, freshly initialized."""
        return cls(
            config.m,
            config.f,
            config.feature_size,
            config.scale,
            config.activation,
            input_residual=config.input_residual,
            form=form,
        )

    def forward(self, luma: Tensor) -> Tensor:
        """Enlarge luma, (N, 1, H, W) -> (N, 1, scale H, scale W)."""
        layers = (self._layer(block, index) for index, block in enumerate(self.body))
        y = wire(luma, self.head, layers, self.tail, self.config)
        return y if self.training else y.clamp(0, 1)

    def _layer(self, block: nn.Module, index: int) -> Callable[[Tensor], Tensor]:
        slope = self.slopes[index] if len(self.slopes) else None
        return lambda features: _activate(block(features), slope)

    @torch.no_grad()
    def collapse(self) -> "CollapsedSESR":
        """Return a new, plain network with the collapsed kernels. It shares no memory with this one."""
        tensors = {f"body.{index}.slope": slope for index, slope in enumerate(self.slopes)}
        for name, block in self.named_modules():
            if isinstance(block, LinearBlock):
                tensors |= {f"{name}.weight": block.kernel(), f"{name}.bias": block.bias}
        collapsed = CollapsedSESR(self.config).to(self.head.bias)
        collapsed.load_state_dict(tensors)
        return collapsed.train(self.training)


class CollapsedSESR(nn.Module):
    """The network as it runs: plain convolutions, named as in the network's file (`sesr.network.checkpoint`)."""

    def __init__(self, config: SESRConfig) -> None:
        super().__init__()
        self.config = config
        self.head = nn.Conv2d(1, config.f, 5, padding=2)
        self.body = nn.ModuleList(ActivatedConv(config.f, config.activation) for _ in range(config.m))
        self.tail = nn.Conv2d(config.f, config.scale**2, 5, padding=2)

    def forward(self, luma: Tensor) -> Tensor:
        """Enlarge luma, (N, 1, H, W) -> (N, 1, scale H, scale W)."""
        y = wire(luma, self.head, self.body, self.tail, self.config)
        return y if self.training else y.clamp(0, 1)

    def to_checkpoint(self, card: Card) -> Checkpoint:
        """Return the network as a file's content, float32."""
        tensors = {name: tensor.detach().float().cpu().numpy() for name, tensor in self.state_dict().items()}
        return Checkpoint(self.config, tensors, card)

    @classmethod
    def from_checkpoint(cls, checkpoint: Checkpoint) -> "CollapsedSESR":
        """Build the network that a file describes, in evaluation mode."""
        network = cls(checkpoint.config)
        network.load_state_dict({name: torch.from_numpy(array) for name, array in checkpoint.tensors.items()})
        return network.eval()


class ActivatedConv(nn.Conv2d):
    """A 3 x 3 convolution, f -> f, and its activation."""

    slope: nn.Parameter | None

    def __init__(self, f: int, activation: Activation) -> None:
        super().__init__(f, f, 3, padding=1)
        self.slope = nn.Parameter(torch.full((f,), 0.25)) if activation == "prelu" else None

    def forward(self, features: Tensor) -> Tensor:
        return self.activate(super().forward(features))

    def activate(self, features: Tensor) -> Tensor:
        """Apply the activation alone."""
        return _activate(features, self.slope)


def _activate(features: Tensor, slope: Tensor | None) -> Tensor:
    return functional.relu(features) if slope is None else functional.prelu(features, slope)


def wire(
    luma: Tensor,
    head: Callable[[Tensor], Tensor],
    body: Iterable[Callable[[Tensor], Tensor]],
    tail: Callable[[Tensor], Tensor],
    config: SESRConfig,
) -> Tensor:
    """Connect the layers: (N, 1, H, W) -> (N, 1, scale H, scale W). Every form of the network shares this wiring.

    Args:
        luma: the input.
        head: the first convolution.
        body: the middle ones with their short residuals and activations.
        tail: the last convolution.
        config: supplies the scale and the input residual.
    """
    first: Tensor = head(luma - 0.5)
    features = first
    for layer in body:
        features = layer(features)
    y = tail(features + first)
    if config.input_residual:
        y = y + luma
    return functional.pixel_shuffle(y, config.scale)
