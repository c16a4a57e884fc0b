"""Measures a network on benchmark sets beside bicubic and the paper.

Per picture first, then the mean of each set. Takes a network as a plain function of luma (`LumaUpscaler`), so it does
not matter which engine runs it or where its weights came from.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from sesr.evaluation.protocol import LumaUpscaler, Quality, enlarge_by_bicubic, enlarge_by_network, measure
from sesr.evaluation.published import Published, published
from sesr.evaluation.sets import BenchmarkSet, find_sets, read_to_measure
from sesr.files.jpeg import through_jpeg

BICUBIC, OURS, PAPER = "bicubic", "ours", "paper"
MEASURED = "measured"


@dataclass(frozen=True)
class PictureRow:
    """One picture's figures by one method."""

    set_name: str
    image: str
    method: str
    quality: Quality


@dataclass(frozen=True)
class SetRow:
    """One set's figures by one method: means over its pictures, or what the paper prints.

    Attributes:
        set_name: the set.
        images: how many pictures.
        method: `BICUBIC`, `OURS` or `PAPER`.
        psnr: dB, of the 8-bit RGB picture's Y.
        ssim: likewise.
        psnr_y: dB of unrounded Y; None for the paper.
        psnr_y8: dB of Y rounded to integers; None for the paper.
        status: `MEASURED`, or how sure the paper's figure is.
    """

    set_name: str
    images: int
    method: str
    psnr: float
    ssim: float
    psnr_y: float | None
    psnr_y8: float | None
    status: str


@dataclass(frozen=True)
class Evaluation:
    """All figures of one network.

    Attributes:
        name: the network's.
        scale: its scale.
        jpeg: the quality at which LR was JPEG before it was enlarged; None for LR as the papers have it.
        rows: bicubic, ours and, where it has one, the paper's for each set.
        pictures: bicubic and ours for each picture.
    """

    name: str
    scale: int
    jpeg: int | None
    rows: tuple[SetRow, ...]
    pictures: tuple[PictureRow, ...]


def evaluate(
    upscaler: LumaUpscaler,
    name: str,
    data: Path,
    scale: int,
    *,
    jpeg: int | None = None,
    progress: bool = False,
) -> Evaluation:
    """Measures a network and bicubic on every set in a folder.

    Args:
        upscaler: the network: Y / 255, float32 (H, W), to (scale H, scale W) within 0..1.
        name: the network's; for "m3" .. "xl" the paper's figures are put beside, unless LR is made JPEG.
        data: see `sesr.evaluation.sets.find_sets`.
        scale: the network's.
        jpeg: makes LR pass through JPEG of this quality first (`sesr.files.jpeg`), for every method.
        progress: show a bar.

    Raises:
        DataError: the folder cannot be used, or HR and LR do not fit together.
        PictureError: a picture cannot be read or is too small, or there is no such JPEG quality.
    """
    sets = find_sets(data, scale)
    rows: list[SetRow] = []
    pictures: list[PictureRow] = []
    with tqdm(total=sum(len(s.pairs) for s in sets), unit="picture", disable=not progress) as bar:
        for benchmark in sets:
            measured: list[PictureRow] = []
            for pair in benchmark.pairs:
                hr, lr = read_to_measure(pair, scale)
                seen = lr if jpeg is None else through_jpeg(lr, jpeg)
                qualities = _measured(upscaler, hr, seen, scale)
                measured += [PictureRow(benchmark.name, pair.name, *found) for found in qualities.items()]
                bar.update()
            pictures += measured
            rows += [_mean(measured, method) for method in (BICUBIC, OURS)]
            paper = published(name, scale, benchmark.name) if jpeg is None else None
            if paper is not None:
                rows.append(_paper_row(benchmark, paper))
    return Evaluation(name, scale, jpeg, tuple(rows), tuple(pictures))


def _measured(upscaler: LumaUpscaler, hr: NDArray[np.uint8], lr: NDArray[np.uint8], scale: int) -> dict[str, Quality]:
    """One picture by both methods."""
    enlarged = {BICUBIC: enlarge_by_bicubic(lr, scale), OURS: enlarge_by_network(upscaler, lr, scale)}
    return {method: measure(picture, hr, scale) for method, picture in enlarged.items()}


def _mean(pictures: Sequence[PictureRow], method: str) -> SetRow:
    """The papers' mean: of the pictures' decibels, not of their errors."""
    found = [row.quality for row in pictures if row.method == method]
    return SetRow(
        set_name=pictures[0].set_name,
        images=len(found),
        method=method,
        psnr=fmean(quality.psnr for quality in found),
        ssim=fmean(quality.ssim for quality in found),
        psnr_y=fmean(quality.psnr_y for quality in found),
        psnr_y8=fmean(quality.psnr_y8 for quality in found),
        status=MEASURED,
    )


def _paper_row(benchmark: BenchmarkSet, cell: Published) -> SetRow:
    return SetRow(benchmark.name, len(benchmark.pairs), PAPER, cell.psnr, cell.ssim, None, None, cell.status)
