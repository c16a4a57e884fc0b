"""Float networks in fixed point: the same network in whole numbers, converted without training.

A vector instruction multiplies twice as many 16-bit numbers as floats. So the engine can run a float network in whole
numbers, much more finely than an int8 network (docs/inside/fixed-point.md says what that gains and costs).

**Features.** Each channel of each layer has its own *step*, the real value of 1. The largest feature that the channel
takes on over a drawn picture (black and white dots at random, noise, stripes, edges, ramps), and half as much again,
becomes `TILE_MOST`. That is far less than 16 bits hold, because Winograd's form (docs/inside/winograd.md) makes numbers
ten times as large from it. Features beyond are clipped, so the picture is made of what makes features large: dots at
random, more than letters, and letters more than photographs.

**Weights** of the 3 x 3 convolutions are taken to Winograd's six points first and rounded there, so nothing has to be
divided when results come back. A convolution's output channel has its own scale, as fine as two bounds allow: no weight
beyond `WEIGHT_MOST`, and no result beyond 32 bits, whatever the features are. Sums on the way may wrap around: in whole
numbers that leaves the result as it is.

**Results** become floats, are multiplied by one float a channel, go through PReLU, and are rounded to the next layer's
steps. All of that is IEEE arithmetic in a fixed order. A step is coarse enough for the largest result to fit 30 bits
after PReLU, so that rounding cannot wrap around, even in a channel that the drawn picture leaves dark.

**Dark channels.** A channel may stay dark over the drawn picture and fire on another one, so that its largest feature
says nothing. The conversion knows how large it can become after PReLU whatever its inputs are. In shipped networks that
is one or two dozen times the largest feature in most channels, and 3,336 times in the most extreme, since no picture
makes all inputs extreme at once. A channel that can become more than `DARK` times as large counts as dark, and holds as
much as the layer's largest channel. Where that is still less than a share of 1 / `DARK` (the *overshoot*), the engine
keeps to floats unless it is told not to.

`run_fixed` is the definition in NumPy, which the engine equals in every bit on every processor. The conversion itself
may differ in a last bit from machine to machine, since NumPy adds in an order of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from sesr.errors import WeightsError
from sesr.imaging.arrays import Luma
from sesr.network.checkpoint import Checkpoint
from sesr.network.reference import correlate, depth_to_space
from sesr.network.variants import SESRConfig

Floats = NDArray[np.float64]
Scales = NDArray[np.float32]
Whole = NDArray[np.int64]

LUMA_MOST = 32767
"""Largest luma less 1/2, in steps of `LUMA_STEP`."""

LUMA_STEP = 2.0**-15

TILE_MOST = 3276
"""Largest feature in steps: ten times as much fits 16 bits."""

SUM_MOST = 32767
"""Largest sum of the first and the last features, in steps of its own: no tile is made of it."""

WEIGHT_MOST = 16383
"""Largest weight: two products of it and a number of 16 bits fit 32 bits together."""

RESULT_MOST = 0.9 * 2**31
"""Largest result of a convolution, whatever its features are."""

ROUNDED_MOST = 2**30
"""Largest result in steps of the next layer, before it is clipped."""

MARGIN = 1.5
"""How much larger features may be than over the drawn picture before they are clipped."""

DARK = 4096.0
"""Overshoot beyond which the drawn picture says too little about a channel."""

_BORDER = 2
"""Zeros around a plane: what convolutions of 5 x 5 need."""

_LEAST_COLUMNS, _MOST_COLUMNS = 16, 2048
"""Columns of a block of rows: more would leave the cache, and with fewer most of the time would go to Python."""

_PRODUCTS = 1 << 18
"""Multiplications of one product of matrices. BLAS shares larger ones out among threads, which are woken and waited for
each time: on a busy machine that took an XL network ten seconds, where one thread takes half a second."""

_GROWN = "features of this network grow beyond float32, and have no fixed point; use float32"

POINTS_OF_FEATURES = np.array(
    [
        [4, 0, -5, 0, 1, 0],
        [0, -4, -4, 1, 1, 0],
        [0, 4, -4, -1, 1, 0],
        [0, -2, -1, 2, 1, 0],
        [0, 2, -1, -2, 1, 0],
        [0, 4, 0, -5, 0, 1],
    ]
)
"""Winograd's B: six features to six points."""

POINTS_OF_WEIGHTS = np.array([[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24]]) / 24
"""Winograd's G: a row of three weights to six points."""

RESULTS_OF_POINTS = np.array([[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]])
"""Winograd's A: six points to four results."""


@dataclass(frozen=True)
class FixedConvolution:
    """One convolution.

    Attributes:
        weight: int16; (outputs, inputs, 5, 5), or (outputs, inputs, 3, 6) at Winograd's points for 3 x 3.
        bias: int32 (outputs,).
        scale: float32 (outputs,), what a result is multiplied by to be in the next layer's steps, or Y/255 at the end.
        slope: float32 (outputs,) below zero; None for no activation.
    """

    weight: NDArray[np.int16]
    bias: NDArray[np.int32]
    scale: Scales
    slope: Scales | None


@dataclass(frozen=True)
class FixedNetwork:
    """A network in fixed point.

    Attributes:
        config: its hyper-parameters.
        head, body, tail: its convolutions.
        last_scale, first_scale: float32 (f,), what the last and the first features are multiplied by to be added.
        overshoot: largest result after PReLU that inputs could make in a channel, over the largest feature that the
            channel holds; the largest of all channels.
    """

    config: SESRConfig
    head: FixedConvolution
    body: Sequence[FixedConvolution]
    tail: FixedConvolution
    last_scale: Scales
    first_scale: Scales
    overshoot: float


def fix_network(network: Checkpoint) -> FixedNetwork:
    """Convert a float network to fixed point. Raises `WeightsError` for infinite weights and features."""
    config, tensors = network.config, {name: tensor.astype(np.float64) for name, tensor in network.tensors.items()}
    for name, tensor in tensors.items():
        if not np.isfinite(tensor).all():
            raise WeightsError(f"{name} holds a number that is infinite or none, and has no fixed point; use float32")
    *largest, largest_sum = _largest_features(network)
    names, most = ["head", *(f"body.{index}" for index in range(config.m))], LUMA_MOST
    inputs, steps, spares, layers, overshoot = np.array([LUMA_STEP]), [], [], [], 0.0
    for name, channel in zip(names, largest, strict=True):
        weight, bias = tensors[f"{name}.weight"] * inputs[:, None, None], tensors[f"{name}.bias"]
        slope = None if name == "head" else tensors.get(f"{name}.slope", np.zeros(config.f))
        results = _largest_results(weight, bias, most)
        if slope is not None:
            results *= np.maximum(1, np.abs(slope))
        held = _held(MARGIN * channel, results)
        overshoot = max(overshoot, float((results / held).max()))
        outputs = np.maximum(held / TILE_MOST, results / ROUNDED_MOST)
        layers.append(_fixed(weight, bias, most, outputs, slope))
        inputs, most = outputs, TILE_MOST
        steps.append(outputs)
        spares.append(held - MARGIN * channel)
    sum_step = (MARGIN * largest_sum + spares[0] + spares[-1]) / SUM_MOST
    tail = _fixed(
        tensors["tail.weight"] * sum_step[:, None, None], tensors["tail.bias"], SUM_MOST, np.ones(config.scale**2), None
    )
    first_scale, last_scale = _single(steps[0] / sum_step), _single(steps[-1] / sum_step)
    return FixedNetwork(config, layers[0], layers[1:], tail, last_scale, first_scale, overshoot)


def run_fixed(network: FixedNetwork, luma: Luma) -> Luma:
    """Upscale luma Y/255, float32 (H, W), to float32 (scale H, scale W) in [0, 1]: the definition."""
    steps = np.clip((luma - np.float32(0.5)) * np.float32(1 / LUMA_STEP), -LUMA_MOST, LUMA_MOST)
    first = _finished(network.head, _direct_sums(network.head, _rounded(steps)[None]))
    last = first
    for convolution in network.body:
        last = _finished(convolution, _tile_sums(convolution, last))
    left = last.astype(np.float32) * network.last_scale[:, None, None]
    right = first.astype(np.float32) * network.first_scale[:, None, None]
    total = _rounded(np.clip(left + right, -SUM_MOST, SUM_MOST))
    result = _direct_sums(network.tail, total).astype(np.float32) * network.tail.scale[:, None, None]
    if network.config.input_residual:
        result = result + luma
    enlarged: Luma = depth_to_space(np.clip(result, np.float32(0), np.float32(1)), network.config.scale)
    return enlarged


def _held(lit: Floats, results: Floats) -> Floats:
    """Return the largest feature that each channel of a layer is to hold.

    Args:
        lit: largest feature over the drawn picture, with the margin.
        results: largest feature whatever the inputs are.
    """
    return np.where(results > DARK * lit, np.minimum(results, lit.max()), lit)


def _fixed(weight: Floats, bias: Floats, most: int, outputs: Floats, slope: Floats | None) -> FixedConvolution:
    """Round a convolution whose inputs are whole, `most` at most, and whose outputs have steps of their own."""
    largest = _largest_results(weight, bias, most)
    if weight.shape[2] == 3:
        weight = np.einsum("pk,oirk->oirp", POINTS_OF_WEIGHTS, weight)
    scale = np.maximum(np.abs(weight).max((1, 2, 3)) / WEIGHT_MOST, largest / RESULT_MOST)
    scale = np.maximum(scale, np.finfo(np.float32).tiny * outputs * 2)  # a channel of zeros
    while True:
        rounded, rounded_bias = np.rint(weight / scale[:, None, None, None]), np.rint(bias / scale)
        too_large = _largest_results(rounded, rounded_bias, most) > RESULT_MOST * 1.01
        if not too_large.any():
            break
        scale = np.where(too_large, scale * 1.1, scale)  # rounding at the points can add to a row of many inputs
    return FixedConvolution(
        rounded.astype(np.int16),
        rounded_bias.astype(np.int32),
        _single(scale / outputs),
        None if slope is None else slope.astype(np.float32),
    )


def _single(values: Floats) -> Scales:
    """Return factors as float32."""
    if not (np.abs(values) < np.finfo(np.float32).max).all():
        raise WeightsError(_GROWN)
    return values.astype(np.float32)


def _largest_results(weight: Floats, bias: Floats, most: int) -> Floats:
    """Return the largest result of each output for inputs of `most`.

    Weights are (outputs, inputs, k, k), or (outputs, inputs, 3, 6) at Winograd's points.
    """
    if weight.shape[3] == len(POINTS_OF_FEATURES):
        shares = np.einsum("yp,oirp,pd->oyird", RESULTS_OF_POINTS, weight, POINTS_OF_FEATURES, optimize=True)
        sums: Floats = np.abs(shares).sum((2, 3, 4)).max(1)
    else:
        sums = np.abs(weight).sum((1, 2, 3))
    return sums * most + np.abs(bias)


def _largest_features(network: Checkpoint) -> list[Floats]:
    """Return each channel's largest feature over a drawn picture, layer by layer, and the largest sum at the end.

    Computed in float32, because every start of a program waits for it, and rounded up to eight bits, so that the last
    bits of this machine's sums hardly ever matter.
    """
    tensors, relu = network.tensors, np.zeros(network.config.f, np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        last = first = _features(np.pad(_drawn(), _BORDER)[None], tensors["head.weight"], tensors["head.bias"], None)
        largest = [_largest(first)]
        for name in (f"body.{index}" for index in range(network.config.m)):
            weight, bias, slope = (tensors.get(f"{name}.{part}", relu) for part in ("weight", "bias", "slope"))
            last = _features(last, weight, bias, slope)
            largest.append(_largest(last))
        largest.append(_largest(first + last))
    if not np.isfinite(largest).all():
        raise WeightsError(_GROWN)
    return [_up_to_eight_bits(channels.astype(np.float64)) for channels in largest]


def _largest(planes: Scales) -> Scales:
    values: Scales = np.abs(planes).max((1, 2))
    return values


def _features(planes: Scales, weight: Scales, bias: Scales, slope: Scales | None) -> Scales:
    """Convolve planes that have a border of `_BORDER` zeros, and return features with such a border.

    Rows lie in one piece, so that a tap is a shift of all of them: a product of two matrices, block by block in the
    cache. That computes values in the border too, which are cleared at the end.
    """
    channels, height, width = planes.shape
    taps = np.ascontiguousarray(weight.transpose(2, 3, 0, 1))
    flat, results = planes.reshape(channels, -1), np.zeros((len(weight), height * width), np.float32)
    begin, end, middle = _BORDER * (width + 1), height * width - _BORDER * (width + 1), len(taps) // 2
    block = min(_PRODUCTS // (len(weight) * channels), _MOST_COLUMNS)
    if block < _LEAST_COLUMNS:  # such wide networks are worth threads
        block = _MOST_COLUMNS
    for start in range(begin, end, block):
        stop = min(start + block, end)
        sums = np.repeat(bias[:, None], stop - start, 1)
        for dy, dx in np.ndindex(taps.shape[:2]):
            shift = (dy - middle) * width + dx - middle
            sums += taps[dy, dx] @ flat[:, start + shift : stop + shift]
        if slope is not None:
            sums = np.maximum(sums, 0) + np.minimum(sums, 0) * slope[:, None]
        results[:, start:stop] = sums
    features = results.reshape(-1, height, width)
    features[:, :_BORDER] = features[:, -_BORDER:] = 0
    features[:, :, :_BORDER] = features[:, :, -_BORDER:] = 0
    return features


def _up_to_eight_bits(values: Floats) -> Floats:
    mantissa, exponent = np.frexp(np.maximum(values, 1e-6))
    rounded: Floats = np.ldexp(np.ceil(mantissa * 256) / 256, exponent)
    return rounded


@cache
def _drawn() -> Scales:
    """Return luma less 1/2, 128 x 192, of what makes features large: dots at random above all, and drawn patterns."""
    random = np.random.default_rng(0)
    y, x = np.indices((32, 32))
    patterns = [
        random.integers(0, 2, (32, 32)),
        random.uniform(0, 1, (32, 32)),
        (x + y) % 2,
        x % 2,
        y % 2,
        (x // 2 + y // 2) % 2,
        (x % 7 == 3) & (y % 7 == 3),
        (x % 7 != 3) | (y % 7 != 3),
        (x > 15) ^ (y > 20),
        (x + 32 * y) / 1023,
        np.where(y < 16, 0.25, 0.75),
        np.where(x < 16, 0.5, 0.5 + 0.5 * np.sin((x + y) / 4)),
    ]
    square = np.block([patterns[:2], patterns[2:4]])
    stripe = np.block([patterns[4:8], patterns[8:]])
    dense, sparse = random.random((64, 128)) < 0.5, random.random((64, 64)) < 0.2
    picture = np.vstack([np.hstack([square, dense]), np.hstack([stripe, sparse])])
    return (picture - 0.5).astype(np.float32)


def _direct_sums(convolution: FixedConvolution, planes: Whole) -> Whole:
    """Return the sums of a 5 x 5 convolution; float64 holds every one exactly."""
    parts = (planes, convolution.weight, convolution.bias)
    return correlate(*(part.astype(np.float64) for part in parts)).astype(np.int64)


def _tile_sums(convolution: FixedConvolution, planes: Whole) -> Whole:
    """Return the sums of a 3 x 3 convolution in Winograd's form."""
    _, height, width = planes.shape
    tiles = -(-width // 4)
    padded = np.pad(planes, ((0, 0), (1, 1), (1, 4 * tiles - width + 1)))
    rows = sliding_window_view(padded, 6, 2)[:, :, ::4] @ POINTS_OF_FEATURES.T  # (C, H + 2, tiles, 6)
    sums = sum(
        np.einsum("oip,ihtp->ohtp", convolution.weight[:, :, row].astype(np.int64), rows[:, row : row + height])
        for row in range(3)
    )
    results: Whole = (sums @ RESULTS_OF_POINTS.T).reshape(-1, height, 4 * tiles)[..., :width]
    return results + convolution.bias[:, None, None]


def _finished(convolution: FixedConvolution, sums: Whole) -> Whole:
    """Return results as features in steps."""
    values = sums.astype(np.float32) * convolution.scale[:, None, None]
    if convolution.slope is not None:
        zero = np.float32(0)
        values = np.maximum(values, zero) + np.minimum(values, zero) * convolution.slope[:, None, None]
    return np.clip(_rounded(values), -TILE_MOST, TILE_MOST)


def _rounded(values: NDArray[np.float32]) -> Whole:
    return np.rint(values).astype(np.int64)
