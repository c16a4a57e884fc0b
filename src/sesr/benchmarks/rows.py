"""Rows of a benchmark: a line for people while it runs, and a CSV file with a field per column."""

import csv
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from sesr.atomic import writing


@dataclass(frozen=True)
class Row(ABC):
    """One measurement: each benchmark has a frozen dataclass of its own, whose fields are the CSV's columns."""

    @abstractmethod
    def line(self) -> str:
        """Return the row as a line for people."""


def write_rows(rows: Sequence[Row], path: Path) -> None:
    """Write rows of one kind, at least one, as CSV with a header; the file appears whole or not at all.

    Raises `OSError`.
    """
    with writing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, [field.name for field in fields(rows[0])], lineterminator="\n")
        table.writeheader()
        table.writerows(asdict(row) for row in rows)
