"""The three roundings, gray and color, with bicubic in place of a network."""

import numpy as np
import pytest
from numpy.typing import NDArray

from sesr.engines.base import Backend
from sesr.engines.load import load_engine
from sesr.evaluation.protocol import (
    Enlarged,
    as_run,
    enlarge_by_bicubic,
    enlarge_by_network,
    measure,
    picture_luma,
    rounded_input,
)
from sesr.imaging.color import BT601_LIMITED
from sesr.imaging.metrics import psnr, ssim
from sesr.imaging.resize import downscale, upscale
from sesr.network.zoo import find_network


def bicubic_network(luma: NDArray[np.float32]) -> NDArray[np.float32]:
    """Enlarge by bicubic in place of a network at x2."""
    assert luma.dtype == np.float32
    assert luma.ndim == 2
    return np.clip(upscale(luma, 2), 0, 1)


def smooth(height: int, width: int) -> NDArray[np.uint8]:
    """Return a color picture without hard edges, well inside the range, so that nothing is clipped."""
    y, x = np.mgrid[:height, :width]
    planes = [128 + 70 * np.sin(x / (3 + c)) * np.cos(y / (5 - c)) for c in range(3)]
    return np.stack(planes, axis=-1).astype(np.uint8)


def test_luma_of_pictures() -> None:
    rgb = smooth(12, 14)
    assert np.array_equal(picture_luma(rgb), BT601_LIMITED.luma(rgb.astype(np.float64)))
    assert np.array_equal(picture_luma(rgb[..., 1]), rgb[..., 1])


def test_gray_values_are_luma_directly() -> None:
    lr = smooth(20, 22)[..., 0]
    seen: list[NDArray[np.float32]] = []

    def network(luma: NDArray[np.float32]) -> NDArray[np.float32]:
        seen.append(luma)
        return bicubic_network(luma)

    enlarged = enlarge_by_network(network, lr, 2)
    np.testing.assert_allclose(seen[0] * 255, lr, rtol=0, atol=1e-4)
    np.testing.assert_allclose(enlarged.luma, upscale(lr.astype(np.float64), 2), rtol=0, atol=1e-3)
    assert float(np.abs(enlarged.picture - enlarged.luma).max()) <= 0.5


def test_color_gives_the_network_limited_luma() -> None:
    lr = smooth(20, 22)
    enlarged = enlarge_by_network(bicubic_network, lr, 2)
    by_hand = upscale(BT601_LIMITED.luma(lr.astype(np.float64)), 2)
    np.testing.assert_allclose(enlarged.luma, by_hand, rtol=0, atol=1e-3)
    plain = upscale(lr.astype(np.float64), 2)
    assert float(np.abs(enlarged.picture - plain).max()) <= 0.5 + 1e-3


def test_bicubic_is_the_eight_bit_resize() -> None:
    lr = np.random.default_rng(0).integers(0, 256, (20, 22, 3), dtype=np.uint8)
    enlarged = enlarge_by_bicubic(lr, 2)
    assert np.array_equal(enlarged.picture, upscale(lr, 2))
    assert not np.array_equal(enlarged.luma, picture_luma(enlarged.picture))
    assert enlarged.luma.min() >= 16
    assert enlarged.luma.max() <= 235


def test_three_roundings_are_three_figures() -> None:
    hr = smooth(40, 44)
    enlarged = enlarge_by_network(bicubic_network, downscale(hr, 2), 2)
    quality = measure(enlarged, hr, 2)
    truth, seen = picture_luma(hr), picture_luma(enlarged.picture)
    assert quality.psnr == psnr(seen, truth, 2)
    assert quality.ssim == ssim(seen, truth, 2)
    assert quality.psnr_y == psnr(enlarged.luma, truth, 2)
    assert quality.psnr_y8 == psnr(np.rint(enlarged.luma), truth, 2)
    assert len({quality.psnr, quality.psnr_y, quality.psnr_y8}) == 3


def test_border_of_scale_pixels_does_not_count() -> None:
    hr = smooth(40, 44)
    broken = hr.copy()
    broken[:2] = broken[-2:] = broken[:, :2] = broken[:, -2:] = 0
    enlarged = Enlarged(broken, picture_luma(broken))
    assert measure(enlarged, hr, 2).psnr == float("inf")
    assert measure(enlarged, hr, 1).psnr < 40


def test_upscaler_of_the_wrong_scale_is_noticed() -> None:
    with pytest.raises(ValueError, match=r"broadcast|shape"):
        enlarge_by_network(lambda luma: luma, smooth(20, 22), 2)


def test_rounded_input_is_what_an_int8_network_sees() -> None:
    class Twice:
        scale, receptive_radius, int8, column_reach = 2, 0, False, None

        def run(self, luma: NDArray[np.float32]) -> NDArray[np.float32]:
            return luma.repeat(2, 0).repeat(2, 1)

    luma = np.array([[0.0, 0.4 / 255, 0.6 / 255], [100.2 / 255, 1.0, 254.7 / 255]], np.float32)
    expected = np.array([[0, 0, 1], [100, 255, 255]]) / 255
    np.testing.assert_allclose(rounded_input(Twice())(luma)[::2, ::2], expected, atol=1e-7)


@pytest.mark.needs("export")
@pytest.mark.parametrize(("backend", "whole"), [("native", False), ("litert", True)])
def test_an_int8_network_is_measured_as_its_engine_runs_it(backend: Backend, whole: bool) -> None:
    """Ours rounds luma at the end only; its file gives whole numbers."""
    network = find_network("m5-int8", 2).safetensors
    assert network is not None
    luma = np.random.default_rng(1).random((12, 14), np.float32)
    result = as_run(load_engine(network, backend))(luma) * 255
    assert bool(np.abs(result - np.rint(result)).max() < 1e-4) == whole
    assert float(np.abs(np.rint(result) - as_run(load_engine(network, "litert"))(luma) * 255).max()) <= 1.001
