"""The pages of a TIFF: which of them are pictures of their own, and whether their kind can be read.

A TIFF is a chain of directories, and each describes one page. The tag NewSubfileType says what a page is: a picture,
one of the pages of a document, a smaller copy of another page ("reduced", as in the pyramids of scanners and
microscopes), or a mask. Only pages of the first two kinds count here, if there are any. So a pyramid is one picture,
and a fax of three pages is three.

Some files would be shown wrongly or called damaged by the libraries that decode them. They are refused here, by name.
A camera's raw file is a TIFF too: what its directories show is a preview, or what the sensor saw.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from sesr.errors import PictureError
from sesr.files.compressions import COMPRESSIONS
from sesr.files.faults import damaged, not_supported

MOST_PAGES = 10_000

_REDUCED, _MASK = 1, 4  # bits of NewSubfileType
_OLD_REDUCED = 2  # a value of SubfileType, which NewSubfileType replaced
_SUBFILE_TYPE, _OLD_SUBFILE_TYPE = 254, 255
_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _SAMPLES = 256, 257, 258, 259, 262, 277
_PLANAR, _TILE_WIDTH, _EXTRA_SAMPLES, _SAMPLE_FORMAT, _ICC, _DNG_VERSION = 284, 322, 338, 339, 34675, 50706
_INSIDE = 330  # pages within a page: SubIFDs
_SEPARATE = 2
_TAGS = frozenset({_SUBFILE_TYPE, _OLD_SUBFILE_TYPE, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _SAMPLES}) | {
    _PLANAR,
    _TILE_WIDTH,
    _EXTRA_SAMPLES,
    _SAMPLE_FORMAT,
    _INSIDE,
    _DNG_VERSION,
    _ICC,
}
_NUMBERS = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 13: "I", 16: "Q", 18: "Q"}
"""Types of whole numbers, by their numbers in TIFF and BigTIFF."""
_MOST_VALUES = 64

_READABLE_BITS = (1, 2, 4, 8, 16, 32)  # libvips says what the last is
_BY_JPEG, _YCBCR, _LAB, _OTHER_LABS, _LOG, _SENSORS = 7, 6, 8, (9, 10), (32844, 32845), (32803, 34892)
_BY_PILLOW = (32771, 34925, 50000)
"""Compressions that Pillow's libtiff decodes and libvips' does not."""


@dataclass(frozen=True)
class TiffPage:
    """One page of a TIFF.

    Attributes:
        index: its place among all pages of the file, from 0.
        start: its directory's offset.
        tags: whole numbers by tag, as far as they say how pixels are stored.
    """

    index: int
    start: int
    tags: dict[int, tuple[int, ...]]

    def _first(self, tag: int, otherwise: int) -> int:
        return (self.tags.get(tag) or (otherwise,))[0]

    @property
    def is_copy(self) -> bool:
        """True if the page is a smaller copy of another page, or a mask for it."""
        kind = self._first(_SUBFILE_TYPE, 0)
        return bool(kind & (_REDUCED | _MASK)) or self._first(_OLD_SUBFILE_TYPE, 0) == _OLD_REDUCED

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels, as stored."""
        return self._first(_WIDTH, 0), self._first(_HEIGHT, 0)

    @property
    def extra_samples(self) -> tuple[int, ...]:
        """Meanings of further channels: 0 none, 1 alpha that colors are multiplied by, 2 straight alpha."""
        return self.tags.get(_EXTRA_SAMPLES, ())

    @property
    def compression(self) -> str:
        """The compression's name."""
        number = self._first(_COMPRESSION, 1)
        return COMPRESSIONS.get(number, f"number {number}")

    @property
    def only_pillow(self) -> str:
        """The feature for which the page needs Pillow, which decodes it in 8 bits; empty if none."""
        if self._first(_COMPRESSION, 1) in _BY_PILLOW:
            return f"{self.compression} compression"
        if self._first(_PLANAR, 1) == _SEPARATE and _TILE_WIDTH in self.tags and self._first(_SAMPLES, 1) > 1:
            return "tiles in a plane for each channel"
        shallow_lab = self._first(_PHOTOMETRIC, 0) == _LAB and self._first(_BITS, 1) == 8
        return "Lab of 8 bits" if shallow_lab else ""

    def check(self, path: Path) -> None:
        """Raise `PictureError` for kinds that libraries would show wrongly, or call damaged."""
        colors = self._first(_PHOTOMETRIC, 0)
        if colors in _SENSORS or _DNG_VERSION in self.tags:
            raise raw_file(path)
        if colors in _OTHER_LABS or (colors == _LAB and _ICC not in self.tags):
            raise other_colors(path, "Lab")
        if colors in _LOG:
            raise not_supported(path, "colors as logarithms of light (LogLuv)")
        if colors == _YCBCR and self._first(_COMPRESSION, 1) != _BY_JPEG:
            raise other_colors(path, "YCbCr without JPEG")
        for bits in sorted(set(self.tags.get(_BITS, ())).difference(_READABLE_BITS)):
            raise other_numbers(path, f"of {bits} bits")
        if self._first(_SAMPLES, 1) > 1 and self._first(_BITS, 1) < 8:  # of one channel, all are read
            raise other_numbers(path, f"of {self._first(_BITS, 1)} bits in each of several channels")
        if self.only_pillow and max(self.tags.get(_BITS, (8,))) > 8 and self._first(_SAMPLES, 1) > 1:
            raise not_supported(path, f"{self.only_pillow} of 16 bits per channel", "save it with LZW or ZIP")


def tiff_pages(path: Path, file: BinaryIO) -> list[TiffPage]:
    """Return the pages that are pictures of their own, in the file's order. Where none is, all of them count.

    Raises `PictureError` for a damaged file, and for a camera's raw file.
    """
    try:
        every = list(_pages(file))
    except (struct.error, OverflowError, ValueError, OSError) as error:
        raise damaged(path, "its directories end too early") from error
    if not every:
        raise damaged(path, "no page in it")
    pages = [page for page in every if not page.is_copy]
    if _is_raw(file, every):
        raise raw_file(path)
    return pages or every


def raw_file(path: Path) -> PictureError:
    """Error for what a camera saw, before it became a picture."""
    return PictureError(f"{path}: a camera's raw file; develop it first")


def other_colors(path: Path, kind: str) -> PictureError:
    """Error for a picture that is neither gray nor RGB."""
    return PictureError(f"{path}: its colors are {kind}, which is not supported; convert it to RGB first")


def unusable_profile(path: Path) -> PictureError:
    """Error for CMYK whose embedded profile is broken, or one of other colors."""
    return PictureError(f"{path}: its colors are CMYK, and its profile cannot be used; convert it to RGB first")


def other_numbers(path: Path, kind: str) -> PictureError:
    """Error for channels of other numbers than whole ones of 8 or 16 bits, from 0 up."""
    return PictureError(f"{path}: its numbers are {kind}, which is not supported; convert it to 16 bits first")


def _is_raw(file: BinaryIO, pages: list[TiffPage]) -> bool:
    file.seek(8)
    if file.read(2) == b"CR" or any(_DNG_VERSION in page.tags for page in pages[:1]):  # Canon's mark; Adobe's
        return True
    return all(page.is_copy for page in pages) and any(_INSIDE in page.tags for page in pages)  # Nikon, Sony


def _pages(file: BinaryIO) -> Iterator[TiffPage]:
    """Yield every page. Raises `struct.error` where a directory ends too early, unless a page was found before it."""
    file.seek(0)
    header = file.read(16)
    order = ">" if header[:2] == b"MM" else "<"
    big = 43 in header[2:4]
    start = struct.unpack(order + "Q", header[8:16])[0] if big else struct.unpack(order + "I", header[4:8])[0]
    seen: set[int] = set()
    while start and start not in seen and len(seen) < MOST_PAGES:  # a damaged chain may lead round in a circle
        seen.add(start)
        try:
            tags, following = _directory(file, start, order, big=big)
        except struct.error:
            if len(seen) > 1:  # what follows a whole page is not needed
                return
            raise
        yield TiffPage(len(seen) - 1, start, tags)
        start = following


def _directory(file: BinaryIO, start: int, order: str, *, big: bool) -> tuple[dict[int, tuple[int, ...]], int]:
    """Read the directory at `start`. Returns its numbers by tag, and where the next directory starts."""
    count_form, entry_form, link_form, room = ("Q", "HHQ8s", "Q", 8) if big else ("H", "HHI4s", "I", 4)
    file.seek(start)
    (count,) = struct.unpack(order + count_form, file.read(struct.calcsize("=" + count_form)))
    step = struct.calcsize("=" + entry_form)
    if count > 65_535:
        raise struct.error("too many entries")
    block = file.read(step * count)
    (following,) = struct.unpack(order + link_form, file.read(room).ljust(room, b"\0"))  # often forgotten on the last
    if len(block) < step * count:
        raise struct.error("entries are missing")
    entries = struct.iter_unpack(order + entry_form, block)
    tags = {tag: _values(file, order, kind, number, inside) for tag, kind, number, inside in entries if tag in _TAGS}
    return tags, following


def _values(file: BinaryIO, order: str, kind: int, count: int, inside: bytes) -> tuple[int, ...]:
    """Return an entry's whole numbers, `_MOST_VALUES` at most; none for other types and where they are missing."""
    form = _NUMBERS.get(kind)
    if form is None:
        return ()
    length = struct.calcsize("=" + form) * min(count, _MOST_VALUES)
    content = inside
    if struct.calcsize("=" + form) * count > len(inside):
        file.seek(int.from_bytes(inside, "big" if order == ">" else "little"))
        content = file.read(length)
    whole = min(length, len(content)) // struct.calcsize("=" + form)
    return struct.unpack_from(f"{order}{whole}{form}", content)
