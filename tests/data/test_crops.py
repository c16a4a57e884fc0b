"""Crops: drawn where the recipe says, cut at the right place, and decided by seed and step alone."""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from numpy.typing import NDArray
from PIL import Image

from sesr.data.cache import load_planes
from sesr.data.crops import Batch, CropSampler, detail_map, idle_patterns
from sesr.data.planes import LumaPlanes
from sesr.data.settings import DataRecipe
from sesr.errors import TrainingError
from sesr.imaging.resize import downscale

CROP = DataRecipe(crop=6, sampling="pixels")
KINDS = [
    DataRecipe(crop=8, sampling="pixels"),
    DataRecipe(crop=8, sampling="pixels", detail=1.5),
    DataRecipe(crop=8, sampling="images", crops_per_image=7),
    DataRecipe(crop=8, sampling="images", crops_per_image=7, detail=1.5),
]


def noise(height: int, width: int, seed: int) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width), np.uint8)


def planes_of(*pictures: NDArray[np.uint8], limited: bool = False, scale: int = 2) -> LumaPlanes:
    lows = [picture[::scale, ::scale] for picture in pictures]
    return LumaPlanes(
        torch.from_numpy(np.concatenate([picture.ravel() for picture in pictures])),
        torch.from_numpy(np.concatenate([low.ravel() for low in lows])),
        np.array([low.shape for low in lows]),
        np.array([limited] * len(pictures)),
        scale,
        tuple(f"{index}.png" for index in range(len(pictures))),
        torch.arange(1.0, len(pictures) + 1),
    )


def tensors(batch: Batch) -> list[torch.Tensor]:
    assert batch.answer_error is not None
    return [batch.lr, batch.hr, batch.answer_error]


def dihedral(crop: NDArray[np.float32]) -> list[bytes]:
    """All eight turned and mirrored copies."""
    turned = [np.rot90(crop, turns) for turns in range(4)]
    return [np.ascontiguousarray(copy).tobytes() for one in turned for copy in (one, one[:, ::-1])]


def as_luma(plane: NDArray[np.uint8]) -> NDArray[np.float32]:
    return ((16 + torch.from_numpy(plane).float() * (219 / 255)) / 255).numpy()


@pytest.mark.parametrize(
    "sampling", [{"sampling": "pixels"}, {"sampling": "images"}, {"sampling": "pixels", "detail": 1.0}]
)
@pytest.mark.parametrize("scale", [2, 3])
def test_every_crop_lies_somewhere_in_its_picture(tmp_path: Path, scale: int, sampling: dict[str, Any]) -> None:
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
    sampler = CropSampler(planes, DataRecipe(crop=6, **sampling), batch=500, seed=3)
    lr, hr_batch, _ = sampler(0)
    assert lr.shape == (500, 1, 6, 6)
    assert hr_batch.shape == (500, 1, 6 * scale, 6 * scale)
    seen = {positions[low.numpy().tobytes(), high.numpy().tobytes()] for low, high in zip(lr, hr_batch, strict=True)}
    assert {way for *_, way in seen} == set(range(8))
    assert {index for index, *_ in seen} == {0, 1}
    assert {(y, x) for index, y, x, _ in seen if index == 1} == {(y, x) for y in range(2) for x in range(9)}


def test_batches_by_pixels_never_change() -> None:
    """Shipped networks were trained on these very batches."""
    planes = planes_of(noise(400, 300, 1), noise(260, 520, 2), noise(128, 128, 3))
    sampler = CropSampler(planes, DataRecipe(crop=64, sampling="pixels"), 32, seed=1)
    expected = {
        0: "0cf63c108fef87c3f3a95f45f7b1a86b8c752c3e422757abf41a5705eb954625",
        1: "6ec83419220d9b4c0d8e83bb7ab58c38cfcf3ee3fffadb2bcacd8f0882a3b2f2",
        23_999: "5a05c5ea6e329f20c5b09251abca3e88af9cb4f6ed2af52c5c58bc5f629b38cb",
    }
    for step, digest in expected.items():
        lr, hr, _ = sampler(step)
        assert hashlib.sha256(lr.numpy().tobytes() + hr.numpy().tobytes()).hexdigest() == digest
    places = sampler.places(0)
    assert places.picture[:4].tolist() == [0, 1, 1, 1]
    assert (places.y * (150 - 63) + places.x)[0] == 11_886
    assert (places.y * (260 - 63) + places.x)[1] == 12_856 - (200 - 63) * (150 - 63)
    assert places.turn[:4].tolist() == [7, 1, 3, 3]


@pytest.mark.parametrize("recipe", KINDS)
def test_batch_is_a_function_of_seed_and_step(recipe: DataRecipe) -> None:
    planes = planes_of(noise(40, 40, 1), noise(60, 30, 2))
    sampler = CropSampler(planes, recipe, 5, seed=1)
    first = sampler(10)
    sampler(11)
    sampler(2)
    for again in (sampler(10), CropSampler(planes, recipe, 5, seed=1)(10)):
        assert all(map(torch.equal, tensors(first), tensors(again)))
    assert not torch.equal(first[0], sampler(11)[0])
    assert not torch.equal(first[0], CropSampler(planes, recipe, 5, seed=2)(10)[0])


@pytest.mark.parametrize("recipe", KINDS)
@pytest.mark.parametrize("ranks", [2, 3])
def test_shares_of_all_processes_are_the_batch(recipe: DataRecipe, ranks: int) -> None:
    planes = planes_of(noise(40, 40, 1), noise(60, 30, 2))
    whole = CropSampler(planes, recipe, 12, seed=1)
    shares = [CropSampler(planes, recipe, 12, 1, rank, ranks) for rank in range(ranks)]
    for step in (0, 5):
        parts = zip(*(tensors(share(step)) for share in shares), strict=True)
        assert all(torch.equal(torch.cat(part), one) for part, one in zip(parts, tensors(whole(step)), strict=True))


def test_uneven_shares_are_refused() -> None:
    with pytest.raises(TrainingError, match="batch of 10 crops cannot be shared evenly by 4 processes"):
        CropSampler(planes_of(noise(40, 40, 1)), CROP, 10, 0, 0, 4)


def test_grey_ranges() -> None:
    white = np.full((20, 20), 255, np.uint8)
    full = CropSampler(planes_of(white), CROP, 1, 0)(0).lr
    limited = CropSampler(planes_of(white, limited=True), CROP, 1, 0)(0).lr
    assert full.numpy() == pytest.approx(235 / 255)
    assert limited.numpy() == pytest.approx(1.0)


def test_pictures_are_drawn_in_proportion_to_their_positions() -> None:
    dark, light = np.zeros((2 * 13, 2 * 13), np.uint8), np.full((2 * 23, 2 * 23), 255, np.uint8)
    lr = CropSampler(planes_of(dark, light), DataRecipe(crop=8, sampling="pixels"), 4000, seed=0)(0).lr
    share = float((lr.mean(dim=(1, 2, 3)) > 0.5).float().mean())
    assert share == pytest.approx(16**2 / (16**2 + 6**2), abs=0.02)


@pytest.mark.parametrize("detail", [0.0, 2.0])
def test_weights_multiply_how_often_pictures_are_drawn(detail: float) -> None:
    """Three pictures of flat gray, one of which is of another size; the first pattern that fits counts."""
    planes = planes_of(*(np.full((2 * side, 2 * side), 9, np.uint8) for side in (13, 13, 23)))
    recipe = DataRecipe(
        crop=8, sampling="pixels", detail=detail, weights=(("0.*", 6.0), ("[02].png", 3.0), ("none*", 99.0))
    )
    places = CropSampler(planes, recipe, 40_000, seed=0).places(0)
    expected = np.array([6 * 6**2, 6**2, 3 * 16**2])
    assert np.bincount(places.picture) / 40_000 == pytest.approx(expected / expected.sum(), abs=0.01)
    for picture, side in enumerate((6, 6, 16)):
        mine = places.picture == picture
        assert {*zip(places.y[mine].tolist(), places.x[mine].tolist(), strict=True)} == {*np.ndindex(side, side)}


@pytest.mark.parametrize("given", [(("1.png", 1.0),), (("*", 8.0),), (("none*", 8.0),)])
def test_equal_weights_change_no_batch(given: tuple[tuple[str, float], ...]) -> None:
    planes = planes_of(noise(40, 30, 1), noise(26, 52, 2))
    plain, same = (CropSampler(planes, recipe, 32, 1) for recipe in (CROP, replace(CROP, weights=given)))
    assert all(map(torch.equal, tensors(plain(3)), tensors(same(3))))


@pytest.mark.parametrize("detail", [0.0, 1.0])
def test_immense_weights(detail: float) -> None:
    planes = planes_of(noise(40, 30, 1), noise(26, 52, 2))
    recipe = DataRecipe(crop=6, sampling="pixels", detail=detail, weights=(("*", 1e308),))
    assert {*CropSampler(planes, recipe, 100, 1).places(0).picture.tolist()} == {0, 1}


def test_patterns_without_effect_are_found() -> None:
    planes = planes_of(noise(40, 30, 1), noise(26, 52, 2))
    recipe = replace(CROP, weights=(("0*", 2.0), ("*", 1.0), ("1*", 8.0), ("none*", 3.0)))
    assert idle_patterns(planes, recipe) == ["1*", "none*"]


def test_weighted_batches_never_change() -> None:
    """A change here would change the batches that shipped recipes draw."""
    planes = planes_of(noise(400, 300, 1), noise(260, 520, 2), noise(128, 128, 3))
    recipe = DataRecipe(crop=64, sampling="pixels", weights=(("0.png", 8.0), ("2.png", 8.0)))
    sampler = CropSampler(planes, recipe, 32, seed=1)
    places = sampler.places(0)
    assert places.picture[:6].tolist() == [0, 1, 0, 1, 0, 0]
    assert places.y[:3].tolist() == [58, 41, 62]
    assert places.x[:3].tolist() == [14, 152, 36]
    lr, hr, _ = sampler(11_999)
    digest = hashlib.sha256(lr.numpy().tobytes() + hr.numpy().tobytes()).hexdigest()
    assert digest == "552ab3bd5854cadf203261ce9d3ac94af3e2493b5c875402d02920ca68967466"


@pytest.mark.parametrize("batch", [4, 5, 50])
@pytest.mark.parametrize("detail", [0.0, 1.0])
def test_an_epoch_takes_as_many_crops_from_each_picture(batch: int, detail: float) -> None:
    """Epochs of 21 crops: batches run on over their ends, and one of 50 holds two whole ones."""
    recipe = DataRecipe(crop=8, sampling="images", crops_per_image=7, detail=detail)
    planes = planes_of(noise(40, 40, 1), noise(16, 16, 2), noise(100, 60, 3))
    sampler = CropSampler(planes, recipe, batch, seed=4)
    assert sampler.steps_per_epoch == 21 / batch
    drawn = np.concatenate([sampler.places(step).picture for step in range(-(-63 // batch))])[:63].reshape(3, 21)
    assert [np.bincount(epoch, minlength=3).tolist() for epoch in drawn] == [[7, 7, 7]] * 3
    assert len({tuple(epoch) for epoch in drawn}) == 3


def test_epochs_are_as_long_by_pixels() -> None:
    recipe = DataRecipe(crop=8, sampling="pixels", crops_per_image=7)
    assert CropSampler(planes_of(noise(40, 40, 1), noise(16, 16, 2)), recipe, 4, 0).steps_per_epoch == 14 / 4


def test_detail_is_the_difference_from_neighbors() -> None:
    plane = np.array([[0, 10, 10], [0, 255, 0]], np.uint8)
    assert detail_map(plane).tolist() == [[10 + 0, 0 + 245, 0 + 10], [255, 255, 0]]


@pytest.mark.parametrize("sampling", ["pixels", "images"])
def test_detail_decides_how_often_places_are_drawn(sampling: str) -> None:
    """Left a smooth ramp of 1 + 1 a pixel, right of it noise of 40 and more: the crops in between don't count."""
    low = np.add.outer(np.arange(64), np.arange(256)).astype(np.int64) // 2
    low[:, 128:] = np.random.default_rng(0).integers(0, 256, (64, 128))
    planes = planes_of(np.repeat(np.repeat(low, 2, 0), 2, 1).astype(np.uint8))
    smooth, rough = (detail_map(part.astype(np.uint8)).mean() + 0.25 for part in (low[:, :100], low[:, 140:]))
    for power in (0.0, 0.5, 1.0):
        recipe = DataRecipe(crop=8, sampling=sampling, detail=power)  # type: ignore[arg-type]
        x = CropSampler(planes, recipe, 40_000, 0).places(0).x
        ratio = np.mean((x >= 140) & (x < 240)) / np.mean(x < 100)
        assert ratio == pytest.approx((rough / smooth) ** power, rel=0.15)


def test_flat_pictures_can_be_weighted_too() -> None:
    flat = np.full((40, 60), 9, np.uint8)
    recipe = DataRecipe(crop=6, sampling="pixels", detail=2.0)
    places = CropSampler(planes_of(flat, flat[:20]), recipe, 4000, 0).places(0)
    first = places.picture == 0
    assert first.mean() == pytest.approx(15 / (15 + 5), abs=0.03)
    assert {(y, x) for y, x in zip(places.y[first], places.x[first], strict=True)} == {
        (y, x) for y in range(15) for x in range(25)
    }
