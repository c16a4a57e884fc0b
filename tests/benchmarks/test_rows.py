"""Rows become a CSV file, whole or not at all."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from sesr.benchmarks.rows import Row, write_rows


@dataclass(frozen=True)
class Measured(Row):
    name: str
    seconds: float
    note: str = ""

    def line(self) -> str:
        """Return the name."""
        return self.name


def test_a_column_per_field(tmp_path: Path) -> None:
    write_rows([Measured("m5", 1.0), Measured("m11", 12.5, "slow, loud")], tmp_path / "table.csv")
    assert (tmp_path / "table.csv").read_bytes() == b'name,seconds,note\nm5,1.0,\nm11,12.5,"slow, loud"\n'


def test_impossible_place(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="no folder"):
        write_rows([Measured("m5", 1.0)], tmp_path / "none" / "table.csv")
    assert list(tmp_path.iterdir()) == []
