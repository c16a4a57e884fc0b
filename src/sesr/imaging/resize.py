"""Bicubic resizing that equals MATLAB's `imresize` to the last bit.

The field's low-resolution pictures were made by MATLAB, and every PSNR table rests on them. Four things set
it apart from other libraries' bicubic, and each is worth tenths of a decibel:

- Keys' cubic kernel with a = -0.5 (OpenCV takes -0.75).
- *Antialiasing*: when shrinking, the kernel is stretched by the same factor, so that it covers all the pixels
  that fall into one (Pillow does the same, OpenCV doesn't).
- *Mirrored edges*: beyond the border the picture is repeated backwards, border pixel included (Pillow cuts
  the kernel off there and renormalizes).
- *Two passes*, the axis that shrinks most first and rows before columns when they tie. 8-bit pictures are
  rounded and clipped to 8 bits *between* the passes too. Halves are rounded away from zero.

Pixel centers lie at half-integers on both grids, so output pixel i looks at input position (i + 1/2) n_in /
n_out - 1/2.

How it is computed: the weights repeat with a period (*polyphase* form), so where the period is short each tap is one
multiply-add of shifted rows; where it is long, rows are gathered. Both passes work on whole rows, the second on the
picture turned on its side, in pieces that stay in the processor's cache. Positions are held as whole-number fractions,
so the weights of a pixel depend neither on where it lies nor on how large the picture is: a strip with enough context
gives the very bits that the whole picture gives. `Resizing` makes use of that: any rows of the result, from the rows of
the picture that they need.

Chroma of video is the exception to the half-integers: `upscale_sited` enlarges a plane whose samples lie elsewhere
(`Siting`), and `SitedResizing` resizes one by any factor.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import IntEnum
from fractions import Fraction
from math import gcd
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from sesr.errors import UsageError

Pixel = TypeVar("Pixel", bound=np.generic)

KERNEL_RADIUS = 2
"""Half the width of the cubic kernel when enlarging: the rows of context `upscale` needs beyond a strip."""

_PIECE = 1 << 17
_ACROSS = (512, 2048)
_BETWEEN_BYTES = 1 << 21
_PERIODS = 4


def imresize(image: NDArray[Pixel], height: int, width: int) -> NDArray[Pixel]:
    """Resize as MATLAB's `imresize(image, [height width], 'bicubic')` does.

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
    _check_image(image)
    return Resizing(image.shape[0], image.shape[1], height, width).rows(image, 0, height)


def upscale(image: NDArray[Pixel], scale: int) -> NDArray[Pixel]:
    """Enlarge (H, W) or (H, W, C) to (scale H, scale W); types and errors as `imresize`.

    A strip with `KERNEL_RADIUS` rows of context or more on each inner side gives the whole picture's rows
    exactly.
    """
    return imresize(image, image.shape[0] * scale, image.shape[1] * scale)


def downscale(image: NDArray[Pixel], scale: int) -> NDArray[Pixel]:
    """Crop the top left to a multiple of `scale`, then shrink: the low-resolution picture of the papers.

    Types as `imresize`. Raises `UsageError` if a side is shorter than `scale`.
    """
    if min(image.shape[:2]) < scale:
        raise UsageError(f"a picture of {image.shape[1]} x {image.shape[0]} pixels cannot be shrunk {scale} times")
    height, width = image.shape[0] // scale, image.shape[1] // scale
    return imresize(image[: height * scale, : width * scale], height, width)


class Siting(IntEnum):
    """Place of a sample within its cell along one axis, in quarters of the cell.

    Subsampled chroma has a sample for every two pixels of luma, its cell. The sample lies on the first of them, between
    both, or on the second. Chroma that is not subsampled along an axis lies in the middle of its cell, where luma is.
    """

    FIRST = 1
    """On the first pixel: FFmpeg's "left" across, "top" down."""
    CENTER = 2
    """Between both: FFmpeg's "center"; across, what "top" and "bottom" alone mean; down, what "left" alone means."""
    LAST = 3
    """On the second: FFmpeg's "bottom" down."""


def upscale_sited(
    plane: NDArray[Pixel],
    scale: int,
    height: int,
    width: int,
    siting: tuple[Siting, Siting] = (Siting.CENTER, Siting.CENTER),
    depth: int | None = None,
) -> NDArray[Pixel]:
    """Enlarge a plane of video, such as chroma, that keeps its siting: bicubic as above, but in float32.

    Output j lies at input (j + s) / scale - s, with s a quarter, a half or three quarters of a cell: at
    j / scale + (1 / scale - 1) / 4 for `Siting.FIRST`. Rows come first, and only the final result is rounded, halves
    up, and clipped to the codes of `depth` bits. `sesr.engines.planes.upscale_chroma` computes the same bits.

    Args:
        plane: uint8 or uint16 (H, W), at least 1 x 1.
        scale: 2, 3 or 4.
        height, width: size of the result, by less than `scale` larger or smaller than `scale` times the plane. A frame
            of odd width has (width + 1) // 2 columns of chroma, and one enlarged 3 times (3 * width + 1) // 2.
        siting: vertical and horizontal.
        depth: bits of a code: at most those of the type, which are the default.

    Returns a new array (height, width) of the same type. Raises `UsageError` for other types, sizes and depths.
    """
    _check_plane(plane)
    check_sited_size(plane.shape, (height, width), scale)
    step = Fraction(1, scale)
    resizing = SitedResizing(plane.shape[0], plane.shape[1], height, width, (step, step), siting)
    return resizing.rows(plane, 0, height, depth)


def check_sited_size(size: tuple[int, ...], wanted: tuple[int, ...], scale: int) -> None:
    """Raise `UsageError` unless a plane (H, W) may become one of the wanted size: see `upscale_sited`."""
    if scale not in (2, 3, 4):
        raise UsageError(f"scale must be 2, 3 or 4, not {scale}")
    if any(abs(larger - scale * length) >= scale for length, larger in zip(size, wanted, strict=True)):
        raise UsageError(f"a plane {size} enlarged {scale} times does not have the size {wanted}")


class SitedResizing:
    """Bicubic resizing of a plane of video that keeps its siting: any rows of the result, in float32.

    Output j lies at input (j + s) * step - s, with s a quarter, a half or three quarters of a cell, and `step` the
    distance between two outputs, in inputs. When shrinking, the kernel is stretched as in `imresize`. Rows come first,
    and only the final result is rounded, halves up, and clipped. `sesr.engines.planes.resize_plane` computes the same
    bits, several times faster.

    Args:
        height, width: size of the plane.
        to_height, to_width: size of the result.
        steps: vertical and horizontal distance between outputs, in inputs: the inverse of the factor by which the
            *frame* grows. They are not quite (height / to_height, width / to_width) for chroma of odd sizes. None
            takes these.
        siting: vertical and horizontal.

    Attributes:
        source, shape: (height, width) of the plane and of the result.

    Raises `UsageError` if a side is below 1 or a step is not above 0.
    """

    def __init__(
        self,
        height: int,
        width: int,
        to_height: int,
        to_width: int,
        steps: tuple[Fraction, Fraction] | None = None,
        siting: tuple[Siting, Siting] = (Siting.CENTER, Siting.CENTER),
    ) -> None:
        _check_size(height, width)
        _check_size(to_height, to_width)
        down, across = steps or (Fraction(height, to_height), Fraction(width, to_width))
        if min(down, across) <= 0:
            raise UsageError(f"steps of resizing must be above 0, not {down} and {across}")
        self._down = _sited_taps(height, to_height, down, siting[0])
        self._across = _sited_taps(width, to_width, across, siting[1])
        self.source, self.shape = (height, width), (to_height, to_width)

    @property
    def taps(self) -> tuple[tuple[NDArray[np.int64], NDArray[np.float32]], ...]:
        """Vertical and horizontal sums: the first input of each output, which may lie beyond an edge, and its weights.

        Weights are (outputs, count), and inputs beyond the edges are mirrored.
        """
        return tuple((taps.first, taps.weights.astype(np.float32)) for taps in (self._down, self._across))

    def sources(self) -> NDArray[np.int64]:
        """Return the rows of the plane that each row of the result is a weighted sum of, (rows, taps)."""
        places = self._down.first[:, None] + np.arange(self._down.count)
        return self._down.folded(places)

    def needed(self, top: int, bottom: int) -> tuple[int, int]:
        """Return the rows of the plane, first and last (exclusive), that rows `top` to `bottom` (exclusive) need."""
        rows = self._down.part(top, bottom).inputs()
        return int(rows.min()), int(rows.max()) + 1

    def rows(self, plane: NDArray[Pixel], top: int, bottom: int, depth: int | None = None) -> NDArray[Pixel]:
        """Compute rows `top` to `bottom` (exclusive) of the result, bit for bit as in the whole.

        Args:
            plane: the rows of the plane that `needed` names, uint8 or uint16 (rows, width).
            depth: bits of a code: at most those of the type, which are the default.

        Returns a new array of the same type. Raises `UsageError` for other types, `ValueError` for other sizes.
        """
        _check_plane(plane)
        bits = plane.dtype.itemsize * 8
        if not 0 < (depth or bits) <= bits:
            raise UsageError(f"{plane.dtype} does not hold {depth} bits")
        first, last = self.needed(top, bottom)
        if plane.shape != (last - first, self._across.size):
            raise ValueError(f"{plane.shape} for rows {first} to {last} of planes {self._across.size} wide")
        result = np.empty((bottom - top, len(self._across.first), 1), np.float32)
        down = self._down.part(top, bottom).after(first)
        _both_passes(plane[..., None].astype(np.float32), down, self._across, result, _plain)
        np.clip(result, 0, (1 << (depth or bits)) - 1, out=result)
        return (result[..., 0] + np.float32(0.5)).astype(plane.dtype)


class Resizing:
    """`imresize` by rows: any rows of the result, from the rows of the picture that they need.

    Args:
        height, width: size of the picture.
        to_height, to_width: size of the result.

    Raises `UsageError` if a side is below 1.
    """

    def __init__(self, height: int, width: int, to_height: int, to_width: int) -> None:
        _check_size(height, width)
        _check_size(to_height, to_width)
        self._down, self._across = _taps(height, to_height), _taps(width, to_width)
        self._columns_first = to_width * height < to_height * width

    def needed(self, top: int, bottom: int) -> tuple[int, int]:
        """Return the rows of the picture, first and last (exclusive), that rows `top` to `bottom` (exclusive) need."""
        rows = self._down.part(top, bottom).inputs()
        return int(rows.min()), int(rows.max()) + 1

    def rows(self, pixels: NDArray[Pixel], top: int, bottom: int) -> NDArray[Pixel]:
        """Compute rows `top` to `bottom` (exclusive) of the result, bit for bit as in the whole.

        Args:
            pixels: the rows of the picture that `needed` names, (rows, width) or (rows, width, C), types as `imresize`.

        Returns a new array of the same type. Raises `ValueError` for pixels that do not fit.
        """
        return self._resized(pixels, top, bottom, _plain)

    def rows_seen(self, pixels: NDArray[Pixel], top: int, bottom: int) -> NDArray[Pixel]:
        """Compute rows as `rows` does, for pixels whose last channel is alpha, with color weighted by alpha.

        Each pass computes color as the mean of color times alpha, divided by the mean of alpha. So the color of
        transparent pixels never shows, and a cut-out gets no halo. Where alpha is constant under the kernel, or the
        result is fully transparent, the colors are exactly those of `rows`.

        Args:
            pixels: as for `rows`, (rows, width, C) with straight alpha; uint8 or uint16.
        """
        return self._resized(pixels, top, bottom, _seen)

    def _resized(self, pixels: NDArray[Pixel], top: int, bottom: int, weigh: "_Weigh") -> NDArray[Pixel]:
        first, last = self.needed(top, bottom)
        if pixels.shape[:2] != (last - first, self._across.size):
            raise ValueError(f"{pixels.shape} for rows {first} to {last} of pictures {self._across.size} wide")
        image = pixels if pixels.ndim == 3 else pixels[..., None]
        result = np.empty((bottom - top, len(self._across.first), image.shape[2]), image.dtype)
        down = self._down.part(top, bottom).after(first)
        if self._columns_first:
            _both_passes(image.swapaxes(0, 1), self._across, down, result.swapaxes(0, 1), weigh)
        else:
            _both_passes(image, down, self._across, result, weigh)
        return result.reshape(*result.shape[:2], *pixels.shape[2:])


@dataclass(frozen=True)
class _Taps:
    """Weighted sums along one axis: output i is the sum over k of weights[i, k] * input[first[i] + k - offset].

    Edges are mirrored.

    Attributes:
        first, weights: first input and weights of each output, (outputs,) and (outputs, taps).
        size: length of the whole input.
        phases, step: first[i + phases] = first[i] + step, and both outputs have the same weights.
        offset: number of inputs that are left out at the start.
    """

    first: NDArray[np.int64]
    weights: NDArray[np.float64]
    size: int
    phases: int
    step: int
    offset: int = 0

    @property
    def count(self) -> int:
        return int(self.weights.shape[1])

    def part(self, start: int, stop: int) -> "_Taps":
        """Select outputs start..stop."""
        return replace(self, first=self.first[start:stop], weights=self.weights[start:stop])

    def after(self, offset: int) -> "_Taps":
        """Adapt to an input whose first `offset` entries are left out."""
        return replace(self, offset=offset)

    def inputs(self) -> NDArray[np.int64]:
        """List the inputs that all outputs together need, in order, folded back at the edges."""
        return self.folded(np.arange(self.first[0], self.first[-1] + self.count)) - self.offset

    def folded(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """Fold places beyond the edges back into the input."""
        places = places % (2 * self.size)
        return np.where(places < self.size, places, 2 * self.size - 1 - places)


def _taps(size: int, wanted: int) -> _Taps:
    """Compute weights along one axis, from whole-number fractions with denominator 2 * wanted."""
    center = (2 * np.arange(wanted, dtype=np.int64) + 1) * size - wanted
    first, weights = _weights(center, 2 * wanted, 2 * KERNEL_RADIUS * max(size, wanted), max(size / wanted, 1.0))
    common = gcd(size, wanted)
    return _Taps(first, weights, size, phases=wanted // common, step=size // common)


def _sited_taps(size: int, wanted: int, step: Fraction, siting: Siting) -> _Taps:
    """Compute weights along one axis for `SitedResizing`, from fractions with denominator 4 * step.denominator."""
    across, unit = step.numerator, step.denominator
    center = 4 * across * np.arange(wanted, dtype=np.int64) + siting * (across - unit)
    reach = 4 * KERNEL_RADIUS * max(across, unit)
    first, weights = _weights(center, 4 * unit, reach, max(across / unit, 1.0))
    return _Taps(first, weights, size, phases=unit, step=across)


def _weights(
    center: NDArray[np.int64], unit: int, reach: int, stretch: float
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Compute each output's first input, (outputs,), and its weights, (outputs, taps).

    Args:
        center: input positions of the outputs, in fractions of `unit`.
        reach: half the width of the kernel in the same fractions.
        stretch: factor by which the kernel is wider than Keys'.
    """
    first = (center - reach) // unit + 1
    count = int(((center + reach - 1) // unit - first).max()) + 1
    distance = ((first[:, None] + np.arange(count)) * unit - center[:, None]) / unit
    weights = _cubic(distance / stretch)
    weights /= weights.sum(axis=1, keepdims=True)
    return first, weights


def _cubic(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Evaluate Keys' kernel, a = -0.5; 0 from |x| = 2 on."""
    x = np.abs(x)
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x <= 1, near, np.where(x < 2, far, 0.0))


_Weigh = Callable[[NDArray[Any], _Taps], NDArray[Any]]
"""Weighted sums along the first axis of (inputs, across, C), which starts there at the first output's first input."""


def _both_passes(image: NDArray[Any], first: _Taps, second: _Taps, result: NDArray[Any], weigh: _Weigh) -> None:
    """Resize along the first axis, then along the second, a block of the first's outputs at a time."""
    across, channels = image.shape[1:]
    block = max(_BETWEEN_BYTES // (across * channels * image.itemsize), 1)
    for start in range(0, len(first.first), block):
        goal = result[start : start + block]
        between = np.empty((len(goal), across, channels), image.dtype)
        _pass(image, first.part(start, start + block), between, weigh)
        _pass(between.swapaxes(0, 1), second, goal.swapaxes(0, 1), weigh)


def _pass(source: NDArray[Any], taps: _Taps, result: NDArray[Any], weigh: _Weigh) -> None:
    """Resize along the first axis of (inputs, across, C), piece by piece."""
    work = source.dtype if source.dtype.kind == "f" else np.dtype(np.float64)
    for outputs, across in _pieces(taps, *source.shape[1:]):
        part = taps.part(outputs.start, outputs.stop)
        piece = np.array(source[:, across][_index(part.inputs())], work, order="C")
        result[outputs, across] = _rounded(weigh(piece, part), source.dtype)


def _pieces(taps: _Taps, across: int, channels: int) -> Iterator[tuple[slice, slice]]:
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


def _plain(source: NDArray[Any], taps: _Taps) -> NDArray[Any]:
    """Compute the weighted sums of every channel."""
    rows = source.reshape(len(source), -1)
    total = _phased(rows, taps) if len(taps.first) >= _PERIODS * taps.phases else _gathered(rows, taps)
    return total.reshape(-1, *source.shape[1:])


def _seen(source: NDArray[Any], taps: _Taps) -> NDArray[Any]:
    """Compute sums as `_plain` does, with colors weighted by alpha too: see `Resizing.rows_seen`."""
    plain = _plain(source, taps)
    alpha = source[..., -1]
    if (alpha == alpha[0, 0]).all():
        return plain
    product = _plain(source * _repeated(alpha, source), taps)
    weight = _repeated(plain[..., -1], plain)
    mixed = _repeated((plain[..., -1] >= 0.5) & ~_constant(alpha, taps), plain)
    mixed[..., -1] = False
    np.divide(product, weight, out=plain, where=mixed)
    return plain


def _repeated(plane: NDArray[Any], like: NDArray[Any]) -> NDArray[Any]:
    """Repeat (H, W) to (H, W, C), in memory, because short inner loops are slow."""
    return plane.repeat(like.shape[-1]).reshape(like.shape)


def _constant(plane: NDArray[Any], taps: _Taps) -> NDArray[np.bool_]:
    """Tell where all inputs of an output are equal, (outputs, across)."""
    changes = np.zeros(plane.shape, np.int32)
    np.cumsum(plane[1:] != plane[:-1], axis=0, out=changes[1:])
    place = taps.first - taps.first[0]
    constant: NDArray[np.bool_] = changes[place] == changes[place + taps.count - 1]
    return constant


def _phased(source: NDArray[Any], taps: _Taps) -> NDArray[Any]:
    """Compute weighted sums along the first axis of (inputs, across), all outputs of the same weights together."""
    out = np.empty((len(taps.first), source.shape[1]), source.dtype)
    for phase in range(taps.phases):
        goal = out[phase :: taps.phases]
        start = int(taps.first[phase] - taps.first[0])
        length = (len(goal) - 1) * taps.step + 1
        _add_up([source[start + k : start + k + length : taps.step] for k in range(taps.count)], taps, phase, goal)
    return out


def _add_up(views: list[NDArray[Any]], taps: _Taps, phase: int, goal: NDArray[Any]) -> None:
    """Set `goal` to the sum of weights[k] * views[k], always in that order, so that equal pixels get equal bits."""
    weights = taps.weights[phase].tolist()
    np.multiply(views[0], weights[0], out=goal)
    product = np.empty(goal.shape, goal.dtype)
    for view, weight in zip(views[1:], weights[1:], strict=True):
        np.multiply(view, weight, out=product)
        goal += product


def _gathered(source: NDArray[Any], taps: _Taps) -> NDArray[Any]:
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


def _check_image(image: NDArray[Any]) -> None:
    if image.dtype not in (np.uint8, np.uint16, np.float32, np.float64):
        raise UsageError(f"cannot resize type {image.dtype}: use uint8, uint16, float32 or float64")
    if image.ndim not in (2, 3) or 0 in image.shape:
        raise UsageError(f"cannot resize shape {image.shape}: give (H, W) or (H, W, C), neither empty")


def _check_plane(plane: NDArray[Any]) -> None:
    if plane.dtype not in (np.uint8, np.uint16) or plane.ndim != 2 or 0 in plane.shape:
        raise UsageError(f"a plane must be uint8 or uint16 (H, W), not {plane.dtype} {plane.shape}")


def _check_size(height: int, width: int) -> None:
    if height < 1 or width < 1:
        raise UsageError(f"cannot resize to {width} x {height}: both sides must be at least 1")
