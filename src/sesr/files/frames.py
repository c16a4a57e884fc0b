"""Frames made ready for an animation's encoder: of one kind, with the times and the loop count that its format knows.

GIF knows time in hundredths of a second. So times are rounded where frames begin, not each by itself, and their sum
stays. Pillow merges a frame that equals the one before into its time.
"""

from collections.abc import Sequence
from itertools import accumulate, pairwise

from PIL import Image

from sesr.files.formats import FrameEncoding


def of_one_mode(pictures: tuple[Image.Image, ...]) -> tuple[Image.Image, ...]:
    """Convert frames, which may differ in mode in a GIF, to one mode: Pillow takes the first one's for all."""
    modes = {picture.mode for picture in pictures}
    if len(modes) == 1:
        return pictures
    mode = "RGBA" if modes & {"LA", "RGBA"} else "RGB"
    return tuple(picture.convert(mode) for picture in pictures)


def with_hard_edges(picture: Image.Image) -> Image.Image:
    """Make each pixel opaque or transparent, as GIF has them. Pillow would show the faintest pixel."""
    if picture.mode not in ("LA", "RGBA"):
        return picture
    cut = picture.convert("RGBA")
    cut.putalpha(cut.getchannel("A").point([0] * 128 + [255] * 128))
    return cut


def in_ticks(durations: Sequence[float], tick: float | None) -> list[float]:
    """Round times to whole ticks so that their sum stays the same but for half a tick; None leaves them."""
    if tick is None:
        return list(durations)
    ends = [round(end / tick) for end in accumulate(durations)]
    return [int((end - start) * tick) for start, end in pairwise([0, *ends])]


def loop_option(encoding: FrameEncoding, plays: int) -> dict[str, int]:
    """Return Pillow's loop count, in the format's way of counting; nothing for a GIF that plays once."""
    if not encoding.counts_repeats or plays == 0:
        return {"loop": plays}
    return {"loop": plays - 1} if plays > 1 else {}
