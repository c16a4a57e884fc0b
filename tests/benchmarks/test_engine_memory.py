"""The engine's working memory is measured in a process of its own; the bar is tested with the engine."""

import csv
from dataclasses import asdict
from pathlib import Path

import pytest

from sesr.benchmarks.engine_memory import measure_working_memory
from sesr.benchmarks.rows import write_rows
from sesr.errors import EngineError
from sesr.network.zoo import find_network


def test_it_is_small_and_does_not_grow_with_the_height(tmp_path: Path) -> None:
    network = find_network("m5-int8", 2)
    rows = [measure_working_memory(network, 2000, height, threads=1) for height in (500, 2000)]
    assert [(row.network, row.scale, row.values, row.height) for row in rows] == [
        ("m5-int8", 2, "int8", 500),
        ("m5-int8", 2, "int8", 2000),
    ]
    assert all(0.5 < row.working_mb < 8 for row in rows)
    write_rows(rows, tmp_path / "table.csv")
    with (tmp_path / "table.csv").open(encoding="utf-8") as file:
        assert list(csv.DictReader(file)) == [{key: str(value) for key, value in asdict(row).items()} for row in rows]


def test_no_memory_for_the_plane() -> None:
    with pytest.raises(EngineError, match=r"a plane of 2000000 x 20000000 pixels could not be enlarged: .*emory"):
        measure_working_memory(find_network("m5"), 2_000_000, 20_000_000)
