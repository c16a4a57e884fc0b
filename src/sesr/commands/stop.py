"""Stopping a command: Ctrl-C, SIGTERM and SIGHUP end it within seconds, and nothing half-written stays.

A signal becomes an exception in the main thread, which unwinds like Ctrl-C and lets everything clean up. Two things can
keep it from arriving: the main thread may be inside a long call into a library (a compiler, an encoder), and the
exception may be swallowed. So a second thread watches the signals too. When the command is still there after `PATIENCE`
seconds, or when somebody sends another signal to say that it takes too long, that thread removes the unfinished files
and ends the process.

Python itself swallows exceptions in finalizers and callbacks of weak references, which may run at any time, and tells
`sys.unraisablehook` about it. Then the thread sends the signal again. What libraries swallow nobody tells, so there is
a look between pictures too (`until_stopped`), and at the end.

Python handles signals between two steps of the main thread. One that comes just before that thread falls asleep, or
that the system gives to another thread, waits until it wakes: when the picture is finished. So the watching thread
sends again, to the main thread itself, what has not been handled soon. That interrupts its sleep.

Signals often come in twos: `timeout` sends one to the process and one to its group, a closing terminal likewise. One
that follows within `DOUBLE` seconds counts as the same, so that it does not interrupt the cleaning up.
"""

import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from types import FrameType
from typing import TYPE_CHECKING, TypeVar

from sesr.atomic import remove_unfinished

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

PATIENCE = 15.0
"""Seconds that cleaning up may take, unless `more_patience` grants more."""

DOUBLE = 1.0
"""Seconds within which a second signal is taken for an echo of the first."""

_T = TypeVar("_T")

_AGAIN = 0.05
"""Seconds after which a swallowed signal is sent again: whatever swallowed it has ended by then, mostly."""

_UNHANDLED = 0.2
"""Seconds after which a signal that the main thread has not handled is sent to it again."""

_SWALLOWED = 0
"""Byte that asks the watching thread for that; no signal has this number."""

_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


class Stopped(KeyboardInterrupt):
    """One of the signals came.

    Attributes:
        code: the exit code that shells give to this end: 128 and the signal's number.
        told: True once a line has said what became of the work.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.code = 128 + number
        self.told = False


_came: list[int] = []
"""Signals that came while the command runs."""

_granted = 0.0
"""Seconds that cleaning up may take longer."""


@contextmanager
def stoppable() -> Iterator[None]:
    """Make signals raise `Stopped` in the body or at its end, or end the process where that does not help.

    Does nothing outside the main thread, which alone may handle signals. A signal that is ignored stays ignored, as
    `nohup` wants it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    with ExitStack() as back:
        back.callback(_came.clear)
        pending = True

        def stop(number: int, _: FrameType | None) -> None:
            nonlocal pending
            _came.append(number)
            if pending:
                pending = False
                raise Stopped(number)

        def swallowed() -> None:
            nonlocal pending
            pending = True

        for number in _SIGNALS:
            if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
                back.callback(signal.signal, number, signal.signal(number, stop))
        writer = None
        if sys.platform != "win32":  # where such a descriptor must be a socket
            writer = back.enter_context(_watched())
        back.enter_context(_noticed(swallowed, writer))
        try:
            yield
        except Exception:
            if not _came:  # else it may be what a library made of the stop
                raise
        pending = False
        raise_if_stopped()


def until_stopped(things: Iterable[_T]) -> Iterator[_T]:
    """Pass on what comes until a signal has come; then raise `Stopped`, even if that was swallowed before."""
    for thing in things:
        yield thing
        raise_if_stopped()


def raise_if_stopped() -> None:
    """Raise `Stopped` if a signal has come, even if that was swallowed before."""
    if _came:
        raise Stopped(_came[0])


@contextmanager
def more_patience(seconds: float) -> Iterator[None]:
    """Let the body save what is worth it after a signal, for so long. Another signal ends the process all the same."""
    global _granted
    _granted += seconds
    try:
        yield
    finally:
        _granted -= seconds


@contextmanager
def _noticed(swallowed: Callable[[], None], writer: int | None) -> Iterator[None]:
    """Call `swallowed`, and tell the watching thread, when Python ignores a stop; it says nothing itself then."""
    before = sys.unraisablehook

    def notice(ignored: "UnraisableHookArgs") -> None:
        if not isinstance(ignored.exc_value, Stopped):
            before(ignored)
            return
        swallowed()
        if writer is not None:
            with suppress(OSError):
                os.write(writer, bytes([_SWALLOWED]))

    sys.unraisablehook = notice
    try:
        yield
    finally:
        sys.unraisablehook = before


@contextmanager
def _watched() -> Iterator[int]:
    """Run a thread that reads each signal as the system delivers it, whatever the main thread does.

    Gives the descriptor that it reads from the other end of.
    """
    _keep_from_children()
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    watcher = threading.Thread(target=_watch, args=(reader,), name="signals", daemon=True)
    watcher.start()
    try:
        yield writer
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
    while (first := _next_signal(reader, None)) == _SWALLOWED:
        pass  # in a forked process
    if first is None:
        return
    came, ours = time.monotonic(), 0
    while (left := came + PATIENCE + _granted - time.monotonic()) > 0:
        try:
            number = _next_signal(reader, left if _came else min(left, _UNHANDLED))
        except TimeoutError:  # or more time has been granted
            if not _came:
                ours += 1
                _send_again(first)
            continue
        if number is None:
            return
        if number == _SWALLOWED:
            time.sleep(_AGAIN)
            ours += 1
            _send_again(first)
        elif ours:
            ours -= 1
        elif time.monotonic() - came > DOUBLE:
            break
    remove_unfinished()
    with suppress(OSError, ValueError):
        print("sesr: stopped", file=sys.stderr, flush=True)
    os._exit(128 + first)


def _send_again(number: int) -> None:
    """Send a signal to the main thread, so that it leaves what it waits for."""
    ident = threading.main_thread().ident
    if sys.platform != "win32" and ident is not None:
        signal.pthread_kill(ident, number)


def _next_signal(reader: int, seconds: float | None) -> int | None:
    """Return the next of our signals or `_SWALLOWED`, None at the command's end. Raises `TimeoutError`."""
    while True:
        ready, _, _ = select.select([reader], [], [], seconds)
        if not ready:
            raise TimeoutError
        read = os.read(reader, 1)
        if not read:
            return None
        if read[0] in (_SWALLOWED, *_SIGNALS):
            return read[0]
