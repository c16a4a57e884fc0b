"""Tests of the manual page, which the build makes from the command's parser."""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sesr.cli import build_parser

SOURCE = Path(__file__).parents[1] / "src"


@pytest.fixture(scope="module")
def page() -> str:
    """The page as the build makes it: by a Python that has no packages."""
    command = [sys.executable, "-S", str(SOURCE / "manual.py"), "1.2.3"]
    return subprocess.run(command, capture_output=True, check=True).stdout.decode()


def parsers(parser: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    groups = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    return [parser, *(inner for group in groups for sub in group.choices.values() for inner in parsers(sub))]


def test_names_every_command_and_option(page: str) -> None:
    text = page.replace("\\-", "-")
    for parser in parsers(build_parser()):
        if not any(isinstance(action, argparse._SubParsersAction) for action in parser._actions):
            section = text.split(f"\n.SS {parser.prog}\n")[1].split("\n.SS ")[0]
            for action in parser._actions:
                for name in action.option_strings:
                    assert f"\\fB{name}\\fR" in section or name in ("-h", "--help")
    assert '"sesr 1.2.3"' in text
    assert "\\fB130\\fR" in text


def test_is_utf8_on_every_system(page: str) -> None:
    command = [sys.executable, "-S", str(SOURCE / "manual.py"), "1.2.3é"]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, capture_output=True, check=True, env=environment)
    assert done.stdout.decode() == page.replace("1.2.3", "1.2.3é")


def test_no_line_is_a_command_by_mistake(page: str) -> None:
    for line in page.splitlines():
        assert not line.startswith("'")
        assert not line.startswith(".") or line.split()[0] in (".TH", ".SH", ".SS", ".TP")


@pytest.mark.skipif(shutil.which("mandoc") is None, reason="needs mandoc")
def test_is_well_formed(page: str) -> None:
    done = subprocess.run(["mandoc", "-T", "lint", "-W", "error"], input=page, capture_output=True, text=True)
    assert done.stdout == ""


@pytest.mark.skipif(sys.platform != "linux" or shutil.which("man") is None, reason="needs Linux's man")
def test_can_be_read(page: str) -> None:
    done = subprocess.run(["man", "-l", "-"], input=page, capture_output=True, text=True, check=True)
    assert "sesr upscale" in done.stdout
