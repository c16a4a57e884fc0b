"""Object stores by URL, through obstore: S3, Google Cloud Storage, Azure, and local folders.

An object appears whole or not at all, which the library guarantees. Its faults are sorted into two kinds:

- A *picture's fault* becomes a `PictureError`: there is no such object, the store refuses the key or the access to it,
  a name is too long.
- A *store's fault* (no network, too many requests, expired credentials) is tried again, and then becomes a
  `StoreError`.

Keys are exact: whatever Unicode, spaces, ``%20``, ``+``, ``#`` they hold, nothing is encoded, decoded or normalized.
Stores like S3 know keys that the library refuses, such as ``a//b``, since it takes a key for a path: they cannot be
listed, and come from inventories (`sesr.bulk.plan`).

``memory://NAME`` is a store within this process, for tests and trials.
"""

import errno
import os
import random
import re
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, unquote

from sesr.errors import NotInstalledError, PictureError, SesrError, StoreError, UsageError

SCHEMES = ("s3", "gs", "az", "file", "memory")

WAITS = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Seconds to wait before each further try, about."""

_URL = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*)://")
_REFUSED = re.compile(r"([^:]+) \(os error (\d+)\)|(KeyTooLong)")
_ERRORS_OF_NAMES = {errno.EISDIR, errno.ENOTDIR, errno.ENAMETOOLONG, errno.EINVAL, errno.ELOOP}
_SERVERS_OF_ROLES = ("169.254.169.254", "metadata.google.internal")
_PIECE = 8 << 20
_PAGE = 1000
_T = TypeVar("_T")
_memories: dict[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Stored:
    """An object, as the store tells of it.

    Attributes:
        etag: changes whenever the object does; None where the store has none.
        modified: when it was written.
        attributes: what was put with it; empty in local folders, which cannot keep any.
    """

    etag: str | None
    modified: datetime
    attributes: Mapping[str, str]


Listed = tuple[str, int, str | None]
"""An object in a listing: key, bytes, ETag."""


def is_url(text: str) -> bool:
    """Tell whether a text is meant as a URL rather than as a path."""
    return _URL.match(text) is not None


def as_url(text: str) -> str:
    """Return a URL as it is, and a local path as a ``file://`` URL."""
    return text if is_url(text) else Path(text).absolute().as_uri()


class Store:
    """The objects below a URL, with keys that count from there.

    It can be pickled, and is opened again on the other side. Any thread may use it.

    Args:
        url: ``s3://bucket/prefix``, ``gs://``, ``az://container/prefix`` or ``file:///folder``. Credentials,
            region and endpoint come from the environment, as the cloud's own tools have them.
        waits: seconds before each further try; None takes `WAITS`.
        stop: when it is set, nothing is tried again.

    Raises `UsageError` for other URLs, `NotInstalledError` without obstore. Methods raise `StoreError` if the store
    cannot be set up.
    """

    def __init__(self, url: str, waits: Sequence[float] | None = None, *, stop: threading.Event | None = None) -> None:
        _check(url)
        self.url, self._waits = url.rstrip("/"), WAITS if waits is None else tuple(waits)
        self._local, self._stop = self.url.startswith("file:"), stop or threading.Event()

    def __reduce__(self) -> tuple[Any, ...]:
        return Store, (self.url, self._waits)

    @cached_property
    def _client(self) -> Any:  # noqa: ANN401 - one of several classes of the library
        return _client(self.url)

    @property
    def keeps_attributes(self) -> bool:
        """True if objects can have attributes."""
        return not self._local

    def until(self, stop: threading.Event) -> "Store":
        """Return the same store, which tries nothing again once `stop` is set."""
        return Store(self.url, self._waits, stop=stop)

    def make(self) -> None:
        """Make the folder, where the store is one. Raises `StoreError`."""
        if self._local:
            try:
                _folder(self.url).mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise StoreError(f"{self.url}: the folder cannot be made ({error.strerror}); name another") from error

    def name(self, key: str) -> str:
        """Return an object's name for people."""
        return f"{self.url}/{key}"

    def read(self, key: str) -> bytes | None:
        """Return a small object's content, None where there is none. Raises `StoreError`."""
        import obstore

        def once() -> bytes:
            return bytes(obstore.get(self._client, key).bytes())

        with suppress(_AbsentError):
            return self._tried(key, once, denied=StoreError)
        return None

    def end(self, key: str, count: int) -> bytes | None:
        """Return the last `count` bytes of an object, or all of it; None where there is none. Raises as `read`."""
        import obstore
        from obstore import exceptions

        def once() -> bytes:
            return bytes(obstore.get(self._client, key, options={"range": {"suffix": count}}).bytes())

        try:
            return self._tried(key, once, denied=StoreError)
        except _AbsentError:
            return None
        except exceptions.NotSupportedError:  # as on Azure
            return self.read(key)

    def fetch(self, key: str, path: Path) -> str | None:
        """Copy an object into a file and return its ETag.

        Raises `StoreError`, `PictureError`, and `OSError` if the file cannot be written.
        """
        import obstore

        def once() -> str | None:
            found = obstore.get(self._client, key)
            meta = found.meta
            size = _save(found.stream(min_chunk_size=_PIECE), path)
            if size != meta["size"]:
                raise ConnectionError(f"{size} of {meta['size']} bytes came")
            return _bare(meta["e_tag"])

        try:
            return self._tried(key, once)
        except _FileError as error:
            raise error.cause from None

    def put(self, key: str, content: bytes | Path, attributes: Mapping[str, str] | None = None) -> None:
        """Write an object, whole or not at all; one that exists is replaced. Raises `StoreError`, `PictureError`."""
        import obstore

        options: dict[str, Any] = {"attributes": dict(attributes)} if attributes and self.keeps_attributes else {}
        try:
            self._tried(key, lambda: obstore.put(self._client, key, content, **options), denied=StoreError)
        except _AbsentError as error:
            raise StoreError(f"{self.url}: no such bucket, container or folder; check the name") from error

    def find(self, key: str) -> Stored | None:
        """Return what the store says about an object, None where there is none. Raises `StoreError`, `PictureError`."""
        import obstore

        def once() -> Stored:
            if self._local:
                meta, attributes = obstore.head(self._client, key), {}
            else:
                found = obstore.get(self._client, key, options={"head": True})
                meta, attributes = found.meta, dict(found.attributes)
            return Stored(_bare(meta["e_tag"]), meta["last_modified"], attributes)

        with suppress(_AbsentError):
            return self._tried(key, once)
        return None

    def delete(self, key: str) -> None:
        """Remove an object, if there is one; where that is not allowed, empty it. Raises `StoreError`."""
        import obstore

        try:
            self._tried(key, lambda: obstore.delete(self._client, key), denied=_DeniedError)
        except _DeniedError:
            self.put(key, b"")
        except _AbsentError:
            pass

    def pages(self) -> Iterator[list[Listed]]:
        """Yield all objects, a thousand at a time, as the store lists them.

        A listing that breaks off goes on where it was. Raises `StoreError`, `PictureError` if there is no such folder.
        """
        import obstore
        from obstore import exceptions

        last: str | None = None
        tries = iter(self._waits)
        while True:
            options: dict[str, Any] = {} if last is None else {"offset": last}
            try:
                pages = iter(obstore.list(self._client, chunk_size=_PAGE, **options))
                while (page := next(pages, None)) is not None:
                    yield [(meta["path"], meta["size"], _bare(meta["e_tag"])) for meta in page]
                    last, tries = page[-1]["path"] if page else last, iter(self._waits)
                return
            except exceptions.InvalidPathError as error:
                reason = _one_line(error).removeprefix("Encountered object with invalid path: ")
                advice = "rename it, or plan from an inventory (sesr plan --from)"
                raise StoreError(f"{self.url}: cannot be listed for one key ({reason}); {advice}") from error
            except _faults() as error:
                self._check_place(error)
                out_of_order = self._local and last is not None  # so nobody knows what has not come yet
                if out_of_order or not self._waited(tries):
                    reason = _reason(error)
                    raise StoreError(f"{self.url}: cannot be listed ({reason}); check the name and access") from error

    def direct(self) -> list[Listed]:
        """Return the objects right below the URL, without those further down. Raises `StoreError`."""
        import obstore

        found = self._tried("", lambda: obstore.list_with_delimiter(self._client), denied=StoreError)
        return [(meta["path"], meta["size"], _bare(meta["e_tag"])) for meta in found["objects"]]

    def _check_place(self, error: BaseException) -> None:
        """Raise for a listing's fault that is no passing one: there is no such place, or nobody may look at it."""
        if _lacks_credentials(error):
            return
        if "404 Not Found" in str(error):
            raise StoreError(f"{self.url}: no such bucket or container; check the name") from error
        if "403 Forbidden" in str(error):
            raise StoreError(f"{self.url}: access is denied; check the credentials and their rights") from error

    def _waited(self, tries: Iterator[float]) -> bool:
        """Wait before a further try; False if there is none left, or nobody wants one any more."""
        wait = next(tries, None)
        return wait is not None and not self._stop.wait(wait * random.uniform(0.5, 1))

    def _tried(self, key: str, call: Callable[[], _T], denied: type[SesrError] = PictureError) -> _T:
        """Call until it works, or until the last wait is over."""
        from obstore import exceptions

        tries = iter(self._waits)
        while True:
            try:
                return call()
            except exceptions.NotSupportedError:
                raise
            except FileNotFoundError as error:
                raise _AbsentError(f"{self.name(key)}: no such object; check the name") from error
            except (ValueError, exceptions.InvalidPathError) as error:
                raise PictureError(f"{self.name(key)}: the store's library refuses this key; rename it") from error
            except (exceptions.PermissionDeniedError, PermissionError) as error:
                raise denied(f"{self.name(key)}: access is denied; check the credentials and their rights") from error
            except _faults() as error:
                self._check_place(error)
                if (refusal := _refusal(error)) is not None:
                    raise PictureError(f"{self.name(key)}: {refusal}; rename it") from error
                if not self._waited(tries):
                    count = f"after {len(self._waits) + 1} tries"
                    raise StoreError(f"{self.name(key)}: {_reason(error)} ({count}); run it again") from error


class _AbsentError(PictureError):
    """There is no such object."""


class _DeniedError(SesrError):
    """The credentials do not allow it."""


class _FileError(Exception):
    """The file here cannot be written, which is no fault of the store's."""

    def __init__(self, cause: OSError) -> None:
        super().__init__(str(cause))
        self.cause = cause


def _save(pieces: Iterable[Any], path: Path) -> int:
    """Write what comes into a file, and return its size. Raises `_FileError`."""
    size = 0
    with _own_fault(), path.open("wb", buffering=0):
        pass
    for piece in pieces:
        with _own_fault(), path.open("ab") as file:
            size += file.write(piece)
    return size


@contextmanager
def _own_fault() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _FileError(error) from error


def _refusal(error: BaseException) -> str | None:
    """Return why no try will ever work, if it is for the name: "file name too long"."""
    found = _REFUSED.search(str(error))
    if found is None:
        return "the store's library refuses this key" if "containing trailing" in str(error) else None
    if found[3]:
        return "the key is too long"
    wrong = sys.platform != "win32" and int(found[2]) in _ERRORS_OF_NAMES
    return found[1].strip().lower() if wrong else None


def _lacks_credentials(error: BaseException) -> bool:
    """Tell whether the last place to find some was asked in vain: the server that knows a machine's role."""
    return any(server in str(error) for server in _SERVERS_OF_ROLES)


def _reason(error: BaseException) -> str:
    """Return a fault as one line: the library's, or what it means."""
    if _lacks_credentials(error):
        return "no credentials: none in the environment, and this machine has no role"
    return _one_line(error)


def _faults() -> tuple[type[Exception], ...]:
    """Return what the library raises for faults that may pass."""
    from obstore import exceptions

    return exceptions.BaseError, OSError, TimeoutError


def unusable_folder(error: OSError) -> StoreError:
    """Return an error for a temporary folder that cannot be used. It ends the work: others would fare no better."""
    reason = error.strerror or str(error)
    try:
        place = tempfile.gettempdir()
    except OSError:
        place = "none"
    advice = "set TMPDIR to a folder that has room and can be written, and run it again"
    return StoreError(f"the temporary folder, {place}, cannot be used ({reason}); {advice}")


def _check(url: str) -> None:
    """Raise `UsageError` for other URLs than those of stores, `NotInstalledError` without obstore."""
    found = _URL.match(url)
    if found is None or found[1].lower() not in SCHEMES:
        raise UsageError(f"{url}: not a store; write {', '.join(f'{name}://' for name in SCHEMES[:-1])} and a name")
    place = url[found.end() :]
    if found[1] == "file" and not place.startswith("/"):
        raise UsageError(f"{url}: names no folder; write file:/// and the whole path, or a plain path")
    if not place.strip("/") and found[1] != "file":
        raise UsageError(f"{url}: names no bucket or container; write it after {url[: found.end()]}")
    try:
        import obstore  # noqa: F401
    except ImportError as error:
        raise NotInstalledError(f"{url}: needs obstore; pip install 'sesr[cloud]'") from error


def _client(url: str) -> Any:  # noqa: ANN401 - one of several classes
    """Open the library's own store. Raises `StoreError`, and `PictureError` for a folder that there is not."""
    from obstore import store as stores

    scheme, _, place = url.partition("://")
    if scheme == "memory":
        return _memories.setdefault(url, stores.MemoryStore())
    if scheme == "file" and not _folder(url).is_dir():
        raise _AbsentError(f"{url}: no such folder; check the name")
    try:
        if scheme == "file":
            return stores.LocalStore(_folder(url))
        options: dict[str, Any] = {  # trying again is done here, for all stores alike
            "client_options": {"timeout": "1h", "read_timeout": "2m", "connect_timeout": "10s", **_plain_http()},
            "retry_config": {"max_retries": 0, "retry_timeout": timedelta(0)},
        }
        return stores.from_url(f"{scheme}://{quote(place, safe='/@:')}", **options)
    except Exception as error:
        raise StoreError(f"{url}: cannot be opened ({_one_line(error)}); check the name and credentials") from error


def _plain_http() -> dict[str, bool]:
    """Return the client's option for stores without TLS, which the environment asks for by the library's names."""
    wanted = any(os.environ.get(f"{cloud}_ALLOW_HTTP", "").lower() in ("true", "1") for cloud in ("AWS", "AZURE"))
    return {"allow_http": True} if wanted else {}


def _folder(url: str) -> Path:
    """Return the folder that a ``file://`` URL names."""
    return Path(unquote(url.removeprefix("file://")) or os.sep)


def _bare(etag: str | None) -> str | None:
    """Return an ETag without its quotes, which some listings have and others lack."""
    return None if etag is None else etag.strip('"')


def _one_line(error: BaseException) -> str:
    """Return the beginning of the library's message, whose whole goes over many lines."""
    text = " ".join((str(error).strip().splitlines() or [type(error).__name__])[0].split())
    return text if len(text) <= 200 else f"{text[:200]}..."
