"""Finding sets and pairing their pictures, in both layouts and in disorder."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from sesr.data.pairs import Pair
from sesr.errors import DataError, PictureError
from sesr.evaluation.sets import find_sets, read_to_measure
from sesr.imaging.resize import downscale


def drawn(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def save(path: Path, pixels: NDArray[np.uint8]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def edsr_set(folder: Path, names: list[str], scale: int = 2) -> Path:
    """Make a set of even-sized pictures whose LR is turned upside down, unlike LR that is made from HR."""
    for seed, name in enumerate(names):
        hr = drawn(40, 36, seed)
        save(folder / "HR" / f"{name}.png", hr)
        save(folder / "LR_bicubic" / f"X{scale}" / f"{name}x{scale}.png", downscale(hr, scale)[::-1])
    return folder


def test_folder_of_sets_in_the_papers_order(tmp_path: Path) -> None:
    for name in ("Zoo", "BSD100", "Set14", "Set5", "Alps"):
        edsr_set(tmp_path / name, ["b", "a"])
    (tmp_path / "unrelated").mkdir()
    sets = find_sets(tmp_path, 2)
    assert [s.name for s in sets] == ["Set5", "Set14", "BSD100", "Alps", "Zoo"]
    assert [pair.name for pair in sets[0].pairs] == ["a", "b"]
    assert sets[0].pairs[0].lr == tmp_path / "Set5" / "LR_bicubic" / "X2" / "ax2.png"


def test_one_set(tmp_path: Path) -> None:
    sets = find_sets(edsr_set(tmp_path / "Set5", ["a"]), 2)
    assert [(s.name, len(s.pairs)) for s in sets] == [("Set5", 1)]


def test_stored_lr_is_used_and_missing_scale_is_made(tmp_path: Path) -> None:
    folder = edsr_set(tmp_path / "Set5", ["a"])
    hr, lr = read_to_measure(find_sets(folder, 2)[0].pairs[0], 2)
    assert np.array_equal(lr, downscale(hr, 2)[::-1])
    hr, lr = read_to_measure(find_sets(folder, 3)[0].pairs[0], 3)
    assert np.array_equal(lr, downscale(drawn(40, 36), 3))
    assert np.array_equal(hr, drawn(40, 36)[:39, :36])


def test_plain_folder_takes_pictures_only(tmp_path: Path) -> None:
    save(tmp_path / "b.png", drawn(41, 37))
    save(tmp_path / "a.BMP", drawn(40, 36))
    save(tmp_path / ".hidden.png", drawn(40, 36))
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "folder.png").mkdir()
    (found,) = find_sets(tmp_path, 2)
    assert found.name == tmp_path.name
    assert [(pair.hr.name, pair.lr) for pair in found.pairs] == [("a.BMP", None), ("b.png", None)]
    hr, lr = read_to_measure(found.pairs[1], 2)
    assert (hr.shape, lr.shape) == ((40, 36, 3), (20, 18, 3))
    assert np.array_equal(hr, drawn(41, 37)[:40, :36])


def test_hr_is_cropped_to_the_lr_at_the_top_left(tmp_path: Path) -> None:
    """EDSR's HR files are even; at x4 they may be two pixels larger than four times LR."""
    hr = drawn(42, 38)
    pair = Pair(save(tmp_path / "a.png", hr), save(tmp_path / "ax4.png", downscale(hr, 4)))
    assert np.array_equal(read_to_measure(pair, 4)[0], hr[:40, :36])


def test_gray_stays_gray_and_alpha_is_left_out(tmp_path: Path) -> None:
    gray = drawn(40, 36)[..., 0]
    assert read_to_measure(Pair(save(tmp_path / "gray.png", gray), None), 2)[0].shape == (40, 36)
    rgba = np.dstack([drawn(40, 36), gray])
    hr, lr = read_to_measure(Pair(save(tmp_path / "rgba.png", rgba), None), 2)
    assert np.array_equal(hr, drawn(40, 36))
    assert lr.shape == (20, 18, 3)
    hr, _ = read_to_measure(Pair(save(tmp_path / "la.png", np.dstack([gray, gray[::-1]])), None), 2)
    assert np.array_equal(hr, gray)


def test_missing_folder_and_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere: no such folder"):
        find_sets(tmp_path / "nowhere", 2)
    with pytest.raises(DataError, match="no pictures"):
        find_sets(tmp_path, 2)
    (tmp_path / "Set5" / "HR").mkdir(parents=True)
    with pytest.raises(DataError, match=r"HR: no pictures"):
        find_sets(tmp_path, 2)


def test_missing_lr_is_named(tmp_path: Path) -> None:
    folder = edsr_set(tmp_path / "Set5", ["a", "b"])
    (folder / "LR_bicubic" / "X2" / "bx2.png").unlink()
    with pytest.raises(DataError, match=r"b\.png: its LR image .*X2/bx2\.png is missing"):
        find_sets(folder, 2)


@pytest.mark.parametrize("shape", [(21, 18), (20, 15), (19, 19)])
def test_lr_that_does_not_fit_is_named(tmp_path: Path, shape: tuple[int, int]) -> None:
    pair = Pair(save(tmp_path / "a.png", drawn(40, 36)), save(tmp_path / "ax2.png", drawn(*shape)))
    with pytest.raises(DataError, match=r"ax2\.png: .* do not fit .*a\.png, 36 x 40: at scale 2 they must be 18 x 20"):
        read_to_measure(pair, 2)


def test_gray_lr_of_a_color_picture_is_refused(tmp_path: Path) -> None:
    gray = save(tmp_path / "ax2.png", drawn(20, 18)[..., 0])
    with pytest.raises(DataError, match=r"ax2\.png: gray, but .*a\.png is in color"):
        read_to_measure(Pair(save(tmp_path / "a.png", drawn(40, 36)), gray), 2)


def test_too_small_to_measure(tmp_path: Path) -> None:
    read_to_measure(Pair(save(tmp_path / "least.png", drawn(16, 16)), None), 2)
    with pytest.raises(PictureError, match=r"small\.png: too small to measure at x2"):
        read_to_measure(Pair(save(tmp_path / "small.png", drawn(15, 40)), None), 2)
