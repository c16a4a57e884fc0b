"""What MkDocs runs while it builds the site: pages that lie elsewhere, and parts of pages that come from the code.

`mkdocs.yml` names this file under ``hooks``. MkDocs calls the functions whose names begin with ``on_``.
"""

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]

PAGES = {"CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
"""Pages of the site that lie in the repository's root, where people look for them first."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that lie in the root."""
    for source, name in PAGES.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        files.append(File.generated(config, name, content=with_links_from_docs(text)))
    return files


def with_links_from_docs(text: str) -> str:
    """Turn links as they are in the root into links as they are in the folder of the docs."""
    names = PAGES | {"README.md": "index.md"}
    return re.sub(r"\]\((?:docs/)?([^):#]+)", lambda match: f"]({names.get(match[1], match[1])}", text)
