"""PNG and TIFF read row after row."""

import struct
import zlib
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
from sesr.files import limits
from sesr.files.faults import reading
from sesr.files.open import open_picture
from sesr.files.scanlines import Scanlines, turned


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
    for orientation, needed in ((1, 0), (2, 0), (3, 3 * 20), (6, 3 * 20)):
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
    monkeypatch.setattr(limits, "free_memory", lambda: pixels.size - 1)
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


Tags = dict[int, tuple[int, ...]]


def written(path: Path, changes: Tags, pixels: bytes = bytes(range(256))) -> Path:
    """A TIFF of 4 x 3 RGB pixels in one strip, but for these tags."""
    tags = {256: (4,), 257: (3,), 258: (8, 8, 8), 259: (1,), 262: (2,), 273: (8,), 277: (3,), 278: (3,)} | changes
    entries, values = b"", b""
    for tag, numbers in sorted((tags | {279: (len(pixels),)}).items()):
        kind, form = (4, "I") if len(numbers) == 1 else (3, "H")
        content = struct.pack(f"<{len(numbers)}{form}", *numbers)
        if len(content) > 4:
            content, values = struct.pack("<I", 8 + len(pixels) + len(values)), values + content
        entries += struct.pack("<HHI", tag, kind, len(numbers)) + content.ljust(4, b"\0")
    start = 8 + len(pixels) + len(values)
    directory = struct.pack("<H", len(entries) // 12) + entries + bytes(4)
    path.write_bytes(b"II*\0" + struct.pack("<I", start) + pixels + values + directory)
    return path


GREY: Tags = {262: (1,)}
YCBCR: Tags = {262: (6,), 530: (1, 1)}
LAB: Tags = {262: (8,)}
SENSOR: Tags = {262: (32803,), 277: (1,)}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (YCBCR, "its colors are YCbCr without JPEG, .* convert it to RGB first"),
        (GREY | {338: (2, 0)}, "its colors are gray of 3 channels, .* convert it to RGB first"),
        (GREY | {258: (16, 16, 16), 338: (2, 0)}, "its colors are gray of 3 channels, .* convert it to RGB first"),
        (LAB, "its colors are Lab, .* convert it to RGB first"),
        (LAB | {258: (16, 16, 16)}, "its colors are Lab, .* convert it to RGB first"),
        (
            GREY | {258: (12,), 277: (1,)},
            "its numbers are of 12 bits, which is not supported; convert it to 16 bits first",
        ),
        ({258: (32, 32, 32), 339: (3, 3, 3)}, "its numbers are real, which is not supported"),
        (GREY | {277: (1,), 258: (8,), 339: (2,)}, "its numbers are signed, of 8 bits, which is not supported"),
        (GREY | {277: (1,), 258: (32,), 339: (1,)}, "its numbers are of 32 bits, which is not supported"),
        ({277: (5,), 258: (8,) * 5, 338: (0, 0)}, "its colors are RGB of 5 channels, which is not supported"),
        ({258: (4, 4, 4)}, "its numbers are of 4 bits in each of several channels, which is not supported"),
        ({258: (2, 2, 2)}, "its numbers are of 2 bits in each of several channels, which is not supported"),
        (GREY | {258: (64,), 277: (1,), 339: (3,)}, "its numbers are of 64 bits, which is not supported"),
        ({254: (1,), 330: (200,)}, "a camera's raw file; develop it first"),
        ({50706: (1, 4, 0, 0)}, "a camera's raw file; develop it first"),
        (SENSOR | {258: (16,)}, "a camera's raw file; develop it first"),
    ],
)
def test_what_would_be_shown_wrongly_is_refused(tmp_path: Path, changes: Tags, message: str) -> None:
    assert open_picture(written(tmp_path / "plain.tif", {})).mode == "RGB"
    with pytest.raises(PictureError, match=rf"a\.tif: {message}"):
        open_picture(written(tmp_path / "a.tif", changes))


@pytest.mark.parametrize("space", ["CMYK", "LAB"])
def test_other_colours_are_refused(tmp_path: Path, space: str) -> None:
    Image.new(space, (4, 3)).save(tmp_path / "a.tif")
    with pytest.raises(PictureError, match=r"its colors are (CMYK|Lab),"):
        open_picture(tmp_path / "a.tif")


def test_ycbcr_by_jpeg_is_read(tmp_path: Path) -> None:
    Image.new("RGB", (16, 16), (200, 40, 20)).save(tmp_path / "a.tif", compression="jpeg")
    assert open_picture(tmp_path / "a.tif").rows(0, 1)[0, 0] == pytest.approx([200, 40, 20], abs=3)


def test_a_strip_may_be_larger_than_libtiff_allows(tmp_path: Path) -> None:
    side = 4200
    pixels = bytes(range(252)) * (3 * side * side // 252)
    changes: Tags = {256: (side,), 257: (side,), 259: (8,), 278: (side,)}
    picture = open_picture(written(tmp_path / "a.tif", changes, zlib.compress(pixels, 0)))
    rows = [picture.rows(top, top + 300) for top in range(0, side, 300)]
    assert np.concatenate(rows).tobytes() == pixels


def test_want_of_memory_is_no_damage() -> None:
    huge = pyvips.Image.black(4_000_000, 4_000_000, bands=100)
    with pytest.raises(PictureError, match=r"a\.tif: too large for this machine's memory"), reading(Path("a.tif")):
        huge.copy_memory()


def test_white_may_be_zero(tmp_path: Path) -> None:
    Image.new("1", (9, 4), 1).save(tmp_path / "a.tif", compression="group4")
    assert (open_picture(tmp_path / "a.tif").rows(0, 4) == 255).all()
