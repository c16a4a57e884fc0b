"""PNG and TIFF read row after row, 8 or 16 bits a channel, so that a picture need not fit into memory.

Pillow decodes a whole picture at once, RGB with 8 bits a channel at most. libvips decodes as rows are asked for and
keeps their depth. It asks one thing in return: that they are asked for from the top down. So a camera's orientation
that starts anywhere but at the top needs the whole picture in memory after all, 3 bytes a pixel in 8-bit RGB, and so
does an interlaced PNG, whose rows are all finished at the end only.

What kinds of picture there are is the same as for other formats (`sesr.files.files`): grey or RGB, with or without
alpha. Palettes and black-and-white are made so by libvips. TIFF may hold colour multiplied by alpha: that it undoes
too.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyvips
from numpy.typing import NDArray

from sesr.errors import PictureError
from sesr.files.formats import PNG, TIFF, Format
from sesr.files.metadata import Metadata, fitting_profile, tiff_tags
from sesr.imaging.stream import CHANNELS, Stream

_MODES = {channels: mode for mode, channels in CHANNELS.items()}
_DEPTHS = {"uchar": 8, "ushort": 16}
_SPACES = {"b-w": (1, 2), "grey16": (1, 2)} | dict.fromkeys(("srgb", "rgb", "rgb16"), (1, 2, 3, 4))
"""libvips' names of colours, and how many channels may be read of each."""
_BAND_BYTES = 1 << 22

_SUBFILE_TYPE, _REDUCED = 254, 1
_BITS, _READABLE_BITS = 258, (1, 2, 4, 8, 16, 32, 64)  # of the last two libvips says what they are
_COMPRESSION, _BY_JPEG = 259, 7
_PHOTOMETRIC, _YCBCR, _LABS, _SENSORS = 262, 6, (8, 9, 10), (32803, 34892)
_EXTRA_SAMPLES, _UNSPECIFIED = 338, 0
_DNG_VERSION = 50706
_LAYOUT = (_SUBFILE_TYPE, _BITS, _COMPRESSION, _PHOTOMETRIC, _EXTRA_SAMPLES, _DNG_VERSION)

Layout = dict[int, tuple[int, ...]]
"""How a TIFF's first directory says that pixels are stored: whole numbers by tag."""

_FROM_THE_TOP = (1, 2)
_ON_ITS_SIDE = (5, 6, 7, 8)

Pixels = NDArray[Any]

logging.getLogger("pyvips").setLevel(logging.CRITICAL)  # what it warns of is either raised or harmless
pyvips.cache_set_max(0)  # it would keep files open


class Scanlines:
    """A PNG or TIFF as a person sees it: upright, and of one of four kinds. A `sesr.imaging.stream.Source`.

    Attributes:
        width, height: pixels.
        mode: L, LA, RGB or RGBA.
        depth: 8 or 16 bits a channel.
        metadata: all that it says beside.
        whole_bytes: memory that decoding takes where it cannot be done in strips, else 0.

    Raises `PictureError` for what is damaged or of a kind that is refused. Nothing but the header is read before rows
    are asked for.
    """

    def __init__(self, path: Path, file: BinaryIO, form: Format) -> None:
        self._path = path
        layout = _layout(path, file) if form is TIFF else {}
        _check_layout(path, layout)
        self._extra = layout.get(_EXTRA_SAMPLES, ())
        limits = {"unlimited": True} if form is TIFF else {}  # libtiff takes no packed strip above 50 MB
        self.metadata = Metadata.of_png(file) if form is PNG else Metadata.of_tiff(file)
        file.seek(0)
        with decoding(path):
            source = pyvips.Source.new_from_descriptor(file.fileno())  # which makes a descriptor of its own
            self._image = pyvips.Image.new_from_source(source, "", access="sequential", fail_on="error", **limits)
        self.mode, self.depth = self._kind()
        icc, iptc = (_block(self._image, name) for name in ("icc-profile-data", "iptc-data"))
        found = replace(self.metadata, icc=icc or self.metadata.icc, iptc=iptc)
        self.metadata = fitting_profile(found, self.mode)
        self._orientation = self.metadata.orientation
        self._interlaced = bool(self._image.get_typeof("interlaced"))
        size = int(self._image.width), int(self._image.height)
        self.width, self.height = size[::-1] if self._orientation in _ON_ITS_SIDE else size
        self._stream: Stream | None = None

    @property
    def whole_bytes(self) -> int:
        """See the class."""
        whole = self.width * self.height * CHANNELS[self.mode] * self.depth // 8
        return whole * (2 * (self._orientation not in _FROM_THE_TOP) + self._interlaced)

    def rows(self, top: int, bottom: int) -> Pixels:
        """Rows `top` to `bottom` (exclusive), `top` never less than before; see `sesr.imaging.stream.Source`."""
        if self._stream is None:
            self._stream = Stream(self._upright(), self.width, self.height, self.mode, self.depth)
        return self._stream.rows(top, bottom)

    def _kind(self) -> tuple[str, int]:
        image = self._image
        if image.get_typeof("n-pages") and image.get("n-pages") > 1:
            raise PictureError(f"{self._path}: several pages or frames; save the one you want as a picture of its own")
        if image.format not in _DEPTHS:
            raise _other_numbers(self._path, image.format)
        if image.bands not in _SPACES.get(image.interpretation, ()):
            kind = {"cmyk": "CMYK"}.get(image.interpretation, f"{image.interpretation} of {image.bands} channels")
            raise _other_colours(self._path, kind)
        drop = self._extra[:1] == (_UNSPECIFIED,) and image.bands in (2, 4)
        return _MODES[image.bands - 1 if drop else image.bands], _DEPTHS[image.format]

    def _upright(self) -> Iterator[Pixels]:
        if self._orientation == 1:
            yield from self._bands()
        elif self._orientation in _FROM_THE_TOP:
            yield from (turned(band, self._orientation) for band in self._bands())
        else:
            with decoding(self._path):
                yield np.ascontiguousarray(turned(np.concatenate(list(self._bands())), self._orientation))

    def _bands(self) -> Iterator[Pixels]:
        """Rows as stored, (rows, width) or (rows, width, channels)."""
        image, region = self._image, pyvips.Region.new(self._image)
        width, height, stored = int(image.width), int(image.height), int(image.bands)
        dtype = np.dtype(np.uint8 if self.depth == 8 else np.uint16)
        rows = max(_BAND_BYTES // (width * stored * dtype.itemsize), 1)
        for top in range(0, height, rows):
            count = min(rows, height - top)
            with decoding(self._path):
                fetched = region.fetch(0, top, width, count)
            yield self._plain(np.frombuffer(fetched, dtype).reshape(count, width, stored))

    def _plain(self, band: Pixels) -> Pixels:
        """Without a channel that is no alpha, and no axis for a single one."""
        channels = CHANNELS[self.mode]
        band = band[..., :channels]
        return band[..., 0] if channels == 1 else band


def turned(pixels: Pixels, orientation: int) -> Pixels:
    """Pixels as stored, (H, W) or (H, W, C), turned upright for an EXIF orientation from 1 to 8; a view."""
    if orientation in _ON_ITS_SIDE:
        pixels = pixels.swapaxes(0, 1)
    rows = slice(None, None, -1 if orientation in (3, 4, 7, 8) else 1)
    columns = slice(None, None, -1 if orientation in (2, 3, 6, 7) else 1)
    return pixels[rows, columns]


@contextmanager
def decoding(path: Path) -> Iterator[None]:
    """Makes what libvips raises into `PictureError`."""
    try:
        yield
    except pyvips.Error as error:
        reason = " ".join((error.detail or error.message).split())
        raise _out_of_memory(path) if "out of memory" in reason else _damaged(path, reason) from error
    except MemoryError as error:
        raise _out_of_memory(path) from error


def _layout(path: Path, file: BinaryIO) -> Layout:
    try:
        tags = tiff_tags(file)
        found = {tag: tags[tag] for tag in _LAYOUT if tag in tags}
    except Exception as error:  # Pillow's reader raises nearly anything
        raise _damaged(path, " ".join(str(error).split()) or type(error).__name__) from error
    several = {tag: value if isinstance(value, tuple) else (value,) for tag, value in found.items()}
    return {tag: tuple(each for each in values if isinstance(each, int)) for tag, values in several.items()}


def _check_layout(path: Path, layout: Layout) -> None:
    """Raises `PictureError` for what libvips would show wrongly, or call damaged.

    A camera's raw file is a TIFF as well: its first directory holds a preview, or what the sensor saw.
    """
    (colours,) = layout.get(_PHOTOMETRIC, ())[:1] or (None,)
    preview = any(kind & _REDUCED for kind in layout.get(_SUBFILE_TYPE, ()))
    if preview or colours in _SENSORS or _DNG_VERSION in layout:
        raise PictureError(f"{path}: a camera's raw file; develop it first")
    if colours in _LABS:
        raise _other_colours(path, "Lab")
    if colours == _YCBCR and _BY_JPEG not in layout.get(_COMPRESSION, ()):
        raise _other_colours(path, "YCbCr without JPEG")
    for bits in set(layout.get(_BITS, ())).difference(_READABLE_BITS):
        raise _other_numbers(path, f"of {bits} bits")


def _damaged(path: Path, reason: str) -> PictureError:
    return PictureError(f"{path}: damaged or incomplete ({reason}); fetch or export it again")


def _out_of_memory(path: Path) -> PictureError:
    return PictureError(f"{path}: too large for this machine's memory; cut it into parts")


def _other_colours(path: Path, kind: str) -> PictureError:
    return PictureError(f"{path}: its colours are {kind}, which is not supported; convert it to RGB first")


def _other_numbers(path: Path, kind: str) -> PictureError:
    return PictureError(
        f"{path}: its numbers are {kind}, not 8 or 16 bits, which is not supported; convert it to 16 bits first"
    )


def _block(image: "pyvips.Image", name: str) -> bytes | None:
    return bytes(image.get(name)) or None if image.get_typeof(name) else None
