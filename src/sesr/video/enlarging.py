"""The networks for a film, made ready for the frames that its reader gives."""

from dataclasses import dataclass

from sesr.errors import SesrError
from sesr.video.frames import FrameUpscaler, format_of
from sesr.video.planes import ChromaSiting, PlaneFormat
from sesr.video.settings import Settings
from sesr.video.source import Reader
from sesr.video.upscaler import VideoUpscaler


@dataclass(frozen=True)
class Enlarging:
    """A film's networks.

    Attributes:
        frames: what enlarges frames.
        target: format of the results.
    """

    frames: FrameUpscaler
    target: PlaneFormat


def prepare(reader: Reader, settings: Settings) -> Enlarging:
    """Make the networks ready. Raises `VideoError` for pixel formats that they cannot enlarge, which names the film."""
    try:
        source = format_of(reader.first, reader.info.siting or ChromaSiting.LEFT)
    except SesrError as error:
        raise type(error)(f"{reader.name}: {error}") from error
    upscaler = VideoUpscaler(
        source, model=settings.model, size=settings.size, int8=settings.int8, photo=settings.photo, threads=1
    )
    return Enlarging(FrameUpscaler(upscaler, still=settings.still), upscaler.target)
