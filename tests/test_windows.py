"""Windows lacks fork, some signals, fcntl and resource; nothing that `sesr upscale` needs may miss them.

Elsewhere a process pretends to be on Windows: after the libraries are loaded, it takes away what Windows lacks, calls
itself win32, and imports the package anew. Paths, and what C++ does, stay those of this system. On Windows itself the
same tests run the command as it is.
"""

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

pytestmark = pytest.mark.slow

PRETEND = """
import os, pkgutil, signal, sys
from importlib import import_module

import sesr

def import_everything():
    '''Import every module; return those that need an extra that is not installed.'''
    missing = {}
    for found in pkgutil.walk_packages(sesr.__path__, "sesr."):
        if found.name in ("sesr._native", "sesr.__main__"):
            continue
        try:
            import_module(found.name)
        except ImportError as error:
            missing[found.name] = error.name
    return missing

before = import_everything()
for name in [name for name in sys.modules if name.split(".")[0] == "sesr" and name != "sesr._native"]:
    del sys.modules[name]

for name in ("fcntl", "resource", "pwd", "grp", "termios", "pty", "tty", "syslog"):
    sys.modules[name] = None
for name in ("fork", "forkpty", "register_at_fork", "setsid", "getuid", "geteuid", "getgid", "chown", "mkfifo",
             "statvfs", "sysconf", "killpg", "getpgid", "sched_getaffinity", "sched_setaffinity", "set_blocking",
             "getloadavg", "O_NONBLOCK", "O_NOFOLLOW", "O_DIRECTORY", "O_CLOEXEC", "posix_fadvise", "posix_fallocate",
             "nice"):
    if hasattr(os, name):
        delattr(os, name)
for name in ("SIGHUP", "SIGPIPE", "SIGKILL", "SIGALRM", "SIGUSR1", "SIGUSR2", "SIGQUIT", "SIGCHLD", "pthread_kill",
             "pthread_sigmask", "setitimer", "alarm", "sigwait", "siginterrupt"):
    if hasattr(signal, name):
        delattr(signal, name)
sys.platform = "win32"

import sesr
after = import_everything()
assert after == before, after
from sesr.cli import main
sys.exit(main(sys.argv[1:]))
"""


def run(*arguments: str, folder: Path) -> subprocess.CompletedProcess[bytes]:
    program = ["-m", "sesr"] if sys.platform == "win32" else ["-c", PRETEND]
    return subprocess.run([sys.executable, "-W", "ignore", *program, *arguments], cwd=folder, capture_output=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "album").mkdir()
    for name in ("one.png", "two.jpg", "three.tif"):
        Image.new("RGB", (40, 30), "teal").save(tmp_path / "album" / name)
    (tmp_path / "album" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    return tmp_path


def test_upscale_without_what_windows_lacks(folder: Path) -> None:
    """A folder, several pictures at a time: those that can be read are made, and the other one is named."""
    done = run("upscale", "-r", "album", "-o", "larger", "-j", "2", folder=folder)
    assert done.returncode == 1, done.stderr
    assert b"broken.png" in done.stderr
    assert b"Traceback" not in done.stderr
    made = sorted((folder / "larger").iterdir())
    assert [path.name for path in made] == ["one_x2.png", "three_x2.png", "two_x2.png"]
    for path in made:
        with Image.open(path) as picture:
            assert picture.size == (80, 60)


@pytest.mark.skipif(sys.platform == "win32", reason="nothing is pretended there")
def test_the_pretence_can_fail(folder: Path) -> None:
    """A module that imports fcntl would be found."""
    code = PRETEND.replace("from sesr.cli import main", "import fcntl")
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 1
    assert "fcntl" in done.stderr
