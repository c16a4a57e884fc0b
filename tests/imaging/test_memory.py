"""How much memory there is."""

from pathlib import Path

import pytest

from sesr.imaging import memory
from sesr.imaging.memory import free_memory, gigabytes


def system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, available: str | None, group: tuple[str, str] | None
) -> None:
    """A machine that says this."""
    monkeypatch.setattr(memory, "_MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(memory, "_GROUP", tmp_path)
    if available is not None:
        (tmp_path / "meminfo").write_text(f"MemTotal: 9 kB\nMemAvailable: {available} kB\n")
    if group is not None:
        (tmp_path / "memory.max").write_text(group[0])
        (tmp_path / "memory.current").write_text(group[1])


@pytest.mark.parametrize(
    ("available", "group", "free"),
    [
        ("100", None, 102_400),
        ("100", ("max\n", "7\n"), 102_400),
        ("100", ("5000\n", "1000\n"), 4000),
        (None, ("5000\n", "1000\n"), 4000),
        (None, None, None),
        ("many", None, None),
    ],
)
def test_the_least_that_is_known(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    available: str | None,
    group: tuple[str, str] | None,
    free: int | None,
) -> None:
    system(tmp_path, monkeypatch, available, group)
    assert free_memory() == free


def test_sizes_for_people() -> None:
    assert gigabytes(3_456_000_000) == "3.5 GB"
