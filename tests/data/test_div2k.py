"""Downloads from a server on this machine, with archives of drawn pictures, and everything that can go wrong."""

import errno
import hashlib
import io
import os
import re
import shutil
import socket
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
import pytest

pytest.importorskip("torch")

from PIL import Image

from sesr.data.div2k import OFFICIAL, Archive, Server, fetch_div2k
from sesr.data.downloads import CHUNK_BYTES, Patience
from sesr.data.pairs import Split, find_pairs, read_pair
from sesr.errors import TrainingError

Captured = pytest.CaptureFixture[str]


class Request(NamedTuple):
    """A file name, the range asked for, and the number of bytes answered."""

    name: str
    range: str | None
    sent: int


@dataclass
class Site:
    """A server's files and faults, and the requests that it got."""

    files: dict[str, bytes]
    url: str = ""
    requests: list[Request] = field(default_factory=list)
    break_after: dict[str, list[int]] = field(default_factory=dict)
    """By file name: after how many bytes each connection to come breaks."""
    statuses: dict[str, list[int]] = field(default_factory=dict)
    """By file name: what is answered to each request to come instead."""
    knows_ranges: bool = True
    tells_length: bool = True

    def server(self, attempts: int = 3, url: str = "") -> Server:
        archives = {name: Archive(len(data), hashlib.sha256(data).hexdigest()) for name, data in self.files.items()}
        return Server(url or self.url, archives, Patience(attempts, pause_s=0.0))


class Handler(BaseHTTPRequestHandler):
    site: Site

    def do_GET(self) -> None:
        site, name, asked = self.site, self.path.lstrip("/"), self.headers.get("Range")
        statuses = site.statuses.get(name)
        data = site.files.get(name)
        if statuses or data is None:
            site.requests.append(Request(name, asked, 0))
            self.send_error(statuses.pop(0) if statuses else 404)
            return
        start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1]) if asked and site.knows_ranges else 0  # type: ignore[index]
        rest = data[start:]
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        if site.tells_length:
            self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        breaks = site.break_after.get(name)
        sent = rest[: breaks.pop(0)] if breaks else rest
        site.requests.append(Request(name, asked, len(sent)))
        self.wfile.write(sent)

    def log_message(self, format: str, *args: object) -> None:
        """Keeps quiet."""


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
    site = Site(dict(archives))
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("SiteHandler", (Handler,), {"site": site}))
    site.url = f"http://127.0.0.1:{server.server_port}/"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield site
    server.shutdown()
    thread.join()
    server.server_close()


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
    root = fetch_div2k("train", 2, tmp_path, site.server())
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
    server = site.server()
    training, validation = fetch_div2k("train", 2, tmp_path, server), fetch_div2k("validation", 2, tmp_path, server)
    assert training != validation
    assert lr_shapes(validation, 2, "validation") == [(132, 132, 3)] * 2
    site.requests.clear()
    assert fetch_div2k("train", 3, tmp_path, server) == training
    assert [request.name for request in site.requests] == ["DIV2K_train_LR_bicubic_X3.zip"]
    assert lr_shapes(training, 3) == [(88, 88, 3)] * 2
    assert lr_shapes(training, 2) == [(132, 132, 3)] * 2


def test_broken_connection_is_taken_up_where_it_broke(site: Site, tmp_path: Path) -> None:
    name = "DIV2K_train_HR.zip"
    length = len(site.files[name])
    site.break_after[name] = [200_000, 100_000]
    root = fetch_div2k("train", 2, tmp_path, site.server())
    assert contents(root) == members(site.files[name], site.files["DIV2K_train_LR_bicubic_X2.zip"])
    first, second, third = [request for request in site.requests if request.name == name]
    assert first == Request(name, None, 200_000)
    assert second.sent == 100_000
    starts = [int(request.range[6:-1]) for request in (second, third) if request.range]
    assert 200_000 - CHUNK_BYTES <= starts[0] <= 200_000
    assert starts[0] + 100_000 - CHUNK_BYTES <= starts[1] <= starts[0] + 100_000
    assert third == Request(name, f"bytes={starts[1]}-", length - starts[1])


@pytest.mark.parametrize("tells_length", [True, False])
def test_a_later_call_goes_on_too(site: Site, tmp_path: Path, tells_length: bool) -> None:
    name = "DIV2K_train_HR.zip"
    site.tells_length = tells_length
    site.break_after[name] = [300_000, 0]
    with pytest.raises(TrainingError, match=r"DIV2K_train_HR\.zip: the connection .* bytes are kept; start again"):
        fetch_div2k("train", 2, tmp_path, site.server(attempts=1))
    kept = (tmp_path / "div2k" / "train" / f"{name}.part").stat().st_size
    assert 300_000 - CHUNK_BYTES <= kept <= 300_000
    site.requests.clear()
    fetch_div2k("train", 2, tmp_path, site.server(attempts=1))
    assert site.requests[0] == Request(name, f"bytes={kept}-", len(site.files[name]) - kept)


def test_server_without_ranges_starts_again(site: Site, tmp_path: Path) -> None:
    name = "DIV2K_train_HR.zip"
    site.knows_ranges, site.break_after[name] = False, [300_000]
    root = fetch_div2k("train", 2, tmp_path, site.server())
    assert contents(root) == members(site.files[name], site.files["DIV2K_train_LR_bicubic_X2.zip"])
    assert [request.sent for request in site.requests[:2]] == [300_000, len(site.files[name])]
    assert site.requests[1].range


def test_attempts_end_where_nothing_is_gained(site: Site, tmp_path: Path) -> None:
    site.knows_ranges, site.break_after["DIV2K_train_HR.zip"] = False, [200_000] * 100
    with pytest.raises(TrainingError, match="bytes are kept"):
        fetch_div2k("train", 2, tmp_path, site.server())
    assert len(site.requests) == 1 + 3


def test_wrong_checksum_leaves_nothing(site: Site, tmp_path: Path) -> None:
    server = site.server()
    name = "DIV2K_train_HR.zip"
    site.files[name] = site.files[name][:-1] + b"x"
    with pytest.raises(TrainingError, match=rf"{name}: its SHA-256 is not [0-9a-f]{{64}}; the download was removed"):
        fetch_div2k("train", 2, tmp_path, server)
    assert contents(tmp_path) == {}


def test_another_file_on_the_server(site: Site, tmp_path: Path) -> None:
    """Longer than it should be, whether it says so or not; or a page of a hotel's network."""
    server = site.server()
    site.files["DIV2K_train_HR.zip"] += b"more"
    for site.tells_length in (True, False, False):
        with pytest.raises(TrainingError, match="so it is another file now"):
            fetch_div2k("train", 2, tmp_path, server)
    assert not (tmp_path / "div2k" / "train" / "DIV2K_train_HR").exists()
    site.files["DIV2K_train_HR.zip"], site.tells_length = b"<html>please pay</html>", True
    with pytest.raises(TrainingError, match="so it is another file now"):
        fetch_div2k("train", 2, tmp_path, server)


def test_refusals_of_the_server(site: Site, tmp_path: Path) -> None:
    server = site.server()
    site.statuses["DIV2K_train_HR.zip"] = [503, 429]
    fetch_div2k("train", 2, tmp_path / "patient", server)
    site.requests.clear()
    del site.files["DIV2K_train_LR_bicubic_X2.zip"]
    with pytest.raises(TrainingError, match=r"X2\.zip: the server answers 404 Not Found; download it by hand"):
        fetch_div2k("train", 2, tmp_path, server)
    assert len(site.requests) == 2
    site.statuses["DIV2K_valid_HR.zip"] = [503] * 3
    with pytest.raises(TrainingError, match="the server answers 503"):
        fetch_div2k("validation", 2, tmp_path, server)


def test_unreachable_server(site: Site, tmp_path: Path) -> None:
    with socket.socket() as held:  # bound and not listening: nobody else can answer there
        held.bind(("127.0.0.1", 0))
        server = site.server(url=f"http://127.0.0.1:{held.getsockname()[1]}/")
        with pytest.raises(TrainingError, match=r"no connection to the server \(Connection refused\); 0 of \d+ bytes"):
            fetch_div2k("train", 2, tmp_path, server)


def test_no_room_is_said_before_the_download(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hr, lr = len(site.files["DIV2K_train_HR.zip"]), len(site.files["DIV2K_train_LR_bicubic_X2.zip"])
    needed = 2 * hr + lr
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=needed - 1))
    with pytest.raises(TrainingError, match=rf"train: no room, {needed} bytes more are needed and {needed - 1} are"):
        fetch_div2k("train", 2, tmp_path, site.server())
    assert site.requests == []
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=needed))
    fetch_div2k("train", 2, tmp_path, site.server())


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
            fetch_div2k("train", 2, tmp_path, site.server())
    site.requests.clear()
    root = fetch_div2k("train", 2, tmp_path, site.server())
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
            fetch_div2k("train", 2, tmp_path, site.server())
    assert list(contents(tmp_path / "div2k" / "train")) == ["DIV2K_train_HR.zip"]
    fetch_div2k("train", 2, tmp_path, site.server())
    assert [request.name for request in site.requests] == ["DIV2K_train_HR.zip", "DIV2K_train_LR_bicubic_X2.zip"]


def test_what_killed_processes_left_is_removed(site: Site, tmp_path: Path) -> None:
    root = tmp_path / "div2k" / "train"
    half, checked, other = root / ".sesr-abc.part" / "DIV2K_train_HR", root / "tmpabcd_123", root / "tmp.png"
    half.mkdir(parents=True)
    for file in (half / "0001.png", checked, other):
        file.write_bytes(b"left")
    fetch_div2k("train", 2, tmp_path, site.server())
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
        fetch_div2k("train", 2, tmp_path / "a" / "b", site.server())
    assert contents(tmp_path) == {}


def test_members_outside_the_folder_are_left_packed(site: Site, tmp_path: Path) -> None:
    site.files["DIV2K_train_HR.zip"] = zipped({"DIV2K_train_HR/1.png": b"1", "/evil": b"", "__MACOSX/1.png": b""})
    root = fetch_div2k("train", 2, tmp_path, site.server())
    lows = members(site.files["DIV2K_train_LR_bicubic_X2.zip"])
    assert contents(root) == {"DIV2K_train_HR/1.png": b"1"} | lows


def test_two_at_once_download_once(site: Site, tmp_path: Path) -> None:
    roots: list[Path] = []
    threads = [
        threading.Thread(target=lambda: roots.append(fetch_div2k("train", 2, tmp_path, site.server())))
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
        fetch_div2k("train", 2, tmp_path / "file", site.server())
    monkeypatch.setitem(__import__("sys").modules, "pooch", None)
    with pytest.raises(TrainingError, match=r"need the package pooch; pip install 'sesr\[train\]'"):
        fetch_div2k("train", 2, tmp_path, site.server())


def test_official_archives() -> None:
    kinds = ("HR", "LR_bicubic_X2", "LR_bicubic_X3", "LR_bicubic_X4")
    assert sorted(OFFICIAL) == sorted(f"DIV2K_{split}_{kind}.zip" for split in ("train", "valid") for kind in kinds)
    assert all(re.fullmatch("[0-9a-f]{64}", archive.sha256) for archive in OFFICIAL.values())
    assert len({archive.sha256 for archive in OFFICIAL.values()}) == len(OFFICIAL)
