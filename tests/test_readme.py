"""The README's commands and its Python run as they stand, and what it shows exists."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from sesr.evaluation.published import published
from sesr.network.zoo import list_networks

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SHIPPED = pytest.mark.skipif(not list_networks(), reason="no network is shipped yet")


def block(label: str) -> list[str]:
    """The lines of the fenced block that follows a label."""
    found = re.search(rf"<!-- {label} -->\n```\n(.*?)```", README, re.DOTALL)
    assert found, label
    return found[1].splitlines()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with the files that the README's commands name: a drawing as PNG and as JPEG, in two places."""
    (tmp_path / "examples").mkdir()
    with Image.open(ROOT / "examples" / "drawing.png") as drawing:
        small = drawing.convert("RGB").resize((64, 48))
    for name in ("drawing.png", "drawing.jpg", "photo.jpg", "examples/drawing.png"):
        small.save(tmp_path / name)
    return tmp_path


def run(command: str, folder: Path) -> None:
    arguments = command.removeprefix(".venv/bin/").removeprefix("sesr").split()
    done = subprocess.run([sys.executable, "-m", "sesr", *arguments], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@SHIPPED
def test_commands_of_the_first_steps(folder: Path) -> None:
    (install,) = block("install")
    run(install.split(" && ")[-1], folder)
    for command in block("run"):
        run(command, folder)
    sizes = {}
    for name in ("examples/drawing_x2.png", "twice.jpg", "enlarged/drawing_x2.png", "enlarged/photo_x2.png"):
        with Image.open(folder / name) as picture:
            sizes[name] = picture.size
    assert set(sizes.values()) == {(128, 96)}, sizes


@pytest.mark.needs("torch")
@SHIPPED
def test_python(folder: Path) -> None:
    for code in re.findall(r"```python\n(.*?)```", README, re.DOTALL):
        done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


def test_the_papers_figures_are_verified_ones() -> None:
    """Recalled ones stay on other pages, in brackets."""
    table = README.split("<!-- from results: quality -->")[1].split("<!-- end -->")[0]
    head, _, *lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.strip().splitlines()]
    papers = [(at, head[at - 1]) for at, name in enumerate(head) if name == "paper"]
    printed = 0
    for cells in lines:
        for at, benchmark in papers:
            if cells[at]:
                name, scale = cells[0].lower().removeprefix("sesr-").split(" x")
                cell = published(name, int(scale), benchmark)
                assert cell is not None
                assert cell.psnr_source is not None
                assert f"{cell.psnr:.2f}" == cells[at]
                printed += 1
    assert printed == 12


def test_ci_runs_the_command_that_the_readme_gives() -> None:
    (command,) = block("tests")
    assert command.endswith("-m pytest -n auto")
    assert "<!-- tests -->" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_links_lead_to_files() -> None:
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target


def test_contributing_names_every_room() -> None:
    contributing = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rooms = {path.parent.name for path in (ROOT / "src" / "sesr").glob("*/__init__.py")}
    assert rooms <= set(re.findall(r"^ +(\w+)/", contributing, re.MULTILINE))
