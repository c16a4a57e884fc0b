"""PNG, JPEG and TIFF read row after row, so that a picture need not fit into memory.

Pillow decodes a whole picture at once, with 8 bits per channel in color. libvips decodes as rows are asked for, and
keeps 16 bits. It asks for one thing in return: that rows are read from the top down. So these still need the whole
picture in memory: an orientation that starts at another edge than the top, an interlaced PNG and a progressive JPEG,
whose first row is finished last.

Pictures become one of four kinds, as in other formats: gray or RGB, with or without alpha. libvips converts palettes
and black-and-white. Where a TIFF's colors are multiplied by alpha, it divides them again. CMYK and Lab with a profile
become RGB (`sesr.files.cmyk`).
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyvips

from sesr.files.cmyk import in_srgb
from sesr.files.faults import reading
from sesr.files.png_end import PNG_LACKS_END, missing_end
from sesr.files.tiff_pages import TiffPage, other_colors, other_numbers, unusable_profile
from sesr.files.vips import Extended, alone, messages, open_image, together
from sesr.imaging.arrays import Pixels
from sesr.imaging.stream import CHANNELS, Stream
from sesr.metadata.record import Metadata, fitting_profile

_MODES = {channels: mode for mode, channels in CHANNELS.items()}
_DEPTHS = {"uchar": 8, "ushort": 16}
_SPACES = {"b-w": (1, 2), "grey16": (1, 2)} | dict.fromkeys(("srgb", "rgb", "rgb16"), (1, 2, 3, 4))
"""libvips' names of color spaces, and the numbers of channels that are read of each."""
_NUMBERS = {"char": "signed, of 8 bits", "short": "signed, of 16 bits", "int": "signed, of 32 bits"}
_NUMBERS |= {"uint": "of 32 bits", "float": "real", "double": "real", "complex": "complex", "dpcomplex": "complex"}
_COLORS = {"b-w": "gray", "grey16": "gray", "lab": "Lab", "labs": "Lab"} | dict.fromkeys(
    ("srgb", "rgb", "rgb16"), "RGB"
)
"""libvips' names, by what people call these."""
_BAND_BYTES = 1 << 22
_STRIP = 8
"""Rows that libvips decodes of a JPEG at a time."""
_UNSPECIFIED = 0  # of a TIFF's extra channel
_FROM_THE_TOP = (1, 2)
_ON_ITS_SIDE = (5, 6, 7, 8)


class Scanlines:
    """A picture file as a person sees it: upright, and of one of four kinds. A `sesr.imaging.stream.Source`.

    Args:
        path: the file, for messages.
        image: opened by libvips for sequential access. Nothing but the header has been read.
        metadata: what the file says besides.
        drop_last: the last channel has no meaning.
        notes: remarks on what was assumed so far.
        recover: called when the decoder stops, outside of `together`. It returns the image opened anew, for reading on
            from where the decoder stopped, or raises `PictureError`.
        finish: called once all rows have been read, before the last ones are handed out, with what the decoder said
            while it read those. It may raise `PictureError`, and returns notes.

    Attributes:
        width, height: pixels.
        mode: L, LA, RGB or RGBA.
        depth: 8 or 16 bits per channel.
        metadata: as given, with a profile that suits `mode` or none.
        notes: remarks on what was converted or assumed; complete once all rows have been read.
        whole_bytes: memory that decoding takes if it cannot be done row by row, else 0.

    Raises `PictureError` for kinds that are refused.
    """

    def __init__(
        self,
        path: Path,
        image: "pyvips.Image",
        metadata: Metadata,
        *,
        drop_last: bool = False,
        notes: tuple[str, ...] = (),
        recover: Callable[[], "pyvips.Image"] | None = None,
        finish: Callable[[str], tuple[str, ...]] | None = None,
    ) -> None:
        self._path, self._recover, self._finish = path, recover, finish
        self.notes, self._icc = notes, metadata.icc
        converted = in_srgb(image, self._icc)
        if converted is not None:
            image, note = converted
            metadata, self.notes = replace(metadata, icc=None), (*notes, note)
        self.mode, self.depth = _kind(path, image, drop_last=drop_last)
        self.metadata = fitting_profile(metadata, self.mode)
        self._orientation = metadata.orientation
        size = int(image.width), int(image.height)
        self.width, self.height = size[::-1] if self._orientation in _ON_ITS_SIDE else size
        pixels = self.width * self.height * CHANNELS[self.mode] * self.depth // 8
        self.whole_bytes = pixels * ((self._orientation not in _FROM_THE_TOP) + _held_by_decoder(image))
        self._image: pyvips.Image | None = image
        self._stream = Stream(self._upright(), self.width, self.height, self.mode, self.depth)

    def rows(self, top: int, bottom: int) -> Pixels:
        """Rows `top` to `bottom` (exclusive), `top` never less than before; see `sesr.imaging.stream.Source`."""
        return self._stream.rows(top, bottom)

    def _upright(self) -> Iterator[Pixels]:
        if self._orientation in _FROM_THE_TOP:
            yield from (turned(band, self._orientation) for band in self._bands())
            return
        with reading(self._path):
            whole = turned(self._whole(), self._orientation)
        rows = max(_BAND_BYTES // whole[:1].nbytes, 1)
        for top in range(0, self.height, rows):
            yield np.ascontiguousarray(whole[top : top + rows])

    def _whole(self) -> Pixels:
        """The picture as stored, decoded into one array."""
        bands = self._bands()
        first, top = next(bands), 0
        height = self.width if self._orientation in _ON_ITS_SIDE else self.height
        whole = np.empty((height, *first.shape[1:]), first.dtype)
        whole[: len(first)], top = first, len(first)
        for band in bands:
            whole[top : top + len(band)] = band
            top += len(band)
        return whole

    def _bands(self) -> Iterator[Pixels]:
        """Yield rows as stored: (rows, width) or (rows, width, channels)."""
        image, self._image = self._image, None
        assert image is not None
        region = pyvips.Region.new(image)
        width, height, stored = int(image.width), int(image.height), int(image.bands)
        dtype = np.dtype(np.uint8 if self.depth == 8 else np.uint16)
        rows = max(_BAND_BYTES // (width * stored * dtype.itemsize), 1)
        last = height if self._finish is None else (height - 1) // _STRIP * _STRIP
        for top in [*range(0, last, rows), *([last] if last < height else [])]:
            count = min(rows, (last if top < last else height) - top)
            with reading(self._path):
                try:
                    with together() if top < last else alone():
                        fetched = region.fetch(0, top, width, count)
                        said = "" if top < last else messages()
                except pyvips.Error:
                    if self._recover is None:
                        raise
                    del region, image
                    image = self._opened_anew()
                    region = pyvips.Region.new(image)
                    with together():
                        for passed in range(0, top, rows):
                            region.fetch(0, passed, width, min(rows, top - passed))
                        fetched, said = region.fetch(0, top, width, count), ""
            if top + count == height and self._finish is not None:
                self.notes += self._finish(said)
            yield self._meant(np.frombuffer(fetched, dtype).reshape(count, width, stored))

    def _opened_anew(self) -> "pyvips.Image":
        """Return the image by `recover`, which is asked once, in the colors that are read."""
        assert self._recover is not None
        recover, self._recover = self._recover, None
        image = recover()
        converted = in_srgb(image, self._icc)
        return image if converted is None else converted[0]

    def _meant(self, band: Pixels) -> Pixels:
        """The band without a channel that has no meaning, and without an axis for a single channel."""
        channels = CHANNELS[self.mode]
        band = band[..., :channels]
        return band[..., 0] if channels == 1 else band


def open_png(path: Path, file: BinaryIO) -> Scanlines:
    """Open a PNG for reading row by row. Raises `PictureError` for kinds that are refused, and `pyvips.Error`."""
    metadata, end = Metadata.of_png(file), missing_end(file)
    with together():
        image = open_image("png", Extended(path, end).source() if end else file)
    metadata = replace(metadata, icc=block(image, "icc-profile-data"))
    return Scanlines(path, image, metadata, notes=(PNG_LACKS_END,) if end else ())


def open_tiff(path: Path, file: BinaryIO, page: TiffPage) -> Scanlines:
    """Open a page of a TIFF for reading row by row. Raises as `open_png`."""
    metadata = Metadata.of_tiff(file, page.start)
    with together():
        image = open_image("tiff", file, page=page.index, unlimited=True)  # libtiff takes no packed strip above 50 MB
    icc = block(image, "icc-profile-data") or metadata.icc
    metadata = replace(metadata, icc=icc, iptc=block(image, "iptc-data"))
    return Scanlines(path, image, metadata, drop_last=page.extra_samples[:1] == (_UNSPECIFIED,))


def turned(pixels: Pixels, orientation: int) -> Pixels:
    """Pixels as stored, (H, W) or (H, W, C), turned upright for an EXIF orientation from 1 to 8; a view."""
    if orientation in _ON_ITS_SIDE:
        pixels = pixels.swapaxes(0, 1)
    rows = slice(None, None, -1 if orientation in (3, 4, 7, 8) else 1)
    columns = slice(None, None, -1 if orientation in (2, 3, 6, 7) else 1)
    return pixels[rows, columns]


def _kind(path: Path, image: "pyvips.Image", *, drop_last: bool) -> tuple[str, int]:
    """Mode and depth. Raises `PictureError` for kinds that are refused."""
    if image.format not in _DEPTHS:
        raise other_numbers(path, _NUMBERS.get(image.format, image.format))
    if image.interpretation == "cmyk" and image.get_typeof("icc-profile-data"):
        raise unusable_profile(path)
    if image.bands not in _SPACES.get(image.interpretation, ()):
        kind = "CMYK"
        if image.interpretation != "cmyk":
            kind = f"{_COLORS.get(image.interpretation, image.interpretation)} of {image.bands} channels"
        raise other_colors(path, kind)
    drop = drop_last and image.bands in (2, 4)
    return _MODES[image.bands - drop], _DEPTHS[image.format]


def _held_by_decoder(image: "pyvips.Image") -> int:
    """Copies of the picture that the decoder keeps: a progressive JPEG's frequencies take two bytes each."""
    if image.get_typeof("jpeg-multiscan") and image.get("jpeg-multiscan"):
        return 2
    return int(bool(image.get_typeof("interlaced")))


def block(image: "pyvips.Image", name: str) -> bytes | None:
    """Return a block of metadata that libvips found, None if there is none."""
    return bytes(image.get(name)) or None if image.get_typeof(name) else None
