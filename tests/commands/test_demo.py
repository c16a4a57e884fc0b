"""`sesr demo` serves the page and the networks, to this computer alone."""

import http.client
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from urllib.request import urlopen

import pytest

from sesr.cli import main
from sesr.commands.demo import PAGE, serve
from sesr.network.zoo import WEIGHTS


@pytest.fixture
def port() -> Iterator[int]:
    """Port of a running server."""
    with serve(0) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def get(port: int, path: str, host: str | None = None) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", path, headers={"Host": host or f"127.0.0.1:{port}"})
    return connection.getresponse()


def test_serves_the_page(port: int) -> None:
    answer = get(port, "/")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.read() == PAGE.read_bytes()


def test_serves_the_code_that_saves_videos(port: int) -> None:
    answer = get(port, "/video.js")
    assert answer.headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert b"mediabunny" in answer.read()


def test_serves_every_network_that_the_page_names(port: int) -> None:
    text = PAGE.read_text(encoding="utf-8")
    names = [path.stem.removeprefix("sesr_") for path in WEIGHTS.glob("*.safetensors") if "-relu" not in path.stem]
    assert names
    for name in names:
        assert f'"{name}":null' in text
        answer = get(port, f"/weights/sesr_{name}.safetensors")
        assert answer.read() == (WEIGHTS / f"sesr_{name}.safetensors").read_bytes()


@pytest.mark.parametrize(
    "path", ["/weights/", "/weights/../cli.py", "/weights/%2e%2e/cli.py", "/cli.py", "//etc/passwd", "/weights/m5"]
)
def test_serves_nothing_else(port: int, path: str) -> None:
    assert get(port, path).status == 404


def test_answers_no_other_name(port: int) -> None:
    """A page of another site cannot read from here, whatever its name is made to lead to."""
    assert get(port, "/", f"evil.example:{port}").status == 404
    assert get(port, "/", f"localhost:{port}").status == 200


def test_a_port_that_is_taken(port: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--no-browser", "--port", str(port)]) == 2
    assert capsys.readouterr().err.startswith(f"sesr: --port {port}: ")


@pytest.mark.parametrize("text", ["-1", "65536", "x"])
def test_a_port_that_is_none(text: str) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["demo", f"--port={text}"])
    assert stop.value.code == 2


@pytest.mark.skipif(sys.platform == "win32", reason="SIGINT cannot be sent to one process")
def test_runs_until_it_is_stopped() -> None:
    command = [sys.executable, "-m", "sesr", "demo", "--no-browser", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = process.stdout.readline().split()[0]
        assert address.startswith("http://127.0.0.1:")
        with urlopen(address) as answer:
            assert answer.read() == PAGE.read_bytes()
        os.kill(process.pid, signal.SIGINT)
        assert process.wait(20) == 130
