"""Patterns that the shell left alone."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sesr.jobs.patterns import expand_patterns

FILES = ["b.jpg", "a.jpg", "a1.jpg", "a[1].jpg", ".h.jpg", "c.png", "album[1]/d.jpg", "album[1]/in/e.jpg", "*.tif"]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with some files."""
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("*.jpg", ["a.jpg", "a1.jpg", "a[1].jpg", "b.jpg"]),
        ("?.jpg", ["a.jpg", "b.jpg"]),
        ("[ab].jpg", ["a.jpg", "b.jpg"]),
        ("a[1].jpg", ["a[1].jpg"]),  # a file is called so
        ("a[12].jpg", ["a1.jpg"]),
        ("*.tif", ["*.tif"]),
        ("album[1]/*.jpg", ["album[1]/d.jpg"]),  # a folder is called so
        ("al*/*.jpg", ["album[1]/d.jpg"]),
        ("**/*.png", ["c.png"]),
        ("album[1]/**/*.jpg", ["album[1]/d.jpg", "album[1]/in/e.jpg"]),
        ("album*", ["album[1]"]),
        (".*.jpg", [".h.jpg"]),
        ("*.gif", ["*.gif"]),  # nothing: it will be reported
        ("none", ["none"]),
        ("-", ["-"]),
        ("./-", ["./-"]),
    ],
)
def test_patterns(here: Path, pattern: str, found: list[str]) -> None:
    assert expand_patterns([pattern]) == [name.replace("/", os.sep) for name in found]
    rooted = expand_patterns([f"{here}/{pattern}"])
    assert [os.path.basename(name) for name in rooted] == [os.path.basename(name) for name in found]


def test_order(here: Path) -> None:
    assert here.is_dir()
    assert expand_patterns(["c.png", "?.jpg", "a.jpg"]) == ["c.png", "a.jpg", "b.jpg", "a.jpg"]


@given(names=st.lists(st.text(st.characters(exclude_characters="\0*?["), min_size=1), max_size=5))
def test_other_names_stay(names: list[str]) -> None:
    assert expand_patterns(names) == names
