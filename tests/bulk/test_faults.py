"""Faults of stores: which are tried again, and what the others say. A server answers each bucket with one."""

import errno
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

pytest.importorskip("obstore")

from sesr.bulk.faults import reason, refusal, remedy
from sesr.bulk.stores import Store
from sesr.errors import PictureError, StoreError

ANSWERS = {
    "denied": (403, "AccessDenied"),
    "bad-key": (403, "InvalidAccessKeyId"),
    "expired": (400, "ExpiredToken"),
    "no-bucket": (404, "NoSuchBucket"),
    "unknown": (401, "Unauthorized"),
    "elsewhere": (301, "PermanentRedirect"),
    "archived": (403, "InvalidObjectState"),
    "busy": (503, "SlowDown"),
    "slow": (400, "RequestTimeout"),
    "many": (429, "TooManyRequests"),
}
STAYING = {
    "denied": "access is denied; check the credentials and their rights",
    "bad-key": r"the store refuses the request \(403 Forbidden, InvalidAccessKeyId\); check the credentials",
    "expired": r"the store refuses the request \(400 Bad Request, ExpiredToken\); check the credentials",
    "no-bucket": "s3://no-bucket: no such bucket or container; check the name",
    "unknown": r"the store refuses the request \(401 Unauthorized, Unauthorized\); check the credentials",
    "elsewhere": "s3://elsewhere: the bucket is in another region; set AWS_REGION",
}


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter[str]]:
    """Count requests by bucket; each is answered with the bucket's fault."""
    counts = Counter[str]()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            bucket = self.path.lstrip("/").replace("?", "/").split("/")[0]
            counts[bucket] += 1
            status, code = ANSWERS[bucket]
            content = b"" if self.command == "HEAD" else f"<Error><Code>{code}</Code></Error>".encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_PUT = do_HEAD = do_POST = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for name, value in {"ACCESS_KEY_ID": "a", "SECRET_ACCESS_KEY": "b", "REGION": "x", "ALLOW_HTTP": "true"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("AWS_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    yield counts
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("bucket", STAYING)
def test_what_stays_is_said_at_once(bucket: str, requests: Counter[str]) -> None:
    store = Store(f"s3://{bucket}")
    for call in (lambda: list(store.pages()), lambda: store.read("k"), lambda: store.put("k", b"x"), store.direct):
        requests.clear()
        with pytest.raises(StoreError, match=STAYING[bucket]):
            call()
        assert requests == {bucket: 1}


@pytest.mark.parametrize("bucket", ["busy", "slow", "many"])
def test_what_may_pass_is_tried_again(bucket: str, requests: Counter[str]) -> None:
    with pytest.raises(StoreError, match=rf"s3://{bucket}/k: \d+ [A-Za-z ]+, \w+ \(after 6 tries\); run it again"):
        Store(f"s3://{bucket}").read("k")
    assert requests == {bucket: 6}


def test_one_pictures_access_and_everybodys(requests: Counter[str], tmp_path: Path) -> None:
    """Who is denied one picture goes on to the next; who is not known does not."""
    for bucket, kind, message in (
        ("denied", PictureError, "access is denied"),
        ("archived", PictureError, "the object is archived; restore it first"),
        ("bad-key", StoreError, "InvalidAccessKeyId"),
        ("no-bucket", StoreError, "no such bucket"),
    ):
        with pytest.raises(kind, match=message):
            Store(f"s3://{bucket}").fetch("a.jpg", tmp_path / "x")


ROLE = "Error performing PUT http://169.254.169.254/latest/api/token in 1ms - "


@pytest.mark.parametrize(
    ("text", "tries", "worked", "stays"),
    [
        (ROLE + "HTTP error: error sending request", 2, False, False),  # in a new container, it comes later
        (ROLE + "HTTP error: error sending request", 3, False, True),
        (ROLE.replace("169.254.169.254", "169.254.170.2") + "HTTP error: error sending request", 3, False, True),
        (ROLE + "Server returned non-2xx status code: 403 Forbidden: ", 1, False, True),
        (ROLE + "Server returned non-2xx status code: 503 Service Unavailable: ", 5, False, False),
        (ROLE + "HTTP error: error sending request", 5, True, False),  # it had credentials, and wants new ones
    ],
)
def test_a_machine_without_a_role(text: str, tries: int, worked: bool, stays: bool) -> None:
    message = "no credentials in the environment, and this machine has no role; set AWS_ACCESS_KEY_ID and"
    found = remedy(Exception(text), "s3", worked=worked, tries=tries)
    assert (found is not None) == stays
    assert found is None or found.startswith(message)


@pytest.mark.skipif(sys.platform == "win32", reason="other numbers of errors")
def test_a_disk_without_room_is_said_at_once() -> None:
    error = Exception(f"Generic LocalFileSystem error: Unable to copy: No space left (os error {errno.ENOSPC})")
    assert remedy(error, "file", worked=True, tries=1) == "no space left; make room, or name another place"
    fixed = Exception(f"Generic LocalFileSystem error: Unable to open: Read-only (os error {errno.EROFS})")
    assert remedy(fixed, "file", worked=True, tries=1) == "read-only; name a place that can be written"
    other = Exception(f"Generic LocalFileSystem error: Unable to copy: Input/output error (os error {errno.EIO})")
    assert remedy(other, "file", worked=True, tries=1) is None


def test_texts_of_faults() -> None:
    long = Exception("Generic S3 error: 400 Bad Request: <Error><Code>KeyTooLongError</Code>")
    assert refusal(long) == "the key is too long"
    assert refusal(Exception("connection refused")) is None
    answer = "Error performing GET http://a/b in 1ms - Server returned non-2xx status code: 503 Service Unavailable: "
    assert reason(Exception(answer)) == "503 Service Unavailable"
    assert reason(Exception("connection refused\n\nmore")) == "connection refused"
