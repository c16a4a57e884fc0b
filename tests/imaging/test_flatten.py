"""Pictures over a plain color."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sesr.imaging.flatten import Flattened, over
from sesr.imaging.stream import CHANNELS, Stream

BYTES = st.integers(0, 255)


@given(value=st.integers(0, 65535), alpha=st.integers(0, 65535), behind=BYTES, deep=st.booleans())
def test_every_value_is_rounded_once(value: int, alpha: int, behind: int, deep: bool) -> None:
    most = 65535 if deep else 255
    value, alpha, behind_deep = value % (most + 1), alpha % (most + 1), behind * (257 if deep else 1)
    pixel = np.array([[[value, alpha]]], np.uint16 if deep else np.uint8)
    exact = Fraction(value * alpha + behind_deep * (most - alpha), most)
    found = over(pixel, (behind,))
    assert found.dtype == pixel.dtype
    assert abs(int(found[0, 0, 0]) - exact) <= Fraction(1, 2)


def test_opaque_stays_and_transparent_is_the_color() -> None:
    pixels = np.array([[[1, 2, 3, 255], [1, 2, 3, 0]]], np.uint8)
    assert over(pixels, (9, 8, 7)).tolist() == [[[1, 2, 3], [9, 8, 7]]]


@pytest.mark.parametrize(
    ("mode", "color", "flat"),
    [
        ("L", (255, 0, 0), "L"),
        ("RGB", (255, 0, 0), "RGB"),
        ("LA", (255, 255, 255), "L"),
        ("LA", (255, 0, 0), "RGB"),
        ("RGBA", (0, 0, 0), "RGB"),
    ],
)
@pytest.mark.parametrize("depth", [8, 16])
def test_modes(mode: str, color: tuple[int, int, int], flat: str, depth: int) -> None:
    channels = CHANNELS[mode]
    shape = (5, 4, channels)[: 2 if channels == 1 else 3]
    pixels = np.random.default_rng(0).integers(0, 1 << depth, shape).astype(f"u{depth // 8}")
    source = Flattened(Stream([pixels], 4, 5, mode, depth), color)
    assert (source.width, source.height, source.mode, source.depth) == (4, 5, flat, depth)
    rows = source.rows(1, 4)
    assert rows.shape == ((3, 4) if flat == "L" else (3, 4, 3))
    assert rows.dtype == pixels.dtype
    if mode in ("L", "RGB"):
        assert np.array_equal(rows, pixels[1:4])
    else:
        wanted = over(pixels, color[:1] if flat == "L" else color)[1:4]
        assert np.array_equal(rows, wanted[..., 0] if flat == "L" else wanted)
