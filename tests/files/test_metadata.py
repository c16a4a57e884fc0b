"""What files say beside pixels: byte by byte, whole and damaged."""

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from tests.sample_files import png, whole_exif

from sesr.files.metadata import NOTHING, Metadata, fitting_profile, photoshop_iptc, wrapped_iptc


def raw_profile(exif: bytes, *, packed: bool) -> tuple[bytes, bytes]:
    """PNG's chunk as ImageMagick writes it."""
    digits = (b"Exif\0\0" + exif).hex()
    lines = "".join(f"{digits[at : at + 72]}\n" for at in range(0, len(digits), 72))
    text = f"\nexif\n{len(digits) // 2:8}\n{lines}".encode()
    keyword = b"Raw profile type exif\0"
    return (b"zTXt", keyword + b"\0" + zlib.compress(text)) if packed else (b"tEXt", keyword + text)


@pytest.mark.parametrize("packed", [False, True])
def test_exif_in_text_of_png_is_read_and_its_chunk_goes(packed: bool) -> None:
    little, other = whole_exif(order="<"), whole_exif()
    raw, own = raw_profile(little, packed=packed), (b"tEXt", b"Author\0me")
    assert Metadata.of_png(io.BytesIO(png(raw, own))) == Metadata(exif=little, chunks=(own,))
    for chunks in ((raw, (b"eXIf", other)), ((b"eXIf", other), raw)):
        assert Metadata.of_png(io.BytesIO(png(*chunks))) == Metadata(exif=other)


@pytest.mark.parametrize("text", [b"\nexif\n 4\nxyz", b"", b"\xff\n\n\n\xff", b"\n\n\n\n", b"\nexif\n  2\n4949"])
def test_damaged_exif_in_text_of_png_is_text(text: bytes) -> None:
    for name, content in ((b"tEXt", text), (b"zTXt", b"\0" + zlib.compress(text)), (b"zTXt", b"\0" + text)):
        assert Metadata.of_png(io.BytesIO(png((name, b"Raw profile type exif\0" + content)))).exif is None


@given(content=st.binary(min_size=1, max_size=50))
def test_iptc_is_wrapped_and_unwrapped(content: bytes) -> None:
    assert photoshop_iptc(wrapped_iptc(content)) == content


def test_iptc_is_found_behind_other_resources() -> None:
    other = b"8BIM" + struct.pack(">H", 0x03ED) + b"\x03abc" + struct.pack(">I", 3) + b"xyz\0"
    assert photoshop_iptc(b"Photoshop 3.0\0" + other + wrapped_iptc(b"words")[14:]) == b"words"


@given(content=st.binary(max_size=60))
def test_any_segment_gives_iptc_or_none(content: bytes) -> None:
    photoshop_iptc(content)
    photoshop_iptc(b"Photoshop 3.0\x008BIM" + content)


def test_profile_that_describes_other_colours_is_left_out() -> None:
    grey = bytes(16) + b"GRAY" + bytes(112)
    assert fitting_profile(Metadata(icc=grey), "L").icc == grey
    assert fitting_profile(Metadata(icc=grey), "RGB").icc is None
    assert fitting_profile(Metadata(icc=b"short"), "RGB").icc is None


def test_without_notes_colours_stay() -> None:
    chunks = ((b"gAMA", b"1234"), (b"tEXt", b"Author\0me"))
    kept = Metadata(icc=b"p", exif=whole_exif(), xmp=b"x", dpi=(1, 1), chunks=chunks).without_notes()
    assert kept == Metadata(icc=b"p", chunks=chunks[:1])


@pytest.mark.parametrize("dpi", [(300.0, 200.0), (0.0, 300.0), (float("nan"), 1.0), (float("inf"), 1.0)])
def test_resolution_is_one_that_a_printer_could_use(dpi: tuple[float, float]) -> None:
    image = Image.fromarray(np.zeros((2, 2), np.uint8))
    image.info["dpi"] = dpi
    assert Metadata.of_image(image).dpi == (dpi if dpi == (300.0, 200.0) else None)


@given(content=st.binary(max_size=200))
def test_any_bytes_say_something_or_nothing(content: bytes) -> None:
    Metadata.of_png(io.BytesIO(content))
    assert Metadata.of_tiff(io.BytesIO(b"II*\0" + content)).icc is None or content
    assert Metadata.of_tiff(io.BytesIO(content)) == NOTHING or content
