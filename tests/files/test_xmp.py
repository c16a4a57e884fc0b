"""XMP packets, changed as text."""

import time

import pytest

from sesr.files.xmp import enlarged_xmp


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
