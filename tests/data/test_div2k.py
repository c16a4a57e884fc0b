"""DIV2K, downloaded from a server on this machine as archives of drawn pictures, and everything that can go wrong."""

import errno
import io
import os
import re
import shutil
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np
import pytest

pytest.importorskip("torch")

from PIL import Image
from tests.web_site import Request, Site, serving

from sesr.data.div2k import OFFICIAL, Archive, Server, fetch_div2k
from sesr.data.downloads import Patience
from sesr.data.pairs import Split, find_pairs, read_pair
from sesr.errors import TrainingError


def drawn(side: int, seed: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)).save(file, "PNG")
    return file.getvalue()


def zipped(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return file.getvalue()


def split_of(prefix: str, first: int) -> dict[str, bytes]:
    """The archives of two pictures, scales 2 and 3; HR has some 420 kB."""
    numbers = (first, first + 1)
    files = {f"{prefix}_HR.zip": zipped({f"{prefix}_HR/{n:04}.png": drawn(264, n) for n in numbers})}
    for scale in (2, 3):
        folder = f"{prefix}_LR_bicubic/X{scale}"
        members = {f"{folder}/{n:04}x{scale}.png": drawn(264 // scale, 10 * n + scale) for n in numbers}
        files[f"{prefix}_LR_bicubic_X{scale}.zip"] = zipped({f"{folder}/": b""} | members)
    return files


@pytest.fixture(scope="module")
def archives() -> dict[str, bytes]:
    return split_of("DIV2K_train", 1) | split_of("DIV2K_valid", 801)


@pytest.fixture
def site(archives: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving(archives) as site:
        yield site


def server_of(site: Site) -> Server:
    """The site as a server of DIV2K, with the archives as they are now."""
    files = {name: site.file(name) for name in site.files}
    archives = {name: Archive(file.length, file.sha256) for name, file in files.items()}
    return Server(site.url, archives, Patience(3, pause_s=0.0))


def contents(root: Path) -> dict[str, bytes]:
    files = (path for path in sorted(root.rglob("*")) if path.is_file() and path.name != ".lock")
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


def members(*archives: bytes) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for data in archives:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            found |= {name: archive.read(name) for name in archive.namelist() if not name.endswith("/")}
    return found


def lr_shapes(root: Path, scale: int, split: Split = "train") -> list[tuple[int, ...]]:
    return [read_pair(pair, scale)[1].shape for pair in find_pairs(root, scale, split)]


def test_whole_download_is_a_pair_and_the_second_call_asks_nothing(site: Site, tmp_path: Path) -> None:
    root = fetch_div2k("train", 2, tmp_path, server_of(site))
    hr, lr = site.files["DIV2K_train_HR.zip"], site.files["DIV2K_train_LR_bicubic_X2.zip"]
    assert contents(root) == members(hr, lr)
    assert site.requests == [
        Request("DIV2K_train_HR.zip", None, len(hr)),
        Request("DIV2K_train_LR_bicubic_X2.zip", None, len(lr)),
    ]
    assert lr_shapes(root, 2) == [(132, 132, 3)] * 2
    assert fetch_div2k("train", 2, tmp_path, Server("http://127.0.0.1:9/")) == root
    assert len(site.requests) == 2


def test_splits_and_scales_share_what_they_can(site: Site, tmp_path: Path) -> None:
    server = server_of(site)
    training, validation = fetch_div2k("train", 2, tmp_path, server), fetch_div2k("validation", 2, tmp_path, server)
    assert training != validation
    assert lr_shapes(validation, 2, "validation") == [(132, 132, 3)] * 2
    site.requests.clear()
    assert fetch_div2k("train", 3, tmp_path, server) == training
    assert [request.name for request in site.requests] == ["DIV2K_train_LR_bicubic_X3.zip"]
    assert lr_shapes(training, 3) == [(88, 88, 3)] * 2
    assert lr_shapes(training, 2) == [(132, 132, 3)] * 2


def test_no_room_is_said_before_the_download(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hr, lr = len(site.files["DIV2K_train_HR.zip"]), len(site.files["DIV2K_train_LR_bicubic_X2.zip"])
    needed = 2 * hr + lr
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=needed - 1))
    with pytest.raises(TrainingError, match=rf"train: no room, {needed} bytes more are needed and {needed - 1} are"):
        fetch_div2k("train", 2, tmp_path, server_of(site))
    assert site.requests == []
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=needed))
    fetch_div2k("train", 2, tmp_path, server_of(site))


class _Full:
    """A file on a disk with room for some bytes."""

    def __init__(self, file: IO[bytes], room: int) -> None:
        self.file, self.room = file, room

    def write(self, data: bytes) -> int:
        self.room -= len(data)
        if self.room < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return self.file.write(data)

    def seek(self, place: int) -> int:
        return self.file.seek(place)

    def __enter__(self) -> "_Full":
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()


def test_disk_fills_up_while_downloading(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opening = Path.open

    def small(path: Path, mode: str = "r") -> object:
        file = opening(path, mode)
        return _Full(file, 250_000) if path.suffix == ".part" else file

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", small)
        with pytest.raises(TrainingError, match=r"train: no room, \d+ bytes more are needed .* is kept"):
            fetch_div2k("train", 2, tmp_path, server_of(site))
    site.requests.clear()
    root = fetch_div2k("train", 2, tmp_path, server_of(site))
    assert site.requests[0].range
    assert contents(root) == members(site.files["DIV2K_train_HR.zip"], site.files["DIV2K_train_LR_bicubic_X2.zip"])


def test_disk_fills_up_while_unpacking(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The archive is kept and not downloaded again; no half folder is left."""
    extract = zipfile.ZipFile.extract

    def full(archive: zipfile.ZipFile, name: str, path: Path) -> str:
        if name.endswith("2.png"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return extract(archive, name, path)

    with monkeypatch.context() as patch:
        patch.setattr(zipfile.ZipFile, "extract", full)
        with pytest.raises(TrainingError, match=r"train: no room, \d+ bytes more are needed"):
            fetch_div2k("train", 2, tmp_path, server_of(site))
    assert list(contents(tmp_path / "div2k" / "train")) == ["DIV2K_train_HR.zip"]
    fetch_div2k("train", 2, tmp_path, server_of(site))
    assert [request.name for request in site.requests] == ["DIV2K_train_HR.zip", "DIV2K_train_LR_bicubic_X2.zip"]


def test_what_killed_processes_left_is_removed(site: Site, tmp_path: Path) -> None:
    root = tmp_path / "div2k" / "train"
    half, checked, other = root / ".sesr-abc.part" / "DIV2K_train_HR", root / "tmpabcd_123", root / "tmp.png"
    half.mkdir(parents=True)
    for file in (half / "0001.png", checked, other):
        file.write_bytes(b"left")
    fetch_div2k("train", 2, tmp_path, server_of(site))
    assert sorted(path.name for path in root.iterdir()) == [
        ".lock",
        "DIV2K_train_HR",
        "DIV2K_train_LR_bicubic",
        "tmp.png",
    ]


@pytest.mark.parametrize(
    "data",
    [
        b"no archive at all",
        zipped({"other/1.png": b""}),
        zipped({"DIV2K_train_HR/../../../evil.png": b"", "DIV2K_train_HR/1.png": b""}),
    ],
)
def test_archives_that_are_not_what_they_should_be(site: Site, tmp_path: Path, data: bytes) -> None:
    site.files["DIV2K_train_HR.zip"] = data
    with pytest.raises(TrainingError, match=r"DIV2K_train_HR\.zip: cannot be unpacked"):
        fetch_div2k("train", 2, tmp_path / "a" / "b", server_of(site))
    assert contents(tmp_path) == {}


def test_members_outside_the_folder_are_left_packed(site: Site, tmp_path: Path) -> None:
    site.files["DIV2K_train_HR.zip"] = zipped({"DIV2K_train_HR/1.png": b"1", "/evil": b"", "__MACOSX/1.png": b""})
    root = fetch_div2k("train", 2, tmp_path, server_of(site))
    lows = members(site.files["DIV2K_train_LR_bicubic_X2.zip"])
    assert contents(root) == {"DIV2K_train_HR/1.png": b"1"} | lows


def test_two_at_once_download_once(site: Site, tmp_path: Path) -> None:
    roots: list[Path] = []
    threads = [
        threading.Thread(target=lambda: roots.append(fetch_div2k("train", 2, tmp_path, server_of(site))))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert roots == [tmp_path / "div2k" / "train"] * 3
    assert [request.name for request in site.requests] == ["DIV2K_train_HR.zip", "DIV2K_train_LR_bicubic_X2.zip"]


def test_places_and_scales_that_cannot_be(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TrainingError, match="no bicubic LR for scale 8; there is 2, 3 and 4"):
        fetch_div2k("train", 8, tmp_path)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(TrainingError, match=r"file/div2k/train: Not a directory; set SESR_CACHE"):
        fetch_div2k("train", 2, tmp_path / "file", server_of(site))
    monkeypatch.setitem(__import__("sys").modules, "pooch", None)
    with pytest.raises(TrainingError, match=r"need the package pooch; pip install 'sesr\[train\]'"):
        fetch_div2k("train", 2, tmp_path, server_of(site))


def test_official_archives() -> None:
    kinds = ("HR", "LR_bicubic_X2", "LR_bicubic_X3", "LR_bicubic_X4")
    assert sorted(OFFICIAL) == sorted(f"DIV2K_{split}_{kind}.zip" for split in ("train", "valid") for kind in kinds)
    assert all(re.fullmatch("[0-9a-f]{64}", archive.sha256) for archive in OFFICIAL.values())
    assert len({archive.sha256 for archive in OFFICIAL.values()}) == len(OFFICIAL)
