"""Tests of links between the pages of documentation: each leads to a file that exists, and to a heading in it."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def anchors(page: Path) -> set[str]:
    """Return the names that a link may point to: explicit `<a id>`s, and headings as GitHub spells them."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    explicit = set(re.findall(r'<a id="([^"]+)">', text))
    headings = re.findall(r"^#+ (.+)$", re.sub(r"<[^>]+>", "", text), re.MULTILINE)
    return explicit | {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!\w+:)([^)\s]+)\)", page.read_text(encoding="utf-8")):
        file, _, anchor = target.partition("#")
        linked = (page.parent / file).resolve() if file else page
        assert linked.exists(), target
        if anchor and linked.suffix == ".md":  # a picture's says for which theme it is
            assert anchor in anchors(linked), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_no_line_of_text_begins_with_a_comment(page: Path) -> None:
    """To GitHub such a line is HTML: it ends the paragraph, and its links and stars stay as they are."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    assert not re.findall(r"^ *<!--[^>]*-->[ ]*[^<\s].*", text, re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_files_that_are_named_exist(page: Path) -> None:
    """Names of recipes and sources; `NAME` stands for any, and `git show` prints files of the history."""
    text = re.sub(r"git show \S+", "", page.read_text(encoding="utf-8"))
    for name in re.findall(r"\b(?:recipes|src|tests|docs)/[\w./-]+\.(?:toml|py|cpp|hpp|inl|md|svg|png)\b", text):
        assert "NAME" in name or (ROOT / name).exists(), name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_yaml_and_json_can_be_read(page: Path) -> None:
    """Manifests for schedulers, which nothing here can run."""
    for kind, block in re.findall(r"^```(yaml|json)\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.M):
        if kind == "json":
            assert json.loads(block)
        else:
            assert pytest.importorskip("yaml").safe_load(block)
