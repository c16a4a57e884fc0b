"""The collapsible linear block: wide while it learns, one small convolution when it works.

A linear block (paper, section 3.1) is a k x k convolution from c_in to p channels followed by a 1 x 1 convolution
from p to c_out, with nothing non-linear between the two. p, the *expansion*, is large (256); the composition is
still linear in the input, so it equals one k x k convolution from c_in to c_out. Training the wide pair reaches better
solutions than training the narrow convolution itself; running it costs nothing extra.

**Collapse.** With W1 (p, c_in, k, k) and W2 (c_out, p) the narrow kernel is the sum over the expansion::

    W[o, i, u, v] = sum_p W2[o, p] * W1[p, i, u, v]

Where c_in = c_out the paper adds a *short residual*, block(x) + x; the identity is a kernel too, a 1 at the center of
W[o, o], so it collapses with the rest (Algorithm 2). The paper finds W by running the block on a picture that is zero
but for one pixel (Algorithm 1). That is the same kernel at a higher cost, kept here as an independent check and to be
measured against (`sesr benchmark training`).

**Ways to train.** ``expanded`` runs the wide pair on the features. ``collapsed`` first makes W, then runs only the
narrow convolution; the gradient reaches W1 and W2 through the sum. ``delta`` does that the paper's way, the gradient
going back through Algorithm 1. All compute the same function, at the borders too, because the zero padding stands
before the k x k convolution alone; for M5 the second needs 1/23 of the first's multiply-adds.

The paper has no bias. Here each block has one a channel, added after the 1 x 1: it costs nothing at inference.

**Fresh weights** are drawn so that the *collapsed* kernel has variance gain^2 / (c_in k^2), whatever the expansion:
with gain 1 features keep their size. Xavier's rule, applied to the two convolutions one by one as in the published
code, takes the expansion for inputs that add up and starts the first block an eighth as strong.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from sesr.network.variants import Form


class LinearBlock(nn.Module):
    """A k x k linear block, c_in -> c_out channels, on features (N, c_in, H, W) -> (N, c_out, H, W).

    Args:
        c_in: input channels.
        c_out: output channels.
        kernel_size: k, odd.
        feature_size: the expansion p.
        gain: how strongly the fresh block passes features on, the short residual aside.
        residual: adds the short residual; needs c_in = c_out.
        form: which of the equal computations `forward` runs.
    """

    def __init__(
        self,
        c_in: int,
        c_out: int,
        kernel_size: int,
        feature_size: int,
        *,
        gain: float = 1.0,
        residual: bool = False,
        form: Form = "collapsed",
    ) -> None:
        super().__init__()
        if residual and c_in != c_out:
            raise ValueError(f"a short residual needs as many inputs as outputs, not {c_in} and {c_out}")
        self.kernel_size, self.residual, self.form = kernel_size, residual, form
        self.expand = nn.Parameter(torch.empty(feature_size, c_in, kernel_size, kernel_size))
        self.project = nn.Parameter(torch.empty(c_out, feature_size))
        self.bias = nn.Parameter(torch.zeros(c_out))
        nn.init.normal_(self.expand, std=gain / math.sqrt(c_in * kernel_size**2))
        nn.init.normal_(self.project, std=1 / math.sqrt(feature_size))

    def forward(self, features: Tensor) -> Tensor:
        if self.form == "expanded":
            return self._forward_expanded(features)
        kernel = self.kernel_by_delta() if self.form == "delta" else self.kernel()
        return functional.conv2d(features, kernel, self.bias, padding=self.kernel_size // 2)

    def _forward_expanded(self, features: Tensor) -> Tensor:
        wide = functional.conv2d(features, self.expand, padding=self.kernel_size // 2)
        narrow = functional.conv2d(wide, self.project[:, :, None, None], self.bias)
        return narrow + features if self.residual else narrow

    def kernel(self) -> Tensor:
        """The collapsed kernel, (c_out, c_in, k, k), differentiable in both weights; never in mixed precision."""
        with self._full_precision():
            kernel = (self.project @ self.expand.flatten(1)).view(-1, *self.expand.shape[1:])
        return kernel + self._identity() if self.residual else kernel

    def kernel_by_delta(self) -> Tensor:
        """The same kernel by the paper's Algorithms 1 and 2: the block's answer to one bright pixel a channel.

        A convolution layer correlates, so its answer to a delta is the kernel turned by half a circle.
        """
        c_in, k = self.expand.shape[1], self.kernel_size
        delta = functional.pad(self._eye(c_in)[:, :, None, None], [k - 1] * 4)
        with self._full_precision():
            answer = functional.conv2d(functional.conv2d(delta, self.expand), self.project[:, :, None, None])
        kernel = answer.flip(2, 3).transpose(0, 1)
        return kernel + self._identity() if self.residual else kernel

    def _full_precision(self) -> torch.autocast:
        return torch.autocast("cuda" if self.expand.is_cuda else "cpu", enabled=False)

    def _identity(self) -> Tensor:
        """The kernel that copies each channel: 1 at the center of W[o, o]."""
        return functional.pad(self._eye(self.project.shape[0])[:, :, None, None], [self.kernel_size // 2] * 4)

    def _eye(self, channels: int) -> Tensor:
        return torch.eye(channels, dtype=self.expand.dtype, device=self.expand.device)
