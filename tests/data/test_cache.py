"""The cache for planes: what is read again, what is made anew, and what is never stored."""

import errno
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from filelock import FileLock
from safetensors import SafetensorError
from tests.pictures import noise, save

from sesr.data import cache as cache_module
from sesr.data import pairs
from sesr.data.cache import cached_planes, default_cache, load_planes
from sesr.data.degradation import degrade_as_photo
from sesr.data.planes import LumaPlanes, fingerprint
from sesr.data.settings import DataRecipe
from sesr.errors import PictureError, TrainingError
from sesr.files.open import Still, open_picture

CROP = DataRecipe(crop=6)
Captured = pytest.CaptureFixture[str]


def same(one: LumaPlanes, other: LumaPlanes) -> bool:
    tensors = torch.equal(one.hr, other.hr) and torch.equal(one.lr, other.lr)
    return (
        tensors
        and one.names == other.names
        and np.array_equal(one.sizes, other.sizes)
        and np.array_equal(one.limited, other.limited)
    )


@contextmanager
def reading_forbidden() -> Iterator[None]:
    """Every picture that is opened is a failure of the test."""
    patch = pytest.MonkeyPatch()

    def opened(path: Path) -> None:
        raise AssertionError(f"{path} was read again")

    patch.setattr(pairs, "open_picture", opened)
    try:
        yield
    finally:
        patch.undo()


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

    monkeypatch.setattr(cache_module, "save_file", full)
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
    opening = open_picture

    def failing(path: Path) -> Still:
        if path.name == "a.png":
            raise PictureError(f"{path}: it failed") from failure
        return opening(path)

    with monkeypatch.context() as patch:
        patch.setattr(pairs, "open_picture", failing)
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
    assert "a.png: " in capsys.readouterr().out
    with reading_forbidden():
        load_planes(folder, 2, CROP, tmp_path)


def test_pictures_that_change_while_they_are_read_are_not_remembered(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    opening = open_picture

    def vanished(path: Path) -> Still:
        if path.name == "a.png":
            path.unlink()
        return opening(path)

    with monkeypatch.context() as patch:
        patch.setattr(pairs, "open_picture", vanished)
        load_planes(folder, 2, CROP, tmp_path / "cache")
    assert "planes are not cached" in capsys.readouterr().out
    assert not (tmp_path / "cache").exists()


def test_default_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SESR_CACHE", str(tmp_path))
    assert default_cache() == tmp_path
    monkeypatch.setenv("SESR_CACHE", "")
    assert default_cache().name == "sesr"


def test_photo_is_cached_apart_from_exact_lr(tmp_path: Path) -> None:
    """Also when read back: LR is degraded picture by picture, and HR is not."""
    for index in range(12):
        save(tmp_path / f"{index:02}.png", noise(64, 96, index))
    exact, photo = DataRecipe(crop=8), DataRecipe(crop=8, degradation="photo")
    for _ in range(2):
        clean, degraded = (
            load_planes(tmp_path, 2, recipe, tmp_path / "cache", quiet=True) for recipe in (exact, photo)
        )
        assert torch.equal(clean.hr, degraded.hr)
        expected = [degrade_as_photo(part) for part in clean.lr.numpy().reshape(12, 32, 48)]
        assert np.array_equal(degraded.lr, np.concatenate([part.reshape(-1) for part in expected]))
        assert not torch.equal(clean.lr, degraded.lr)


@pytest.mark.parametrize("damaged", [False, True])
def test_of_two_that_want_the_same_planes_one_makes_them(folder: Path, tmp_path: Path, damaged: bool) -> None:
    planes, made, path = load_planes(folder, 2, CROP), [], tmp_path / "cache" / "answers.safetensors"
    if damaged:
        path.parent.mkdir()
        path.write_bytes(b"damaged")

    def make() -> LumaPlanes:
        made.append(threading.get_ident())
        waiting.wait(0.5)  # long enough for the other to find the file missing or damaged too
        return planes

    waiting = threading.Event()
    with ThreadPoolExecutor(2) as threads:
        found = list(threads.map(lambda _: cached_planes(path, make), range(2)))
    assert len(made) == 1
    assert all(same(each, planes) for each in found)


@pytest.mark.parametrize(
    "trouble", [NotImplementedError("no flock"), OSError(errno.ENOLCK, "No locks available"), PermissionError(13, "no")]
)
def test_planes_are_made_where_nothing_can_be_locked(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: Exception
) -> None:
    planes = load_planes(folder, 2, CROP)

    def fail(*_: object, **__: object) -> None:
        raise trouble

    monkeypatch.setattr(FileLock, "acquire", fail)
    assert same(cached_planes(tmp_path / "cache" / "answers.safetensors", lambda: planes), planes)


@pytest.mark.parametrize("obstacle", ["file", "no permission"])
def test_planes_are_made_where_nothing_can_be_written(
    folder: Path, tmp_path: Path, capsys: Captured, obstacle: str
) -> None:
    planes, cache = load_planes(folder, 2, CROP), tmp_path / "cache"
    if obstacle == "file":
        cache.touch()
    else:
        cache.mkdir(mode=0o500)
        if os.access(cache, os.W_OK):
            pytest.skip("permissions do not bind this user")
    assert same(cached_planes(cache / "answers.safetensors", lambda: planes), planes)
    assert "planes are not cached" in capsys.readouterr().out


def test_a_failure_to_make_planes_lets_the_next_one_try(folder: Path, tmp_path: Path) -> None:
    path, planes = tmp_path / "answers.safetensors", load_planes(folder, 2, CROP)

    def fail() -> LumaPlanes:
        raise TrainingError("no answer")

    with pytest.raises(TrainingError, match="no answer"):
        cached_planes(path, fail)
    assert same(cached_planes(path, lambda: planes), planes)
