"""Measurements as a CSV file: a dataclass a row, a field a column."""

import csv
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING

from sesr.atomic import writing

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def write_rows(rows: "Sequence[DataclassInstance]", path: Path) -> None:
    """Writes rows of one kind, at least one, with a header; the file appears whole or not at all. Raises `OSError`."""
    with writing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, [field.name for field in fields(rows[0])], lineterminator="\n")
        table.writeheader()
        table.writerows(asdict(row) for row in rows)
