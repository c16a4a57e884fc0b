"""What files say beside pixels: byte by byte, whole and damaged."""

import io
import struct
import time
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image
from tests.inference.sample_files import AUTHOR, NOTES, png, whole_exif
from tests.inference.sample_files import THUMBNAIL as PREVIEW

from sesr.imaging.metadata import (
    NOTHING,
    Metadata,
    compact_exif,
    described,
    directory_bytes,
    enlarged_exif,
    enlarged_xmp,
    fitting_profile,
    photoshop_iptc,
    with_resolution,
    without_orientation,
    wrapped_iptc,
)

THUMBNAIL = b"\xff\xd8 a small picture \xff\xd9"


def exif(order: str = "<", orientation: int = 6, *, thumbnail: bool = True) -> bytes:
    """By hand: orientation, a second directory with sizes, and a thumbnail at the end."""
    inner_at, following_at = 8 + 2 + 2 * 12 + 4, 8 + 2 + 2 * 12 + 4 + 2 + 2 * 12 + 4
    image_at = following_at + 2 + 2 * 12 + 4
    first = entry(order, 0x0112, 3, orientation) + entry(order, 0x8769, 4, inner_at)
    inner = entry(order, 0xA002, 3, 40) + entry(order, 0xA003, 4, 30)
    following = entry(order, 0x0201, 4, image_at) + entry(order, 0x0202, 4, len(THUMBNAIL))
    parts = [struct.pack(order + "2sHI", b"II" if order == "<" else b"MM", 42, 8)]
    parts.append(struct.pack(order + "H", 2) + first + struct.pack(order + "I", following_at if thumbnail else 0))
    parts.append(struct.pack(order + "H", 2) + inner + bytes(4))
    parts.append(struct.pack(order + "H", 2) + following + bytes(4) + THUMBNAIL)
    return b"".join(parts)


def entry(order: str, tag: int, kind: int, value: int) -> bytes:
    return struct.pack(order + ("HHIHxx" if kind == 3 else "HHII"), tag, kind, 1, value)


def read(content: bytes) -> Image.Exif:
    found = Image.Exif()
    found.load(content)
    return found


@pytest.mark.parametrize("order", ["<", ">"])
class TestExif:
    """Changed in place."""

    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_orientation_is_read(self, order: str, orientation: int) -> None:
        assert Metadata(exif=exif(order, orientation)).orientation == orientation

    @pytest.mark.parametrize("orientation", [0, 9, 255])
    def test_orientation_that_does_not_exist_is_none(self, order: str, orientation: int) -> None:
        assert Metadata(exif=exif(order, orientation)).orientation == 1

    def test_enlarged_is_upright_of_the_new_size_and_without_thumbnail(self, order: str) -> None:
        changed = enlarged_exif(exif(order), 80_000, 60)
        assert changed is not None
        assert THUMBNAIL not in changed
        found = read(changed)
        assert found[0x0112] == 1
        assert dict(found.get_ifd(0x8769)) == {0xA002: 80_000, 0xA003: 60}
        assert dict(found.get_ifd(ExifTags.IFD.IFD1)) == {}

    def test_all_sizes_are_the_new_ones_and_old_places_are_gone(self, order: str) -> None:
        own = whole_exif(order=order)
        changed = enlarged_exif(own, 40, 54)
        assert changed is not None
        assert read(own).get_ifd(ExifTags.IFD.IFD1)
        assert PREVIEW not in changed
        assert changed.index(NOTES) == own.index(NOTES)
        found = read(changed)
        inner = found.get_ifd(0x8769)
        assert (found[0x100], found[0x101], inner[0xA002], inner[0xA003]) == (40, 54, 40, 54)
        assert found.get_ifd(0xA005) == {1: "R98", 0x1001: 40, 0x1002: 54}
        assert not inner.keys() & {0x9214, 0xA214, 0xA20E, 0xA20F}
        assert inner[0x9003] == "2020:01:02 03:04:05"
        assert not found.get_ifd(ExifTags.IFD.IFD1)

    def test_orientation_is_taken_out_and_all_else_stays_in_place(self, order: str) -> None:
        own = whole_exif(order=order)
        changed = without_orientation(own)
        assert changed is not None
        assert len(changed) == len(own)
        assert changed.index(NOTES) == own.index(NOTES)
        before, found = read(own), read(changed)
        del before[0x0112]
        assert dict(found) == dict(before)
        assert found.get_ifd(ExifTags.IFD.IFD1) == before.get_ifd(ExifTags.IFD.IFD1)

    def test_compact_says_the_same_but_for_the_maker(self, order: str) -> None:
        found, before = read(compact_exif(whole_exif(order=order)) or b""), read(whole_exif(order=order))
        inner = dict(before.get_ifd(0x8769))
        del inner[0x927C], inner[0xA005]
        assert {tag: value for tag, value in found.get_ifd(0x8769).items() if tag != 0xA005} == inner
        assert dict(found.get_ifd(0xA005)) == dict(before.get_ifd(0xA005))
        assert dict(found.get_ifd(0x8825)) == dict(before.get_ifd(0x8825))
        assert found[315].encode("latin-1").decode() == AUTHOR

    def test_resolution_is_added_and_replaced(self, order: str) -> None:
        for before in (exif(order), with_resolution(exif(order), (72, 72))):
            changed = with_resolution(before, (300, 150.5))
            found = read(changed)
            assert (found[282], found[283], found[296]) == (300, 150.5, 2)
            assert found[0x0112] == 6
            assert dict(found.get_ifd(0x8769)) == {0xA002: 40, 0xA003: 30}
            assert THUMBNAIL in changed


def test_resolution_without_exif_makes_some() -> None:
    assert dict(read(with_resolution(None, (300, 300)))) == {282: 300, 283: 300, 296: 2}


@settings(deadline=None, max_examples=300)
@given(content=st.binary(max_size=120), head=st.sampled_from([b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08", b""]))
def test_any_exif_is_changed_or_left_out(content: bytes, head: bytes) -> None:
    metadata = Metadata(exif=head + content, xmp=content).enlarged(10, 20)
    assert metadata.exif is None or len(metadata.exif) <= len(head + content)
    assert Metadata(exif=head + content).orientation in range(1, 9)
    with_resolution(head + content, (300, 300))
    without_orientation(head + content)
    compact_exif(head + content)


@settings(deadline=None, max_examples=200)
@given(data=st.data())
def test_damaged_exif_is_changed_or_left_out(data: st.DataObject) -> None:
    content = bytearray(data.draw(st.sampled_from([exif(), whole_exif(), whole_exif(order="<")])))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    without_orientation(enlarged_exif(bytes(content), 10, 20))
    with_resolution(bytes(content), (300, 300))
    compact_exif(bytes(content))


def test_thumbnail_that_begins_at_the_start_takes_all_with_it() -> None:
    content = bytearray(exif("<"))
    place = content.index(struct.pack("<HHI", 0x0201, 4, 1)) + 8
    content[place : place + 8] = struct.pack("<I", 8) + content[place + 4 : place + 8]
    length = content.index(struct.pack("<HHI", 0x0202, 4, 1)) + 8
    content[length : length + 4] = struct.pack("<I", len(content))
    assert enlarged_exif(bytes(content), 10, 20) is None


@pytest.mark.parametrize("inner", [0x8769, 0x8825])
def test_directory_that_points_to_itself_has_an_end(inner: int) -> None:
    content = struct.pack("<2sHIH", b"II", 42, 8, 2) + entry("<", inner, 4, 8) + entry("<", 0xA005, 4, 8) + bytes(4)
    assert set(described(io.BytesIO(content))) <= {inner}


def test_values_that_many_entries_share_are_read_once() -> None:
    many = b"".join(struct.pack("<HHII", tag, 7, 900_000, 8) for tag in range(1000))
    content = struct.pack("<2sHIH", b"II", 42, 8, 1) + entry("<", 0x8769, 4, 26) + bytes(4)
    content += struct.pack("<H", 1000) + many + bytes(900_000)
    assert len(directory_bytes(described(io.BytesIO(content)), 8)) < 2 * len(content)


def test_xmp_is_upright_and_of_the_new_size() -> None:
    xmp = b'<a tiff:Orientation="6" exif:PixelXDimension = \'40\'><tiff:ImageWidth>40</tiff:ImageWidth><b n="6"/></a>'
    changed = enlarged_xmp(xmp, 80, 60)
    assert changed == (
        b'<a tiff:Orientation="1" exif:PixelXDimension = \'80\'><tiff:ImageWidth>80</tiff:ImageWidth><b n="6"/></a>'
    )


@pytest.mark.parametrize(
    "gone",
    [
        b"<xmp:Thumbnails><rdf:Alt><rdf:li r:p='1'><g:image>/9j/4AAQ</g:image></rdf:li></rdf:Alt></xmp:Thumbnails>",
        b"<hdrgm:GainMapMax>\n<rdf:Seq><rdf:li>3</rdf:li></rdf:Seq></hdrgm:GainMapMax >",
        b"<Container:Directory> <rdf:Seq/> </Container:Directory>",
        b"<exif:SubjectArea><rdf:Seq><rdf:li>3</rdf:li></rdf:Seq></exif:SubjectArea>",
        b'<hdrgm:Version x="1"/>',
    ],
)
def test_xmp_keeps_nothing_of_what_is_gone(gone: bytes) -> None:
    rest = b'<x:d xmlns:hdrgm="http://ns"%b><b n="6"/>', b"</x:d>"
    assert enlarged_xmp((rest[0] % b' hdrgm:Version="1.0"') + gone + rest[1], 80, 60) == (rest[0] % b"") + rest[1]


def test_xmp_of_endless_openings_takes_no_time() -> None:
    start = time.monotonic()
    packet = b"".join(b"<hdrgm:a%d>" % number for number in range(100_000)) + b" " * 1_000_000
    assert enlarged_xmp(packet, 80, 60) == packet
    assert time.monotonic() - start < 5


def raw_profile(exif: bytes, *, packed: bool) -> tuple[bytes, bytes]:
    """PNG's chunk as ImageMagick writes it."""
    digits = (b"Exif\0\0" + exif).hex()
    lines = "".join(f"{digits[at : at + 72]}\n" for at in range(0, len(digits), 72))
    text = f"\nexif\n{len(digits) // 2:8}\n{lines}".encode()
    keyword = b"Raw profile type exif\0"
    return (b"zTXt", keyword + b"\0" + zlib.compress(text)) if packed else (b"tEXt", keyword + text)


@pytest.mark.parametrize("packed", [False, True])
def test_exif_in_text_of_png_is_read_and_its_chunk_goes(packed: bool) -> None:
    raw, own = raw_profile(exif(), packed=packed), (b"tEXt", b"Author\0me")
    assert Metadata.of_png(io.BytesIO(png(raw, own))) == Metadata(exif=exif(), chunks=(own,))
    other = whole_exif()
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
    kept = Metadata(icc=b"p", exif=exif(), xmp=b"x", dpi=(1, 1), chunks=chunks).without_notes()
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
