"""A picture that Pillow decoded, handed out as NumPy rows.

Pillow keeps four bytes per pixel for color, one for gray. Rows are converted when they are asked for, so there is no
second copy of the picture: they are turned upright, and palettes and black-and-white become one of the four modes.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sesr.errors import PictureError
from sesr.files.faults import reading
from sesr.metadata.record import NOTHING, Metadata, fitting_profile

DEEP_GRAY = ("I;16", "I;16L", "I;16B")
"""Pillow's names for gray of 16 bits."""

_KINDS = {"1": "L", "L": "L", "LA": "LA", "La": "LA", "P": "RGB", "PA": "RGBA", "RGB": "RGB", "RGBX": "RGB"} | {
    "RGBA": "RGBA",
    "RGBa": "RGBA",
    "YCbCr": "RGB",
    **dict.fromkeys(DEEP_GRAY, "L"),
}
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
    """A decoded picture as a person sees it: upright, and of one of four kinds. A `sesr.imaging.stream.Source`.

    Attributes:
        stored: the pixels as the file has them.
        mode: L, LA, RGB or RGBA, which `rows` gives.
        orientation: EXIF's, 1 (as stored) to 8, still to be applied to `stored`.
        metadata: what the file says besides.
        notes: remarks on what was converted or assumed.
    """

    stored: Image.Image
    mode: str
    orientation: int = 1
    metadata: Metadata = NOTHING
    notes: tuple[str, ...] = ()

    @classmethod
    def from_image(cls, image: Image.Image, name: str = "the picture") -> "Picture":
        """Wrap a Pillow image as it is. Its EXIF is ignored.

        Raises `PictureError` for kinds that are refused, and when its file, which Pillow reads only now, is damaged.
        """
        with reading(name):
            image.load()
        return cls(image, kind_of(image, name))

    @property
    def width(self) -> int:
        """Pixels."""
        return self.stored.size[1 if self.orientation in _ON_ITS_SIDE else 0]

    @property
    def height(self) -> int:
        """Pixels."""
        return self.stored.size[0 if self.orientation in _ON_ITS_SIDE else 1]

    @property
    def depth(self) -> int:
        """Bits a channel: 8, or 16."""
        return 16 if self.stored.mode in DEEP_GRAY else 8

    def rows(self, top: int, bottom: int) -> NDArray[Any]:
        """Rows `top` to `bottom` (exclusive), in any order: see `sesr.imaging.stream.Source`."""
        if self.orientation in _FROM_THE_END:
            top, bottom = self.height - bottom, self.height - top
        if self.orientation in _ON_ITS_SIDE:
            box = (top, 0, bottom, self.stored.height)
        else:
            box = (0, top, self.stored.width, bottom)
        part = self.stored.crop(box)
        if self.depth == 8 and (part.mode != self.mode or "transparency" in part.info):
            part = part.convert(self.mode)
        if self.orientation in _TURNS:
            part = part.transpose(_TURNS[self.orientation])
        return np.asarray(part, np.uint16 if self.depth == 16 else np.uint8)


def read_picture(image: Image.Image, name: str, metadata: Metadata, notes: tuple[str, ...] = ()) -> Picture:
    """Decode what Pillow has opened. Raises `PictureError` for kinds that are refused, else what decoders raise."""
    image.load()
    mode = kind_of(image, name)
    return Picture(image, mode, metadata.orientation, fitting_profile(metadata, mode), notes)


def kind_of(image: Image.Image, name: str) -> str:
    """Return the mode that shows the image as it is meant. Raises `PictureError` for kinds that are refused."""
    if image.mode in ("I", "F"):
        raise PictureError(f"{name}: 32-bit numbers, which are not supported; convert it to 16 bits first")
    if image.mode not in _KINDS:
        raise PictureError(f"{name}: its colors are {image.mode}, which is not supported; convert it to RGB first")
    kind = _KINDS[image.mode]
    if "transparency" in image.info and kind in ("L", "RGB") and image.mode not in DEEP_GRAY:
        return {"L": "LA", "RGB": "RGBA"}[kind]
    return kind
