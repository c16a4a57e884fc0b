"""Libraries written in C do not reach stderr; our own lines do."""

import os
import subprocess
import sys

import pytest

from sesr.commands.quiet import quiet_libraries

CHATTER = """
import os, sys
from sesr.commands.quiet import quiet_libraries
os.write(2, b"before\\n")
with quiet_libraries():
    os.write(2, b"chatter\\n")
    print("ours", file=sys.stderr)
os.write(2, b"after\\n")
print("still ours", file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("debug", "lines"),
    [
        ("", ["before", "ours", "after", "still ours"]),
        ("1", ["before", "chatter", "ours", "after", "still ours"]),
    ],
)
def test_only_our_lines(debug: str, lines: list[str]) -> None:
    env = {**os.environ, "SESR_DEBUG": debug}
    done = subprocess.run([sys.executable, "-c", CHATTER], capture_output=True, text=True, check=True, env=env)
    assert done.stderr.splitlines() == lines


def test_a_closed_stderr() -> None:
    done = subprocess.run(f"'{sys.executable}' -c '{CHATTER}' 2>&-", shell=True, capture_output=True, check=False)
    assert done.stdout == b""


def test_a_stream_of_somebody_elses_stays(capsys: pytest.CaptureFixture[str]) -> None:
    before = sys.stderr
    with quiet_libraries():
        assert sys.stderr is before
        sys.stderr.write("shown\n")
    assert capsys.readouterr().err == "shown\n"
