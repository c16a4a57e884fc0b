"""Resizing a picture by weights, in two passes: along its first axis, then along its second.

Weights repeat with a period (*polyphase* form), so where the period is short each tap is one multiply-add of shifted
rows; where it is long, rows are gathered. Both passes work on whole rows, the second on the picture turned on its side,
in pieces that stay in the processor's cache. Every way adds up in the same order, so equal pixels get equal bits.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sesr.imaging.taps import Taps

_PIECE = 1 << 17
"""Inputs, of all channels, that a piece holds: as floats they fit the second cache."""

_ACROSS = (512, 2048)
"""Least and most inputs of a piece across its axis: long inner loops, but some rows."""

_BETWEEN_BYTES = 1 << 21
"""Bytes of a block between the passes."""

_PERIODS = 4
"""Periods of weights from which on adding shifted rows is faster than gathering."""

Weigh = Callable[[NDArray[Any], Taps], NDArray[Any]]
"""Weighted sums along the first axis of (inputs, across, C); row 0 is the first input of the first output."""


def both_passes(image: NDArray[Any], first: Taps, second: Taps, result: NDArray[Any], weigh: Weigh) -> None:
    """Resize along the first axis, then along the second, a block of the first's outputs at a time."""
    across, channels = image.shape[1:]
    block = max(_BETWEEN_BYTES // (across * channels * image.itemsize), 1)
    for start in range(0, len(first.first), block):
        goal = result[start : start + block]
        between = np.empty((len(goal), across, channels), image.dtype)
        _pass(image, first.part(start, start + block), between, weigh)
        _pass(between.swapaxes(0, 1), second, goal.swapaxes(0, 1), weigh)


def _pass(source: NDArray[Any], taps: Taps, result: NDArray[Any], weigh: Weigh) -> None:
    """Resize along the first axis of (inputs, across, C), piece by piece."""
    work = source.dtype if source.dtype.kind == "f" else np.dtype(np.float64)
    for outputs, across in _pieces(taps, *source.shape[1:]):
        part = taps.part(outputs.start, outputs.stop)
        piece = np.array(source[:, across][_index(part.inputs())], work, order="C")
        result[outputs, across] = _rounded(weigh(piece, part), source.dtype)


def _pieces(taps: Taps, across: int, channels: int) -> Iterator[tuple[slice, slice]]:
    """Divide the result into slices of outputs and across that need about `_PIECE` inputs each."""
    least, most = _ACROSS
    wide = max(min(max(_PIECE // taps.count, least), most) // channels, 1)
    room = _PIECE // (min(wide, across) * channels)
    high = max(min(room, (room - taps.count) * taps.phases // taps.step), 1)
    for start in range(0, len(taps.first), high):
        for left in range(0, across, wide):
            yield slice(start, start + high), slice(left, left + wide)


def _index(places: NDArray[np.int64]) -> slice | NDArray[np.int64]:
    """Return a slice, which copies nothing, where no edge is mirrored."""
    first, last = int(places[0]), int(places[-1])
    mirrored = len(places) != last - first + 1 or (np.diff(places) != 1).any()
    return places if mirrored else slice(first, last + 1)


def weighted_sums(source: NDArray[Any], taps: Taps) -> NDArray[Any]:
    """Compute the weighted sums of every channel."""
    rows = source.reshape(len(source), -1)
    total = _phased(rows, taps) if len(taps.first) >= _PERIODS * taps.phases else _gathered(rows, taps)
    return total.reshape(-1, *source.shape[1:])


def alpha_weighted_sums(source: NDArray[Any], taps: Taps) -> NDArray[Any]:
    """Compute sums as `weighted_sums` does, with colors weighted by alpha too: see `Resizing.rows_seen`."""
    plain = weighted_sums(source, taps)
    alpha = source[..., -1]
    if (alpha == alpha[0, 0]).all():
        return plain
    product = weighted_sums(source * _repeated(alpha, source), taps)
    weight = _repeated(plain[..., -1], plain)
    mixed = _repeated((plain[..., -1] >= 0.5) & ~_constant(alpha, taps), plain)
    mixed[..., -1] = False
    np.divide(product, weight, out=plain, where=mixed)
    return plain


def _repeated(plane: NDArray[Any], like: NDArray[Any]) -> NDArray[Any]:
    """Repeat (H, W) to (H, W, C), in memory, because short inner loops are slow."""
    return plane.repeat(like.shape[-1]).reshape(like.shape)


def _constant(plane: NDArray[Any], taps: Taps) -> NDArray[np.bool_]:
    """Tell where all inputs of an output are equal, (outputs, across)."""
    changes = np.zeros(plane.shape, np.int32)
    np.cumsum(plane[1:] != plane[:-1], axis=0, out=changes[1:])
    place = taps.first - taps.first[0]
    constant: NDArray[np.bool_] = changes[place] == changes[place + taps.count - 1]
    return constant


def _phased(source: NDArray[Any], taps: Taps) -> NDArray[Any]:
    """Compute weighted sums along the first axis of (inputs, across), all outputs of the same weights together."""
    out = np.empty((len(taps.first), source.shape[1]), source.dtype)
    for phase in range(taps.phases):
        goal = out[phase :: taps.phases]
        start = int(taps.first[phase] - taps.first[0])
        length = (len(goal) - 1) * taps.step + 1
        _add_up([source[start + k : start + k + length : taps.step] for k in range(taps.count)], taps, phase, goal)
    return out


def _add_up(views: list[NDArray[Any]], taps: Taps, phase: int, goal: NDArray[Any]) -> None:
    """Set `goal` to the sum of weights[k] * views[k], always in that order, so that equal pixels get equal bits."""
    weights = taps.weights[phase].tolist()
    np.multiply(views[0], weights[0], out=goal)
    product = np.empty(goal.shape, goal.dtype)
    for view, weight in zip(views[1:], weights[1:], strict=True):
        np.multiply(view, weight, out=product)
        goal += product


def _gathered(source: NDArray[Any], taps: Taps) -> NDArray[Any]:
    """Compute the same bits as `_phased`, faster for long periods."""
    place = taps.first - taps.first[0]
    weights = taps.weights.astype(source.dtype)
    total: NDArray[Any] = source[place]
    total *= weights[:, :1]
    product = np.empty_like(total)
    for k in range(1, taps.count):
        np.take(source, place + k, axis=0, out=product, mode="clip")
        product *= weights[:, k : k + 1]
        total += product
    return total


def _rounded(values: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Clip to an integer type's range and add a half, so that storing, which cuts off fractions, rounds.

    Floats stay as they are.
    """
    if dtype.kind == "f":
        return values
    np.clip(values, 0, np.iinfo(dtype).max, out=values)
    values += 0.5
    return values
