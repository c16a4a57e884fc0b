"""Pictures found in folders, and what is passed over."""

import os
import subprocess
import sys
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from sesr.files.formats import PICTURE_SUFFIXES
from sesr.inference.sizes import Exactly, Height, Scale, Size, Width, Within
from sesr.jobs.folders import Found, PassedOver, Search, Unread, find_pictures

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="no such names")


def fill(folder: Path, names: Iterable[str]) -> Path:
    """Makes files that are called so, and folders for them."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def found(folder: Path, search: Search = Search(), results: Path | None = None) -> list[str]:  # noqa: B008  (frozen)
    """The paths of the pictures in a folder, from it on."""
    work = find_pictures([folder], search, results)
    assert all(isinstance(each, Found) for each in work), work
    assert all(each.source.parent == folder / each.subfolder for each in work if isinstance(each, Found))
    return [each.source.relative_to(folder).as_posix() for each in work if isinstance(each, Found)]


DOWN = Search(recursive=True)
TREE = ["b.png", "a.JPG", "sub/c.tiff", "sub/deep/d.webp", "other/e.gif", "notes.txt", "sub/raw.cr2", "png"]


def test_only_pictures_directly_in_it(tmp_path: Path) -> None:
    assert found(fill(tmp_path, TREE)) == ["a.JPG", "b.png"]


def test_all_the_way_down(tmp_path: Path) -> None:
    assert found(fill(tmp_path, TREE), DOWN) == ["a.JPG", "b.png", "other/e.gif", "sub/c.tiff", "sub/deep/d.webp"]


def test_files_are_taken_as_they_are(tmp_path: Path) -> None:
    """Whatever they are called, even if they do not exist; in the order given."""
    paths = [tmp_path / name for name in (".hidden.png", "notes.txt", "none", "a_x2.png")]
    fill(tmp_path, ["a.png", "a_x2.png", ".hidden.png", "notes.txt"])
    assert find_pictures(paths, Search(exclude=("*",))) == [Found(path) for path in paths]


def test_system_files_and_hidden_ones(tmp_path: Path) -> None:
    passed = [".DS_Store", "Thumbs.db", "desktop.ini", "._a.jpg", ".sesr-x.part", ".hidden.png", ".git/a.png"]
    system = ["__MACOSX/a.png", "@eaDir/a.jpg/SYNOPHOTO_THUMB_XL.jpg", "$RECYCLE.BIN/b.png", "lost+found/c.png"]
    assert found(fill(tmp_path, ["a.jpg", *passed, *system]), DOWN) == ["a.jpg"]


def test_hidden_folder_that_is_named(tmp_path: Path) -> None:
    assert found(fill(tmp_path / ".pictures", ["a.png"])) == ["a.png"]


@pytest.mark.parametrize(
    "size",
    [Scale(Fraction(2)), Scale(Fraction(3, 2)), Width(3840), Height(2160), Exactly(3840, 2160), Within(3840, 2160)],
)
@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_results_of_earlier_runs(tmp_path: Path, size: Size, suffix: str) -> None:
    """Beside their source; where that is gone, they are pictures like others."""
    fill(tmp_path, ["a.jpg", f"a_{size.label}{suffix}", f"a_{size.label}_{size.label}{suffix}", f"b_{size.label}.png"])
    assert found(tmp_path) == ["a.jpg", f"b_{size.label}.png"]


def test_names_like_results(tmp_path: Path) -> None:
    names = ["a.jpg", "a_2.png", "a_x.png", "a_xx2.png", "ax2.png", "a_x2b.png", "b_x2.png"]
    assert found(fill(tmp_path, names)) == sorted(names)


def test_names_like_results_of_pictures_of_another_size(tmp_path: Path) -> None:
    """The name alone is no proof: what has not the size that it tells is somebody's picture."""
    sizes = {
        "a.jpg": (30, 20),
        "a_4x6.png": (24, 36),
        "a_x2.png": (60, 40),
        "a_x3.jpg": (20, 30),
        "a_90w.png": (90, 60),
    }
    for name, size in {**sizes, "a_x4.png": (80, 120), "a.jpg_x2.webp": (60, 40), "a_50x50fit.png": (50, 33)}.items():
        Image.new("L", size).save(tmp_path / name)
    assert found(tmp_path) == ["a.jpg", "a_4x6.png", "a_x3.jpg"]  # a_x4 may be turned


def test_sharpened_results_are_results(tmp_path: Path) -> None:
    sizes = {
        "a.jpg": (30, 20),
        "a_x2_sharp0.3.png": (60, 40),
        "a_x2_sharp1_p3.png": (1, 1),
        "a_60w_sharp2.png": (60, 40),
    }
    others = {"a_sharp1.png": (60, 40), "a_x2_sharp.png": (60, 40), "a_x2_sharp1.png": (9, 9)}
    for name, size in {**sizes, **others}.items():
        Image.new("L", size).save(tmp_path / name)
    assert found(tmp_path) == sorted(["a.jpg", *others])


@pytest.mark.parametrize(
    ("include", "exclude", "wanted"),
    [
        (["*.jpg"], [], ["a.JPG"]),
        (["*.png", "*.tiff"], [], ["b.png", "sub/c.tiff"]),
        (["sub/*"], [], ["sub/c.tiff", "sub/deep/d.webp"]),
        (["c.*", "A.*"], [], ["a.JPG", "sub/c.tiff"]),
        ([], ["*.png"], ["a.JPG", "other/e.gif", "sub/c.tiff", "sub/deep/d.webp"]),
        ([], ["sub"], ["a.JPG", "b.png", "other/e.gif"]),
        ([], ["sub/deep", "other"], ["a.JPG", "b.png", "sub/c.tiff"]),
        (["*.png", "*.jpg"], ["b*"], ["a.JPG"]),
        (["[ab].*"], [], ["a.JPG", "b.png"]),
    ],
)
def test_patterns(tmp_path: Path, include: list[str], exclude: list[str], wanted: list[str]) -> None:
    assert found(fill(tmp_path, TREE), Search(True, tuple(include), tuple(exclude))) == wanted


def test_folder_for_results_is_not_gone_into(tmp_path: Path) -> None:
    fill(tmp_path, ["a.png", "out/a_x2.png", "sub/out/b.png"])
    (tmp_path / "link").symlink_to(tmp_path / "out")
    assert found(tmp_path, DOWN, tmp_path / "out") == ["a.png", "sub/out/b.png"]
    assert found(tmp_path, DOWN, tmp_path / "sub" / ".." / "link") == ["a.png", "sub/out/b.png"]


def test_results_next_to_the_pictures_by_naming_the_folder(tmp_path: Path) -> None:
    assert found(fill(tmp_path, ["a.png", "sub/b.png"]), DOWN, tmp_path) == ["a.png", "sub/b.png"]


@POSIX
def test_links(tmp_path: Path) -> None:
    """To files: taken. To folders: not gone into, however they lead round."""
    fill(tmp_path, ["in/a.png", "in/sub/b.png", "elsewhere/c.png"])
    folder = tmp_path / "in"
    (folder / "link.png").symlink_to(tmp_path / "elsewhere" / "c.png")
    (folder / "album").symlink_to(tmp_path / "elsewhere")
    (folder / "sub" / "loop").symlink_to(folder)
    (folder / "sub" / "loop.png").symlink_to(folder)
    assert found(folder, DOWN) == ["a.png", "link.png", "sub/b.png"]


@POSIX
def test_link_that_was_named(tmp_path: Path) -> None:
    fill(tmp_path, ["in/a.png"])
    (tmp_path / "link").symlink_to(tmp_path / "in")
    assert found(tmp_path / "link") == ["a.png"]


@POSIX
def test_links_to_nothing_are_reported(tmp_path: Path) -> None:
    """They are tried, and fail with a line; so do links to themselves."""
    (tmp_path / "gone.png").symlink_to(tmp_path / "none.png")
    (tmp_path / "round.png").symlink_to(tmp_path / "round.png")
    assert found(tmp_path, DOWN) == ["gone.png", "round.png"]


@POSIX
def test_pipes_are_no_pictures(tmp_path: Path) -> None:
    fill(tmp_path, ["a.png"])
    os.mkfifo(tmp_path / "pipe.png")
    assert found(tmp_path) == ["a.png"]


def test_folder_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line, and the others are gone into. (Asked of the system by name, since root may read everything.)"""
    fill(tmp_path, ["a.png", "locked/b.png", "sub/c.png"])
    scandir = os.scandir

    def locked(path: Any) -> Any:  # noqa: ANN401 - as scandir
        if Path(path).name == "locked":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", locked)
    first, second, third = find_pictures([tmp_path], DOWN)
    folder = tmp_path / "locked"
    reason = f"{folder}: the folder cannot be read (Permission denied); check its permissions"
    assert (first, second) == (Found(tmp_path / "a.png", named=False), Unread(folder, reason))
    assert third == Found(tmp_path / "sub" / "c.png", Path("sub"), named=False)


@pytest.mark.parametrize(
    ("search", "name", "advice"),
    [
        (Search(), "notes.txt", "check the name"),
        (Search(), "sub/notes.txt", "add -r for those in subfolders"),
        (DOWN, "sub/notes.txt", "check the name"),
        (Search(recursive=True, include=("*.jpg",)), "notes.txt", "check the patterns"),
    ],
)
def test_folder_without_pictures(tmp_path: Path, search: Search, name: str, advice: str) -> None:
    first, again = find_pictures([fill(tmp_path, [name]), tmp_path], search)
    assert first == again == Unread(tmp_path, f"{tmp_path}: no pictures to enlarge in this folder; {advice}")


@POSIX
def test_names_that_are_not_text(tmp_path: Path) -> None:
    names = [b"\xff.png", "Füße und 日本 🙂.jpg".encode(), b" a b .png", b"new\nline.png"]
    for name in names:
        with open(os.fsencode(tmp_path) + b"/" + name, "wb"):
            pass
    assert {os.fsencode(name) for name in os.listdir(tmp_path)} == set(names)
    assert {os.fsencode(each.source.name) for each in find_pictures([tmp_path]) if isinstance(each, Found)} == set(
        names
    )


@POSIX
@pytest.mark.slow
def test_very_deep_folders(tmp_path: Path) -> None:
    """Deeper than Python recurses. What is too deep for the system's paths is reported."""
    before, depth = Path.cwd(), 1500
    try:
        os.chdir(tmp_path)
        for _ in range(depth):
            os.mkdir("d")
            os.chdir("d")
        Path("a.png").touch()
        os.chdir(tmp_path)
        (work,) = find_pictures([Path(".")], DOWN)
    finally:
        subprocess.run(["rm", "-rf", "d"], cwd=tmp_path, check=True)  # pytest would recurse
        os.chdir(before)
    assert work == Found(Path(*["d"] * depth) / "a.png", Path(*["d"] * depth), named=False)


NAMES = st.text(st.sampled_from("ab_x2.AB"), min_size=1, max_size=9).filter(lambda name: name.strip("."))


@given(stem=NAMES, suffix=st.sampled_from(sorted(PICTURE_SUFFIXES)), other=NAMES)
def test_every_name_matches_itself_and_all(stem: str, suffix: str, other: str) -> None:
    relative = Path(other) / f"{stem}{suffix}"
    assert Search().takes(relative)
    for pattern in ("*", relative.name, relative.name.upper(), relative.as_posix(), f"{other}/*", f"*{suffix}"):
        assert Search(include=(pattern,)).takes(relative)
        assert not Search(exclude=(pattern,)).takes(relative)
        assert not Search(include=("*",), exclude=(pattern,)).takes(relative)


@pytest.mark.parametrize(
    ("search", "line"),
    [
        (Search(), "2 .txt, 1 .cr2, 1 without a suffix, 1 subfolder (add -r)"),
        (DOWN, "3 .txt, 2 .cr2, 1 without a suffix"),
        (Search(True, exclude=("sub", "*.jpg")), "2 .txt, 1 .cr2, 1 without a suffix, 2 left out by patterns"),
        (Search(True, include=("*.png",)), "3 .txt, 2 .cr2, 1 without a suffix, 1 left out by patterns"),
    ],
)
def test_what_is_passed_over_is_counted(tmp_path: Path, search: Search, line: str) -> None:
    """Once, also where the folder is named twice; not what systems leave, nor hidden files."""
    names = ["a.jpg", "b.png", "a.txt", "b.TXT", "x.cr2", "README", "Thumbs.db", ".hidden.txt", "@eaDir/a.txt"]
    fill(tmp_path, [*names, "sub/c.png", "sub/d.txt", "sub/e.cr2"])
    passed_over = PassedOver()
    find_pictures([tmp_path, Path(f"{tmp_path}/sub/..")], search, None, passed_over)
    assert str(passed_over) == line


def test_results_and_links_are_counted(tmp_path: Path) -> None:
    fill(tmp_path, ["a.jpg", "a_x2.png", "a_x2_p3.png", "a_p3.png", "out/b.txt", "else/c.jpg"])
    (tmp_path / "link").symlink_to(tmp_path / "else")
    passed_over = PassedOver()
    work = find_pictures([tmp_path], DOWN, tmp_path / "out", passed_over)
    assert [each.source.name for each in work if isinstance(each, Found)] == ["a.jpg", "a_p3.png", "c.jpg"]
    assert str(passed_over) == "2 results of earlier runs, 1 link to folders"
    assert str(PassedOver()) == ""
