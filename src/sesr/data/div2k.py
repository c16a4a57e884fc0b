"""DIV2K, the set that the paper trains on: 800 photographs of two megapixels and more, and 100 to validate with.

The official archives are fetched once, high resolution (HR) and bicubic low resolution (LR) of one scale, and unpacked
into the cache folder as a folder pair (`sesr.data.pairs`)::

    CACHE/div2k/train/DIV2K_train_HR/0001.png
    CACHE/div2k/train/DIV2K_train_LR_bicubic/X2/0001x2.png
    CACHE/div2k/validation/DIV2K_valid_HR/0801.png ...

`pooch` knows the archives' checksums and keeps what does not match out. What it lacks is added here: a download that
breaks goes on where it stopped, now or with the next call, since a connection rarely lasts for 3.5 gigabytes. A folder
of pictures appears when it is whole, so that a later call only looks whether it is there; the archive is then removed.
Of several processes that ask at once, one downloads and the others wait, except on Windows.

The set may be used for research; see https://data.vision.ee.ethz.ch/cvl/DIV2K/.
"""

import contextlib
import errno
import os
import shutil
import tempfile
import time
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from types import ModuleType
from typing import TYPE_CHECKING

from tqdm import tqdm

from sesr.data.pairs import Split
from sesr.errors import TrainingError

if TYPE_CHECKING:
    from requests import Response

CHUNK_BYTES = 1 << 16
"""Read and written at once; what a broken connection sent of a chunk is lost."""

TIMEOUT_S = (10, 60)
"""Seconds without a connection, and without a byte, after which a connection counts as broken."""

_UNPACKING = ".sesr-"
"""How names of folders begin that are being unpacked."""

_TRANSIENT = (408, 429, 500, 502, 503, 504)
"""Answers of a server that may be another one in a moment."""


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
    """Where the archives come from, and how patiently.

    Attributes:
        url: that file names are appended to.
        archives: by file name.
        attempts: connections in a row that may break without a byte more than ever before.
        pause_s: seconds before the second attempt; twice as many before each further one.
    """

    url: str = "https://data.vision.ee.ethz.ch/cvl/DIV2K/"
    archives: Mapping[str, Archive] = field(default_factory=lambda: OFFICIAL)
    attempts: int = 5
    pause_s: float = 2.0


def fetch_div2k(split: Split, scale: int, cache: Path, server: Server | None = None) -> Path:
    """The folder pair of a split of DIV2K, downloaded unless it is there.

    Args:
        split: ``train`` or ``validation``.
        scale: of LR: 2, 3 or 4.
        cache: folder to keep it in; x2 takes 4.5 gigabytes for ``train``, 0.6 for ``validation``, and while it is
            made room for the largest archive once more.
        server: another one than the official.

    Raises `TrainingError` where DIV2K has no such scale, the download fails for good, or there is no room.
    """
    server = server or Server()
    prefix = "DIV2K_train" if split == "train" else "DIV2K_valid"
    goals = {
        f"{prefix}_HR.zip": f"{prefix}_HR",
        f"{prefix}_LR_bicubic_X{scale}.zip": f"{prefix}_LR_bicubic/X{scale}",
    }
    if any(name not in server.archives for name in goals):
        raise TrainingError(
            f"DIV2K has no bicubic LR for scale {scale}; there is 2, 3 and 4, or give a folder of pictures"
        )
    root = cache / "div2k" / split
    if not _missing(root, goals):
        return root
    try:
        root.mkdir(parents=True, exist_ok=True)
        with _alone(root):
            _fetch_missing(root, goals, server)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _no_room(root, _needed(root, goals, server)) from error
        raise TrainingError(f"{root}: {error.strerror or error}; set SESR_CACHE to a folder of yours") from error
    return root


def _fetch_missing(root: Path, goals: Mapping[str, str], server: Server) -> None:
    needed = _needed(root, goals, server)
    if needed > shutil.disk_usage(root).free:
        raise _no_room(root, needed)
    for name, goal in _missing(root, goals).items():
        path = _download(name, root, server)
        _unpack(path, goal, root)
        path.unlink()


def _missing(root: Path, goals: Mapping[str, str]) -> dict[str, str]:
    return {name: goal for name, goal in goals.items() if not (root / goal).is_dir()}


def _partial(root: Path, name: str) -> Path:
    """Where an archive lies while it is downloaded."""
    return root / f"{name}.part"


def _needed(root: Path, goals: Mapping[str, str], server: Server) -> int:
    """Bytes still needed: for the pictures, as many as for their archives, and for the largest archive beside them."""
    lengths = [server.archives[name].length for name in _missing(root, goals)]
    places = [place for name in goals for place in (root / name, _partial(root, name))]
    return sum(lengths) + max(lengths, default=0) - sum(place.stat().st_size for place in places if place.exists())


def _no_room(root: Path, needed: int) -> TrainingError:
    free = shutil.disk_usage(root).free
    return TrainingError(
        f"{root}: no room, {needed} bytes more are needed and {free} are free; what was downloaded is kept; "
        "free some and start again, or set SESR_CACHE to a folder on another disk"
    )


@contextlib.contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Waits until no other process is downloading to a folder. The system frees the lock however a process ends."""
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    with (root / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            tqdm.write(f"{root}: another process is downloading; waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        _remove_leftovers(root)
        yield


def _remove_leftovers(root: Path) -> None:
    """What processes that were killed left: folders half unpacked, and archives that `pooch` was checking."""
    for folder in root.glob(f"{_UNPACKING}*.part"):
        shutil.rmtree(folder, ignore_errors=True)
    for file in root.glob(f"tmp{'[a-z0-9_]' * 8}"):  # as tempfile names files
        file.unlink(missing_ok=True)


def _download(name: str, root: Path, server: Server) -> Path:
    """An archive whose checksum is right. Raises `TrainingError`."""
    pooch = _pooch()
    archive, url = server.archives[name], server.url + name
    keeper = pooch.create(path=root, base_url=server.url, registry={name: f"sha256:{archive.sha256}"})
    downloader = ResumingDownloader(_partial(root, name), archive.length, server.attempts, server.pause_s)
    try:
        return Path(keeper.fetch(name, downloader=downloader))
    except ValueError as error:  # pooch's for a checksum
        raise TrainingError(
            f"{url}: its SHA-256 is not {archive.sha256}; the download was removed; start again, and if it is so "
            "again, the file on the server is another one now"
        ) from error


def _pooch() -> ModuleType:
    try:
        import pooch  # type: ignore[import-untyped]
    except ImportError as error:
        raise TrainingError("downloads need the package pooch; pip install 'sesr[train]'") from error
    pooch.get_logger().setLevel("WARNING")  # the progress bar says it all
    return pooch  # type: ignore[no-any-return]


class _BrokenError(Exception):
    """A connection that may be better the next time; its text says what happened."""


class ResumingDownloader:
    """A downloader for `pooch` that goes on where it, or an earlier process, was broken off.

    Args:
        partial: what there is so far; kept whenever a download fails.
        length: bytes that the file has.
        attempts: see `Server`.
        pause_s: see `Server`.
    """

    def __init__(self, partial: Path, length: int, attempts: int, pause_s: float) -> None:
        self.partial, self.length, self.attempts, self.pause_s = partial, length, attempts, pause_s

    def __call__(self, url: str, output_file: str, pooch: object, check_only: bool = False) -> None:
        """Downloads to `output_file`, as `pooch` asks. Raises `TrainingError`, and `OSError` from the disk."""
        furthest, failed = self._there(), 0
        while self._there() != self.length:
            try:
                self._continue(url)
            except _BrokenError as error:
                failed = 0 if self._there() > furthest else failed + 1
                furthest = max(furthest, self._there())
                if failed == self.attempts:
                    raise TrainingError(
                        f"{url}: {error}; {self._there()} of {self.length} bytes are kept; "
                        "start again to go on from there, or give a folder of pictures"
                    ) from error
                time.sleep(self.pause_s * 2 ** max(failed - 1, 0))
        os.replace(self.partial, output_file)

    def _there(self) -> int:
        return self.partial.stat().st_size if self.partial.exists() else 0

    def _continue(self, url: str) -> None:
        """One connection: all that is left, unless it breaks. Raises `_BrokenError`, `TrainingError`, `OSError`."""
        if self._there() > self.length:
            self.partial.unlink()
        start = self._there()
        with _answer(url, start) as answer:
            if start and not _goes_on_at(answer, start):
                start = 0
            if _announced(answer, start) not in (None, self.length):
                raise _other_file(url, self.length)
            self._store(answer, start)
        if self._there() > self.length:
            raise _other_file(url, self.length)
        if self._there() < self.length:
            raise _BrokenError("the connection ended early")

    def _store(self, answer: "Response", start: int) -> None:
        bar = tqdm(
            total=self.length,
            initial=start,
            desc=self.partial.stem,
            unit="B",
            unit_scale=True,
            leave=False,
            disable=None,
        )
        with bar, self.partial.open("r+b" if start else "wb") as file:
            file.seek(start)
            for chunk in _chunks(answer):
                bar.update(file.write(chunk))


def _other_file(url: str, length: int) -> TrainingError:
    return TrainingError(f"{url}: has not {length} bytes, so it is another file now; give a folder of pictures instead")


@contextlib.contextmanager
def _answer(url: str, start: int) -> Iterator["Response"]:
    """A server's good answer to a request for the bytes of a file from `start` on. Raises as `_continue`."""
    import requests

    header = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
    try:
        answer = requests.get(url, headers=header, stream=True, timeout=TIMEOUT_S)
    except requests.RequestException as error:
        raise _BrokenError(f"no connection to the server ({_reason(error)})") from error
    with answer:
        if answer.status_code in _TRANSIENT:
            raise _BrokenError(f"the server answers {answer.status_code} {answer.reason}")
        if answer.status_code not in (200, 206):
            raise TrainingError(
                f"{url}: the server answers {answer.status_code} {answer.reason}; "
                "download DIV2K by hand and give its folder instead"
            )
        yield answer


def _goes_on_at(answer: "Response", start: int) -> bool:
    """Whether an answer holds the bytes from `start` on; servers may also send the whole file."""
    return bool(answer.status_code == 206 and answer.headers.get("Content-Range", "").startswith(f"bytes {start}-"))


def _announced(answer: "Response", start: int) -> int | None:
    """The length of the whole file, if the server tells it."""
    rest = answer.headers.get("Content-Length", "")
    return start + int(rest) if rest.isdigit() else None


def _chunks(answer: "Response") -> Iterator[bytes]:
    import requests

    try:
        yield from answer.iter_content(CHUNK_BYTES)
    except requests.RequestException as error:
        raise _BrokenError(f"the connection broke ({_reason(error)})") from error


def _reason(error: BaseException) -> str:
    """The innermost cause in one line: requests wraps urllib3's errors, which wrap the system's."""
    while error.__context__ is not None:
        error = error.__context__
    return getattr(error, "strerror", None) or " ".join(str(error).split()) or type(error).__name__


def _unpack(path: Path, goal: str, root: Path) -> None:
    """Unpacks one folder of an archive, whole or not at all, and nothing that lies outside it."""
    temporary = Path(tempfile.mkdtemp(prefix=_UNPACKING, suffix=".part", dir=root))
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if name.startswith(f"{goal}/") and not name.endswith("/")]
            if not names or any(".." in PurePosixPath(name).parts for name in names):
                raise zipfile.BadZipFile(f"no folder {goal} of pictures in it")
            for name in tqdm(names, desc=f"unpacking {goal}", unit="file", leave=False, disable=None):
                archive.extract(name, temporary)
        (root / goal).parent.mkdir(parents=True, exist_ok=True)
        os.rename(temporary / goal, root / goal)
    except (zipfile.BadZipFile, NotImplementedError) as error:
        path.unlink()
        raise TrainingError(f"{path}: cannot be unpacked ({error}); it was removed; start again") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
