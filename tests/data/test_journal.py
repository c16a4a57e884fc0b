"""Journals: what was kept is there again, whatever became of the file's end."""

import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sesr.data.journal import Journal

RESULTS = [(3, b"three"), (0, b""), (2**40, bytes(5000))]


MOST = 10_000


def kept(path: Path | None) -> list[tuple[int, bytes]]:
    with Journal(path, MOST) as journal:
        return list(journal.kept())


def keep(path: Path | None, results: list[tuple[int, bytes]]) -> None:
    with Journal(path, MOST) as journal:
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
    whole = path.read_bytes()
    path.write_bytes(whole + bytes(8) + struct.pack("<Q", MOST + 1) + bytes(MOST + 5))
    assert kept(path) == RESULTS[:1]
    assert path.read_bytes() == whole


def test_without_a_file_nothing_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """None, a folder that is a file, a folder in the file's place: as without a journal; the latter two say so."""
    (tmp_path / "file").write_text("")
    for path in (None, tmp_path / "file" / "a.journal", tmp_path):
        keep(path, RESULTS)
        assert kept(path) == []
        assert ("cannot keep what is made" in capsys.readouterr().out) == (path is not None)


def test_a_full_disk_ends_keeping(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The file is removed, since others need the room, and a line says so; the work goes on."""
    resource = pytest.importorskip("resource")
    path = tmp_path / "a.journal"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, limits[1]))
    try:
        with Journal(path, MOST) as journal:
            journal.keep(1, bytes(1000))
            assert path.stat().st_size > 1000
            journal.keep(2, bytes(5000))
            assert not path.exists()
            journal.keep(3, bytes(10))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not path.exists()
    assert capsys.readouterr().out.count("a.journal: cannot keep what is made (File too large)") == 1


def test_all_results_elsewhere(tmp_path: Path) -> None:
    path = tmp_path / "a.journal"
    with Journal(path, MOST) as journal:
        journal.keep(1, b"one")
        journal.remove()
        journal.keep(2, b"two")
    assert not path.exists()
