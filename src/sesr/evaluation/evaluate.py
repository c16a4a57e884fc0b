"""Measure a network on benchmark sets, next to bicubic and the paper.

Every picture is measured first, then each set gets the mean of its pictures. A set with gray pictures is measured
twice, by both conventions (`sesr.evaluation.protocol`), and the second time counts as a set of its own,
``Set14 (gray as RGB)``. The network is a plain function of luma (`LumaUpscaler`), so it does not matter which engine
runs it or where its weights come from.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from sesr.evaluation.protocol import (
    Enlarged,
    LumaUpscaler,
    Quality,
    enlarge_by_bicubic,
    enlarge_by_network,
    gray_as_rgb,
    measure,
    shrink,
)
from sesr.evaluation.published import Published, published
from sesr.evaluation.sets import BenchmarkSet, find_sets, read_to_measure
from sesr.files.jpeg import through_jpeg

BICUBIC, OURS, PAPER, X4_SHRUNK = "bicubic", "ours", "paper", "x4 shrunk"
MEASURED = "measured"
GRAY_AS_RGB = " (gray as RGB)"
"""Suffix of a set's name where its gray pictures are measured as RGB."""


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
        set_name: the set; with the suffix `GRAY_AS_RGB` for that convention.
        images: number of pictures.
        method: `BICUBIC`, `OURS`, `X4_SHRUNK` or `PAPER`.
        psnr: dB, for Y of the 8-bit RGB picture.
        ssim: for the same Y.
        psnr_y: dB, for unrounded Y; None for the paper.
        psnr_y8: dB, for Y rounded to integers; None for the paper.
        status: `MEASURED`, or how certain the paper's figures are (`sesr.evaluation.published.Published.status`).
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
        name: name of the network.
        scale: its scale.
        jpeg: quality of the JPEG that LR passed through before it was enlarged; None for LR as in the papers.
        rows: for each set bicubic, ours, the network for x4 if it was asked for, and the paper's if it has measured the
            set. Then the same without the paper with gray as RGB, if the set has gray pictures.
        pictures: for each picture bicubic, ours and the network for x4, in the order of the sets.
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
    x4: LumaUpscaler | None = None,
    jpeg: int | None = None,
    progress: bool = False,
) -> Evaluation:
    """Measure a network and bicubic on every set in a folder.

    Args:
        upscaler: the network: Y / 255, float32 (H, W), to (scale H, scale W) within 0..1.
        name: name of the network; "m3" .. "xl" also get the paper's figures, unless LR passes through JPEG.
        data: see `sesr.evaluation.sets.find_sets`.
        scale: scale of the network.
        x4: a network for x4, to be measured too, its result shrunk to `scale`. This is what `sesr upscale` does without
            a network for that scale.
        jpeg: quality of the JPEG that LR passes through first (`sesr.files.jpeg`), for every method.
        progress: show a bar.

    Raises:
        DataError: the folder cannot be used, or HR and LR do not fit together.
        PictureError: a picture cannot be read or is too small, or there is no such JPEG quality.
    """
    sets = find_sets(data, scale)
    methods = _methods(upscaler, x4, scale)
    rows: list[SetRow] = []
    pictures: list[PictureRow] = []
    with tqdm(total=sum(len(s.pairs) for s in sets), unit="picture", disable=not progress) as bar:
        for benchmark in sets:
            measured: list[PictureRow] = []
            as_rgb: list[PictureRow] = []
            gray_pictures = 0
            for pair in benchmark.pairs:
                hr, lr = read_to_measure(pair, scale)
                lr = lr if jpeg is None else through_jpeg(lr, jpeg)
                qualities = _measure_methods(methods, hr, lr, scale)
                measured += _picture_rows(benchmark.name, pair.name, qualities)
                if hr.ndim == 2:
                    qualities = _measure_methods(methods, gray_as_rgb(hr), gray_as_rgb(lr), scale)
                    gray_pictures += 1
                as_rgb += _picture_rows(benchmark.name + GRAY_AS_RGB, pair.name, qualities)
                bar.update()
            rows += _means(measured)
            paper = published(name, scale, benchmark.name) if jpeg is None else None
            if paper is not None:
                rows.append(_paper_row(benchmark, paper))
            pictures += measured
            if gray_pictures:
                rows += _means(as_rgb)
                pictures += as_rgb
    return Evaluation(name, scale, jpeg, tuple(rows), tuple(pictures))


_Method = Callable[[NDArray[np.uint8]], Enlarged]


def _methods(upscaler: LumaUpscaler, x4: LumaUpscaler | None, scale: int) -> dict[str, _Method]:
    """Return the ways to enlarge a picture, by name."""
    methods: dict[str, _Method] = {
        BICUBIC: lambda lr: enlarge_by_bicubic(lr, scale),
        OURS: lambda lr: enlarge_by_network(upscaler, lr, scale),
    }
    if x4 is not None:
        methods[X4_SHRUNK] = lambda lr: shrink(enlarge_by_network(x4, lr, 4), lr.shape[0] * scale, lr.shape[1] * scale)
    return methods


def _measure_methods(
    methods: dict[str, _Method], hr: NDArray[np.uint8], lr: NDArray[np.uint8], scale: int
) -> dict[str, Quality]:
    """Enlarge one picture by every method and measure the results."""
    return {name: measure(enlarge(lr), hr, scale) for name, enlarge in methods.items()}


def _picture_rows(set_name: str, image: str, qualities: dict[str, Quality]) -> list[PictureRow]:
    return [PictureRow(set_name, image, method, quality) for method, quality in qualities.items()]


def _means(pictures: Sequence[PictureRow]) -> list[SetRow]:
    """Return the rows of a set: one for each method that its pictures were measured by."""
    return [_mean(pictures, method) for method in dict.fromkeys(row.method for row in pictures)]


def _mean(pictures: Sequence[PictureRow], method: str) -> SetRow:
    """Average as the papers do: the pictures' decibels, not their errors."""
    qualities = [row.quality for row in pictures if row.method == method]
    return SetRow(
        set_name=pictures[0].set_name,
        images=len(qualities),
        method=method,
        psnr=fmean(quality.psnr for quality in qualities),
        ssim=fmean(quality.ssim for quality in qualities),
        psnr_y=fmean(quality.psnr_y for quality in qualities),
        psnr_y8=fmean(quality.psnr_y8 for quality in qualities),
        status=MEASURED,
    )


def _paper_row(benchmark: BenchmarkSet, cell: Published) -> SetRow:
    return SetRow(benchmark.name, len(benchmark.pairs), PAPER, cell.psnr, cell.ssim, None, None, cell.status)
