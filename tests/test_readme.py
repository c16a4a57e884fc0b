"""The README's commands and its Python run as they stand, and what it shows exists."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from sesr.inference.zoo import list_networks

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
    """What the README's commands find: its drawing, as PNG and as JPEG, in two places."""
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


@SHIPPED
def test_python(folder: Path) -> None:
    for code in re.findall(r"```python\n(.*?)```", README, re.DOTALL):
        done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


def test_ci_runs_the_command_that_the_readme_gives() -> None:
    (command,) = block("tests")
    assert command.endswith("-m pytest")
    assert "<!-- tests -->" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_links_and_tree_name_what_exists() -> None:
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
    named = set(re.findall(r"^ +(\w+\.py)|(?:, )(\w+\.py)(?=[ ,])", README, re.MULTILINE))
    names = {name for pair in named for name in pair if name}
    sources = {path.name for path in (ROOT / "src" / "sesr").rglob("*.py") if not path.name.startswith("__")}
    assert sources - names <= {"cli.py", "errors.py"}, "missing from the README's tree"
    examples = {path.name for path in (ROOT / "examples").glob("*.py")}
    assert names == names & (sources | examples), "named in the README, but gone"
