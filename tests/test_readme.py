"""The README's commands and its Python run as they stand, and what it shows exists."""

import csv
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from sesr.network.variants import VARIANTS
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


def quality(scale: int) -> list[str]:
    """The README's lines of a scale, from the measured table: PSNR in dB, the paper's with its status."""
    with (ROOT / "results" / "quality.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["scale"] == str(scale)]
    found = {(row["network"], row["set"], row["method"]): row for row in rows}
    lines = []
    for name in ("bicubic", *dict.fromkeys(row["network"] for row in rows)):
        network, method = ("m5", "bicubic") if name == "bicubic" else (name, "ours")
        cells = []
        for benchmark in ("Set5", "Set14", "BSD100"):
            paper = found.get((name, benchmark, "paper"))
            cells.append(f"{float(found[network, benchmark, method]['psnr']):.2f}")
            cells.append("" if paper is None else f"{float(paper['psnr']):.2f} {paper['status'].split('/')[0]}")
        weights = "" if name == "bicubic" else f"{replace(VARIANTS[name], scale=scale).weights:,}"
        label = name if name == "bicubic" else f"SESR-{name.upper()}"
        lines.append(" | ".join(["", f"{label} x{scale}", weights, *cells, ""]).strip().replace("|  |", "| |"))
    return lines


@pytest.mark.parametrize("scale", [2, 4])
def test_figures_are_the_measured_ones(scale: int) -> None:
    for line in quality(scale):
        assert line in README.splitlines(), "\n".join(["the README should have", *quality(scale)])


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
