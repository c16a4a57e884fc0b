"""Sources of a run's pictures: folders, some of a folder's pictures, or DIV2K, which is downloaded."""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from sesr.data.cache import default_cache
from sesr.data.div2k import fetch_div2k
from sesr.data.pairs import Pair, Split, find_pairs
from sesr.errors import DataError

DIV2K = "div2k"
"""Name that stands for the downloaded set."""


@dataclass(frozen=True)
class Sources:
    """Folders of pictures (`sesr.data.pairs`), or ``div2k``.

    Attributes:
        data: pictures to train on.
        validation: pictures to measure with on the way: one set or several, each of which is measured by itself. A set
            is a folder, or some of its pictures by a pattern of their file names: ``crops/bsds_*``. None measures
            nothing.
    """

    data: str
    validation: str | Sequence[str] | None = None

    def check(self, scale: int) -> None:
        """Raise `DataError` if a folder has no pictures for this scale."""
        if self.data != DIV2K:
            find_pairs(Path(self.data), scale)
        for source in self.sets().values():
            if source != DIV2K:
                find_set(Path(source), scale)

    def sets(self) -> dict[str, str]:
        """Return the validation sets by short names, no two alike: ``bsds`` for ``crops/bsds_*``."""
        several = self.validation or ()
        named: dict[str, str] = {}
        for source in [several] if isinstance(several, str) else several:
            short = name = _short_name(source)
            number = 1
            while name in named:
                number += 1
                name = f"{short} {number}"
            named[name] = source
        return named


def _short_name(source: str) -> str:
    if source == DIV2K:
        return source
    folder, pattern = _split_pattern(Path(source))
    return (pattern or "").strip("*?[]_-. ") or folder.resolve().name


def _split_pattern(source: Path) -> tuple[Path, str | None]:
    """Return a set's folder, and its pattern of file names if it has one."""
    if source.exists() or not set("*?[") & set(source.name):
        return source, None
    return source.parent, source.name


def find_set(source: Path, scale: int) -> list[Pair]:
    """Find the pictures of a validation set, a folder or a pattern. Raises `DataError` if there are none."""
    folder, pattern = _split_pattern(source)
    pairs = find_pairs(folder, scale, "validation")
    if pattern is None:
        return pairs
    matching = [pair for pair in pairs if fnmatch(pair.hr.name, pattern)]
    if not matching:
        raise DataError(f"{source}: no file name of the {len(pairs)} images in {folder} matches; change the pattern")
    return matching


def source_folder(name: str, split: Split, scale: int, cache: Path | None) -> Path:
    """Return the folder that a source's name stands for, with its pattern if it has one.

    DIV2K is downloaded into the cache if it is not there yet. None means the user's cache folder.
    """
    return fetch_div2k(split, scale, cache or default_cache()) if name == DIV2K else Path(name)
