"""IPTC blocks: read, wrapped as JPEG does, and translated to XMP."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sesr.metadata.iptc import Dataset, datasets, decoded, photoshop_iptc, wrapped_iptc, xmp_properties
from sesr.metadata.xmp import ALTERNATIVES, BAG, SEQUENCE, TEXT, Property


def dataset(number: int, value: bytes, record: int = 2) -> bytes:
    return struct.pack(">BBBH", 0x1C, record, number, len(value)) + value


UTF_8 = dataset(90, b"\x1b%G", 1)

EVERY_FIELD = [
    (4, "001:Current", Property("Iptc4xmpCore:IntellectualGenre", TEXT, ("Current",))),
    (5, "Title", Property("dc:title", ALTERNATIVES, ("Title",))),
    (10, "5", Property("photoshop:Urgency", TEXT, ("5",))),
    (12, "IPR:04016011:Economy:Goods:Furs", Property("Iptc4xmpCore:SubjectCode", BAG, ("04016011",))),
    (15, "SPO", Property("photoshop:Category", TEXT, ("SPO",))),
    (20, "ball", Property("photoshop:SupplementalCategories", BAG, ("ball",))),
    (25, "word", Property("dc:subject", BAG, ("word",))),
    (40, "Handle with care", Property("photoshop:Instructions", TEXT, ("Handle with care",))),
    (80, "Ann", Property("dc:creator", SEQUENCE, ("Ann",))),
    (85, "Staff", Property("photoshop:AuthorsPosition", TEXT, ("Staff",))),
    (90, "Köln", Property("photoshop:City", TEXT, ("Köln",))),
    (92, "Dom", Property("Iptc4xmpCore:Location", TEXT, ("Dom",))),
    (95, "NRW", Property("photoshop:State", TEXT, ("NRW",))),
    (100, "DEU", Property("Iptc4xmpCore:CountryCode", TEXT, ("DEU",))),
    (101, "Germany", Property("photoshop:Country", TEXT, ("Germany",))),
    (103, "job 7", Property("photoshop:TransmissionReference", TEXT, ("job 7",))),
    (105, "Headline", Property("photoshop:Headline", TEXT, ("Headline",))),
    (110, "Agency", Property("photoshop:Credit", TEXT, ("Agency",))),
    (115, "Archive", Property("photoshop:Source", TEXT, ("Archive",))),
    (116, "© me", Property("dc:rights", ALTERNATIVES, ("© me",))),
    (120, "Größe", Property("dc:description", ALTERNATIVES, ("Größe",))),
    (122, "Bob", Property("photoshop:CaptionWriter", TEXT, ("Bob",))),
]


@pytest.mark.parametrize(("number", "text", "wanted"), EVERY_FIELD)
@pytest.mark.parametrize(("before", "encoding"), [(UTF_8, "utf-8"), (b"", "utf-8"), (b"", "cp1252")])
def test_every_field_has_its_place(number: int, text: str, wanted: Property, before: bytes, encoding: str) -> None:
    assert xmp_properties(before + dataset(number, text.encode(encoding))) == ([wanted], [])


def test_several_values_are_a_list_in_their_order() -> None:
    found, lost = xmp_properties(dataset(25, b"one") + dataset(25, b"two") + dataset(80, b"Ann") + dataset(80, b"Bob"))
    assert found == [Property("dc:subject", BAG, ("one", "two")), Property("dc:creator", SEQUENCE, ("Ann", "Bob"))]
    assert lost == []


@pytest.mark.parametrize(
    ("date", "time", "wanted"),
    [
        (b"20200102", b"030405+0100", "2020-01-02T03:04:05+01:00"),
        (b"20200102", b"030405", "2020-01-02T03:04:05"),
        (b"20200102", None, "2020-01-02"),
        (b"20200102", b"noon", "2020-01-02"),
        (b"20200100", None, "2020-01"),
        (b"20200000", None, "2020"),
        (b"January", b"030405", "January"),
    ],
)
def test_dates_are_as_in_iso_8601(date: bytes, time: bytes | None, wanted: str) -> None:
    block = dataset(55, date) + (b"" if time is None else dataset(60, time))
    assert xmp_properties(block) == ([Property("photoshop:DateCreated", TEXT, (wanted,))], [])


def test_what_has_no_place_is_named() -> None:
    block = (
        dataset(0, b"\0\4")
        + dataset(118, b"phone")
        + dataset(25, b"word")
        + dataset(131, b"L")
        + dataset(22, b"")
        + dataset(240, b"x")
    )
    assert xmp_properties(block) == (
        [Property("dc:subject", BAG, ("word",))],
        ["IPTC Contact", "IPTC ImageOrientation", "IPTC 2:240"],
    )
    assert xmp_properties(b"no block") == ([], ["IPTC"])


def test_long_datasets_are_read() -> None:
    value = b"x" * 40_000
    block = struct.pack(">BBBHI", 0x1C, 2, 120, 0x8004, len(value)) + value + dataset(25, b"word")
    assert list(datasets(block)) == [Dataset(2, 120, value), Dataset(2, 25, b"word")]


@given(
    values=st.lists(st.tuples(st.integers(1, 9), st.integers(0, 255), st.binary(max_size=40))), cut=st.integers(0, 40)
)
def test_datasets_are_read_up_to_the_damaged_one(values: list[tuple[int, int, bytes]], cut: int) -> None:
    parts = [dataset(number, value, record) for record, number, value in values]
    block = b"".join(parts)
    assert list(datasets(block)) == [Dataset(*each) for each in values]
    shorter = list(datasets(block[: max(len(block) - cut, 0)]))
    assert shorter == [Dataset(*each) for each in values[: len(shorter)]]


@given(content=st.binary(max_size=80))
def test_any_bytes_are_a_block_or_none(content: bytes) -> None:
    xmp_properties(content)
    xmp_properties(b"\x1c\2\x19" + content)
    decoded(content)


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
