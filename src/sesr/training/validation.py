"""Validation pictures: a run is measured on them while it trains.

Validation PSNR is of the unrounded luma with `scale` pixels shaved. That is about 0.01 dB above the papers' protocol
(`sesr evaluate`), which rounds to an 8-bit picture first.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from statistics import fmean

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sesr.data.degradation import degrade
from sesr.data.pairs import Pair, Pixels, read_pair
from sesr.data.planes import to_gray
from sesr.data.settings import DataRecipe
from sesr.errors import DataError
from sesr.imaging.color import BT601_LIMITED, luma_from_gray
from sesr.imaging.metrics import psnr
from sesr.training.learner import Narrow
from sesr.training.sources import find_set


class ValidationPictures:
    """HR luma 0..255 (scale H, scale W), unrounded, and LR luma Y/255 (1, 1, H, W) of each picture.

    Kept as the 8 bits a channel that were read, which take a third of the luma's memory or less. They are converted
    each time they are asked for: exactly, not through 8-bit gray.

    Args:
        pairs: HR and LR of each picture, as `read_pair` returns them.
        recipe: the meaning of gray values.
    """

    def __init__(self, pairs: Iterable[tuple[Pixels, Pixels]], recipe: DataRecipe) -> None:
        # Contiguous copies, so that no larger array lives on behind a view, such as gray's two further channels.
        self._pairs = [(np.ascontiguousarray(hr), np.ascontiguousarray(lr)) for hr, lr in pairs]
        self._recipe = recipe

    def __len__(self) -> int:
        return len(self._pairs)

    def __getitem__(self, index: int) -> tuple[NDArray[np.float64], Tensor]:
        hr, lr = self._pairs[index]
        low = _luma(lr, self._recipe) / 255
        return _luma(hr, self._recipe), torch.from_numpy(low).float()[None, None]

    def __iter__(self) -> Iterator[tuple[NDArray[np.float64], Tensor]]:
        return (self[index] for index in range(len(self)))


def read_validation(source: Path, scale: int, recipe: DataRecipe) -> ValidationPictures:
    """Read the pictures of a set, with LR degraded as in training.

    Nothing is left out: a mean over fewer pictures would be another figure.

    Raises `PictureError` if a picture cannot be read, `DataError` if there are none, they do not fit, or one is too
    small.
    """
    pairs = find_set(source, scale)
    return ValidationPictures((_read(pair, scale, source, recipe) for pair in pairs), recipe)


def _read(pair: Pair, scale: int, source: Path, recipe: DataRecipe) -> tuple[Pixels, Pixels]:
    hr, lr = read_pair(pair, scale)
    if min(lr.shape[:2]) <= 2:
        raise DataError(f"{pair.hr}: too small to validate on; take it out of {source}")
    if recipe.degradation == "none":
        return hr, lr
    seen = degrade(to_gray(lr), recipe.degradation)
    return hr, seen if hr.ndim == 2 else np.repeat(seen[..., None], 3, axis=2)  # three equal channels stay full range


def _luma(picture: Pixels, recipe: DataRecipe) -> NDArray[np.float64]:
    """Return luma Y, 0..255, unrounded."""
    values = picture.astype(np.float64)
    if picture.ndim == 3:
        return BT601_LIMITED.luma(values)
    return values if recipe.grey_range == "limited" else luma_from_gray(values)


class Validation:
    """Measures networks on a set of validation pictures."""

    def __init__(self, source: Path, scale: int, recipe: DataRecipe) -> None:
        self.scale, self.pictures = scale, read_validation(source, scale, recipe)

    @torch.no_grad()
    def __call__(self, network: Narrow) -> float:
        """Return the mean PSNR in dB of the unrounded luma."""
        device = next(network.parameters()).device
        return fmean(self._psnr(network, hr, lr.to(device)) for hr, lr in self.pictures)

    def _psnr(self, network: Narrow, hr: NDArray[np.float64], lr: Tensor) -> float:
        return psnr(network(lr)[0, 0].double().cpu().numpy() * 255, hr, shave=self.scale)
