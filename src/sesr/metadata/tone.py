"""HDR to SDR: PQ and HLG pictures for formats that know ordinary white only.

PQ and HLG (ITU-R BT.2100) code light up to 10,000 cd/m² or relative to a display's peak. Written as if they were sRGB,
such numbers look gray and dull. Where a format cannot say PQ or HLG, the pixels are converted:

1. Code values become the light of a display, in cd/m². HLG is shown as on a display with a peak of 1000 cd/m²
   (BT.2100, table 5: the OOTF with a system gamma of 1.2).
2. The light is compressed by the EETF of Report ITU-R BT.2390 (section 5.4): nothing changes up to a knee, and a spline
   leads from there to the new peak. It is applied to the largest of R, G and B, and the other two are scaled alike, so
   that hues stay. The new peak is 203 cd/m², the reference white of Report ITU-R BT.2408, and becomes SDR white. The
   old peak is what the file says (`cLLI`, `mDCV`), else 1000 cd/m², which most HDR pictures are mastered for.
3. The primaries become sRGB's. Colors that sRGB lacks are clipped.
4. sRGB's curve gives code values again.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sesr.imaging.arrays import Pixels
from sesr.metadata.cicp import SRGB_CURVE, SRGB_GAMUT, Color, Gamut

Light = NDArray[np.floating]

SDR_WHITE = 203.0
"""cd/m² that become white (BT.2408, section 2.1)."""
USUAL_PEAK = 1000.0
"""cd/m² of an HDR picture that does not say."""

_M1, _M2, _C1, _C2, _C3 = 2610 / 16384, 2523 / 4096 * 128, 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
_HLG_A, _HLG_B, _HLG_C = 0.17883277, 0.28466892, 0.55991073
_HLG_GAMMA, _HLG_PEAK = 1.2, 1000.0
_STEPS = 4096


def pq_light(values: ArrayLike) -> Light:
    """Return cd/m² for PQ code values from 0 to 1 (BT.2100, table 4)."""
    root = np.asarray(values) ** (1 / _M2)
    return np.asarray(10_000 * (np.maximum(root - _C1, 0) / (_C2 - _C3 * root)) ** (1 / _M1))


def pq_code(light: ArrayLike) -> Light:
    """Return PQ code values from 0 to 1 for cd/m²."""
    power = (np.asarray(light) / 10_000) ** _M1
    return np.asarray(((_C1 + _C2 * power) / (1 + _C3 * power)) ** _M2)


def hlg_light(values: ArrayLike) -> Light:
    """Return the scene's linear light, 0 to 1, for HLG code values from 0 to 1 (BT.2100, table 5)."""
    codes = np.asarray(values)
    return np.where(codes <= 0.5, codes**2 / 3, (np.exp((codes - _HLG_C) / _HLG_A) + _HLG_B) / 12)


def compressed(light: ArrayLike, peak: float) -> Light:
    """Apply the EETF of BT.2390: cd/m² up to `peak` become cd/m² up to `SDR_WHITE`. Brighter light counts as `peak`."""
    top = float(pq_code(peak))
    target = float(pq_code(SDR_WHITE)) / top
    if target >= 1:
        return np.asarray(np.minimum(np.asarray(light), SDR_WHITE))
    code = np.minimum(pq_code(light) / top, 1)
    knee = 1.5 * target - 0.5
    t = np.maximum(code - knee, 0) / (1 - knee)
    spline = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (3 * t**2 - 2 * t**3) * target
    return np.asarray(pq_light(np.where(code < knee, code, spline) * top))


def tone_mapping(color: Color, peak: float | None = None) -> Callable[[Pixels], Pixels]:
    """Return a function from HDR pixels to sRGB pixels of the same type and shape.

    Args:
        color: PQ or HLG, with its primaries.
        peak: the brightest light in cd/m², as the file says; None if it does not.

    The function takes uint8 or uint16, (rows, width) gray or (rows, width, channels) with 2 for gray and alpha, 3 for
    RGB and 4 for RGB and alpha. Alpha stays.
    """
    brightest = min(max(peak or USUAL_PEAK, SDR_WHITE), 10_000.0) if color.hdr == "PQ" else _HLG_PEAK
    from_luma = color.gamut.to_xyz()[1].astype(np.float32)
    gamut = _between(color.gamut, SRGB_GAMUT).astype(np.float32)

    def convert(pixels: Pixels) -> Pixels:
        top = np.iinfo(pixels.dtype).max
        codes = _full_range(np.arange(top + 1) / top, narrow=color.narrow)
        gray = pixels.ndim == 2 or pixels.shape[2] == 2
        channels = pixels[..., None] if pixels.ndim == 2 else pixels
        colors = channels[..., : 1 if gray else 3]
        if color.hdr == "PQ":  # the gain depends on the largest code alone: a table serves
            light = pq_light(codes).astype(np.float32)[colors]
            gain = _gain(pq_light(codes), brightest).astype(np.float32)[colors.max(axis=-1)]
        else:
            light = hlg_light(codes).astype(np.float32)[colors]
            luma = light[..., 0] if gray else light @ from_luma
            light *= (_HLG_PEAK * np.maximum(luma, np.float32(1e-9)) ** np.float32(_HLG_GAMMA - 1))[..., None]
            gain = _interpolated_gain(light.max(axis=-1), brightest)
        light *= gain[..., None] / np.float32(SDR_WHITE)
        if not gray:
            light = light @ gamut.T
        result = channels.copy()
        result[..., : light.shape[-1]] = _srgb_code(light, top)
        return result.reshape(pixels.shape)

    return convert


def hdr_codes(color: tuple[int, int, int], space: Color) -> tuple[int, int, int]:
    """Return an sRGB color, 0 to 255, in an HDR picture's code values, with sRGB's white at `SDR_WHITE`."""
    light = _between(SRGB_GAMUT, space.gamut) @ SRGB_CURVE.light(np.array(color) / 255) * SDR_WHITE
    codes = np.asarray(pq_code(np.maximum(light, 0)))
    if space.hdr == "HLG":
        luma = max(float(space.gamut.to_xyz()[1] @ light) / _HLG_PEAK, 1e-9)
        codes = _hlg_code(np.maximum(light, 0) / _HLG_PEAK * luma ** (1 / _HLG_GAMMA - 1))
    stretched = 16 + codes * 219 if space.narrow else codes * 255
    red, green, blue = (round(float(value)) for value in np.clip(stretched, 0, 255))
    return red, green, blue


def _hlg_code(light: Light) -> Light:
    """Return HLG code values from 0 to 1 for the scene's linear light."""
    curved = _HLG_A * np.log(np.maximum(12 * light - _HLG_B, 1e-9)) + _HLG_C
    return np.where(light <= 1 / 12, np.sqrt(3 * light), curved)


def _gain(light: Light, peak: float) -> Light:
    """Return the factor by which the EETF scales light whose largest channel is `light`."""
    some = np.maximum(light, 1e-6)
    return np.asarray(compressed(some, peak) / some)


def _interpolated_gain(light: Light, peak: float) -> Light:
    """Return `_gain`, from a table that is dense where the eye is: the fourth root of light comes close to PQ."""
    roots = np.linspace(0, peak**0.25, _STEPS)
    return np.interp(np.sqrt(np.sqrt(light)), roots, _gain(roots**4, peak)).astype(np.float32)


def to_full_range(pixels: Pixels) -> Pixels:
    """Stretch narrow-range pixels, 16 to 235 of 255, to the full range. An alpha channel stays."""
    top = np.iinfo(pixels.dtype).max
    table = np.rint(_full_range(np.arange(top + 1) / top, narrow=True) * top).astype(pixels.dtype)
    if pixels.ndim == 3 and pixels.shape[2] in (2, 4):
        return np.concatenate([table[pixels[..., :-1]], pixels[..., -1:]], axis=-1)
    return table[pixels]


def _full_range(values: NDArray[np.float64], *, narrow: bool) -> NDArray[np.float64]:
    return np.clip((values * 255 - 16) / 219, 0, 1) if narrow else values


def _between(source: Gamut, target: Gamut) -> NDArray[np.float64]:
    """Return the matrix (3, 3) from one linear RGB to another. Both whites are D65 in HDR, so nothing is adapted."""
    result: NDArray[np.float64] = np.linalg.inv(target.to_xyz()) @ source.to_xyz()
    return result


def _srgb_code(light: Light, top: int) -> Pixels:
    """Return sRGB's code values from 0 to `top` for linear light; a table serves for 8 bits."""
    light = np.clip(light, 0, 1)
    if top > 255:
        return np.rint(_srgb_curve(light) * top)
    table = np.rint(_srgb_curve(np.linspace(0, 1, 1 << 16)) * top).astype(np.uint8)
    return table[(light * np.float32((1 << 16) - 1) + np.float32(0.5)).astype(np.uint16)]


def _srgb_curve(light: Light) -> Light:
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** np.float32(1 / 2.4) - 0.055)
