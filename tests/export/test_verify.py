"""Verification passes what computes the network, and refuses a runtime that is wrong in a single pixel."""

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.backends import needs
from tests.fakes import calm_network, float_network, random_network

from sesr.engines.base import Backend
from sesr.engines.load import load_engine
from sesr.errors import ExportError
from sesr.export.verify import FLOAT_BOUND, drawn_pictures, verify
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
    assert (found.pixels, found.differing) == (7 * 4 * 21 * 34, 0)


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


@pytest.mark.parametrize("make", [float_network, calm_network])
def test_not_a_number_fails(make: Make, tmp_path: Path) -> None:
    network = make(SMALL)
    with pytest.raises(ExportError, match=r"net\.tflite: does not compute.* largest difference inf"):
        verify(network, tmp_path / "net.tflite", {"litert": Exact(network, np.nan)})


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
    assert len(drawn_pictures((6, 9))) == 7
    assert len(drawn_pictures((500, 401))) == 1
