"""The TIFF writer against libvips and Pillow."""

import io
import struct

import numpy as np
import pytest
import pyvips
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from tests.sample_files import AUTHOR, whole_exif

from sesr.files import tiff
from sesr.files.tiff import write_tiff
from sesr.imaging.arrays import Pixels
from sesr.metadata.record import NOTHING, Metadata


def written(picture: Pixels, band: int, metadata: Metadata = NOTHING) -> bytes:
    """The file's content when the picture comes in bands of `band` rows."""
    file = io.BytesIO()
    height, width = picture.shape[:2]
    channels = picture.shape[2] if picture.ndim == 3 else 1
    bands = (picture[top : top + band] for top in range(0, height, band))
    write_tiff(file, bands, width, height, channels, 8 * picture.itemsize, metadata)
    return file.getvalue()


def read(content: bytes, fail_on: str = "warning") -> Pixels:
    image = pyvips.Image.new_from_buffer(content, "", fail_on=fail_on)
    dtype = {"uchar": np.uint8, "ushort": np.uint16}[image.format]
    pixels = np.frombuffer(image.write_to_memory(), dtype).reshape(image.height, image.width, image.bands)
    return pixels[..., 0] if image.bands == 1 else pixels


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@settings(deadline=None, max_examples=40)
@given(data=st.data(), channels=st.sampled_from([1, 2, 3, 4]), band=st.integers(1, 9), strip=st.integers(1, 400))
def test_libvips_reads_back_what_was_written(
    data: st.DataObject, channels: int, band: int, strip: int, dtype: type[np.unsignedinteger], big: bool
) -> None:
    height, width = data.draw(st.integers(1, 20)), data.draw(st.integers(1, 12))
    picture = data.draw(arrays(dtype, (height, width) if channels == 1 else (height, width, channels)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiff, "STRIP_BYTES", strip)
        patch.setattr(tiff, "LARGEST_PLAIN", 0 if big else 1 << 31)
        content = written(picture, band)
    assert content[2:4] == (b"+\0" if big else b"*\0")
    assert np.array_equal(read(content), picture)


@pytest.mark.parametrize("big", [False, True])
def test_all_that_it_says_is_read_by_pillow(big: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiff, "LARGEST_PLAIN", 0 if big else 1 << 31)
    said = Metadata(icc=b"profile", exif=whole_exif(), xmp=b"<x/>", iptc=b"\x1c\2\x5a\0\1a", dpi=(300.0, 150.0))
    with Image.open(io.BytesIO(written(np.zeros((9, 5, 3), np.uint8), 4, said))) as image:
        assert image.info["dpi"] == (300, 150)
        found = image.getexif()
        assert (found[0x010D], found[0x010F], found[0x0112]) == ("Name", "Maker", 1)
        assert found[0x013B].encode("latin-1").decode() == AUTHOR
        inner = found.get_ifd(0x8769)
        assert (inner[0x9003], inner[0x829A], inner[0x9204]) == ("2020:01:02 03:04:05", 0.004, pytest.approx(-1 / 3))
        assert inner[0xA432] == (50, 50, 1.8, 1.8)
        assert 0x927C not in inner
        assert found.get_ifd(0xA005)[1] == "R98"
        assert dict(found.get_ifd(0x8825)) == {1: "N", 2: (48, 30, 0)}
        assert image.info["icc_profile"] == b"profile"
        assert found[700] == b"<x/>"
        assert found[33723] == b"\x1c\2\x5a\0\1a"


PICTURE = np.zeros((3, 5, 3), np.uint8)


@pytest.mark.parametrize("kind", [*range(20), 255])
@pytest.mark.parametrize(
    ("tag", "right"), [(0x10F, 2), (0x13B, 2), (0x829A, 5), (0x9204, 10), (0xA005, 4), (0x8825, 4)]
)
def test_exif_of_wrong_types_is_written_or_left_out(tag: int, right: int, kind: int) -> None:
    exif = whole_exif(order="<").replace(struct.pack("<HH", tag, right), struct.pack("<HH", tag, kind))
    assert np.array_equal(read(written(PICTURE, 3, Metadata(exif=exif)), "error"), PICTURE)


@settings(deadline=None, max_examples=200)
@given(data=st.data(), order=st.sampled_from("<>"))
def test_damaged_exif_is_written_as_far_as_it_is_whole(data: st.DataObject, order: str) -> None:
    exif = bytearray(whole_exif(order=order))
    for _ in range(data.draw(st.integers(1, 5))):
        exif[data.draw(st.integers(4, len(exif) - 1))] = data.draw(st.integers(0, 13) | st.integers(0, 255))
    assert np.array_equal(read(written(PICTURE, 3, Metadata(exif=bytes(exif))), "error"), PICTURE)


@pytest.mark.parametrize(("rows", "width"), [(3, 5), (5, 5), (4, 6)])
def test_bands_that_do_not_make_up_the_picture_are_an_error(rows: int, width: int) -> None:
    with pytest.raises(ValueError, match="instead of"):
        write_tiff(io.BytesIO(), [np.zeros((rows, width), np.uint8)], 5, 4, 1, 8, NOTHING)


def test_smooth_pictures_are_small() -> None:
    ramp = np.add.outer(np.arange(300), np.arange(400)).astype(np.uint8)
    assert len(written(ramp, 64)) < ramp.size // 20
