"""URLs of stores: which there are, what they name, and obstore's own store for each.

``memory://NAME`` is a store within this process, for tests and trials.
"""

import os
import re
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from sesr.bulk.faults import AbsentError, one_line
from sesr.errors import NotInstalledError, StoreError, UsageError

SCHEMES = ("s3", "gs", "az", "file", "memory")

_URL = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*)://")
_memories: dict[str, Any] = {}


def is_url(text: str) -> bool:
    """Tell whether a text is meant as a URL rather than as a path."""
    return _URL.match(text) is not None


def as_url(text: str) -> str:
    """Return a URL as it is, and a local path as a ``file://`` URL."""
    return text if is_url(text) else Path(text).absolute().as_uri()


def check_url(url: str) -> None:
    """Raise `UsageError` for other URLs than those of stores, `NotInstalledError` without obstore."""
    found = _URL.match(url)
    if found is None or found[1] not in SCHEMES:
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


def open_client(url: str) -> Any:  # noqa: ANN401 - one of several classes
    """Open the library's own store. Raises `StoreError`, and `PictureError` for a folder that there is not."""
    from obstore import store as stores

    scheme, _, place = url.partition("://")
    if scheme == "memory":
        return _memories.setdefault(url, stores.MemoryStore())
    if scheme == "file" and not folder_of(url).is_dir():
        raise AbsentError(f"{url}: no such folder; check the name")
    try:
        if scheme == "file":
            return stores.LocalStore(folder_of(url))
        options: dict[str, Any] = {  # trying again is done here, for all stores alike
            "client_options": {"timeout": "1h", "read_timeout": "2m", "connect_timeout": "10s", **_plain_http()},
            "retry_config": {"max_retries": 0, "retry_timeout": timedelta(0)},
        }
        return stores.from_url(f"{scheme}://{quote(place, safe='/@:')}", **options)
    except Exception as error:
        raise StoreError(f"{url}: cannot be opened ({one_line(error)}); check the name and credentials") from error


def _plain_http() -> dict[str, bool]:
    """Return the client's option for stores without TLS, which the environment asks for by the library's names."""
    wanted = any(os.environ.get(f"{cloud}_ALLOW_HTTP", "").lower() in ("true", "1") for cloud in ("AWS", "AZURE"))
    return {"allow_http": True} if wanted else {}


def folder_of(url: str) -> Path:
    """Return the folder that a ``file://`` URL names."""
    return Path(unquote(url.removeprefix("file://")) or os.sep)
