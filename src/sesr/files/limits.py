"""Limits that protect a machine: on a picture's size, on the memory that it may take, on an animation's frames."""

import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Lock

from PIL import Image

from sesr.errors import PictureError
from sesr.memory import free_memory, gigabytes

PIXEL_LIMIT = 500_000_000
"""Pixels that a picture may have, unless the caller says otherwise. A larger claim is more likely damage or malice."""

MOST_FRAMES = 50_000
"""Frames that an animation may have: half an hour at 25 a second."""


def check_size(path: Path, width: int, height: int, pixel_limit: int) -> None:
    """Raise `PictureError` for a picture without pixels, or with more than `pixel_limit`."""
    if width < 1 or height < 1:
        raise PictureError(f"{path}: {width} x {height} pixels, there is nothing to enlarge; export it again")
    if width * height > pixel_limit:
        limit = f"the limit is {pixel_limit / 1e6:g} megapixels; cut it into parts, or raise it with --max-megapixels"
        raise PictureError(f"{path}: {width} x {height} pixels, too large; {limit}")


def check_memory(path: Path, size: int, what: str) -> None:
    """Raise `PictureError` if `size` bytes are more than are free."""
    free = free_memory()
    if free is not None and size > free:
        raise PictureError(f"{path}: {gigabytes(size)} of memory are needed and {gigabytes(free)} are free, {what}")


class _Guards:
    """Pillow's size limit and Python's warnings, which are the whole process's. They are off while any thread reads."""

    def __init__(self) -> None:
        self._lock, self._threads, self._restore = Lock(), 0, ExitStack()

    def off(self) -> None:
        with self._lock:
            if not self._threads:
                self._restore.enter_context(warnings.catch_warnings())
                self._restore.callback(setattr, Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)
                Image.MAX_IMAGE_PIXELS = None
                warnings.simplefilter("ignore")
            self._threads += 1

    def on(self) -> None:
        with self._lock:
            self._threads -= 1
            if not self._threads:
                self._restore.close()


_GUARDS = _Guards()


@contextmanager
def unguarded_pillow() -> Iterator[None]:
    """Switch off Pillow's own size limit, which ours replaces, and its warnings about odd metadata.

    Several threads may be inside at once; the last one to leave restores both.
    """
    _GUARDS.off()
    try:
        yield
    finally:
        _GUARDS.on()
