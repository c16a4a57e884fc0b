"""XMP packets, changed as text."""

import time
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sesr.metadata.xmp import ALTERNATIVES, BAG, SEQUENCE, TEXT, Property, enlarged_xmp, with_properties


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


RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
DC = "{http://purl.org/dc/elements/1.1/}"
PHOTOSHOP = "{http://ns.adobe.com/photoshop/1.0/}"
FACTS = [
    Property("dc:subject", BAG, ("one", "two <&>")),
    Property("dc:creator", SEQUENCE, ("Ann",)),
    Property("dc:description", ALTERNATIVES, ("Größe",)),
    Property("photoshop:City", TEXT, ("Köln",)),
]


def texts(packet: bytes | None, name: str) -> list[str | None]:
    """The property's texts, by a real XML parser."""
    assert packet is not None
    found = ElementTree.fromstring(packet.strip(b"\0")).findall(f".//{RDF}Description/{name}")
    assert len(found) <= 1
    return [each.text for element in found for each in (element.findall(f".//{RDF}li") or [element])]


def packet(body: str, rdf: str = "rdf", about: str = "") -> bytes:
    return (
        f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><{rdf}:RDF xmlns:{rdf}="{RDF[1:-1]}" xmlns:dc="{DC[1:-1]}">'
        f'<{rdf}:Description {rdf}:about="{about}">{body}</{rdf}:Description></{rdf}:RDF></x:xmpmeta>'
    ).encode()


@pytest.mark.parametrize("before", [None, packet("<dc:format>x</dc:format>"), packet("", rdf="r", about="uuid:1")])
def test_properties_are_added(before: bytes | None) -> None:
    after, left_out = with_properties(before, FACTS)
    assert left_out == []
    assert texts(after, DC + "subject") == ["one", "two <&>"]
    assert texts(after, DC + "creator") == ["Ann"]
    assert texts(after, DC + "description") == ["Größe"]
    assert texts(after, PHOTOSHOP + "City") == ["Köln"]
    if before is not None:
        assert texts(after, DC + "format") == texts(before, DC + "format")
        abouts = [each.get(RDF + "about") for each in ElementTree.fromstring(after or b"").iter(RDF + "Description")]
        assert len(abouts) == 2
        assert len(set(abouts)) == 1


@pytest.mark.parametrize(
    "body",
    [
        "<dc:subject><rdf:Bag><rdf:li>own</rdf:li></rdf:Bag></dc:subject>",
        '<d:subject xmlns:d="http://purl.org/dc/elements/1.1/"><rdf:Bag><rdf:li>own</rdf:li></rdf:Bag></d:subject>',
    ],
)
def test_own_values_are_never_replaced(body: str) -> None:
    after, left_out = with_properties(packet(body), FACTS)
    assert texts(after, DC + "subject") == ["own"]
    assert texts(after, DC + "creator") == ["Ann"]
    assert left_out == FACTS[:1]


def test_attributes_count_as_own_values() -> None:
    before = packet("").replace(b'about=""', b'about="" xmlns:p="http://ns.adobe.com/photoshop/1.0/" p:City="Bonn"')
    after, left_out = with_properties(before, FACTS[3:])
    assert (after, left_out) == (before, FACTS[3:])


def test_same_values_are_not_missing() -> None:
    once, _ = with_properties(None, FACTS)
    assert with_properties(once, FACTS) == (once, [])


@pytest.mark.parametrize("before", [b"<x:xmpmeta/>", "<rdf:RDF></rdf:RDF>".encode("utf-16"), b"no packet"])
def test_packet_without_a_place_stays_and_nothing_is_lost_silently(before: bytes) -> None:
    assert with_properties(before, FACTS) == (before, FACTS)


@given(values=st.lists(st.text(max_size=20), min_size=1, max_size=3), before=st.sampled_from([None, packet("")]))
def test_any_text_makes_a_packet_that_parses(values: list[str], before: bytes | None) -> None:
    after, _ = with_properties(before, [Property("dc:subject", BAG, tuple(values))])
    assert len(texts(after, DC + "subject")) == len(values)


@given(before=st.binary(max_size=60))
def test_any_packet_is_added_to_or_left(before: bytes) -> None:
    for each in (before, b"<rdf:RDF>" + before + b"</rdf:RDF>"):
        after, left_out = with_properties(each, FACTS)
        assert left_out or (after is not None and len(after) > len(each))


def test_adding_to_a_hostile_packet_takes_no_time() -> None:
    start = time.monotonic()
    for before in (
        b"<a" * 200_000,
        b"<r:Description " * 100_000,
        b"</r:" + b"x" * 1_000_000,
        b"<a " + b"b:c " * 200_000,
    ):
        with_properties(before, FACTS)
    assert time.monotonic() - start < 5
