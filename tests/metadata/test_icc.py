"""Profiles made from primaries and curves, as LittleCMS understands them."""

import numpy as np
import pytest
import pyvips
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sesr.metadata.cicp import CURVES, GAMUTS, SRGB_GAMUT, Color, Curve, Gamut
from sesr.metadata.icc import color_profile

BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
D50 = np.array([0.96422, 1.0, 0.82521])
SIDE = st.floats(-0.03, 0.03)


def understood(profile: bytes, codes: NDArray[np.uint16]) -> NDArray[np.float64]:
    """XYZ under D50 that LittleCMS, in libvips, makes of code values (n, channels), 16 bits."""
    space = "rgb16" if codes.shape[1] == 3 else "grey16"
    image = pyvips.Image.new_from_array(codes[None], interpretation=space)
    image = image.copy()
    image.set_type(pyvips.GValue.blob_type, "icc-profile-data", profile)
    lab = image.icc_import(embedded=True, intent="relative", pcs="lab").numpy()[0].astype(float)
    return xyz_of(lab)


def xyz_of(lab: NDArray[np.float64]) -> NDArray[np.float64]:
    y = (lab[:, 0] + 16) / 116
    f = np.stack([y + lab[:, 1] / 500, y, y - lab[:, 2] / 200], axis=1)
    return np.asarray(np.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29)) * D50)


def fits_lab(xyz: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which colors Lab in 16 bits has room for: none below black, and opponents between -128 and 127."""
    root = np.cbrt(np.maximum(xyz / D50, 0))
    opponents = np.stack([500 * (root[:, 0] - root[:, 1]), 200 * (root[:, 1] - root[:, 2])], axis=1)
    return np.asarray((xyz.min(axis=1) > 0.002) & (np.abs(opponents).max(axis=1) < 125))


def expected(color: Color, codes: NDArray[np.uint16]) -> NDArray[np.float64]:
    """By hand: curve, matrix, Bradford."""
    assert color.curve is not None
    white = color.gamut.to_xyz().sum(axis=1)
    adapt = np.linalg.inv(BRADFORD) @ np.diag((BRADFORD @ D50) / (BRADFORD @ white)) @ BRADFORD
    light = color.curve.light(codes / 65535)
    return np.asarray(light @ (adapt @ color.gamut.to_xyz()).T)


@settings(deadline=None, max_examples=40)
@given(
    gamut=st.sampled_from(sorted(GAMUTS)),
    curve=st.sampled_from(sorted(set(CURVES) - {17})) | st.floats(0.5, 4.0),
    moves=st.lists(SIDE, min_size=6, max_size=6),
    seed=st.integers(0, 999),
)
def test_colors_are_what_primaries_and_curve_say(gamut: int, curve: float, moves: list[float], seed: int) -> None:
    base = GAMUTS[gamut]
    red, green, blue = [
        (x + moves[2 * k], y + moves[2 * k + 1]) for k, (x, y) in enumerate((base.red, base.green, base.blue))
    ]
    color = Color(Gamut(red, green, blue, base.white), CURVES[curve] if isinstance(curve, int) else Curve(curve))
    codes = np.random.default_rng(seed).integers(9_000, 65_536, (40, 3)).astype(np.uint16)
    wanted = expected(color, codes)
    inside = fits_lab(wanted)
    found = understood(color_profile(color), codes)
    assert np.abs(found - wanted)[inside].max(initial=0) < 0.004


@pytest.mark.parametrize("code", sorted(CURVES))
def test_white_stays_white(code: int) -> None:
    white = np.full((1, 3), 65_535, np.uint16)
    assert understood(color_profile(Color(GAMUTS[12], CURVES[code])), white) == pytest.approx(D50[None], abs=0.001)


@pytest.mark.parametrize("gamma", [1.0, 2.2, 2.8])
def test_profile_for_gray(gamma: float) -> None:
    codes = np.array([[20_000], [40_000], [65_535]], np.uint16)
    profile = color_profile(Color(SRGB_GAMUT, Curve(gamma)), gray=True)
    assert profile[16:20] == b"GRAY"
    found = understood(profile, codes)
    assert found == pytest.approx((codes / 65535) ** gamma * D50, abs=0.002)


def test_display_p3_is_apples() -> None:
    """The columns that Apple's own profile has, in 16.16 bits."""
    profile = color_profile(Color(GAMUTS[12], CURVES[13]))
    count = int.from_bytes(profile[128:132], "big")
    tags = {
        profile[at : at + 4]: int.from_bytes(profile[at + 4 : at + 8], "big") for at in range(132, 132 + 12 * count, 12)
    }
    for name, column in (
        (b"rXYZ", (33759, 15808, -69)),
        (b"gXYZ", (19135, 45367, 2745)),
        (b"bXYZ", (10296, 4363, 51386)),
    ):
        values = np.frombuffer(profile, ">i4", 3, tags[name] + 8)
        assert values.tolist() == pytest.approx(column, abs=4), name


def test_hdr_has_no_profile() -> None:
    with pytest.raises(ValueError, match="HDR"):
        color_profile(Color(GAMUTS[9], None, "PQ"))
