"""The one door for reading picture files: `open_file`.

A file is looked at once. Its first bytes say what format it is in (`sesr.files.formats`), and the format decides who
reads it: PNG, JPEG and TIFF are read row by row (`sesr.files.scanlines`), the others are decoded as a whole by Pillow
(`sesr.files.picture`). An animation keeps its frames in the file until they are asked for (`sesr.files.animation`).
Whatever decoders complain about becomes a `PictureError` of one line (`sesr.files.faults`).

Several pictures in one file. A HEIC shows its primary picture, an MPO its first, and a TIFF its only full page, if all
others are marked as reduced copies or masks. Where that leaves a choice (a document of several pages), `page` makes it.

Strictness is about pixels: a file that has all of them is read, with a note if its end is missing.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Protocol

from PIL import Image

from sesr.errors import PictureError
from sesr.files.animation import Animated, read_animation
from sesr.files.avif import open_avif_otherwise
from sesr.files.besides import left_behind
from sesr.files.bmp import bit_fields, read_bit_fields
from sesr.files.cmyk import whole_in_srgb
from sesr.files.faults import damaged, not_a_picture, not_supported, reading
from sesr.files.formats import AVIF, BMP, HEIC, JPEG, JXL, PNG, TIFF, WEBP, Format, foreign, recognized
from sesr.files.jpeg import open_jpeg, unusual_kind
from sesr.files.jxl import jxl_size, jxl_xmp
from sesr.files.limits import PIXEL_LIMIT, check_memory, check_size, unguarded_pillow
from sesr.files.picture import read_picture
from sesr.files.scanlines import Scanlines, open_png, open_tiff
from sesr.files.tiff_pages import tiff_pages, unusable_profile
from sesr.files.webp import missing_bytes, whole_webp
from sesr.imaging.stream import Source
from sesr.metadata.record import NOTHING, Metadata, png_chunks

_ONE_FRAME = b"\0\0\0\1"


class Still(Source, Protocol):
    """A still picture in a file. Its rows have to be asked for from the top down.

    Attributes:
        metadata: what the file says besides its pixels.
        notes: remarks on what was converted or assumed, short phrases; complete once all rows have been read.
    """

    @property
    def metadata(self) -> Metadata: ...

    @property
    def notes(self) -> tuple[str, ...]: ...


@dataclass(frozen=True)
class _Opening:
    """A file that is being opened, and what was asked for."""

    path: Path
    file: BinaryIO
    form: Format
    pixel_limit: int
    page: int | None

    def check(self, width: int, height: int) -> None:
        check_size(self.path, width, height, self.pixel_limit)

    def index(self, count: int, *, primary: int | None = None) -> int:
        """Return the index of the page that was asked for, among `count`; without a wish the primary one."""
        if self.page is not None:
            if self.page > count:
                has = "one page" if count == 1 else f"{count} pages"
                raise PictureError(f"{self.path}: has {has}, so there is no page {self.page}; check --page")
            return self.page - 1
        if count > 1 and primary is None:
            raise _several(self.path, count)
        return primary or 0


def open_file(path: Path, pixel_limit: int = PIXEL_LIMIT, page: int | None = None) -> Still | Animated:
    """Open a picture file.

    Args:
        path: a file in one of `sesr.files.formats.FORMATS`, whatever its suffix.
        pixel_limit: pixels that it may have; of an animation, all frames together.
        page: which page or frame to take, from 1; None takes the only or primary picture, or the whole animation.

    Raises `PictureError` if the file is missing, damaged, not a picture, of a kind that is not supported, or too large
    for the memory there is; for several pages without `page`; and for a page that there is not. In files that are read
    row by row, damage shows when their rows are read.
    """
    _check_file(path)
    with reading(path), unguarded_pillow(), path.open("rb") as file:
        form = recognized(file)
        if form is None:
            name = foreign(file)
            raise not_a_picture(path) if name is None else not_supported(path, name, "save it as PNG or JPEG")
        form.load_plugin(path)
        return _OPENERS.get(form.name, _open_by_pillow)(_Opening(path, file, form, pixel_limit, page))


def open_picture(path: Path, pixel_limit: int = PIXEL_LIMIT, page: int | None = None) -> Still:
    """Open a still picture: `open_file`, but an animation without `page` is refused."""
    found = open_file(path, pixel_limit, page)
    if isinstance(found, Animated):
        raise _several(path, found.count)
    return found


def count_pages(path: Path) -> int:
    """Return how many pages `open_file` can take from a file; an animation's are its frames. Raises as `open_file`."""
    _check_file(path)
    with reading(path), unguarded_pillow(), path.open("rb") as file:
        form = recognized(file)
        if form is None:
            raise not_a_picture(path)
        form.load_plugin(path)
        if form is TIFF:
            return len(tiff_pages(path, file))
        if form.animated is not None:
            animated, _ = read_animation(path, file, form, _ANY_SIZE)
            return 1 if animated is None else animated.count
        with Image.open(file, formats=[form.codec]) as image:
            return int(getattr(image, "n_frames", 1))


def picture_size(path: Path) -> tuple[int, int] | None:
    """Return width and height from a file's header, as stored; None if they cannot be read, whatever the reason.

    Nothing is decoded, not even by plug-ins that decode what they open.
    """
    with suppress(Exception):
        _check_file(path)
        with unguarded_pillow(), path.open("rb") as file:
            form = recognized(file)
            if form is JXL:
                return jxl_size(file)
            if form is TIFF:
                return tiff_pages(path, file)[0].size
            if form is not None:
                form.load_plugin(path)
                with Image.open(file, formats=[form.codec]) as image:
                    return image.size
    return None


def _check_file(path: Path) -> None:
    """Raise `PictureError` for anything but a file with content. Opening a pipe, for one, would wait."""
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


def _several(path: Path, count: int) -> PictureError:
    advice = "take one with --page N, or each with --page all"
    return PictureError(f"{path}: several pages or frames ({count}); {advice}")


def _open_png(opening: _Opening) -> Still | Animated:
    chunks = png_chunks(opening.file)
    if any(name == b"acTL" and content[:4] > _ONE_FRAME for name, content in chunks):
        return _open_by_pillow(opening)
    opening.index(1)
    return _row_by_row(opening, open_png(opening.path, opening.file))


def _open_jpeg(opening: _Opening) -> Still | Animated:
    try:
        return _open_usual_jpeg(opening)
    except Exception:  # Pillow calls unusual kinds damaged
        kind = unusual_kind(opening.file)
        if kind is None:
            raise
        raise not_supported(opening.path, kind) from None


def _open_usual_jpeg(opening: _Opening) -> Still | Animated:
    with Image.open(opening.file, formats=["JPEG"]) as image:  # reads the header
        opening.check(*image.size)
        if opening.index(getattr(image, "n_frames", 1), primary=0):
            return _open_by_pillow(opening)
        metadata = Metadata.of_image(image)
        if opening.page is None:
            metadata = replace(metadata, unread=left_behind(image))
    return _row_by_row(opening, open_jpeg(opening.path, metadata))


def _open_tiff(opening: _Opening) -> Still | Animated:
    path, pages = opening.path, tiff_pages(opening.path, opening.file)
    page = pages[opening.index(len(pages))]
    opening.check(*page.size)
    page.check(path)
    if page.only_pillow:
        with Image.open(opening.file, formats=["TIFF"]) as image:
            image.seek(page.index)
            check_memory(path, 4 * image.width * image.height, "to read it")
            metadata = Metadata.of_tiff(opening.file, page.start)
            converted = whole_in_srgb(image, metadata.icc)
            if converted is not None:
                return read_picture(converted[0], str(path), replace(metadata, icc=None), converted[1:])
            if image.mode == "CMYK" and metadata.icc is not None:
                raise unusable_profile(path)
            return read_picture(image, str(path), metadata)
    return _row_by_row(opening, open_tiff(path, opening.file, page))


def _row_by_row(opening: _Opening, picture: Scanlines) -> Scanlines:
    opening.check(picture.width, picture.height)
    if picture.whole_bytes:
        advice = "to read it whole, for it is interlaced or turned; save it anew, or cut it into parts"
        check_memory(opening.path, picture.whole_bytes, advice)
    return picture


def _open_by_pillow(opening: _Opening) -> Still | Animated:
    """Open an animation, or decode a picture as a whole."""
    path, form = opening.path, opening.form
    notes: tuple[str, ...] = ()
    content: BinaryIO = opening.file
    if form.animated is not None:
        animated, notes = read_animation(path, opening.file, form, opening.pixel_limit)
        if animated is not None:
            return animated if opening.page is None else animated.frame(opening.index(animated.count) + 1)
        content = whole_webp(opening.file)[0] if form is WEBP else opening.file
    if form is JXL:  # is decoded when it is opened
        _check_jxl(opening)
    content.seek(0)
    with Image.open(content, formats=[form.codec]) as image:
        opening.check(*image.size)
        count = int(getattr(image, "n_frames", 1))
        index = opening.index(count, primary=image.tell() if form is HEIC else None)
        if count > 1:
            image.seek(index)
            opening.check(*image.size)
        check_memory(path, 4 * image.width * image.height, "to read it")
        metadata = Metadata.of_image(image, opening.file)
        if form is HEIC and opening.page is None:
            metadata = replace(metadata, unread=left_behind(image))
        picture = read_picture(image, str(path), metadata, notes)
    if form is JXL and metadata.xmp is None:
        return replace(picture, metadata=replace(picture.metadata, xmp=jxl_xmp(opening.file)))
    return picture


def _open_bmp(opening: _Opening) -> Still | Animated:
    layout = bit_fields(opening.file)
    try:
        return _open_by_pillow(opening)
    except OSError:
        if layout is None:
            raise
    opening.check(layout.width, layout.height)
    check_memory(opening.path, 40 * layout.width * layout.height, "to read it")
    return read_picture(read_bit_fields(opening.file, layout), str(opening.path), NOTHING)


def _open_webp(opening: _Opening) -> Still | Animated:
    try:
        return _open_by_pillow(opening)
    except (PictureError, MemoryError):
        raise
    except Exception as error:  # libwebp gives no reason
        if missing_bytes(opening.file) <= 0:
            raise
        raise damaged(opening.path, "its data end too early") from error


def _open_avif(opening: _Opening) -> Still | Animated:
    try:
        return _open_by_pillow(opening)
    except (PictureError, MemoryError):
        raise
    except Exception as error:  # libavif's
        if opening.page not in (None, 1):
            raise
        return _row_by_row(opening, open_avif_otherwise(opening.path, opening.file, error))


def _check_jxl(opening: _Opening) -> None:
    size = jxl_size(opening.file)
    if size is not None:
        opening.check(*size)
        check_memory(opening.path, 8 * size[0] * size[1], "to read it")


_OPENERS: dict[str, Callable[[_Opening], Still | Animated]] = {
    PNG.name: _open_png,
    JPEG.name: _open_jpeg,
    TIFF.name: _open_tiff,
    AVIF.name: _open_avif,
    BMP.name: _open_bmp,
    WEBP.name: _open_webp,
}
_ANY_SIZE = 1 << 62
