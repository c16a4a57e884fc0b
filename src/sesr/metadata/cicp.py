"""Color descriptions that are not ICC profiles: code points (CICP), and PNG's gamma and chromaticities.

A pixel's numbers mean nothing without a color space. Three kinds of file say which one without an ICC profile:

- HEIC and AVIF, in a `colr` box of type *nclx*: four code points of ITU-T H.273 ("CICP").
- PNG, in its chunk `cICP`: the same code points.
- PNG, in `sRGB`, or in `gAMA` and `cHRM`: sRGB by name, or a power curve and the primaries' places in the CIE diagram.

Where several chunks are present, the PNG specification (third edition, section 4.3) ranks them: cICP, iCCP, sRGB, then
gAMA and cHRM. In HEIC and AVIF an ICC profile ranks above nclx, which then only tells how to decode.

The code points are *primaries* (which red, green, blue and white), *transfer* (how code values become light), *matrix*
(how RGB became YCbCr) and the *range* of code values. Decoders undo matrix and range, so a picture in RGB is described
by primaries and transfer alone. PNG may store narrow-range RGB, 16 to 235: `Cicp.narrow`.

The networks work on code values, as they were trained to, whatever the values mean. So the description of the source
describes the result, and formats that store it get the same numbers with the same description. What happens in the
other formats: `sesr.files.fit`.
"""

import struct
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Point = tuple[float, float]
"""A chromaticity: x and y in the CIE 1931 diagram."""

Floats = NDArray[np.floating]

_D65, _C, _E = (0.3127, 0.3290), (0.310, 0.316), (1 / 3, 1 / 3)


@dataclass(frozen=True)
class Gamut:
    """The chromaticities of red, green, blue and white."""

    red: Point
    green: Point
    blue: Point
    white: Point = _D65

    def to_xyz(self) -> NDArray[np.float64]:
        """Return the matrix (3, 3) from linear RGB to CIE XYZ, in which white has Y = 1.

        Raises `ValueError` for primaries that span no triangle.
        """
        columns = np.array([_xyz(point) for point in (self.red, self.green, self.blue)]).T
        try:
            weights = np.linalg.solve(columns, np.array(_xyz(self.white)))
        except np.linalg.LinAlgError as error:
            raise ValueError("the primaries lie on one line") from error
        result: NDArray[np.float64] = columns * weights
        return result


def _xyz(point: Point) -> Point | tuple[float, float, float]:
    x, y = point
    return x / y, 1.0, (1 - x - y) / y


SRGB_GAMUT = Gamut((0.640, 0.330), (0.300, 0.600), (0.150, 0.060))

GAMUTS = {
    1: SRGB_GAMUT,
    4: Gamut((0.67, 0.33), (0.21, 0.71), (0.14, 0.08), _C),
    5: Gamut((0.64, 0.33), (0.29, 0.60), (0.15, 0.06)),
    6: Gamut((0.630, 0.340), (0.310, 0.595), (0.155, 0.070)),
    7: Gamut((0.630, 0.340), (0.310, 0.595), (0.155, 0.070)),
    8: Gamut((0.681, 0.319), (0.243, 0.692), (0.145, 0.049), _C),
    9: Gamut((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
    11: Gamut((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), (0.314, 0.351)),
    12: Gamut((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
    22: Gamut((0.630, 0.340), (0.295, 0.605), (0.155, 0.077)),
}
"""Primaries by code point (H.273, table 2): 1 BT.709 and sRGB, 9 BT.2020, 12 Display P3, and others.

Left out is 10, CIE XYZ, whose primaries are no colors.
"""


@dataclass(frozen=True)
class Curve:
    """How code values from 0 to 1 become linear light: a power above a threshold, a line below.

    The light is (a v + b) ^ exponent for v >= threshold, else slope v. These are the parameters of ICC's curves too.
    """

    exponent: float
    a: float = 1.0
    b: float = 0.0
    slope: float = 0.0
    threshold: float = 0.0

    def light(self, values: Floats) -> Floats:
        """Return linear light for code values, both 0 to 1."""
        power = np.maximum(self.a * values + self.b, 0) ** self.exponent
        return np.where(values >= self.threshold, power, self.slope * values)


def _camera(alpha: float, beta: float, slope: float) -> Curve:
    """Return the inverse of a camera's curve: alpha L^0.45 - (alpha - 1) for L >= beta, else slope L."""
    return Curve(1 / 0.45, 1 / alpha, (alpha - 1) / alpha, 1 / slope, slope * beta)


SRGB_CURVE = Curve(2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
_BT709 = _camera(1.09929682680944, 0.018053968510807, 4.5)

CURVES = {
    **dict.fromkeys((1, 6, 11, 12, 14, 15), _BT709),
    4: Curve(2.2),
    5: Curve(2.8),
    7: _camera(1.111572195921731, 0.022821585529445, 4.0),
    8: Curve(1.0),
    13: SRGB_CURVE,
    17: Curve(2.6, (52.37 / 48) ** (1 / 2.6)),
}
"""Curves by the transfer's code point (H.273, table 3): 1 BT.709, 4 gamma 2.2, 8 linear, 13 sRGB, 14 BT.2020."""

UNSPECIFIED, PQ, HLG = 2, 16, 18
_IDENTITY, _BT601, _BT2020_MATRIX = 0, 6, 9
_NOTHING_MEANT = (0, UNSPECIFIED, 3)
_HEIC_PRIMARIES, _HEIC_TRANSFERS = (1, 2, *range(4, 13)), (1, 2, *range(4, 19))
_HEIC_MATRICES = (1, *range(4, 11), 12, 13)
"""Code points that libheif and its encoder know. A HEIC with others cannot be opened."""


@dataclass(frozen=True)
class Color:
    """A color space in numbers.

    Attributes:
        gamut: the primaries.
        curve: from code values to light; None for HDR.
        hdr: "PQ" or "HLG", for a picture brighter than ordinary white; else None.
        narrow: black is at 16/255 and white at 235/255 of the code values.
    """

    gamut: Gamut
    curve: Curve | None
    hdr: str | None = None
    narrow: bool = False

    @property
    def is_srgb(self) -> bool:
        """Tell if this is plain sRGB, which needs no description."""
        return self == SRGB


SRGB = Color(SRGB_GAMUT, SRGB_CURVE)


@dataclass(frozen=True)
class Cicp:
    """Code points of ITU-T H.273 for a picture that is decoded to RGB.

    Attributes:
        primaries, transfer: see the module.
        matrix: how the file coded RGB as YCbCr; 0 where it stored RGB.
        narrow: the RGB values have the narrow range.
    """

    primaries: int
    transfer: int
    matrix: int = _IDENTITY
    narrow: bool = False

    @classmethod
    def of_nclx(cls, content: bytes) -> "Cicp | None":
        """Read a `colr` box; None if it is not nclx, is too short or says nothing but plain sRGB."""
        if content[:4] != b"nclx" or len(content) < 10:
            return None
        primaries, transfer, matrix = struct.unpack(">3H", content[4:10])
        plain = primaries in (1, *_NOTHING_MEANT) and transfer in (13, *_NOTHING_MEANT)
        return None if plain else cls(primaries, transfer, matrix)

    @classmethod
    def of_png(cls, content: bytes) -> "Cicp | None":
        """Read PNG's chunk cICP; None if it is damaged or says nothing."""
        if len(content) != 4 or (content[0] in _NOTHING_MEANT and content[1] in _NOTHING_MEANT):
            return None
        return cls(content[0], content[1], _IDENTITY, content[3] == 0)

    def png_chunk(self) -> bytes:
        """Return the content of PNG's chunk cICP. Its matrix has to be 0, since PNG stores RGB."""
        return bytes([min(self.primaries, 255), min(self.transfer, 255), _IDENTITY, not self.narrow])

    @property
    def coding_matrix(self) -> int:
        """The matrix to encode a HEIC's YCbCr with: the source's, else what is usual for the primaries."""
        if self.matrix in _HEIC_MATRICES:
            return self.matrix
        return _BT2020_MATRIX if self.primaries == 9 else _BT601

    def for_heic(self) -> "Cicp | None":
        """Return what a HEIC can say: reserved code points become "unspecified"; None for those it does not know."""
        primaries, transfer = (
            UNSPECIFIED if code in _NOTHING_MEANT else code for code in (self.primaries, self.transfer)
        )
        known = primaries in _HEIC_PRIMARIES and transfer in _HEIC_TRANSFERS
        return replace(self, primaries=primaries, transfer=transfer) if known else None

    def color(self) -> Color | None:
        """Return the color space in numbers; None for code points without one, such as logarithmic curves.

        Code points that say "unspecified" count as sRGB's.
        """
        gamut = SRGB_GAMUT if self.primaries in _NOTHING_MEANT else GAMUTS.get(self.primaries)
        hdr = {PQ: "PQ", HLG: "HLG"}.get(self.transfer)
        curve = SRGB_CURVE if self.transfer in _NOTHING_MEANT else CURVES.get(self.transfer)
        if gamut is None or (curve is None and hdr is None):
            return None
        return Color(gamut, curve, hdr, self.narrow)


COLOR_CHUNKS = (b"cICP", b"sRGB", b"gAMA", b"cHRM")
"""PNG's chunks, the strongest first."""

_SRGB_STAND_IN = {
    b"gAMA": struct.pack(">I", 45455),
    b"cHRM": struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000),
}
"""Stand-in for sRGB that the PNG specification asks encoders to write, so that old decoders come close to it."""


def color_of_chunks(chunks: Iterable[tuple[bytes, bytes]]) -> Color:
    """Return the color space that sRGB, gAMA and cHRM describe together; plain sRGB if there are none.

    A damaged chunk counts as missing. Primaries without a gamma get sRGB's curve, a gamma without primaries sRGB's.
    """
    found = dict(chunks)
    if len(found.get(b"sRGB", b"")) == 1 or all(found.get(name) == value for name, value in _SRGB_STAND_IN.items()):
        return SRGB
    gamut = _gamut(found.get(b"cHRM", b"")) or SRGB_GAMUT
    return Color(gamut, _curve(found.get(b"gAMA", b"")) or SRGB_CURVE)


def _curve(content: bytes) -> Curve | None:
    """Read gAMA: the exponent from light to code values, times 100,000."""
    gamma = int.from_bytes(content, "big") if len(content) == 4 else 0
    return Curve(100_000 / gamma) if 2_000 <= gamma <= 5_000_000 else None


def _gamut(content: bytes) -> Gamut | None:
    """Read cHRM: x and y of white, red, green and blue, each times 100,000; None if they make no color space."""
    if len(content) != 32:
        return None
    values = [value / 100_000 for value in struct.unpack(">8I", content)]
    white, red, green, blue = zip(values[::2], values[1::2], strict=True)
    if min(values[1::2]) <= 0 or max(values) > 2:
        return None
    found = Gamut(red, green, blue, white)
    try:
        sane = np.abs(np.linalg.inv(found.to_xyz())).max() < 1000
    except (ValueError, np.linalg.LinAlgError):
        return None
    return found if sane else None
