"""`sesr demo`: a page in the browser that enlarges pictures, served from this computer to this computer alone.

The page is one file, built from ``web/`` (`web/page/build.mjs`), with the engine as WebAssembly inside. It fetches the
networks from here, and the code that saves videos. The server knows nothing else, and answers no other computer.
"""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

from sesr.commands.arguments import Arguments, add_command, port
from sesr.errors import UsageError

if TYPE_CHECKING:
    from sesr.commands.arguments import Commands

HOST = "127.0.0.1"
PAGE = Path(__file__).resolve().parent.parent / "page" / "index.html"
_PAGE_FILES = {"": PAGE, "index.html": PAGE, "video.js": PAGE.with_name("video.js")}
_TYPES = {".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8"}
_NETWORKS = "weights/"


def add_demo(commands: "Commands") -> None:
    """Add the subcommand."""
    parser = add_command(commands, "demo", _demo, "open a page in the browser that enlarges pictures on this computer")
    parser.add_argument("--port", type=port, default=8765, help="port to serve the page on (default: %(default)s)")
    parser.add_argument("--no-browser", action="store_true", help="only serve the page, and print its address")


def _demo(arguments: Arguments) -> int:
    import webbrowser

    server = serve(arguments.port)
    url = f"http://{HOST}:{server.server_port}/"
    print(f"{url}  (Ctrl-C ends it)", flush=True)
    if not arguments.no_browser:
        webbrowser.open(url)
    with server:
        server.serve_forever()
    return 0


def serve(number: int) -> ThreadingHTTPServer:
    """Return a server for the page on a port of this computer; 0 takes any that is free.

    Raises `UsageError` where the port is taken.
    """
    try:
        return ThreadingHTTPServer((HOST, number), _Handler)
    except OSError as error:
        problem = error.strerror or error
        raise UsageError(
            f"--port {number}: {problem}; name another port, such as --port {number % 65535 + 1}"
        ) from error


class _Handler(BaseHTTPRequestHandler):
    """Answers with the page's and the networks' files. Anything else is 404."""

    def do_GET(self) -> None:
        file = _file(self.path.partition("?")[0].lstrip("/"))
        if not self._asked_here() or file is None:
            self.send_error(404)
            return
        content = file.read_bytes()
        self.send_response(200)
        self.send_header("Content-Type", _TYPES.get(file.suffix, "application/octet-stream"))
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-cache")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Referrer-Policy", "no-referrer")
        self.end_headers()
        self.wfile.write(content)

    def _asked_here(self) -> bool:
        """Return False for a page of another site whose name was made to lead here (DNS rebinding)."""
        return self.headers.get("Host", "").partition(":")[0] in (HOST, "localhost")

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing: the terminal shows the address."""


def _file(name: str) -> Path | None:
    """Return the file of a request; None for one that is not served."""
    from sesr.network.zoo import list_networks

    if name in _PAGE_FILES:
        return _PAGE_FILES[name]
    served = {network.safetensors.name: network.safetensors for network in list_networks() if network.safetensors}
    return served.get(name.removeprefix(_NETWORKS)) if name.startswith(_NETWORKS) else None
