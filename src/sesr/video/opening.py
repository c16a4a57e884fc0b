"""Opens films: what is none is refused in one line, and the video is found among the streams."""

from pathlib import Path

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from sesr.errors import VideoError
from sesr.video.frames import alpha_refusal
from sesr.video.library import reading

STREAM = "-"
"""The name of stdin and stdout."""

_ALPHA_APART = ("vp8", "vp9")
"""Codecs whose alpha lies next to their packets, so that decoded frames show nothing of it."""


def open_film(place: str | Path) -> InputContainer:
    """Open a film. Raises `VideoError`, which names it."""
    name = str(place)
    if name != STREAM:
        _check_file(Path(place))
    with reading(name):
        container = av.open("pipe:0" if name == STREAM else str(place), metadata_errors="replace")
    kinds = container.format.name
    if kinds == "tty":
        container.close()
        raise VideoError(f"{name}: text, not a film; name a film")
    if kinds in ("gif", "apng"):
        container.close()
        raise VideoError(f"{name}: an animation, not a film; sesr upscale enlarges animations")
    if kinds == "image2" or kinds.endswith("_pipe"):
        container.close()
        raise VideoError(f"{name}: a picture, not a film; sesr upscale enlarges pictures")
    return container


def _check_file(path: Path) -> None:
    if path.is_dir():
        raise VideoError(f"{path}: a folder; name a film in it")
    if path.is_file() and not path.stat().st_size:
        raise VideoError(f"{path}: an empty file; copy the film again")
    if path.exists() and not path.is_file():
        raise VideoError(f"{path}: a pipe, which cannot be read twice; use - and redirect it: sesr video - OUT < PIPE")


def video_of(container: InputContainer, name: str) -> VideoStream:
    """Return the film itself: the default video stream, or the first, and never a cover picture."""
    videos = container.streams.video
    films = [stream for stream in videos if not stream.disposition & Disposition.attached_pic]
    if not films:
        found = "sound and a cover picture" if videos else "no video" if container.streams else "no streams"
        raise VideoError(f"{name}: holds {found}, nothing to enlarge; name a film")
    chosen = next((stream for stream in films if stream.disposition & Disposition.default), films[0])
    if chosen.codec_context is None:
        raise VideoError(f"{name}: its video codec is unknown; convert it by FFmpeg first")
    codec = chosen.codec_context.codec.canonical_name
    if codec in _ALPHA_APART and chosen.metadata.get("alpha_mode") == "1":
        raise VideoError(f"{name}: {alpha_refusal(codec)}")
    return chosen
