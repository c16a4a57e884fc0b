"""Object stores by URL, through obstore: S3, Google Cloud Storage, Azure, and local folders.

An object appears whole or not at all, which the library guarantees. Its faults are sorted into two kinds
(`sesr.bulk.faults`):

- A *picture's fault* becomes a `PictureError`: there is no such object, the store refuses the key or the access to it,
  a name is too long.
- A *store's fault* becomes a `StoreError`. What may pass (no network, too many requests) is tried again before that;
  what may not (no credentials, no such bucket) is raised at once.

Keys are exact: whatever Unicode, spaces, ``%20``, ``+``, ``#`` they hold, nothing is encoded, decoded or normalized.
Stores like S3 know keys that the library refuses, such as ``a//b``, since it takes a key for a path: they cannot be
listed, and come from inventories (`sesr.bulk.plan`).
"""

import random
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from sesr.bulk.faults import (
    AbsentError,
    is_archived,
    is_no_bucket,
    is_of_identity,
    one_line,
    passing,
    reason,
    refusal,
    remedy,
)
from sesr.bulk.urls import check_url, folder_of, open_client
from sesr.errors import PictureError, SesrError, StoreError

WAITS = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Seconds to wait before each further try, about."""

_PIECE = 8 << 20
_PAGE = 1000
_T = TypeVar("_T")


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


class _Connection:
    """The part that copies of a store share: the library's client, and whether the store has ever answered."""

    def __init__(self, url: str) -> None:
        self.url, self.worked = url, False

    @cached_property
    def client(self) -> Any:  # noqa: ANN401 - one of several classes of the library
        return open_client(self.url)


class _Tries:
    """Tries of one call, and the waits between them."""

    def __init__(self, waits: Sequence[float], stop: threading.Event) -> None:
        self._all, self._stop, self.count = waits, stop, 1
        self._left = iter(waits)

    def another(self) -> bool:
        """Wait before a further try; False if there is none left, or nobody wants one any more."""
        wait = next(self._left, None)
        if wait is None or self._stop.wait(wait * random.uniform(0.5, 1)):
            return False
        self.count += 1
        return True

    def begin(self) -> None:
        """Count from the first again, since something worked."""
        self._left, self.count = iter(self._all), 1

    def __str__(self) -> str:
        return f"after {self.count} {'try' if self.count == 1 else 'tries'}"


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
        check_url(url)
        self.url, self._waits = url.rstrip("/"), WAITS if waits is None else tuple(waits)
        self._local, self._stop = self.url.startswith("file:"), stop or threading.Event()
        self._connection = _Connection(self.url)

    def __reduce__(self) -> tuple[Any, ...]:
        return Store, (self.url, self._waits)

    @property
    def _client(self) -> Any:  # noqa: ANN401 - one of several classes of the library
        return self._connection.client

    @property
    def keeps_attributes(self) -> bool:
        """True if objects can have attributes."""
        return not self._local

    def until(self, stop: threading.Event, waits: Sequence[float] | None = None) -> "Store":
        """Return the same store, perhaps with other waits, which tries nothing again once `stop` is set."""
        copy = Store(self.url, self._waits if waits is None else waits, stop=stop)
        copy._connection = self._connection
        return copy

    def make(self) -> None:
        """Make the folder, where the store is one. Raises `StoreError`."""
        if self._local:
            try:
                folder_of(self.url).mkdir(parents=True, exist_ok=True)
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

        with suppress(AbsentError):
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
        except AbsentError:
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
        except AbsentError as error:
            if self._local and not folder_of(self.url).is_dir():  # as when it is not mounted here: no picture's fault
                raise StoreError(f"{self.url}: no such folder; check the name, and that it is mounted") from error
            raise

    def put(self, key: str, content: bytes | Path, attributes: Mapping[str, str] | None = None) -> None:
        """Write an object, whole or not at all; one that exists is replaced. Raises `StoreError`, `PictureError`."""
        import obstore

        options: dict[str, Any] = {"attributes": dict(attributes)} if attributes and self.keeps_attributes else {}
        try:
            self._tried(key, lambda: obstore.put(self._client, key, content, **options), denied=StoreError)
        except AbsentError as error:
            raise StoreError(f"{self.url}: no such bucket, container or folder; check the name") from error

    def find(self, key: str, *, denied: type[SesrError] = PictureError) -> Stored | None:
        """Return what the store says about an object, None where there is none.

        Raises `StoreError`, `PictureError`, and `denied` where access is.
        """
        import obstore

        def once() -> Stored:
            if self._local:
                meta, attributes = obstore.head(self._client, key), {}
            else:
                found = obstore.get(self._client, key, options={"head": True})
                meta, attributes = found.meta, dict(found.attributes)
            return Stored(_bare(meta["e_tag"]), meta["last_modified"], attributes)

        with suppress(AbsentError):
            return self._tried(key, once, denied)
        return None

    def delete(self, key: str) -> None:
        """Remove an object, if there is one; where that is not allowed, empty it. Raises `StoreError`."""
        import obstore

        try:
            self._tried(key, lambda: obstore.delete(self._client, key), denied=_DeniedError)
        except _DeniedError:
            self.put(key, b"")
        except AbsentError:
            pass

    def pages(self) -> Iterator[list[Listed]]:
        """Yield all objects, a thousand at a time, as the store lists them.

        A listing that breaks off goes on where it was. Raises `StoreError`, `PictureError` if there is no such folder.
        """
        import obstore
        from obstore import exceptions

        last: str | None = None
        tries = _Tries(self._waits, self._stop)
        while True:
            options: dict[str, Any] = {} if last is None else {"offset": last}
            try:
                pages = iter(obstore.list(self._client, chunk_size=_PAGE, **options))
                while (page := next(pages, None)) is not None:
                    yield [(meta["path"], meta["size"], _bare(meta["e_tag"])) for meta in page]
                    last = page[-1]["path"] if page else last
                    tries.begin()
                    self._connection.worked = True
                return
            except exceptions.InvalidPathError as error:
                cause = one_line(error).removeprefix("Encountered object with invalid path: ")
                advice = "rename it, or plan from an inventory (sesr plan --from)"
                raise StoreError(f"{self.url}: cannot be listed for one key ({cause}); {advice}") from error
            except passing() as error:
                self._raise_what_stays(error, tries.count)
                out_of_order = self._local and last is not None  # so nobody knows what has not come yet
                if out_of_order or not tries.another():
                    advice = "check the name and access"
                    raise StoreError(f"{self.url}: cannot be listed ({reason(error)}); {advice}") from error

    def direct(self) -> list[Listed]:
        """Return the objects right below the URL, without those further down. Raises `StoreError`."""
        import obstore

        found = self._tried("", lambda: obstore.list_with_delimiter(self._client), denied=StoreError)
        return [(meta["path"], meta["size"], _bare(meta["e_tag"])) for meta in found["objects"]]

    def folders(self, key: str) -> list[str]:
        """Return the names of the folders right below one. Raises `StoreError`."""
        import obstore

        try:
            found = self._tried(key, lambda: obstore.list_with_delimiter(self._client, key), denied=StoreError)
        except AbsentError:
            return []
        return sorted(str(path).rstrip("/").rpartition("/")[2] for path in found["common_prefixes"])

    def written(self, folder: str) -> Iterator[tuple[str, int, datetime]]:
        """Yield the objects below a folder of this store: key, bytes, and when it was written. Raises `StoreError`.

        It tries once, since nothing depends on it.
        """
        import obstore

        try:
            for page in obstore.list(self._client, folder, chunk_size=_PAGE):
                yield from ((meta["path"], meta["size"], meta["last_modified"]) for meta in page)
        except passing() as error:
            raise StoreError(f"{self.name(folder)}: cannot be listed ({reason(error)})") from error

    def _raise_what_stays(self, error: BaseException, tries: int) -> None:
        """Raise `StoreError` for a fault of the store's that no further try would mend."""
        if is_no_bucket(error):
            raise StoreError(f"{self.url}: no such bucket or container; check the name") from error
        scheme = self.url.partition(":")[0]
        if (text := remedy(error, scheme, worked=self._connection.worked, tries=tries)) is not None:
            raise StoreError(f"{self.url}: {text}") from error

    def _tried(self, key: str, call: Callable[[], _T], denied: type[SesrError] = PictureError) -> _T:
        """Call until it works, or until the last wait is over."""
        from obstore import exceptions

        tries = _Tries(self._waits, self._stop)
        while True:
            try:
                result = call()
                self._connection.worked = True
                return result
            except exceptions.NotSupportedError:
                raise
            except FileNotFoundError as error:
                if is_no_bucket(error):
                    self._raise_what_stays(error, tries.count)
                raise AbsentError(f"{self.name(key)}: no such object; check the name") from error
            except (ValueError, exceptions.InvalidPathError) as error:
                raise PictureError(f"{self.name(key)}: the store's library refuses this key; rename it") from error
            except (exceptions.PermissionDeniedError, PermissionError) as error:
                if is_of_identity(error):
                    self._raise_what_stays(error, tries.count)
                if is_archived(error):
                    raise PictureError(f"{self.name(key)}: the object is archived; restore it first") from error
                raise denied(f"{self.name(key)}: access is denied; check the credentials and their rights") from error
            except passing() as error:
                if (text := refusal(error)) is not None:
                    raise PictureError(f"{self.name(key)}: {text}; rename it") from error
                self._raise_what_stays(error, tries.count)
                if not tries.another():
                    raise StoreError(f"{self.name(key)}: {reason(error)} ({tries}); run it again") from error


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


def _bare(etag: str | None) -> str | None:
    """Return an ETag without its quotes, which some listings have and others lack."""
    return None if etag is None else etag.strip('"')
