"""EXIF and TIFF directories as raw entries: changed in place, written anew, whole and damaged."""

import io
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image
from tests.sample_files import AUTHOR, NOTES, directory, whole_exif
from tests.sample_files import THUMBNAIL as PREVIEW

from sesr.metadata.exif import compact_exif, enlarged_exif, with_resolution, without_orientation
from sesr.metadata.ifd import directory_bytes, read_directory
from sesr.metadata.record import Metadata

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


def with_orientation_as(order: str, kind: str, orientation: int) -> bytes:
    """EXIF with nothing but an orientation, stored under a type that the standard does not allow."""
    number, value = {
        "BYTE": (1, struct.pack("B3x", orientation)),
        "ASCII": (2, b"%d\0\0\0" % orientation),
        "two digits": (2, b"%02d\0\0" % orientation),
        "FLOAT": (11, struct.pack(order + "f", orientation)),
        "LONG": (4, struct.pack(order + "I", orientation)),
        "RATIONAL": (5, struct.pack(order + "I", 26)),
        "UNDEFINED": (7, struct.pack("B3x", orientation)),
        "SHORT in a LONG": (4, struct.pack(order + "Hxx", orientation)),
        "SLONG": (9, struct.pack(order + "i", orientation)),
    }[kind]
    head = struct.pack(order + "2sHIH", b"II" if order == "<" else b"MM", 42, 8, 1)
    fraction = struct.pack(order + "II", 2 * orientation, 2)
    return head + struct.pack(order + "HHI", 0x0112, number, 1) + value + bytes(4) + fraction


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

    @pytest.mark.parametrize("orientation", range(1, 9))
    @pytest.mark.parametrize(
        "kind",
        ["BYTE", "ASCII", "two digits", "LONG", "RATIONAL", "UNDEFINED", "SHORT in a LONG", "SLONG", "FLOAT"],
    )
    def test_orientation_of_a_wrong_type_is_followed(self, order: str, kind: str, orientation: int) -> None:
        own = with_orientation_as(order, kind, orientation)
        assert Metadata(exif=own).orientation == orientation
        changed = enlarged_exif(own, 20, 10)
        assert changed is not None
        assert Metadata(exif=changed).orientation == read(changed)[0x0112] == 1

    @pytest.mark.parametrize("orientation", [0, 9, 255, 0x0106, 0x0601])
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
    assert set(read_directory(io.BytesIO(content))) <= {inner}


def test_values_that_many_entries_share_are_read_once() -> None:
    many = b"".join(struct.pack("<HHII", tag, 7, 900_000, 8) for tag in range(1000))
    content = struct.pack("<2sHIH", b"II", 42, 8, 1) + entry("<", 0x8769, 4, 26) + bytes(4)
    content += struct.pack("<H", 1000) + many + bytes(900_000)
    assert len(directory_bytes(read_directory(io.BytesIO(content)), 8)) < 2 * len(content)


def test_thumbnail_in_strips_goes_too() -> None:
    """Its pixels, not only the way to them."""
    seen = b"what was cut away"
    body = b"MM\0*\0\0\0\0"
    main = {0x10F: (2, 4, b"Cam\0")}
    start = len(body)
    second = start + len(directory(">", start, main))
    small = {0x111: (4, 1, struct.pack(">I", 0)), 0x117: (4, 1, struct.pack(">I", len(seen)))}
    small[0x111] = (4, 1, struct.pack(">I", second + len(directory(">", second, small))))
    whole = (
        body[:4] + struct.pack(">I", start) + directory(">", start, main, second) + directory(">", second, small) + seen
    )
    assert seen in whole
    changed = enlarged_exif(whole, 20, 10)
    assert changed is not None
    assert seen not in changed
    assert b"Cam\0" in changed
