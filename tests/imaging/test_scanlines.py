"""PNG and TIFF read row after row."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import pyvips
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageOps

from sesr.errors import PictureError
from sesr.imaging import files
from sesr.imaging.files import open_picture
from sesr.imaging.scanlines import Scanlines, turned


def noise(*shape: int) -> NDArray[np.uint16]:
    return np.random.default_rng(3).integers(0, 1 << 16, shape, dtype=np.uint16)


@pytest.mark.parametrize("options", [{}, {"tile": True}, {"compression": "lzw"}, {"bigtiff": True}])
@settings(deadline=None, max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(1, 39), max_size=4))
def test_rows_are_those_of_the_file(tmp_path: Path, options: dict[str, object], cuts: list[int]) -> None:
    pixels = noise(40, 23, 3)
    pyvips.Image.new_from_array(pixels, interpretation="rgb16").write_to_file(str(tmp_path / "a.tif"), **options)
    picture = open_picture(tmp_path / "a.tif")
    edges = sorted({0, 40, *cuts})
    parts = [picture.rows(top, bottom) for top, bottom in pairwise(edges)]
    assert (picture.mode, picture.depth) == ("RGB", 16)
    assert np.array_equal(np.concatenate(parts), pixels)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_turned_is_what_pillow_does(orientation: int) -> None:
    pixels = noise(5, 7, 3).astype(np.uint8)
    image = Image.fromarray(pixels)
    image.getexif()[0x0112] = orientation
    assert np.array_equal(turned(pixels, orientation), np.asarray(ImageOps.exif_transpose(image)))


def test_only_what_starts_at_the_top_needs_little_memory(tmp_path: Path) -> None:
    for orientation, needed in ((1, 0), (2, 0), (3, 2 * 3 * 20), (6, 2 * 3 * 20)):
        exif = Image.Exif()
        exif[0x0112] = orientation
        Image.new("RGB", (5, 4)).save(tmp_path / "a.png", exif=exif)
        picture = open_picture(tmp_path / "a.png")
        assert isinstance(picture, Scanlines)
        assert picture.whole_bytes == needed


def test_interlaced_needs_the_whole_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = noise(9, 10, 3).astype(np.uint8)
    pyvips.Image.new_from_array(pixels).pngsave(str(tmp_path / "a.png"), interlace=True)
    picture = open_picture(tmp_path / "a.png")
    assert isinstance(picture, Scanlines)
    assert picture.whole_bytes == pixels.size
    assert np.array_equal(picture.rows(0, 9), pixels)
    monkeypatch.setattr(files, "free_memory", lambda: pixels.size - 1)
    with pytest.raises(PictureError, match=r"a\.png: .* to read it whole, for it is interlaced or turned"):
        open_picture(tmp_path / "a.png")


def with_extra(path: Path, kind: int) -> None:
    """A TIFF whose fourth channel is of a kind: 0 unspecified, 1 multiplied into the colour, 2 alpha."""
    Image.new("RGBA", (4, 3), (60, 40, 20, 128)).save(path, tiffinfo={338: kind})
    content = bytearray(path.read_bytes())
    order = content[:2]
    assert order == b"II"
    at = content.index(b"\x52\x01\x03\0\x01\0\0\0")
    content[at + 8 : at + 10] = kind.to_bytes(2, "little")
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("kind", "mode", "pixel"),
    [(0, "RGB", [60, 40, 20]), (1, "RGBA", [119, 79, 39, 128]), (2, "RGBA", [60, 40, 20, 128])],
)
def test_fourth_channel_is_what_the_tiff_says(tmp_path: Path, kind: int, mode: str, pixel: list[int]) -> None:
    with_extra(tmp_path / "a.tif", kind)
    picture = open_picture(tmp_path / "a.tif")
    assert picture.mode == mode
    assert picture.rows(0, 1)[0, 0].tolist() == pixel  # libvips undoes the multiplication, and cuts off


@pytest.mark.parametrize("space", ["CMYK", "LAB"])
def test_other_colours_are_refused(tmp_path: Path, space: str) -> None:
    Image.new(space, (4, 3)).save(tmp_path / "a.tif")
    with pytest.raises(PictureError, match=r"its colours are|bad labq"):
        open_picture(tmp_path / "a.tif")


def test_white_may_be_zero(tmp_path: Path) -> None:
    Image.new("1", (9, 4), 1).save(tmp_path / "a.tif", compression="group4")
    assert (open_picture(tmp_path / "a.tif").rows(0, 4) == 255).all()
