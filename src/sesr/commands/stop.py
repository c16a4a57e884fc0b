"""Stopping a command: Ctrl-C, SIGTERM and SIGHUP end it within seconds, and nothing half-written stays.

A signal becomes an exception in the main thread, which unwinds like Ctrl-C and lets everything clean up. Two things can
keep it from arriving: the main thread may be inside a long call into a library (a compiler, an encoder), and a library
may swallow the exception. So a second thread watches the signals too. When the command is still there after `PATIENCE`
seconds, or when somebody sends another signal to say that it takes too long, that thread removes the unfinished files
and ends the process.

Signals often come in twos: `timeout` sends one to the process and one to its group, a closing terminal likewise. One
that follows within `DOUBLE` seconds counts as the same, so that it does not interrupt the cleaning up.
"""

import os
import select
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from types import FrameType

from sesr.atomic import remove_unfinished

PATIENCE = 15.0
"""Seconds that cleaning up may take."""

DOUBLE = 1.0
"""Seconds within which a second signal is taken for an echo of the first."""

_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


class Stopped(KeyboardInterrupt):
    """One of the signals came.

    Attributes:
        code: the exit code that shells give to this end: 128 and the signal's number.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.code = 128 + number


@contextmanager
def stoppable() -> Iterator[None]:
    """Make signals raise `Stopped` in the body, or end the process where that does not help.

    Does nothing outside the main thread, which alone may handle signals. A signal that is ignored stays ignored, as
    `nohup` wants it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    with ExitStack() as back:
        came: list[int] = []

        def stop(number: int, _: FrameType | None) -> None:
            came.append(number)
            if len(came) == 1:
                raise Stopped(number)

        for number in _SIGNALS:
            if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
                back.callback(signal.signal, number, signal.signal(number, stop))
        if sys.platform != "win32":  # where such a descriptor must be a socket
            back.enter_context(_watched())
        yield


@contextmanager
def _watched() -> Iterator[None]:
    """Run a thread that reads each signal as the system delivers it, whatever the main thread does."""
    _keep_from_children()
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    watcher = threading.Thread(target=_watch, args=(reader,), name="signals", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        os.close(writer)  # the watcher reads the end, and ends
        watcher.join()
        os.close(reader)


@cache
def _keep_from_children() -> None:
    """Make forked processes let go of the pipe. A signal sent to one of them would stop this process otherwise."""

    def forget() -> None:
        with suppress(ValueError):  # not in the main thread
            signal.set_wakeup_fd(-1)

    os.register_at_fork(after_in_child=forget)


def _watch(reader: int) -> None:
    """Wait for a signal, then for the command's end, and force that when it does not come."""
    first = _next_signal(reader, None)
    if first is None:
        return
    came = time.monotonic()
    while (left := came + PATIENCE - time.monotonic()) > 0:
        try:
            if _next_signal(reader, left) is None:
                return
        except TimeoutError:
            break
        if time.monotonic() - came > DOUBLE:
            break
    remove_unfinished()
    with suppress(OSError, ValueError):
        print("sesr: stopped", file=sys.stderr, flush=True)
    os._exit(128 + first)


def _next_signal(reader: int, seconds: float | None) -> int | None:
    """Return the number of the next of our signals, None at the command's end. Raises `TimeoutError`."""
    while True:
        ready, _, _ = select.select([reader], [], [], seconds)
        if not ready:
            raise TimeoutError
        read = os.read(reader, 1)
        if not read:
            return None
        if read[0] in _SIGNALS:
            return read[0]
