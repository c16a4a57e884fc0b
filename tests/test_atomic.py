"""Files appear whole or not at all, and errors name the file that was meant."""

import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sesr.atomic import _PREFIX, _remove_abandoned, check_writable, writing


def write(path: Path) -> None:
    with writing(path) as temporary:
        temporary.write_text("new")


@pytest.mark.parametrize("attempt", [write, check_writable])
def test_missing_folder_is_named(tmp_path: Path, attempt: Callable[[Path], None]) -> None:
    path = tmp_path / "none" / "a.csv"
    with pytest.raises(FileNotFoundError) as caught:
        attempt(path)
    assert caught.value.filename == str(path)
    assert caught.value.strerror == f"there is no folder {tmp_path / 'none'}"


@pytest.mark.parametrize("attempt", [write, check_writable])
def test_goal_that_is_a_folder_is_named(tmp_path: Path, attempt: Callable[[Path], None]) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="folder") as caught:
        attempt(tmp_path / "folder")
    assert (caught.value.filename, caught.value.filename2) == (str(tmp_path / "folder"), None)
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_full_disk_names_the_goal(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    with pytest.raises(OSError, match="No space left") as caught, writing(path):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert caught.value.filename == str(path)
    assert not any(tmp_path.iterdir())


def test_error_about_another_file_stays(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught, writing(tmp_path / "a.csv"):
        (tmp_path / "other").read_text()
    assert caught.value.filename == str(tmp_path / "other")


def test_longest_name_of_wide_letters(tmp_path: Path) -> None:
    path = tmp_path / ("ü" * 120 + "x" * 15)
    assert len(os.fsencode(path.name)) == 255
    write(path)
    assert path.read_text() == "new"


def test_name_that_is_too_long(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="too long"):
        check_writable(tmp_path / ("x" * 256))


def test_check_leaves_all_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "old").write_text("old")
    check_writable(tmp_path / "old")
    check_writable(tmp_path / "new")
    assert [path.name for path in tmp_path.iterdir()] == ["old"]
    assert (tmp_path / "old").read_text() == "old"


@pytest.mark.parametrize("links", [True, False])
def test_what_appeared_meanwhile_is_kept(tmp_path: Path, links: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    if not links:
        monkeypatch.setattr(os, "link", no_links)
    path = tmp_path / "a.csv"
    with writing(path, overwrite=False) as temporary:
        temporary.write_text("first")
    with pytest.raises(FileExistsError) as caught, writing(path, overwrite=False):
        pass
    assert caught.value.filename == str(path)
    assert path.read_text() == "first"
    assert list(tmp_path.iterdir()) == [path]
    write(path)
    assert path.read_text() == "new"


@pytest.mark.skipif(sys.platform == "win32", reason="needs locks")
def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    """And nothing that somebody writes, or that is too young to tell."""
    left, young, pipe = (tmp_path / f"{_PREFIX}{name}.part" for name in ("left", "young", "pipe"))
    another = tmp_path / ".sesr-another-machine.part"
    for path in (left, young, another):
        path.write_text("half")
    os.mkfifo(pipe)
    for path in (left, another, pipe):
        os.utime(path, (1, 1))
    with writing(tmp_path / "a") as temporary:
        os.utime(temporary, (1, 1))
        assert sorted(tmp_path.iterdir()) == sorted([temporary, young, another, pipe])
        _remove_abandoned.cache_clear()
        write(tmp_path / "b")
        temporary.write_text("whole")
    assert sorted(tmp_path.iterdir()) == sorted([young, another, pipe, tmp_path / "a", tmp_path / "b"])
