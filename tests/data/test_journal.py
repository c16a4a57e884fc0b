"""Journals: what was kept is there again, whatever became of the file's end."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sesr.data.journal import Journal

RESULTS = [(3, b"three"), (0, b""), (2**40, bytes(5000))]


def kept(path: Path | None) -> list[tuple[int, bytes]]:
    with Journal(path) as journal:
        return list(journal.kept())


def keep(path: Path | None, results: list[tuple[int, bytes]]) -> None:
    with Journal(path) as journal:
        list(journal.kept())
        for number, result in results:
            journal.keep(number, result)


def test_results_come_back_in_order(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "a.journal"
    assert kept(path) == []
    keep(path, RESULTS[:2])
    keep(path, RESULTS[2:])
    assert kept(path) == RESULTS


@given(st.lists(st.tuples(st.integers(0, 2**63), st.binary(max_size=50)), max_size=5), st.data())
def test_a_cut_or_changed_file_gives_the_results_before(
    tmp_path_factory: pytest.TempPathFactory, results: list[tuple[int, bytes]], data: st.DataObject
) -> None:
    """And new ones are appended where the whole records end."""
    path = tmp_path_factory.mktemp("cut") / "a.journal"
    keep(path, results)
    content = path.read_bytes()
    end = data.draw(st.integers(0, len(content)))
    path.write_bytes(content[:end])
    found = kept(path)
    assert found == results[: len(found)]
    assert len(content[:end]) - path.stat().st_size < 20 + 50
    keep(path, [(7, b"new")])
    assert kept(path) == [*found, (7, b"new")]
    changed = bytearray(path.read_bytes())
    changed[data.draw(st.integers(0, len(changed) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(changed)
    again = kept(path)
    assert again == [*found, (7, b"new")][: len(again)]
    assert len(again) <= len(found)


def test_a_record_that_claims_to_be_huge_is_no_record(tmp_path: Path) -> None:
    path = tmp_path / "a.journal"
    keep(path, RESULTS[:1])
    path.write_bytes(path.read_bytes() + bytes(8) + b"\xff" * 7 + b"\x7f" + bytes(20))
    assert kept(path) == RESULTS[:1]


def test_without_a_file_nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """None, a folder that is a file, a folder in the file's place: all as without a journal."""
    (tmp_path / "file").write_text("")
    for path in (None, tmp_path / "file" / "a.journal", tmp_path):
        keep(path, RESULTS)
        assert kept(path) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_ends_keeping() -> None:
    keep(Path("/dev/full"), RESULTS)
