"""Timestamps of frames that rise, whatever the film says."""

from av import VideoFrame

from sesr.video.events import Faults
from sesr.video.info import FilmInfo


class Clock:
    """Gives every frame a timestamp in the film's time base that is later than the last.

    Attributes:
        faults: where frames without a usable timestamp are counted.
        last: timestamp of the last frame; None before the first.
    """

    def __init__(self, info: FilmInfo, faults: Faults) -> None:
        self._info, self.faults = info, faults
        self.last: int | None = None

    def stamp(self, frame: VideoFrame) -> int:
        """Set the frame's timestamp, time base and, where that is missing, duration. Returns the timestamp."""
        base, pts = self._info.time_base, frame.pts
        if pts is not None and frame.time_base and frame.time_base != base:
            pts = round(pts * frame.time_base / base)
            frame.duration = round(frame.duration * frame.time_base / base)
        if pts is None or (self.last is not None and pts <= self.last):
            self.faults.untimed += 1
            pts = 0 if self.last is None else self.last + self._step(pts)
        frame.pts, frame.time_base = pts, base
        frame.duration = frame.duration or self._info.tick
        self.last = pts
        return pts

    def _step(self, pts: int | None) -> int:
        """Return the distance from the last frame for one without a timestamp, or with one that is too early.

        Half of the usual one leaves room for the next frame. Far too early is the beginning of another recording.
        """
        tick = self._info.tick
        beside = pts is not None and self.last is not None and self.last - pts <= tick
        return max(1, tick // 2) if beside else tick
