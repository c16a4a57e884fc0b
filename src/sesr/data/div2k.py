"""DIV2K, the set that the paper trains on: 800 photographs of two megapixels and more, and 100 to validate with.

The official archives are downloaded once, high resolution (HR) and bicubic low resolution (LR) of one scale, and
unpacked into the cache folder as a folder of pairs (`sesr.data.pairs`)::

    CACHE/div2k/train/DIV2K_train_HR/0001.png
    CACHE/div2k/train/DIV2K_train_LR_bicubic/X2/0001x2.png
    CACHE/div2k/validation/DIV2K_valid_HR/0801.png ...

A folder of pictures appears when it is complete, so a later call only checks that it exists. The archive is then
removed. If several processes ask at once, one downloads and the others wait.

The set may be used for research; see https://data.vision.ee.ethz.ch/cvl/DIV2K/.
"""

import contextlib
import errno
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from filelock import FileLock, Timeout
from tqdm import tqdm

from sesr.data.downloads import Patience, RemoteFile, download, partial_path, remove_unchecked
from sesr.data.pairs import Split
from sesr.errors import TrainingError

_UNPACKING = ".sesr-"
"""Prefix of folders that are being unpacked."""


@dataclass(frozen=True)
class Archive:
    """A zip archive on the server: its length in bytes, and its SHA-256 in hexadecimal."""

    length: int
    sha256: str


OFFICIAL: Mapping[str, Archive] = {
    "DIV2K_train_HR.zip": Archive(3530603713, "9d0b9c463f6e35b6c62cc6a930ee2224f670b34c1df841a57670f9acf0f6c335"),
    "DIV2K_train_LR_bicubic_X2.zip": Archive(
        925390592, "a53a424317575838dadce4bcd97cf7b744d6855f43740ed5f0245af3cf4bd850"
    ),
    "DIV2K_train_LR_bicubic_X3.zip": Archive(
        427847282, "ad5c8e5507e2765823d3c2c5bd0934842efcd487c5370604c224090898b3163a"
    ),
    "DIV2K_train_LR_bicubic_X4.zip": Archive(
        246914039, "f006b837f4eb52b82909aa01478e6d6d199eefce932179491d0c9dbb706dde3a"
    ),
    "DIV2K_valid_HR.zip": Archive(448993893, "20dd31fd84d777bc1cf5d6b7654a3f569c0aec74458ae094122ad1d0489900fc"),
    "DIV2K_valid_LR_bicubic_X2.zip": Archive(
        117763600, "60eed9875c697df51204aa579e2a699e1d5215095788a097ff54dd17e2664d57"
    ),
    "DIV2K_valid_LR_bicubic_X3.zip": Archive(
        54513392, "04b9a2ed3b4a0715d3924d3ae8514830c3328fac8d30512ce716d6f419e052a3"
    ),
    "DIV2K_valid_LR_bicubic_X4.zip": Archive(
        31505881, "a50a5d1c4b88de4e8d300d8fb2b904c52fe93b2b298a4899697760d7cbb6d553"
    ),
}
"""The archives as TensorFlow Datasets lists them."""


@dataclass(frozen=True)
class Server:
    """A server of the archives.

    Attributes:
        url: prefix of all file names.
        archives: the archives by file name.
        patience: limits to retrying.
    """

    url: str = "https://data.vision.ee.ethz.ch/cvl/DIV2K/"
    archives: Mapping[str, Archive] = field(default_factory=lambda: OFFICIAL)
    patience: Patience = field(default_factory=Patience)

    def file(self, name: str) -> RemoteFile:
        """Return an archive's address with its length and checksum."""
        archive = self.archives[name]
        return RemoteFile(self.url + name, archive.length, archive.sha256)


def fetch_div2k(split: Split, scale: int, cache: Path, server: Server | None = None) -> Path:
    """Return the folder of pairs of a split of DIV2K; download it unless it is there.

    Args:
        split: ``train`` or ``validation``.
        scale: scale of LR: 2, 3 or 4.
        cache: folder to keep it in. x2 takes 4.5 gigabytes for ``train`` and 0.6 for ``validation``; while it is made,
            the largest archive needs its room once more.
        server: another server than the official one.

    Raises `TrainingError` if DIV2K has no such scale, the download fails for good, or there is no room.
    """
    server = server or Server()
    prefix = "DIV2K_train" if split == "train" else "DIV2K_valid"
    folders = {
        f"{prefix}_HR.zip": f"{prefix}_HR",
        f"{prefix}_LR_bicubic_X{scale}.zip": f"{prefix}_LR_bicubic/X{scale}",
    }
    if any(name not in server.archives for name in folders):
        raise TrainingError(
            f"DIV2K has no bicubic LR for scale {scale}; there is 2, 3 and 4, or give a folder of pictures"
        )
    root = cache / "div2k" / split
    if not _missing(root, folders):
        return root
    try:
        root.mkdir(parents=True, exist_ok=True)
        with _holding_lock(root):
            _fetch_missing(root, folders, server)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _no_room(root, _needed(root, folders, server)) from error
        raise TrainingError(f"{root}: {error.strerror or error}; set SESR_CACHE to a folder of yours") from error
    return root


def _fetch_missing(root: Path, folders: Mapping[str, str], server: Server) -> None:
    needed = _needed(root, folders, server)
    if needed > shutil.disk_usage(root).free:
        raise _no_room(root, needed)
    for name, folder in _missing(root, folders).items():
        path = download(server.file(name), root, server.patience)
        _unpack(path, folder, root)
        path.unlink()


def _missing(root: Path, folders: Mapping[str, str]) -> dict[str, str]:
    return {name: folder for name, folder in folders.items() if not (root / folder).is_dir()}


def _needed(root: Path, folders: Mapping[str, str], server: Server) -> int:
    """Return the bytes still needed: for the pictures, as many as for their archives; and for the largest archive."""
    lengths = [server.archives[name].length for name in _missing(root, folders)]
    places = [place for name in folders for place in (root / name, partial_path(root, name))]
    return sum(lengths) + max(lengths, default=0) - sum(place.stat().st_size for place in places if place.exists())


def _no_room(root: Path, needed: int) -> TrainingError:
    free = shutil.disk_usage(root).free
    return TrainingError(
        f"{root}: no room, {needed} bytes more are needed and {free} are free; what was downloaded is kept; "
        "free some and start again, or set SESR_CACHE to a folder on another disk"
    )


@contextlib.contextmanager
def _holding_lock(root: Path) -> Iterator[None]:
    """Wait until no other process is downloading to a folder. The system frees the lock however a process ends."""
    lock = FileLock(root / ".lock")
    try:
        lock.acquire(blocking=False)
    except Timeout:
        tqdm.write(f"{root}: another process is downloading; waiting for it")
        lock.acquire()
    try:
        _remove_leftovers(root)
        yield
    finally:
        lock.release()


def _remove_leftovers(root: Path) -> None:
    """Remove what killed processes left: folders half unpacked, and archives that were being checked."""
    for folder in root.glob(f"{_UNPACKING}*.part"):
        shutil.rmtree(folder, ignore_errors=True)
    remove_unchecked(root)


def _unpack(path: Path, folder: str, root: Path) -> None:
    """Unpack one folder of an archive, completely or not at all, and nothing outside it."""
    temporary = Path(tempfile.mkdtemp(prefix=_UNPACKING, suffix=".part", dir=root))
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if name.startswith(f"{folder}/") and not name.endswith("/")]
            if not names or any(".." in PurePosixPath(name).parts for name in names):
                raise zipfile.BadZipFile(f"no folder {folder} of pictures in it")
            for name in tqdm(names, desc=f"unpacking {folder}", unit="file", leave=False, disable=None):
                archive.extract(name, temporary)
        (root / folder).parent.mkdir(parents=True, exist_ok=True)
        os.rename(temporary / folder, root / folder)
    except (zipfile.BadZipFile, NotImplementedError) as error:
        path.unlink()
        raise TrainingError(f"{path}: cannot be unpacked ({error}); it was removed; start again") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
