"""Hooks of MkDocs for building the site: pages that lie elsewhere, and parts of pages that come from the code.

`mkdocs.yml` names this file under ``hooks``. MkDocs calls the functions whose names begin with ``on_``. A page asks for
a part that comes from the code by a comment on a line of its own::

    <!-- generated: formats -->

`GENERATED` has the functions by these names. So an option, a recipe's key or a format appears on the site as soon as it
is in the code, in the code's own words. A reader on GitHub sees none of these parts. For that reader such a page has a
note, which the site leaves out::

    <!-- outside the site -->
    This page is generated: `mkdocs serve`.
    <!-- end -->
"""

import argparse
import dataclasses
import posixpath
import re
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from griffe import Docstring, DocstringSectionAttributes
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from drawings import draw_floors
from sesr.cli import build_parser
from sesr.data.settings import DataRecipe
from sesr.files import formats
from sesr.network.variants import SESRConfig
from sesr.training.kinds import described, field_kinds
from sesr.training.recipe import CardRecipe, TrainingRecipe

ROOT = Path(__file__).resolve().parents[1]

PAGES = {"CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
"""Pages of the site that lie in the repository's root, where people look for them first."""

FILES = {
    "examples/comparison.png": "comparison.png",
    **{f"shaders/{path.name}": f"shaders/{path.name}" for path in sorted((ROOT / "shaders").glob("*.glsl"))},
}
"""Pictures and downloads of the site that lie elsewhere."""

_MARK = re.compile(r"^<!-- generated: (.+) -->$", re.MULTILINE)
_DRAWING = re.compile(r"^!\[([^\]]*)\]\(([^)]+\.svg)\)$", re.MULTILINE)
_DARK = re.compile(r"@media \(prefers-color-scheme: dark\) \{\n((?:\.drawing .*\n)+)\}")
_OUTSIDE = re.compile(r"<!-- outside the site -->.*?<!-- end -->\n*", re.DOTALL)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages and files that lie elsewhere."""
    for source, name in PAGES.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        files.append(File.generated(config, name, content=with_links_from_docs(text)))
    for source, name in FILES.items():
        files.append(File.generated(config, name, abs_src_path=str(ROOT / source)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Fill in what comes from the code, and put drawings into the page."""
    name = page.file.src_uri
    text = with_links_in_site(generated(without_notes(markdown)), name)
    return with_drawings(text, (Path(config.docs_dir) / name).parent)


def without_notes(markdown: str) -> str:
    """Leave out notes for readers who see the page's source."""
    return _OUTSIDE.sub("", markdown)


def with_links_in_site(markdown: str, page: str) -> str:
    """Turn links to what lies elsewhere in the repository into links to its place in the site."""
    folder = posixpath.dirname(page)
    elsewhere = {posixpath.join("..", source): name for source, name in (PAGES | FILES).items()}

    def inside(match: re.Match[str]) -> str:
        name = elsewhere.get(posixpath.normpath(posixpath.join(folder, match[1])))
        return f"]({posixpath.relpath(name, folder or '.')}" if name else match[0]

    return re.sub(r"\]\(([^):#]+)", inside, markdown)


def with_links_from_docs(text: str) -> str:
    """Turn links as they are in the root into links as they are in the folder of the docs."""
    names = PAGES | {"README.md": "index.md"}
    return re.sub(r"\]\((?:docs/)?([^):#]+)", lambda match: f"]({names.get(match[1], match[1])}", text)


def generated(markdown: str) -> str:
    """Replace every mark by what its function in `GENERATED` returns. Raises `KeyError` for other names."""
    return _MARK.sub(lambda match: GENERATED[match[1]](), markdown)


def with_drawings(markdown: str, folder: Path) -> str:
    """Put our own drawings into the page as they are, so that they follow its light or dark colors.

    A drawing in a file of its own follows the system's colors; in the page it should follow the page's switch.
    """

    def inlined(match: re.Match[str]) -> str:
        drawing = (folder / match[2]).read_text(encoding="utf-8")
        return f"<div>\n{themed(drawing)}\n</div>" if _DARK.search(drawing) else match[0]

    return _DRAWING.sub(inlined, markdown)


def themed(drawing: str) -> str:
    """Let a drawing's dark colors depend on the page's theme instead of the system's."""
    slate = '[data-md-color-scheme="slate"] .drawing '
    return _DARK.sub(lambda match: match[1].replace(".drawing ", slate).rstrip(), drawing)


# The command line


def command_line() -> str:
    """All commands with their options, as the parser has them."""
    return "\n\n".join(_command(name, parser) for name, parser in commands(build_parser(), "sesr"))


def commands(parser: argparse.ArgumentParser, name: str) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Yield each command that can be run, with its parser."""
    groups = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not groups:
        yield name, parser
    for group in groups:
        for word, command in group.choices.items():
            yield from commands(command, f"{name} {word}")


def _command(name: str, parser: argparse.ArgumentParser) -> str:
    """Return a heading, the usage, and a table for each group of options."""
    parts = [f"## {name}", parser.description or "", f"```text\n{parser.format_usage().strip()}\n```"]
    for group in parser._action_groups:
        actions = [action for action in group._group_actions if "--help" not in action.option_strings]
        if actions:
            head = ["option" if actions[0].option_strings else "argument", "meaning"]
            rows = [[_spelled(action), _explained(action)] for action in actions]
            parts += [group.description or "", _table(head, rows)]
    return "\n\n".join(part for part in parts if part)


def _spelled(action: argparse.Action) -> str:
    """Return an option as one writes it: `-o OUT`, `--output OUT`."""
    value = action.metavar or ("{" + ",".join(map(str, action.choices)) + "}" if action.choices else "")
    value = str(value) if action.nargs != 0 else ""
    return ", ".join(f"`{option} {value}`".replace(" `", "`") for option in action.option_strings) or f"`{value}`"


def _explained(action: argparse.Action) -> str:
    text = (action.help or "") % {"default": action.default, "prog": "sesr"}
    return text.replace("|", "\\|").replace("*", "\\*")


# Recipes


def recipe() -> str:
    """The tables of a recipe, as the dataclasses have them."""
    tables = {"network": SESRConfig, "data": DataRecipe, "training": TrainingRecipe, "card": CardRecipe}
    return "\n\n".join(f"## [{name}]\n\n{_keys(section)}" for name, section in tables.items())


def _keys(section: type[Any]) -> str:
    meanings = attributes(section)
    allowed = field_kinds(section)
    rows = []
    for field in dataclasses.fields(section):
        default = "" if field.default is dataclasses.MISSING else f"`{_toml(field.default)}`"
        meaning = " ".join(meanings.get(field.name, "").split()).replace("|", "\\|")
        rows.append([f"`{field.name}`", described(allowed[field.name]), default, meaning])
    return _table(["key", "values", "default", "meaning"], rows)


def attributes(section: type[Any]) -> dict[str, str]:
    """Return what a class's docstring says about its attributes."""
    parsed = Docstring(section.__doc__ or "").parse("google", warnings=False)
    return {
        attribute.name: attribute.description
        for part in parsed
        if isinstance(part, DocstringSectionAttributes)
        for attribute in part.value
    }


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return f'"{value}"' if isinstance(value, str) else str(value)


# The rest


def floors() -> str:
    """The rooms on their floors, drawn, as the contract in pyproject.toml orders them, in CONTRIBUTING's words."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (contract,) = project["tool"]["importlinter"]["contracts"]
    rows = [[room.strip().removeprefix("sesr.") for room in layer.split("|")] for layer in contract["layers"]]
    contributing = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    tree = re.findall(r"^  (\w+)(?:/|\.py) +(.+)$", contributing, re.MULTILINE)
    drawing = draw_floors(rows, {room: words.replace("`", "") for room, words in tree})
    return f"<div>\n{themed(drawing)}\n</div>"


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


GENERATED: dict[str, Callable[[], str]] = {
    "command line": command_line,
    "recipe": recipe,
    "formats": formats.table,
    "floors": floors,
}
"""Functions that make parts of pages, by the name in a page's mark."""
