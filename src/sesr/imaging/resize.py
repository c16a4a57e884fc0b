"""Bicubic resizing that equals MATLAB's `imresize` to the last bit.

The field's low-resolution pictures were made by MATLAB, and every PSNR table rests on them. Four things set
it apart from other libraries' bicubic, and each is worth tenths of a decibel:

- Keys' cubic kernel with a = -0.5 (OpenCV takes -0.75).
- *Antialiasing*: when shrinking, the kernel is stretched by the same factor, so that it covers all the pixels
  that fall into one (Pillow does the same, OpenCV doesn't).
- *Mirrored edges*: beyond the border the picture is repeated backwards, border pixel included (Pillow cuts
  the kernel off there and renormalises).
- *Two passes*, the axis that shrinks most first and rows before columns when they tie. 8-bit pictures are
  rounded and clipped to 8 bits *between* the passes too. Halves are rounded away from zero.

Pixel centres lie at half-integers on both grids, so output pixel i looks at input position (i + 1/2) n_in /
n_out - 1/2.

How it is computed: where the ratio is a whole number the weights repeat with every pixel (*polyphase* form),
so each tap is one multiply-add of a shifted slice; other ratios gather. Both passes run together on blocks of
rows that stay in the processor's cache. Positions are held as whole-number fractions, so the weights of a
pixel depend neither on where it lies nor on how large the picture is: a strip with enough context gives the
very bits that the whole picture gives.
"""

from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from sesr.errors import UsageError

Pixel = TypeVar("Pixel", bound=np.generic)

KERNEL_RADIUS = 2
"""Half the width of the cubic kernel when enlarging: the rows of context `upscale` needs beyond a strip."""

_BLOCK_BYTES = 1 << 18


def imresize(image: NDArray[Pixel], height: int, width: int) -> NDArray[Pixel]:
    """Resizes as MATLAB's `imresize(image, [height width], 'bicubic')` does.

    Args:
        image: (H, W) or (H, W, C), at least 1 x 1; uint8 or uint16 (rounded and clipped after each pass),
            float32 or float64 (neither rounded nor clipped: cubic overshoot stays).
        height: rows wanted.
        width: columns wanted.

    Returns:
        A new array (height, width) or (height, width, C) of the same type.

    Raises:
        UsageError: the picture or the size wanted is empty, or the type is another.
    """
    _check(image, height, width)
    if width * image.shape[0] < height * image.shape[1]:
        return np.ascontiguousarray(_rows_then_columns(image.swapaxes(0, 1), width, height).swapaxes(0, 1))
    return _rows_then_columns(image, height, width)


def upscale(image: NDArray[Pixel], scale: int) -> NDArray[Pixel]:
    """Enlarges (H, W) or (H, W, C) to (scale H, scale W); types and errors as `imresize`.

    A strip with `KERNEL_RADIUS` rows of context or more on each inner side gives the whole picture's rows
    exactly.
    """
    return imresize(image, image.shape[0] * scale, image.shape[1] * scale)


def downscale(image: NDArray[Pixel], scale: int) -> NDArray[Pixel]:
    """Crops the top left to a multiple of `scale`, then shrinks: the low-resolution picture of the papers.

    Types as `imresize`. Raises `UsageError` if a side is shorter than `scale`.
    """
    if min(image.shape[:2]) < scale:
        raise UsageError(f"a picture of {image.shape[1]} x {image.shape[0]} pixels cannot be shrunk {scale} times")
    height, width = image.shape[0] // scale, image.shape[1] // scale
    return imresize(image[: height * scale, : width * scale], height, width)


@dataclass(frozen=True)
class _Taps:
    """What one axis adds up: output i is the sum over k of weights[i, k] * input[first[i] + k], edges
    mirrored.

    `phases` and `step`: with p = i % phases and j = i // phases, first[i] = first[p] + j * step and the
    weights are those of p; 0 where the ratio is not a whole number.
    """

    first: NDArray[np.int64]
    weights: NDArray[np.float64]
    phases: int
    step: int

    @property
    def count(self) -> int:
        return int(self.weights.shape[1])

    def part(self, start: int, stop: int) -> "_Taps":
        """Outputs start..stop alone; whole periods where there are phases."""
        return _Taps(self.first[start:stop], self.weights[start:stop], self.phases, self.step)

    def mirrored(self, size: int) -> NDArray[np.int64]:
        """Input indices that all outputs together need, folded back into 0..size-1."""
        folded = np.arange(self.first[0], self.first[-1] + self.count) % (2 * size)
        return np.where(folded < size, folded, 2 * size - 1 - folded)


def _taps(size: int, wanted: int) -> _Taps:
    """Weights along one axis, from whole-number fractions with denominator 2 * wanted."""
    stretch = max(size / wanted, 1.0)
    centre = (2 * np.arange(wanted, dtype=np.int64) + 1) * size - wanted
    reach = 2 * KERNEL_RADIUS * max(size, wanted)
    first = (centre - reach) // (2 * wanted) + 1
    count = int(((centre + reach - 1) // (2 * wanted) - first).max()) + 1
    distance = ((first[:, None] + np.arange(count)) * (2 * wanted) - centre[:, None]) / (2 * wanted)
    weights = _cubic(distance / stretch)
    weights /= weights.sum(axis=1, keepdims=True)
    if wanted % size == 0:
        return _Taps(first, weights, phases=wanted // size, step=1)
    if size % wanted == 0:
        return _Taps(first, weights, phases=1, step=size // wanted)
    return _Taps(first, weights, phases=0, step=0)


def _cubic(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Keys' kernel, a = -0.5; 0 from |x| = 2 on."""
    x = np.abs(x)
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x <= 1, near, np.where(x < 2, far, 0.0))


def _rows_then_columns(image: NDArray[Pixel], height: int, width: int) -> NDArray[Pixel]:
    """Both passes, a block of output rows at a time."""
    work = image.dtype if image.dtype.kind == "f" else np.dtype(np.float64)
    down, across = _taps(image.shape[0], height), _taps(image.shape[1], width)
    rows, columns = down.mirrored(image.shape[0]), across.mirrored(image.shape[1])
    result = np.empty((height, width, *image.shape[2:]), image.dtype)
    row_bytes = work.itemsize * max(width, image.shape[1]) * int(np.prod(image.shape[2:]))
    block = max(_BLOCK_BYTES // row_bytes, 1) * max(down.phases, 1)
    for start in range(0, height, block):
        stop = min(start + block, height)
        part = down.part(start, stop)
        offset = part.first[0] - down.first[0]
        needed = rows[offset : offset + part.first[-1] - part.first[0] + part.count]
        between = _rounded(_weigh(image[needed].astype(work, copy=False), part, 0), image.dtype)
        result[start:stop] = _rounded(_weigh(between[:, columns], across, 1), image.dtype)
    return result


def _weigh(source: NDArray[Any], taps: _Taps, axis: int) -> NDArray[Any]:
    """The weighted sums along one axis of `source`, which starts there at the first output's first input."""
    shape = list(source.shape)
    shape[axis] = len(taps.first)
    if not taps.phases:
        return _gathered(source, taps, axis)
    out = np.empty(shape, source.dtype)
    for phase in range(taps.phases):
        start = taps.first[phase] - taps.first[0]
        length = len(taps.first) // taps.phases * taps.step
        views = [source[_along(axis, slice(start + k, start + k + length, taps.step))] for k in range(taps.count)]
        goal = out[_along(axis, slice(phase, None, taps.phases))]
        _add_up(views, taps.weights[phase], goal)
    return out


def _gathered(source: NDArray[Any], taps: _Taps, axis: int) -> NDArray[Any]:
    """`_weigh` for ratios that are not whole."""
    place = taps.first - taps.first[0]
    shape = [1] * source.ndim
    shape[axis] = -1
    weights = taps.weights.astype(source.dtype)
    total: NDArray[Any] = source.take(place, axis) * weights[:, 0].reshape(shape)
    for k in range(1, taps.count):
        total += source.take(place + k, axis) * weights[:, k].reshape(shape)
    return total


def _along(axis: int, index: slice) -> tuple[slice, ...]:
    return (slice(None),) * axis + (index,)


def _add_up(views: list[NDArray[Any]], weights: NDArray[np.float64], goal: NDArray[Any]) -> None:
    """goal = sum of weights[k] * views[k], always in that order, so that equal pixels get equal bits."""
    total = np.multiply(views[0], float(weights[0]))
    product = np.empty_like(total)
    for view, weight in zip(views[1:], weights[1:], strict=True):
        np.multiply(view, float(weight), out=product)
        total += product
    goal[...] = total


def _rounded(values: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Whole numbers within the type's range, halves away from zero, for integer types; floats as they are."""
    if dtype.kind == "f":
        return values
    values += 0.5
    np.floor(values, out=values)
    return np.clip(values, 0, np.iinfo(dtype).max, out=values)


def _check(image: NDArray[Any], height: int, width: int) -> None:
    if image.dtype not in (np.uint8, np.uint16, np.float32, np.float64):
        raise UsageError(f"cannot resize type {image.dtype}: use uint8, uint16, float32 or float64")
    if image.ndim not in (2, 3) or 0 in image.shape:
        raise UsageError(f"cannot resize shape {image.shape}: give (H, W) or (H, W, C), neither empty")
    if height < 1 or width < 1:
        raise UsageError(f"cannot resize to {width} x {height}: both sides must be at least 1")
