"""Figures of speed, memory and training for pages: examples/tables.py writes what these functions return.

A single figure needs no function. Its mark names a table, some columns' values, the column to show and how:

    <!-- from results: engine.csv network=m5 values=int8 contender=native: median_ms .0f -->71<!-- end -->

``machine of engine.csv`` is a sentence on the machine that a table was measured on.
"""

import csv
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from page_text import paragraph, table
from sesr.benchmarks.peers.contenders import DISPLAYED
from sesr.benchmarks.report import read_record

Rows = list[dict[str, str]]

UNMEASURED = "-"
"""Stands where something was not measured."""

MACHINES = "machines.csv"
"""Machines of tables that have no entry in the record of the report: name and what else a sentence says of it."""


def rows_of(results: Path, name: str) -> Rows:
    """Return a table's rows; none where it has not been measured."""
    path = results / name
    if not path.is_file():
        return []
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def figure(results: Path, mark: str) -> str:
    """Return the figure that a mark asks for. Raises `ValueError` unless exactly one row fits."""
    where, _, what = mark.partition(": ")
    name, *conditions = where.split()
    wanted = dict(condition.split("=", 1) for condition in conditions)
    fitting = [row for row in rows_of(results, name) if wanted.items() <= row.items()]
    if len(fitting) != 1:
        raise ValueError(f"{mark!r}: {len(fitting)} rows of {name} fit, not one")
    column, *form = what.split()
    if column not in fitting[0]:
        raise ValueError(f"{mark!r}: {name} has no column {column!r}; it has {', '.join(fitting[0])}")
    return format(float(fitting[0][column]), form[0]) if form else fitting[0][column]


# Speed


def engine(results: Path, name: str = "engine.csv") -> str:
    """Our engine against OpenVINO, a row for each network."""
    rows, lines = rows_of(results, name), []
    for network, scale, values in _networks(rows):
        found = _contenders(rows, network, scale, values)
        ours, openvino = found["native"], found["openvino"]
        against_one = float(found["native-1-thread"]["median_ms"]) / float(ours["median_ms"])
        times = [_ms(ours), _ms(openvino), f"{float(ours['times_openvino']):.2f}"]
        bits = [float(found[f"native-{bits}-bit"]["best_ms"]) for bits in (10, 8) if f"native-{bits}-bit" in found]
        deep = f"{bits[0] / bits[1]:.2f}" if len(bits) > 1 else UNMEASURED
        more = [deep, _ms(found["native-rgb"]), f"{against_one:.2f}", _share(ours)]
        lines.append([f"{network.upper()} x{scale} {_name(values)}", *times, *more])
    size = f"{rows[0]['width']} x {rows[0]['height']}, {rows[0]['threads']} threads" if rows else ""
    head = [size, "ours, ms", "OpenVINO, ms", "times as fast", "10 bits over 8", "RGB to RGB, ms", "against one thread"]
    return table([*head, "share of the peak"], lines)


def float_forms(results: Path, name: str = "engine.csv") -> str:
    """Float networks in the direct form, in Winograd's and in fixed point: milliseconds, a row for each network."""
    rows, lines = rows_of(results, name), []
    for network, scale, values in _networks(rows):
        if values == "int16":
            floats = _contenders(rows, network, scale, "float32")
            forms = [floats["native-direct"], floats["native"], _contenders(rows, network, scale, values)["native"]]
            lines.append([f"{network.upper()} x{scale}", *map(_ms, [*forms, floats["openvino"]])])
    return table(["ms", "floats, direct form", "floats, Winograd's form", "fixed point", "OpenVINO, floats"], lines)


@dataclass(frozen=True)
class DoublingTimes:
    """Times of our engine from 1920 x 1080 to 3840 x 2160.

    Attributes:
        machine: what they were measured on, for a sentence.
        milliseconds: the least of the rounds, by the name of a network; "m5-int8" is the int8 one.
    """

    machine: str
    milliseconds: dict[str, float]

    def of(self, name: str) -> str:
        """Return a network's time, "71 ms"; nothing where it has not been measured."""
        return f"{self.milliseconds[name]:.0f} ms" if name in self.milliseconds else ""


def doubling_times(results: Path) -> DoublingTimes:
    """Return the times of every network (``peers.csv``), or of some (``engine.csv``), from luma to luma."""
    frame = {"width": "1920", "height": "1080", "scale": "2"}
    name, columns = "peers.csv", {"engine": "ours"}
    if not rows_of(results, name):
        name, columns = "engine.csv", {"contender": "native"}
    return _doubling_times(results, name, frame | columns)


def doubling_times_of_rgb(results: Path) -> DoublingTimes:
    """Return the times of some networks (``engine.csv``) from RGB to RGB, color included."""
    wanted = {"width": "1920", "height": "1080", "scale": "2", "contender": "native-rgb"}
    return _doubling_times(results, "engine.csv", wanted)


def _doubling_times(results: Path, name: str, wanted: dict[str, str]) -> DoublingTimes:
    rows = [row for row in rows_of(results, name) if wanted.items() <= row.items()]
    times: dict[str, float] = {}
    for row in sorted(rows, key=lambda row: row["values"] == "int16"):  # fixed point, which users get, over floats
        kind = "-int8" if row["values"] == "int8" else ""
        times[row["network"].removesuffix(kind) + kind] = float(row["best_ms"])
    return DoublingTimes(_machine(results, name, rows[0]["threads"]), times)


def _machine(results: Path, name: str, threads: str) -> str:
    """Return what a table was measured on: "two cores of an AMD EPYC (Zen 4)"."""
    if (entry := read_record(results).get(name)) is not None:
        return f"{_in_words(int(threads))} of {_processor(entry['machine']['processor'])}"
    return earlier_machine(results, name)[0]


def _networks(rows: Rows) -> Iterable[tuple[str, str, str]]:
    return dict.fromkeys((row["network"], row["scale"], row["values"]) for row in rows)


def _contenders(rows: Rows, network: str, scale: str, values: str) -> dict[str, dict[str, str]]:
    """Return the rows of one network by contender."""
    wanted = {"network": network, "scale": scale, "values": values}
    return {row["contender"]: row for row in rows if wanted.items() <= row.items()}


def _ms(row: dict[str, str]) -> str:
    return f"{float(row['median_ms']):.0f}"


def _share(row: dict[str, str]) -> str:
    return f"{float(row['of_peak']) * 100:.0f} %"


def _name(values: str) -> str:
    return {"float32": "float", "int16": "fixed point"}.get(values, values)


def general_engines(results: Path) -> str:
    """OpenVINO and PyTorch, times over OpenVINO's float."""
    ratio = {row["engine"]: f"{float(row['ratio']):.2f}" for row in rows_of(results, "speed.csv")}
    lines = [
        ("OpenVINO, whole frame / in strips, as `--engine openvino` runs it", "openvino", "openvino-strips"),
        ("int8, OpenVINO, whole frame / in strips", "openvino-int8", "openvino-int8-strips"),
        ("PyTorch, eager / channels last", "torch", "torch-channels-last"),
    ]
    texts = [[name, f"{ratio[first]} / {ratio[second]}"] for name, first, second in lines]
    return table(["SESR-M5 x2, taking turns in one run", "time over OpenVINO's float"], texts)


def peers(results: Path) -> str:
    """Everything that a user would take instead: a chart, and a table for each size of frame."""
    rows = rows_of(results, "peers.csv")
    if not rows:
        return "There are no figures: `results/peers.csv` is missing, which the command below writes."
    sizes = dict.fromkeys((row["width"], row["height"], row["scale"]) for row in rows)
    parts = [*(_peers_of(rows, *size) for size in sizes), *_competitors(rows), _how(results, "peers.csv")]
    if (results.parent / "docs" / "results" / "speed-light.svg").is_file():
        chart = "Milliseconds from 1080p to 4K by engine, network and filter"
        themes = (f"![{chart}](speed-{theme}.svg#gh-{theme}-mode-only)" for theme in ("light", "dark"))
        parts.insert(0, "\n".join(themes))
    return "\n\n".join(parts)


def _competitors(rows: Rows) -> Iterable[str]:
    """Yield a sentence on the engines that competed for the networks of others, if there are any."""
    names = dict.fromkeys(name for row in rows for name in sorted(row.get("fastest_of", "").split()))
    if names:
        engines = ", ".join(DISPLAYED.get(name, name) for name in names)
        yield paragraph(f"Networks of others run in the fastest of {engines}, by a trial on 960 x 540 pixels at most.")


def _peers_of(rows: Rows, width: str, height: str, scale: str) -> str:
    """Return the table of one size: a row for each network and engine."""
    large = f"{int(width) * int(scale)} x {int(height) * int(scale)}"
    lines = []
    for row in rows:
        if (row["width"], row["height"], row["scale"]) == (width, height, scale):
            share = _share(row) if float(row["of_peak"]) else ""
            times = [f"{float(row[column]):,.1f}" for column in ("best_ms", "median_ms")]
            times.append(f"{float(row['of_ours']):.2f}")
            names = [DISPLAYED.get(row[column], row[column]) for column in ("network", "engine")]
            lines.append([*names, *times, share, f"{row['peak_mb']} MB" if row["peak_mb"] else UNMEASURED])
    head = [f"{width} x {height} to {large}", "engine", "least, ms", "median, ms", "times ours"]
    return table([*head, "share of the peak", "memory"], lines)


def earlier_machine(results: Path, name: str) -> tuple[str, str]:
    """Return the machine of a table without a record, and how a sentence on it goes on."""
    for row in rows_of(results, MACHINES):
        if row["table"] == name:
            return row["machine"], row["more"]
    return "a machine that was not recorded", ""


def machine_of(results: Path, name: str) -> str:
    """Return a sentence on the machine that a table was measured on."""
    entry = read_record(results).get(name)
    if entry is None:
        earlier, more = earlier_machine(results, name)
        return f"{earlier[0].upper()}{earlier[1:]}{more}."
    machine = entry["machine"]
    of = f"{_in_words(machine['threads'])} of {_processor(machine['processor'])}"
    others = (entry["load"] or 0) > machine["threads"] + 1  # what was measured just before may leave one load a thread
    beside = ", next to other work" if others else ""
    kernels = "all engines held to AVX2" if "--avx2" in entry["command"] else f"kernels {machine['kernel']}"
    return f"Measured on {entry['date'][:10]}: {of}, {kernels}{beside}."


def _in_words(threads: int) -> str:
    names = {1: "one thread", 2: "two threads", 4: "four threads", 8: "eight threads"}
    return names.get(threads, f"{threads} threads")


def _processor(name: str) -> str:
    """Return a processor's name for a sentence: "an Intel Xeon at 2.50GHz"."""
    plain = " ".join(re.sub(r"\((R|TM|C)\)|\b(CPU|Processor)\b", " ", name).replace("@", "at").split())
    return f"{'an' if plain[:1] in 'AEIOU' else 'a'} {plain}"


def _how(results: Path, name: str) -> str:
    """Return how a table was measured, with all versions."""
    sentences = [machine_of(results, name)]
    if (entry := read_record(results).get(name)) is not None:
        versions = ", ".join(f"{package} {version}" for package, version in entry["machine"]["versions"].items())
        sentences.append(f"From `{entry['command']}` at commit {entry['commit']}; {versions}.")
    return paragraph(*sentences)


def times_as_fast(results: Path) -> str:
    """Our engine against OpenVINO, networks of all sizes, as they run by default and in int8: "1.1 to 1.8"."""
    rows = [row for row in rows_of(results, "engine.csv") if row["contender"] == "native"]
    slower = "float32" if any(row["values"] == "int16" for row in rows) else ""
    ratios = [float(row["times_openvino"]) for row in rows if row["values"] != slower]
    return f"{min(ratios):.1f} to {max(ratios):.1f}"


# Memory, training, NPUs


def memory(results: Path) -> str:
    """Peak memory of the command."""
    lines = []
    for row in rows_of(results, "memory.csv"):
        megapixels = int(row["width"]) * int(row["height"]) / 1e6
        lines.append([f"{megapixels:,.0f} megapixels -> {4 * round(megapixels):,}", f"{row['peak_mb']} MB"])
    return table(["picture", "peak memory"], lines)


def files(results: Path) -> str:
    """Speed from file to file, as a share of the engine's."""
    names = {"jpg": "JPEG", "png": "PNG", "tif": "TIFF"}
    rows = rows_of(results, "files_m11.csv")
    lines = [[f"{names[r['source']]} to {names[r['target']]}", f"{float(r['throughput']):.2f}"] for r in rows]
    return table(["from, to", "share of the engine's speed"], lines)


_FORMS = {
    "collapsed": "collapsed by a sum over the expansion, as `sesr train` does",
    "delta": "collapsed by the paper's delta picture",
    "expanded": "expanded",
}


def training(results: Path) -> str:
    """Cost of a training step in its three forms."""
    lines = []
    for row in rows_of(results, "training.csv"):
        time = f"{float(row['ratio']):.3g}" if row["form"] != "collapsed" else f"1.00 ({_ms(row)} ms)"
        macs, kept = f"{float(row['forward_gmacs']):.2f} G", f"{float(row['activations_mb']):,.0f} MB"
        lines.append([_FORMS[row["form"]], time, macs, kept, f"{int(row['peak_mb']):,} MB"])
    head = ["form", "time over the sum's", "multiply-adds forward", "kept for the backward pass"]
    return table([*head, "most memory of the process"], lines)


def video(results: Path) -> str:
    """Films from file to file: speed, and processor time of a frame."""
    names = {("camera", "True"): "a camera that moves", ("screen", "True"): "a screen on which words appear"}
    lines = []
    for row in rows_of(results, "video.csv"):
        name = names.get((row["film"], row["still"]), "the screen with `--no-still`")
        shares = [row[column] and f"{float(row[column]):.0f}" for column in ("network_ms", "encoder_ms", "rest_ms")]
        if not row["rest_ms"]:  # parts are copied, so the network does less than for whole frames
            shares = ["", "", ""]
        speed = [f"{float(row['fps']):.0f}", f"{float(row['real_time']):.2f}", f"{float(row['cpu_ms']):.0f}"]
        lines.append([name, *speed, *shares])
    head = ["film", "frames/s", "times real time", "processor time of a frame, ms", "network", "encoder", "all else"]
    return table(head, lines)


def still(results: Path) -> str:
    """Screen recordings: what is copied, and what that saves."""
    lines = []
    for row in rows_of(results, "still.csv"):
        shares = [f"{float(row[column]):.0%}" for column in ("still_frames", "copied_rows")]
        times = [f"{float(row[column]):.1f}" for column in ("cpu_ms", "whole_ms", "gain")]
        lines.append([row["film"], *shares, *times])
    head = ["recording", "frames copied whole", "rows copied", "processor time of a frame, ms", "with `--no-still`"]
    return table([*head, "times less"], lines)


def npu(results: Path) -> str:
    """Frames a second on NPUs, whole frames and tiles, M5 and FSRCNN."""
    rows = [row for row in rows_of(results, "npu.csv") if row["enlarges"] == "transposed"]
    lines = []
    for accelerator in dict.fromkeys(row["accelerator"] for row in rows):
        chosen = {(row["network"], row["tiles"] == "1"): row for row in rows if row["accelerator"] == accelerator}
        m5, other = ([chosen[name, whole] for whole in (True, False)] for name in ("m5-int8", "fsrcnn"))
        frames = [" / ".join(f"{float(row['frames_per_second']):.2f}" for row in pair) for pair in (m5, other)]
        ratios = [float(b["mega_cycles"]) / float(a["mega_cycles"]) for a, b in zip(m5, other, strict=True)]
        name = accelerator.replace("ethos-u", "Ethos-U")
        lines.append([name, *frames, " / ".join(f"{ratio:.1f}" for ratio in ratios)])
    return table(["NPU, whole frames / tiles of 400 x 300", "M5, frames/s", "FSRCNN, frames/s", "ratio"], lines)


def bulk(results: Path) -> str:
    """Jobs over many pictures: each figure with its bar."""
    lines = []
    for row in rows_of(results, "bulk.csv"):
        bar = f"{row['side']} {float(row['bar']):g}" if row["bar"] else ""
        lines.append([row["what"], f"{float(row['value']):g} {row['unit']}", bar, row["how"]])
    return table(["", "measured", "bar", "how"], lines)


_PICTURES = 50_000_000
_PROCESSOR_HOUR, _GET, _PUT = 0.04, 0.0004, 0.005
"""Dollars for an hour of a processor, for a thousand GET or HEAD, and for a thousand PUT."""
_LOG_SECONDS = 30


def bulk_cost(results: Path) -> str:
    """Time and money for fifty million scans, from the processor time of one."""
    lines = []
    for row in rows_of(results, "bulk.csv"):
        if row["name"] in ("scan-float-jpg", "scan-int8-jpg"):
            seconds = float(row["value"])
            hours = _PICTURES * seconds / 3600
            days = f"{hours / 1000 / 24:.1f}"
            # a picture's GET and HEAD, the PUT of its result and of the mark before it, and its share of the logs'
            requests = 2 * _GET + (2 + seconds / _LOG_SECONDS) * _PUT
            money = f"${hours * _PROCESSOR_HOUR:,.0f}", f"${_PICTURES / 1000 * requests:,.0f}"
            network = "`m5`, float" if "float" in row["name"] else "`m5 --int8`"
            lines.append([network, f"{seconds:.2f}", f"{hours:,.0f}", days, *money])
    price = f"at ${_PROCESSOR_HOUR} an hour"
    head = ["network", "seconds of a processor, each", "processor hours", "days on 1,000 processors", price, "requests"]
    return table(head, lines)


MEASUREMENTS: dict[str, Callable[[Path], str]] = {
    "engine": engine,
    "engine on AVX2": partial(engine, name="engine_avx2.csv"),
    "forms of float networks": float_forms,
    "forms of float networks on AVX2": partial(float_forms, name="engine_avx2.csv"),
    "times as fast as OpenVINO": times_as_fast,
    "general engines": general_engines,
    "peers' speed": peers,
    "memory": memory,
    "files": files,
    "video": video,
    "still parts": still,
    "training step": training,
    "npu": npu,
    "many pictures": bulk,
    "cost of millions": bulk_cost,
}
"""Functions by the names that marks give; each takes the folder of results."""
