"""Tests of the engine's build with CMake."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

NATIVE = Path(__file__).parents[2] / "src" / "native"


@pytest.mark.skipif(sys.platform == "win32" or shutil.which("cmake") is None, reason="needs CMake, and not Visual C++")
@pytest.mark.parametrize("strict", [False, True])
def test_warnings_end_only_a_strict_build(strict: bool, tmp_path: Path) -> None:
    """A user's compiler may warn of what ours does not know yet."""
    options = ["-DCMAKE_EXPORT_COMPILE_COMMANDS=ON", *(["-DSESR_WERROR=ON"] if strict else [])]
    subprocess.run(["cmake", *options, "-S", NATIVE, "-B", tmp_path], check=True, capture_output=True)
    commands = [entry["command"] for entry in json.loads((tmp_path / "compile_commands.json").read_text("utf-8"))]
    assert commands
    assert all("-Wall" in command for command in commands)
    assert all(("-Werror" in command) is strict for command in commands)
