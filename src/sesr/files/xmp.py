"""XMP packets, changed as text.

XMP (ISO 16684-1) is XML that holds RDF. The same value may stand in an attribute or in an element, and lists and
structures are elements inside others:

    <?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?>
    <x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF ...>
      <rdf:Description tiff:Orientation="6" hdrgm:Version="1.0">
        <tiff:ImageWidth>4000</tiff:ImageWidth>
        <xmp:Thumbnails><rdf:Alt> ... </rdf:Alt></xmp:Thumbnails>
      </rdf:Description>
    </rdf:RDF></x:xmpmeta>
    <?xpacket end="w"?>

Why as text: everybody may add names of their own, and a parser that writes the packet anew changes prefixes, order and
padding that another program may count on. Here only the bytes of what no longer holds change: numbers that are replaced
and attributes and elements that go. Names are sought with their usual prefixes. A packet that is damaged XML passes
like any other, and a hostile one costs time in proportion to its length.
"""

import re

_DROPPED = (
    rb"(?:(?:xmp|xap):Thumbnails|hdrgm:\w+|Container:Directory|GCamera:M(?:otionPhoto|icroVideo)\w*"
    rb"|xmpNote:HasExtendedXMP|exif:Subject(?:Area|Location)|exif:FocalPlane[XY]Resolution)"
)
"""Names in XMP of what no longer holds."""
_DROPPED_ATTRIBUTE = re.compile(rb"\s" + _DROPPED + rb"\s*=\s*(?:\"[^\"<]*\"|'[^'<]*')")
_DROPPED_TAG = re.compile(rb"<(/?)(" + _DROPPED + rb")(?=[\s/>])[^<>]*>")


def enlarged_xmp(xmp: bytes, width: int, height: int) -> bytes:
    """An XMP packet of an upright picture of this size, in pixels, without what no longer holds."""
    xmp = _without_elements(_DROPPED_ATTRIBUTE.sub(b"", xmp))
    for name, value in (
        (rb"tiff:Orientation", 1),
        (rb"tiff:ImageWidth", width),
        (rb"tiff:ImageLength", height),
        (rb"exif:PixelXDimension", width),
        (rb"exif:PixelYDimension", height),
    ):
        number = str(value).encode()
        xmp = re.sub(rb"(\b" + name + rb"\s*=\s*[\"'])\d+", rb"\g<1>" + number, xmp)
        xmp = re.sub(rb"(<" + name + rb">)\s*\d+\s*(?=</)", rb"\g<1>" + number, xmp)
    return xmp


def _without_elements(xmp: bytes) -> bytes:
    """Without the elements that `_DROPPED` names, in one go: an expression for whole ones might look far and often."""
    kept, since, opened = bytearray(), 0, b""
    for tag in _DROPPED_TAG.finditer(xmp):
        closing, name = tag.groups()
        if not opened and not closing:
            kept += xmp[since : tag.start()]
            since, opened = tag.start(), name
        if (closing or tag[0].endswith(b"/>")) and name == opened:
            since, opened = tag.end(), b""
    return bytes(kept) + xmp[since:]
