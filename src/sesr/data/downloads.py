"""Downloads of large files that resume where they broke off.

`pooch` knows a file's checksum and discards what does not match. What it lacks is added here: a download that breaks
continues where it stopped, now or with the next call, since a connection rarely lasts for 3.5 gigabytes.
"""

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from tqdm import tqdm

from sesr.errors import TrainingError

if TYPE_CHECKING:
    from requests import Response

CHUNK_BYTES = 1 << 16
"""Read and written at once. A broken connection loses at most this many bytes."""

TIMEOUT_S = (10, 60)
"""Seconds without a connection, and without a byte, after which a connection counts as broken."""

_TRANSIENT = (408, 429, 500, 502, 503, 504)
"""Status codes of a server that may answer differently in a moment."""


@dataclass(frozen=True)
class RemoteFile:
    """A file on a server.

    Attributes:
        url: its address, which ends with its name.
        length: its length in bytes.
        sha256: its checksum in hexadecimal.
    """

    url: str
    length: int
    sha256: str

    @property
    def name(self) -> str:
        """The last part of the address."""
        return self.url.rpartition("/")[2]


@dataclass(frozen=True)
class Patience:
    """Limits to retrying.

    Attributes:
        attempts: connections in a row that may break without getting further than any before.
        pause_s: seconds before the second attempt. The pause doubles before each further one.
    """

    attempts: int = 5
    pause_s: float = 2.0


def partial_path(folder: Path, name: str) -> Path:
    """Return the path of a file that is still being downloaded."""
    return folder / f"{name}.part"


def download(file: RemoteFile, folder: Path, patience: Patience) -> Path:
    """Download a file into a folder and check it, unless it is there already. Return its path.

    Raises `TrainingError` if the download fails for good or the checksum is wrong, `OSError` if the disk fails.
    """
    pooch = _pooch()
    base = file.url.removesuffix(file.name)
    keeper = pooch.create(path=folder, base_url=base, registry={file.name: f"sha256:{file.sha256}"})
    downloader = ResumingDownloader(partial_path(folder, file.name), file.length, patience)
    try:
        return Path(keeper.fetch(file.name, downloader=downloader))
    except ValueError as error:  # pooch's error for a checksum
        raise TrainingError(
            f"{file.url}: its SHA-256 is not {file.sha256}; the download was removed; start again, and if it is so "
            "again, the file on the server is another one now"
        ) from error


def remove_unchecked(folder: Path) -> None:
    """Remove files that `pooch` was checking when its process was killed; it names them as tempfile does."""
    for file in folder.glob(f"tmp{'[a-z0-9_]' * 8}"):
        file.unlink(missing_ok=True)


def _pooch() -> ModuleType:
    try:
        import pooch  # type: ignore[import-untyped]
    except ImportError as error:
        raise TrainingError("downloads need the package pooch; pip install 'sesr[train]'") from error
    pooch.get_logger().setLevel("WARNING")  # the progress bar says it all
    return pooch  # type: ignore[no-any-return]


class _BrokenError(Exception):
    """A connection failed and may succeed the next time. The text says what happened."""


class ResumingDownloader:
    """A downloader for `pooch` that continues where it, or an earlier process, broke off.

    Args:
        partial: the file for what has arrived so far; kept if a download fails.
        length: length of the whole file in bytes.
        patience: limits to retrying.
    """

    def __init__(self, partial: Path, length: int, patience: Patience) -> None:
        self.partial, self.length, self.patience = partial, length, patience

    def __call__(self, url: str, output_file: str, pooch: object, check_only: bool = False) -> None:
        """Download to `output_file`, as `pooch` asks. Raises `TrainingError`, and `OSError` from the disk."""
        furthest, failed = self._arrived(), 0
        while self._arrived() != self.length:
            try:
                self._continue(url)
            except _BrokenError as error:
                failed = 0 if self._arrived() > furthest else failed + 1
                furthest = max(furthest, self._arrived())
                if failed == self.patience.attempts:
                    raise TrainingError(
                        f"{url}: {error}; {self._arrived()} of {self.length} bytes are kept; "
                        "start again to go on from there, or give a folder of pictures"
                    ) from error
                time.sleep(self.patience.pause_s * 2 ** max(failed - 1, 0))
        os.replace(self.partial, output_file)

    def _arrived(self) -> int:
        """Return the number of bytes on disk."""
        return self.partial.stat().st_size if self.partial.exists() else 0

    def _continue(self, url: str) -> None:
        """Fetch all that is left over one connection. Raises `_BrokenError`, `TrainingError`, `OSError`."""
        if self._arrived() > self.length:
            self.partial.unlink()
        start = self._arrived()
        with _response(url, start) as response:
            if start and not _starts_at(response, start):
                start = 0
            if _announced_length(response, start) not in (None, self.length):
                raise _other_file(url, self.length)
            self._store(response, start)
        if self._arrived() > self.length:
            raise _other_file(url, self.length)
        if self._arrived() < self.length:
            raise _BrokenError("the connection ended early")

    def _store(self, response: "Response", start: int) -> None:
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
            for chunk in _chunks(response):
                bar.update(file.write(chunk))


def _other_file(url: str, length: int) -> TrainingError:
    return TrainingError(f"{url}: has not {length} bytes, so it is another file now; give a folder of pictures instead")


@contextlib.contextmanager
def _response(url: str, start: int) -> Iterator["Response"]:
    """Request a file's bytes from `start` on and yield the response. Raises as `_continue` does."""
    import requests

    header = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
    try:
        response = requests.get(url, headers=header, stream=True, timeout=TIMEOUT_S)
    except requests.RequestException as error:
        raise _BrokenError(f"no connection to the server ({_reason(error)})") from error
    with response:
        status = f"{response.status_code} {response.reason}"
        if response.status_code in _TRANSIENT:
            raise _BrokenError(f"the server answers {status}")
        if response.status_code not in (200, 206):
            raise TrainingError(f"{url}: the server answers {status}; download it by hand and give its folder instead")
        yield response


def _starts_at(response: "Response", start: int) -> bool:
    """Tell whether a response holds the bytes from `start` on; servers may also send the whole file."""
    return response.status_code == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {start}-")


def _announced_length(response: "Response", start: int) -> int | None:
    """Return the length of the whole file, if the server announces it."""
    rest = response.headers.get("Content-Length", "")
    return start + int(rest) if rest.isdigit() else None


def _chunks(response: "Response") -> Iterator[bytes]:
    import requests

    try:
        yield from response.iter_content(CHUNK_BYTES)
    except requests.RequestException as error:
        raise _BrokenError(f"the connection broke ({_reason(error)})") from error


def _reason(error: BaseException) -> str:
    """Return the innermost cause in one line: requests wraps the errors of urllib3, which wraps the system's."""
    while error.__context__ is not None:
        error = error.__context__
    return getattr(error, "strerror", None) or " ".join(str(error).split()) or type(error).__name__
