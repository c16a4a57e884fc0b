"""Picture files in and out.

PNG and TIFF are read and written in strips of rows, 8 or 16 bits a channel (`sesr.files.scanlines`, `png`, `tiff`):
they need no memory for the whole picture. The other formats go through Pillow, which wants it at once, four bytes a
pixel in colour, and knows 8 bits a channel. Where that is more memory than there is, it is said before the work.

What goes along: the colour profile, EXIF, XMP, the resolution and more, as far as the new format holds it
(`sesr.files.metadata`; the table in docs/pictures.md). The camera's orientation is applied to the pixels.

Refused, each with one clear line: numbers of 32 bits, CMYK and Lab, several pages, and sizes above `PIXEL_LIMIT`, read
from the header before anything is decoded.
"""

import warnings
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import Any, BinaryIO, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sesr.atomic import writing
from sesr.errors import PictureError
from sesr.files.encoders import Saving, encoder_options, in_srgb
from sesr.files.formats import FORMATS, JXL, PNG, TIFF, Format, output_format, recognized
from sesr.files.jpeg import check_jpeg
from sesr.files.jxl import jxl_size, jxl_xmp
from sesr.files.metadata import NOTHING, Metadata, png_chunks
from sesr.files.picture import decoding, kind_of, read_picture
from sesr.files.png import write_png
from sesr.files.scanlines import Scanlines
from sesr.files.tiff import write_tiff
from sesr.imaging.stream import CHANNELS, Source
from sesr.memory import free_memory, gigabytes

Pixels = NDArray[Any]

PIXEL_LIMIT = 500_000_000
"""Largest picture read, in pixels, unless told otherwise. A larger claim is more likely damage or malice."""

_READ_BY_PILLOW = tuple(form.codec for form in FORMATS if form.plugin is None and not form.streams_in)

_ONE_FRAME = b"\0\0\0\1"


class OpenPicture(Source, Protocol):
    """A picture of a file: what it shows, and what it says beside."""

    @property
    def metadata(self) -> Metadata: ...


def open_picture(path: Path, pixel_limit: int = PIXEL_LIMIT) -> OpenPicture:
    """Reads a picture file. Its rows have to be asked for from the top down.

    Args:
        path: PNG, JPEG, WebP, TIFF, BMP, AVIF, GIF of one frame; with plugins HEIC and JPEG XL.
        pixel_limit: pixels that it may have.

    Raises `PictureError` when it is missing, unreadable, damaged, not a picture, of a kind that is refused, or too
    large for the memory there is. Of PNG and TIFF, damage is found when its rows are read.
    """
    check_file(path)
    with decoding(str(path)), unguarded_pillow(), path.open("rb") as file:
        form = recognized(file)
        if form is not None and form.streams_in:
            return _open_striped(path, file, form, pixel_limit)
        if form is JXL:  # is decoded when it is opened
            _check_jxl(path, file, pixel_limit)
        with Image.open(file, formats=_codecs(form, path)) as image:
            check_size(path, *image.size, pixel_limit)
            if image.format != "MPO" and getattr(image, "n_frames", 1) > 1:  # MPO: a photograph and its previews
                raise _several_frames(path)
            kind_of(image, str(path))
            check_memory(path, 4 * image.width * image.height, "to read it")
            with _checked_beside(path, image):
                picture = read_picture(image, str(path))
        if form is JXL and picture.metadata.xmp is None:
            return replace(picture, metadata=replace(picture.metadata, xmp=jxl_xmp(file)))
        return picture


@contextmanager
def _checked_beside(path: Path, image: Image.Image) -> Iterator[None]:
    """Looks whether all of a JPEG is there while the body decodes it. Raises `PictureError`."""
    if image.format not in ("JPEG", "MPO"):
        yield
        return
    with ThreadPoolExecutor(1) as beside:
        check = beside.submit(check_jpeg, path)
        yield
        check.result()


def write_picture(
    path: Path,
    bands: Iterable[Pixels],
    width: int,
    height: int,
    mode: str,
    metadata: Metadata = NOTHING,
    *,
    depth: int = 8,
    saving: Saving = Saving(),  # noqa: B008  (frozen)
    overwrite: bool = True,
) -> None:
    """Writes a picture, whole or not at all.

    Args:
        path: where to; its suffix names the format.
        bands: uint8 or uint16 (rows, width) for L, else (rows, width, channels), from the top down; `height` rows.
        width: pixels.
        height: pixels.
        mode: L, LA, RGB or RGBA.
        metadata: what to say beside, of an upright picture of this size; what the format cannot hold is left out.
        depth: 8 or 16 bits a channel, which the bands' type must be. Formats other than PNG and TIFF get 8.
        saving: the quality.
        overwrite: whether a file that is there, or appears meanwhile, may be replaced.

    Raises `UsageError` for an unknown suffix, `PictureError` when the format cannot hold the picture or the file
    cannot be written, and whatever `bands` raises.
    """
    form = output_format(path)
    check_output(path, width, height, mode)
    try:
        with unguarded_pillow(), writing(path, overwrite=overwrite) as temporary, temporary.open("w+b") as file:
            if form is PNG:
                write_png(file, bands, width, height, CHANNELS[mode], depth, metadata)
            elif form is TIFF:
                write_tiff(file, bands, width, height, CHANNELS[mode], depth, metadata)
            elif form.options is not None:
                whole = assemble(map(to_8_bits, bands), width, height, mode)
                if metadata.icc is not None and mode not in form.profile_modes:
                    whole, metadata = in_srgb(whole, metadata.icc), replace(metadata, icc=None)
                options = encoder_options(form.options, metadata, mode, saving.quality)
                with _encoding(path, form):
                    whole.save(file, form.codec, **options)
    except FileExistsError as error:
        raise PictureError(f"{path}: exists already; name another with -o, or add --overwrite") from error
    except OSError as error:
        reason = error.strerror or " ".join(str(error).split())
        raise PictureError(f"{path}: cannot be written ({reason}); name another place with -o") from error
    except MemoryError as error:
        raise PictureError(f"{path}: {_out_of_memory(form)}") from error


def check_output(path: Path, width: int, height: int, mode: str) -> None:
    """Raises what `write_picture` would raise for the format, before the work."""
    form = output_format(path)
    form.load_plugin(path)
    if not form.still:
        raise PictureError(f"{path}: {form.name} holds 256 colors, too few for a picture; write .png instead")
    if not form.holds(mode):
        raise PictureError(f"{path}: {form.name} cannot hold transparency; write .png instead")
    if max(width, height) > form.largest_side:
        limit = f"{form.name} holds at most {form.largest_side} a side"
        raise PictureError(f"{path}: {width} x {height} pixels, and {limit}; write .png instead")
    content = (width * CHANNELS[mode] + 3) * height + 4096  # at most: rows may be filled up, and there is a header
    if form.largest_file is not None and content >= form.largest_file:
        limit = f"{form.name} holds at most {form.largest_file >> 30} gigabytes"
        raise PictureError(f"{path}: {width} x {height} pixels, and {limit}; write .png instead")
    if not form.streams_out:
        needed = form.writing_memory(mode, width * height)
        check_memory(path, needed, f"as {form.name}; write .png or .tiff instead, which need little")


def picture_size(path: Path) -> tuple[int, int] | None:
    """Width and height from a file's header, as stored; None where they cannot be read, whatever the reason.

    Nothing is decoded, also by plugins that decode what they open.
    """
    with suppress(Exception):
        check_file(path)
        with unguarded_pillow(), path.open("rb") as file:
            form = recognized(file)
            if form is JXL:
                return jxl_size(file)
            if form is None:
                return None
            form.load_plugin(path)
            with Image.open(file, formats=[form.codec]) as image:
                return image.size
    return None


def check_memory(path: Path, size: int, what: str) -> None:
    """Raises `PictureError` where `size` bytes are more than are free."""
    free = free_memory()
    if free is not None and size > free:
        raise PictureError(f"{path}: {gigabytes(size)} of memory are needed and {gigabytes(free)} are free, {what}")


@contextmanager
def _encoding(path: Path, form: Format) -> Iterator[None]:
    """Makes what an encoder raises into `PictureError`, all but what says itself what is wrong."""
    try:
        yield
    except (OSError, MemoryError):
        raise
    except Exception as error:  # plugins raise nearly anything
        reason = " ".join(str(error).split()) or type(error).__name__
        raise PictureError(f"{path}: cannot be written as {form.name} ({reason}); write .png instead") from error


def assemble(bands: Iterable[Pixels], width: int, height: int, mode: str) -> Image.Image:
    """A whole Pillow image from its bands, as `write_picture` takes them; uint16 grey becomes I;16."""
    whole, top = None, 0
    for band in bands:
        if whole is None:
            whole = Image.new("I;16" if band.dtype == np.uint16 else mode, (width, height))
        whole.paste(Image.fromarray(np.ascontiguousarray(band)), (0, top))
        top += len(band)
    return whole if whole is not None else Image.new(mode, (width, height))


def to_8_bits(pixels: Pixels) -> NDArray[np.uint8]:
    """uint16 rounded to uint8, halves up; uint8 as it is."""
    if pixels.dtype == np.uint8:
        return pixels
    return ((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8)


def _open_striped(path: Path, file: BinaryIO, form: Format, pixel_limit: int) -> Scanlines:
    if form is PNG and any(name == b"acTL" and content[:4] > _ONE_FRAME for name, content in png_chunks(file)):
        raise _several_frames(path)
    picture = Scanlines(path, file, form)
    check_size(path, picture.width, picture.height, pixel_limit)
    if picture.whole_bytes:
        advice = "to read it whole, for it is interlaced or turned; save it anew, or cut it into parts"
        check_memory(path, picture.whole_bytes, advice)
    return picture


def check_file(path: Path) -> None:
    """Raises `PictureError` for what is no file with something in it: opening a pipe, for one, would wait."""
    try:
        if path.is_dir():
            raise PictureError(f"{path}: a folder; name the pictures in it, for instance {path / '*.jpg'}")
        if not path.exists():
            raise PictureError(f"{path}: no such file; check the name")
        if not path.is_file():
            raise PictureError(f"{path}: not an ordinary file; save it as one first")
        if path.stat().st_size == 0:
            raise PictureError(f"{path}: the file is empty; fetch or export it again")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise PictureError(f"{path}: cannot be read ({reason}); check its name and permissions") from error


class _Guards:
    """Pillow's limit on sizes and Python's warnings, which are the whole process's: off while any thread needs it."""

    def __init__(self) -> None:
        self._alone, self._threads, self._back = Lock(), 0, ExitStack()

    def off(self) -> None:
        with self._alone:
            if not self._threads:
                self._back.enter_context(warnings.catch_warnings())
                self._back.callback(setattr, Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)
                Image.MAX_IMAGE_PIXELS = None
                warnings.simplefilter("ignore")
            self._threads += 1

    def on(self) -> None:
        with self._alone:
            self._threads -= 1
            if not self._threads:
                self._back.close()


_GUARDS = _Guards()


@contextmanager
def unguarded_pillow() -> Iterator[None]:
    """Pillow without its own size limit, in whose place ours is checked, and without warnings on odd metadata.

    Any number of threads may be in it at once; the last one to leave brings both back.
    """
    _GUARDS.off()
    try:
        yield
    finally:
        _GUARDS.on()


def check_size(path: Path, width: int, height: int, pixel_limit: int) -> None:
    """Raises `PictureError` for a picture without pixels, or with more than `pixel_limit`."""
    if width < 1 or height < 1:
        raise PictureError(f"{path}: {width} x {height} pixels, there is nothing to enlarge; export it again")
    if width * height > pixel_limit:
        limit = f"the limit is {pixel_limit / 1e6:g} megapixels; cut it into parts, or raise it with --max-megapixels"
        raise PictureError(f"{path}: {width} x {height} pixels, too large; {limit}")


def _several_frames(path: Path) -> PictureError:
    return PictureError(f"{path}: several pages or frames; save the one you want as a picture of its own")


def _check_jxl(path: Path, file: BinaryIO, pixel_limit: int) -> None:
    size = jxl_size(file)
    file.seek(0)
    if size is not None:
        check_size(path, *size, pixel_limit)
        check_memory(path, 8 * size[0] * size[1], "to read it")


def _codecs(form: Format | None, path: Path) -> list[str]:
    """Pillow's names of the formats that it may take the file for. Raises `PictureError` where a plug-in is missing."""
    if form is None or form.plugin is None:
        return list(_READ_BY_PILLOW)
    form.load_plugin(path)
    return [*_READ_BY_PILLOW, form.codec]


def _out_of_memory(form: Format) -> str:
    if form.streams_out:
        return "not enough memory for a band of rows; free some, or cut the picture into parts"
    return f"{form.name} needs the whole picture in memory; write .png or .tiff instead"
