"""Enlarges a film file into another: in segments that survive an interruption, joined at the end.

    film = Film(Path("film.mkv"), Path("film_x2.mkv"), Settings())
    print(film.plan)
    report = film.run()

Everything that can be refused is refused by `Film(...)`: see `sesr.video.source`, `sesr.video.containers` and
`sesr.video.encoders`. `Film.run` may be interrupted at any time; the next run of the same job continues. The new film
appears whole, under its name, or not at all. `Film.save_partial` makes a playable film of what is finished.
"""

import shutil
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import replace
from fractions import Fraction
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Self

import av
from av import VideoFrame
from av.container import OutputContainer

from sesr.atomic import check_writable, remove_abandoned, writing
from sesr.errors import UsageError, VideoError
from sesr.network.zoo import is_file
from sesr.processors import available_threads
from sesr.video.containers import carried, format_of_suffix
from sesr.video.deinterlacing import InterlacedError
from sesr.video.encoders import Encoding, add_video, choose, lost_brightness
from sesr.video.enlarging import Enlarging, prepare
from sesr.video.info import FilmInfo
from sesr.video.joining import Joining
from sesr.video.library import filling
from sesr.video.pipeline import upscaled
from sesr.video.planes import PlaneFormat
from sesr.video.segments import FORMAT, NUMBERED, SegmentFolder, already_there, is_joined, packets_in
from sesr.video.settings import Plan, Progress, Report, Settings, Watch
from sesr.video.source import Mark, Reader

_TWICE = 2
"""Copies of the new video that are on the disk while segments are joined."""

_MISSING_SECONDS, _MISSING_SHARE = 0.5, 0.05
"""How much earlier than the file says a video may end: sound is often a little longer."""


class Film:
    """A film that is going to be enlarged.

    Args:
        source: the film.
        target: the new film; its suffix names the container.
        settings: how to do it.
        overwrite: replace the target, and throw away segments of another job.

    A target that is whole already, of the same job, is found by what a killed run left next to it. `run` then removes
    that, and does nothing else.

    Attributes:
        plan: what is going to be done.
        encoded: True once all frames are encoded, and only joining is left.
        whole: True if the new film is there already.

    Raises `VideoError` and `UsageError` for all that cannot work.
    """

    encoded = False

    def __init__(self, source: Path, target: Path, settings: Settings, *, overwrite: bool = False) -> None:
        self.source, self.target, self.settings = source, target, settings
        self._overwrite, self._format = overwrite, format_of_suffix(target)
        check_target(source, target, overwrite or is_joined(target))
        self._reader = Reader(source, deinterlace=settings.deinterlace, threads=settings.threads)
        try:
            self.info = self._reader.info
            self.settings = settings = placed(settings, self.info, str(source))
            self._enlarging: Enlarging = prepare(self._reader, settings)
            self._encoding: Encoding = choose(
                self._enlarging.frames.pixel_format,
                self._enlarging.target,
                self._format,
                name=settings.codec,
                crf=settings.crf,
                preset=settings.preset,
            )
            container = self._reader.container
            self._carried = carried(container, self.info.index, str(target), self._format, drop=settings.drop)
            threads = settings.threads or available_threads()
            self._segments = SegmentFolder(target, self._job(), threads, anew=overwrite)
        except BaseException:
            self._reader.close()
            raise
        try:
            self.whole = self._segments.joined
            self._marks: dict[int, Mark] = {}
            self._notes: list[str] = []
            self._rest = self._continued()
            self.plan = self._plan()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the source, and let other processes work on the target."""
        self._reader.close()
        self._segments.close()

    def run(self, watch: Watch | None = None) -> Report:
        """Enlarge the film. `watch` is called after each frame. Raises `VideoError`, `EngineError`.

        An interlaced frame that is not to be deinterlaced ends the film; what is finished becomes a partial one.
        """
        if not self.whole:
            try:
                self._encode(watch)
            except InterlacedError as error:
                raise self._given_up(error) from error
            self.encoded = True
            if not self._segments.finished:
                raise VideoError(f"{self.source}: no frame lies in that part of the film; check --start")
            self._join(self.target)
        notes = (*self._reader.notes(), *self._notes, *self._missing())
        size = self.target.stat().st_size
        report = Report(self.target, self._segments.frames, self._length(), size, notes, self.plan.lost, self.whole)
        self._segments.remove()
        return report

    def save_partial(self) -> Report | None:
        """Join what is finished into a film called ``name.partial.mkv``. Returns None if nothing is."""
        if not self._segments.finished:
            return None
        partial = self.target.with_name(f"{self.target.stem}.partial{self.target.suffix}")
        if partial.exists() and partial.samefile(self.source):
            partial = partial.with_stem(f"{partial.stem}.partial")
        self._join(partial, cut=True)
        return Report(partial, self._segments.frames, self._length(), partial.stat().st_size)

    def _given_up(self, error: InterlacedError) -> VideoError:
        """Save what is finished, and remove its segments, since no rerun would get beyond that frame.

        Returns the error with the place of the partial film.
        """
        partial = self.save_partial()
        self._segments.remove()
        return error if partial is None else VideoError(f"{error}. What comes before it is in {partial.target}")

    def _continued(self) -> Iterator[VideoFrame] | None:
        """Return the frames after those that an earlier run finished; None if they are to be counted off."""
        mark = self._segments.finished[-1].mark if self._segments.finished else None
        if mark is None:
            return None
        if self.whole:
            self._reader.faults = mark.faults
            return iter(())
        return self._reader.frames_after(mark, self.settings.stop)

    def _wanted(self) -> Iterator[VideoFrame]:
        """Yield the frames that are missing, and mark the last one of each segment."""
        number, frames = self._segments.frames, self._rest
        last: VideoFrame | None = None
        if frames is None:
            frames = islice(self._reader.frames(self.settings.start, self.settings.stop), number, None)
        for last in frames:
            number += 1
            if number % self.settings.segment == 0:
                self._marks[number] = self._reader.marked(last)
            yield last
        if last is not None:
            self._marks[number] = self._reader.marked(last)

    def _encode(self, watch: Watch | None) -> None:
        workers = self.settings.threads or available_threads()
        with filling(str(self.target)), closing(upscaled(self._wanted(), self._enlarging.frames, workers)) as frames:
            while (first := next(frames, None)) is not None:
                self._encode_segment(first, frames, watch)

    def _encode_segment(self, first: VideoFrame, rest: Iterator[VideoFrame], watch: Watch | None) -> None:
        pts: list[int] = []
        last = 0
        before = self._segments.frames
        begin = self._segments.finished[0].pts[0] if self._segments.finished else first.pts
        with (
            self._segments.writing() as path,
            av.open(str(path), "w", format=FORMAT) as container,
        ):
            video = _Numbered(container, self._encoding, self.info, self._enlarging.target, self._segments.threads)
            frame: VideoFrame | None = first
            while frame is not None:
                assert frame.pts is not None
                pts.append(frame.pts)
                last = frame.duration or self.info.tick
                video.put(frame)
                if watch is not None:
                    seconds = float((pts[-1] + last - (begin or 0)) * self.info.time_base)
                    watch(Progress(before + len(pts), self.plan.frames, seconds, self._segments.size + _size(path)))
                frame = next(rest, None) if len(pts) < self.settings.segment else None
            video.end()
        self._segments.finish(pts, last, video.late, self._marks.pop(before + len(pts)))

    def _join(self, target: Path, *, cut: bool = False) -> None:
        """Join segments, and copy everything else of the film. `cut` ends the rest where the video ends."""
        joining = Joining(self.source, self.info, self._encoding, self._format, self._carried.kept, self.settings.start)
        end = self._end() if cut or self.settings.duration is not None else None
        with filling(str(target)), writing(target, overwrite=self._overwrite or cut) as path:
            self._notes = joining.write(self._segments, path, end)
            if self._notes and packets_in(path) != self._segments.frames:
                raise VideoError(f"{target}: its container refuses the video too; end its name in .mkv, or use --drop")
            if not cut:
                self._segments.mark_joined(path)

    def _missing(self) -> list[str]:
        """Return a remark if the video ends long before the file says; many a film that is cut off shows no other."""
        wanted, end = self.info.duration, self._end() - float(self.info.begin)
        if wanted is None or self.settings.duration is not None:
            return []
        if wanted - end <= max(_MISSING_SECONDS, _MISSING_SHARE * wanted):
            return []
        return [f"the file says that it lasts {wanted:.1f} s, but its video ends at {end:.1f} s"]

    def _end(self) -> float:
        """Return the second of the film at which the finished segments end, on its own clock."""
        last = self._segments.finished[-1]
        return float((last.pts[-1] + last.last) * self.info.time_base)

    def _length(self) -> float:
        """Return the seconds of the finished segments."""
        return self._end() - float(self._segments.finished[0].pts[0] * self.info.time_base)

    def _plan(self) -> Plan:
        info, target = self.info, self._enlarging.target
        frames = expected_frames(info, self.settings)
        disk = None
        if frames is not None:
            video = round(frames * target.width * target.height * self._encoding.bits / 8)
            disk = _TWICE * video + (self.source.stat().st_size if self._carried.kept else 0)  # what is copied is less
        free = shutil.disk_usage(self.target.absolute().parent).free
        return Plan(
            (info.width, info.height),
            (target.width, target.height),
            self._encoding.label,
            frames,
            self._segments.frames,
            disk,
            free,
            bool(self._segments.finished) and self._rest is None,
            (*self._carried.lost, *lost_brightness(self.info, self._encoding)),
            unflagged=self._reader.unflagged,
        )

    def _job(self) -> dict[str, object]:
        """Return all that the segments' bytes depend on, but the encoder's threads."""
        settings, source = self.settings, self.source.stat()
        encoding, target = self._encoding, self._enlarging.target
        return {
            "version": version("sesr"),
            "source": [str(self.source.resolve()), source.st_size, source.st_mtime_ns],
            "model": [*_identity(settings.model), settings.int8, settings.photo],
            "size": [target.width, target.height],
            "codec": [encoding.name, encoding.crf, encoding.preset, encoding.pixel_format],
            "start": str(settings.start),
            "duration": str(settings.duration),
            "deinterlace": settings.deinterlace,
            "segment": settings.segment,
            "pyav": version("av"),
        }


def _identity(model: str) -> list[object]:
    """Return a network's name, and for a file its size and time too."""
    if not is_file(model):
        return [model]
    found = Path(model).stat()
    return [str(Path(model).resolve()), found.st_size, found.st_mtime_ns]


def placed(settings: Settings, info: FilmInfo, name: str) -> Settings:
    """Return the settings with a beginning such that what is wanted lies in the middle, if that is asked for.

    Raises `UsageError`, which names the film, where the beginning lies behind its end.
    """
    if settings.start and info.duration is not None and settings.start >= info.duration:
        raise UsageError(f"{name}: lasts {info.duration:.1f} s; check --start")
    if not settings.centered or settings.duration is None or info.duration is None:
        return settings
    begin = max(Fraction(0), (Fraction(round(info.duration * 1000), 1000) - settings.duration) / 2)
    return replace(settings, start=begin)


def expected_frames(info: FilmInfo, settings: Settings) -> int | None:
    """Return about how many frames the part has that is wanted; None if nothing tells."""
    wanted = None if settings.duration is None else max(1, round(settings.duration * info.rate))
    if info.frames is None:
        return wanted
    left = max(1, info.frames - int(settings.start * info.rate))
    return left if wanted is None else min(left, wanted)


def check_target(source: Path, target: Path, overwrite: bool) -> None:
    """Raise an error if the target cannot be written, before any work."""
    if target.exists() and source.exists() and target.samefile(source):
        raise UsageError(f"{target}: the film itself; name another file for the result")
    if target.exists() and not target.is_dir() and not overwrite:
        remove_abandoned(target.parent)
        raise already_there(target)
    try:
        check_writable(target)
    except OSError as error:
        raise VideoError(
            f"{target}: cannot be written ({error.strerror}); check the place and its permissions"
        ) from error


class _Numbered:
    """Encodes a segment's frames, and stores packets under their frame's number in place of a time.

    Attributes:
        late: see `sesr.video.segments.Segment`.
    """

    def __init__(
        self, container: OutputContainer, encoding: Encoding, info: FilmInfo, planes: PlaneFormat, threads: int
    ) -> None:
        self._container, self._encoding = container, encoding
        self._stream = add_video(container, encoding, info, planes, info.rate, threads)
        self._frames = self._packets = self.late = 0

    def put(self, frame: VideoFrame) -> None:
        """Encode a frame."""
        frame = self._encoding.taken(frame)
        frame.pts, frame.time_base, frame.duration = self._frames, self._stream.codec_context.time_base, 1
        self._frames += 1
        self._mux(frame)

    def end(self) -> None:
        """Encode what the encoder still holds."""
        self._mux(None)

    def _mux(self, frame: VideoFrame | None) -> None:
        for packet in self._stream.encode(frame):
            self.late = max(self.late, self._packets - (packet.pts or 0))
            self._packets += 1
            packet.time_base = NUMBERED
            self._container.mux(packet)


def _size(path: Path) -> int:
    with suppress(OSError):
        return path.stat().st_size
    return 0
