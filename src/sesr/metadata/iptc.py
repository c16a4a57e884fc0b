"""IPTC-IIM: captions, keywords and rights as agencies have stored them in JPEG and TIFF since 1991.

The block is a chain of datasets (IPTC-NAA Information Interchange Model 4.2, section 1.5):

    1C  02  19  00 04  54 6F 77 6E      mark, record 2, dataset 25 (keyword), 4 bytes: "Town"

A dataset may occur several times, for instance for several keywords. Where a length has its top bit set, the rest says
how many bytes the true length takes. Record 1 is an envelope; its dataset 90 names the encoding. Without it,
what is valid UTF-8 is read as such and anything else as Windows' Latin letters, as cameras and agencies write.

JPEG wraps the block in Photoshop's resources (segment APP13). Younger formats have no place for it: there the same
facts go into XMP, by the mapping of the IPTC Photo Metadata Standard (2023, "IIM" lines of each property).
"""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from sesr.metadata.xmp import ALTERNATIVES, BAG, SEQUENCE, TEXT, Property

_MARK = 0x1C
_PHOTOSHOP, _IPTC_RESOURCE = b"Photoshop 3.0\0", 0x0404
_LONG_LENGTH = 0x8000

_MAPPING: dict[int, tuple[str, str]] = {
    4: ("Iptc4xmpCore:IntellectualGenre", TEXT),
    5: ("dc:title", ALTERNATIVES),
    10: ("photoshop:Urgency", TEXT),
    12: ("Iptc4xmpCore:SubjectCode", BAG),
    15: ("photoshop:Category", TEXT),
    20: ("photoshop:SupplementalCategories", BAG),
    25: ("dc:subject", BAG),
    40: ("photoshop:Instructions", TEXT),
    55: ("photoshop:DateCreated", TEXT),
    62: ("xmp:CreateDate", TEXT),
    80: ("dc:creator", SEQUENCE),
    85: ("photoshop:AuthorsPosition", TEXT),
    90: ("photoshop:City", TEXT),
    92: ("Iptc4xmpCore:Location", TEXT),
    95: ("photoshop:State", TEXT),
    100: ("Iptc4xmpCore:CountryCode", TEXT),
    101: ("photoshop:Country", TEXT),
    103: ("photoshop:TransmissionReference", TEXT),
    105: ("photoshop:Headline", TEXT),
    110: ("photoshop:Credit", TEXT),
    115: ("photoshop:Source", TEXT),
    116: ("dc:rights", ALTERNATIVES),
    120: ("dc:description", ALTERNATIVES),
    122: ("photoshop:CaptionWriter", TEXT),
}
"""XMP's name and kind of value, by dataset of record 2."""
_NAMES = {
    3: "ObjectTypeReference",
    4: "ObjectAttributeReference",
    5: "ObjectName",
    7: "EditStatus",
    8: "EditorialUpdate",
    10: "Urgency",
    12: "SubjectReference",
    15: "Category",
    20: "SupplementalCategories",
    22: "FixtureIdentifier",
    25: "Keywords",
    26: "ContentLocationCode",
    27: "ContentLocationName",
    30: "ReleaseDate",
    35: "ReleaseTime",
    37: "ExpirationDate",
    38: "ExpirationTime",
    40: "SpecialInstructions",
    42: "ActionAdvised",
    45: "ReferenceService",
    47: "ReferenceDate",
    50: "ReferenceNumber",
    55: "DateCreated",
    62: "DigitalCreationDate",
    65: "OriginatingProgram",
    70: "ProgramVersion",
    75: "ObjectCycle",
    80: "By-line",
    85: "By-lineTitle",
    90: "City",
    92: "Sub-location",
    95: "Province-State",
    100: "Country-PrimaryLocationCode",
    101: "Country-PrimaryLocationName",
    103: "OriginalTransmissionReference",
    105: "Headline",
    110: "Credit",
    115: "Source",
    116: "CopyrightNotice",
    118: "Contact",
    120: "Caption-Abstract",
    122: "Writer-Editor",
    125: "RasterizedCaption",
    130: "ImageType",
    131: "ImageOrientation",
    135: "LanguageIdentifier",
}
"""Names of the datasets of record 2, as in the IIM, without spaces."""
_TIMES = {55: 60, 62: 63}
"""Datasets of dates, and those that hold their time of day."""
_WITHOUT_CONTENT = {0, 60, 63}
"""The model's version, and times that go with a date."""


@dataclass(frozen=True)
class Dataset:
    """One value of an IPTC block, under the numbers of its record and dataset."""

    record: int
    number: int
    value: bytes


def datasets(iptc: bytes) -> Iterator[Dataset]:
    """Yield the datasets of a block, up to the first that is damaged."""
    at = 0
    while at + 5 <= len(iptc) and iptc[at] == _MARK:
        record, number, length = struct.unpack_from(">BBH", iptc, at + 1)
        at += 5
        if length & _LONG_LENGTH:
            width = length & ~_LONG_LENGTH
            length = int.from_bytes(iptc[at : at + width], "big")
            at += width
        if at + length > len(iptc):
            return
        yield Dataset(record, number, iptc[at : at + length])
        at += length


def xmp_properties(iptc: bytes) -> tuple[list[Property], list[str]]:
    """Translate an IPTC block.

    Returns the properties for XMP, and names such as ``IPTC Contact`` of the datasets that XMP has no place for. A
    block that holds nothing readable is named as a whole.
    """
    found = list(datasets(iptc))
    values: dict[int, list[bytes]] = {}
    for each in found:
        if each.record == 2 and each.value.strip(b"\0 "):
            values.setdefault(each.number, []).append(each.value)
    properties = []
    for number in sorted(values.keys() & _MAPPING.keys()):
        name, kind = _MAPPING[number]
        texts = [_meaning(number, decoded(value), values) for value in values[number]]
        properties.append(Property(name, kind, tuple(texts if kind != TEXT else texts[:1])))
    lost = sorted(values.keys() - _MAPPING.keys() - _WITHOUT_CONTENT)
    return properties, [_name(number) for number in lost] if found else ["IPTC"]


def name_behind(xmp_name: str) -> str:
    """Name the dataset that becomes this property of XMP, for a person to read."""
    return next(_name(number) for number, (name, _) in _MAPPING.items() if name == xmp_name)


def _name(number: int) -> str:
    return f"IPTC {_NAMES.get(number, f'2:{number}')}"


def decoded(value: bytes) -> str:
    """Decode a text whose encoding is not certain: UTF-8 if it is valid, else Windows' Latin letters."""
    value = value.rstrip(b"\0")
    for encoding in ("utf-8", "cp1252"):
        try:
            return value.decode(encoding)
        except UnicodeDecodeError:
            continue
    return value.decode("latin-1")


def _meaning(number: int, text: str, values: dict[int, list[bytes]]) -> str:
    """Return a text as XMP spells it: dates by ISO 8601, codes without the words around them."""
    if number in _TIMES:
        time = decoded(values.get(_TIMES[number], [b""])[0])
        return _date(text) + (_time(time) if _date(text) != text else "")
    if number == 12:  # for instance IPR:04016011:Economy:Goods:Furs
        return next((part for part in text.split(":") if re.fullmatch(r"\d{8}", part)), text)
    if number == 4:  # for instance 001:Current
        return text.split(":", 1)[-1]
    return text


def _date(text: str) -> str:
    """Return CCYYMMDD as CCYY-MM-DD, where a month or day of 00 is unknown and left out; other texts as they are."""
    parts = re.fullmatch(r"(\d{4})(\d\d)(\d\d)", text)
    if parts is None:
        return text
    year, month, day = parts.groups()
    return year if month == "00" else f"{year}-{month}" if day == "00" else f"{year}-{month}-{day}"


def _time(text: str) -> str:
    """Return HHMMSS or HHMMSS+HHMM as THH:MM:SS+HH:MM; nothing for other texts."""
    parts = re.fullmatch(r"(\d\d)(\d\d)(\d\d)(?:([+-]\d\d)(\d\d))?", text)
    if parts is None:
        return ""
    hour, minute, second, zone, zone_minute = parts.groups()
    return f"T{hour}:{minute}:{second}" + (f"{zone}:{zone_minute}" if zone else "")


def photoshop_iptc(segment: bytes) -> bytes | None:
    """Find the IPTC block in a JPEG's segment APP13.

    The segment holds resources: "8BIM", a number, a name (its length first, padded to even), a length and the content.
    """
    at = len(_PHOTOSHOP)
    while segment.startswith(_PHOTOSHOP) and segment[at : at + 4] == b"8BIM" and at + 12 <= len(segment):
        number = int.from_bytes(segment[at + 4 : at + 6], "big")
        at += 6 + (segment[at + 6] // 2 + 1) * 2
        length = int.from_bytes(segment[at : at + 4], "big")
        if number == _IPTC_RESOURCE:
            return segment[at + 4 : at + 4 + length] or None
        at += 4 + length + length % 2
    return None


def wrapped_iptc(iptc: bytes) -> bytes:
    """Wrap an IPTC block as a segment that `photoshop_iptc` reads."""
    head = _PHOTOSHOP + b"8BIM" + struct.pack(">HHI", _IPTC_RESOURCE, 0, len(iptc))
    return head + iptc + bytes(len(iptc) % 2)
