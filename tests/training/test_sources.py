"""Sources of a run's pictures: folders are checked before the run, and DIV2K is downloaded."""

from pathlib import Path

import pytest

pytest.importorskip("torch")

from tests.pictures import noise, save

from sesr.data.pairs import Split
from sesr.errors import DataError
from sesr.training import sources
from sesr.training.sources import Sources, source_folder


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
