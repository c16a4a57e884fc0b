"""HR/LR pairs: which are found, how they are read, and what training and evaluation refuse."""

from pathlib import Path

import numpy as np
import pytest
from tests.pictures import noise, save

from sesr.data.pairs import EVALUATION, TRAINING, Pair, Rules, find_pairs, find_pictures, read_pair
from sesr.errors import DataError, PictureError
from sesr.imaging.resize import downscale


def names(folder: Path, *, nested: bool = True) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in find_pictures(folder, nested=nested)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A picture, one in a subfolder, a hidden one, and two things that are no pictures."""
    folder = tmp_path / "folder"
    save(folder / "a.png", noise(8, 8, 1))
    save(folder / "below" / "b.PNG", noise(8, 8, 2))
    save(folder / ".hidden.png", noise(8, 8, 3))
    (folder / "folder.png").mkdir()
    (folder / "notes.txt").write_text("no picture")
    return folder


def test_pictures_of_a_folder(folder: Path) -> None:
    assert names(folder) == ["a.png", "below/b.PNG"]
    assert names(folder, nested=False) == ["a.png"]


def test_links_to_folders_are_followed_once_and_without_end(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    save(other / "c.png", noise(12, 14, 4))
    save(other / "deep" / "d.png", noise(16, 14, 5))
    (other / "back").symlink_to(folder)
    (other / "up").symlink_to(other)
    (folder / "link").symlink_to(other)
    (folder / "second").symlink_to(other / "deep")
    (folder / "a_link_to_below").symlink_to(folder / "below")
    (folder / "loop").symlink_to(folder)
    (folder / "endless").symlink_to(folder / "endless")
    expected = ["a.png", "below/b.PNG", "link/c.png", "second/d.png"]
    assert names(folder) == expected
    (tmp_path / "way").symlink_to(folder)
    assert names(tmp_path / "way") == expected


@pytest.mark.parametrize("nested", [True, False])
def test_folders_without_pictures(tmp_path: Path, nested: bool) -> None:
    with pytest.raises(DataError, match="none: no such folder; give a folder of pictures"):
        find_pictures(tmp_path / "none", nested=nested)
    with pytest.raises(DataError, match="no pictures in it"):
        find_pictures(tmp_path, nested=nested)
    path = save(tmp_path / "a.png", noise(4, 4, 1))
    with pytest.raises(DataError, match=r"a\.png: a file, not a folder; give a folder of pictures"):
        find_pictures(path, nested=nested)


LAYOUTS = [
    ("HR/{}.png", "LR_bicubic/X2/{}x2.png"),
    ("HR/{}.png", "LR/X2/{}.png"),
    ("HR/{}.png", "LR/{}.bmp"),
    ("hr/{}.png", "lr/{}x2.png"),
    ("DIV2K_train_HR/{}.png", "DIV2K_train_LR_bicubic/X2/{}x2.png"),
    ("DIV2K_valid_HR/{}.png", "DIV2K_valid_LR_bicubic/X2/{}x2.png"),
]


@pytest.mark.parametrize("rules", [TRAINING, EVALUATION])
@pytest.mark.parametrize(("high", "low"), LAYOUTS)
def test_layouts(tmp_path: Path, high: str, low: str, rules: Rules) -> None:
    """LR is taken as it is, whatever it shows; HR may be a pixel larger."""
    pictures = {"a": (noise(31, 40, 1), noise(15, 20, 2)), "b": (noise(24, 25, 3, 3), noise(12, 12, 4, 3))}
    for name, (hr, lr) in pictures.items():
        save(tmp_path / high.format(name), hr)
        save(tmp_path / low.format(name), lr)
    pairs = find_pairs(tmp_path, 2, rules=rules)
    assert [pair.name for pair in pairs] == ["a", "b"]
    for pair in pairs:
        stored_hr, stored_lr = pictures[pair.name]
        hr, lr = read_pair(pair, 2, rules)
        assert np.array_equal(lr, stored_lr)
        assert np.array_equal(hr, stored_hr[: 2 * lr.shape[0], : 2 * lr.shape[1]])


def test_pairs_in_subfolders_and_behind_links(tmp_path: Path) -> None:
    save(tmp_path / "disk" / "high" / "a.png", noise(24, 24, 1))
    save(tmp_path / "disk" / "low" / "ax2.png", noise(12, 12, 2))
    for link, target in (("HR/set", "high"), ("LR/X2/set", "low")):
        (tmp_path / "source" / link).parent.mkdir(parents=True)
        (tmp_path / "source" / link).symlink_to(tmp_path / "disk" / target)
    (pair,) = find_pairs(tmp_path / "source", 2)
    assert np.array_equal(read_pair(pair, 2)[1], noise(12, 12, 2))


def test_lr_is_made_by_bicubic_where_there_is_none(tmp_path: Path) -> None:
    picture = noise(31, 40, 1, 3)
    save(tmp_path / "a.png", picture)
    (pair,) = find_pairs(tmp_path, 3)
    hr, lr = read_pair(pair, 3)
    assert pair.lr is None
    assert np.array_equal(hr, picture[:30, :39])
    assert np.array_equal(lr, downscale(picture, 3))


@pytest.mark.parametrize("shape", [(1, 10), (10, 1), (1, 1)])
def test_a_picture_smaller_than_an_lr_pixel_is_empty(tmp_path: Path, shape: tuple[int, int]) -> None:
    hr, lr = read_pair(Pair(save(tmp_path / "a.png", noise(*shape, 1)), None), 2)
    assert hr.size == lr.size == 0


def test_the_split_decides_between_both_of_div2k(tmp_path: Path) -> None:
    for split in ("train", "valid"):
        save(tmp_path / f"DIV2K_{split}_HR" / f"{split}.png", noise(24, 24, 1))
        save(tmp_path / f"DIV2K_{split}_LR_bicubic" / "X2" / f"{split}x2.png", noise(12, 12, 1))
    assert [pair.name for pair in find_pairs(tmp_path, 2)] == ["train"]
    assert [pair.name for pair in find_pairs(tmp_path, 2, "validation")] == ["valid"]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A source of pairs for x2."""
    save(tmp_path / "HR" / "a.png", noise(24, 24, 1))
    save(tmp_path / "LR_bicubic" / "X2" / "ax2.png", noise(12, 12, 1))
    return tmp_path


def test_a_scale_without_lr(source: Path) -> None:
    """Training refuses it; evaluation makes LR, also if there is no LR folder at all."""
    with pytest.raises(DataError, match=r"none of scale 4; add them as .*LR_bicubic/X4, or name .*HR to have LR made"):
        find_pairs(source, 4)
    made = [Pair(source / "HR" / "a.png", None)]
    assert find_pairs(source, 4, rules=EVALUATION) == made
    (source / "LR_bicubic").rename(source / "elsewhere")
    assert find_pairs(source, 4, rules=EVALUATION) == made


@pytest.mark.parametrize("rules", [TRAINING, EVALUATION])
def test_a_missing_partner_is_named(source: Path, rules: Rules) -> None:
    (source / "LR_bicubic" / "X2" / "ax2.png").rename(source / "LR_bicubic" / "X2" / "other.png")
    with pytest.raises(DataError, match=r"a\.png: its LR image .*X2/ax2\.png is missing; add it, or remove .*a\.png"):
        find_pairs(source, 2, rules=rules)


@pytest.mark.parametrize(
    ("hr", "lr", "training", "evaluation"),
    [
        ((24, 24), (12, 12), True, True),
        ((25, 25), (12, 12), True, True),
        ((26, 24), (12, 12), False, True),
        ((27, 27), (12, 12), False, True),
        ((28, 24), (12, 12), False, False),
        ((23, 24), (12, 12), False, False),
        ((24, 24), (13, 12), False, False),
    ],
)
def test_sizes_that_fit(
    tmp_path: Path, hr: tuple[int, int], lr: tuple[int, int], training: bool, evaluation: bool
) -> None:
    """Evaluation lets LR lack one row or column, as EDSR's sets do at x4."""
    pair = Pair(save(tmp_path / "a.png", noise(*hr, 1)), save(tmp_path / "ax2.png", noise(*lr, 2)))
    for rules, fits in ((TRAINING, training), (EVALUATION, evaluation)):
        if fits:
            large, small = read_pair(pair, 2, rules)
            assert large.shape == (2 * small.shape[0], 2 * small.shape[1])
        else:
            wanted = rf"ax2\.png: {lr[1]} x {lr[0]} pixels do not fit .*a\.png, {hr[1]} x {hr[0]}: at scale 2 they must"
            with pytest.raises(DataError, match=wanted):
                read_pair(pair, 2, rules)


def test_gray_next_to_color(tmp_path: Path) -> None:
    """Becomes color in training, and is refused in evaluation."""
    pair = Pair(save(tmp_path / "a.png", noise(24, 24, 1)), save(tmp_path / "ax2.png", noise(12, 12, 2, 3)))
    hr, lr = read_pair(pair, 2)
    assert np.array_equal(hr, np.repeat(noise(24, 24, 1)[..., None], 3, axis=2))
    assert np.array_equal(lr, noise(12, 12, 2, 3))
    with pytest.raises(DataError, match=r"ax2\.png: in color, but .*a\.png is gray"):
        read_pair(pair, 2, EVALUATION)


def test_three_equal_channels(tmp_path: Path) -> None:
    """Are gray in training, since WebP stores gray so, and stay as stored in evaluation."""
    gray = noise(24, 24, 1)
    pair = Pair(save(tmp_path / "a.png", np.repeat(gray[..., None], 3, axis=2)), None)
    assert np.array_equal(read_pair(pair, 2)[0], gray)
    assert read_pair(pair, 2, EVALUATION)[0].shape == (24, 24, 3)


@pytest.mark.parametrize("channels", [2, 4])
@pytest.mark.parametrize("rules", [TRAINING, EVALUATION])
def test_alpha_is_dropped(tmp_path: Path, channels: int, rules: Rules) -> None:
    picture = noise(24, 24, 1, channels)
    hr, _ = read_pair(Pair(save(tmp_path / "a.png", picture), None), 2, rules)
    assert np.array_equal(hr, picture[..., 0] if channels == 2 else picture[..., :3])


def test_a_file_that_is_no_picture_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"nothing")
    with pytest.raises(PictureError, match=r"a\.png: "):
        read_pair(Pair(tmp_path / "a.png", None), 2)
