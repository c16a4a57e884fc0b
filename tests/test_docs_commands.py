"""The commands and the Python on the documentation's pages run as they stand.

A fenced block of ``sh`` or ``python`` is run, page by page, in a folder with the files that the pages name. A block
that cannot be run says why in a comment above it::

    <!-- not run: takes hours -->

Blocks of other languages (``text``, ``toml``, ``cpp`` ...) are not run. Every block has a language.
"""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.pictures import noise

import sesr

DOCS = Path(__file__).parents[1] / "docs"
BLOCK = re.compile(
    r"(?:^<!-- not run: (?P<reason>[^\n]+) -->\n)?^(?P<fence>```)(?P<language>\w*)\n(?P<text>.*?)^```$", re.M | re.S
)
COMMANDS = ("sh", "python")
PACKAGE = str(Path(sesr.__file__).parents[1])
"""The package that the tests run, also where another one is installed."""


@dataclass(frozen=True)
class Block:
    """A fenced block of a page, and the reason why it is not run, empty if it is."""

    language: str
    text: str
    reason: str


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    return [Block(match["language"], match["text"], match["reason"] or "") for match in BLOCK.finditer(text)]


PAGES = [path for path in sorted(DOCS.rglob("*.md")) if any(block.language in COMMANDS for block in blocks(path))]


def named(page: Path) -> str:
    return page.relative_to(DOCS).as_posix()


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=named)
def test_every_block_has_a_language(page: Path) -> None:
    assert page.read_text(encoding="utf-8").count("\n```") == 2 * len(blocks(page))
    assert all(block.language for block in blocks(page))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with the files that the pages name, and `sesr` and `python` as commands."""
    with Image.open(DOCS.parent / "examples" / "drawing.png") as drawing:
        small = drawing.convert("RGB").resize((300, 225))
    places = ("photo.jpg", "drawing.png", "album/one.jpg", "album/two.png", "benchmark/Set5/HR/one.png")
    for name in (*places, "frames/1.png", *(f"{kind}/{n}.png" for kind in ("photographs", "validation") for n in "ab")):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        small.save(tmp_path / name)
    for page in DOCS.rglob("*.md"):
        for block in blocks(page):
            if block.language == "toml" and 'name = "mine"' in block.text:
                (tmp_path / "mine.toml").write_text(block.text, encoding="utf-8")
    commands = {"sesr": f'"{sys.executable}" -m sesr', "python": f'"{sys.executable}"'}
    (tmp_path / "bin").mkdir()
    for name, command in commands.items():
        path = tmp_path / "bin" / name
        path.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        path.chmod(0o755)
    return tmp_path


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("bash") is None, reason="the commands are for a shell")
@pytest.mark.parametrize("page", PAGES, ids=named)
def test_commands(page: Path, folder: Path) -> None:
    path = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "PYTHONPATH": PACKAGE}
    for block in blocks(page):
        if block.language in COMMANDS and not block.reason:
            shell = ["bash", "-euo", "pipefail", "-c"] if block.language == "sh" else [sys.executable, "-c"]
            command = [*shell, block.text]
            done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
            assert done.returncode == 0, f"{block.text}\n{done.stderr}"


@pytest.mark.slow
@pytest.mark.usefixtures("float32")
@pytest.mark.skipif(not all(map(shutil.which, ("cmake", "c++"))), reason="needs CMake and a compiler")
def test_a_program_with_the_engine(tmp_path: Path) -> None:
    """The example of the page about the engine in C++ gives the pixels that the package gives."""
    embed = DOCS / "deploy" / "embed"
    picture = noise(37, 53, 0, 3)
    Image.fromarray(picture).save(tmp_path / "photo.ppm")
    steps: list[list[object]] = [
        [sys.executable, embed / "weights.py", "m5", "2", "weights.bin"],
        ["cmake", f"-DSESR={DOCS.parent / 'src' / 'native'}", "-DCMAKE_BUILD_TYPE=Release", "-S", embed, "-B", "build"],
        ["cmake", "--build", "build", "-j", "2"],
        ["build/embed", "weights.bin", "photo.ppm", "larger.ppm"],
    ]
    for step in steps:
        environment = os.environ | {"PYTHONPATH": PACKAGE}
        done = subprocess.run(list(map(str, step)), cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    with Image.open(tmp_path / "larger.ppm") as larger:
        assert np.array_equal(np.asarray(larger), sesr.upscale(picture, scale=2))
