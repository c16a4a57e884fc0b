"""Resizing of video's planes, whose samples need not lie in the middle of their cells.

Subsampled chroma lies elsewhere (`Siting`), and must lie there still when it is larger. `upscale_sited` enlarges a
plane, `SitedResizing` resizes one by any factor. The kernel is that of pictures; sums are in float32.
"""

from enum import IntEnum
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sesr.errors import UsageError
from sesr.imaging.arrays import Pixel
from sesr.imaging.passes import both_passes, weighted_sums
from sesr.imaging.taps import check_size, sited_taps


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
    """Enlarge a plane of video, such as chroma, that keeps its siting, by bicubic in float32.

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
        check_size(height, width)
        check_size(to_height, to_width)
        down, across = steps or (Fraction(height, to_height), Fraction(width, to_width))
        if min(down, across) <= 0:
            raise UsageError(f"steps of resizing must be above 0, not {down} and {across}")
        self._down = sited_taps(height, to_height, down, siting[0])
        self._across = sited_taps(width, to_width, across, siting[1])
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
        both_passes(plane[..., None].astype(np.float32), down, self._across, result, weighted_sums)
        np.clip(result, 0, (1 << (depth or bits)) - 1, out=result)
        return (result[..., 0] + np.float32(0.5)).astype(plane.dtype)


def _check_plane(plane: NDArray[Any]) -> None:
    if plane.dtype not in (np.uint8, np.uint16) or plane.ndim != 2 or 0 in plane.shape:
        raise UsageError(f"a plane must be uint8 or uint16 (H, W), not {plane.dtype} {plane.shape}")
