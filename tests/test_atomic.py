"""Files appear whole or not at all, and errors name the file that was meant."""

import errno
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sesr.atomic import check_writable, writing


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


LOCKS = pytest.mark.skipif(sys.platform == "win32", reason="needs locks")

HOLD = """
import sys, time
from pathlib import Path
from sesr.atomic import writing
with writing(Path(sys.argv[1])) as temporary:
    temporary.write_text("half")
    print(temporary, flush=True)
    time.sleep(60)
"""


def hold(path: Path) -> tuple[subprocess.Popen[str], Path]:
    """Start a process that is in the middle of writing; returns it and its hidden file."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout as shown:
        return process, Path(shown.readline().rstrip())


def write_in_a_new_process(path: Path) -> None:
    """Write a file as the next run would."""
    code = "import sys, pathlib, sesr.atomic\nwith sesr.atomic.writing(pathlib.Path(sys.argv[1])) as file: file.touch()"
    subprocess.run([sys.executable, "-c", code, str(path)], check=True)


@LOCKS
@pytest.mark.parametrize("reaped", [True, False])
def test_what_a_killed_process_left_goes_with_the_next_run(tmp_path: Path, reaped: bool) -> None:
    """At once; even while the dead process is a zombie, as containers keep them."""
    process, left = hold(tmp_path / "a")
    assert list(tmp_path.iterdir()) == [left]
    process.kill()
    if reaped:
        process.wait()
    deadline = time.monotonic() + 20
    while left.exists() and time.monotonic() < deadline:  # a kill takes a moment
        write_in_a_new_process(tmp_path / "b")
    process.wait()
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


@LOCKS
def test_what_a_running_process_writes_stays(tmp_path: Path) -> None:
    process, held = hold(tmp_path / "a")
    try:
        os.utime(held, (1, 1))
        write_in_a_new_process(tmp_path / "b")
        assert held.read_text() == "half"
    finally:
        process.kill()
        process.wait()


def changed(part: int, name: str) -> str:
    """A hidden file's name with one of its parts changed: host, space, process, start or random."""
    parts = name.removesuffix(".part").removeprefix(".sesr-").split("-")
    parts[part] = f"{int(parts[part], 16) ^ 1:0{len(parts[part])}x}" if part in (0, 1, 4) else str(int(parts[part]) + 1)
    return f".sesr-{'-'.join(parts)}.part"


@LOCKS
@pytest.mark.parametrize("age", [0, 7200])
@pytest.mark.parametrize(
    ("kind", "gone_when"),
    [
        ("own process, and nobody holds it", "old"),
        ("a number that was given out again", "any"),
        ("another container or boot", "old"),
        ("another machine", "never"),
        ("an earlier version", "old"),
        ("no name of ours", "never"),
        ("a pipe", "never"),
    ],
)
def test_what_is_left_over(tmp_path: Path, kind: str, gone_when: str, age: int) -> None:
    with writing(tmp_path / "a") as temporary:
        name = temporary.name
    names = {
        "own process, and nobody holds it": changed(4, name),
        "a number that was given out again": changed(3, name),
        "another container or boot": changed(1, name),
        "another machine": changed(0, name),
        "an earlier version": f"{name[:14]}-{'0' * 16}.part",
        "no name of ours": ".sesr-.part",
        "a pipe": changed(3, name),
    }
    left = tmp_path / "folder" / names[kind]
    left.parent.mkdir()
    os.mkfifo(left) if kind == "a pipe" else left.write_text("half")
    os.utime(left, (time.time() - age,) * 2)
    write(tmp_path / "folder" / "b")
    assert left.exists() is (gone_when == "never" or (gone_when == "old" and not age))


@pytest.mark.skipif(sys.platform == "win32", reason="nothing is removed there")
def test_temporary_folders_of_killed_processes_go(tmp_path: Path) -> None:
    """Those of processes that live stay, however old they are."""
    code = (
        "import os, sys, tempfile; from pathlib import Path\n"
        "from sesr.atomic import temporary_folder\n"
        "tempfile.tempdir = sys.argv[1]\n"
        "with temporary_folder() as folder:\n"
        "    (folder / 'picture').write_bytes(b'x')\n"
        "    os.utime(folder, (0, 0))\n"
        "    print(folder.name, flush=True)\n"
        "    sys.stdin.read() and os._exit(9)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    subprocess.run(command, input=b"die", capture_output=True, check=False)
    (left,) = tmp_path.iterdir()
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as alive:
        assert alive.stdout is not None
        name = alive.stdout.readline().strip()
        assert not left.exists()
        subprocess.run(command, input=b"", capture_output=True, check=True)
        assert [path.name for path in tmp_path.iterdir()] == [name]
        alive.communicate("")
    assert list(tmp_path.iterdir()) == []
