"""Pictures that Pillow decoded."""

import numpy as np
import pytest
from PIL import Image, ImageOps

from sesr.errors import PictureError
from sesr.files.faults import reading
from sesr.files.picture import Picture, kind_of


@pytest.mark.parametrize("orientation", range(1, 9))
def test_any_rows_of_a_turned_picture(orientation: int) -> None:
    image = Image.fromarray(np.random.default_rng(1).integers(0, 256, (7, 11, 3), dtype=np.uint8))
    image.getexif()[0x0112] = orientation
    upright = np.asarray(ImageOps.exif_transpose(image))
    picture = Picture(image, "RGB", orientation)
    assert (picture.height, picture.width) == upright.shape[:2]
    for top in range(picture.height):
        for bottom in range(top + 1, picture.height + 1):
            assert np.array_equal(picture.rows(top, bottom), upright[top:bottom])


@pytest.mark.parametrize(
    ("mode", "seen"),
    [("1", "L"), ("P", "RGB"), ("PA", "RGBA"), ("La", "LA"), ("RGBa", "RGBA"), ("YCbCr", "RGB"), ("I;16", "L")],
)
def test_kinds(mode: str, seen: str) -> None:
    assert kind_of(Image.new(mode, (2, 2)), "it") == seen


def test_grey_of_16_bits_stays_so() -> None:
    pixels = np.arange(12, dtype=np.uint16).reshape(3, 4) * 5000
    picture = Picture.from_image(Image.fromarray(pixels))
    assert (picture.mode, picture.depth) == ("L", 16)
    assert np.array_equal(picture.rows(0, 3), pixels)


@pytest.mark.parametrize("mode", ["CMYK", "LAB", "HSV", "I", "F"])
def test_other_kinds_are_refused(mode: str) -> None:
    with pytest.raises(PictureError, match=r"it: .*; convert it to"):
        Picture.from_image(Image.new(mode, (2, 2)), "it")


@pytest.mark.parametrize("error", [ValueError("a\nb"), SyntaxError("x"), MemoryError(), OSError(), KeyError(1)])
def test_whatever_a_decoder_raises_becomes_one_line(error: Exception) -> None:
    with pytest.raises(PictureError) as caught, reading("a.png"):
        raise error
    assert str(caught.value).startswith("a.png: ")
    assert "\n" not in str(caught.value)
