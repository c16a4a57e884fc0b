"""libvips, set up for reading row by row in several threads.

libvips keeps one text for everything that goes wrong anywhere in the process. Where a reader needs to know what its own
decoder said, it reads `alone`; all others read `together`.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Literal

import pyvips

FailOn = Literal["error", "warning"]
Loader = Literal["heif", "jpeg", "png", "tiff"]

_BLOCK = 1 << 20

_turn = threading.Condition()
_readers = _waiting = 0


@contextmanager
def together() -> Iterator[None]:
    """Read while others read too. Not to be nested."""
    global _readers
    with _turn:
        _turn.wait_for(lambda: not _waiting)
        if not _readers:
            pyvips.vips_lib.vips_error_clear()  # warnings of pictures read before are not about the next one
        _readers += 1
    try:
        yield
    finally:
        with _turn:
            _readers -= 1
            _turn.notify_all()


@contextmanager
def alone() -> Iterator[None]:
    """Read while nobody else reads, so that `messages` are one's own."""
    global _waiting
    with _turn:
        _waiting += 1
        try:
            _turn.wait_for(lambda: not _readers)
            pyvips.vips_lib.vips_error_clear()
            yield  # with the lock held, nobody else begins
        finally:
            _waiting -= 1
            _turn.notify_all()


def messages() -> str:
    """Return what libvips has said since `alone` began."""
    text = pyvips.ffi.string(pyvips.vips_lib.vips_error_buffer())
    pyvips.vips_lib.vips_error_clear()
    return str(text.decode(errors="replace"))


class Extended:
    """A file `without` its last bytes, with some `more` at its end: those that the file itself may lack."""

    def __init__(self, path: Path, more: bytes, without: int = 0) -> None:
        self._path, self._more = path, more
        self._at, self._size = 0, path.stat().st_size - without
        self._block, self._block_at = b"", 0

    def source(self) -> "pyvips.SourceCustom":
        """Return a source of these bytes."""
        source = pyvips.SourceCustom()
        source.on_read(self._read)
        source.on_seek(self._seek)
        return source

    def _read(self, count: int) -> bytes:
        own = self._at < self._size
        found = self._own(count) if own else self._more[self._at - self._size :][:count]
        self._at += len(found)
        return found

    def _own(self, count: int) -> bytes:
        """Return bytes of the file, which is open for no longer than it takes to read a block.

        A decoder and its source refer to each other through Python, so nobody knows when they are gone.
        """
        if not 0 <= self._at - self._block_at < len(self._block):
            try:
                with self._path.open("rb", buffering=0) as file:
                    file.seek(self._at)
                    self._block, self._block_at = file.read(min(_BLOCK, self._size - self._at)), self._at
            except OSError:  # cannot be raised through the decoder, which then says that data are missing
                return b""
        start = self._at - self._block_at
        return self._block[start : start + count]

    def _seek(self, offset: int, whence: int) -> int:
        start = {0: 0, 1: self._at, 2: self._size + len(self._more)}[whence]
        self._at = max(start + offset, 0)
        return self._at


def open_image(
    loader: Loader, source: "BinaryIO | pyvips.Source", fail_on: FailOn = "error", **options: object
) -> "pyvips.Image":
    """Open a picture for reading from the top down. Only its header is read now. Raises `pyvips.Error`.

    The loader is named, because libvips would take another one for some files: for a JPEG with a gain map one that
    reads the whole picture at once.
    """
    if not isinstance(source, pyvips.Source):
        source.seek(0)
        source = pyvips.Source.new_from_descriptor(source.fileno())  # which makes a descriptor of its own
    load = getattr(pyvips.Image, f"{loader}load_source")
    image = load(source, access="sequential", fail_on=fail_on, **options)
    image._references.append(source)  # as `new_from_source` does: the decoder calls it for as long as it reads
    return image


# pyvips hands libvips' warnings to Python's logging. That may start a collection of garbage, which may close another
# decoder, whose warning within the warning would end the process. So libvips drops its warnings: see `sesr.files`.
pyvips._remove_log_handler()
pyvips.cache_set_max(0)  # the cache would keep files open
