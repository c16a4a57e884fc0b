"""Planes and crops: what is read, what is drawn, and that both are what they say."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from sesr.errors import PictureError, TrainingError
from sesr.imaging.resize import downscale
from sesr.training.dataset import CropSampler, LumaPlanes, fingerprint, load_planes
from sesr.training.recipe import DataRecipe

CROP = DataRecipe(crop=6)


def noise(height: int, width: int, seed: int, channels: int = 1) -> NDArray[np.uint8]:
    shape = (height, width) if channels == 1 else (height, width, channels)
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "below").mkdir()
    Image.fromarray(noise(31, 40, 1)).save(tmp_path / "a.png")
    Image.fromarray(noise(24, 21, 2, 3)).save(tmp_path / "below" / "b.PNG")
    Image.fromarray(noise(8, 40, 3)).save(tmp_path / "small.png")
    (tmp_path / "notes.txt").write_text("no picture")
    return tmp_path


def test_reads_grey_and_colour_and_leaves_small_out(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    planes = load_planes(folder, 2, CROP)
    assert planes.sizes.tolist() == [[15, 20], [12, 10]]
    assert "1 of 3 images are smaller than a crop" in capsys.readouterr().out
    grey, colour = noise(31, 40, 1)[:30], noise(24, 21, 2, 3)[:, :20]
    expected_hr = [grey, np.asarray(Image.fromarray(colour).convert("L"))]
    expected_lr = [downscale(grey, 2), np.asarray(Image.fromarray(downscale(colour, 2)).convert("L"))]
    assert np.array_equal(planes.hr.numpy(), np.concatenate([plane.ravel() for plane in expected_hr]))
    assert np.array_equal(planes.lr.numpy(), np.concatenate([plane.ravel() for plane in expected_lr]))


def test_patterns_choose_pictures(folder: Path) -> None:
    planes = load_planes(folder, 2, DataRecipe(crop=6, pictures=("a.*", "small*")))
    assert planes.sizes.tolist() == [[15, 20]]
    with pytest.raises(TrainingError, match="no image is as large as a crop"):
        load_planes(folder, 2, DataRecipe(crop=6, pictures=("nothing*",)))


def test_bad_folders(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="none: no such folder"):
        load_planes(tmp_path / "none", 2, CROP)
    with pytest.raises(TrainingError, match="no images in it"):
        load_planes(tmp_path, 2, CROP)
    Image.fromarray(noise(10, 10, 1)).save(tmp_path / "tiny.png")
    with pytest.raises(TrainingError, match="no image is as large as a crop, 12 pixels"):
        load_planes(tmp_path, 2, CROP)
    (tmp_path / "broken.png").write_bytes(b"\x89PNG nothing")
    with pytest.raises(PictureError, match=r"broken\.png: "):
        load_planes(tmp_path, 2, CROP)


def dihedral(crop: NDArray[np.float32]) -> list[bytes]:
    """All eight turned and mirrored copies."""
    turned = [np.rot90(crop, turns) for turns in range(4)]
    return [np.ascontiguousarray(copy).tobytes() for one in turned for copy in (one, one[:, ::-1])]


def as_luma(plane: NDArray[np.uint8]) -> NDArray[np.float32]:
    return ((16 + torch.from_numpy(plane).float() * (219 / 255)) / 255).numpy()


@pytest.mark.parametrize("scale", [2, 3])
def test_every_crop_lies_somewhere_in_its_picture(tmp_path: Path, scale: int) -> None:
    pictures = [noise(12 * scale, 9 * scale, 1), noise(7 * scale, 14 * scale, 2)]
    for index, picture in enumerate(pictures):
        Image.fromarray(picture).save(tmp_path / f"{index}.png")
    planes = load_planes(tmp_path, scale, CROP)
    positions = {}
    for index, picture in enumerate(pictures):
        low = downscale(picture, scale)
        for y in range(low.shape[0] - 5):
            for x in range(low.shape[1] - 5):
                hr = picture[scale * y : scale * (y + 6), scale * x : scale * (x + 6)]
                pairs = zip(dihedral(as_luma(low[y : y + 6, x : x + 6])), dihedral(as_luma(hr)), strict=True)
                for way, pair in enumerate(pairs):
                    positions[pair] = (index, y, x, way)
    sampler = CropSampler(planes, crop=6, batch=500, seed=3)
    lr, hr_batch = sampler(0)
    assert lr.shape == (500, 1, 6, 6)
    assert hr_batch.shape == (500, 1, 6 * scale, 6 * scale)
    seen = {positions[low.numpy().tobytes(), high.numpy().tobytes()] for low, high in zip(lr, hr_batch, strict=True)}
    assert {way for *_, way in seen} == set(range(8))
    assert {index for index, *_ in seen} == {0, 1}
    assert {(y, x) for index, y, x, _ in seen if index == 1} == {(y, x) for y in range(2) for x in range(9)}


def planes_of(*pictures: NDArray[np.uint8], limited: bool = False) -> LumaPlanes:
    lows = [picture[::2, ::2] for picture in pictures]
    return LumaPlanes(
        torch.from_numpy(np.concatenate([picture.ravel() for picture in pictures])),
        torch.from_numpy(np.concatenate([low.ravel() for low in lows])),
        np.array([low.shape for low in lows]),
        np.array([limited] * len(pictures)),
        scale=2,
    )


def test_batch_is_a_function_of_seed_and_step() -> None:
    planes = planes_of(noise(40, 40, 1), noise(60, 30, 2))
    sampler = CropSampler(planes, 8, 5, seed=1)
    first = sampler(10)
    sampler(11)
    again = CropSampler(planes, 8, 5, seed=1)(10)
    assert all(torch.equal(one, other) for one, other in zip(first, again, strict=True))
    assert not torch.equal(first[0], sampler(11)[0])
    assert not torch.equal(first[0], CropSampler(planes, 8, 5, seed=2)(10)[0])


def test_grey_ranges() -> None:
    white = np.full((20, 20), 255, np.uint8)
    full, _ = CropSampler(planes_of(white), 6, 1, 0)(0)
    limited, _ = CropSampler(planes_of(white, limited=True), 6, 1, 0)(0)
    assert full.numpy() == pytest.approx(235 / 255)
    assert limited.numpy() == pytest.approx(1.0)


def test_pictures_are_drawn_in_proportion_to_their_positions() -> None:
    dark, light = np.zeros((2 * 13, 2 * 13), np.uint8), np.full((2 * 23, 2 * 23), 255, np.uint8)
    lr, _ = CropSampler(planes_of(dark, light), 8, 4000, seed=0)(0)
    share = float((lr.mean(dim=(1, 2, 3)) > 0.5).float().mean())
    assert share == pytest.approx(16**2 / (16**2 + 6**2), abs=0.02)


def test_fingerprint_notices_another_set() -> None:
    one, other = planes_of(noise(40, 40, 1)), planes_of(noise(40, 40, 2))
    assert fingerprint(one) == fingerprint(planes_of(noise(40, 40, 1)))
    assert fingerprint(one) != fingerprint(other)


def test_training_images_are_read(shared: Path, tmp_path: Path) -> None:
    """The real folder: luma as WebP, which stores grey as three equal channels."""
    for index, path in enumerate(sorted((shared / "train").glob("*.webp"))[::600]):
        (tmp_path / f"{index}.webp").symlink_to(path)
    planes = load_planes(tmp_path, 2, DataRecipe(grey_range="limited", crop=32))
    assert planes.limited.tolist() == [True] * 3
    assert planes.megapixels == pytest.approx(4 * planes.lr.numel() / 1e6)
