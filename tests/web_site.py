"""A web server on this machine that serves files, with faults on demand."""

import hashlib
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

from sesr.data.downloads import RemoteFile


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

    def file(self, name: str) -> RemoteFile:
        """Return the address, length and checksum of a file as it is now."""
        data = self.files[name]
        return RemoteFile(self.url + name, len(data), hashlib.sha256(data).hexdigest())


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


@contextmanager
def serving(files: Mapping[str, bytes]) -> Iterator[Site]:
    """Serve files by name."""
    site = Site(dict(files))
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("SiteHandler", (Handler,), {"site": site}))
    site.url = f"http://127.0.0.1:{server.server_port}/"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
