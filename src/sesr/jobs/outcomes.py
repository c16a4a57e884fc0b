"""Outcomes: what became of each picture of a batch."""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Done:
    """A file that was upscaled; sizes, notes and losses are those of `sesr.inference.upscale.Upscaled`."""

    source: Path
    target: Path
    source_size: tuple[int, int]
    target_size: tuple[int, int]
    notes: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    page: int | None = None
    seconds: float = field(default=0.0, compare=False)


@dataclass(frozen=True)
class Skipped:
    """A file from a folder that an earlier run upscaled; `older` if the file was changed since."""

    source: Path
    target: Path
    older: bool = False
    page: int | None = None

    @property
    def reason(self) -> str | None:
        """Why somebody might want to look."""
        return "older than its picture" if self.older else None


@dataclass(frozen=True)
class Failed:
    """A file that was not upscaled, or a folder that cannot be looked into, and the one line why."""

    source: Path
    reason: str
    page: int | None = None
    seconds: float = field(default=0.0, compare=False)


Outcome = Done | Skipped | Failed
