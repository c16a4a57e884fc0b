"""The README's commands and its Python run as they stand, and what it shows exists."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from sesr.cli import build_parser
from sesr.network.zoo import list_networks

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SHIPPED = pytest.mark.skipif(not list_networks(), reason="no network is shipped yet")


def block(label: str) -> list[str]:
    """The lines of the fenced block that follows a label."""
    found = re.search(rf"<!-- {label} -->\n```sh\n(.*?)```", README, re.DOTALL)
    assert found, label
    return found[1].splitlines()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with the files that the README's commands name, all of one small drawing."""
    with Image.open(ROOT / "examples" / "drawing.png") as drawing:
        small = drawing.convert("RGB").resize((64, 48))
    for name in ("photo.jpg", "examples/drawing.png", "album/one.png", "album/two.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
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
    results = ("examples/drawing_x2.png", "photo_x2.png", "enlarged/one_x2.png", "enlarged/two_x2.png", "large.jpg")
    for name in results:
        with Image.open(folder / name) as picture:
            sizes[name] = picture.size
    assert sizes == dict.fromkeys(results, (128, 96)) | {"large.jpg": (256, 192)}


@pytest.mark.needs("export", "onnx")
@SHIPPED
def test_commands_that_export(folder: Path) -> None:
    commands = re.findall(r"^sesr export .*", README, re.MULTILINE)
    assert len(commands) == 2
    for command in commands:
        run(command, folder)
    assert (folder / "sesr.onnx").stat().st_size > 50_000
    assert (folder / "sesr_int8.tflite").stat().st_size > 10_000


@pytest.mark.needs("msgspec")
@SHIPPED
def test_the_recipe_that_trains_on_any_pictures() -> None:
    """It needs no run that went before, and no pictures of certain names."""
    from sesr.training.recipe_file import load_recipe

    (command,) = re.findall(r"^sesr train .*", README, re.MULTILINE)
    recipe = load_recipe(ROOT / build_parser().parse_args(command.split()[1:]).recipe)
    shipped = {network.name for network in list_networks()}
    assert recipe.stages[0].training.init_from == ""
    assert {stage.training.teacher for stage in recipe.stages} <= shipped | {""}
    assert {stage.data.pictures for stage in recipe.stages} == {("*",)}
    assert f"runs/{recipe.stem}/sesr_{recipe.stem}.safetensors" in README


@SHIPPED
def test_python(folder: Path) -> None:
    for code in re.findall(r"```python\n(.*?)```", README, re.DOTALL):
        done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    with Image.open(folder / "larger.png") as picture:
        assert picture.size == (128, 96)


def test_it_is_short() -> None:
    """A stranger reads one screen; everything else has its page under docs."""
    assert len(README.splitlines()) < 200
    assert len(re.findall(r"^\|(?:---\|)+$", README, re.MULTILINE)) == 1


def test_ci_runs_the_command_that_the_readme_gives() -> None:
    (command,) = block("tests")
    assert command.endswith("-m pytest -n auto")
    assert "<!-- tests -->" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_links_lead_somewhere() -> None:
    for target, anchor in re.findall(r"\]\((?!http)([^)#]+)#?([^)]*)\)", README):
        page = ROOT / target
        assert page.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_links_for_pypi(tmp_path: Path) -> None:
    """PyPI shows the README alone, so its links and pictures name the repository."""
    page = tmp_path / "README.md"
    page.write_text(README, encoding="utf-8")
    where = "https://example.org/sesr"
    subprocess.run([sys.executable, ROOT / ".ci" / "absolute_links", page, where, "v1.0"], check=True)
    text = page.read_text(encoding="utf-8")
    assert f"]({where}/raw/v1.0/examples/comparison.png)" in text
    assert f"]({where}/blob/v1.0/docs/faq.md#why-does-it-look-soft)" in text
    assert not re.findall(r"\]\((?!https:)[^)]*\)", text)
    assert text.count("](") == README.count("](")


def test_contributing_names_every_room() -> None:
    contributing = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rooms = {path.parent.name for path in (ROOT / "src" / "sesr").glob("*/__init__.py")}
    assert rooms <= set(re.findall(r"^ +(\w+)/", contributing, re.MULTILINE))
