"""Trials of `sesr benchmark bulk`: a figure with its bar, how much is measured, pictures and jobs."""

import hashlib
import importlib.util
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from sesr.benchmarks.files import photograph
from sesr.benchmarks.rows import Row
from sesr.bulk.job import Job
from sesr.bulk.plan import make_plan
from sesr.bulk.records import Record
from sesr.bulk.settings import Settings
from sesr.bulk.stores import Store

DOUBLED = Settings(size="x2")


@dataclass(frozen=True)
class Measurement(Row):
    """One figure.

    Attributes:
        name: short, without spaces, for pages that quote the figure.
        what: is measured.
        value: the figure.
        unit: of it.
        bar: what it must reach.
        side: "at most" or "at least"; empty without a bar.
        how: conditions.
    """

    name: str
    what: str
    value: float
    unit: str
    bar: float | None = None
    side: str = ""
    how: str = ""

    @property
    def passed(self) -> bool:
        """True if there is no bar, or the figure reaches it."""
        if self.bar is None:
            return True
        return self.value <= self.bar if self.side == "at most" else self.value >= self.bar

    def line(self) -> str:
        """Return the figure and its bar."""
        bar = "" if self.bar is None else f" ({self.side} {self.bar:g}{'' if self.passed else ': MISSED'})"
        return f"{self.what}: {self.value:g} {self.unit}{bar}; {self.how}"


@dataclass(frozen=True)
class Scope:
    """How much is measured.

    Attributes:
        keys: in the plan.
        pictures: in jobs of small ones.
        rounds: of what is timed in turns.
        megapixels: of a scan.
        large: megapixels of the large picture.
        kills: runs in which a worker is killed.
        stops: runs whose driver is killed.
    """

    keys: int = 1_000_000
    pictures: int = 300
    rounds: int = 3
    megapixels: float = 12.0
    large: float = 100.0
    kills: int = 20
    stops: int = 3


@contextmanager
def places() -> Iterator[tuple[str, str]]:
    """Yield URLs of two new folders."""
    with tempfile.TemporaryDirectory(prefix="sesr-", ignore_cleanup_errors=True) as folder:
        urls = []
        for name in ("in", "out"):
            Path(folder, name).mkdir()
            urls.append(Path(folder, name).as_uri())
        yield urls[0], urls[1]


def has(*packages: str) -> bool:
    """Tell whether packages are installed."""
    return all(importlib.util.find_spec(package) for package in packages)


def folder_of(url: str) -> Path:
    """Return the folder of a ``file://`` URL without odd characters."""
    return Path(url.removeprefix("file://"))


def sesr_command(*words: object) -> list[str]:
    """Return a command of this installation."""
    return [sys.executable, "-m", "sesr", *map(str, words)]


def synthetic(number: int) -> tuple[str, int, str]:
    """Return a key as archives have them, a size and an ETag."""
    key = f"archive/{number // 10_000:05}/box_{number % 97:03}/scan_{number:09}.jpg"
    return key, 200_000 + number * 7919 % 900_000, hashlib.md5(key.encode(), usedforsecurity=False).hexdigest()


def drawn(folder: Path, count: int) -> list[Path]:
    """Write small photographs, 320 x 240, all different."""
    whole = photograph(0.5)
    paths = []
    for number in range(count):
        y, x = number * 7 % (whole.shape[0] - 240), number * 13 % (whole.shape[1] - 320)
        paths.append(folder / f"scan_{number:05}.jpg")
        Image.fromarray(whole[y : y + 240, x : x + 320]).save(paths[-1], quality=88)
    return paths


def megapixel_pictures(source: str, scope: Scope) -> int:
    """Write pictures of 1.5 megapixels, and return how many."""
    count = max(4, scope.pictures // 6)
    content = photograph(1.5)
    for number in range(count):
        Image.fromarray(np.roll(content, number * 31, axis=1)).save(folder_of(source) / f"{number:03}.jpg", quality=90)
    return count


def planned(source: str, out: str, settings: Settings = DOUBLED) -> Job:
    """Plan a job over all pictures of a place."""
    return make_plan(source, Store(out), settings).job


def rate(records: list[Record]) -> float:
    """Return pictures a second between the first end and the last."""
    ends = sorted(record.finished for record in records)
    return (len(ends) - 1) / (ends[-1] - ends[0])
