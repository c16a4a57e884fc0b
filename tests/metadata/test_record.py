"""Metadata of files: byte by byte, whole and damaged."""

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from tests.sample_files import png, whole_exif

from sesr.metadata.cicp import Cicp
from sesr.metadata.record import NOTHING, Metadata, brightest, fitting_profile


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


def test_profile_that_describes_other_colors_is_left_out() -> None:
    gray = bytes(16) + b"GRAY" + bytes(112)
    assert fitting_profile(Metadata(icc=gray), "L").icc == gray
    assert fitting_profile(Metadata(icc=gray), "RGB").icc is None
    assert fitting_profile(Metadata(icc=b"short"), "RGB").icc is None
    assert fitting_profile(Metadata(icc=gray), "RGB").unread == ("ICC profile of other colors",)
    assert fitting_profile(Metadata(icc=gray), "L").unread == ()


def test_without_notes_colors_stay() -> None:
    chunks = ((b"gAMA", b"1234"), (b"cLLI", bytes(8)), (b"tEXt", b"Author\0me"))
    codes = Cicp(9, 16)
    told = Metadata(
        icc=b"p", exif=whole_exif(), xmp=b"x", iptc=b"i", comment=b"c", dpi=(1, 1), chunks=chunks, cicp=codes
    )
    assert told.without_notes() == Metadata(icc=b"p", chunks=chunks[:2], cicp=codes)


def test_colors_of_png_are_read_and_written_the_same() -> None:
    chunks = ((b"gAMA", b"\0\1\x86\xa0"), (b"mDCV", bytes(24)), (b"cICP", b"\x09\x10\0\1"), (b"tEXt", b"Author\0me"))
    found = Metadata.of_png(io.BytesIO(png(*chunks)))
    assert found.cicp == Cicp(9, 16)
    assert sorted(found.color_and_text_chunks()) == sorted(chunks)


@pytest.mark.parametrize(
    ("chunks", "light"),
    [
        ((), None),
        (((b"cLLI", struct.pack(">II", 6_000_000, 0)),), 600),
        (((b"mDCV", bytes(16) + struct.pack(">II", 10_000_000, 1)),), 1000),
        (((b"mDCV", bytes(16) + struct.pack(">II", 10_000_000, 1)), (b"cLLI", struct.pack(">II", 6_000_000, 0))), 600),
        (((b"cLLI", bytes(8)),), None),
        (((b"cLLI", b"\1"), (b"mDCV", b"")), None),
    ],
)
def test_brightest_light_is_the_pictures_or_the_displays(
    chunks: tuple[tuple[bytes, bytes], ...], light: float | None
) -> None:
    assert brightest(chunks) == light


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
