"""Write the manual page of `sesr` to stdout in UTF-8, from the command's own parser.

The build runs this file (`src/native/CMakeLists.txt`), and the wheel installs what it writes as
``share/man/man1/sesr.1``. So it needs nothing but Python, not even what the package depends on. To read the page::

    python src/manual.py 0.2.0 | man -l -
"""

import argparse
import re
import sys
from collections.abc import Iterator

from sesr import cli

Parser = argparse.ArgumentParser


def manual(parser: Parser, version: str) -> str:
    """Return the page, in roff."""
    lines = [
        f'.TH SESR 1 "" "sesr {_plain(version)}" "User Commands"',
        ".SH NAME",
        r"sesr \- super-resolution on a plain CPU",
        ".SH SYNOPSIS",
        r"\fBsesr\fR \fICOMMAND\fR [\fIOPTIONS\fR]",
        ".SH DESCRIPTION",
        _plain(parser.description or ""),
        ".SH OPTIONS",
        *_actions(parser),
        ".SH COMMANDS",
    ]
    for name, command in _commands(parser):
        lines += [f".SS {_plain(name)}", _plain(command.description or ""), *_actions(command)]
    lines += [".SH EXIT STATUS"]
    for code, meaning in re.findall(r"^(\d+) +(.+)$", cli.__doc__ or "", re.MULTILINE):
        lines += [".TP", rf"\fB{code}\fR", _plain(meaning)]
    return "\n".join(lines) + "\n"


def _commands(parser: Parser) -> Iterator[tuple[str, Parser]]:
    """Yield each command that can be run, such as ``sesr benchmark speed``, with its parser."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                inner = list(_commands(command))
                yield from inner or [(command.prog, command)]


def _actions(parser: Parser) -> Iterator[str]:
    """Yield the lines for a command's arguments: positional ones first."""
    for action in sorted(parser._actions, key=lambda action: bool(action.option_strings)):
        if action.help is argparse.SUPPRESS or isinstance(action, argparse._SubParsersAction | argparse._HelpAction):
            continue
        value = _value(action)
        names = [rf"\fB{_plain(name)}\fR{value and ' ' + value}" for name in action.option_strings]
        yield from (".TP", ", ".join(names) or value, _plain(_help(parser, action)))


def _value(action: argparse.Action) -> str:
    """Return what stands for an argument's value: ``N``, ``{2,3,4}``, ``IN ...``; nothing for a switch."""
    if action.nargs == 0:
        return ""
    choices = f"{{{','.join(map(str, action.choices))}}}" if action.choices is not None else ""
    name = action.metavar or choices or (action.dest.upper() if action.option_strings else action.dest)
    text = rf"\fI{_plain(' '.join(name) if isinstance(name, tuple) else name)}\fR"
    return {"+": f"{text} ...", "*": f"[{text} ...]", "?": f"[{text}]"}.get(str(action.nargs), text)


def _help(parser: Parser, action: argparse.Action) -> str:
    default = action.default
    shown = " ".join(map(str, default)) if isinstance(default, list | tuple) else default
    return (action.help or "") % {**vars(action), "default": shown, "prog": parser.prog}


def _plain(text: str) -> str:
    """Return a text in which nothing is a command of roff, and every dash can be copied into a shell."""
    text = " ".join(text.split()).replace("\\", r"\e").replace("-", r"\-").replace("'", r"\(aq")
    return rf"\&{text}" if text.startswith(".") else text


if __name__ == "__main__":
    page = manual(cli.build_parser(), sys.argv[1])
    sys.stdout.buffer.write(page.encode())  # UTF-8, whatever the encoding of the system that builds
