"""Settings of `sesr video`, and reports on what became of a film."""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal, TypeAlias

from sesr.inference.sizes import Size
from sesr.network.variants import DEFAULT_NETWORK

Deinterlace: TypeAlias = bool | Literal["all"]
"""Frames to deinterlace: none, those that are flagged as interlaced, or all, for films whose flags are missing."""

SEGMENT = 240
"""Frames of a segment: what an interrupted run loses at most."""


@dataclass(frozen=True)
class Settings:
    """How to enlarge a film.

    Attributes:
        model: name of a network, or a network's file.
        size: wanted size; None doubles.
        int8: True for the int8 network of that name, False for the float one; None takes int8 where there is one.
        photo: take the network for compressed pictures.
        codec, crf, preset: see `sesr.video.encoders.choose`.
        start: seconds at which to begin.
        duration: seconds to enlarge; None for all.
        centered: take them from the middle of the film instead.
        deinterlace: make whole frames of those that are flagged as interlaced, or of "all".
        still: reuse what did not change since the frame before; the result is the same.
        drop: leave out streams that the container cannot hold.
        threads: processor threads, of the networks and of the encoder; None takes as many as the process may use.
        segment: frames of a segment.
    """

    model: str = DEFAULT_NETWORK
    size: Size | None = None
    int8: bool | None = None
    photo: bool = False
    codec: str | None = None
    crf: int | None = None
    preset: str | None = None
    start: Fraction = Fraction(0)
    duration: Fraction | None = None
    centered: bool = False
    deinterlace: Deinterlace = False
    still: bool = True
    drop: bool = False
    threads: int | None = None
    segment: int = SEGMENT

    @property
    def stop(self) -> Fraction | None:
        """Second at which to end; None for the end of the film."""
        return None if self.duration is None else self.start + self.duration


@dataclass(frozen=True)
class Progress:
    """How far a film is.

    Attributes:
        frames: frames of the new film that are encoded.
        of: about how many it will have; None where nothing tells.
        seconds: length of what is encoded.
        size: bytes so far.
    """

    frames: int
    of: int | None
    seconds: float
    size: int


Watch = Callable[[Progress], object]
"""Called after each frame."""


@dataclass(frozen=True)
class Plan:
    """A job as it is announced before the work.

    Attributes:
        source_size, target_size: (width, height).
        codec: codec and quality, for people.
        frames: about how many there are; None where nothing tells.
        done: how many of them an earlier run finished.
        disk: about how many bytes the work needs in its last moment; None where nothing tells.
        free: bytes that are free where they are needed; None where nothing tells.
        reread: True if what an earlier run finished is decoded again, since no keyframe leads exactly behind it.
        lost: what the new film has no place for.
        limits: a line about what stdout's container cannot carry, whatever is in the film; empty for files.
        unflagged: True if interlaced frames are to be deinterlaced, but none of the first few is flagged as interlaced.
    """

    source_size: tuple[int, int]
    target_size: tuple[int, int]
    codec: str
    frames: int | None
    done: int
    disk: int | None
    free: int | None
    reread: bool
    lost: tuple[str, ...]
    limits: str = ""
    unflagged: bool = False


@dataclass(frozen=True)
class Report:
    """A job as it ended.

    Attributes:
        target: the file that was written; None for a pipe.
        frames: its frames.
        seconds: its length.
        size: its bytes.
        notes: remarks on faults of the source.
        lost: what the new film has no place for.
        already: True if the file was there already, whole, from a run that was killed in its last moment.
    """

    target: Path | None
    frames: int
    seconds: float
    size: int
    notes: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    already: bool = False
