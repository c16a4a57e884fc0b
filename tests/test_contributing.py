"""Tests of what CONTRIBUTING.md says about the code."""

import re
import subprocess
import sys
from pathlib import Path

from PIL import Image

CONTRIBUTING = Path(__file__).parents[1] / "CONTRIBUTING.md"

TRACE = """
import os, sys, threading
import sesr
from sesr.cli import main

home, seen = os.path.dirname(sesr.__file__), {}

def note(frame, event, argument):
    code = frame.f_code
    if event == "call" and code.co_filename.startswith(home):
        seen.setdefault((code.co_filename[len(home) + 1:].replace("\\\\", "/"), code.co_qualname))

threading.setprofile(note)
sys.setprofile(note)
status = main(["upscale", *sys.argv[1:]])
sys.setprofile(None)
for file, name in seen:
    print("call", file, name)
sys.exit(status)
"""


def test_a_pictures_way(tmp_path: Path) -> None:
    """The calls that are listed are made, in this order, and there are at most 20."""
    section = CONTRIBUTING.read_text(encoding="utf-8").split("## A picture's way\n")[1].split("\n## ")[0]
    listed = re.findall(r"^\d+\. `(\S+)` `(\S+)`: ", section, re.MULTILINE)
    Image.new("RGB", (60, 40), "teal").save(tmp_path / "photo.jpg")
    command = [sys.executable, "-c", TRACE, str(tmp_path / "photo.jpg"), "-o", str(tmp_path / "larger.png")]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    made = [tuple(line.split()[1:]) for line in output.splitlines() if line.startswith("call ")]
    assert [call for call in made if call in listed] == listed
    assert 10 < len(listed) <= 20
