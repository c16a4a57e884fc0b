"""The TIFF writer against libvips and Pillow."""

import io

import numpy as np
import pytest
import pyvips
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from sesr.imaging import tiff
from sesr.imaging.metadata import NOTHING, Metadata
from sesr.imaging.tiff import Pixels, write_tiff


def written(picture: Pixels, band: int, metadata: Metadata = NOTHING) -> bytes:
    """The file's content when the picture comes in bands of `band` rows."""
    file = io.BytesIO()
    height, width = picture.shape[:2]
    channels = picture.shape[2] if picture.ndim == 3 else 1
    bands = (picture[top : top + band] for top in range(0, height, band))
    write_tiff(file, bands, width, height, channels, 8 * picture.itemsize, metadata)
    return file.getvalue()


def read(content: bytes) -> Pixels:
    image = pyvips.Image.new_from_buffer(content, "", fail_on="warning")
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
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    exif.get_ifd(0x8769)[0x9003] = "2020:01:02 03:04:05"
    exif.get_ifd(0x8825)[1] = "N"
    content = exif.tobytes().removeprefix(b"Exif\0\0")
    said = Metadata(icc=b"profile", exif=content, xmp=b"<x/>", iptc=b"\x1c\2\x5a\0\1a", dpi=(300.0, 150.0))
    with Image.open(io.BytesIO(written(np.zeros((9, 5, 3), np.uint8), 4, said))) as image:
        assert image.info["dpi"] == (300, 150)
        found = image.getexif()
        assert found[0x010F] == "Maker"
        assert found.get_ifd(0x8769)[0x9003] == "2020:01:02 03:04:05"
        assert found.get_ifd(0x8825)[1] == "N"
        assert image.info["icc_profile"] == b"profile"
        assert found[700] == b"<x/>"
        assert found[33723] == b"\x1c\2\x5a\0\1a"


@pytest.mark.parametrize(("rows", "width"), [(3, 5), (5, 5), (4, 6)])
def test_bands_that_do_not_make_up_the_picture_are_an_error(rows: int, width: int) -> None:
    with pytest.raises(ValueError, match="instead of"):
        write_tiff(io.BytesIO(), [np.zeros((rows, width), np.uint8)], 5, 4, 1, 8, NOTHING)


def test_smooth_pictures_are_small() -> None:
    ramp = np.add.outer(np.arange(300), np.arange(400)).astype(np.uint8)
    assert len(written(ramp, 64)) < ramp.size // 20
