"""Training for int8: the network computes in the integers that it will run with, and learns around them.

The usual *fake quantization* rounds every weight and feature to what 8 bits can hold and continues in real numbers.
Here features are kept as the integers themselves, next to their scale: a plane is ``units`` (q minus its zero point)
times ``scale``. Then a convolution adds up products of integers, which float32 does without error as long as sums stay
below 2^24, requantizes by one multiplication, as `sesr.network.reference.run_int8` does, and the forward pass *is* the
int8 network's arithmetic, bit for bit in evaluation mode. (While training the fixed-point rounding of additions and of
PReLU is left out; an addition's seldom matters.)

**Gradients.** Rounding has slope zero nearly everywhere, so the gradient passes it as if it were not there
(straight-through). Clipping passes it inside the range; outside, the gradient goes to the range's end. With a plane's
scale and zero point computed from its learned ends ``low`` and ``high``, this alone gives both ends the gradients of
learned step sizes (LSQ, Esser et al., 2020): rounding errors inside pull the ends together, clipping errors push them
apart.

**The rounding of each kind.** Weights: the collapsed kernels, short residual included, symmetric in -127..127 with one
scale a channel from its largest weight. Biases: to int32, with the scale of the sum that they join; left real, they
alone would make the exported network differ from the simulation. Planes: one scale and zero point each, learned,
started from what the float network's features reach on real pictures. The input is rounded to 8-bit luma, and the last
convolution to whole pixel values. The input is added to these without rounding again.

Weights (``quant_w``) or planes (``quant_a``) can also be quantized alone, to see what each costs. Only both together
make a network that can be exported.

After a ReLU the range starts at zero, so clipping is the ReLU. PReLU works as well, but int8 PReLU has no fast kernel
in most runtimes.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from sesr.network.int8 import HIGHEST, LOWEST, PIXELS, SHIFTED, Addition, Quantization, prelu_multipliers
from sesr.network.linear_block import LinearBlock
from sesr.network.long_residual import WIDENINGS, sums_agree
from sesr.network.quantized import Convolution, QuantizedNetwork, Slope
from sesr.network.sesr import SESR
from sesr.network.variants import SESRConfig

LEAST_SCALE = 1e-6
"""Keeps scales positive if weights or ranges vanish."""

MOST_BIAS = 2**22
"""Largest bias in units of its sum. A channel whose weights are tiny compared with its bias gets a coarser scale, so
that sums fit into int32. In float32 they are exact below 2^24, which no trained network exceeds."""

LEVELS = HIGHEST - LOWEST


@dataclass
class Plane:
    """Features (N, C, H, W) as ``scale * units``; real features have scale 1."""

    units: Tensor
    scale: Tensor


class Range(nn.Module):
    """The learned range of one plane: its ends, and the 8-bit grid between them.

    Args:
        signed: the range reaches below zero; after a ReLU it does not.
    """

    def __init__(self, *, signed: bool) -> None:
        super().__init__()
        self.low = nn.Parameter(torch.tensor(-1.0)) if signed else None
        self.high = nn.Parameter(torch.tensor(1.0))

    @torch.no_grad()
    def start_at(self, low: float, high: float) -> None:
        """Set the ends."""
        if self.low is not None:
            self.low.fill_(min(low, -LEAST_SCALE))
        self.high.fill_(max(high, LEAST_SCALE))

    def grid(self) -> tuple[Tensor, Tensor]:
        """Return scale and zero point, both float32 and differentiable. Zero is always on the grid."""
        high = self.high.clamp(min=LEAST_SCALE)
        low = torch.zeros_like(high) if self.low is None else self.low.clamp(max=0)
        scale = (high - low) / LEVELS
        return scale, _round((LOWEST - low / scale).clamp(LOWEST, HIGHEST))

    def quantization(self) -> Quantization:
        """Return the grid as numbers."""
        scale, zero_point = self.grid()
        return Quantization(float(scale.float()), int(zero_point))

    def onto(self, units: Tensor, scale: Tensor | float) -> Plane:
        """Requantize ``units * scale``, which are real values, onto this grid."""
        own, zero_point = self.grid()
        return Plane(_round_within(units * (scale / own), zero_point), own)


class QuantizedSESR(nn.Module):
    """A network with a learned range for each plane. Its parameters are the network's, then the ranges'.

    Args:
        network: the trainable float network.
        quant_w: weights have 8 bits.
        quant_a: planes have 8 bits.
    """

    def __init__(self, network: SESR, *, quant_w: bool = True, quant_a: bool = True) -> None:
        super().__init__()
        self.network, self.quant_w, self.quant_a = network, quant_w, quant_a
        config = network.config
        prelu = config.activation == "prelu"
        self.ranges = nn.ModuleDict()
        if quant_a:
            self.ranges["head"] = Range(signed=True)
            for index in range(config.m):
                self.ranges[f"body{index}"] = Range(signed=prelu)
                if prelu:
                    self.ranges[f"prelu{index}"] = Range(signed=True)
            self.ranges["total"] = Range(signed=True)

    @property
    def config(self) -> SESRConfig:
        """The network's hyper-parameters."""
        return self.network.config

    def forward(self, luma: Tensor) -> Tensor:
        """(N, 1, H, W) -> (N, 1, scale H, scale W), as `SESR`."""
        source = self._source(luma)
        first = features = self._convolve(source, self.network.head, "head")
        for index, block in enumerate(self.network.body):
            features = self._convolve(features, block, f"body{index}", relu=not len(self.network.slopes))
            if len(self.network.slopes):
                features = self._prelu(features, index)
        y = self._convolve(self._total(features, first), self.network.tail, "tail")
        return self._output(y, source)

    @torch.no_grad()
    def start_ranges(self, batches: Iterable[Tensor]) -> None:
        """Set every range to what the float network's features reach on luma batches (N, 1, H, W), on average."""
        if not self.quant_a:
            return
        reached: dict[str, list[tuple[Tensor, Tensor]]] = {name: [] for name in self.ranges}
        for luma in batches:
            for name, features in _features(self.network, luma):
                if name in reached:
                    reached[name].append((features.min(), features.max()))
        for name, ends in reached.items():
            low, high = (torch.stack(values).mean() for values in zip(*ends, strict=True))
            self._range(name).start_at(float(low), float(high))

    @torch.no_grad()
    def settle(self) -> None:
        """Widen the long residual's range by the little that lets runtimes agree on its sums.

        The range stays as it is if they agree already, or with none of `sesr.network.long_residual.WIDENINGS`.
        """
        kind = "prelu" if len(self.network.slopes) else "body"
        last, first = (self._range(name).quantization() for name in (f"{kind}{self.config.m - 1}", "head"))
        total = self._range("total")
        ends = list[Tensor](total.parameters())
        trained = [end.clone() for end in ends]
        for widening in (*WIDENINGS, 1.0):  # the last one puts back what was trained
            torch._foreach_copy_(ends, [end * widening for end in trained])
            if sums_agree(last, first, total.quantization()):
                return

    @torch.no_grad()
    def to_integers(self) -> QuantizedNetwork:
        """Return the int8 network that this one simulates."""
        assert self.quant_w
        assert self.quant_a
        config, pixels = self.network.config, torch.tensor(PIXELS.scale)
        scale = pixels
        head, scale = self._integers(self.network.head, scale, "head")
        body, slopes = [], []
        for index, block in enumerate(self.network.body):
            convolution, scale = self._integers(block, scale, f"body{index}")
            body.append(convolution)
            if len(self.network.slopes):
                units, slope_scale = _rounded_slope(self.network.slopes[index].float())
                output = self._range(f"prelu{index}")
                slopes.append(Slope(_int8(units), float(slope_scale), output.quantization()))
                scale = output.grid()[0]
        total = self._range("total")
        tail, _ = self._integers(self.network.tail, total.grid()[0], "tail")
        return QuantizedNetwork(config, head, tuple(body), tuple(slopes), total.quantization(), tail)

    @torch.no_grad()
    def rounded_weights(self) -> dict[str, Tensor]:
        """Return the collapsed network's tensors as real values, with rounded weights if `quant_w` is set."""
        tensors = self.network.collapse().state_dict()
        if self.quant_w:
            for name in [name for name in tensors if name.endswith(".weight")]:
                units, scale = _rounded_kernel(tensors[name], tensors[name].new_zeros(len(tensors[name])))
                tensors[name] = units * scale[:, None]
            for name in [name for name in tensors if name.endswith(".slope")]:
                units, scale = _rounded_slope(tensors[name])
                tensors[name] = units * scale
        return tensors

    def _integers(self, block: LinearBlock | nn.Module, scale: Tensor, name: str) -> tuple[Convolution, Tensor]:
        """Return a convolution in integers, and the scale of its result."""
        weight, bias, weight_scale = self._weights(block, scale)
        last = SHIFTED if self.config.input_residual else PIXELS
        output = self._range(name).quantization() if name in self.ranges else last
        integers = Convolution(
            _int8(weight), bias.to(torch.int32).cpu().numpy(), weight_scale.float().flatten().cpu().numpy(), output
        )
        return integers, torch.tensor(output.scale, device=scale.device)

    def _range(self, name: str) -> Range:
        found = self.ranges[name]
        assert isinstance(found, Range)
        return found

    def _source(self, luma: Tensor) -> Plane:
        """Return the shifted input: pixel - 128 in units of 1/255, or luma - 0.5."""
        if not self.quant_a:
            return Plane(luma - 0.5, torch.ones_like(luma[0, 0, 0, 0]))
        pixels = (luma * 255).round().clamp(0, 255)
        return Plane(pixels + LOWEST, torch.full_like(luma[0, 0, 0, 0], PIXELS.scale))

    def _weights(self, block: LinearBlock | nn.Module, scale: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return kernel and bias in units, and the kernel's scale per output channel (c_out, 1, 1)."""
        assert isinstance(block, LinearBlock)
        kernel = block.kernel()
        if not self.quant_w:
            weight_scale = torch.ones_like(kernel[:, 0, :1, :1])
        else:
            kernel, weight_scale = _rounded_kernel(kernel, block.bias / scale / MOST_BIAS)
        bias = block.bias / (scale * weight_scale.flatten())
        return kernel, _round(bias) if self.quant_w and self.quant_a else bias, weight_scale

    def _convolve(self, plane: Plane, block: LinearBlock | nn.Module, name: str, *, relu: bool = False) -> Plane:
        weight, bias, weight_scale = self._weights(block, plane.scale)
        sums = functional.conv2d(plane.units, weight, bias, padding=weight.shape[-1] // 2)
        scale = plane.scale * weight_scale
        if name in self.ranges:
            return self._range(name).onto(sums, scale)
        if self.quant_a:  # the tail, in whole pixel values
            return Plane(_round(sums * (scale / PIXELS.scale)), torch.full_like(plane.scale, PIXELS.scale))
        real = sums * scale
        return Plane(functional.relu(real) if relu else real, torch.ones_like(plane.scale))

    def _prelu(self, plane: Plane, index: int) -> Plane:
        slope, scale = self.network.slopes[index][:, None, None], torch.ones_like(plane.scale)
        if self.quant_w:
            slope, scale = _rounded_slope(slope)
        if not self.quant_a:
            return Plane(torch.where(plane.units >= 0, plane.units, plane.units * (slope * scale)), plane.scale)
        output = self._range(f"prelu{index}")
        own, zero_point = output.grid()
        if self.training or not self.quant_w:
            keep = plane.scale / own
            bent = (slope * plane.units) * (keep * scale)
            units = torch.where(plane.units >= 0, plane.units * keep, bent)
        else:
            units = self._exact_prelu(plane, slope, scale, own)
        return Plane(_round_within(units, zero_point), own)

    def _exact_prelu(self, plane: Plane, slope: Tensor, slope_scale: Tensor, own: Tensor) -> Tensor:
        """Compute PReLU in fixed point, as the int8 network does. Return units of the result, not yet clipped."""
        keep, bend = prelu_multipliers(*(float(scale.detach()) for scale in (plane.scale, slope_scale, own)))
        units, bent = plane.units.long(), (slope * plane.units).long()
        return torch.where(units >= 0, keep.times(units), bend.times(bent)).to(plane.units.dtype)

    def _total(self, features: Plane, first: Plane) -> Plane:
        """Add the long residual."""
        if not self.quant_a:
            return Plane(features.units + first.units, features.scale)
        own, zero_point = self._range("total").grid()
        return Plane(_round_within(self._sum(features, first, own), zero_point), own)

    def _output(self, y: Plane, source: Plane) -> Tensor:
        """Apply the input residual, depth-to-space, and in evaluation mode the clip."""
        scale = self.network.config.scale
        if self.quant_a:
            units = y.units
            if self.network.config.input_residual:
                units = units.clamp(LOWEST, HIGHEST) + (source.units - LOWEST)
            luma = functional.pixel_shuffle(units, scale)
            return (luma if self.training else luma.clamp(0, 255)) / 255
        real = y.units * y.scale
        if self.network.config.input_residual:
            real = real + source.units + 0.5
        luma = functional.pixel_shuffle(real, scale)
        return luma if self.training else luma.clamp(0, 1)

    def _sum(self, one: Plane, other: Plane, scale: Tensor) -> Tensor:
        """Add two planes in units of `scale`; in evaluation mode in fixed point, as the int8 network does."""
        if self.training or not self.quant_w:
            return one.units * (one.scale / scale) + other.units * (other.scale / scale)
        grids = [Quantization(float(value.detach().float()), 0) for value in (one.scale, other.scale, scale)]
        addition = Addition.of(*grids)
        total = addition.left * one.units.double() + addition.right * other.units.double()
        return torch.floor(total / 2**addition.shift + 0.5).to(one.units.dtype)


def _round(value: Tensor) -> Tensor:
    """Round half to even. The gradient passes as if nothing were rounded."""
    return value + (value.round() - value).detach()


def _round_within(units: Tensor, zero_point: Tensor) -> Tensor:
    """Round, and clip to what 8 bits hold around a zero point. The gradient of clipped values goes to the bound."""
    return torch.minimum(torch.maximum(_round(units), LOWEST - zero_point), HIGHEST - zero_point)


def _rounded_kernel(kernel: Tensor, least: Tensor) -> tuple[Tensor, Tensor]:
    """Return units in -127..127, and a scale per output channel, (c_out, 1, 1), no smaller than |`least`| (c_out,)."""
    scale = kernel.abs().amax((1, 2, 3)).clamp(min=LEAST_SCALE) / HIGHEST
    scale = torch.maximum(scale, least.detach().abs())[:, None, None]
    return _round(kernel / scale[:, None]), scale


def _rounded_slope(slope: Tensor) -> tuple[Tensor, Tensor]:
    """Return units in -127..127, and one scale."""
    scale = slope.abs().amax().clamp(min=LEAST_SCALE) / HIGHEST
    return _round(slope / scale), scale


def _int8(units: Tensor) -> NDArray[np.int8]:
    values: NDArray[np.int8] = units.to(torch.int8).cpu().numpy()
    return values


def _features(network: SESR, luma: Tensor) -> Iterable[tuple[str, Tensor]]:
    """Yield the float network's planes with the names of their ranges."""
    first = features = network.head(luma - 0.5)
    yield "head", first
    for index, block in enumerate(network.body):
        features = block(features)
        yield f"body{index}", features
        if len(network.slopes):
            features = functional.prelu(features, network.slopes[index])
            yield f"prelu{index}", features
        else:
            features = functional.relu(features)
    yield "total", features + first
