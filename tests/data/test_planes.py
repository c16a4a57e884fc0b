"""Planes: what is found, read, left out, refused, and kept for the next time."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors import SafetensorError

from sesr.data import pairs as pictures_module
from sesr.data import planes as planes_module
from sesr.data.planes import LumaPlanes, default_cache, fingerprint, load_planes, read_validation
from sesr.data.settings import DataRecipe
from sesr.errors import DataError, PictureError
from sesr.files.files import OpenPicture, open_picture
from sesr.files.formats import Format, recognized
from sesr.imaging.color import BT601_LIMITED
from sesr.imaging.resize import downscale

CROP = DataRecipe(crop=6)
Captured = pytest.CaptureFixture[str]


def noise(height: int, width: int, seed: int, channels: int = 1) -> NDArray[np.uint8]:
    shape = (height, width) if channels == 1 else (height, width, channels)
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def save(path: Path, picture: NDArray[np.uint8]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path)
    return path


def grey(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(Image.fromarray(picture).convert("L"))


def same(one: LumaPlanes, other: LumaPlanes) -> bool:
    tensors = torch.equal(one.hr, other.hr) and torch.equal(one.lr, other.lr)
    return (
        tensors
        and one.names == other.names
        and np.array_equal(one.sizes, other.sizes)
        and np.array_equal(one.limited, other.limited)
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A grey picture, a colour one below, a small one, and no picture."""
    folder = tmp_path / "folder"
    save(folder / "a.png", noise(31, 40, 1))
    save(folder / "below" / "b.PNG", noise(24, 21, 2, 3))
    save(folder / "small.png", noise(8, 40, 3))
    (folder / "notes.txt").write_text("no picture")
    return folder


@contextmanager
def reading_forbidden() -> Iterator[None]:
    """Every picture that is opened is a failure of the test."""
    patch = pytest.MonkeyPatch()

    def opened(path: Path) -> None:
        raise AssertionError(f"{path} was read again")

    patch.setattr(pictures_module, "open_picture", opened)
    try:
        yield
    finally:
        patch.undo()


def test_reads_grey_and_colour_and_leaves_small_out(folder: Path, capsys: Captured) -> None:
    planes = load_planes(folder, 2, CROP)
    assert planes.sizes.tolist() == [[15, 20], [12, 10]]
    assert "1 of 3 images are smaller than a crop" in capsys.readouterr().out
    first, colour = noise(31, 40, 1)[:30], noise(24, 21, 2, 3)[:, :20]
    expected_hr, expected_lr = [first, grey(colour)], [downscale(first, 2), grey(downscale(colour, 2))]
    assert np.array_equal(planes.hr.numpy(), np.concatenate([plane.ravel() for plane in expected_hr]))
    assert np.array_equal(planes.lr.numpy(), np.concatenate([plane.ravel() for plane in expected_lr]))


def test_patterns_choose_pictures(folder: Path) -> None:
    planes = load_planes(folder, 2, DataRecipe(crop=6, pictures=("a.*", "small*")))
    assert planes.sizes.tolist() == [[15, 20]]
    with pytest.raises(DataError, match=rf"{folder}: no file name of its 3 images matches nothing\*, \*\.tif;"):
        load_planes(folder, 2, DataRecipe(crop=6, pictures=("nothing*", "*.tif")))


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
        assert "broken.png: not a picture, or damaged" in lines[0]
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
    assert planes.hr.tolist() == [*hr_a[:30].ravel(), *grey(hr_b[:, :24]).ravel()]
    assert planes.lr.tolist() == [*lr_a.ravel(), *grey(lr_b).ravel()]
    validation = list(read_validation(tmp_path, 2, CROP))
    np.testing.assert_allclose(validation[1][0], BT601_LIMITED.luma(hr_b[:, :24].astype(np.float64)))
    np.testing.assert_allclose(validation[0][1][0, 0] * 255, 16 + lr_a * (219 / 255), rtol=1e-6)


def test_grey_beside_colour_counts_as_colour(tmp_path: Path) -> None:
    save(tmp_path / "HR" / "a.png", noise(24, 24, 1))
    save(tmp_path / "LR" / "a.png", noise(12, 12, 2, 3))
    planes = load_planes(tmp_path, 2, DataRecipe(crop=6, grey_range="limited"))
    assert planes.limited.tolist() == [False]
    assert planes.hr.tolist() == noise(24, 24, 1).ravel().tolist()


def test_one_folder_with_both_splits(tmp_path: Path) -> None:
    for split, side in (("train", 24), ("valid", 32)):
        save(tmp_path / f"DIV2K_{split}_HR" / "1.png", noise(side, side, 1))
        save(tmp_path / f"DIV2K_{split}_LR_bicubic" / "X2" / "1x2.png", noise(side // 2, side // 2, 1))
    assert load_planes(tmp_path, 2, CROP).sizes.tolist() == [[12, 12]]
    assert [hr.shape for hr, _ in read_validation(tmp_path, 2, CROP)] == [(32, 32)]


def test_second_start_reads_no_picture(folder: Path, tmp_path: Path) -> None:
    first = load_planes(folder, 2, CROP, tmp_path / "cache")
    with reading_forbidden():
        second = load_planes(folder, 2, CROP, tmp_path / "cache")
    assert same(first, second)
    assert same(first, load_planes(folder, 2, CROP))
    assert fingerprint(first) == fingerprint(second)
    second.hr[:] = 0  # a private copy: nobody else's planes change
    assert same(first, load_planes(folder, 2, CROP, tmp_path / "cache"))


def test_whatever_decides_the_planes_decides_the_key(folder: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"

    def kept() -> int:
        return len(list((cache / "planes").iterdir()))

    load_planes(folder, 2, CROP, cache)
    others = [
        (3, CROP),
        (2, DataRecipe(crop=5)),
        (2, DataRecipe(crop=6, grey_range="limited")),
        (2, DataRecipe(crop=6, pictures=("a*",))),
    ]
    for count, (scale, recipe) in enumerate(others, 2):
        assert same(load_planes(folder, scale, recipe, cache), load_planes(folder, scale, recipe))
        assert kept() == count
    load_planes(folder, 2, DataRecipe(crop=6, detail=1.0, sampling="images"), cache)
    assert kept() == len(others) + 1
    state = (folder / "a.png").stat()
    save(folder / "a.png", noise(31, 40, 9))
    os.utime(folder / "a.png", ns=(state.st_atime_ns, state.st_mtime_ns + 1))
    assert same(load_planes(folder, 2, CROP, cache), load_planes(folder, 2, CROP))
    (folder / "small.png").unlink()
    load_planes(folder, 2, CROP, cache)
    assert kept() == len(others) + 3


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "header"])
def test_damaged_cache_is_noticed_and_made_again(folder: Path, tmp_path: Path, capsys: Captured, damage: str) -> None:
    expected = load_planes(folder, 2, CROP, tmp_path)
    (path,) = (tmp_path / "planes").iterdir()
    whole = path.read_bytes()
    middle = len(whole) - 700
    path.unlink()  # the planes above are mapped to the old file
    path.write_bytes(
        {
            "cut": whole[:-1],
            "flip": whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :],
            "empty": b"",
            "header": whole[:8] + b"x" + whole[9:],
        }[damage]
    )
    capsys.readouterr()
    assert same(load_planes(folder, 2, CROP, tmp_path), expected)
    assert "cached planes are damaged" in capsys.readouterr().out
    with reading_forbidden():
        assert same(load_planes(folder, 2, CROP, tmp_path), expected)


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), SafetensorError("I/O error: No space left on device")]
)
def test_no_space_for_the_cache(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured, error: Exception
) -> None:
    def full(tensors: object, path: Path, header: object) -> None:
        path.write_bytes(b"half")
        raise error

    monkeypatch.setattr(planes_module, "save_file", full)
    assert load_planes(folder, 2, CROP, tmp_path).sizes.tolist() == [[15, 20], [12, 10]]
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert "planes are not cached" in lines[1]
    assert "No space left on device" in lines[1]
    assert list((tmp_path / "planes").iterdir()) == []


def test_cache_where_nothing_can_be_written(folder: Path, tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "file").write_text("in the way")
    assert load_planes(folder, 2, CROP, tmp_path / "file").megapixels == pytest.approx((30 * 40 + 24 * 20) / 1e6)
    assert "planes are not cached" in capsys.readouterr().out


@pytest.mark.parametrize("failure", [OSError(errno.EIO, "Input/output error"), MemoryError()])
def test_failures_that_may_pass_are_not_remembered(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured, failure: Exception
) -> None:

    def failing(file: BinaryIO) -> Format | None:
        if Path(file.name).name == "a.png":
            raise failure
        return recognized(file)

    with monkeypatch.context() as patch:
        patch.setattr("sesr.files.files.recognized", failing)
        assert load_planes(folder, 2, CROP, tmp_path / "cache").sizes.tolist() == [[12, 10]]
    lines = capsys.readouterr().out.splitlines()
    assert "a.png: " in lines[0]
    assert "planes are not cached, as its files could not be read reliably" in lines[-1]
    assert load_planes(folder, 2, CROP, tmp_path / "cache").sizes.tolist() == [[15, 20], [12, 10]]


def test_half_pictures_are_remembered(folder: Path, tmp_path: Path, capsys: Captured) -> None:
    """Pillow calls a damaged file an `OSError` too."""
    whole = (folder / "a.png").read_bytes()
    (folder / "a.png").write_bytes(whole[: len(whole) // 2])
    assert load_planes(folder, 2, CROP, tmp_path).sizes.tolist() == [[12, 10]]
    assert "a.png: damaged or incomplete" in capsys.readouterr().out
    with reading_forbidden():
        load_planes(folder, 2, CROP, tmp_path)


def test_pictures_that_change_while_they_are_read_are_not_remembered(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    opening = open_picture

    def vanished(path: Path) -> OpenPicture:
        if path.name == "a.png":
            path.unlink()
        return opening(path)

    with monkeypatch.context() as patch:
        patch.setattr(pictures_module, "open_picture", vanished)
        load_planes(folder, 2, CROP, tmp_path / "cache")
    assert "planes are not cached" in capsys.readouterr().out
    assert not (tmp_path / "cache").exists()


def test_default_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SESR_CACHE", str(tmp_path))
    assert default_cache() == tmp_path
    monkeypatch.setenv("SESR_CACHE", "")
    assert default_cache().name == "sesr"


def test_validation_is_strict(tmp_path: Path) -> None:
    save(tmp_path / "tiny.png", noise(4, 30, 1))
    with pytest.raises(DataError, match=r"tiny\.png: too small to validate on"):
        list(read_validation(tmp_path, 2, CROP))
    (tmp_path / "tiny.png").write_bytes(b"nothing")
    with pytest.raises(PictureError, match=r"tiny\.png: "):
        list(read_validation(tmp_path, 2, CROP))


def test_validation_pictures_are_held_as_bytes(tmp_path: Path) -> None:
    """Grey in colour's clothes as one channel, and colour exact to the last bit whenever it is asked for."""
    colour = noise(24, 21, 2, 3)
    save(tmp_path / "HR" / "a.png", np.repeat(noise(24, 20, 1)[..., None], 3, axis=2))
    save(tmp_path / "HR" / "b.png", colour)
    pictures = read_validation(tmp_path / "HR", 2, CROP)
    for _ in range(2):
        (grey_hr, grey_lr), (hr, lr) = pictures
        assert np.array_equal(hr, BT601_LIMITED.luma(colour[:, :20].astype(np.float64)))
        low = BT601_LIMITED.luma(downscale(colour, 2).astype(np.float64)) / 255
        assert lr.shape == (1, 1, 12, 10)
        assert np.array_equal(lr[0, 0].numpy(), low.astype(np.float32))
        assert grey_hr.dtype == np.float64
        assert grey_hr.shape == (24, 20)
        assert grey_lr.shape == (1, 1, 12, 10)
    assert len(pictures) == 2
    assert sum(array.nbytes for pair in pictures._pairs for array in pair) == (24 * 20 + 12 * 10) * 4
    assert all(array.base is None or array.base.nbytes <= array.nbytes for array in pictures._pairs[0])


def planes_of(picture: NDArray[np.uint8]) -> LumaPlanes:
    low = picture[::2, ::2]
    hr, lr = torch.from_numpy(picture.ravel()), torch.from_numpy(low.ravel())
    return LumaPlanes(hr, lr, np.array([low.shape]), np.array([False]), scale=2, names=("a.png",))


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


def test_benchmark_pairs_are_what_our_bicubic_makes(shared: Path) -> None:
    """The reference LR of a set, read as a pair, against LR made from its HR."""
    (_, paired), *_ = read_validation(shared / "benchmark" / "Set5", 2, CROP)
    (_, made), *_ = read_validation(shared / "benchmark" / "Set5" / "HR", 2, CROP)
    assert torch.equal(paired, made)
