"""Stores: exact keys, whole objects, and faults sorted by whose they are."""

import pickle
import sys
import threading
import time
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("obstore")

from obstore import exceptions
from tests.bulk.conftest import filled, keys

from sesr.bulk.stores import Store
from sesr.bulk.urls import as_url, is_url
from sesr.errors import NotInstalledError, PictureError, StoreError, UsageError

ODD = [
    "plain.jpg",
    "sp ace.jpg",
    "фото.jpg",
    "写真.jpg",
    unicodedata.normalize("NFC", "é-nfc.jpg"),
    unicodedata.normalize("NFD", "é-nfd.jpg"),
    "a+b%20&c#d.jpg",
    "50%.jpg",
    "q?x=1.jpg",
    "[x]{y}*.jpg",
    "üñ'\"quote.jpg",
    "😀.jpg",
    "deep/er/box.jpg",
]


@pytest.fixture(params=["memory://a", "file"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(request.param) if request.param != "file" else (tmp_path / "in & out #1").as_uri()


def test_keys_are_exact(url: str) -> None:
    store = filled(url, {key: key.encode() for key in ODD})
    assert keys(store) == sorted(ODD)
    for key in ODD:
        assert store.read(key) == key.encode()


@pytest.mark.parametrize("key", ["a//b.jpg", "a/./b.jpg", "a/../b.jpg"])
def test_keys_that_the_library_refuses(url: str, key: str, tmp_path: Path) -> None:
    store = filled(url, {})
    with pytest.raises(PictureError, match="refuses this key"):
        store.fetch(key, tmp_path / "x")
    with pytest.raises(PictureError, match="refuses this key"):
        store.put(key, b"x")


def test_objects(url: str, tmp_path: Path) -> None:
    store = filled(url, {"a/b.jpg": b"content", "c.jpg": b""})
    assert store.read("none") is None
    assert store.find("none") is None
    etag = store.fetch("a/b.jpg", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"content"
    found = store.find("a/b.jpg")
    assert found is not None
    assert found.etag == etag
    assert '"' not in (etag or "")
    assert store.end("a/b.jpg", 3) == b"ent"
    assert store.end("a/b.jpg", 99) == b"content"
    assert store.end("none", 9) is None
    assert [key for key, _, _ in store.direct()] == ["c.jpg"]
    (tmp_path / "copy").write_bytes(b"longer content")
    store.put("a/b.jpg", tmp_path / "copy")
    assert store.read("a/b.jpg") == b"longer content"
    assert store.find("a/b.jpg") != found
    store.delete("a/b.jpg")
    store.delete("a/b.jpg")
    assert keys(store) == ["c.jpg"]


def test_attributes() -> None:
    store = Store("memory://a")
    store.put("a", b"x", {"sesr-source-etag": "abc-1", "Content-Type": "image/png"})
    found = store.find("a")
    assert found is not None
    assert found.attributes["sesr-source-etag"] == "abc-1"


def test_a_store_can_be_pickled(tmp_path: Path) -> None:
    store = filled(tmp_path.as_uri(), {"a": b"x"})
    assert pickle.loads(pickle.dumps(store)).read("a") == b"x"


def test_a_write_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    """What the library promises, and others do not keep."""
    import obstore

    store = filled(tmp_path.as_uri(), {})

    def parts() -> Any:  # noqa: ANN401
        yield b"y" * (6 << 20)
        raise RuntimeError("the worker dies")

    with pytest.raises(Exception, match="the worker dies"):
        obstore.put(store._client, "half", parts())
    assert store.find("half") is None


@pytest.mark.parametrize("failures", [1, 5, 6])
def test_a_stores_fault_is_tried_again(failures: int, monkeypatch: pytest.MonkeyPatch) -> None:
    import obstore

    store, calls, real = filled("memory://a", {"k": b"x"}), [], obstore.get

    def failing(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401
        calls.append(1)
        if len(calls) <= failures:
            raise exceptions.GenericError("Generic S3 error: 503 Slow Down\n\nDebug source: much more")
        return real(*arguments, **options)

    monkeypatch.setattr(obstore, "get", failing)
    if failures <= 5:
        assert store.read("k") == b"x"
    else:
        with pytest.raises(StoreError) as caught:
            store.read("k")
        message = "Generic S3 error: 503 Slow Down (after 6 tries); run it again"
        assert str(caught.value) == f"memory://a/k: {message}"
    assert len(calls) == min(failures + 1, 6)


class Listing:
    """A stand-in for the library's listing of 2,500 objects, which fails at some of its pages."""

    def __init__(self, faults: dict[int, Exception] | None = None) -> None:
        self.faults, self.asked = faults or {}, 0

    def __call__(self, _client: object, chunk_size: int, offset: str = "") -> Iterator[list[dict[str, Any]]]:
        names = [name for name in (f"{number:04}.jpg" for number in range(2500)) if name > offset]
        for start in range(0, len(names), chunk_size):
            self.asked += 1
            if (fault := self.faults.get(self.asked)) is not None:
                raise fault
            yield [{"path": name, "size": 1, "e_tag": None} for name in names[start : start + chunk_size]]


@pytest.mark.parametrize("broken", [[1], [2], [3], [1, 2, 4, 6]])
def test_a_listing_that_breaks_off_goes_on(broken: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    import obstore

    fault = exceptions.GenericError("503 Slow Down")
    monkeypatch.setattr(obstore, "list", Listing(dict.fromkeys(broken, fault)))
    assert keys(Store("memory://a")) == [f"{number:04}.jpg" for number in range(2500)]


@pytest.mark.parametrize("first", [1, 2])
def test_a_listing_that_fails_for_good_ends(first: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """At its first page, or later."""
    import obstore

    listing = Listing(dict.fromkeys(range(first, 99), exceptions.GenericError("503 Slow Down")))
    monkeypatch.setattr(obstore, "list", listing)
    with pytest.raises(StoreError, match=r"memory://a: cannot be listed \(503 Slow Down\); check the name and access"):
        keys(Store("memory://a"))
    assert listing.asked == first + 5


@pytest.mark.parametrize(
    ("key", "reason"),
    [("x" * 300 + ".png", "file name too long"), ("box", "is a directory"), ("file/a.png", "not a directory")],
)
@pytest.mark.skipif(sys.platform == "win32", reason="other numbers of errors")
def test_names_that_cannot_be_are_a_pictures_fault(
    key: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import obstore

    store, calls, real = filled(tmp_path.as_uri(), {"box/a": b"", "file": b""}), [], obstore.put

    def counted(*rest: Any, **options: Any) -> Any:  # noqa: ANN401
        calls.append(1)
        return real(*rest, **options)

    monkeypatch.setattr(obstore, "put", counted)
    with pytest.raises(PictureError, match=f"{reason}; rename it"):
        store.put(key, b"x")
    assert len(calls) == 1


def test_what_may_not_be_deleted_is_emptied(monkeypatch: pytest.MonkeyPatch) -> None:
    import obstore

    def denied(*_: Any, **__: Any) -> Any:  # noqa: ANN401
        raise exceptions.PermissionDeniedError("403")

    monkeypatch.setattr(obstore, "delete", denied)
    store = filled("memory://a", {"k": b"x"})
    store.delete("k")
    assert store.read("k") == b""


def test_a_stop_ends_the_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    import obstore

    def failing(*_: Any, **__: Any) -> Any:  # noqa: ANN401
        threading.Timer(0.1, stop.set).start()
        raise exceptions.GenericError("down")

    monkeypatch.setattr(obstore, "get", failing)
    stop = threading.Event()
    store = Store("memory://a", (60.0,) * 5).until(stop)
    started = time.monotonic()
    with pytest.raises(StoreError, match=r"down \(after 1 try\)"):
        store.read("k")
    assert time.monotonic() - started < 20


def test_a_file_here_that_cannot_be_written_is_no_fault_of_the_stores(tmp_path: Path) -> None:
    store = filled("memory://a", {"k": b"x" * 99})
    with pytest.raises(FileNotFoundError):
        store.fetch("k", tmp_path / "none" / "file")


@pytest.mark.parametrize(("worked", "tries"), [(True, 6), (False, 3)])
def test_copies_share_what_is_known_of_the_store(worked: bool, tries: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that has worked has credentials: the server that renews them may be down."""
    import obstore

    calls: list[int] = []

    def failing(*_: Any, **__: Any) -> Any:  # noqa: ANN401
        calls.append(1)
        raise exceptions.GenericError("Error performing PUT http://169.254.170.2/v2: HTTP error: error sending request")

    store = filled("memory://a", {"k": b"x"} if worked else {})
    copy = store.until(threading.Event())
    monkeypatch.setattr(obstore, "get", failing)
    with pytest.raises(StoreError, match="after 6 tries" if worked else "this machine has no role; set"):
        copy.read("k")
    assert len(calls) == tries


def test_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    import obstore

    def failing(*_: Any, **__: Any) -> Any:  # noqa: ANN401
        raise exceptions.GenericError(
            "Error performing PUT http://169.254.169.254/latest/api/token: error sending request"
        )

    monkeypatch.setattr(obstore, "get", failing)
    with pytest.raises(StoreError, match="no credentials in the environment, and this machine has no role; set"):
        Store("memory://a").read("k")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("s3://", "s3://: names no bucket or container; write it after s3://"),
        ("gs:///", "gs:///: names no bucket"),
        ("file://in2", "file://in2: names no folder; write file:/// and the whole path, or a plain path"),
    ],
)
def test_urls_without_a_place(url: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Store(url)


def test_denied_access_is_a_pictures_fault_in_reading_only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import obstore

    def denied(*_: Any, **__: Any) -> Any:  # noqa: ANN401
        raise exceptions.PermissionDeniedError("403")

    store = Store("memory://a")
    monkeypatch.setattr(obstore, "get", denied)
    monkeypatch.setattr(obstore, "put", denied)
    with pytest.raises(PictureError, match="access is denied"):
        store.fetch("k", tmp_path / "x")
    with pytest.raises(StoreError, match="access is denied"):
        store.put("k", b"")


def test_urls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_url("s3://bucket/key")
    assert not is_url("photo.jpg")
    assert not is_url("C:/photo.jpg")
    assert as_url("s3://a") == "s3://a"
    monkeypatch.chdir(tmp_path)
    assert as_url("a b") == (tmp_path / "a b").as_uri()
    with pytest.raises(UsageError, match=r"ftp://a: not a store; write s3://, gs://, az://, file:// and a name"):
        Store("ftp://a")


def test_a_folder_that_is_missing(tmp_path: Path) -> None:
    store = Store((tmp_path / "none").as_uri())
    assert store.read("a") is None
    with pytest.raises(PictureError, match="none: no such folder; check the name"):
        list(store.pages())


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="the folder cannot be made"):
        filled((tmp_path / "file" / "below").as_uri(), {})


def test_without_obstore(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "obstore", None)
    with pytest.raises(NotInstalledError, match=r"pip install 'sesr\[cloud\]'"):
        Store("s3://a")
