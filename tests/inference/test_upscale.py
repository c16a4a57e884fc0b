"""Pictures through a network: what becomes of colour, grey, alpha, notes and odd inputs."""

import threading
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from PIL import Image
from tests.backends import backend_params, needs
from tests.fakes import Breaking, Nearest, calm_network, float_network

import sesr
from sesr.engines.base import Backend
from sesr.engines.load import load_engine
from sesr.engines.native import NativeEngine
from sesr.errors import EngineError, PictureError, UsageError, WeightsError
from sesr.files.picture import Picture
from sesr.files.write import Output
from sesr.imaging.compose import compose_rgb, network_luma
from sesr.imaging.resize import upscale as bicubic
from sesr.inference.upscale import Upscaled, Upscaler, load
from sesr.network.variants import SESRConfig
from sesr.network.zoo import list_networks

Bytes = NDArray[np.uint8]


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network with random weights, x2."""
    path = tmp_path_factory.mktemp("network") / "random.safetensors"
    float_network(SESRConfig(m=3)).save(path)
    return path


@pytest.fixture(scope="module")
def int8_network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An int8 network with random weights, x2."""
    path = tmp_path_factory.mktemp("int8") / "random.safetensors"
    calm_network(SESRConfig(m=3, activation="relu")).save(path)
    return path


def noise(*shape: int) -> Bytes:
    return np.random.default_rng(2).integers(0, 256, shape, dtype=np.uint8)


ENGINES = backend_params("native", "openvino")


@pytest.mark.parametrize("engine", ENGINES)
def test_any_cut_gives_the_same_picture(network: Path, engine: Backend) -> None:
    picture = noise(61, 47, 4)
    picture[20:40, :30, 3] = 0
    whole = load(network, engine=engine).upscale(picture)
    for tile in (1, 16, 30):
        difference = load(network, engine=engine, tile=tile).upscale(picture).astype(int) - whole
        assert np.abs(difference).max() <= 1
        assert (difference != 0).mean() < 1e-3


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_any_cut_gives_the_same_int8_picture_exactly(int8_network: Path, mode: str) -> None:
    image = drawn(mode)
    whole = np.asarray(load(int8_network).upscale(image))
    for tile in (1, 16, 30):
        assert np.array_equal(np.asarray(load(int8_network, tile=tile).upscale(image)), whole)


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_rows_of_the_own_engine_equal_the_whole_exactly(
    network: Path, int8_network: Path, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its strips, that large pictures have, and columns, that very wide ones have; for floats too."""
    image = drawn(mode)
    for path in (network, int8_network):
        upscaler = load(path)
        whole = np.asarray(upscaler.upscale(image))
        with monkeypatch.context() as patch:
            patch.setattr("sesr.engines.strips.BAND_PIXELS", 1)
            assert len(list(upscaler.bands(Picture.from_image(image)))) > 1
            assert np.array_equal(np.asarray(upscaler.upscale(image)), whole)
            patch.setattr("sesr.engines.strips.WORKING_BYTES", 1)
            assert np.array_equal(np.asarray(upscaler.upscale(image)), whole)


@needs("openvino")
@pytest.mark.usefixtures("float32")
@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_engines_make_the_same_picture(network: Path, mode: str) -> None:
    """To a step: the own engine does colours and alpha in C++, which for others are done in NumPy."""
    image = drawn(mode)
    ours = np.asarray(load(network).upscale(image)).astype(int)
    theirs = np.asarray(load(network, engine="openvino").upscale(image)).astype(int)
    assert np.abs(ours - theirs).max() <= 1
    assert (ours != theirs).mean() < 1e-3


def test_int8_luma_is_not_rounded_on_its_way_to_a_picture(int8_network: Path) -> None:
    """It would be for an engine that answers in 8 bits."""
    picture, engine = noise(40, 50, 3), load_engine(int8_network)
    assert isinstance(engine, NativeEngine)
    found = Upscaler.of_engine(engine).upscale(picture)
    real, rounded = (
        compose_rgb(engine.run(network_luma(picture), rounded=rounded), picture, 2) for rounded in (False, True)
    )
    assert (found != real).mean() < 1e-3
    assert (found != rounded).mean() > 0.1


def drawn(mode: str) -> Image.Image:
    """Noise with a hole, where the mode has alpha."""
    pixels = noise(91, 47, 4)
    pixels[20:40, :30, 3] = 0
    return Image.fromarray(pixels).convert(mode)


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_any_cut_gives_the_same_colours_exactly(mode: str) -> None:
    pixels = noise(33, 41, 4)
    pixels[5:25, 3:30, 3] = 0
    image = Image.fromarray(pixels).convert(mode)
    whole = np.asarray(Upscaler.of_engine(Nearest()).upscale(image))
    for tile in (1, 7, 20):
        assert np.array_equal(np.asarray(Upscaler.of_engine(Nearest(), tile).upscale(image)), whole)


@settings(deadline=None, max_examples=40)
@given(
    arrays(np.uint8, st.tuples(st.integers(1, 30), st.integers(1, 30))), st.sampled_from([2, 3, 4]), st.integers(1, 9)
)
def test_grey_values_survive_the_way_through_luma(picture: Bytes, scale: int, tile: int) -> None:
    enlarged = Upscaler.of_engine(Nearest(scale), tile).upscale(picture)
    assert np.array_equal(enlarged, picture.repeat(scale, axis=0).repeat(scale, axis=1))


@settings(deadline=None, max_examples=40)
@given(st.tuples(*[st.integers(0, 255)] * 4), st.integers(1, 12), st.integers(1, 30))
def test_flat_colour_and_alpha_stay_flat(colour: tuple[int, ...], width: int, height: int) -> None:
    picture = np.tile(np.array(colour, np.uint8), (height, width, 1))
    enlarged = Upscaler.of_engine(Nearest(), tile=7).upscale(picture)
    assert np.array_equal(enlarged, np.tile(np.array(colour, np.uint8), (2 * height, 2 * width, 1)))


@pytest.mark.parametrize("engine", ENGINES)
def test_opaque_alpha_changes_no_colour_and_alpha_is_bicubic(network: Path, engine: Backend) -> None:
    upscaler, picture = load(network, engine=engine, tile=20), noise(50, 20, 4)
    picture[..., 3] |= 1
    enlarged = upscaler.upscale(picture)
    assert np.array_equal(enlarged[..., :3], upscaler.upscale(np.ascontiguousarray(picture[..., :3])))
    assert np.array_equal(enlarged[..., 3], bicubic(np.ascontiguousarray(picture[..., 3]), 2))


def test_cut_out_gets_no_fringe() -> None:
    y, x = np.mgrid[:40, :40]
    disc = np.hypot(y - 20, x - 20) < 12
    picture = np.zeros((40, 40, 4), np.uint8)
    picture[disc] = (250, 200, 150, 255)
    enlarged = Upscaler.of_engine(Nearest()).upscale(picture)
    seen = enlarged[enlarged[..., 3] > 0]
    assert len(seen) > 4 * disc.sum()
    assert np.abs(seen[:, :3].astype(int) - [250, 200, 150]).max() <= 1


@pytest.mark.parametrize(("mode", "seen"), [("L", "L"), ("LA", "LA"), ("RGB", "RGB"), ("RGBA", "RGBA"), ("P", "RGB")])
def test_pillow_image_comes_back_as_one(mode: str, seen: str) -> None:
    image = Image.fromarray(noise(9, 14, 3)).convert(mode)
    image.info["icc_profile"] = b"profile"
    enlarged = Upscaler.of_engine(Nearest()).upscale(image)
    assert (enlarged.mode, enlarged.size) == (seen, (28, 18))
    assert enlarged.info["icc_profile"] == b"profile"
    if mode in ("L", "RGB"):
        assert np.array_equal(np.asarray(enlarged), Upscaler.of_engine(Nearest()).upscale(np.asarray(image)))


def test_transparent_colour_of_an_image_becomes_alpha() -> None:
    image = Image.new("P", (3, 3))
    image.info["transparency"] = 0
    enlarged = Upscaler.of_engine(Nearest()).upscale(image)
    assert enlarged.mode == "RGBA"
    assert not np.asarray(enlarged)[..., 3].any()
    assert "transparency" not in enlarged.info


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((4, 4), np.float32),
        np.zeros((4, 4), np.int16),
        np.zeros(4, np.uint8),
        np.zeros((4, 4, 2), np.uint8),
        np.zeros((4, 4, 1), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
        [[0, 1], [2, 3]],
        "picture.png",
    ],
)
def test_other_arrays_and_things_are_wrong_usage(wrong: object) -> None:
    with pytest.raises(UsageError):
        Upscaler.of_engine(Nearest()).upscale(wrong)  # type: ignore[type-var]


@pytest.mark.parametrize("mode", ["I", "F", "CMYK", "LAB"])
def test_images_of_other_kinds_are_refused(mode: str) -> None:
    with pytest.raises(PictureError, match="the picture: "):
        Upscaler.of_engine(Nearest()).upscale(Image.new(mode, (4, 4)))


def test_image_without_pixels_is_refused() -> None:
    with pytest.raises(PictureError, match="0 x 4"):
        Upscaler.of_engine(Nearest()).upscale(Image.new("RGB", (0, 4)))


def test_image_that_pillow_cannot_read_to_its_end(tmp_path: Path) -> None:
    Image.fromarray(noise(60, 60, 3)).save(tmp_path / "a.jpg")
    (tmp_path / "a.jpg").write_bytes((tmp_path / "a.jpg").read_bytes()[:1500])
    with Image.open(tmp_path / "a.jpg") as image, pytest.raises(PictureError, match="the picture: damaged"):
        Upscaler.of_engine(Nearest()).upscale(image)


def test_file_to_file_applies_orientation_and_reports_progress(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = Image.fromarray(noise(20, 30, 3))
    stored.save(tmp_path / "a.png", exif=exif)
    told: list[tuple[int, int]] = []
    sizes = Upscaler.of_engine(Nearest(), tile=5).upscale_file(
        tmp_path / "a.png", tmp_path / "b.png", progress=lambda *rows: told.append(rows)
    )
    assert sizes == Upscaled((20, 30), (40, 60))
    assert sum(rows for rows, _ in told) == 60
    assert {total for _, total in told} == {60}
    assert len(told) > 1
    upright = stored.transpose(Image.Transpose.ROTATE_270)
    with Image.open(tmp_path / "b.png") as image:
        assert np.array_equal(np.asarray(image), Upscaler.of_engine(Nearest()).upscale(np.asarray(upright)))


def test_failure_on_the_way_leaves_no_file(tmp_path: Path) -> None:
    picture = np.zeros((40, 40, 3), np.uint8)
    picture[20:] = 255
    Image.fromarray(picture).save(tmp_path / "a.png")
    broken = Upscaler.of_engine(Breaking(), tile=4)
    with pytest.raises(EngineError, match="it broke"):
        broken.upscale_file(tmp_path / "a.png", tmp_path / "b.png")
    assert [file.name for file in tmp_path.iterdir()] == ["a.png"]


def test_scale_that_the_file_does_not_have_is_reached(network: Path) -> None:
    picture = noise(7, 9, 3)
    assert np.array_equal(load(network).upscale(picture), load(network, 2).upscale(picture))
    assert load(network, 3).upscale(picture).shape == (21, 27, 3)


def test_unknown_engine(network: Path) -> None:
    with pytest.raises(UsageError, match="engine 'x' is unknown: use one of native, openvino, litert, torch"):
        load(network, engine="x")  # type: ignore[arg-type]


def test_unknown_network(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="m6"):
        load("m6")
    with pytest.raises(WeightsError, match="no such file"):
        load(tmp_path / "none.tflite")


def test_one_call_equals_the_loaded_network(network: Path) -> None:
    picture = noise(12, 10, 3)
    assert np.array_equal(sesr.upscale(picture, 2, network), sesr.load(network).upscale(picture))


@pytest.mark.skipif(not list_networks(), reason="no networks come with the package yet")
def test_shipped_network_beats_bicubic() -> None:
    y, x = np.mgrid[:96, :96] / 96
    rings = 127.5 + 110 * np.cos(260 * ((x - 0.5) ** 2 + (y - 0.5) ** 2))
    original = np.floor(np.where(np.hypot(x - 0.5, y - 0.5) < 0.4, rings, 240)).astype(np.uint8)
    small = np.asarray(Image.fromarray(original).resize((48, 48), Image.Resampling.BICUBIC))
    ours, plain = sesr.upscale(small, 2).astype(float), bicubic(small, 2).astype(float)
    errors = [np.square(found[8:-8, 8:-8] - original[8:-8, 8:-8]).mean() for found in (ours, plain)]
    assert errors[0] < 0.8 * errors[1]


def test_a_size_as_text_is_the_size_that_it_says() -> None:
    picture = noise(12, 20, 3)
    assert np.array_equal(sesr.upscale(picture, size="30x"), sesr.upscale(picture, scale=1.5))
    assert sesr.load(size="x50").upscale(picture).shape == (50, 83, 3)
    with pytest.raises(UsageError, match="size 'wide' is not like 3840x"):
        sesr.load(size="wide")


@pytest.mark.parametrize("model", ["m5", "m5-int8", "file"])
def test_an_upscaler_is_pickled_and_upscales_in_another_process(model: str, network: Path) -> None:
    upscaler = sesr.load(network if model == "file" else model, size="30x")
    picture = noise(12, 20, 3)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as other:
        assert np.array_equal(other.submit(upscaler.upscale, picture).result(), upscaler.upscale(picture))


def test_memory_of_a_picture_without_pixels() -> None:
    """A damaged header may say so; that it is damaged is said when the file is opened."""
    assert Upscaler.of_engine(Nearest()).memory((0, 2), Path("out.jpg")) == 0


@pytest.mark.parametrize(("threads", "inside"), [(1, {threading.main_thread().name}), (2, None)])
def test_one_thread_for_a_file_is_the_callers_own(threads: int, inside: set[str] | None, tmp_path: Path) -> None:
    """So a worker of one thread keeps one processor busy. With more, bands are made while others are compressed."""
    Image.fromarray(noise(40, 30, 3)).save(tmp_path / "photo.png")
    seen: set[str] = set()

    class Watched(Nearest):
        def run(self, luma: NDArray[np.float32]) -> NDArray[np.float32]:
            seen.add(threading.current_thread().name)
            return super().run(luma)

    upscaler = Upscaler.of_engine(Watched(), tile=16)
    upscaler.upscale_file(tmp_path / "photo.png", tmp_path / f"{threads}.png", Output(threads=threads))
    assert (seen == inside) == (inside is not None)
    upscaler.upscale_file(tmp_path / "photo.png", tmp_path / "usual.png")
    assert (tmp_path / f"{threads}.png").read_bytes() == (tmp_path / "usual.png").read_bytes()
