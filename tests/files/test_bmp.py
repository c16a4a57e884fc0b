"""BMP of bit fields, whatever their masks."""

import struct
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from sesr.errors import PictureError
from sesr.files.open import open_picture

Masks = tuple[int, ...]


def bmp(masks: Masks, bits: int, width: int = 7, height: int = 5, down: int = -1) -> bytes:
    """A BMP of noise; rows run upwards where `down` is 1."""
    stride = -(-width * bits // 32) * 4
    pixels = np.random.default_rng(4).integers(0, 256, (height, stride), np.uint8).tobytes()
    size = 40 if len(masks) == 3 else 56
    header = struct.pack("<IiiHHIIiiII", size, width, down * height, 1, bits, 3, len(pixels), 2835, 2835, 0, 0)
    header += struct.pack(f"<{len(masks)}I", *masks)
    return b"BM" + struct.pack("<IHHI", 14 + len(header) + len(pixels), 0, 0, 14 + len(header)) + header + pixels


def meant(content: bytes, masks: Masks, bits: int, width: int = 7) -> "np.typing.NDArray[np.uint8]":
    """The pixels one by one, by exact fractions."""
    start = int.from_bytes(content[10:14], "little")
    stride = -(-width * bits // 32) * 4
    rows = []
    for top in range(start, len(content), stride):
        row = []
        for at in range(top, top + width * bits // 8, bits // 8):
            number = int.from_bytes(content[at : at + bits // 8], "little")
            parts = [((number & mask) // (mask & -mask), mask // (mask & -mask)) for mask in masks]
            row.append([int(255 * value / most + 0.5) for value, most in parts])
        rows.append(row)
    return np.array(rows, np.uint8)


@pytest.mark.parametrize("down", [-1, 1])
@pytest.mark.parametrize(
    ("masks", "bits"),
    [
        ((0xF800, 0x7E0, 0x1F), 16),  # Pillow's own
        ((0xF00, 0xF0, 0xF), 16),
        ((0xE0, 0x1C, 0x3), 16),
        ((0x3FF00000, 0xFFC00, 0x3FF), 32),
        ((0xFF, 0xFF00, 0xFF0000), 32),
        ((0xF00, 0xF0, 0xF, 0xF000), 16),
        ((0x3FF, 0xFFC00, 0x3FF00000, 0xC0000000), 32),
    ],
)
def test_bit_fields(tmp_path: Path, masks: Masks, bits: int, down: int) -> None:
    (tmp_path / "a.bmp").write_bytes(content := bmp(masks, bits, down=down))
    picture = open_picture(tmp_path / "a.bmp")
    assert picture.mode == ("RGB" if len(masks) == 3 else "RGBA")
    close = 8 if masks == (0xF800, 0x7E0, 0x1F) else 0
    difference = picture.rows(0, 5).astype(int) - meant(content, masks, bits)[::-down]
    assert np.abs(difference).max() <= close


def test_usual_bit_fields_are_pillows(tmp_path: Path) -> None:
    content = bmp((0xF800, 0x7E0, 0x1F), 16)
    (tmp_path / "a.bmp").write_bytes(content)
    with Image.open(BytesIO(content)) as image:
        assert np.array_equal(open_picture(tmp_path / "a.bmp").rows(0, 5), np.asarray(image))


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(masks=st.tuples(*[st.integers(0, (1 << 32) - 1)] * 3), bits=st.sampled_from([16, 32]), cut=st.integers(0, 200))
def test_any_masks_are_read_or_refused(tmp_path: Path, masks: Masks, bits: int, cut: int) -> None:
    content = bmp(masks, bits)
    (tmp_path / "a.bmp").write_bytes(content[: len(content) - cut])
    with suppress(PictureError):
        assert open_picture(tmp_path / "a.bmp").rows(0, 5).shape[:2] == (5, 7)


def test_missing_pixels_are_damage(tmp_path: Path) -> None:
    (tmp_path / "a.bmp").write_bytes(bmp((0xF00, 0xF0, 0xF), 16)[:-9])
    with pytest.raises(PictureError, match=r"a\.bmp: damaged or incomplete \(its pixels end too early\)"):
        open_picture(tmp_path / "a.bmp")
