"""Positions of a stream's chroma samples, which PyAV has no attribute for.

FFmpeg knows them: from the stream's own tags (H.264, HEVC), from its container (Y4M), or because the codec leaves no
choice (MPEG-1, MPEG-2, JPEG). It names them in the lines that `ffmpeg -v verbose` prints about a file, and PyAV hands
these out: ``yuv420p(tv, bt709, left)``.
"""

import re
from threading import Lock

from av import logging
from av.container import InputContainer

from sesr.video.planes import ChromaSiting

_STREAM = re.compile(r"^\s*Stream #\d+:(?P<index>\d+)[^\n]*?: Video: (?P<text>[^\n]*)$", re.MULTILINE)
_PIXELS = re.compile(r"\b(?:yuv|nv|p\d)\w*\((?P<tags>[^)]*)\)")
_LOGGING = Lock()


def chroma_siting(container: InputContainer, index: int) -> ChromaSiting | None:
    """Return where the chroma of a stream lies; None if FFmpeg does not know.

    Args:
        container: an open file.
        index: the video stream's `index`.

    Video without such a tag is nearly always `ChromaSiting.LEFT`. FFmpeg's log is more verbose for a moment, in all
    threads.
    """
    for stream in _STREAM.finditer(_report(container)):
        if int(stream["index"]) == index:
            pixels = _PIXELS.search(stream["text"])
            names = re.split(r"[,\s]+", pixels["tags"]) if pixels else []
            return next((siting for siting in ChromaSiting if siting.value in names), None)
    return None


def _report(container: InputContainer) -> str:
    """Return FFmpeg's description of a file, as it is at level "verbose"."""
    with _LOGGING:
        level = logging.get_level()
        logging.set_level(logging.VERBOSE)
        logging.set_libav_level(logging.VERBOSE)
        try:
            report: str = container.dumps_format()  # type: ignore[attr-defined]
            return report
        finally:
            logging.set_libav_level(_PLAIN)
            logging.set_level(level)


_PLAIN = logging.INFO
"""FFmpeg's own level unless somebody changes it."""
