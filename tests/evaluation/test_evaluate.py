"""From a folder of pictures to rows of figures."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from tests.fakes import float_network

from sesr.engines.load import load_engine
from sesr.errors import PictureError
from sesr.evaluation.evaluate import BICUBIC, OURS, PAPER, X4_SHRUNK, Evaluation, evaluate
from sesr.evaluation.protocol import LumaUpscaler, as_run, enlarge_by_network, shrink
from sesr.files.jpeg import through_jpeg
from sesr.imaging.resize import downscale, upscale
from sesr.inference.networks import OneNetwork
from sesr.inference.sizes import parse_scale
from sesr.inference.upscale import Upscaler
from sesr.network.variants import SESRConfig


def bicubic_network(luma: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.clip(upscale(luma, 2), 0, 1)


def nearest_network(luma: NDArray[np.float32]) -> NDArray[np.float32]:
    return luma.repeat(2, axis=0).repeat(2, axis=1)


def fill(folder: Path, count: int) -> None:
    """Make a set in EDSR's layout from drawn pictures, the first one gray."""
    (folder / "HR").mkdir(parents=True)
    (folder / "LR_bicubic" / "X2").mkdir(parents=True)
    y, x = np.mgrid[:46, :52]
    for i in range(count):
        waves = [128 + 100 * np.sin(x / (2 + i + c)) * np.cos(y / (4 + c)) for c in range(3)]
        hr = np.stack(waves, axis=-1).astype(np.uint8)
        if i == 0:
            hr = hr[..., 0]
        Image.fromarray(hr).save(folder / "HR" / f"p{i}.png")
        Image.fromarray(downscale(hr, 2)).save(folder / "LR_bicubic" / "X2" / f"p{i}x2.png")


@pytest.fixture
def measured(tmp_path: Path) -> Evaluation:
    fill(tmp_path / "data" / "Set5", 3)
    fill(tmp_path / "data" / "own", 2)
    return evaluate(nearest_network, "m5", tmp_path / "data", 2)


def test_rows_in_order(measured: Evaluation) -> None:
    rows = [(row.set_name, row.images, row.method, row.status) for row in measured.rows]
    assert rows == [
        ("Set5", 3, BICUBIC, "measured"),
        ("Set5", 3, OURS, "measured"),
        ("Set5", 3, PAPER, "recalled"),
        ("Set5 (gray as RGB)", 3, BICUBIC, "measured"),
        ("Set5 (gray as RGB)", 3, OURS, "measured"),
        ("own", 2, BICUBIC, "measured"),
        ("own", 2, OURS, "measured"),
        ("own (gray as RGB)", 2, BICUBIC, "measured"),
        ("own (gray as RGB)", 2, OURS, "measured"),
    ]
    images = {"Set5": ("p0", "p1", "p2"), "own": ("p0", "p1")}
    expected = [(s + suffix, image) for s in images for suffix in ("", " (gray as RGB)") for image in images[s]]
    assert [(row.set_name, row.image) for row in measured.pictures[::2]] == expected


def test_set_rows_are_means_of_their_pictures(measured: Evaluation) -> None:
    for row in measured.rows:
        if row.method == PAPER:
            assert (row.psnr, row.ssim, row.psnr_y, row.psnr_y8) == (37.39, 0.9585, None, None)
            continue
        of_row = (p for p in measured.pictures if (p.set_name, p.method) == (row.set_name, row.method))
        values = [(p.quality.psnr, p.quality.ssim, p.quality.psnr_y, p.quality.psnr_y8) for p in of_row]
        mean = np.mean(values, axis=0).tolist()
        assert [row.psnr, row.ssim, row.psnr_y, row.psnr_y8] == pytest.approx(mean, rel=1e-12)


def test_gray_pictures_are_measured_as_rgb_too(tmp_path: Path, measured: Evaluation) -> None:
    """As if the files were RGB; pictures in color keep their figures."""
    figures = {(row.set_name, row.image, row.method): row.quality for row in measured.pictures}
    for path in (tmp_path / "data").glob("*/*/**/p0*.png"):
        with Image.open(path) as picture:
            picture.convert("RGB").save(path)
    in_color = evaluate(nearest_network, "m5", tmp_path / "data", 2)
    assert not any("gray" in row.set_name for row in in_color.rows)
    for row in in_color.pictures:
        assert figures[f"{row.set_name} (gray as RGB)", row.image, row.method] == row.quality
        gray = figures[row.set_name, row.image, row.method]
        gain = 20 * np.log10(255 / 219) if row.image == "p0" else 0
        assert row.quality.psnr - gray.psnr == pytest.approx(gain, abs=0.05)


def test_network_that_repeats_pixels_is_worse_than_bicubic(measured: Evaluation) -> None:
    bicubic, ours = measured.rows[:2]
    assert ours.psnr < bicubic.psnr - 1
    assert ours.ssim < bicubic.ssim


def test_same_pictures_give_the_same_figures(measured: Evaluation, tmp_path: Path) -> None:
    assert evaluate(nearest_network, "m5", tmp_path / "data", 2) == measured


def test_without_lr_of_the_scale_it_is_made_of_the_cropped_original(tmp_path: Path) -> None:
    """At x3: 46 x 52 pixels are cropped to 45 x 51 at the right and bottom, and shrunk as MATLAB does."""
    fill(tmp_path / "Set5", 2)
    seen: list[NDArray[np.float32]] = []

    def thrice(luma: NDArray[np.float32]) -> NDArray[np.float32]:
        seen.append(luma)
        return np.clip(upscale(luma, 3), 0, 1)

    result = evaluate(thrice, "m5", tmp_path / "Set5", 3)
    with Image.open(tmp_path / "Set5" / "HR" / "p0.png") as hr:
        gray = downscale(np.asarray(hr)[:45, :51], 3)
    np.testing.assert_allclose(seen[0], gray.astype(np.float32) / 255, atol=1e-6)
    assert seen[0].shape == (15, 17)
    assert [row.method for row in result.rows] == [BICUBIC, OURS] * 2


def test_x4_shrunk_is_what_upscale_makes_without_a_network_for_x3(tmp_path: Path) -> None:
    """Pixel for pixel, but for luma on the edge between two values."""
    network = float_network(SESRConfig(m=1, f=4, scale=4), strength=0.1)
    network.save(tmp_path / "net.safetensors")
    engine = load_engine(tmp_path / "net.safetensors")
    lr = np.random.default_rng(0).integers(0, 256, (21, 17, 3), dtype=np.uint8)
    expected = Upscaler(OneNetwork(engine), parse_scale(3)).upscale(lr)
    shrunk = shrink(enlarge_by_network(as_run(engine), lr, 4), 63, 51).picture
    assert np.abs(shrunk.astype(int) - expected).max() <= 1
    assert (shrunk != expected).mean() < 0.02


def test_x4_may_be_measured_next_to_the_network(tmp_path: Path) -> None:
    fill(tmp_path / "Set5", 2)

    def times(scale: int) -> LumaUpscaler:
        return lambda luma: np.clip(upscale(luma, scale), 0, 1)

    result = evaluate(times(3), "m5", tmp_path / "Set5", 3, x4=times(4))
    assert [row.method for row in result.rows] == [BICUBIC, OURS, X4_SHRUNK] * 2
    assert len(result.pictures) == 12
    bicubic, ours, shrunk = result.rows[:3]
    assert shrunk.psnr == pytest.approx(ours.psnr, abs=1)
    assert len({bicubic.psnr, ours.psnr, shrunk.psnr}) == 3


def test_damaged_picture_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"not a picture")
    with pytest.raises(PictureError, match=r"broken\.png"):
        evaluate(bicubic_network, "m5", tmp_path, 2)


def test_bicubic_rows_of_the_papers(shared: Path) -> None:
    """Bicubic stands in for the network, too; it differs from the baseline by rounding alone."""
    result = evaluate(bicubic_network, "m5", shared / "benchmark" / "Set5", 2)
    bicubic, ours, paper = result.rows
    assert (bicubic.images, round(bicubic.psnr, 2), paper.psnr) == (5, 33.67, 37.39)
    assert bicubic.ssim == pytest.approx(0.9303, abs=1e-4)
    assert 0 < ours.psnr - bicubic.psnr < 0.01
    assert ours.psnr_y is not None
    assert ours.psnr_y8 is not None
    assert ours.psnr_y8 < ours.psnr < ours.psnr_y


def test_lr_may_pass_through_jpeg(tmp_path: Path) -> None:
    """Every method sees the JPEG. The paper's networks did not, so its figures are left out."""
    fill(tmp_path / "data" / "Set5", 3)
    seen: list[NDArray[np.float32]] = []

    def noting(luma: NDArray[np.float32]) -> NDArray[np.float32]:
        seen.append(luma)
        return nearest_network(luma)

    clean = evaluate(noting, "m5", tmp_path / "data", 2)
    jpeg = evaluate(noting, "m5", tmp_path / "data", 2, jpeg=30)
    assert (clean.jpeg, jpeg.jpeg) == (None, 30)
    assert [row.method for row in jpeg.rows] == [BICUBIC, OURS] * 2
    measured = [row for row in clean.rows if row.method != PAPER]
    assert all(worse.psnr < better.psnr - 0.5 for worse, better in zip(jpeg.rows, measured, strict=True))
    with Image.open(tmp_path / "data" / "Set5" / "LR_bicubic" / "X2" / "p0x2.png") as lr:
        expected = through_jpeg(np.asarray(lr), 30).astype(np.float32) / 255
    np.testing.assert_allclose(seen[4], expected, atol=1e-6)
