"""Sources of a run's pictures: folders, or DIV2K, which is downloaded."""

from dataclasses import dataclass
from pathlib import Path

from sesr.data.cache import default_cache
from sesr.data.div2k import fetch_div2k
from sesr.data.pairs import Split, find_pairs

DIV2K = "div2k"
"""Name that stands for the downloaded set."""


@dataclass(frozen=True)
class Sources:
    """Folders of pictures (`sesr.data.pairs`), or ``div2k``.

    Attributes:
        data: pictures to train on.
        validation: pictures to measure with on the way; None measures nothing.
    """

    data: str
    validation: str | None = None

    def check(self, scale: int) -> None:
        """Raise `DataError` if a folder has no pictures for this scale."""
        splits: dict[Split, str | None] = {"train": self.data, "validation": self.validation}
        for split, name in splits.items():
            if name not in (None, DIV2K):
                find_pairs(Path(name), scale, split)


def source_folder(name: str, split: Split, scale: int, cache: Path | None) -> Path:
    """Return the folder that a source's name stands for.

    DIV2K is downloaded into the cache if it is not there yet. None means the user's cache folder.
    """
    return fetch_div2k(split, scale, cache or default_cache()) if name == DIV2K else Path(name)
