"""Pictures in and out: PNG, JPEG, WebP, TIFF and BMP, 8 bits a channel.

A picture from a file is kept as Pillow decoded it (four bytes a pixel for colour, one for grey) and handed out as NumPy
rows, a few at a time: `Picture.rows`. What a person sees is decided there and not in a second copy: the camera's
orientation is applied to the rows that are asked for, palettes and black-and-white are converted as they are read.

A picture goes out as a series of bands, from the top down. PNG is written as the bands come and needs no memory for
the whole (`sesr.imaging.png`). The other formats go through Pillow, which wants the whole picture at once: four bytes
an output pixel in colour.

The embedded colour profile goes along. Refused, each with one clear line: more than 8 bits a channel, CMYK and Lab,
several pages or frames, and sizes above `PIXEL_LIMIT`, read from the header before anything is decoded. Not carried
over: EXIF and other notes (their orientation is already applied, their sizes and thumbnails would be wrong).
"""

import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from sesr.atomic import writing
from sesr.errors import PictureError, UsageError
from sesr.imaging.png import write_png

INPUT_FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP")
OUTPUT_FORMATS = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".webp": "WEBP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".bmp": "BMP",
}
PIXEL_LIMIT = 500_000_000
"""Largest picture read, in pixels: two gigabytes as Pillow holds it. A larger claim is more likely damage or malice."""

CHANNELS = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4}
"""Pillow's names of the four kinds of picture that go through, and their channels."""

_KINDS = {"1": "L", "L": "L", "LA": "LA", "La": "LA", "P": "RGB", "PA": "RGBA", "RGB": "RGB", "RGBX": "RGB"} | {
    "RGBA": "RGBA",
    "RGBa": "RGBA",
    "YCbCr": "RGB",
}
_OPAQUE_FORMATS = ("JPEG", "BMP")
_FOUR_GIGABYTE_FORMATS = ("TIFF", "BMP")
_LARGEST_SIDE = {"PNG": 2**31 - 1, "JPEG": 65_500, "WEBP": 16_383, "TIFF": 2**31 - 1, "BMP": 2**31 - 1}
_SAVE_OPTIONS: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 95, "subsampling": "4:4:4"},
    "WEBP": {"quality": 95},
    "TIFF": {"compression": "tiff_lzw"},
    "BMP": {},
}

_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ON_ITS_SIDE = (5, 6, 7, 8)
_FROM_THE_END = (3, 4, 7, 8)


@dataclass(frozen=True)
class Picture:
    """A decoded picture as a person sees it: upright, and of one of four kinds.

    Attributes:
        stored: the pixels as the file has them.
        mode: L, LA, RGB or RGBA, which `rows` gives.
        orientation: EXIF's, 1 (as stored) to 8, still to be applied to `stored`.
        profile: the embedded ICC profile, if it fits the mode.
    """

    stored: Image.Image
    mode: str
    orientation: int = 1
    profile: bytes | None = None

    @classmethod
    def from_image(cls, image: Image.Image, name: str = "the picture") -> "Picture":
        """A Pillow image as it is, without regard to its EXIF.

        Raises `PictureError` for kinds that are refused, and when its file, which Pillow reads only now, is damaged.
        """
        with _decoding(name):
            image.load()
        mode = _kind(image, name)
        return cls(image, mode, profile=_fitting_profile(image, mode))

    @property
    def width(self) -> int:
        return self.stored.size[1 if self.orientation in _ON_ITS_SIDE else 0]

    @property
    def height(self) -> int:
        return self.stored.size[0 if self.orientation in _ON_ITS_SIDE else 1]

    def rows(self, top: int, bottom: int) -> NDArray[np.uint8]:
        """Rows `top` to `bottom` (exclusive): uint8 (rows, width) for L, else (rows, width, channels)."""
        if self.orientation in _FROM_THE_END:
            top, bottom = self.height - bottom, self.height - top
        if self.orientation in _ON_ITS_SIDE:
            box = (top, 0, bottom, self.stored.height)
        else:
            box = (0, top, self.stored.width, bottom)
        part = self.stored.crop(box)
        if part.mode != self.mode or "transparency" in part.info:
            part = part.convert(self.mode)
        if self.orientation in _TURNS:
            part = part.transpose(_TURNS[self.orientation])
        return np.asarray(part)


def open_picture(path: Path) -> Picture:
    """Reads and decodes a picture file.

    Raises `PictureError` when it is missing, unreadable, damaged, not a picture, or of a kind that is refused.
    """
    _check_file(path)
    with _decoding(str(path)), _unguarded_pillow(), Image.open(path, formats=INPUT_FORMATS) as image:
        _check_header(path, image)
        image.load()
        mode = _kind(image, str(path))
        return Picture(image, mode, _orientation(image), _fitting_profile(image, mode))


def output_format(path: Path) -> str:
    """Pillow's name of the format that a file name's suffix means. Raises `UsageError` for other suffixes."""
    try:
        return OUTPUT_FORMATS[path.suffix.lower()]
    except KeyError:
        known = ", ".join(OUTPUT_FORMATS)
        found = f"the suffix {path.suffix}" if path.suffix else "a name without a suffix"
        raise UsageError(f"{path}: cannot tell the format from {found}; use one of {known}") from None


def write_picture(
    path: Path,
    bands: Iterable[NDArray[np.uint8]],
    width: int,
    height: int,
    mode: str,
    profile: bytes | None = None,
    *,
    overwrite: bool = True,
) -> None:
    """Writes a picture, whole or not at all.

    Args:
        path: where to; its suffix names the format.
        bands: uint8 (rows, width) for L, else (rows, width, channels), from the top down; `height` rows in all.
        width: pixels.
        height: pixels.
        mode: L, LA, RGB or RGBA.
        profile: an ICC profile to embed.
        overwrite: whether a file that is there, or appears meanwhile, may be replaced.

    Raises `UsageError` for an unknown suffix, `PictureError` when the format cannot hold the picture or the file
    cannot be written, and whatever `bands` raises.
    """
    file_format = output_format(path)
    _check_format(path, file_format, width, height, mode)
    try:
        with writing(path, overwrite=overwrite) as temporary:
            if file_format == "PNG":
                with temporary.open("wb") as file:
                    write_png(file, bands, width, height, CHANNELS[mode], profile)
            else:
                whole = assemble(bands, width, height, mode)
                whole.save(temporary, file_format, icc_profile=profile, **_SAVE_OPTIONS[file_format])
    except FileExistsError as error:
        raise PictureError(f"{path}: exists already; name another with -o, or add --overwrite") from error
    except OSError as error:
        reason = error.strerror or " ".join(str(error).split())
        raise PictureError(f"{path}: cannot be written ({reason}); name another place with -o") from error
    except MemoryError as error:
        raise PictureError(f"{path}: {_out_of_memory(file_format)}") from error


def assemble(bands: Iterable[NDArray[np.uint8]], width: int, height: int, mode: str) -> Image.Image:
    """A whole Pillow image from its bands, as `write_picture` takes them."""
    whole, top = Image.new(mode, (width, height)), 0
    for band in bands:
        whole.paste(Image.fromarray(band), (0, top))
        top += len(band)
    return whole


def _check_file(path: Path) -> None:
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


@contextmanager
def _decoding(name: str) -> Iterator[None]:
    """Makes what Pillow raises while it reads a picture into `PictureError`."""
    try:
        yield
    except PictureError:
        raise
    except UnidentifiedImageError as error:
        message = f"{name}: not a picture, or damaged; give a PNG, JPEG, WebP, TIFF or BMP file"
        raise PictureError(message) from error
    except PermissionError as error:
        raise PictureError(f"{name}: no permission to read it; change its permissions") from error
    except MemoryError as error:
        raise PictureError(f"{name}: too large for this machine's memory; cut it into parts") from error
    except Exception as error:  # decoders raise nearly anything on damaged files
        reason = " ".join(str(error).split()) or type(error).__name__
        raise PictureError(f"{name}: damaged or incomplete ({reason}); fetch or export it again") from error


@contextmanager
def _unguarded_pillow() -> Iterator[None]:
    """Pillow without its own size limit, in whose place ours is checked, and without warnings on odd metadata."""
    limit = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def _check_header(path: Path, image: Image.Image) -> None:
    """What can be refused before decoding."""
    width, height = image.size
    if width < 1 or height < 1:
        raise PictureError(f"{path}: {width} x {height} pixels, there is nothing to enlarge; export it again")
    if width * height > PIXEL_LIMIT:
        limit = f"the limit is {PIXEL_LIMIT // 10**6} megapixels; cut it into parts"
        raise PictureError(f"{path}: {width} x {height} pixels, too large; {limit}")
    if image.format != "MPO" and getattr(image, "n_frames", 1) > 1:  # MPO: a photograph and its previews
        raise PictureError(f"{path}: several pages or frames; save the one you want as a picture of its own")
    if image.format in ("PNG", "TIFF") and any(";16" in str(tile[3]) for tile in getattr(image, "tile", ())):
        raise _too_deep(str(path))
    _kind(image, str(path))


def _kind(image: Image.Image, name: str) -> str:
    """L, LA, RGB or RGBA, whichever shows the image as it is meant. Raises `PictureError` for other kinds."""
    if image.mode.startswith(("I", "F")):
        raise _too_deep(name)
    if image.mode not in _KINDS:
        raise PictureError(f"{name}: its colours are {image.mode}, which is not supported; convert it to RGB first")
    kind = _KINDS[image.mode]
    if "transparency" in image.info and kind in ("L", "RGB"):
        return {"L": "LA", "RGB": "RGBA"}[kind]
    return kind


def _too_deep(name: str) -> PictureError:
    return PictureError(f"{name}: more than 8 bits a channel, which is not supported yet; convert it to 8 bits first")


def _orientation(image: Image.Image) -> int:
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # damaged EXIF, and the picture is none the worse for it
        return 1
    return value if value in _TURNS else 1


def _fitting_profile(image: Image.Image, mode: str) -> bytes | None:
    """The embedded profile, if it describes the colours that `mode` has (a palette's or grey's may not)."""
    profile = image.info.get("icc_profile")
    space = b"GRAY" if mode in ("L", "LA") else b"RGB "
    return profile if isinstance(profile, bytes) and profile[16:20] == space else None


def _check_format(path: Path, file_format: str, width: int, height: int, mode: str) -> None:
    if file_format in _OPAQUE_FORMATS and mode in ("LA", "RGBA"):
        raise PictureError(f"{path}: {file_format} cannot hold transparency; write .png instead")
    if max(width, height) > _LARGEST_SIDE[file_format]:
        limit = f"{file_format} holds at most {_LARGEST_SIDE[file_format]} a side"
        raise PictureError(f"{path}: {width} x {height} pixels, and {limit}; write .png instead")
    content = (width * CHANNELS[mode] + 3) * height + 4096  # at most: rows may be filled up, and there is a header
    if file_format in _FOUR_GIGABYTE_FORMATS and content >= 2**32:
        limit = f"{file_format} holds at most 4 gigabytes"
        raise PictureError(f"{path}: {width} x {height} pixels, and {limit}; write .png instead")


def _out_of_memory(file_format: str) -> str:
    if file_format == "PNG":
        return "not enough memory for a band of rows; free some, or cut the picture into parts"
    return f"{file_format} needs the whole picture in memory; write .png instead"
