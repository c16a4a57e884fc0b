"""Text of a page in Markdown, as examples/tables.py writes it, and figures on pages that come from nowhere."""

import re
from collections.abc import Iterable, Iterator, Sequence
from textwrap import fill

MARKED = re.compile(
    r"(?P<start><!-- (?P<kind>from results|by hand): (?P<name>[^>]+) -->)(?P<text>.*?)(?P<end><!-- end -->)", re.DOTALL
)
"""A part of a page that a table fills, or that somebody wrote by hand and gives a reason for."""

_UNITS = "dB|ms|MB|GB|fps|frames/s|seconds|s|%|kB|minutes|hours|times as fast"
_FIGURE = re.compile(rf"(?<![\w.,-])\d[\d.,]*(?: to \d[\d.,]*)?[  ]?(?:{_UNITS})(?![\w/])")
_CODE = re.compile(r"^ *```.*?^ *```|`[^`\n]*`", re.DOTALL | re.MULTILINE)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    first, *rest = ["|" + "|".join(f" {cell} " if cell else " " for cell in line) + "|" for line in (head, *rows)]
    return "\n".join([first, "|" + "---|" * len(head), *rest])


def paragraph(*sentences: str) -> str:
    """Return sentences in lines of the usual length."""
    return fill(" ".join(sentences), 120, break_long_words=False, break_on_hyphens=False)


def unmarked_figures(page: str) -> Iterator[tuple[int, str]]:
    """Yield line numbers and figures, such as 71 ms, that stand neither between marks nor in code."""
    for number, line in enumerate(_without(_CODE, _without(MARKED, page)).split("\n"), 1):
        for found in _FIGURE.finditer(line):
            yield number, found[0]


def _without(pattern: re.Pattern[str], text: str) -> str:
    """Return a text without what matches, its line numbers kept."""
    return pattern.sub(lambda match: "\n" * match[0].count("\n"), text)
