"""Kinds of TIFF that not every decoder knows: read where one does, and named where none does."""

import struct
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import pyvips
from PIL import Image
from tests.sample_files import profile, saved, smooth

from sesr.errors import PictureError
from sesr.files.open import open_picture

RGB = Image.fromarray(smooth())
DEEP = pyvips.Image.new_from_array(smooth().astype(np.uint16) * 257, interpretation="rgb16")


def with_compression(content: bytes, number: int) -> bytes:
    """The same TIFF, but its directory names another compression."""
    at = content.index(struct.pack("<HHI", 259, 3, 1)) + 8
    return content[:at] + struct.pack("<H", number) + content[at + 2 :]


@pytest.mark.parametrize("compression", ["zstd", "lzma"])
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "LA"])
def test_compressions_that_only_pillow_knows(tmp_path: Path, compression: str, mode: str) -> None:
    image = RGB.quantize(9) if mode == "P" else RGB.convert(mode)
    image.save(tmp_path / "a.tif", compression=compression, dpi=(300, 200), icc_profile=profile())
    picture = open_picture(tmp_path / "a.tif")
    seen = {"P": "RGB"}.get(mode, mode)
    assert picture.mode == seen
    assert np.array_equal(picture.rows(0, picture.height), np.asarray(image.convert(seen)))
    assert picture.metadata.dpi == pytest.approx((300, 200))


def test_deep_gray_keeps_its_bits(tmp_path: Path) -> None:
    pixels = smooth(channels=1).astype(np.uint16) * 200 + 7
    Image.fromarray(pixels).save(tmp_path / "a.tif", compression="zstd")
    assert np.array_equal(open_picture(tmp_path / "a.tif").rows(0, 20), pixels)


@pytest.mark.parametrize(
    ("number", "name"),
    [(50000, "ZSTD"), (34925, "LZMA")],
)
def test_what_no_decoder_knows_of_16_bits_is_named(tmp_path: Path, number: int, name: str) -> None:
    content = DEEP.write_to_buffer(".tif")
    (tmp_path / "a.tif").write_bytes(with_compression(content, number))
    with pytest.raises(
        PictureError, match=rf"a\.tif: not supported here \({name} compression of 16 bits per channel\)"
    ):
        open_picture(tmp_path / "a.tif")


@pytest.mark.parametrize(
    ("number", "name"), [(34712, "JPEG 2000"), (34887, ""), (32766, ""), (9, ""), (60000, "compression number 60000")]
)
def test_an_unknown_compression_is_named_once(tmp_path: Path, number: int, name: str) -> None:
    (tmp_path / "a.tif").write_bytes(with_compression(saved(RGB, "TIFF"), number))
    with pytest.raises(PictureError, match=r"a\.tif: (not supported here|damaged)") as caught:
        open_picture(tmp_path / "a.tif").rows(0, 1)
    assert f"not supported here ({name}" in str(caught.value)
    assert str(caught.value).lower().count("compression") <= 2


@pytest.mark.parametrize("order", ["<", ">"])
def test_bigtiff_of_both_byte_orders(tmp_path: Path, order: str) -> None:
    """Pillow reads only little-endian ones."""
    pixels, prefix = smooth(), profile()
    tags: dict[int, tuple[int, int, int | tuple[int, ...]]] = {
        256: (4, 1, 27),
        257: (4, 1, 20),
        259: (3, 1, 1),
        262: (3, 1, 2),
        277: (3, 1, 3),
        278: (4, 1, 20),
    }
    tags |= {
        258: (3, 3, (8, 8, 8)),
        274: (3, 1, 3),
        279: (16, 1, pixels.size),
        273: (16, 1, 0),
        34675: (7, len(prefix), 0),
    }
    forms = {3: "H", 4: "I", 16: "Q"}
    start = 16 + 8 + 20 * len(tags) + 8
    tags[273], tags[34675] = (16, 1, start), (7, len(prefix), start + pixels.size)
    body = (b"II" if order == "<" else b"MM") + struct.pack(order + "HHHQ", 43, 8, 0, 16)
    body += struct.pack(order + "Q", len(tags))
    for tag, (kind, count, value) in sorted(tags.items()):
        numbers = value if isinstance(value, tuple) else (value,)
        packed = struct.pack(f"{order}{len(numbers)}{forms.get(kind, 'Q')}", *numbers)
        body += struct.pack(order + "HHQ", tag, kind, count) + packed.ljust(8, b"\0")
    (tmp_path / "a.tif").write_bytes(body + bytes(8) + pixels.tobytes() + prefix)
    picture = open_picture(tmp_path / "a.tif")
    assert np.array_equal(picture.rows(0, 20), pixels[::-1, ::-1])  # orientation 3 is half a turn
    assert picture.metadata.icc == prefix


def test_each_page_has_its_own_metadata(tmp_path: Path) -> None:
    images = [RGB.copy() for _ in range(3)]
    file = BytesIO()
    for index, image in enumerate(images):
        image.encoderinfo = {"tiffinfo": {270: f"page {index + 1}", 274: index + 1}, "dpi": (100 + index, 100 + index)}
    images[0].save(
        file, "TIFF", save_all=True, append_images=images[1:], tiffinfo={270: "page 1", 274: 1}, dpi=(100, 100)
    )
    (tmp_path / "a.tif").write_bytes(file.getvalue())
    for index in range(3):
        metadata = open_picture(tmp_path / "a.tif", page=index + 1).metadata
        assert metadata.exif is not None
        assert f"page {index + 1}".encode() in metadata.exif
        assert metadata.orientation == index + 1
        assert metadata.dpi == pytest.approx((100 + index, 100 + index))


def planar_tiles(pixels: "np.typing.NDArray[np.generic]", side: int = 16) -> bytes:
    """A TIFF of tiles, with a plane for each channel, by hand: no writer at hand makes one."""
    height, width, channels = pixels.shape
    down, across = -(-height // side), -(-width // side)
    padded = np.zeros((down * side, across * side, channels), pixels.dtype)
    padded[:height, :width] = pixels
    tiles = padded.reshape(down, side, across, side, channels).transpose(4, 0, 2, 1, 3).reshape(-1, side * side)
    count, size, bits = len(tiles), tiles[0].nbytes, 8 * pixels.itemsize
    tags = {256: [width], 257: [height], 258: [bits] * channels, 259: [1], 262: [2], 277: [channels], 284: [2]}
    tags |= {322: [side], 323: [side], 324: [8 + size * k for k in range(count)], 325: [size] * count}
    at, head, values = 8 + tiles.nbytes + 2 + 12 * len(tags) + 4, b"", b""
    for tag, numbers in sorted(tags.items()):
        packed = struct.pack(f"<{len(numbers)}I", *numbers)
        head += struct.pack("<HHI", tag, 4, len(numbers)) + (packed if len(numbers) == 1 else struct.pack("<I", at))
        if len(numbers) > 1:
            values, at = values + packed, at + len(packed)
    start = struct.pack("<I", 8 + tiles.nbytes)
    return b"II*\0" + start + tiles.tobytes() + struct.pack("<H", len(tags)) + head + bytes(4) + values


def test_tiles_in_planes(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(planar_tiles(smooth()))
    assert np.array_equal(open_picture(tmp_path / "a.tif").rows(0, 20), smooth())


def test_tiles_in_planes_of_16_bits_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(planar_tiles(smooth().astype(np.uint16)))
    with pytest.raises(PictureError, match=r"not supported here \(tiles in a plane for each channel of 16 bits"):
        open_picture(tmp_path / "a.tif")
