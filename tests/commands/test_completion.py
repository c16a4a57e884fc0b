"""Shells complete subcommands, options, choices and the names of networks: as they ask for it, and in the shells."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import sesr
from sesr.cli import main
from sesr.network.zoo import list_networks

needs_argcomplete = pytest.mark.needs("argcomplete")

SOURCE = str(Path(sesr.__file__).parents[1])


def completions(line: str, folder: Path) -> set[str]:
    """Ask as a shell does that has read what `sesr completion` prints."""
    answer = folder / "answer"
    asked = {"_ARGCOMPLETE": "1", "_ARGCOMPLETE_IFS": "\n", "_ARGCOMPLETE_STDOUT_FILENAME": str(answer)}
    asked |= {"COMP_LINE": line, "COMP_POINT": str(len(line)), "_ARGCOMPLETE_SUPPRESS_SPACE": "1"}
    command = [sys.executable, "-m", "sesr"]
    subprocess.run(command, env=os.environ | asked, cwd=folder, check=True, capture_output=True)
    return set(answer.read_text().split("\n"))


@needs_argcomplete
@pytest.mark.parametrize(
    ("line", "some"),
    [
        ("sesr ", {"upscale", "train", "evaluate", "export", "info", "benchmark", "completion"}),
        ("sesr up", {"upscale"}),
        ("sesr upscale --s", {"--scale", "--size", "--sharpen", "--strip-metadata"}),
        ("sesr benchmark ", {"engine", "speed", "memory", "npu"}),
        ("sesr upscale --engine ", {"native", "openvino", "litert", "torch"}),
        ("sesr completion ", {"bash", "zsh", "fish"}),
    ],
)
def test_commands_options_and_choices(line: str, some: set[str], tmp_path: Path) -> None:
    assert some <= completions(line, tmp_path)


@needs_argcomplete
@pytest.mark.parametrize("line", ["sesr upscale -m ", "sesr evaluate m5 ", "sesr export ", "sesr train --teacher "])
def test_names_of_networks(line: str, tmp_path: Path) -> None:
    assert {network.name for network in list_networks()} <= completions(line, tmp_path)


@needs_argcomplete
def test_files_where_no_network_has_such_a_name(tmp_path: Path) -> None:
    (tmp_path / "own.safetensors").touch()
    assert completions("sesr upscale ow", tmp_path) == {"own.safetensors"}


SHELLS = {
    "bash": 'COMP_LINE="sesr upsc"; COMP_POINT=9; COMP_TYPE=9; COMP_WORDS=(sesr upsc); COMP_CWORD=1; '
    '_python_argcomplete sesr upsc sesr; echo "${COMPREPLY[@]}"',
    "zsh": 'words=(sesr upsc); BUFFER="sesr upsc"; CURSOR=9; _describe() { print -l -- ${(P)2}; }; _python_argcomplete',
    "fish": "complete --do-complete 'sesr upsc'",
}


@needs_argcomplete
@pytest.mark.parametrize("shell", SHELLS)
def test_shells_read_what_is_printed(shell: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"needs {shell}")
    assert main(["completion", shell]) == 0
    script = tmp_path / "script"
    script.write_text(("autoload -Uz compinit; compinit -u -D\n" if shell == "zsh" else "") + capsys.readouterr().out)
    command = tmp_path / "sesr"
    command.write_text(f'#!/bin/sh\nPYTHONPATH="{SOURCE}" exec "{sys.executable}" -m sesr "$@"\n')
    command.chmod(0o755)
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}", "HOME": str(tmp_path)}
    done = subprocess.run(
        [shell, "-c", f"source '{script}'; {SHELLS[shell]}"], env=environment, capture_output=True, text=True
    )
    assert "upscale" in done.stdout, done.stderr


def test_without_argcomplete(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "argcomplete", None)
    assert main(["completion", "bash"]) == 1
    assert "pip install 'sesr[completion]'" in capsys.readouterr().err
