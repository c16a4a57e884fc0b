"""XMP packets, edited as text.

XMP (ISO 16684-1) is XML that holds RDF. A value may stand in an attribute or in an element, and lists and structures
are elements inside others:

    <?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?>
    <x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF ...>
      <rdf:Description tiff:Orientation="6" hdrgm:Version="1.0">
        <tiff:ImageWidth>4000</tiff:ImageWidth>
        <xmp:Thumbnails><rdf:Alt> ... </rdf:Alt></xmp:Thumbnails>
      </rdf:Description>
    </rdf:RDF></x:xmpmeta>
    <?xpacket end="w"?>

Why as text: anybody may add names of their own, and a parser that writes the packet anew changes prefixes, order and
padding that another program may count on. Here only the bytes of what no longer holds change: numbers are replaced,
attributes and elements removed. Names are searched with their usual prefixes. A packet that is damaged XML passes like
any other, and a hostile one costs time in proportion to its length. New properties come in a description of their own,
at the end, and never replace one that is there.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from xml.etree import ElementTree
from xml.sax.saxutils import escape, quoteattr

_DROPPED = (
    rb"(?:(?:xmp|xap):Thumbnails|hdrgm:\w+|Container:Directory|GCamera:M(?:otionPhoto|icroVideo)\w*"
    rb"|xmpNote:HasExtendedXMP|exif:Subject(?:Area|Location)|exif:FocalPlane[XY]Resolution)"
)
"""Names of what does not hold for the larger picture."""
_DROPPED_ATTRIBUTE = re.compile(rb"\s" + _DROPPED + rb"\s*=\s*(?:\"[^\"<]*\"|'[^'<]*')")
_DROPPED_TAG = re.compile(rb"<(/?)(" + _DROPPED + rb")(?=[\s/>])[^<>]*>")

TEXT, BAG, SEQUENCE, ALTERNATIVES = "text", "Bag", "Seq", "Alt"
"""Kinds of values: one text; texts without and with an order; texts in several languages."""

_NAMESPACES = {
    "dc": "http://purl.org/dc/elements/1.1/",
    "photoshop": "http://ns.adobe.com/photoshop/1.0/",
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "Iptc4xmpCore": "http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/",
}
_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_EMPTY_PACKET = (
    b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="%b"></rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
) % _RDF.encode()
_RDF_END = re.compile(rb"</([A-Za-z_][\w.-]*):RDF\s*>")
_ABOUT = re.compile(rb"<[\w.-]+:Description\b[^<>]*?\s[\w.-]+:about\s*=\s*(\"[^\"<]*\"|'[^'<]*')")
_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class Property:
    """One fact for XMP.

    Attributes:
        name: with its usual prefix, one of those in this module.
        kind: TEXT, BAG, SEQUENCE or ALTERNATIVES.
        values: texts; one for TEXT, and the default language's for ALTERNATIVES.
    """

    name: str
    kind: str
    values: tuple[str, ...]

    def element(self, rdf: str) -> str:
        """Return the XML element, where `rdf` is the packet's prefix for RDF."""
        texts = self._escaped()
        if self.kind == TEXT:
            return f"<{self.name}>{texts[0]}</{self.name}>"
        if self.kind == ALTERNATIVES:
            items = f'<{rdf}:li xml:lang="x-default">{" ".join(texts)}</{rdf}:li>'
        else:
            items = "".join(f"<{rdf}:li>{text}</{rdf}:li>" for text in texts)
        return f"<{self.name}><{rdf}:{self.kind}>{items}</{rdf}:{self.kind}></{self.name}>"

    def stands_in(self, packet: bytes) -> bool:
        """Tell if all the texts occur in a packet."""
        return all(text.encode() in packet for text in self._escaped())

    def _escaped(self) -> list[str]:
        return [escape(_NOT_IN_XML.sub("", value)) for value in self.values]


def enlarged_xmp(xmp: bytes, width: int, height: int) -> bytes:
    """Return the packet for an upright picture of this size in pixels, without what no longer holds."""
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


def with_properties(xmp: bytes | None, properties: Iterable[Property]) -> tuple[bytes | None, list[Property]]:
    """Add properties to a packet, or to a new one for None. Those that it has already stay as they are.

    Returns the packet, and the properties that do not stand in it: the packet has another value, or no place to add to.
    """
    packet, wanted = xmp or _EMPTY_PACKET, list(properties)
    present, ends = _present_names(packet), list(_RDF_END.finditer(packet))
    new = [each for each in wanted if each.name not in present] if ends else []
    left_out = [each for each in wanted if each not in new and not each.stands_in(packet)]
    if not new:
        return xmp, left_out
    rdf, at = ends[-1][1].decode(), ends[-1].start()
    about = _ABOUT.search(packet)  # descriptions of one packet must all be about the same thing
    prefixes = sorted({each.name.split(":")[0] for each in new})
    spaces = "".join(f" xmlns:{prefix}={quoteattr(_NAMESPACES[prefix])}" for prefix in prefixes)
    head = f"<{rdf}:Description {rdf}:about=".encode() + (about[1] if about else b'""') + spaces.encode() + b">"
    body = "".join(each.element(rdf) for each in new).encode()
    return packet[:at] + head + body + f"</{rdf}:Description>".encode() + packet[at:], left_out


def _present_names(xmp: bytes) -> set[str]:
    """Return the names of the packet's properties, with the prefixes that are usual for their namespaces."""
    try:
        root = ElementTree.fromstring(xmp.strip(b"\0 \r\n\t"))
    except (ElementTree.ParseError, ValueError, LookupError):  # damaged, or an encoding that Python does not know
        return {name.decode("latin-1") for name in re.findall(rb"[<\s]([A-Za-z]\w*:\w+)", xmp)}
    prefixes = {f"{{{space}}}": prefix for prefix, space in _NAMESPACES.items()}
    found = set()
    for description in root.iter(f"{{{_RDF}}}Description"):
        for name in [*description.attrib, *(child.tag for child in description)]:
            space, _, local = name.rpartition("}")
            if space + "}" in prefixes:
                found.add(f"{prefixes[space + '}']}:{local}")
    return found


def _without_elements(xmp: bytes) -> bytes:
    """Remove the elements that `_DROPPED` names, in one pass: a pattern for whole elements might search for ever."""
    kept, since, opened = bytearray(), 0, b""
    for tag in _DROPPED_TAG.finditer(xmp):
        closing, name = tag.groups()
        if not opened and not closing:
            kept += xmp[since : tag.start()]
            since, opened = tag.start(), name
        if (closing or tag[0].endswith(b"/>")) and name == opened:
            since, opened = tag.end(), b""
    return bytes(kept) + xmp[since:]
