"""Segments: pieces of the new video next to its target, from which an interrupted run continues.

A film takes hours, and a power cut in the last one must not cost them all. So the video is encoded in segments of a
fixed number of frames, each by an encoder of its own, into a folder next to the target:

    film_x2.mkv.segments/
        job.json      what was asked for, and the film that it was asked of; the encoder's threads
        00000.mkv     frames 0 to 239, whole or not there
        00000.json    their timestamps, and a mark to continue after; written last, so a segment with it is finished
        ...
        joined.json   size and time of the whole film; written just before the film gets its name

Cuts depend on frame numbers alone, and a segment on nothing before it. So an interrupted run that continues gives the
same bytes as one that was never interrupted. An encoder's bytes depend on its threads too, so a run keeps to the number
that it began with, whatever is asked for when it continues. At the end the segments are joined packet by packet, and
the folder goes.

A process that is killed between the two leaves both the film and the folder. `is_joined` recognizes that by the
folder's `joined.json`, and the next run removes the folder.

Matroska rounds timestamps to milliseconds, so a segment's packets hold the frame's number in their place, and the JSON
holds the timestamps. Decoding timestamps are not kept at all: packets come in decoding order, and packet j gets the
timestamp of frame j - d, where d is the largest number of packets by which a frame comes late.
"""

import json
import os
import sys
from array import array
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
from av import Packet
from av.video.stream import VideoStream

from sesr.atomic import remove_folder, sync, writing
from sesr.errors import VideoError
from sesr.video.events import Faults
from sesr.video.source import Mark

if sys.platform != "win32":
    import fcntl

SUFFIX = ".segments"
_JOINED = "joined.json"
NUMBERED = Fraction(1, 1000)
"""Time base of a segment, in which a frame's number counts."""

FORMAT = "matroska"


@dataclass(frozen=True)
class Segment:
    """A finished segment.

    Attributes:
        path: its Matroska file.
        pts: timestamps of its frames, in the film's time base, rising.
        last: duration of the last frame.
        late: largest number of packets by which a frame comes later in decoding order than in time.
        mark: the last frame of the source that is in it; None for segments of earlier versions.
        size: bytes of the file.
    """

    path: Path
    pts: tuple[int, ...]
    last: int
    late: int
    mark: Mark | None
    size: int


@dataclass(frozen=True)
class Timed:
    """A packet of the new video and its true times, in the film's time base."""

    packet: "Packet[VideoStream]"
    pts: int
    dts: int
    duration: int


class SegmentFolder:
    """The folder of a target's segments.

    Args:
        target: the new film.
        job: what is asked for. Everything that the segments' bytes depend on must be in it, but the encoder's threads.
        threads: threads of the encoder, for a run that begins.
        anew: throw away the segments of another job, instead of refusing, and those of a target that is whole.

    Attributes:
        finished: segments that are there, from the film's beginning on, without a gap.
        joined: True if the target is there and was made of them: see `is_joined`.
        threads: threads of the encoder, as the run began.

    Raises `VideoError` where segments of another job lie there, another job's target is whole, or another process
    works there.
    """

    def __init__(self, target: Path, job: dict[str, object], threads: int, *, anew: bool = False) -> None:
        self._target, self.path = target, target.with_name(target.name + SUFFIX)
        self._job, self.threads = json.loads(json.dumps(job)), threads
        self.finished: list[Segment] = []
        self.joined = self._begun = False
        self._lock: int | None = None
        try:
            self._begin(anew)
        except BaseException:
            self.close()
            raise

    @property
    def frames(self) -> int:
        """Number of frames that are finished."""
        return sum(len(segment.pts) for segment in self.finished)

    @property
    def size(self) -> int:
        """Bytes of the finished segments."""
        return sum(segment.size for segment in self.finished)

    def _begin(self, anew: bool) -> None:
        self._make_and_lock()
        note = self.path / "job.json"
        known = _read(note)
        begun_with = None if known is None else known.pop("threads", None)
        if is_joined(self._target):
            self.joined = known == self._job and not anew
            if not self.joined:
                known = None
            if not self.joined and not anew:
                self.remove()
                raise already_there(self._target)
        elif known is not None and known != self._job:
            if not anew:
                changed = ", ".join(key for key in self._job if known.get(key) != self._job[key])
                raise VideoError(
                    f"{self.path}: holds a run with other settings ({changed or 'more of them'}); "
                    "repeat those to continue it, or add --overwrite to begin anew"
                )
            known = None
        if known is None:
            for left in self.path.iterdir():
                left.unlink()
            self._write(note, self._job | {"threads": self.threads})
        elif isinstance(begun_with, int):
            self.threads = begun_with
        self._begun = True
        self._find_finished()

    def _make_and_lock(self) -> None:
        self.path.mkdir(exist_ok=True)
        if sys.platform == "win32":
            return
        self._lock = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise VideoError(f"{self._target}: another process is writing it; wait for it, or stop it") from None
        except OSError:  # some network drives know no locks
            pass
        if not self._is_there():  # a process that ended just now has removed it
            self._unlock()
            self._make_and_lock()

    def _is_there(self) -> bool:
        """Tell whether the folder that is locked is the one that has the name."""
        with suppress(FileNotFoundError):
            return self._lock is not None and os.path.samestat(os.fstat(self._lock), self.path.stat())
        return False

    def _find_finished(self) -> None:
        while (known := _read(self._note(len(self.finished)))) is not None:
            path = self._movie(len(self.finished))
            pts = known.get("pts")
            if not isinstance(pts, list) or packets_in(path) != len(pts):
                break
            last, late = (int(str(known[name])) for name in ("last", "late"))
            self.finished.append(Segment(path, tuple(pts), last, late, _mark(known), path.stat().st_size))

    @contextmanager
    def writing(self) -> Iterator[Path]:
        """Yield a path for the next segment's Matroska file, which appears when the body ends. Then call `finish`."""
        with writing(self._movie(len(self.finished))) as temporary:
            yield temporary

    def finish(self, pts: list[int], last: int, late: int, mark: Mark) -> None:
        """Declare the segment that was just written finished. See `Segment`."""
        path = self._movie(len(self.finished))
        sync(path)
        self._write(self._note(len(self.finished)), {"pts": pts, "last": last, "late": late, "mark": asdict(mark)})
        self.finished.append(Segment(path, tuple(pts), last, late, mark, path.stat().st_size))

    def packets(self) -> Iterator[Timed]:
        """Yield the packets of all finished segments in decoding order, with their times."""
        pts = array("q", (time for segment in self.finished for time in segment.pts))
        pts.append(pts[-1] + self.finished[-1].last)  # where a further frame would begin
        late = max(segment.late for segment in self.finished)
        step = min(b - a for a, b in pairwise(pts[: len(self.finished[0].pts) + 1]))
        number, first = 0, 0
        for segment in self.finished:
            with av.open(str(segment.path)) as container:
                for packet in container.demux(container.streams.video[0]):
                    if not packet.size or packet.pts is None:
                        continue
                    frame, early = first + packet.pts, number - late
                    dts = pts[early] if early >= 0 else pts[0] + early * step
                    yield Timed(packet, pts[frame], dts, pts[frame + 1] - pts[frame])
                    number += 1
            first += len(segment.pts)

    def mark_joined(self, film: Path) -> None:
        """Note that a file is the whole film, just before it is renamed to the target. See `is_joined`."""
        sync(film)
        self._write(self.path / _JOINED, _identity(film) or {})

    def remove(self) -> None:
        """Remove the folder, when the film is whole."""
        sync(self._target)
        remove_folder(self.path)
        self._begun = False
        self._unlock()

    def close(self) -> None:
        """Let other processes work on the target; a folder without a finished segment goes."""
        if self._begun and not self.finished:
            remove_folder(self.path)
        self._begun = False
        self._unlock()

    def _unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _movie(self, number: int) -> Path:
        return self.path / f"{number:05}.mkv"

    def _note(self, number: int) -> Path:
        return self.path / f"{number:05}.json"

    def _write(self, path: Path, content: dict[str, object]) -> None:
        with writing(path) as temporary:
            temporary.write_text(json.dumps(content), encoding="utf-8")


def is_joined(target: Path) -> bool:
    """Tell whether a target is whole, and has its folder only because a process was killed before it removed that."""
    found = _identity(target)
    return found is not None and found == _read(target.with_name(target.name + SUFFIX) / _JOINED)


def already_there(target: Path) -> VideoError:
    """Return the error about a target that must not be replaced."""
    return VideoError(f"{target}: exists already; name another file, or add --overwrite")


def _identity(path: Path) -> dict[str, object] | None:
    """Return what tells a file from others, and stays when it is renamed; None if there is no file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return {"size": found.st_size, "time": found.st_mtime_ns}


def _read(path: Path) -> dict[str, object] | None:
    """Return the content of a JSON file; None if it is missing or damaged."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def _mark(note: dict[str, object]) -> Mark | None:
    """Return the mark in a segment's note."""
    content = note.get("mark")
    if not isinstance(content, dict):
        return None
    return Mark(content["pts"], content["checksum"], Faults(**content["faults"]))


def packets_in(path: Path) -> int:
    """Return the number of packets of a film's video; -1 if it is missing or damaged."""
    try:
        with av.open(str(path)) as container:
            return sum(1 for packet in container.demux(container.streams.video[0]) if packet.size)
    except (av.FFmpegError, IndexError):
        return -1
