"""Verification passes what computes the network, and refuses a runtime that is wrong in a single pixel."""

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.backends import needs
from tests.fakes import Breaking, calm_network, float_network, random_network

from sesr.engines.base import Backend
from sesr.engines.load import load_engine
from sesr.errors import ExportError
from sesr.export.verify import FLOAT_BOUND, drawn_pictures, drawn_rgb, reference_rgb, verify
from sesr.imaging.arrays import Luma
from sesr.network.quantized import AnyNetwork
from sesr.network.reference import reference
from sesr.network.variants import Activation, SESRConfig
from sesr.tflite.writer import Layout, export_tflite

Make = Callable[[SESRConfig], AnyNetwork]

ACTIVATIONS: tuple[Activation, ...] = ("relu", "prelu")
RUNTIMES: tuple[Backend, ...] = ("litert", "openvino")
KINDS = [
    SESRConfig(m=2, f=4, scale=scale, activation=activation, input_residual=scale != 4)
    for scale, activation in itertools.product((2, 3, 4), ACTIVATIONS)
]
SMALL = SESRConfig(m=1, f=2, activation="relu")


class Exact:
    """A runtime that gives the reference, changed at one place by some steps of 1/255."""

    def __init__(self, network: AnyNetwork, steps: float = 0.0, at: tuple[int, int] = (-1, -1)) -> None:
        self.network, self.steps, self.at = network, steps, at

    def run(self, luma: Luma) -> Luma:
        result = reference(self.network, np.rint(luma * 255).astype(np.uint8)) / 255
        corner = result[self.at] * 255
        result[self.at] = (corner + (self.steps if corner < 128 else -self.steps)) / 255
        return result.astype(np.float32)


@pytest.mark.parametrize(
    ("make", "runtime"),
    [
        pytest.param(make, runtime, marks=needs(runtime, int8=make is calm_network), id=f"{make.__name__}-{runtime}")
        for make, runtime in itertools.product((float_network, calm_network), RUNTIMES)
    ],
)
@pytest.mark.parametrize("config", KINDS, ids=str)
def test_what_is_exported_passes(config: SESRConfig, make: Make, runtime: Backend, tmp_path: Path) -> None:
    network = make(config)
    file = tmp_path / "net.tflite"
    export_tflite(network, file)
    (found,) = verify(network, file, {runtime: load_engine(file, runtime, threads=1)})
    count = sum(picture.size for picture in drawn_pictures()) * config.scale**2
    if runtime == "openvino" and make is calm_network and config.activation == "prelu":
        count -= config.scale**2  # the single pixel, which it gets wrong
    assert found.pixels == count
    assert found.largest <= found.bound
    assert str(found).startswith(f"{runtime}: {found.differing:,} of {count:,} pixels differ")
    if runtime == "litert" and make is calm_network:
        assert (found.differing, found.largest, found.bound) == (0, 0, 0)


@pytest.mark.needs("export")
def test_a_file_of_one_size_is_verified_at_it(tmp_path: Path) -> None:
    network, file = random_network(KINDS[0]), tmp_path / "net.tflite"
    layout = Layout(21, 34, transposed=True)
    export_tflite(network, file, layout)
    (found,) = verify(network, file, {"litert": load_engine(file, "litert")}, layout.size)
    assert (found.pixels, found.differing) == (8 * 4 * 21 * 34, 0)


def test_a_file_of_a_single_pixel_is_verified_at_it(tmp_path: Path) -> None:
    """By OpenVINO's int8 with PReLU too, which is spared that size where there are others."""
    network = random_network(SESRConfig(m=1, f=2))
    (found,) = verify(network, tmp_path / "net.tflite", {"openvino": Exact(network)}, (1, 1))
    assert found.pixels == 8 * 4


@pytest.mark.parametrize("at", [(0, 0), (0, -1), (-1, 0), (-1, -1)])
def test_one_step_in_one_corner_is_found(at: tuple[int, int], tmp_path: Path) -> None:
    """LiteRT is allowed no step on an int8 ReLU network; OpenVINO is allowed three, and not four."""
    network, file = random_network(SMALL), tmp_path / "there.tflite"
    verify(network, file, {"litert": Exact(network)})
    with pytest.raises(ExportError) as caught:
        verify(network, file, {"litert": Exact(network, 1, at)})
    message = str(caught.value)
    assert message.startswith(f"{file}: does not compute what the network does, so it is not to be used; litert: ")
    assert "largest difference 1 of an 8-bit step, at most 0 allowed" in message
    assert "\n" not in message
    assert verify(network, file, {"openvino": Exact(network, 1, at)})[0].differing == len(drawn_pictures())
    assert verify(network, file, {"openvino": Exact(network, 3, at)})[0].largest == 3
    with pytest.raises(ExportError, match="openvino"):
        verify(network, file, {"openvino": Exact(network, 4, at)})


def test_bounds_of_prelu(tmp_path: Path) -> None:
    network = random_network(SESRConfig(m=1, f=2))
    for runtime, most in (("litert", 0), ("openvino", 4)):
        assert verify(network, tmp_path / "net.tflite", {runtime: Exact(network, most)})[0].largest == most
        with pytest.raises(ExportError, match=runtime):
            verify(network, tmp_path / "net.tflite", {runtime: Exact(network, most + 1)})


def test_float_is_held_to_a_hundredth_of_a_step(tmp_path: Path) -> None:
    network = float_network(SMALL)
    (found,) = verify(network, tmp_path / "net.tflite", {"litert": Exact(network, 0.005)})
    assert 0.004 < found.largest < FLOAT_BOUND
    assert found.differing == 0
    with pytest.raises(ExportError, match=r"net\.tflite: does not compute"):
        verify(network, tmp_path / "net.tflite", {"litert": Exact(network, 0.02)})


def test_the_mean_is_that_of_all_pixels(tmp_path: Path) -> None:
    """A step in one pixel of every picture."""
    network = random_network(SMALL)
    (found,) = verify(network, tmp_path / "net.tflite", {"openvino": Exact(network, 2)})
    assert found.mean == pytest.approx(2 * len(drawn_pictures()) / found.pixels)
    assert str(found).endswith(f"at most 3 allowed; mean {found.mean:.2g}")


@pytest.mark.parametrize("make", [float_network, calm_network])
def test_not_a_number_fails(make: Make, tmp_path: Path) -> None:
    network = make(SMALL)
    with pytest.raises(ExportError, match=r"net\.tflite: does not compute.* largest difference inf"):
        verify(network, tmp_path / "net.tflite", {"litert": Exact(network, np.nan)})


def test_a_runtime_that_breaks_fails(tmp_path: Path) -> None:
    network = float_network(SMALL)
    with pytest.raises(ExportError, match=r"net\.tflite: litert cannot run it \(it broke\)"):
        verify(network, tmp_path / "net.tflite", {"litert": Breaking()})


def test_a_runtime_that_fails_after_a_good_one_fails(tmp_path: Path) -> None:
    network = random_network(SMALL)
    with pytest.raises(ExportError, match="openvino"):
        verify(network, tmp_path / "net.tflite", {"litert": Exact(network), "openvino": Exact(network, 5)})


def test_pictures_have_what_shows_mistakes() -> None:
    """A single pixel, lines, odd sizes, both extremes at borders; always the same."""
    pictures = drawn_pictures()
    assert {(1, 1), (1, 40), (33, 2), (7, 5)} <= {picture.shape for picture in pictures}
    for picture in pictures:
        assert picture.dtype == np.uint8
    large = pictures[4]
    for border in (large[0], large[-1], large[:, 0], large[:, -1]):
        assert np.isin(border, (0, 255)).mean() > 0.9
    assert {0, 255} == set(np.concatenate([large[0], large[-1], large[:, 0], large[:, -1]]).tolist())
    assert len(np.unique(large)) > 200
    for one, other in zip(pictures, drawn_pictures(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert {picture.shape for picture in drawn_pictures((6, 9))} == {(6, 9)}
    assert len(drawn_pictures((6, 9))) == 8
    assert len(drawn_pictures((500, 401))) == 1


@pytest.mark.parametrize("size", [None, (6, 9), (500, 401)])
def test_pictures_in_rgb_have_what_shows_mistakes(size: tuple[int, int] | None) -> None:
    """They have the luma's sizes, colors and grays; no luma is so near a half that runtimes may round it apart."""
    pictures = drawn_rgb(size)
    assert {picture.shape[:2] for picture in pictures} == {picture.shape for picture in drawn_pictures(size)}
    assert all(picture.shape[2:] == (3,) and picture.dtype == np.uint8 for picture in pictures)
    assert max(np.ptp(picture, axis=-1).mean() for picture in pictures) > 50
    assert np.ptp(pictures[-1], axis=-1).max() <= 1
    for picture in pictures:
        luma = picture @ (np.array([65.481, 128.553, 24.966]) / 255)
        assert np.abs(luma % 1 - 0.5).min() > 0.009


@pytest.mark.parametrize("make", [float_network, calm_network])
def test_rgb_is_the_reference_in_color(make: Make, tmp_path: Path) -> None:
    """One value that is half a step off is found."""
    network = make(KINDS[0])

    class Colored:
        def __init__(self, steps: float) -> None:
            self.steps = steps

        def run(self, picture: Luma, /) -> Luma:
            result = reference_rgb(network, np.rint(picture * 255).astype(np.uint8)) / 255
            result[-1, 0, 2] += self.steps / 255 * (1 if result[-1, 0, 2] < 0.5 else -1)
            return result.astype(np.float32)

    bound = 1 if network.int8 else FLOAT_BOUND
    for steps in (0, 0.9 * bound):
        (found,) = verify(network, tmp_path / "net.onnx", {"onnxruntime": Colored(steps)}, rgb=True)
        assert found.largest == pytest.approx(steps, abs=1e-3)
        assert found.pixels == 3 * 4 * sum(picture.size for picture in drawn_pictures())
    with pytest.raises(ExportError, match="onnxruntime"):
        verify(network, tmp_path / "net.onnx", {"onnxruntime": Colored(1.1 * bound)}, rgb=True)
