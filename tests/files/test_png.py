"""The PNG writer against Pillow's reader, and against Pillow's writer in size."""

import io
from collections.abc import Iterator

import numpy as np
import pytest
import pyvips
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from PIL import Image

from sesr.files.png import filter_rows, write_png
from sesr.imaging.arrays import Bytes, Pixels
from sesr.metadata.record import NOTHING, Metadata, png_chunks


def written(picture: Pixels, band: int, metadata: Metadata = NOTHING) -> bytes:
    """The file's content when the picture comes in bands of `band` rows."""
    file = io.BytesIO()
    height, width = picture.shape[:2]
    channels = picture.shape[2] if picture.ndim == 3 else 1
    bands = (picture[top : top + band] for top in range(0, height, band))
    write_png(file, bands, width, height, channels, 8 * picture.itemsize, metadata)
    return file.getvalue()


def read(content: bytes) -> Bytes:
    """The pixels, through Pillow, which checks every chunk's sum."""
    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(image)


@settings(deadline=None, max_examples=60)
@given(data=st.data(), channels=st.sampled_from([1, 2, 3, 4]), band=st.integers(1, 9))
def test_pillow_reads_back_what_was_written(data: st.DataObject, channels: int, band: int) -> None:
    height, width = data.draw(st.integers(1, 20)), data.draw(st.integers(1, 20))
    shape = (height, width) if channels == 1 else (height, width, channels)
    picture = data.draw(arrays(np.uint8, shape))
    assert np.array_equal(read(written(picture, band)), picture)


def test_each_filter_is_chosen_for_what_it_is_good_at() -> None:
    generator = np.random.default_rng(1)
    noise = generator.integers(0, 256, 64)
    columns = np.stack([noise, noise, np.repeat(noise[:1], 64), noise]).astype(np.uint8)
    stored = filter_rows(columns, np.zeros((1, 64), np.uint8), 1)
    assert stored[1, 0] == 2
    assert stored[2, 0] == 1
    assert filter_rows(of_means(noise), np.zeros((1, 64), np.uint8), 1)[1:, 0].tolist() == [3, 3, 3]
    assert 4 in filter_rows(smooth_picture(64, 64), np.zeros((1, 64), np.uint8), 1)[:, 0]
    picture = np.concatenate([columns, of_means(noise), smooth_picture(40, 64)])
    assert np.array_equal(read(written(picture, 7)), picture)


def of_means(first: NDArray[np.int64]) -> Bytes:
    """Four rows, each pixel of the last three the mean of the one on its left and the one above."""
    rows = [first.tolist()]
    for start in (0, 200, 90):
        row = [start]
        for above in rows[-1][1:]:
            row.append((row[-1] + above) // 2)
        rows.append(row)
    return np.array(rows, np.uint8)


def smooth_picture(height: int, width: int) -> Bytes:
    """Blurred noise, grey."""
    coarse = np.random.default_rng(4).integers(0, 256, (height // 4, width // 4), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def test_colour_profile_is_embedded() -> None:
    content = written(np.zeros((2, 3, 3), np.uint8), 2, Metadata(icc=b"a profile"))
    with Image.open(io.BytesIO(content)) as image:
        assert image.info["icc_profile"] == b"a profile"


def test_file_is_not_much_larger_than_pillows() -> None:
    picture = smooth_picture(400, 600)
    pillows = io.BytesIO()
    Image.fromarray(picture).save(pillows, "PNG")
    assert len(written(picture, 64)) < 1.12 * len(pillows.getvalue())


@pytest.mark.parametrize(("rows", "width"), [(3, 5), (5, 5), (4, 6)])
def test_bands_that_do_not_make_up_the_picture_are_an_error(rows: int, width: int) -> None:
    with pytest.raises(ValueError, match="instead of"):
        write_png(io.BytesIO(), [np.zeros((rows, width), np.uint8)], 5, 4, 1)


def test_bands_may_reuse_their_memory() -> None:
    picture = np.random.default_rng(3).integers(0, 256, (6, 5), dtype=np.uint8)
    file = io.BytesIO()

    def reused() -> Iterator[Bytes]:
        band = np.empty((2, 5), np.uint8)
        for top in (0, 2, 4):
            band[:] = picture[top : top + 2]
            yield band

    write_png(file, reused(), 5, 6, 1)
    assert np.array_equal(read(file.getvalue()), picture)


@settings(deadline=None, max_examples=40)
@given(data=st.data(), channels=st.sampled_from([1, 2, 3, 4]), band=st.integers(1, 9))
def test_libvips_reads_back_16_bits(data: st.DataObject, channels: int, band: int) -> None:
    height, width = data.draw(st.integers(1, 12)), data.draw(st.integers(1, 12))
    shape = (height, width) if channels == 1 else (height, width, channels)
    picture = data.draw(arrays(np.uint16, shape))
    image = pyvips.Image.new_from_buffer(written(picture, band), "")
    found = np.frombuffer(image.write_to_memory(), np.uint16)
    assert image.format == "ushort"
    assert np.array_equal(found.reshape(shape), picture)


def test_chunks_of_colour_come_before_pixels_and_in_order() -> None:
    chunks = ((b"gAMA", bytes(4)), (b"cICP", b"\x09\x10\0\1"), (b"tEXt", b"Author\0me"))
    content = written(np.zeros((2, 3, 3), np.uint8), 2, Metadata(dpi=(300, 300), xmp=b"<x/>", chunks=chunks))
    names = [name for name, _ in png_chunks(io.BytesIO(content))]
    assert names == [b"IHDR", b"gAMA", b"cICP", b"tEXt", b"pHYs", b"iTXt"]
    assert content.index(b"iTXt") < content.index(b"IDAT")


def test_profile_and_srgb_exclude_each_other() -> None:
    content = written(np.zeros((2, 3, 3), np.uint8), 2, Metadata(icc=b"a profile", chunks=((b"sRGB", b"\0"),)))
    assert [name for name, _ in png_chunks(io.BytesIO(content))] == [b"IHDR", b"iCCP"]
