"""`-`: a picture from stdin, a picture to stdout, and nothing else there."""

import io
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from PIL import Image

from sesr.cli import main


def picture(codec: str = "PNG", size: tuple[int, int] = (6, 4)) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, (200, 90, 40)).save(file, codec)
    return file.getvalue()


def run(
    network: str, *arguments: object, stdin: bytes = b"", env: Mapping[str, str] = os.environ
) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "sesr", "upscale", "-m", network, *map(str, arguments)]
    return subprocess.run(command, input=stdin, capture_output=True, check=False, env=dict(env))


def opened(content: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


@pytest.mark.parametrize(
    ("arguments", "stdin", "codec"),
    [
        (["-", "-o", "-", "-f", "png"], "JPEG", "PNG"),
        (["-"], "PNG", "PNG"),
        (["-", "-f", "jpg"], "PNG", "JPEG"),
        (["-", "-f", "same"], "WEBP", "WEBP"),
        (["-o", "-", "-", "-f", "tiff"], "BMP", "TIFF"),
    ],
)
def test_from_stdin_to_stdout(network: str, arguments: list[str], stdin: str, codec: str) -> None:
    done = run(network, *arguments, stdin=picture(stdin))
    assert (done.returncode, done.stderr) == (0, b"")
    image = opened(done.stdout)
    assert (image.format, image.size) == (codec, (12, 8))


def test_from_a_file_to_stdout(network: str, photo: Path) -> None:
    done = run(network, photo, "-o", "-")
    assert (done.returncode, done.stderr) == (0, b"")
    assert opened(done.stdout).size == (60, 40)
    assert list(photo.parent.iterdir()) == [photo]


def test_from_stdin_into_files(network: str, photo: Path) -> None:
    done = run(network, "-", "-o", photo.with_name("out.webp"), stdin=picture())
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode() == f"stdin -> {photo.with_name('out.webp')}  6 x 4 -> 12 x 8\n"
    done = run(network, photo, "-", "-o", photo.with_name("new"), stdin=picture())
    assert done.returncode == 0
    assert sorted(path.name for path in photo.with_name("new").iterdir()) == ["photo_x2.png", "stdin_x2.png"]


def test_a_file_that_is_called_so(network: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "-").write_bytes(picture())
    monkeypatch.chdir(tmp_path)
    assert main(["upscale", "-m", network, "./-"]) == 0
    assert (tmp_path / "-_x2.png").exists()


@pytest.mark.parametrize("content", ["", "hello", "cut"])
def test_a_failure_writes_nothing_to_stdout(network: str, content: str) -> None:
    done = run(network, "-", stdin={"": b"", "hello": b"hello", "cut": picture(size=(90, 90))[:200]}[content])
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.startswith(b"sesr: stdin: ")
    assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-", "-", "-o", "out"], "can be read only once"),
        (["a.png", "b.png", "-o", "-"], "stdout takes one picture, not 2"),
        (["-", "a.png"], "the result of stdin has no folder"),
        (["-", "--json"], "would both go to stdout"),
        (["a.png", "-o", "-", "--json"], "would both go to stdout"),
        (["folder", "-o", "-"], "stdout takes one picture, not 2"),
        (["-", "-f", "xyz"], "format 'xyz' is unknown"),
    ],
)
def test_streams_that_cannot_be_meant(network: str, tmp_path: Path, arguments: list[str], message: str) -> None:
    (tmp_path / "folder").mkdir()
    for name in ("a.png", "b.png", "folder/c.png", "folder/d.png"):
        (tmp_path / name).write_bytes(picture())
    names = ("a.png", "b.png", "folder", "out")
    given = [f"{tmp_path}/{argument}" if argument in names else argument for argument in arguments]
    done = run(network, *given, stdin=picture())
    assert (done.returncode, done.stdout) == (2, b"")
    assert message in done.stderr.decode()
    assert not (tmp_path / "out").exists()


def test_the_temporary_folder_is_left_clean(network: str, tmp_path: Path) -> None:
    env = {**os.environ, "TMPDIR": str(tmp_path)}
    assert run(network, "-", stdin=picture(), env=env).returncode == 0
    assert run(network, "-", stdin=b"hello", env=env).returncode == 1
    assert not any(tmp_path.iterdir())


@pytest.mark.skipif(sys.platform == "win32", reason="no such pipes")
def test_a_reader_that_goes_away(network: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "sesr", "upscale", "-m", network, "-"]
    done = subprocess.run(command, input=picture(), stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk(network: str) -> None:
    with open("/dev/full", "wb") as full:
        command = [sys.executable, "-m", "sesr", "upscale", "-m", network, "-"]
        done = subprocess.run(command, input=picture(), stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(b"sesr: output: No space left on device")
    assert done.stderr.count(b"\n") == 1


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="no terminals")
@pytest.mark.parametrize("stream", ["stdin", "stdout"])
def test_terminals_are_no_pictures(network: str, stream: str) -> None:
    controller, terminal = os.openpty()
    streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, stream: terminal}
    command = [sys.executable, "-m", "sesr", "upscale", "-m", network, "-"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, **streams) as process:  # type: ignore[call-overload]
        complaint = process.communicate(None if stream == "stdin" else picture())[1]
    os.close(terminal)
    os.close(controller)
    assert process.returncode == 2
    assert b"terminal" in complaint


def test_closed_streams(network: str, photo: Path) -> None:
    """As some schedulers start programs: what needs no stream works."""
    shell = f'"{sys.executable}" -m sesr upscale -m "{network}"'
    done = subprocess.run(f'{shell} "{photo}" <&- >&-', shell=True, capture_output=True, check=False)
    assert done.stderr == b""
    assert photo.with_name("photo_x2.png").exists()
    done = subprocess.run(f"{shell} - <&-", shell=True, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"stdin is closed" in done.stderr
    done = subprocess.run(f'{shell} "{photo}" -o - >&-', shell=True, capture_output=True, check=False)
    assert done.returncode == 2
    assert b"stdout is closed" in done.stderr
