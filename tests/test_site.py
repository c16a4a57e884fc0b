"""Parts of the documentation that come from the code hold what the code has."""

import dataclasses
import importlib
import re
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

import sesr
from sesr import cli
from sesr.data.settings import DataRecipe
from sesr.errors import SesrError
from sesr.files.formats import FORMATS
from sesr.network.variants import VARIANTS, SESRConfig

pytest.importorskip("mkdocs")
pytest.importorskip("griffe")

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
DRAWINGS = [path for path in sorted(DOCS.rglob("*.svg")) if 'class="drawing"' in path.read_text(encoding="utf-8")]


@pytest.fixture
def hooks(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Load what MkDocs loads."""
    monkeypatch.syspath_prepend(DOCS)
    for name in ("hooks", "drawings"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return importlib.import_module("hooks")


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def test_every_option_of_every_command(hooks: ModuleType) -> None:
    text = hooks.command_line()
    found = dict(hooks.commands(cli.build_parser(), "sesr"))
    assert {"sesr upscale", "sesr train", "sesr benchmark engine"} <= found.keys()
    for name, parser in found.items():
        section = text.split(f"## {name}\n")[1].split("\n## ")[0]
        for action in parser._actions:
            for option in action.option_strings:
                assert re.search(rf"`{option}[ `]", section) or option in ("-h", "--help"), f"{name} {option}"
    assert "%(" not in text
    assert "1 to 64, also 1.5 (default: 2)" in text


def test_every_key_of_a_recipe(hooks: ModuleType) -> None:
    from sesr.training.recipe import CardRecipe, TrainingRecipe

    text = hooks.recipe()
    for section in (SESRConfig, DataRecipe, TrainingRecipe, CardRecipe):
        for field in dataclasses.fields(section):
            (row,) = re.findall(rf"^\| `{field.name}` \|(.*)\|$", text, re.MULTILINE)
            values, default, meaning = (cell.strip() for cell in re.split(r"(?<!\\) \| ", row))
            assert values
            assert meaning, f"say in the docstring of {section.__name__} what {field.name} is"
            if field.default is not dataclasses.MISSING:
                assert tomllib.loads(f"value = {default.strip('`')}")["value"] == list_of(field.default)


def list_of(value: object) -> object:
    """Return a value as TOML has it: lists instead of tuples."""
    return list(map(list_of, value)) if isinstance(value, tuple) else value


def test_every_format(hooks: ModuleType) -> None:
    text = hooks.generated(page("reference/formats.md"))
    for form in FORMATS:
        assert f" {form.name} |" in text
        assert all(suffix in text for suffix in form.suffixes)


def test_what_is_kept_agrees_with_the_formats() -> None:
    """Rows of the table that is written by hand, where a `Format` says the same."""
    head, *lines = re.findall(r"^\|.*\|$", page("reference/formats.md"), re.MULTILINE)
    rows = {cells[0]: cells[1:] for cells in ([cell.strip() for cell in line.split("|")[1:-1]] for line in lines)}
    columns = [cell.strip() for cell in head.split("|")[2:-1]]
    (depth,) = (cells for name, cells in rows.items() if name.startswith("16 bits"))
    formats = {form.name: form for form in FORMATS}
    for at, name in enumerate(columns):
        assert (rows["transparency"][at] == "yes") == formats[name].alpha, name
        assert (depth[at] == "yes") == (16 in formats[name].depths), name
        assert rows["gray stays gray"][at].startswith("yes") == bool(formats[name].gray_modes), name
    assert set(columns) == {form.name for form in FORMATS if form.still}


def test_every_room_is_drawn(hooks: ModuleType) -> None:
    drawing = hooks.floors()
    for room in (path.parent.name for path in (ROOT / "src" / "sesr").glob("*/__init__.py")):
        assert f">{room}</text>" in drawing
    assert "arrays only" in drawing


def test_the_figure_of_the_collapse(hooks: ModuleType) -> None:
    """It is what `python docs/drawings.py` draws, and its numbers are the network's."""
    drawings = sys.modules["drawings"]
    drawing = page("research/collapse.svg")
    assert drawing == drawings.draw_collapse(SESRConfig(m=5))
    assert f"{VARIANTS['m5'].weights:,} weights" in drawing
    assert "40,960 weights" in drawing


def test_the_figure_of_winograd(hooks: ModuleType) -> None:
    assert page("inside/winograd.svg") == sys.modules["drawings"].draw_winograd()


def test_the_figure_of_the_engine(hooks: ModuleType) -> None:
    assert page("inside/engine.svg") == sys.modules["drawings"].draw_engine()


@pytest.mark.needs("torch")
def test_weights_while_training(hooks: ModuleType) -> None:
    from sesr.network.linear_block import LinearBlock

    network = sesr.SESR(m=5)
    blocks = [block for block in network.modules() if isinstance(block, LinearBlock)]
    weights = sum(weight.numel() for block in blocks for weight in block.parameters() if weight.ndim > 1)
    assert sys.modules["drawings"].training_weights(VARIANTS["m5"]) == weights


@pytest.mark.parametrize("drawing", DRAWINGS, ids=lambda path: path.name)
def test_every_drawing_has_dark_colors(hooks: ModuleType, drawing: Path) -> None:
    assert len(DRAWINGS) >= 2
    text = hooks.themed(drawing.read_text(encoding="utf-8"))
    slate = re.escape('[data-md-color-scheme="slate"] .drawing ')
    dark = set(re.findall(rf"^{slate}\[(\w+=\"#\w+\")\]", text, re.MULTILINE))
    shapes = text.split("</style>")[1]
    assert set(re.findall(r'\b((?:fill|stroke)="#\w+")', shapes)) <= dark
    assert "prefers-color-scheme" not in text


@pytest.mark.parametrize("drawing", DRAWINGS, ids=lambda path: path.name)
def test_every_drawing_shows_its_colors_without_style_sheets(drawing: Path) -> None:
    text = re.sub(r"<style>.*?</style>", "", drawing.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert "var(" not in text
    assert "style=" not in text
    words = re.findall(r"<text [^>]*>", text)
    assert words
    assert all('fill="#' in tag for tag in words)


def test_drawings_follow_the_pages_theme(hooks: ModuleType) -> None:
    text = hooks.with_drawings("before\n\n![words](collapse.svg)\n\nafter\n", DOCS / "research")
    assert '[data-md-color-scheme="slate"] .drawing [fill=' in text
    assert "@media" not in text
    assert text.startswith("before\n\n<div>\n<svg")
    picture = "![words](x4_from_x2.png)\n"
    assert hooks.with_drawings(picture, DOCS / "research") == picture


def test_links_to_what_lies_outside_the_docs(hooks: ModuleType) -> None:
    text = "[a](../CONTRIBUTING.md#the-house) ![b](../examples/comparison.png) [c](faq.md) [d](https://example.org/x)"
    there = "[a](contributing.md#the-house) ![b](comparison.png) [c](faq.md) [d](https://example.org/x)"
    assert hooks.with_links_in_site(text, "index.md") == there
    assert hooks.with_links_in_site("[a](../../CHANGELOG.md)", "inside/engine.md") == "[a](../changelog.md)"


@pytest.mark.parametrize("path", sorted(DOCS.rglob("*.md")), ids=lambda path: path.relative_to(DOCS).as_posix())
def test_a_generated_page_says_so_outside_the_site(hooks: ModuleType, path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    if re.search("^(<!-- generated: |::: )", text, re.MULTILINE):
        note = re.findall("<!-- outside the site -->(.*?)<!-- end -->", text, re.DOTALL)
        assert any("generated: `mkdocs serve`" in found for found in note)
    assert "outside the site" not in hooks.without_notes(text)


def test_a_name_that_nothing_generates(hooks: ModuleType) -> None:
    with pytest.raises(KeyError, match="fromats"):
        hooks.generated("<!-- generated: fromats -->")


def test_links_of_pages_in_the_root(hooks: ModuleType) -> None:
    text = "[a](docs/inside/engine.md#kernels) [b](CONTRIBUTING.md) [c](README.md) [d](https://example.org/x) [e](#f)"
    assert hooks.with_links_from_docs(text) == (
        "[a](inside/engine.md#kernels) [b](contributing.md) [c](index.md) [d](https://example.org/x) [e](#f)"
    )


def test_every_public_name_has_its_reference() -> None:
    text = page("reference/python.md")
    assert set(re.findall(r"^::: sesr\.(\w+)$", text, re.MULTILINE)) == set(sesr.__all__) - {"__version__"}
    assert "sesr.__version__" in text
    assert SesrError.__name__ in text


def test_every_environment_variable() -> None:
    text = page("reference/environment.md")
    read = re.compile(r'"((?:SESR|ONEDNN|DNNL|VIPS)_[A-Z_]+|RANK|WORLD_SIZE|LOCAL_RANK)"')
    for path in (ROOT / "src" / "sesr").rglob("*.py"):
        for name in read.findall(path.read_text(encoding="utf-8")):
            assert f"`{name}`" in text, f"{path.name} reads {name}"


def test_exit_codes_are_the_command_lines() -> None:
    listed = re.findall(r"^\| (\d+) \|", page("reference/exit-codes.md"), re.MULTILINE)
    assert listed == re.findall(r"^(\d+) {2,}\w", cli.__doc__ or "", re.MULTILINE)
