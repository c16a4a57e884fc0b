"""Speed and memory of SESR against what a user would pick instead, for usual sizes of video.

Contenders that compute the same take turns (`sesr.benchmarks.rounds`): each shipped network in our engine and in the
general ones, and then our M5 against resizers and the networks of others. All get the same number of threads, and none
lets its threads spin on into the next one's turn.

Inside the timed call is the network alone, from memory to memory, a whole frame at once in every engine but ours. Input
and output have the type that the network computes in: an int8 network takes 8-bit luma in our engine and int8 tensors
in OpenVINO and LiteRT, a float network takes float32 everywhere. Each call makes its result anew. LiteRT and ncnn also
copy input and output, because their interfaces for Python offer nothing else. Loading, compiling and making the frame
stand outside.

The networks of others have random weights and run in the engine that was fastest in a trial on the same frame, or on
960 x 540 pixels where that is smaller; a column names the engines that competed. Two of them take RGB, because they
enlarge color too, while SESR leaves color to bicubic.

Memory is the most that a process held that makes the contender and enlarges one frame: Python, libraries, everything.
"""

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from sesr.benchmarks.engine import measure_peak
from sesr.benchmarks.memory_probe import check_system, command_peak
from sesr.benchmarks.peers.contenders import (
    GRAPH_ENGINES,
    INSTALL,
    INT8_ENGINES,
    OPENCV,
    OURS,
    PACKAGES,
    PILLOW,
    Contender,
    make_run,
    missing,
)
from sesr.benchmarks.peers.graph import PEERS
from sesr.benchmarks.peers.resizers import FILTERS
from sesr.benchmarks.rounds import Rounds, Turn, check_rounds, take_turns, timed
from sesr.benchmarks.rows import Row
from sesr.engines.kernels import Values
from sesr.errors import EngineError, UsageError
from sesr.network.zoo import list_networks

Note = Callable[[str], object]
"""Takes a line about a contender that was left out."""

_TRIAL = (540, 960)
"""Largest height and width of the frame on which engines compete for the networks of others."""

_QUIET = {"OMP_WAIT_POLICY": "PASSIVE", "KMP_BLOCKTIME": "0"}
"""Environment in which OpenMP's threads, PyTorch's among them, sleep when they are done. Read when OpenMP is loaded."""


@dataclass(frozen=True)
class Size:
    """A frame to enlarge.

    Attributes:
        width, height: of the input, pixels.
        scale: of the network.
    """

    width: int
    height: int
    scale: int


@dataclass(frozen=True)
class Scope:
    """Contenders and sizes of a run.

    Attributes:
        sizes: frames to enlarge.
        networks: names of shipped networks; None takes each architecture once (`shipped`).
        others: networks of others, any of `PEERS`.
    """

    sizes: Sequence[Size]
    networks: Sequence[str] | None = None
    others: Sequence[str] = tuple(PEERS)


FULL = Scope((Size(960, 540, 2), Size(1280, 720, 2), Size(1920, 1080, 2), Size(960, 540, 4)))
"""540p to 1080p, 720p to 1440p, 1080p to 4K, and 540p to 4K by x4."""

QUICK = Scope((Size(320, 180, 2),), ("m5", "m5-int8"), ("fsrcnn", "quicksrnet-small"))
"""A small frame and few networks."""


@dataclass(frozen=True)
class PeerTiming(Row):
    """One contender's times on one frame.

    Attributes:
        network: a shipped network, a network of others, or a filter.
        scale: output pixels per input pixel, along a side.
        values: what it computes in.
        engine: ``ours``, a general engine, or a library.
        width, height: of the input, pixels.
        threads: processor threads that it was given.
        rounds: rounds that counted.
        best_ms, median_ms: over the rounds.
        of_ours: its time divided by our engine's in the same round, for the same network; for resizers and networks of
            others, by that of M5 in float.
        of_peak: share of the processor's peak (`sesr.benchmarks.engine`); 0 for filters.
        peak_mb: the most that its process held, 10^6 bytes; None where that could not be measured.
        fastest_of: engines that competed for a network of others, with spaces between; empty for everything else.
    """

    network: str
    scale: int
    values: str
    engine: str
    width: int
    height: int
    threads: int
    rounds: int
    best_ms: float
    median_ms: float
    of_ours: float
    of_peak: float
    peak_mb: int | None
    fastest_of: str

    def line(self) -> str:
        """Return the contender's time and memory."""
        size = f"{self.width} x {self.height} x{self.scale}"
        return (
            f"{size:16} {self.network:16} {self.engine:12} {self.median_ms:9.1f} ms  {self.of_ours:6.2f} of ours  "
            f"{self.of_peak:4.0%} of the peak  {self.peak_mb or 0:6} MB"
        )


@dataclass(frozen=True)
class Trial:
    """Engines that competed for a network of others, the fastest first; none where none could run it."""

    engines: Sequence[str]

    @property
    def fastest(self) -> str:
        """The engine that took the least time."""
        return self.engines[0]


def measure_peers(
    scope: Scope = FULL, rounds: int = 5, threads: int = 2, note: Note = lambda _: None
) -> Iterator[PeerTiming]:
    """Time every contender that is installed.

    Args:
        scope: what takes part.
        rounds: rounds that count, at least 1, after one to warm up.
        threads: for every contender that can use several.
        note: told of every engine that is not installed and of every contender that failed.

    Yields rows as soon as a group of contenders is done. Raises `UsageError` for no rounds or an unknown network.
    """
    check_rounds(rounds)
    unknown = [name for name in scope.others if name not in PEERS]
    if unknown:
        raise UsageError(f"network {unknown[0]!r} is unknown: use some of {', '.join(PEERS)}")
    absent = missing(tuple(PACKAGES))
    for name in absent:
        note(f"{name} is not installed and left out: pip install {INSTALL[name]}")
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    trials: dict[tuple[str, int], Trial] = {}
    for size in scope.sizes:
        for network in shipped(size.scale) if scope.networks is None else scope.networks:
            yield from _measure(_same_network(network, size.scale, absent), size, rounds, threads, note)
        for name in scope.others:
            if (name, size.scale) not in trials:
                trials[name, size.scale] = _try_engines(name, size, absent, threads, note)
        tried = {name: trials[name, size.scale] for name in scope.others}
        for row in _measure(_instead(tried, size.scale, absent), size, rounds, threads, note):
            if row.engine != OURS:  # our M5 has its row already
                yield replace(row, fastest_of=" ".join(tried[row.network].engines)) if row.network in tried else row


def shipped(scale: int) -> list[str]:
    """Return the names of the shipped networks for a scale, small ones first, each architecture once.

    Networks for compressed pictures and the float twins of int8 networks are left out.
    """
    names = [network.name for network in list_networks() if network.config and network.config.scale == scale]
    return [name for name in names if not name.endswith(("-photo", "-relu"))]


def _same_network(name: str, scale: int, absent: Sequence[str]) -> list[Contender]:
    ours = Contender(name, scale, OURS)
    engines = INT8_ENGINES if ours.values == "int8" else (OURS, "litert", *GRAPH_ENGINES)
    return [Contender(name, scale, engine) for engine in engines if engine not in absent]


def _instead(tried: Mapping[str, Trial], scale: int, absent: Sequence[str]) -> list[Contender]:
    """Return our M5, resizers and the networks of others."""
    libraries = [name for name in (PILLOW, OPENCV) if name not in absent]
    resizers = [Contender(kind, scale, library) for kind in FILTERS for library in libraries]
    peers = [Contender(name, scale, trial.fastest) for name, trial in tried.items() if trial.engines]
    return [Contender("m5", scale, OURS), *resizers, *peers]


def _try_engines(name: str, size: Size, absent: Sequence[str], threads: int, note: Note) -> Trial:
    """Let the engines that run a network of others take turns."""
    frame = Size(min(size.width, _TRIAL[1]), min(size.height, _TRIAL[0]), size.scale)
    contenders = [Contender(name, size.scale, engine) for engine in GRAPH_ENGINES if engine not in absent]
    turns = {contender.engine: turn for contender, turn in _prepare(contenders, frame, threads, note).items()}
    measured = take_turns(turns, 3)
    return Trial(sorted(turns, key=measured.best))


def _prepare(contenders: Sequence[Contender], size: Size, threads: int, note: Note) -> dict[Contender, Turn]:
    """Let each contender enlarge a frame once, and return the turns of those that could."""
    turns = {}
    for contender in contenders:
        try:
            run = make_run(contender, size.height, size.width, threads)
            run()
        except (EngineError, RuntimeError, MemoryError) as error:
            note(f"{contender.network} in {contender.engine} at {size.width} x {size.height} failed: {error}")
        else:
            turns[contender] = timed(run)
    return turns


def _measure(
    contenders: Sequence[Contender], size: Size, rounds: int, threads: int, note: Note
) -> Iterator[PeerTiming]:
    """Let contenders take turns, the first of them ours, and yield a row for each that ran."""
    turns = _prepare(contenders, size, threads, note)
    peaks = {_peak(values): _peak_turn(values, threads) for values in map(_peak_values, turns)}
    measured = take_turns({str(contender): turn for contender, turn in turns.items()} | peaks, rounds)
    ran = tuple(turns)
    turns.clear()  # frees gigabytes before other processes are measured, which take as much
    for contender in ran:
        yield _row(contender, str(contenders[0]), measured, size, rounds, threads)


def _peak_values(contender: Contender) -> Values:
    """Return the numbers whose peak the contender is compared with; a filter has none of its own."""
    return "float32" if contender.values == "uint8" else contender.values


def _peak(values: Values) -> str:
    return f"peak {values}"


def _peak_turn(values: Values, threads: int) -> Turn:
    return lambda: 1 / measure_peak(threads, values)


def _row(contender: Contender, reference: str, measured: Rounds, size: Size, rounds: int, threads: int) -> PeerTiming:
    name = str(contender)
    used = 1 if contender.engine == PILLOW else threads
    peak = _peak(_peak_values(contender))
    return PeerTiming(
        network=contender.network,
        scale=contender.scale,
        values=contender.values,
        engine=contender.engine,
        width=size.width,
        height=size.height,
        threads=used,
        rounds=rounds,
        best_ms=round(measured.best(name) * 1e3, 1),
        median_ms=round(measured.median(name) * 1e3, 1),
        of_ours=round(measured.ratio(name, reference), 3),
        of_peak=round(contender.macs(size.height, size.width) * measured.ratio(peak, name), 3),
        peak_mb=_peak_megabytes(contender, size, used),
        fastest_of="",
    )


def _peak_megabytes(contender: Contender, size: Size, threads: int) -> int | None:
    """Run a contender once in a process of its own."""
    numbers = map(str, (size.height, size.width, threads))
    program = [sys.executable, "-m", "sesr.benchmarks.peers.contenders"]
    with suppress(EngineError):
        check_system()
        usage = command_peak([*program, contender.network, str(contender.scale), contender.engine, *numbers])
        return round(usage.memory / 1e6)
    return None
