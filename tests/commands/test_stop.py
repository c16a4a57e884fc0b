"""Signals end a command within seconds, whatever it is doing, and leave nothing half-written."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from sesr.cli import main

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals")

STOPS = [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)]


@pytest.fixture(autouse=True)
def _signals_arrive() -> Iterator[None]:
    """Under `nohup`, or in the background of a shell, processes ignore signals, as they should: tests would hang."""
    before = {name: signal.getsignal(name) for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    for name, handler in before.items():
        if handler == signal.SIG_IGN:
            signal.signal(name, signal.SIG_DFL)
    yield
    for name, handler in before.items():
        signal.signal(name, handler)


def start(*command: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def start_and_wait_for_a_hidden_file(folder: Path, *arguments: object) -> subprocess.Popen[str]:
    """Start `sesr upscale`; it is in the middle of writing when this returns."""
    process = start("-m", "sesr", "upscale", *arguments)
    while not list(folder.glob(".sesr-*.part")) and process.poll() is None:
        time.sleep(0.01)
    assert process.poll() is None, process.communicate()
    return process


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A picture that takes some seconds, alone in its folder."""
    Image.new("RGB", (9000, 8000)).save(tmp_path / "large.png", compress_level=1)
    return tmp_path / "large.png"


@pytest.mark.parametrize(("sent", "code"), STOPS)
@pytest.mark.parametrize("times", [1, 3])
def test_a_stop_leaves_nothing(network: str, large: Path, sent: str, code: int, times: int) -> None:
    """Also when the signal comes in threes, as from `timeout`, a shell and a closing terminal."""
    with start_and_wait_for_a_hidden_file(large.parent, large, "-m", network) as process:
        for _ in range(times):
            process.send_signal(signal.Signals[sent])
            time.sleep(0.05)
        _, complaint = process.communicate(timeout=60)
    assert (process.returncode, complaint) == (code, "sesr: stopped\n")
    assert list(large.parent.iterdir()) == [large]


def test_what_a_kill_leaves_goes_with_the_next_run(network: str, large: Path) -> None:
    with start_and_wait_for_a_hidden_file(large.parent, large, "-m", network) as process:
        process.kill()
    assert len(list(large.parent.glob(".sesr-*.part"))) == 1
    Image.new("L", (4, 4)).save(large.with_name("small.png"))
    assert main(["upscale", str(large.with_name("small.png")), "-m", network]) == 0
    assert sorted(path.name for path in large.parent.iterdir()) == ["large.png", "small.png", "small_x2.png"]


def test_a_stop_in_the_middle_of_a_folder(network: str, tmp_path: Path) -> None:
    """Finished pictures stay, and a second run makes what is missing."""
    album, out = tmp_path / "album", tmp_path / "out"
    album.mkdir()
    for name in ("a", "b"):
        Image.new("RGB", (9, 6)).save(album / f"{name}.png")
    for name in ("c", "d"):
        Image.new("RGB", (2400, 2000)).save(album / f"{name}.png", compress_level=1)
    with start("-m", "sesr", "upscale", album, "-o", out, "-m", network, "-j", 2) as process:
        while len(list(out.glob("*_x2.png"))) < 2 and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGHUP)
        _, complaint = process.communicate(timeout=60)
    assert (process.returncode, complaint) == (129, "sesr: stopped\n")
    assert all(path.name.endswith("_x2.png") for path in out.iterdir())
    for path in out.iterdir():
        with Image.open(path) as image:
            image.load()
    assert main(["upscale", str(album), "-o", str(out), "-m", network]) == 0
    assert len(list(out.iterdir())) == 4


def test_ignored_hangups_stay_ignored(network: str, large: Path) -> None:
    """As after `nohup`: a closed terminal does not stop the work."""
    code = (
        "import signal, sys; signal.signal(signal.SIGHUP, signal.SIG_IGN); import sesr.cli; sys.exit(sesr.cli.main())"
    )
    with start("-c", code, "upscale", large, "-m", network, "-s", 1) as process:
        while not list(large.parent.glob(".sesr-*.part")) and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGHUP)
        process.communicate(timeout=60)
    assert process.returncode == 0
    assert large.with_name("large_x1.png").is_file()


ASLEEP = """
import signal, sys, threading, time
from sesr.commands import stop

stop.PATIENCE = 50.0
def send():
    time.sleep(0.3)
    signal.pthread_kill(threading.get_ident(), getattr(signal, sys.argv[1]))
    time.sleep(60)

try:
    with stop.stoppable():
        threading.Thread(target=send, daemon=True).start()
        threading.Event().wait()
except stop.Stopped as stopped:
    sys.exit(stopped.code)
"""


@pytest.mark.parametrize(("sent", "code"), STOPS)
def test_a_signal_that_does_not_wake_the_main_thread(sent: str, code: int) -> None:
    """It came just before that thread fell asleep, or to another thread, as here: both look the same."""
    with start("-c", ASLEEP, sent) as process:
        _, complaint = process.communicate(timeout=40)
    assert (process.returncode, complaint) == (code, "")


DEAF = """
import ctypes, os, signal, sys, threading, time
from sesr.commands import stop

stop.PATIENCE, stop.DOUBLE = 50.0, 0.5
def send():
    time.sleep(0.3)
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(2)
    print("again", flush=True)
    os.kill(os.getpid(), signal.SIGINT)

with stop.stoppable():
    threading.Thread(target=send, daemon=True).start()
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT, signal.SIGURG])
    ctypes.CDLL(None).sleep(40)
"""


def test_a_second_signal_ends_what_cannot_be_woken() -> None:
    """As in a long call into a library. One signal alone leaves it all the patience there is."""
    with start("-c", DEAF) as process:
        shown, complaint = process.communicate(timeout=30)
    assert (process.returncode, shown, complaint) == (130, "again\n", "sesr: stopped\n")


FOREIGN = """
import os, signal, sys, time
from sesr.commands import stop

def leave(number, _):
    print("handled", flush=True)
    sys.exit(7)

with stop.stoppable():
    signal.signal(signal.SIGTERM, leave)
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)
    finally:
        time.sleep(1)
        print("cleaned up", flush=True)
"""


def test_another_handler_is_called_once() -> None:
    """A library has put its own in place, as Ray does."""
    with start("-c", FOREIGN) as process:
        shown, _ = process.communicate(timeout=30)
    assert (process.returncode, shown) == (7, "handled\ncleaned up\n")


LATE = """
import os, signal, sys, time
from sesr.commands import stop

restore = signal.set_wakeup_fd
def late(descriptor, **options):
    if not options:
        os.kill(os.getpid(), getattr(signal, sys.argv[1]))
        time.sleep(0.05)
    return restore(descriptor, **options)

signal.set_wakeup_fd = late
try:
    with stop.stoppable():
        raise ValueError
except ValueError:
    print("refused", flush=True)
time.sleep(1)
print("reported", flush=True)
"""


@pytest.mark.parametrize("sent", [sent for sent, _ in STOPS])
def test_a_signal_when_the_command_has_failed_changes_nothing(sent: str) -> None:
    """Nothing is sent later, to a handler that would end the process."""
    with start("-c", LATE, sent) as process:
        shown, complaint = process.communicate(timeout=30)
    assert (process.returncode, shown, complaint) == (0, "refused\nreported\n", "")


SWALLOW = """
import sys, time
from collections.abc import Iterator
from pathlib import Path
from sesr.atomic import writing
from sesr.commands import stop

stop.PATIENCE, stop.DOUBLE = float(sys.argv[2]), 0.2
with stop.stoppable(), writing(Path(sys.argv[1])) as temporary:
    while True:
        try:
            print(temporary, flush=True)
            time.sleep(60)
        except BaseException:
            pass
"""


@pytest.mark.parametrize(("sent", "code"), STOPS)
@pytest.mark.parametrize(("patience", "times"), [(0.5, 1), (600, 2)])
def test_a_library_that_swallows_the_stop(tmp_path: Path, sent: str, code: int, patience: float, times: int) -> None:
    """The process ends all the same: after a while, or when the signal is sent again."""
    with start("-c", SWALLOW, tmp_path / "a", patience) as process:
        assert process.stdout is not None
        left = Path(process.stdout.readline().rstrip())
        assert left.exists()
        for _ in range(times):
            process.send_signal(signal.Signals[sent])
            time.sleep(0.4)
        _, complaint = process.communicate(timeout=30)
    assert (process.returncode, complaint) == (code, "sesr: stopped\n")
    assert not any(tmp_path.iterdir())


IGNORED = """
import os, signal, sys, time, weakref
from sesr.commands import stop

class Thing:
    pass

def fire(_):
    os.kill(os.getpid(), getattr(signal, sys.argv[1]))
    for _ in range(1000):
        pass

def swallow():
    thing = Thing()
    gone = weakref.ref(thing, fire)
    del thing

try:
    with stop.stoppable():
        swallow()
        print("ignored", flush=True)
        time.sleep(0 if sys.argv[2] == "ends" else 60)
except stop.Stopped as stopped:
    sys.exit(stopped.code)
"""


@pytest.mark.parametrize(("sent", "code"), STOPS)
@pytest.mark.parametrize("then", ["waits", "ends"])
def test_a_stop_that_python_itself_ignores(sent: str, code: int, then: str) -> None:
    """Exceptions in callbacks of weak references go nowhere. The stop is raised again at once."""
    begun = time.monotonic()
    with start("-c", IGNORED, sent, then) as process:
        shown, complaint = process.communicate(timeout=60)
    assert (process.returncode, shown, complaint) == (code, "ignored\n", "")
    assert time.monotonic() - begun < 10


SWALLOW_ONCE = """
import os, signal, sys
import sesr.cli
from sesr.commands import upscale_report

def swallow(text):
    try:
        upscale_report.plain = plain
        os.kill(os.getpid(), signal.SIGTERM)
        for _ in range(1000):
            pass
    except BaseException:
        pass
    return plain(text)

plain, upscale_report.plain = upscale_report.plain, swallow
sys.exit(sesr.cli.main())
"""


def test_a_swallowed_stop_ends_the_work_at_the_next_picture(network: str, tmp_path: Path) -> None:
    """Finished pictures stay; the others are not begun."""
    album, out = tmp_path / "album", tmp_path / "out"
    album.mkdir()
    Image.new("RGB", (9, 6)).save(album / "a.png")
    for name in ("b", "c"):
        Image.new("RGB", (1600, 1200)).save(album / f"{name}.png", compress_level=1)
    with start("-c", SWALLOW_ONCE, "upscale", album, "-o", out, "-m", network, "-j", 1) as process:
        _, complaint = process.communicate(timeout=60)
    assert (process.returncode, complaint) == (143, "sesr: stopped\n")
    assert [path.name for path in out.iterdir()] == ["a_x2.png"]


FORK = """
import os, signal, sys, time
from sesr.commands import stop

stop.PATIENCE, stop.DOUBLE = 0.2, 0.1
with stop.stoppable():
    child = os.fork()
    if not child:
        time.sleep(60)
    time.sleep(0.2)
    os.kill(child, signal.SIGTERM)
    os.waitpid(child, 0)
    time.sleep(1)
print("still here")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_signal_to_a_child_is_not_ours() -> None:
    """As when a pool of workers is terminated."""
    with start("-c", FORK) as process:
        shown, _ = process.communicate(timeout=30)
    assert (process.returncode, shown) == (0, "still here\n")


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="no terminals")
@pytest.mark.parametrize("ending", [[], ["--json"]])
def test_a_terminal_that_is_closed(network: str, large: Path, ending: list[str]) -> None:
    """Nothing can be printed any more, and still all is cleaned up and the exit code is right."""
    controller, terminal = os.openpty()
    command = [sys.executable, "-m", "sesr", "upscale", str(large), "-m", network, *ending]
    with subprocess.Popen(command, stdin=terminal, stdout=terminal, stderr=terminal, start_new_session=True) as process:
        os.close(terminal)
        while not list(large.parent.glob(".sesr-*.part")) and process.poll() is None:
            time.sleep(0.01)
        os.close(controller)
        process.send_signal(signal.SIGHUP)  # as the shell does
        assert process.wait(timeout=60) == 129
    assert list(large.parent.iterdir()) == [large]
