"""Color descriptions that are not ICC profiles, read from bytes."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sesr.metadata.cicp import CURVES, GAMUTS, SRGB, SRGB_CURVE, SRGB_GAMUT, Cicp, Gamut, color_of_chunks

STAND_IN_GAMMA = struct.pack(">I", 45455)
STAND_IN_PRIMARIES = struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)
P3_PRIMARIES = struct.pack(">8I", 31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)


def nclx(primaries: int, transfer: int, matrix: int = 6, full: int = 1) -> bytes:
    return b"nclx" + struct.pack(">3HB", primaries, transfer, matrix, full << 7)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (nclx(9, 16, 9), Cicp(9, 16, 9)),
        (nclx(12, 13, 1, 0), Cicp(12, 13, 1)),  # decoders undo the YCbCr's range
        (nclx(1, 1, 1), Cicp(1, 1, 1)),
        (nclx(1, 13), None),  # plain sRGB
        (nclx(2, 2), None),  # unspecified
        (b"prof" + bytes(200), None),
        (nclx(9, 16)[:8], None),
        (b"", None),
    ],
)
def test_nclx(content: bytes, found: Cicp | None) -> None:
    assert Cicp.of_nclx(content) == found


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"\x09\x10\x00\x01", Cicp(9, 16)),
        (b"\x09\x10\x00\x00", Cicp(9, 16, narrow=True)),
        (b"\x01\x0d\x00\x01", Cicp(1, 13)),
        (b"\x02\x02\x00\x01", None),
        (b"\x09\x10\x00", None),
        (b"", None),
    ],
)
def test_chunk_of_png(content: bytes, found: Cicp | None) -> None:
    assert Cicp.of_png(content) == found
    if found is not None:
        assert found.png_chunk() == content


@given(primaries=st.integers(0, 255), transfer=st.integers(0, 255), matrix=st.integers(0, 20))
def test_code_points_survive_the_way_to_png_and_back(primaries: int, transfer: int, matrix: int) -> None:
    found = Cicp.of_nclx(nclx(primaries, transfer, matrix))
    if found is not None:
        again = Cicp.of_png(found.png_chunk())
        assert again is not None
        assert (again.primaries, again.transfer, again.narrow) == (primaries, transfer, False)


@pytest.mark.parametrize(
    ("primaries", "matrix", "coding"),
    [(9, 9, 9), (12, 1, 1), (9, 0, 9), (12, 0, 6), (1, 2, 6), (9, 2, 9), (9, 14, 9), (12, 11, 6)],
)
def test_matrix_for_coding_is_the_sources_or_the_usual_one(primaries: int, matrix: int, coding: int) -> None:
    assert Cicp(primaries, 16, matrix).coding_matrix == coding


def test_colors_of_code_points() -> None:
    assert Cicp(1, 13).color() == SRGB
    assert Cicp(2, 2).color() == SRGB
    wide = Cicp(9, 16).color()
    assert wide is not None
    assert (wide.hdr, wide.curve, wide.gamut.red) == ("PQ", None, (0.708, 0.292))
    assert Cicp(10, 13).color() is None  # XYZ
    assert Cicp(1, 9).color() is None  # logarithmic


@pytest.mark.parametrize("code", sorted(GAMUTS))
def test_white_is_white(code: int) -> None:
    x, y, z = GAMUTS[code].to_xyz().sum(axis=1)
    assert (x / (x + y + z), y / (x + y + z)) == pytest.approx(GAMUTS[code].white)


@pytest.mark.parametrize("code", sorted(CURVES))
def test_curves_rise_from_black_to_white_without_a_step(code: int) -> None:
    light = CURVES[code].light(np.linspace(0, 1, 10_001))
    assert light[0] == pytest.approx(0, abs=1e-3)
    assert light[-1] == pytest.approx(52.37 / 48 if code == 17 else 1)
    assert 0 <= np.diff(light).min() <= np.diff(light).max() < 1e-3


def test_curves_known_by_heart() -> None:
    assert SRGB_CURVE.light(np.array([0.5])) == pytest.approx(0.21404, abs=1e-5)
    assert CURVES[1].light(np.array([0.0812429])) == pytest.approx(0.018054, abs=1e-5)  # where BT.709's line ends


@pytest.mark.parametrize(
    ("chunks", "gamma", "gamut"),
    [
        ({}, None, SRGB_GAMUT),
        ({b"sRGB": b"\0", b"gAMA": struct.pack(">I", 100_000)}, None, SRGB_GAMUT),
        ({b"gAMA": struct.pack(">I", 100_000)}, 1.0, SRGB_GAMUT),
        ({b"gAMA": STAND_IN_GAMMA}, 1 / 0.45455, SRGB_GAMUT),
        ({b"gAMA": STAND_IN_GAMMA, b"cHRM": STAND_IN_PRIMARIES}, None, SRGB_GAMUT),  # as the specification writes sRGB
        ({b"gAMA": STAND_IN_GAMMA, b"cHRM": P3_PRIMARIES}, 1 / 0.45455, GAMUTS[12]),
        ({b"cHRM": P3_PRIMARIES}, None, GAMUTS[12]),
        ({b"gAMA": bytes(4)}, None, SRGB_GAMUT),
        ({b"gAMA": b"\0\1"}, None, SRGB_GAMUT),
        ({b"cHRM": bytes(32)}, None, SRGB_GAMUT),
        ({b"cHRM": struct.pack(">8I", *[33000] * 8)}, None, SRGB_GAMUT),  # no triangle
        ({b"cHRM": P3_PRIMARIES[:31]}, None, SRGB_GAMUT),
    ],
)
def test_chunks_of_gamma_and_primaries(chunks: dict[bytes, bytes], gamma: float | None, gamut: Gamut) -> None:
    color = color_of_chunks(chunks.items())
    assert color.gamut == gamut
    assert color.curve is not None
    if gamma is None:
        assert color.curve == SRGB_CURVE
    else:
        assert color.curve.light(np.array([0.3])) == pytest.approx(0.3**gamma)


@given(gamma=st.binary(max_size=5), primaries=st.binary(min_size=30, max_size=33), codes=st.binary(max_size=12))
def test_any_bytes_are_a_color(gamma: bytes, primaries: bytes, codes: bytes) -> None:
    color = color_of_chunks([(b"gAMA", gamma), (b"cHRM", primaries)])
    assert np.isfinite(color.gamut.to_xyz()).all()
    for found in (Cicp.of_nclx(b"nclx" + codes), Cicp.of_png(codes)):
        if found is not None:
            found.color()
