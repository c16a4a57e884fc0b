"""The bar over all pictures."""

import sys
import time

import pytest

from sesr.jobs.progress import Bar, Share, is_shown


class Terminal:
    """Stands in for stderr on a terminal, and keeps what is written."""

    encoding = "utf-8"

    def __init__(self, shown: bool) -> None:
        self.shown, self.text = shown, ""

    def isatty(self) -> bool:
        return self.shown

    def write(self, text: str) -> int:
        self.text += text
        return len(text)

    def flush(self) -> None:
        pass


def draw(monkeypatch: pytest.MonkeyPatch, shown: bool) -> str:
    """Work on two pictures of 100 and 300 pixels, and return what stderr got."""
    terminal = Terminal(shown)
    monkeypatch.setattr(sys, "stderr", terminal)
    assert is_shown() is shown
    bar = Bar(2, 400, delay=0)
    first, second = Share(bar, 100), Share(bar, 300)
    for _ in range(4):
        first.advance(10, 40)
    first.finish()
    time.sleep(0.15)  # it is drawn ten times a second at most
    second.advance(1000, 40)  # more than there are: it does not overflow
    second.finish()
    bar.close()
    return terminal.text


def test_a_bar_by_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    text = draw(monkeypatch, shown=True)
    assert "0 of 2" in text
    assert "/400" in text
    assert "1 of 2: 100%" in text
    assert "400/400" in text


def test_no_bar_without_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    assert draw(monkeypatch, shown=False) == ""


def test_a_failed_picture_counts_as_finished(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal(shown=True)
    monkeypatch.setattr(sys, "stderr", terminal)
    bar = Bar(1, 50, delay=0)
    Share(bar, 50).finish()
    bar.move(0)
    bar.close()
    assert "50" in terminal.text
