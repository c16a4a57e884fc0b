"""Animations as they are read: GIF, WebP, AVIF and APNG, every frame of them, with their timing.

Formats store frames as changes to the frame before. Pillow puts them together, so that each frame is a whole picture
here (`sesr.files.frames` prepares them for writing, and Pillow finds the changes again).

Formats count differently how often an animation plays. GIF says how often it repeats after the first time, and nothing
for once. WebP and APNG say how often it plays in all. AVIF's count is neither read nor written by Pillow: such files
play for ever.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from PIL import Image
from PIL.PngImagePlugin import Disposal, PngImageFile

from sesr.errors import PictureError
from sesr.files.faults import damaged, reading
from sesr.files.formats import GIF, PNG, WEBP, Format
from sesr.files.limits import MOST_FRAMES, check_size, unguarded_pillow
from sesr.files.picture import Picture, kind_of
from sesr.files.webp import whole_webp
from sesr.metadata.record import Metadata

_NO_TRAILER = "the GIF lacks its end marker, but no frame"


@dataclass(frozen=True)
class Animated:
    """An animation in a file, its frames not yet decoded.

    Attributes:
        path: the file.
        form: its format.
        width, height: pixels, upright.
        count: frames.
        plays: how often it plays, 0 for ever.
        metadata: what the file says besides.
        notes: remarks on what was assumed.
    """

    path: Path
    form: Format = field(repr=False)
    width: int
    height: int
    count: int
    plays: int
    metadata: Metadata
    notes: tuple[str, ...] = ()

    def frames(self) -> Iterator[tuple[Picture, float]]:
        """Yield each frame, whole, and how long it is shown, in milliseconds. Raises `PictureError` for damage."""
        with reading(self.path), unguarded_pillow(), self.path.open("rb") as file:
            content = whole_webp(file)[0] if self.form is WEBP else file
            image = Image.open(content, formats=[self.form.codec])
            canvas, first, orientation = (0, 0, *image.size), _skip_default_image(image), self.metadata.orientation
            for index in range(first, first + self.count):
                image.seek(index)
                image.load()
                frame = _without_useless_alpha(image.crop(canvas))
                picture = Picture(frame, kind_of(frame, str(self.path)), orientation, self.metadata, self.notes)
                yield picture, float(image.info.get("duration", 0))

    def frame(self, number: int) -> Picture:
        """Return one frame, whole, by its number from 1. Raises `PictureError` for damage."""
        return next(islice(self.frames(), number - 1, None))[0]


def read_animation(
    path: Path, file: BinaryIO, form: Format, pixel_limit: int
) -> tuple[Animated | None, tuple[str, ...]]:
    """Return the animation in a file, None if the file holds one still picture, and notes.

    Raises `PictureError` for more than `MOST_FRAMES` frames, for frames that have more than `pixel_limit` pixels
    together, and for a GIF whose last frame is incomplete; else whatever Pillow raises on damage.
    """
    places: list[tuple[int, int]] = []
    content, notes = whole_webp(file) if form is WEBP else (file, ())
    if form is GIF:
        places, notes = _gif_frames(path, file)
    content.seek(0)
    with Image.open(content, formats=[form.codec]) as image:
        hidden = int(getattr(image, "default_image", False))
        count = len(places) if form is GIF else int(getattr(image, "n_frames", 1)) - hidden
        if count < 2:
            return None, notes
        metadata = _metadata(file, form, image)
        upright = Picture(image, image.mode, metadata.orientation)
        found = Animated(path, form, upright.width, upright.height, count, _plays(image), metadata, notes)
        right, bottom = map(max, zip(image.size, *places, strict=True))  # a damaged GIF's frames may reach further
    if count > MOST_FRAMES:
        raise PictureError(f"{path}: more than {MOST_FRAMES} frames, too many; cut it into parts")
    check_size(path, right, bottom * count, pixel_limit)
    return found, notes


def _skip_default_image(image: Image.Image) -> int:
    """Return the first frame's index: an APNG may begin with a picture for programs that know no animations.

    Pillow counts that picture as a frame, and would leave it under the next one, which begins on an empty canvas (APNG
    specification, "Structure"). So Pillow is made to remove it.
    """
    if not (isinstance(image, PngImageFile) and image.default_image):
        return 0
    image.dispose_op, image.dispose_extent = Disposal.OP_BACKGROUND, (0, 0, *image.size)
    return 1


def _without_useless_alpha(frame: Image.Image) -> Image.Image:
    opaque = frame.mode == "RGBA" and frame.getchannel("A").getextrema() == (255, 255)
    return frame.convert("RGB") if opaque else frame


def _gif_frames(path: Path, file: BinaryIO) -> tuple[list[tuple[int, int]], tuple[str, ...]]:
    """Walk over a GIF without decoding it (GIF89a specification, section 18 on).

    Returns how far each frame reaches, right and below, for `MOST_FRAMES` + 1 at most, and notes. Bytes between blocks,
    which some programs leave, are skipped. Raises `PictureError` if the file ends within a frame, or before the first.
    """
    size = file.seek(0, 2)
    file.seek(0)
    flags = file.read(13)[10:11]
    _skip_table(file, flags)
    places: list[tuple[int, int]] = []
    whole = True
    while (kind := file.read(1)) and kind != b";" and len(places) <= MOST_FRAMES:
        if kind not in b"!,":
            continue
        if kind == b",":
            place = file.read(9).ljust(9, b"\0")
            left, top, width, height = struct.unpack("<4H", place[:8])
            _skip_table(file, place[8:])
        file.read(1)  # an extension's label, or a code's bits
        while length := file.read(1):
            if length == b"\0":
                break
            file.seek(length[0], 1)
        whole = bool(length) or (kind == b"," and file.tell() == size)  # Pillow sees whether pixels are missing
        if kind == b"," and whole:
            places.append((left + width, top + height))
    if not places or not whole:
        raise damaged(path, "the GIF ends within a frame")
    return places, () if kind else (_NO_TRAILER,)


def _skip_table(file: BinaryIO, flags: bytes) -> None:
    """Skip a table of colors, if the flags say that there is one."""
    if flags and flags[0] & 0x80:
        file.seek(3 << ((flags[0] & 7) + 1), 1)


def _plays(image: Image.Image) -> int:
    loop = image.info.get("loop")
    if image.format == "GIF":
        return 1 if loop is None else loop + 1 if loop else 0
    return int(loop or 0)


def _metadata(file: BinaryIO, form: Format, image: Image.Image) -> Metadata:
    metadata = Metadata.of_image(image, file)
    if form is GIF:
        return replace(metadata, comment=image.info.get("comment"))
    return replace(Metadata.of_png(file), icc=metadata.icc) if form is PNG else metadata
