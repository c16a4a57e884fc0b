"""Validation pictures: their values, their memory, and what is refused."""

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from tests.pictures import noise, save

from sesr.data.settings import DataRecipe
from sesr.errors import DataError, PictureError
from sesr.imaging.color import BT601_LIMITED
from sesr.imaging.resize import downscale
from sesr.training.validation import Validation, read_validation

CROP = DataRecipe(crop=6)


def test_validation_is_strict(tmp_path: Path) -> None:
    save(tmp_path / "tiny.png", noise(4, 30, 1))
    with pytest.raises(DataError, match=r"tiny\.png: too small to validate on"):
        list(read_validation(tmp_path, 2, CROP))
    (tmp_path / "tiny.png").write_bytes(b"nothing")
    with pytest.raises(PictureError, match=r"tiny\.png: "):
        list(read_validation(tmp_path, 2, CROP))


def test_color_is_exact_whenever_it_is_asked_for(tmp_path: Path) -> None:
    color = noise(24, 21, 2, 3)
    save(tmp_path / "a.png", color)
    pictures = read_validation(tmp_path, 2, CROP)
    assert len(pictures) == 1
    for _ in range(2):
        ((hr, lr),) = pictures
        assert np.array_equal(hr, BT601_LIMITED.luma(color[:, :20].astype(np.float64)))
        low = BT601_LIMITED.luma(downscale(color, 2).astype(np.float64)) / 255
        assert lr.shape == (1, 1, 12, 10)
        assert np.array_equal(lr[0, 0].numpy(), low.astype(np.float32))


def test_pairs_use_the_stored_lr(tmp_path: Path) -> None:
    gray = noise(15, 20, 2)
    save(tmp_path / "HR" / "a.png", noise(31, 40, 1))
    save(tmp_path / "LR_bicubic" / "X2" / "ax2.png", gray)
    ((hr, lr),) = read_validation(tmp_path, 2, CROP)
    assert hr.shape == (30, 40)
    np.testing.assert_allclose(lr[0, 0] * 255, 16 + gray * (219 / 255), rtol=1e-6)


def test_the_validation_split_is_taken(tmp_path: Path) -> None:
    for split, side in (("train", 24), ("valid", 32)):
        save(tmp_path / f"DIV2K_{split}_HR" / "1.png", noise(side, side, 1))
        save(tmp_path / f"DIV2K_{split}_LR_bicubic" / "X2" / "1x2.png", noise(side // 2, side // 2, 1))
    assert [hr.shape for hr, _ in read_validation(tmp_path, 2, CROP)] == [(32, 32)]


def test_gray_range(tmp_path: Path) -> None:
    save(tmp_path / "a.png", noise(24, 20, 1))
    ((hr, lr),) = read_validation(tmp_path, 2, DataRecipe(grey_range="full"))
    ((limited_hr, limited_lr),) = read_validation(tmp_path, 2, DataRecipe(grey_range="limited"))
    np.testing.assert_allclose(hr, 16 + limited_hr * 219 / 255)
    np.testing.assert_allclose(lr, (16 + limited_lr * 219) / 255, atol=1e-6)


def test_pictures_are_held_as_bytes(tmp_path: Path) -> None:
    """Also gray that its file stores as three equal channels; of that, one channel is held."""
    save(tmp_path / "a.png", np.repeat(noise(240, 200, 1)[..., None], 3, axis=2))
    save(tmp_path / "b.png", noise(240, 200, 2, 3))
    read_validation(tmp_path, 2, CROP)  # whatever is imported and cached on the way
    tracemalloc.start()
    try:
        pictures = read_validation(tmp_path, 2, CROP)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(pictures) == 2
    assert held < 1.1 * (240 * 200 + 120 * 100) * 4


def test_psnr_is_the_mean_over_pictures_with_shaved_borders(tmp_path: Path) -> None:
    """Measured with a network that answers black: a white border of two pixels does not count, the gray levels do."""
    for name, level in (("a", 51), ("b", 102)):
        picture = np.full((24, 20), level, np.uint8)
        picture[:2], picture[-2:], picture[:, :2], picture[:, -2:] = 255, 255, 255, 255
        save(tmp_path / f"{name}.png", picture)

    class Black(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.zero = torch.nn.Parameter(torch.zeros(1))

        def forward(self, lr: torch.Tensor) -> torch.Tensor:
            return self.zero.expand(1, 1, 24, 20)

    measure = Validation(tmp_path, 2, DataRecipe(grey_range="limited"))
    expected = [20 * np.log10(255 / level) for level in (51, 102)]
    network: Any = Black()
    assert measure(network) == pytest.approx(np.mean(expected))


def test_photo_degrades_lr_and_not_hr(tmp_path: Path) -> None:
    """For color, the gray is degraded and put into three equal channels."""
    for index in range(6):
        save(tmp_path / f"{index}.png", noise(48, 40, index, channels=3 if index % 2 else 1))
    exact, photo = (
        list(read_validation(tmp_path, 2, recipe)) for recipe in (DataRecipe(), DataRecipe(degradation="photo"))
    )
    assert all(np.array_equal(one[0], other[0]) for one, other in zip(exact, photo, strict=True))
    assert any(not torch.equal(one[1], other[1]) for one, other in zip(exact, photo, strict=True))


def test_benchmark_pairs_are_what_our_bicubic_makes(shared: Path) -> None:
    """The reference LR of a set, read as a pair, against LR made from its HR."""
    (_, paired), *_ = read_validation(shared / "benchmark" / "Set5", 2, CROP)
    (_, made), *_ = read_validation(shared / "benchmark" / "Set5" / "HR", 2, CROP)
    assert torch.equal(paired, made)
