"""HDR to SDR: against figures of the standards, and by what must hold for every picture."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sesr.metadata.cicp import GAMUTS, Cicp, Color
from sesr.metadata.tone import SDR_WHITE, compressed, hlg_light, pq_code, pq_light, to_full_range, tone_mapping

PQ_2020, HLG_2020 = Color(GAMUTS[9], None, "PQ"), Color(GAMUTS[9], None, "HLG")
DEPTHS = (np.uint8, np.uint16)


@pytest.mark.parametrize(
    ("light", "code"), [(0, 0), (1, 0.1499), (100, 0.5081), (203, 0.5807), (1000, 0.7518), (10_000, 1)]
)
def test_pq_is_the_standards(light: float, code: float) -> None:
    """Figures of BT.2408, table 4."""
    assert float(pq_code(light)) == pytest.approx(code, abs=1e-4)
    assert float(pq_light(pq_code(light))) == pytest.approx(light, abs=1e-3)


@pytest.mark.parametrize(("code", "light"), [(0, 0), (0.5, 1 / 12), (0.75, 0.26496), (1, 1)])
def test_hlg_is_the_standards(code: float, light: float) -> None:
    """0.75 is the reference white of BT.2408: 203 cd/m² of 1000."""
    assert float(hlg_light(code)) == pytest.approx(light, abs=1e-4)
    assert 1000 * float(hlg_light(0.75)) ** 1.2 == pytest.approx(203, abs=1)


@given(peak=st.floats(203, 10_000))
def test_compression_rises_from_black_to_the_new_white(peak: float) -> None:
    light = np.linspace(0, peak, 5000)
    found = compressed(light, peak)
    assert np.diff(found).min() >= -1e-6
    assert found[0] == pytest.approx(0, abs=1e-3)
    assert found[-1] == pytest.approx(SDR_WHITE, rel=1e-3)
    assert (found <= light + 1e-3).all()


def test_compression_changes_nothing_below_the_knee() -> None:
    light = np.array([0.1, 1, 10, 50, 85.0])
    assert compressed(light, 1000) == pytest.approx(light, rel=1e-6)


@settings(deadline=None, max_examples=30)
@given(codes=st.lists(st.integers(0, 255), min_size=12, max_size=12), hlg=st.booleans())
def test_gray_stays_gray_and_alpha_stays(codes: list[int], hlg: bool) -> None:
    convert = tone_mapping(HLG_2020 if hlg else PQ_2020)
    gray = np.array(codes, np.uint8).reshape(3, 4)
    alpha = gray[::-1].copy()
    one = convert(gray)
    assert one.dtype == np.uint8
    rgba = convert(np.stack([gray, gray, gray, alpha], axis=-1))
    assert np.abs(rgba[..., :3].astype(int) - one[..., None]).max() <= 1
    assert (rgba[..., 3] == alpha).all()
    both = convert(np.stack([gray, alpha], axis=-1))
    assert (both[..., 0] == one).all()
    assert (both[..., 1] == alpha).all()


@pytest.mark.parametrize("color", [PQ_2020, HLG_2020])
def test_brighter_stays_brighter_and_depths_agree(color: Color) -> None:
    convert = tone_mapping(color)
    shallow, deep = convert(np.arange(256, dtype=np.uint8)[None]), convert(np.arange(256, dtype=np.uint16)[None] * 257)
    assert np.diff(shallow.astype(int)).min() >= 0
    assert np.abs(deep / 257 - shallow).max() <= 0.51
    assert (shallow[0, 0], shallow[0, -1]) == (0, 255)


def test_white_at_203_comes_out_bright_and_shadows_as_they_were() -> None:
    """Not gray and dull: BT.2408's diffuse white is near SDR's, and light below the knee is the same light."""
    convert = tone_mapping(PQ_2020)
    white = round(255 * 0.5807)
    assert convert(np.full((1, 1, 3), white, np.uint8)).min() >= 220
    shadow = round(65_535 * float(pq_code(20.3)))  # a tenth of white
    assert convert(np.full((1, 1, 3), shadow, np.uint16))[0, 0] / 65_535 == pytest.approx([0.349] * 3, abs=0.01)


def test_peak_of_the_file_decides_how_much_is_compressed() -> None:
    gray = np.full((1, 1), 150, np.uint8)
    low, usual, high = (tone_mapping(PQ_2020, peak)(gray).item() for peak in (203.0, 1000.0, 10_000.0))
    assert low > usual > high


def test_colors_move_from_their_primaries_to_srgbs() -> None:
    """BT.2020 by hand (BT.2087): a green that sRGB has."""
    linear = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])  # 709 to 2020
    srgb = np.array([0.1, 0.3, 0.05])
    codes = np.round(pq_code(linear @ srgb * SDR_WHITE) * 65_535).astype(np.uint16)
    found = tone_mapping(PQ_2020)(codes[None, None])[0, 0] / 65_535
    assert found == pytest.approx(1.055 * srgb ** (1 / 2.4) - 0.055, abs=0.003)


@pytest.mark.parametrize("dtype", DEPTHS)
def test_narrow_range_is_stretched(dtype: type) -> None:
    unit = np.iinfo(dtype).max // 255
    pixels = np.array([[[0, 16, 126, 235], [255, 235, 16, 7]]]).astype(dtype) * dtype(unit)
    found = to_full_range(pixels) / unit
    assert found[0, 0] == pytest.approx([0, 0, 128, 235], abs=0.51)  # the last is alpha
    assert found[0, 1] == pytest.approx([255, 255, 0, 7], abs=0.51)
    gray = to_full_range(np.array([[16, 235]]).astype(dtype) * dtype(unit))
    assert (gray / unit).tolist() == [[0, 255]]


def test_narrow_hdr_is_stretched_first() -> None:
    narrow = Cicp(9, 16, narrow=True).color()
    assert narrow is not None
    pixels = np.array([[16, 100, 235]], np.uint8)
    assert tone_mapping(narrow)(pixels)[0, [0, 2]].tolist() == [0, 255]
