"""Writes the figures in the README and under docs anew, from the tables in results, and finds those from nowhere.

    python examples/tables.py
    python examples/tables.py --check

`sesr evaluate` and `sesr benchmark` write `results`. A page marks what comes from there, a table, a paragraph or a few
words:

    <!-- from results: most int8 loses -->0.04<!-- end -->

Between the marks stands what the function of that name returns, in `PARTS` here or in `MEASUREMENTS` of measured.py,
which also has a form for single figures. A figure with a unit outside such marks is a mistake. The few that no command
measures say where they come from:

    <!-- by hand: the wheel's size, by ls -->5.5 MB<!-- end -->

``--check`` writes nothing and fails where a page says something else. The paper's figures come from
`sesr.evaluation.published`, as everywhere.
"""

import argparse
import csv
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from measured import MEASUREMENTS, UNMEASURED, doubling_times, doubling_times_of_rgb, figure, machine_of, rows_of
from page_text import MARKED, paragraph, table, unmarked_figures
from sesr.benchmarks.report import read_record
from sesr.evaluation.evaluate import BICUBIC, GRAY_AS_RGB, MEASURED, OURS, X4_SHRUNK
from sesr.evaluation.peers import PEERS
from sesr.evaluation.published import BRACKETS, bracketed, published
from sesr.network.variants import DEFAULT_NETWORK, VARIANTS
from sesr.network.zoo import list_networks

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("README.md", *sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md")))
"""Pages that marks are looked for in."""

STORIES = ("docs/log/",)
"""Folders whose pages tell of trials, as they were measured then: the pages say so, and their figures need no marks."""

SETS = ("Set5", "Set14", "BSD100")
AS_RGB = "Set14" + GRAY_AS_RGB
KODAK = "validation"
"""Name of Kodak's folder, and so of its rows."""

SCALES = (2, 3, 4)


@dataclass(frozen=True)
class Measured:
    """Means of one method over one set: dB by two roundings (`sesr.evaluation.protocol`), and SSIM."""

    psnr: float
    ssim: float
    psnr_y8: float


class Table(dict[tuple[str, str], Measured]):
    """One network's figures, by set and method."""

    def __init__(self, path: Path, rows: Iterable[tuple[tuple[str, str], Measured]] = ()) -> None:
        super().__init__(rows)
        self._path = path

    def __missing__(self, key: tuple[str, str]) -> Measured:
        raise SystemExit(f"{self._path}: no figures of {key[0]}, {key[1]}; write it anew by sesr evaluate")


def read(stem: str, folder: str = ".") -> Table:
    """Return what `sesr evaluate` wrote as ``results/FOLDER/STEM.csv``; nothing where there is no such file."""
    path = ROOT / "results" / folder / f"{stem}.csv"
    if not path.is_file():
        return Table(path)
    with path.open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["status"] == MEASURED]
    return Table(
        path,
        (
            ((row["set"], row["method"]), Measured(float(row["psnr"]), float(row["ssim"]), float(row["psnr_y8"])))
            for row in rows
        ),
    )


@dataclass(frozen=True)
class Pair:
    """An int8 network and the float ReLU network that it was made of, as our engine runs them and as a `.tflite`."""

    name: str
    scale: int
    relu: Table
    int8: Table
    tflite: Table

    @property
    def label(self) -> str:
        """Name and scale: M5 x2."""
        return label(self.name, self.scale)

    def loss(self, benchmark: str) -> float:
        """Loss by int8 in our engine, dB of the 8-bit RGB picture."""
        return self.relu[benchmark, OURS].psnr - self.int8[benchmark, OURS].psnr

    def tflite_loss(self, benchmark: str) -> float:
        """Loss by int8 as a file elsewhere, dB of 8-bit luma."""
        return self.relu[benchmark, OURS].psnr_y8 - self.tflite[benchmark, OURS].psnr_y8


def pairs() -> Iterator[Pair]:
    """Yield the int8 networks that were measured."""
    for scale in SCALES:
        for name in VARIANTS:
            relu, int8 = read(f"{name}-relu_x{scale}"), read(f"{name}-int8_x{scale}")
            if relu and int8:
                yield Pair(name, scale, relu, int8, read(f"{name}-int8_x{scale}", "litert"))


def label(name: str, scale: int) -> str:
    """Return a network's name as people write it: M5 x2."""
    return f"{name.upper()} x{scale}"


def decibels(value: float, digits: int = 2) -> str:
    """Return a number without a minus before zero."""
    return f"{round(value, digits) + 0:.{digits}f}"


def span(values: Iterable[float]) -> str:
    """Return "0.05 to 0.09"."""
    found = list(values)
    low, high = decibels(min(found)), decibels(max(found))
    return low if low == high else f"{low} to {high}"


def weights(name: str, scale: int) -> str:
    """Return the number of a network's weights."""
    return f"{replace(VARIANTS[name], scale=scale).weights:,}"


# The README's figures


README_SET = "Set14"
"""The set whose figures the README shows; the paper's first figure is drawn with it."""


GAPS = {UNMEASURED: f"*{UNMEASURED}*: not measured on it.", "": "An empty cell: there is no such network."}
"""Text of a cell without a time, and its explanation."""


def in_one_sentence() -> str:
    """Speed and size of the network that runs by default, in 8 bits."""
    times = doubling_times_of_rgb(ROOT / "results")
    name = f"{DEFAULT_NETWORK}-int8"
    return paragraph(
        f"A network of **{weights(DEFAULT_NETWORK, 2)} weights** takes a color frame from 1080p to 4K in",
        f"**{times.of(name)}**, in 8 bits on {times.machine}. It comes inside the package: **no GPU, no PyTorch, no",
        "download**.",
    )


def networks() -> str:
    """The README's table, a row for each network, and what its columns say."""
    times = doubling_times(ROOT / "results")
    shipped = {network.name for network in list_networks() if network.config and network.config.scale == 2}
    rows = [["bicubic", "", *_psnr_of(DEFAULT_NETWORK, BICUBIC), "", ""]]
    missing: set[str] = set()
    for name in VARIANTS:
        title = f"`{name}`" + (", the default" if name == DEFAULT_NETWORK else "")
        found = [times.of(each) or UNMEASURED if each in shipped else "" for each in (name, f"{name}-int8")]
        missing.update(cell for cell in found if cell in GAPS)
        rows.append([title, weights(name, 2), *_psnr_of(name, OURS), *found])
    head = ["`-m`", "weights", f"{README_SET} x2, dB", f"{README_SET} x4, dB", "1080p to 4K, float", "with `--int8`"]
    text = paragraph(
        f"*dB* is PSNR on {README_SET} by the papers' protocol: more is better. *Weights* are those of x2.",
        f"*Times* are for luma, the network's part, on {times.machine}, the least of several turns; color adds little.",
        *(meaning for cell, meaning in GAPS.items() if cell in missing),
        f"`--int8` costs {int8_below_default()} dB with `{DEFAULT_NETWORK}`.",
    )
    return table(head, rows) + "\n\n" + text


def _psnr_of(name: str, method: str) -> Iterator[str]:
    """Yield dB at x2 and x4."""
    for scale in (2, 4):
        yield decibels(read(f"{name}_x{scale}")[README_SET, method].psnr)


def int8_below_default() -> str:
    """Loss of the default network by `--int8` at x2, dB: "0.05 to 0.09"."""
    usual, int8 = read(f"{DEFAULT_NETWORK}_x2"), read(f"{DEFAULT_NETWORK}-int8_x2")
    return span(usual[s, OURS].psnr - int8[s, OURS].psnr for s in SETS)


def gain_of_a_larger_network() -> str:
    """Gain of each network over the next smaller one on Set5, dB: "0.11 to 0.26"."""
    psnr = {scale: [read(f"{name}_x{scale}")["Set5", OURS].psnr for name in VARIANTS] for scale in (2, 4)}
    return span(large - small for row in psnr.values() for small, large in pairwise(row))


def reached_in_short() -> str:
    """How many of the paper's verified figures are reached, in a few words: "5 of 12"."""
    distances = [distance for distance, _ in _distances(verified=True)]
    return f"{sum(distance >= 0 for distance in distances)} of {len(distances)}"


# The five networks of the paper


def reached() -> str:
    """A paragraph that counts how many of the paper's figures are reached."""
    verified, recalled = _distances(verified=True), _distances(verified=False)
    both = verified + recalled
    worst = min(verified)
    farthest = f"; the largest distance is {decibels(-worst[0])} dB, {worst[1]}" if worst[0] < 0 else ""
    return paragraph(
        f"The paper prints {len(both)} figures for these sets.",
        f"{len(verified)} of them are verified, read off the authors' plot or quoted from the paper by others.",
        f"{_count(verified)} of these {len(verified)} are reached, as printed{farthest}.",
        f"The other {len(recalled)} are recalled, not checked against any text; counting them too, {_count(both)} of "
        f"{len(both)} are reached.",
    )


def _distances(*, verified: bool) -> list[tuple[float, str]]:
    """Return how far above the paper's figures ours are, dB, with the names of network and set."""
    distances = []
    for scale in (2, 4):
        for name in VARIANTS:
            found = read(f"{name}_x{scale}")
            for s in SETS:
                cell = published(name, scale, s)
                assert cell is not None
                if (cell.psnr_source is not None) == verified:
                    distance = round(round(found[s, OURS].psnr, 2) - cell.psnr, 2)
                    distances.append((distance, f"{label(name, scale)} on {s}"))
    return distances


def _count(distances: Iterable[tuple[float, str]]) -> str:
    return str(sum(distance >= 0 for distance, _ in distances))


def papers(scale: int) -> str:
    """All figures of a scale with SSIM, the paper's recalled ones in brackets."""
    rows = [["bicubic", *_bicubic(f"m5_x{scale}")]]
    for name in VARIANTS:
        found = read(f"{name}_x{scale}")
        row = [f"SESR-{name.upper()}"]
        for s in SETS:
            cell = published(name, scale, s)
            assert cell is not None
            row += [_both(found[s, OURS]), bracketed(f"{cell.psnr:.2f}", f"{cell.ssim:.4f}", cell.status)]
            row += [_both(found[AS_RGB, OURS])] if s == "Set14" else []
        rows.append(row)
    head = [f"x{scale}", "Set5", "paper", "Set14", "paper", "Set14, gray as RGB", "BSD100", "paper"]
    return table(head, rows) + "\n\n" + paragraph(BRACKETS.replace("sesr.evaluation.published", "`published.py`"))


def _bicubic(stem: str) -> list[str]:
    found = read(stem)
    set5, set14, as_rgb, bsd100 = (_both(found[s, BICUBIC]) for s in ("Set5", "Set14", AS_RGB, "BSD100"))
    return [set5, "", set14, "", as_rgb, bsd100, ""]


def _both(measured: Measured) -> str:
    return f"{decibels(measured.psnr)} / {measured.ssim:.4f}"


def sources() -> str:
    """The verified figures of the paper, by where they were read."""
    by_source: dict[str, list[str]] = {}
    for scale in (2, 4):
        for name in VARIANTS:
            for s in SETS:
                cell = published(name, scale, s)
                assert cell is not None
                if cell.psnr_source is not None:
                    text = f"{cell.psnr:.2f}" + ("" if cell.ssim_source is None else f" / {cell.ssim:.4f}")
                    by_source.setdefault(cell.psnr_source, []).append(f"{label(name, scale)} {s} {text}")
    return table(["source", "figures"], [[source, "; ".join(cells)] for source, cells in by_source.items()])


def peers() -> str:
    """Networks of others, with the sources of their figures."""
    rows = []
    for peer in PEERS:
        set14 = [decibels(peer.set14_as_luma), decibels(peer.set14)]
        bsd100 = "" if peer.bsd100 is None else decibels(peer.bsd100)
        cost = [f"{peer.weights:,}", f"{peer.gmacs:g} G"]
        figures = [decibels(peer.set5), *set14, bsd100]
        rows.append([f"{peer.name} x{peer.scale}", *cost, *figures, peer.status, peer.source])
    head = ["network", "weights", "multiply-adds", "Set5", "Set14", "gray as RGB", "BSD100", "status", "source"]
    return table(head, rows)


# How tables were measured


def machines() -> str:
    """A table of the tables that one report or another made."""
    record = read_record(ROOT / "results")
    if not record:
        return paragraph("No report has been made yet: each page says what its figures were measured on.")
    rows = []
    for name, entry in record.items():
        machine = entry["machine"]
        processor = f"{machine['processor']}, {machine['threads']} threads, {machine['kernel']}"
        rows.append([f"`{name}`", f"`{entry['command']}`", entry["date"][:10], entry["commit"], processor])
    return table(["table", "command", "date", "commit", "processor"], rows)


# x3, which the paper has not


def x3() -> str:
    """The table for x3: bicubic, the network for x4 with its result shrunk, and the network for x3."""
    found = {name: read(f"{name}_x3") for name in VARIANTS}
    found = {name: figures for name, figures in found.items() if figures}
    if not found:
        return paragraph(
            "There is no network for x3 yet: `-s 3` takes the one for x4 and shrinks its result by exact bicubic."
        )
    rows = [["bicubic x3", "", *_psnr(next(iter(found.values())), BICUBIC)]]
    for name, figures in found.items():
        rows.append([f"SESR-{name.upper()} x4, shrunk to x3", weights(name, 4), *_psnr(figures, X4_SHRUNK)])
        rows.append([f"SESR-{label(name, 3)}", weights(name, 3), *_psnr(figures, OURS)])
    gains = [figures[s, OURS].psnr - figures[s, X4_SHRUNK].psnr for figures in found.values() for s in SETS]
    low, high = min(gains), max(gains)
    change = f"gains {low:.3f} to {high:.3f} dB" if low >= 0 else f"is {-low:.3f} dB worse to {high:.3f} dB better"
    names = " and ".join(name.upper() for name in found)
    command = f"sesr evaluate {next(iter(found))} -s 3 --against-x4 --data ../shared/data/benchmark"
    text = paragraph(
        f"There are networks for x3 of {names}; the paper has none. For the other names, `-s 3` shrinks the result of",
        f"the one for x4. A network for x3 {change}, and is",
        f"[faster](../guides/sizes.md), for no larger picture is made and shrunk. From `{command}` for each of them.",
        "The small pictures are made by MATLAB's bicubic, of originals cropped to a multiple of 3.",
    )
    return table(["-s 3", "weights", *SETS], rows) + "\n\n" + text


def _psnr(figures: Table, method: str) -> list[str]:
    return [decibels(figures[s, method].psnr) for s in SETS]


# ReLU and int8


def int8() -> str:
    """Every int8 network in our engine, and what it loses against the same network in float."""
    rows = []
    for pair in pairs():
        cells = [(decibels(pair.int8[s, OURS].psnr), decibels(pair.loss(s))) for s in SETS]
        rows.append([pair.label, *(cell for both in cells for cell in both)])
    return table(["int8 network", "Set5", "loss", "Set14", "loss", "BSD100", "loss"], rows)


def relu_costs() -> str:
    """Loss of float networks with ReLU against those with PReLU, dB: "0.00 to 0.08"."""
    return span(_relu_costs(pairs()))


def _relu_costs(found: Iterable[Pair]) -> Iterator[float]:
    for pair in found:
        prelu = read(f"{pair.name}_x{pair.scale}")
        if prelu:
            yield from (prelu[s, OURS].psnr - pair.relu[s, OURS].psnr for s in SETS)


def most_int8_loses() -> str:
    """The largest loss in our engine, dB."""
    return decibels(max(pair.loss(s) for pair in pairs() for s in SETS))


def most_fixed_point_loses() -> str:
    """The largest loss of a float network in fixed point, dB (`fixed_point.py`)."""
    return max(row["loss"] for row in rows_of(ROOT / "results", "fixed_point.csv"))


def most_a_file_loses() -> str:
    """The largest loss as a `.tflite` elsewhere, dB."""
    return decibels(max(pair.tflite_loss(s) for pair in pairs() if pair.tflite for s in SETS))


def luma_of_int8() -> str:
    """Every ReLU network in float and int8, dB of 8-bit luma."""
    rows = []
    for pair in pairs():
        for kind, found in (("float", pair.relu), ("int8", pair.int8), ("int8 as a `.tflite`", pair.tflite)):
            if found:
                rows.append([pair.label, kind, *(decibels(found[s, OURS].psnr_y8) for s in SETS)])
    return table(["network with ReLU", "", *SETS], rows)


def int8_engine() -> str:
    """M5 x2 in our engine, thousandths of a decibel."""
    rows = []
    for s, relu, int8, _, _ in _m5():
        psnr = (relu.psnr, int8.psnr, relu.psnr - int8.psnr)
        psnr_y8 = (relu.psnr_y8, int8.psnr_y8, relu.psnr_y8 - int8.psnr_y8)
        rows.append([s, *(decibels(value, 3) for value in (*psnr, *psnr_y8))])
    return table(["set", "float, 8-bit RGB", "int8", "loss", "float, 8-bit Y", "int8", "loss"], rows)


def int8_file() -> str:
    """M5 x2 as a file elsewhere, thousandths of a decibel."""
    rows = []
    for s, relu, _, tflite, rounded in _m5():
        values = [decibels(found.psnr_y8, 3) for found in (relu, rounded, tflite)]
        losses = [decibels(found.psnr_y8 - tflite.psnr_y8, 3) for found in (relu, rounded)]
        rows.append([s, *values, " / ".join(losses)])
    into = "float, Y rounded on its way in and out"
    return table(["set", "float, Y rounded on its way out", into, "int8", "loss against the first / the second"], rows)


def _m5() -> Iterator[tuple[str, Measured, Measured, Measured, Measured]]:
    """Yield M5 x2 on each set: float ReLU, int8, int8 as a file, and float on rounded input."""
    for s, folder, name in [*((s, ".", s) for s in SETS), (KODAK, "kodak", "Kodak")]:
        relu, int8 = read("m5-relu_x2", folder), read("m5-int8_x2", folder)
        tflite = read("m5-int8_x2", f"litert/{folder}")
        rounded = read("m5-relu_x2", f"rounded_input/{folder}")
        yield name, relu[s, OURS], int8[s, OURS], tflite[s, OURS], rounded[s, OURS]


def int8_verdict() -> str:
    """Paragraphs below the tables of M5 x2."""
    found = list(pairs())
    most, where = max((pair.loss(s), f"{pair.label}'s on {s}") for pair in found for s in SETS)
    above = [f"{pair.label} on {s}" for pair in found for s in SETS if round(pair.loss(s), 3) > 0.05]
    files = [(pair.tflite_loss(s), f"{pair.label}'s on {s}") for pair in found if pair.tflite for s in SETS]
    rounding = {s: relu.psnr_y8 - rounded.psnr_y8 for s, relu, _, _, rounded in _m5()}
    arithmetic = max(rounded.psnr_y8 - tflite.psnr_y8 for _, _, _, tflite, rounded in _m5())
    return "\n\n".join(
        [
            paragraph(
                "The other networks' losses are in [the table below](#every-int8-network-as-a-file).",
                f"The largest in our engine is {where}, {decibels(most, 3)} dB; "
                f"as a `.tflite`, {max(files)[1]}, {decibels(max(files)[0], 3)} dB.",
            ),
            paragraph(
                "The aim is a loss of at most 0.05 dB.",
                "Our engine is within it everywhere."
                if not above
                else f"Our engine misses it with {', '.join(above)}.",
                "A file pays more: it sees luma in whole numbers, of which there are 220 from black to white, while a "
                f"picture's own luma, made of three times 8 bits, is finer. For M5 x2 that alone costs "
                f"{decibels(rounding['Set5'], 3)} dB on Set5 and {decibels(rounding['Set14'], 3)} on Set14, whatever "
                f"computes afterwards; the 8-bit arithmetic itself costs {decibels(arithmetic, 3)} dB at most. Where "
                "luma is 8-bit to begin with, in video, the rounding costs nothing.",
            ),
        ]
    )


def int8_below_prelu() -> str:
    """A sentence: int8 M5 x2 against the PReLU network."""
    losses = [_m5_below_prelu(s, folder) for s, folder in [*((s, ".") for s in SETS), (KODAK, "kodak")]]
    set5, set14, bsd100, kodak = (decibels(loss) for loss in losses)
    return f"{set5} dB lower on Set5, {set14} on Set14, {bsd100} on BSD100 and {kodak} on Kodak"


def _m5_below_prelu(benchmark: str, folder: str) -> float:
    return read("m5_x2", folder)[benchmark, OURS].psnr - read("m5-int8_x2", folder)[benchmark, OURS].psnr


# Compressed pictures


def photo(suffix: str, head: str, verb: str, sign: int) -> str:
    """PSNR of the networks for compressed pictures next to the faithful ones."""
    rows = []
    for s in SETS:
        row = [s, decibels(read(f"m5_x2{suffix}")[s, BICUBIC].psnr)]
        for name in ("m5", "m11"):
            faithful, other = (read(f"{stem}_x2{suffix}")[s, OURS].psnr for stem in (name, f"{name}-photo"))
            row += [decibels(faithful), decibels(other), decibels(sign * (other - faithful))]
        rows.append(row)
    columns = [column for name in ("m5", "m11") for column in (name, f"{name}-photo", f"{verb} {name}")]
    return table([head, "bicubic", *columns], rows)


# Sharpening


def sharpening() -> str:
    """PSNR and SSIM of every network and set, by the amount of sharpening."""
    rows: dict[tuple[str, str], dict[str, str]] = {}
    with (ROOT / "results" / "sharpen.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            line = rows.setdefault((label(row["network"], int(row["scale"])), row["set"]), {})
            line[row["sharpen"]] = f"{decibels(float(row['psnr']))} / {float(row['ssim']):.4f}"
    amounts = next(iter(rows.values()))
    return table(["--sharpen", "", *amounts], [[*what, *(line[a] for a in amounts)] for what, line in rows.items()])


PARTS: dict[str, Callable[[], str]] = {
    "in one sentence": in_one_sentence,
    "networks": networks,
    "gain of a larger network": gain_of_a_larger_network,
    "verified figures reached": reached_in_short,
    "int8 below the default": int8_below_default,
    "figures reached": reached,
    "all of x2": lambda: papers(2),
    "all of x4": lambda: papers(4),
    "sources": sources,
    "peers": peers,
    "machines": machines,
    "x3": x3,
    "int8": int8,
    "ReLU below PReLU": relu_costs,
    "most int8 loses": most_int8_loses,
    "most a file loses": most_a_file_loses,
    "most fixed point loses": most_fixed_point_loses,
    "int8 by 8-bit luma": luma_of_int8,
    "int8 in our engine": int8_engine,
    "int8 as a file": int8_file,
    "int8 verdict": int8_verdict,
    "int8 below PReLU by set": int8_below_prelu,
    "photo, JPEG": lambda: photo("_jpeg75", "LR of JPEG 75", "over", 1),
    "photo, exact": lambda: photo("", "exact LR", "below", -1),
    "sharpening": sharpening,
}


def rewritten(page: str) -> str:
    """Return a page's text with every marked part anew. Raises `ValueError` for a name that there is not."""

    def anew(match: re.Match[str]) -> str:
        if match["kind"] == "by hand":
            return match[0]
        text = part(match["name"])
        return match["start"] + (f"\n{text}\n" if match["text"].startswith("\n") else text) + match["end"]

    return MARKED.sub(anew, page)


def part(name: str) -> str:
    """Return what stands between the marks of a name."""
    if name in PARTS:
        return PARTS[name]()
    if name in MEASUREMENTS:
        return MEASUREMENTS[name](ROOT / "results")
    if name.startswith("machine of "):
        return machine_of(ROOT / "results", name.removeprefix("machine of "))
    if ".csv " in name:
        return figure(ROOT / "results", name)
    raise ValueError(f"no figures are called {name!r}; there are {', '.join([*PARTS, *MEASUREMENTS])}")


def main(check: bool) -> int:
    """Rewrite the pages, or compare them, and name figures that come from nowhere; returns the exit code."""
    stale, unmarked = [], []
    for name in PAGES:
        path = ROOT / name
        old = path.read_text(encoding="utf-8")
        new = rewritten(old)
        if not name.startswith(STORIES):
            unmarked += [f"{name}:{line}: {found}" for line, found in unmarked_figures(new)]
        if new != old:
            stale.append(name)
            if not check:
                path.write_text(new, encoding="utf-8")
    if unmarked:
        print("no table has these figures; mark them as examples/tables.py says:", *unmarked, sep="\n", file=sys.stderr)
    if check and stale:
        print(f"not in step with results: {', '.join(stale)}; run python examples/tables.py", file=sys.stderr)
    if not (check and stale):
        print(f"rewritten: {', '.join(stale)}" if stale else "nothing to change")
    return 1 if unmarked or (check and stale) else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a page is not in step")
    sys.exit(main(parser.parse_args().check))
