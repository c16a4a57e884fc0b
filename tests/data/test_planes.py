"""Planes: which pictures are read, which are left out, and the values that are kept."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from numpy.typing import NDArray
from PIL import Image
from tests.pictures import noise, save

from sesr.data.cache import load_planes
from sesr.data.planes import LumaPlanes, check_pictures, fingerprint
from sesr.data.settings import DataRecipe
from sesr.errors import DataError
from sesr.imaging.resize import downscale

CROP = DataRecipe(crop=6)
Captured = pytest.CaptureFixture[str]


def gray(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(Image.fromarray(picture).convert("L"))


def test_reads_gray_and_color_and_leaves_small_out(folder: Path, capsys: Captured) -> None:
    planes = load_planes(folder, 2, CROP)
    assert planes.sizes.tolist() == [[15, 20], [12, 10]]
    assert "1 of 3 images are smaller than a crop" in capsys.readouterr().out
    first, color = noise(31, 40, 1)[:30], noise(24, 21, 2, 3)[:, :20]
    expected_hr, expected_lr = [first, gray(color)], [downscale(first, 2), gray(downscale(color, 2))]
    assert np.array_equal(planes.hr.numpy(), np.concatenate([plane.ravel() for plane in expected_hr]))
    assert np.array_equal(planes.lr.numpy(), np.concatenate([plane.ravel() for plane in expected_lr]))


def test_patterns_choose_pictures(folder: Path) -> None:
    planes = load_planes(folder, 2, DataRecipe(crop=6, pictures=("a.*", "small*")))
    assert planes.sizes.tolist() == [[15, 20]]
    with pytest.raises(DataError, match=rf"{folder}: no file name of its 3 images matches nothing\*, \*\.tif;"):
        load_planes(folder, 2, DataRecipe(crop=6, pictures=("nothing*", "*.tif")))


def test_patterns_that_match_nothing_are_named(folder: Path, capsys: Captured) -> None:
    """A stage an hour later may need those pictures; so the check before the first step says it."""
    recipe = DataRecipe(crop=6, pictures=("a.*", "pages_*", "b_*"))
    check_pictures(folder, 2, recipe)
    said = capsys.readouterr().out.splitlines()
    assert said == [f"{folder}: no image's name matches pages_*, b_*; training goes on without such pictures"]
    check_pictures(folder, 2, recipe, quiet=True)
    check_pictures(folder, 2, DataRecipe(crop=6))
    assert not capsys.readouterr().out


def test_nothing_as_large_as_a_crop(tmp_path: Path) -> None:
    save(tmp_path / "tiny.png", noise(10, 10, 1))
    save(tmp_path / "line.png", noise(1, 10, 1))
    with pytest.raises(DataError, match="as large as a crop, 12 pixels"):
        load_planes(tmp_path, 2, CROP)


def test_unreadable_pictures_are_named_and_left_out(folder: Path, tmp_path: Path, capsys: Captured) -> None:
    (folder / "broken.png").write_bytes(b"\x89PNG nothing")
    Image.fromarray(np.full((64, 64), 40_000, np.uint16)).save(folder / "deep.png")
    for _ in range(2):  # read, and from the cache
        planes = load_planes(folder, 2, CROP, tmp_path / "cache")
        assert planes.sizes.tolist() == [[15, 20], [12, 10], [32, 32]]
        assert planes.hr[-1] == round(40_000 / 257)
        lines = capsys.readouterr().out.splitlines()
        assert len(lines) == 2
        assert "broken.png: " in lines[0]
        assert "1 of 5 images are smaller" in lines[1]
    load_planes(folder, 2, CROP, tmp_path / "cache", quiet=True)
    assert capsys.readouterr().out == ""
    with pytest.raises(DataError, match="no image that can be read"):
        load_planes(folder, 2, DataRecipe(crop=6, pictures=("broken*",)))


def test_pairs(tmp_path: Path) -> None:
    """LR is taken as it is, whatever it shows; an HR picture may be a pixel larger."""
    high, low = "HR/{}.png", "LR_bicubic/X2/{}x2.png"
    pictures = {"a": (noise(31, 40, 1), noise(15, 20, 2)), "b": (noise(24, 25, 3, 3), noise(12, 12, 4, 3))}
    for name, (hr, lr) in pictures.items():
        save(tmp_path / high.format(name), hr)
        save(tmp_path / low.format(name), lr)
    planes = load_planes(tmp_path, 2, DataRecipe(crop=6, grey_range="limited"))
    assert planes.sizes.tolist() == [[15, 20], [12, 12]]
    assert planes.limited.tolist() == [True, False]
    (hr_a, lr_a), (hr_b, lr_b) = pictures["a"], pictures["b"]
    assert planes.hr.tolist() == [*hr_a[:30].ravel(), *gray(hr_b[:, :24]).ravel()]
    assert planes.lr.tolist() == [*lr_a.ravel(), *gray(lr_b).ravel()]


def test_gray_next_to_color_counts_as_color(tmp_path: Path) -> None:
    save(tmp_path / "HR" / "a.png", noise(24, 24, 1))
    save(tmp_path / "LR" / "a.png", noise(12, 12, 2, 3))
    planes = load_planes(tmp_path, 2, DataRecipe(crop=6, grey_range="limited"))
    assert planes.limited.tolist() == [False]
    assert planes.hr.tolist() == noise(24, 24, 1).ravel().tolist()


def planes_of(picture: NDArray[np.uint8]) -> LumaPlanes:
    low = picture[::2, ::2]
    hr, lr = torch.from_numpy(picture.ravel()), torch.from_numpy(low.ravel())
    return LumaPlanes(hr, lr, np.array([low.shape]), np.array([False]), scale=2, names=("a.png",))


def test_fingerprint_notices_another_set() -> None:
    one, other = planes_of(noise(40, 40, 1)), planes_of(noise(40, 40, 2))
    assert fingerprint(one) == fingerprint(planes_of(noise(40, 40, 1)))
    assert fingerprint(one) != fingerprint(other)


def test_training_images_are_read(shared: Path, tmp_path: Path) -> None:
    """The real folder: luma as WebP, which stores gray as three equal channels."""
    for index, path in enumerate(sorted((shared / "train").glob("*.webp"))[::600]):
        (tmp_path / f"{index}.webp").symlink_to(path)
    planes = load_planes(tmp_path, 2, DataRecipe(grey_range="limited", crop=32))
    assert planes.limited.tolist() == [True] * 3
    assert planes.megapixels == pytest.approx(4 * planes.lr.numel() / 1e6)
