"""ICC profiles made from primaries and a curve, for formats that describe colors by profile only.

An ICC profile of this simplest kind (ICC.1:2010, version 4.3, "three-component matrix-based") says: apply a curve to
each channel, then multiply by a matrix, and get CIE XYZ under the light D50. So it holds the columns of that matrix
(`rXYZ`, `gXYZ`, `bXYZ`), the curve (`rTRC` and its twins), the white point, and how white was adapted to D50 from its
own light (`chad`, by Bradford's method). A profile for gray has a curve alone (`kTRC`).

Layout: a header of 128 bytes, a count, 12 bytes a tag (name, offset, length), then the tags' contents at offsets that
are multiples of 4. Numbers are big-endian; fractions are signed, 16.16 bits.
"""

import struct

import numpy as np
from numpy.typing import NDArray

from sesr.metadata.cicp import Color, Curve, Gamut

_D50 = (0.9642, 1.0, 0.8249)
_D50_ROUNDED = (63190, 65536, 54061)
"""D50 in 16.16 bits, as the standard spells it."""
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])

_VERSION = 0x04300000
_HEADER_BYTES, _TAG_BYTES = 128, 12
_POWER, _POWER_AND_LINE = 0, 3  # ICC.1:2010, table 65


def color_profile(color: Color, *, gray: bool = False) -> bytes:
    """Make an ICC profile for a color space, which must not be HDR.

    Args:
        color: primaries and curve.
        gray: for a picture of one channel, which has no primaries.
    """
    if color.curve is None:
        raise ValueError("an HDR color space has no matrix profile")
    curve = _curve_tag(color.curve)
    tags = {b"desc": _text_tag("Made from the picture's own color description"), b"cprt": _text_tag("No copyright")}
    tags |= {b"wtpt": _xyz_tag(_D50_ROUNDED), b"chad": _chad_tag(adaptation(color.gamut))}
    if gray:
        return _profile(b"GRAY", tags | {b"kTRC": curve})
    columns = _rounded_columns(color.gamut)
    tags |= {name: _xyz_tag(column) for name, column in zip((b"rXYZ", b"gXYZ", b"bXYZ"), columns, strict=True)}
    return _profile(b"RGB ", tags | dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve))


def adaptation(gamut: Gamut) -> NDArray[np.float64]:
    """Return the matrix (3, 3) that moves XYZ from the gamut's white to D50, by Bradford's method."""
    white = gamut.to_xyz().sum(axis=1)
    cones = (_BRADFORD @ np.array(_D50)) / (_BRADFORD @ white)
    result: NDArray[np.float64] = np.linalg.inv(_BRADFORD) @ np.diag(cones) @ _BRADFORD
    return result


def _rounded_columns(gamut: Gamut) -> NDArray[np.int64]:
    """Return red, green and blue in XYZ under D50, in 16.16 bits, rounded such that they add up to D50 exactly.

    Otherwise white would come out with a tint of one level.
    """
    columns = np.round(adaptation(gamut) @ gamut.to_xyz() * 65536).astype(np.int64).T
    columns[1] += np.array(_D50_ROUNDED) - columns.sum(axis=0)
    return columns


def _profile(space: bytes, tags: dict[bytes, bytes]) -> bytes:
    at = _HEADER_BYTES + 4 + _TAG_BYTES * len(tags)
    table, data = struct.pack(">I", len(tags)), b""
    offsets: dict[bytes, int] = {}
    for name, content in tags.items():
        if content not in offsets:  # the three curves are one
            offsets[content] = at + len(data)
            data += content + bytes(-len(content) % 4)
        table += name + struct.pack(">II", offsets[content], len(content))
    # Size, no preferred software, version, "a display's profile", space, PCS; the date and all else stays zero.
    head = struct.pack(">I4xI4s4s4s", at + len(data), _VERSION, b"mntr", space, b"XYZ ")
    head += struct.pack(">6H4s", 2020, 1, 1, 0, 0, 0, b"acsp") + bytes(28) + struct.pack(">3i", *_D50_ROUNDED)
    return head.ljust(_HEADER_BYTES, b"\0") + table + data


def _curve_tag(curve: Curve) -> bytes:
    if curve.slope == 0 and curve.b == 0 and curve.a == 1:
        return struct.pack(">4s4xH2xi", b"para", _POWER, _fixed(curve.exponent))
    values = (curve.exponent, curve.a, curve.b, curve.slope, curve.threshold)
    return struct.pack(">4s4xH2x5i", b"para", _POWER_AND_LINE, *map(_fixed, values))


def _xyz_tag(values: NDArray[np.int64] | tuple[int, int, int]) -> bytes:
    return struct.pack(">4s4x3i", b"XYZ ", *(int(value) for value in values))


def _chad_tag(matrix: NDArray[np.float64]) -> bytes:
    return struct.pack(">4s4x9i", b"sf32", *map(_fixed, matrix.reshape(-1).tolist()))


def _text_tag(text: str) -> bytes:
    """Return a text in one language: count, length of a record, language, length and offset of the text, the text."""
    content = text.encode("utf-16-be")
    return struct.pack(">4s4xII4sII", b"mluc", 1, 12, b"enUS", len(content), 28) + content


def _fixed(value: float) -> int:
    return round(value * 65536)
