"""Sources of a run's pictures: folders are checked before the run, and DIV2K is downloaded."""

from pathlib import Path

import pytest

pytest.importorskip("torch")

from tests.pictures import noise, save

from sesr.data.pairs import Split
from sesr.errors import DataError
from sesr.training import sources
from sesr.training.sources import Sources, find_set, source_folder


def test_folders_are_checked_for_the_scale(tmp_path: Path) -> None:
    save(tmp_path / "HR" / "a.png", noise(24, 24, 1))
    save(tmp_path / "LR" / "X2" / "a.png", noise(12, 12, 1))
    Sources(str(tmp_path), str(tmp_path)).check(2)
    Sources(str(tmp_path)).check(2)
    with pytest.raises(DataError, match="none of scale 4"):
        Sources(str(tmp_path)).check(4)
    with pytest.raises(DataError, match="none: no such folder"):
        Sources(str(tmp_path), str(tmp_path / "none")).check(2)


def test_div2k_is_not_looked_for_before_it_is_downloaded() -> None:
    Sources("div2k", "div2k").check(2)


def test_a_folder_is_itself_and_div2k_comes_from_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def fetch(split: Split, scale: int, cache: Path) -> Path:
        asked.append((split, scale, cache))
        return cache / split

    monkeypatch.setattr(sources, "fetch_div2k", fetch)
    monkeypatch.setenv("SESR_CACHE", str(tmp_path / "user"))
    assert source_folder("some/where", "train", 2, None) == Path("some/where")
    assert source_folder("div2k", "train", 4, tmp_path) == tmp_path / "train"
    assert source_folder("div2k", "validation", 2, None) == tmp_path / "user" / "validation"
    assert asked == [("train", 4, tmp_path), ("validation", 2, tmp_path / "user")]


def test_some_pictures_of_a_folder_are_a_set(tmp_path: Path) -> None:
    for name in ("a_1", "a_2", "b_1"):
        save(tmp_path / "crops" / f"{name}.png", noise(24, 24, 1))
    assert [pair.name for pair in find_set(tmp_path / "crops" / "a_*", 2)] == ["a_1", "a_2"]
    assert len(find_set(tmp_path / "crops", 2)) == 3
    with pytest.raises(DataError, match=r"crops/c_\*: no file name of the 3 images in .*crops matches"):
        Sources(str(tmp_path), str(tmp_path / "crops" / "c_*")).check(2)
    (tmp_path / "crops").rename(tmp_path / "[1]")
    assert len(find_set(tmp_path / "[1]", 2)) == 3, "a folder whose name looks like a pattern"


def test_sets_have_short_names_of_their_own() -> None:
    given = ("x/validation", "crops/bsds500new_*", "crops/[ab]?", "other/validation/", "z/validation", "div2k")
    assert Sources("d", given).sets() == {
        "validation": "x/validation",
        "bsds500new": "crops/bsds500new_*",
        "ab": "crops/[ab]?",
        "validation 2": "other/validation/",
        "validation 3": "z/validation",
        "div2k": "div2k",
    }
    assert list(Sources("d", ("x/a 2", "x/a", "y/a", "z/a")).sets()) == ["a 2", "a", "a 3", "a 4"]
    assert Sources("d", "one").sets() == {"one": "one"}
    assert Sources("d").sets() == {}
