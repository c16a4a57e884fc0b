"""The things that reading a film yields: frames, packets of other streams, and faults that were met on the way."""

from dataclasses import dataclass
from typing import TypeAlias

from av import Packet, VideoFrame
from av.stream import Stream

Event: TypeAlias = "VideoFrame | Packet[Stream]"
"""A decoded frame of the video, or a packet of another stream."""


@dataclass
class Faults:
    """Faults of a film, counted while it is read.

    Attributes:
        damaged: frames that were decoded with errors.
        undecoded: packets of video that could not be decoded.
        cut: True if the file ended with an error.
        resized: frames of another size, pixel format or range than the first.
        untimed: frames without a timestamp, or with one that is not later than the last.
        interlaced: frames flagged as interlaced, next to damage and so not believed.
    """

    damaged: int = 0
    undecoded: int = 0
    cut: bool = False
    resized: int = 0
    untimed: int = 0
    interlaced: int = 0

    def notes(self) -> list[str]:
        """Return a short remark on each kind that occurred."""
        remarks = [
            (self.damaged, "damaged frames enlarged as they were decoded"),
            (self.undecoded, "packets of video could not be decoded"),
            (self.resized, "frames of another size, pixel format or range converted to the first one's"),
            (self.untimed, "frames without a usable timestamp got one"),
            (
                self.interlaced,
                "frames next to damage, flagged as interlaced, were not deinterlaced",
            ),
        ]
        notes = [f"{count} {text}" for count, text in remarks if count]
        return [*notes, "the file ends in the middle"] if self.cut else notes
