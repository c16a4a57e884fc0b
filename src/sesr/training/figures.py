"""A run as pictures: its curves, and a detail of a validation picture that sharpens while the network learns.

Both are drawn from files in the run's folder, so a resumed run continues them. They are for people: a picture that
cannot be written is reported in a line and never ends a training.
"""

import csv
import functools
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from tqdm import tqdm

from sesr.atomic import writing
from sesr.imaging.color import gray_from_luma, luma_from_gray, to_uint8
from sesr.imaging.metrics import psnr
from sesr.imaging.resize import upscale
from sesr.training.learner import Narrow

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Plane = NDArray[np.float64]
Gray = NDArray[np.uint8]
Curve = tuple[NDArray[np.float64], NDArray[np.float64]]

CROP = 64
"""Side of the detail in low-resolution pixels."""
TILES = 12
"""Largest number of tiles in a `sharpening.png`, including the bicubic and the original."""
COLUMNS = 4
TILE_SIDE = 256
"""Approximate side of a tile as drawn; small tiles are enlarged by a whole number."""

EARLY = 0.05
"""Part of a run whose single losses may leave the picture. They scatter, fall steeply and would flatten the rest."""
SMOOTH = 0.04
"""Part of a run over which the bold line of the loss is a mean."""

SET = "psnr_"
"""Start of the names of the log's columns that hold a single validation set."""

LOSS, PSNR, RATE, FAINT = "#1f5f99", "#b3501b", "#666666", "#9dbfdd"


def draw_curves(run: Path) -> None:
    """Draw a run's `log.csv` as `curves.png`: loss, validation PSNR and learning rate against steps.

    Several validation sets have a panel each below their mean.

    If matplotlib is missing, or the file cannot be written, a line says so and nothing is drawn.
    """
    with _never_fatal(run / "curves.png"):
        rows = _read_log(run / "log.csv")
        loss, psnr_db, rate = (_curve(rows, name) for name in ("loss", "validation_psnr", "learning_rate"))
        columns = [name for name in rows[0] if name and name.startswith(SET)] if rows else []
        sets = {name.removeprefix(SET): _curve(rows, name) for name in columns}
        if len(loss[0]):
            _draw(run, loss, psnr_db, {name: curve for name, curve in sets.items() if len(curve[0])}, rate)


def _draw(run: Path, loss: Curve, psnr_db: Curve, sets: dict[str, Curve], rate: Curve) -> None:
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError:
        note_missing_matplotlib()
        return
    heights = {"loss": 3.0, "psnr": 3.0} | {f"{SET}{name}": 1.5 for name in sets} | {"rate": 1.0}
    if not len(psnr_db[0]):
        del heights["psnr"]
    figure = Figure(figsize=(9, 1 + sum(heights.values())), dpi=110, layout="constrained")
    axes = figure.subplots(len(heights), sharex=True, squeeze=False, height_ratios=list(heights.values()))[:, 0]
    panels: dict[str, Axes] = dict(zip(heights, axes, strict=True))
    _draw_loss(panels["loss"], loss)
    if "psnr" in panels:
        _draw_psnr(panels["psnr"], psnr_db, "mean of all sets (dB)" if sets else "validation PSNR (dB)")
    for name, curve in sets.items():
        _draw_psnr(panels[f"{SET}{name}"], curve, f"{name} (dB)")
    panels["rate"].plot(*rate, color=RATE, linewidth=1)
    panels["rate"].set(ylabel="learning rate", xlabel="steps", xlim=(0, loss[0][-1]), ylim=(0, None))
    panels["rate"].yaxis.set_major_formatter("{x:g}")
    panels["rate"].xaxis.set_major_formatter(lambda step, _: f"{step:,.0f}")
    for panel in panels.values():
        panel.grid(which="major", color="#e4e4e4", linewidth=0.8)
        panel.spines[["top", "right"]].set_visible(False)
    figure.align_ylabels()
    figure.suptitle(f"{run.resolve().name}, {loss[0][-1]:,.0f} steps", fontsize=12, x=0.01, ha="left", weight="bold")
    with writing(run / "curves.png") as temporary:
        figure.savefig(temporary, format="png")


def _draw_loss(panel: "Axes", loss: Curve) -> None:
    from matplotlib.ticker import MaxNLocator, NullLocator

    steps, values = loss
    smooth = smoothed(steps, values)
    panel.plot(steps, values, color=FAINT, linewidth=0.8)
    panel.plot(steps, smooth, color=LOSS, linewidth=1.8)
    shown = np.concatenate([smooth, values[steps >= EARLY * steps[-1]]])
    if values.min() <= 0:
        panel.set_ylabel("training loss (a logarithm)")
    else:
        panel.set(ylabel="training loss (luma 0 to 1)", yscale="log")
        panel.set_ylim(shown.min() / 1.02, shown.max() * 1.02)
        if shown.max() < 5 * shown.min():  # a log axis labels powers of ten, of which there may be none
            panel.yaxis.set_major_locator(MaxNLocator(6))
            panel.yaxis.set_minor_locator(NullLocator())
    panel.yaxis.set_major_formatter("{x:.4g}")
    title = f"{smooth[0]:.4f} at first, {smooth[-1]:.4f} now (means over {SMOOTH:.0%} of the steps)"
    panel.set_title(title, loc="right", fontsize=9, color=LOSS)


def _draw_psnr(panel: "Axes", psnr_db: Curve, label: str) -> None:
    steps, values = psnr_db
    best = int(values.argmax())
    panel.plot(steps, values, color=PSNR, linewidth=1.8, marker="o", markersize=3)
    panel.set_ylabel(label, parse_math=False)
    first = f"{values[0]:.2f} dB at step {steps[0]:,.0f}"
    title = f"{first}, best {values[best]:.2f} at step {steps[best]:,.0f}, {values[-1]:.2f} now"
    panel.set_title(title, loc="right", fontsize=9, color=PSNR)
    spread = max(4 * (values[best] - float(np.median(values))), 0.5)
    bottom = max(values.min() - 0.05, values[best] - spread)  # a first value far below would flatten all that follow
    panel.set_ylim(bottom, values[best] + 0.08 * max(values[best] - bottom, 0.1))


def smoothed(steps: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the geometric mean over the steps around each line, or the plain mean of values that may be below zero.

    A line counts for all steps that it stands for.
    """
    weights = np.diff(steps, prepend=0).clip(1)
    positive = bool(values.min() > 0)
    sums = np.concatenate([[0.0], np.cumsum(weights * (np.log(values) if positive else values))])
    counts = np.concatenate([[0.0], np.cumsum(weights)])
    start = np.searchsorted(steps, steps - SMOOTH / 2 * steps[-1])
    stop = np.searchsorted(steps, steps + SMOOTH / 2 * steps[-1], side="right")
    means: NDArray[np.float64] = (sums[stop] - sums[start]) / (counts[stop] - counts[start])
    return np.exp(means) if positive else means


def _read_log(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _curve(rows: list[dict[str, str]], column: str) -> Curve:
    """Return steps and values of a column, without empty cells and values that cannot be drawn."""
    points = [(float(row["step"]), float(row[column])) for row in rows if row.get(column)]
    kept = np.array([point for point in points if math.isfinite(point[1])]).reshape(-1, 2)
    return kept[:, 0], kept[:, 1]


@functools.cache
def note_missing_matplotlib() -> None:
    """Print once that curves cannot be drawn."""
    tqdm.write("matplotlib is not installed: no curves.png is drawn; pip install 'sesr[train]'")


class Sharpening:
    """One detail of a picture as the network makes it at some steps, between the bicubic and the original.

    The detail is taken where bicubic is most wrong, so that there is something to win. Every step's tile is kept as
    8-bit gray in the folder `sharpening`. If there are too many, the tiles that leave the smallest gap are dropped, so
    that the first, the latest and about evenly spread ones between them stay. `sharpening.png` shows them all, each
    with its step and its own PSNR.

    Args:
        run: the run's folder.
        hr: the picture's luma 0..255, (scale H, scale W).
        lr: its luma Y/255 at low resolution, (1, 1, H, W).
        scale: 2, 3 or 4.

    Attributes:
        rows: the detail's rows, in LR pixels.
        columns: the detail's columns, in LR pixels.
    """

    def __init__(self, run: Path, hr: Plane, lr: Tensor, scale: int) -> None:
        self._run, self._folder, self._lr, self._scale = run, run / "sharpening", lr, scale
        bicubic: Plane = upscale(lr[0, 0].double().cpu().numpy() * 255, scale)
        self.rows, self.columns = hardest_square(np.abs(bicubic - hr), CROP, scale)
        inside = scaled(self.rows, scale), scaled(self.columns, scale)
        self._bicubic, self._original = to_gray(bicubic[inside]), to_gray(hr[inside])

    def add(self, step: int, network: Narrow) -> None:
        """Add a network's version of the detail, in evaluation mode, and redraw the picture.

        Tiles of later steps, left by a run that was killed and resumed before them, are dropped. A file that cannot
        be written is reported in a line.
        """
        with _never_fatal(self._run / "sharpening.png"):
            tiles = {known: tile for known, tile in self._stored().items() if known < step}
            tiles = thinned(tiles | {step: self._enlarged(network)}, TILES - 2)
            self._store(tiles)
            steps = {f"step {known:,}": tile for known, tile in tiles.items()}
            grid = _grid({"bicubic": self._bicubic, **steps, "original": self._original})
            _save(grid, self._run / "sharpening.png")

    @torch.no_grad()
    def _enlarged(self, network: Narrow) -> Gray:
        """Return the detail, made with as much around it as it depends on."""
        reach = network.config.receptive_radius
        rows, columns = (slice(max(part.start - reach, 0), part.stop + reach) for part in (self.rows, self.columns))
        lr = self._lr[..., rows, columns].to(next(network.parameters()).device)
        luma = network(lr)[0, 0].double().cpu().numpy() * 255
        inside = (
            slice(part.start - around.start, part.stop - around.start)
            for part, around in ((self.rows, rows), (self.columns, columns))
        )
        return to_gray(luma[tuple(scaled(part, self._scale) for part in inside)])

    def _stored(self) -> dict[int, Gray]:
        """Return the stored tiles by step, in order; none if they show another detail."""
        if not np.array_equal(_load(self._folder / "original.png"), self._original):
            return {}
        loaded = {int(path.stem[5:]): _load(path) for path in sorted(self._folder.glob("step_*.png"))}
        return {step: tile for step, tile in loaded.items() if tile.shape == self._original.shape}

    def _store(self, tiles: dict[int, Gray]) -> None:
        """Make the folder hold these tiles and no others."""
        self._folder.mkdir(exist_ok=True)
        wanted = {self._folder / f"step_{step:09}.png": tile for step, tile in tiles.items()}
        known = self._stored()
        for path in set(self._folder.glob("step_*.png")) - set(wanted):
            path.unlink()
        if not known:
            _save(Image.fromarray(self._original), self._folder / "original.png")
        for path, tile in wanted.items():
            if not np.array_equal(known.get(int(path.stem[5:]), ()), tile):
                _save(Image.fromarray(tile), path)


def hardest_square(error: Plane, side: int, scale: int) -> tuple[slice, slice]:
    """Return rows and columns, in LR pixels, of the square with the largest error; smaller in small pictures."""
    height, width = error.shape[0] // scale, error.shape[1] // scale
    pixels = error.reshape(height, scale, width, scale).sum(axis=(1, 3))
    sums = np.pad(pixels.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    rows, columns = min(side, height), min(side, width)
    squares = sums[rows:, columns:] - sums[:-rows, columns:] - sums[rows:, :-columns] + sums[:-rows, :-columns]
    top, left = (int(position) for position in np.unravel_index(squares.argmax(), squares.shape))
    return slice(top, top + rows), slice(left, left + columns)


def scaled(part: slice, scale: int) -> slice:
    """Return the HR pixels of a range of LR pixels."""
    return slice(part.start * scale, part.stop * scale)


def to_gray(luma: Plane) -> Gray:
    """Convert luma to 8-bit gray, full range; not-a-number becomes black."""
    return to_uint8(np.nan_to_num(gray_from_luma(luma)))


def thinned(tiles: dict[int, Gray], most: int) -> dict[int, Gray]:
    """Drop tiles, one by one, whose neighbors are nearest to each other, until at most `most` are left."""
    steps = list(tiles)
    while len(steps) > most:
        gaps = [after - before for before, after in zip(steps, steps[2:], strict=False)]
        del steps[gaps.index(min(gaps)) + 1]
    return {step: tiles[step] for step in steps}


def _grid(tiles: dict[str, Gray]) -> Image.Image:
    """Draw tiles in rows, each under its label and its PSNR against the last one."""
    *_, original = tiles.values()
    zoom = max(round(TILE_SIDE / max(original.shape)), 1)
    height, width = (zoom * side for side in original.shape)
    gap, head, columns = 8, 24, min(COLUMNS, len(tiles))
    rows = -(-len(tiles) // columns)
    grid = Image.new("L", (gap + columns * (width + gap), rows * (head + height + gap)), 255)
    draw, font = ImageDraw.Draw(grid), ImageFont.load_default(size=15)
    for index, (name, tile) in enumerate(tiles.items()):
        left, top = gap + index % columns * (width + gap), index // columns * (head + height + gap)
        draw.text((left, top + head // 2), name, 0, font, anchor="lm")
        if tile is not original:
            draw.text((left + width, top + head // 2), f"{tile_psnr(tile, original):.2f} dB", 90, font, anchor="rm")
        shown = Image.fromarray(tile).resize((width, height), Image.Resampling.NEAREST)
        grid.paste(shown, (left, top + head))
    return grid


def tile_psnr(tile: Gray, original: Gray) -> float:
    """Return the PSNR of the luma of two tiles, dB."""
    return psnr(luma_from_gray(tile.astype(np.float64)), luma_from_gray(original.astype(np.float64)))


def _load(path: Path) -> Gray:
    """Load a tile. A missing or damaged one is empty; the next step replaces it."""
    try:
        with Image.open(path) as image:
            return np.asarray(image)
    except OSError:
        return np.empty((0, 0), np.uint8)


def _save(image: Image.Image, path: Path) -> None:
    with writing(path) as temporary:
        image.save(temporary, format="PNG")


@contextmanager
def _never_fatal(path: Path) -> Iterator[None]:
    """Report in a line why a picture could not be written, and continue."""
    try:
        yield
    except (OSError, ValueError) as error:  # ValueError: other files that somebody put into the folder
        reason = (error.strerror if isinstance(error, OSError) else None) or error
        tqdm.write(f"{path}: {reason}; not drawn, training continues")
