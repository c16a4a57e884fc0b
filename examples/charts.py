"""Draws the charts of docs/results from the tables in results, each for light and for dark pages.

    python examples/charts.py
    python examples/charts.py --check

A chart is a function that takes what it shows as plain data, in `CHARTS` next to the function that reads this data.
A file's description says by a checksum which data it was drawn from. ``--check`` draws nothing and fails where a file
was drawn from something else. A chart whose table is missing is left out, with a line.

Needs matplotlib: `pip install '.[train]'`.
"""

import argparse
import csv
import hashlib
import json
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from sesr.benchmarks.peers.contenders import DISPLAYED
from sesr.benchmarks.peers.graph import PEERS as PEER_GRAPHS
from sesr.benchmarks.peers.resizers import FILTERS
from sesr.evaluation.evaluate import BICUBIC, OURS
from sesr.evaluation.peers import PEERS
from sesr.evaluation.published import published
from sesr.network.variants import VARIANTS
from tables import SETS, Table, pairs, read

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROOT = Path(__file__).resolve().parents[1]
RESULTS, FOLDER = ROOT / "results", ROOT / "docs" / "results"
STYLE = Path(__file__).with_name("charts.mplstyle")

Data = Sequence[Any]
"""Content of a chart, as JSON holds it."""


@dataclass(frozen=True)
class Theme:
    """Colors of one theme: text, faint lines, and those of the things shown."""

    name: str
    text: str
    faint: str
    ours: str
    int8: str
    others: str


THEMES = (
    Theme("light", "#24292f", "#d0d7de", "#1f5f99", "#b3501b", "#6e7781"),
    Theme("dark", "#e6edf3", "#3d444d", "#6cb2eb", "#f0a36b", "#9198a1"),
)


# Quality against cost


@dataclass(frozen=True)
class Mark:
    """A network in the chart of quality.

    Attributes:
        kind: ``ours``, ``int8``, ``paper`` or ``peer``.
        name: for its label.
        weights: number of weights, the mark's area.
        gmacs: 10^9 multiply-adds for a result of 1280 x 720.
        set14, mean: dB; None where it is not known.
    """

    kind: str
    name: str
    weights: int
    gmacs: float
    set14: float | None
    mean: float | None


def quality_data() -> Data:
    """Return for each scale the figures of bicubic and all marks."""
    found = []
    for scale in (2, 4):
        bicubic = read(f"m5_x{scale}")
        marks = [*_ours(scale), *_papers(scale), *_peers(scale)]
        found.append([scale, _of_sets(bicubic, BICUBIC), [astuple(mark) for mark in marks]])
    return found


def _of_sets(found: Table, method: str = OURS) -> tuple[float, float]:
    """Return PSNR on Set14, and the mean of the three sets."""
    return round(found["Set14", method].psnr, 3), round(fmean(found[s, method].psnr for s in SETS), 3)


def _ours(scale: int) -> Iterator[Mark]:
    for name, config in VARIANTS.items():
        config = replace(config, scale=scale)
        for kind, stem in (("ours", name), ("int8", f"{name}-int8")):
            found = read(f"{stem}_x{scale}")
            if found:
                yield Mark(kind, name.upper(), config.weights, round(config.macs() / 1e9, 3), *_of_sets(found))


def _papers(scale: int) -> Iterator[Mark]:
    """Yield the paper's networks, as far as its figures are verified."""
    for name, config in VARIANTS.items():
        config = replace(config, scale=scale)
        cells = [published(name, scale, s) for s in SETS]
        set5, set14, bsd100 = (cell.psnr if cell and cell.psnr_source else None for cell in cells)
        mean = fmean((set5, set14, bsd100)) if set5 and set14 and bsd100 else None
        if set14:
            yield Mark("paper", name.upper(), config.weights, round(config.macs() / 1e9, 3), set14, mean)


def _peers(scale: int) -> Iterator[Mark]:
    for peer in PEERS:
        if peer.scale == scale:
            mean = None if peer.mean is None else round(peer.mean, 3)
            yield Mark("peer", peer.name, peer.weights, peer.gmacs, round(peer.set14_as_luma, 3), mean)


def draw_quality(figure: "Figure", theme: Theme, data: Data) -> None:
    """Draw PSNR against multiply-adds: a row a scale, Set14 on the left and the mean of the sets on the right."""
    figure.set_size_inches(11, 8.4)
    panels = figure.subplots(len(data), 2, squeeze=False)
    labels = []
    for row, (scale, bicubic, marks) in zip(panels, data, strict=True):
        networks = [Mark(*mark) for mark in marks]
        for axes, title, value, floor in zip(
            row, ("Set14", "mean of Set5, Set14 and BSD100"), ("set14", "mean"), bicubic, strict=True
        ):
            _draw_panel(axes, theme, networks, value, floor)
            axes.set_title(f"x{scale}: PSNR in dB, {title}")
            labels.append((axes, networks, value))
    for axes in panels[-1]:
        axes.set_xlabel("multiply-adds for a picture of 1280 x 720, billions")
    spaces = {"handlelength": 2.2, "handletextpad": 0.4, "columnspacing": 1.6}  # room for the largest mark
    figure.legend(handles=_legend(theme), loc="outside lower center", ncols=6, labelcolor=theme.text, **spaces)
    figure.draw_without_rendering()
    for axes, networks, value in labels:
        _write_labels(axes, theme, networks, value)


_KINDS = {
    "peer": ("networks of others", "others", "none"),
    "paper": ("SESR as the paper prints it", "ours", "none"),
    "ours": ("ours", "ours", "ours"),
    "int8": ("ours, int8", "int8", "int8"),
}
"""Name in the legend, color of the edge and of the inside, by kind of mark; in the order in which they are drawn."""


def _draw_panel(axes: "Axes", theme: Theme, marks: Sequence[Mark], value: str, bicubic: float) -> None:
    for kind, (_, edge, inside) in _KINDS.items():
        shown = _shown(marks, kind, value)
        axes.scatter(
            [mark.gmacs for mark, _ in shown],
            [decibels for _, decibels in shown],
            [_area(mark.weights) for mark, _ in shown],
            facecolors="none" if inside == "none" else getattr(theme, inside),
            edgecolors=getattr(theme, edge),
            alpha=0.9,
            linewidths=1.2,
        )
    ours = _shown(marks, "ours", value)
    axes.plot([m.gmacs for m, _ in ours], [d for _, d in ours], color=theme.ours, linewidth=1, alpha=0.5)
    axes.set_xscale("log")
    axes.set_xticks([0.5, 1, 2, 5, 10, 20], ["0.5", "1", "2", "5", "10", "20"])
    axes.set_xticks([], minor=True)
    axes.set_xlim(0.45 if min(m.gmacs for m in marks) < 0.7 else 0.65, max(m.gmacs for m in marks) * 1.9)
    axes.margins(y=0.12)
    text = f"bicubic: {bicubic:.2f} dB, far below"
    axes.text(0.99, 0.02, text, transform=axes.transAxes, ha="right", fontsize=8, color=theme.others)


def _shown(marks: Sequence[Mark], kind: str, value: str) -> list[tuple[Mark, float]]:
    """Return the marks of one kind whose figure is known, with it."""
    return [(mark, getattr(mark, value)) for mark in marks if mark.kind == kind and getattr(mark, value) is not None]


_SIDES: Sequence[tuple[int, float]] = (
    (1, 0),
    (1, -1),
    (1, 1),
    (-1, -1),
    (-1, 0),
    (-1, 1),
    (0, -1.6),
    (0, 1.6),
    (1, -2),
    (1, 2),
    (-1, -2),
    (-1, 2),
)
"""Places for a label around its mark: to the right, below to the right, and so on."""


def _write_labels(axes: "Axes", theme: Theme, marks: Sequence[Mark], value: str) -> None:
    """Write each name where it covers no other name and no mark; ours first. The layout must be final."""
    from matplotlib.transforms import Bbox

    points = axes.figure.dpi / 72

    def around(mark: Mark, decibels: float) -> Bbox:
        x, y = axes.transData.transform((mark.gmacs, decibels))
        reach = _area(mark.weights) ** 0.5 / 2 * points
        return Bbox.from_extents(x - reach, y - reach, x + reach, y + reach)

    taken = [around(*mark) for kind in _KINDS for mark in _shown(marks, kind, value)]
    for kind, color, size in (("ours", theme.ours, 10), ("peer", theme.others, 7)):
        for mark, decibels in _shown(marks, kind, value):
            box = around(mark, decibels)
            sides = [(-1, 1), *_SIDES] if kind == "ours" else _SIDES
            width, height = 0.62 * size * len(mark.name) * points, size * points
            places = [_beside(box, side, width, height) for side in sides]
            place = min(places, key=lambda place: sum(place.overlaps(other) for other in taken))
            taken.append(place)
            x, y = axes.transData.inverted().transform((place.x0, place.y0))
            weight = "bold" if kind == "ours" else "normal"
            axes.text(x, y, mark.name, color=color, fontsize=size, fontweight=weight, va="bottom")


def _beside(box: Any, side: tuple[int, float], width: float, height: float) -> Any:  # noqa: ANN401 - a Bbox
    """Return the box of a label at one side of a mark's."""
    from matplotlib.transforms import Bbox

    across, up = side
    left = {1: box.x1 + 2, -1: box.x0 - 2 - width, 0: (box.x0 + box.x1 - width) / 2}[across]
    bottom = (box.y0 + box.y1 - height) / 2 + up * (box.height / 2 + height / 2) * 0.75
    return Bbox.from_bounds(left, bottom, width, height)


def _area(weights: int) -> float:
    return weights / 250


def _legend(theme: Theme) -> list[Any]:
    """Return the kinds of marks, and two sizes of them."""
    from matplotlib.lines import Line2D

    def handle(label: str, edge: str, inside: str, side: float = 9) -> Line2D:
        colors: dict[str, Any] = {"markeredgecolor": edge, "markerfacecolor": inside}
        return Line2D([], [], linestyle="", marker="o", label=label, markersize=side, **colors)

    kinds = [
        handle(label, getattr(theme, edge), inside if inside == "none" else getattr(theme, inside))
        for label, edge, inside in reversed(_KINDS.values())
    ]
    sizes = [handle(f"{n // 1000}K weights", theme.text, "none", _area(n) ** 0.5) for n in (10_000, 100_000)]
    return [*kinds, *sizes]


# Speed


def speed_data() -> Data:
    """Return for M5, and for what one would take instead, lines of name, values and milliseconds from 1080p to 4K."""
    rows = [row for row in _rows("peers") if (row["width"], row["height"], row["scale"]) == ("1920", "1080", "2")]
    engines = [_bar(row, _name(row["engine"])) for row in rows if row["network"] in ("m5", "m5-int8")]
    ours = [
        _bar(row, f"SESR-{row['network'].upper().removesuffix('-INT8')}") for row in rows if row["engine"] == "ours"
    ]
    others = [
        _bar(row, f"{_name(row['network'])}, {_name(row['engine'])}") for row in rows if row["network"] in _OTHERS
    ]
    return [engines, ours + others] if rows else []


_OTHERS = (*PEER_GRAPHS, *FILTERS)


def _name(word: str) -> str:
    return DISPLAYED.get(word, word)


def _bar(row: dict[str, str], name: str) -> tuple[str, str, float]:
    return name + (", int8" if row["values"] == "int8" else ""), row["values"], float(row["best_ms"])


def draw_speed(figure: "Figure", theme: Theme, data: Data) -> None:
    """Draw times, the fastest on top: engines as bars, and what differs by powers of ten as points on a log axis."""
    figure.set_size_inches(11, 4.8)
    titles = ("SESR-M5 by engine", "networks and filters")
    for axes, lines, title in zip(figure.subplots(1, 2), data, titles, strict=True):
        lines = sorted(lines, key=lambda line: line[2])
        colors = [_color(theme, name, values) for name, values, _ in lines]
        times = [milliseconds for *_, milliseconds in lines]
        places = range(len(lines))
        if title == titles[0]:
            axes.barh(places, times, color=colors)
            axes.margins(x=0.18)
        else:
            axes.scatter(times, places, color=colors, s=60)
            axes.set_xscale("log")
            axes.margins(x=0.2)
        for place, time in zip(places, times, strict=True):
            axes.annotate(
                _significant(time), (time, place), (8, 0), textcoords="offset points", va="center", fontsize=9
            )
        axes.set_yticks(places, [name for name, *_ in lines])
        axes.invert_yaxis()
        axes.grid(visible=False, axis="y")
        axes.set_title(f"1080p to 4K, ms: {title}")


def _color(theme: Theme, name: str, values: str) -> str:
    if not name.startswith(("ours", "SESR")):
        return theme.others
    return theme.int8 if values == "int8" else theme.ours


def _significant(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


# Memory


def memory_data() -> Data:
    """Return megapixels and megabytes of `sesr upscale`."""
    return [(round(int(row["width"]) * int(row["height"]) / 1e6, 2), int(row["peak_mb"])) for row in _rows("memory")]


def draw_memory(figure: "Figure", theme: Theme, data: Data) -> None:
    """Draw peak memory against the picture's size, beside what both pictures would take uncompressed."""
    figure.set_size_inches(6.4, 4)
    axes = figure.subplots()
    sizes = [size for size, _ in data]
    axes.plot(sizes, [peak for _, peak in data], marker="o", color=theme.ours)
    axes.plot(sizes, [15 * size for size in sizes], linestyle="--", color=theme.others)
    for size, peak in data:
        axes.annotate(f"{peak} MB", (size, peak), (0, 7), textcoords="offset points", ha="center", color=theme.ours)
    place: dict[str, Any] = {"textcoords": "offset points", "ha": "right", "color": theme.others}
    axes.annotate("both pictures, uncompressed", (sizes[-1], 15 * sizes[-1]), (-24, 0), **place)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.margins(0.12)
    axes.set_xticks(sizes, [f"{size:.0f}" for size in sizes])
    axes.set_xticks([], minor=True)
    axes.set_yticks([100, 1000, 10000], ["100 MB", "1 GB", "10 GB"])
    axes.set_xlabel("megapixels of the picture")
    axes.set_title("Peak memory of sesr upscale, PNG to PNG, x2")


# int8


def int8_data() -> Data:
    """Return for every int8 network its losses on the sets in dB, in our engine and as a file elsewhere."""
    return [
        (pair.label, [round(pair.loss(s), 4) for s in SETS], [round(pair.tflite_loss(s), 4) for s in SETS])
        for pair in pairs()
        if pair.tflite
    ]


def draw_int8(figure: "Figure", theme: Theme, data: Data) -> None:
    """Draw losses as bars: a group a network, a pair of bars a set."""
    figure.set_size_inches(10, 4)
    axes = figure.subplots()
    step = len(SETS) + 1
    for shift, index, color, label in (
        (-0.2, 1, theme.int8, "our engine"),
        (0.2, 2, theme.others, ".tflite elsewhere"),
    ):
        places = [group * step + number + shift for group in range(len(data)) for number in range(len(SETS))]
        axes.bar(places, [loss for line in data for loss in line[index]], 0.38, color=color, label=label)
    axes.axhline(0.05, color=theme.text, linestyle=":", linewidth=1)
    ticks = [group * step + number for group in range(len(data)) for number in range(len(SETS))]
    axes.set_xticks(ticks, [*SETS] * len(data), fontsize=8, rotation=90)
    for group, (name, *_) in enumerate(data):
        middle = group * step + (len(SETS) - 1) / 2
        below: dict[str, Any] = {
            "xycoords": ("data", "axes fraction"),
            "textcoords": "offset points",
            "ha": "center",
            "va": "top",
        }
        axes.annotate(name, (middle, 0), (0, -44), fontsize=9, fontweight="bold", **below)
    axes.grid(visible=False, axis="x")
    axes.set_title("What int8 loses against the same network in float, dB; dotted: the aim")
    axes.legend(labelcolor=theme.text)


# Training


def training_data() -> Data:
    """Return for each form of a training step its name, time over the collapsed one's, and megabytes."""
    return [(row["form"], float(row["ratio"]), int(row["peak_mb"])) for row in _rows("training")]


def draw_training(figure: "Figure", theme: Theme, data: Data) -> None:
    """Draw time and memory of a step as bars."""
    figure.set_size_inches(8, 2.4)
    titles = ("Time of a training step, collapsed = 1", "Most memory, MB")
    for axes, index, title in zip(figure.subplots(1, 2), (1, 2), titles, strict=True):
        values = [line[index] for line in data]
        colors = [theme.ours, *[theme.others] * (len(data) - 1)]
        drawn = axes.barh(range(len(data)), values, color=colors, tick_label=[line[0] for line in data])
        texts = [f"{value:,.0f}" if value > 99 else f"{value:.3g}" for value in values]
        axes.bar_label(drawn, texts, padding=3, color=theme.text, fontsize=9)
        axes.margins(x=0.18)
        axes.invert_yaxis()
        axes.grid(visible=False, axis="y")
        axes.set_title(title)


def _rows(stem: str) -> list[dict[str, str]]:
    """Return a table's rows; none where it has not been measured."""
    path = RESULTS / f"{stem}.csv"
    if not path.is_file():
        return []
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


# Files

CHARTS: dict[str, tuple[Callable[[], Data], Callable[["Figure", Theme, Data], None]]] = {
    "quality": (quality_data, draw_quality),
    "speed": (speed_data, draw_speed),
    "memory": (memory_data, draw_memory),
    "int8": (int8_data, draw_int8),
    "training": (training_data, draw_training),
}
"""Charts by name: what reads their data, and what draws it."""


def checksum(data: Data) -> str:
    """Return a short checksum of what a chart shows."""
    return hashlib.sha256(json.dumps(data).encode()).hexdigest()[:16]


def stale(name: str, data: Data) -> bool:
    """Return whether a chart's files are missing or were drawn from other data."""
    return any(f"data {checksum(data)}" not in _content(path) for path in paths(name))


def paths(name: str) -> list[Path]:
    """Return a chart's files, one for each theme."""
    return [FOLDER / f"{name}-{theme.name}.svg" for theme in THEMES]


def _content(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def draw(name: str, data: Data) -> None:
    """Write a chart's files."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    pyplot.style.use(STYLE)
    _, draw_chart = CHARTS[name]
    for path, theme in zip(paths(name), THEMES, strict=True):
        with pyplot.rc_context(_colors(theme)):
            figure = pyplot.figure()
            draw_chart(figure, theme, data)
            description = {"Description": f"data {checksum(data)}", "Date": None, "Creator": None}
            figure.savefig(path, metadata=description)
            pyplot.close(figure)
        path.write_text(re.sub(r"[ \t]+$", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE), encoding="utf-8")


def _colors(theme: Theme) -> Any:  # noqa: ANN401 - matplotlib lists every setting in its type
    text = ("text.color", "axes.labelcolor", "axes.titlecolor", "xtick.color", "ytick.color")
    faint = ("axes.edgecolor", "grid.color")
    return dict.fromkeys(text, theme.text) | dict.fromkeys(faint, theme.faint) | {"axes.facecolor": "none"}


def main(check: bool) -> int:
    """Draw the charts whose data changed, or name them; returns the exit code."""
    changed = []
    for name, (read_data, _) in CHARTS.items():
        data = read_data()
        if not data:
            print(f"{name}: no chart, since its table is missing; sesr benchmark report writes that", file=sys.stderr)
        elif stale(name, data):
            changed.append(name)
            if not check:
                draw(name, data)
    if check and changed:
        print(f"not in step with results: {', '.join(changed)}; run python examples/charts.py", file=sys.stderr)
        return 1
    print(f"drawn: {', '.join(changed)}" if changed else "nothing to draw")
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="draw nothing; fail if a chart is not in step")
    sys.exit(main(parser.parse_args().check))
