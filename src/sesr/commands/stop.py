"""Stopping a command: Ctrl-C, SIGTERM and SIGHUP end it within seconds, and nothing half-written stays.

A signal becomes an exception in the main thread, which unwinds like Ctrl-C and lets everything clean up. Two things can
keep it from arriving: the main thread may be inside a long call into a library (a compiler, an encoder), and the
exception may be swallowed. So a second thread watches the signals too. When the command is still there after `PATIENCE`
seconds, or when somebody sends another signal to say that it takes too long, that thread removes the unfinished files
and ends the process.

Python handles signals between two steps of the main thread. A signal that comes just before that thread falls asleep,
or that the system gives to another thread, waits until the thread wakes, which may be when the picture is finished. So
the watching thread wakes it, by a signal that does nothing else: SIGURG, whose default is to be ignored.

Python itself swallows exceptions in finalizers and callbacks of weak references, which may run at any time, and tells
`sys.unraisablehook` about it. Then the main thread is woken too, and the stop raised there again. What libraries
swallow nobody tells, so there is a look between pictures too (`until_stopped`), and at the end.

Signals often come in twos: `timeout` sends one to the process and one to its group, a closing terminal likewise. One
that follows within `DOUBLE` seconds counts as the same, so that it does not interrupt the cleaning up.
"""

import os
import select
import signal
import sys
import threading
import time
from collections.abc import Iterable, Iterator
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
"""Seconds after which a swallowed stop is raised again: whatever swallowed it has ended by then, mostly."""

_UNHANDLED = 0.2
"""Seconds after which a main thread that has not handled a signal is woken; each further time takes twice as long."""

_SWALLOWED = 0
"""Byte that asks the watching thread to wake the main thread; no signal has this number."""

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
"""Signals that the main thread has handled while the command runs."""

_raised = False
"""True once the signal is an exception in the main thread, or the command has ended.

False again if Python ignored the exception.
"""

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
        _set_raised(False)
        for number in _SIGNALS:
            if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
                back.callback(signal.signal, number, signal.signal(number, _stop))
        writer = None
        if sys.platform != "win32":  # where such a descriptor must be a socket
            if signal.getsignal(signal.SIGURG) in (signal.SIG_DFL, signal.SIG_IGN):
                back.callback(signal.signal, signal.SIGURG, signal.signal(signal.SIGURG, _wake))
            writer = back.enter_context(_watched())
        back.enter_context(_noticed(writer))
        try:
            yield
        except Exception:
            if not _came:  # else it may be what a library made of the stop
                raise
        finally:
            _set_raised(True)  # from here on, signals are only counted
        raise_if_stopped()


def _stop(number: int, _: FrameType | None) -> None:
    """Handle one of the signals."""
    _came.append(number)
    _raise_once()


def _wake(_number: int, _: FrameType | None) -> None:
    """Handle the signal that wakes the main thread."""
    if _came:
        _raise_once()


def _raise_once() -> None:
    if not _raised:
        _set_raised(True)
        raise Stopped(_came[0])


def _set_raised(raised: bool) -> None:
    global _raised
    _raised = raised


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
def _noticed(writer: int | None) -> Iterator[None]:
    """Have a stop that Python ignores raised again, by the watching thread; Python says nothing of it then."""
    before = sys.unraisablehook

    def notice(ignored: "UnraisableHookArgs") -> None:
        if not isinstance(ignored.exc_value, Stopped):
            before(ignored)
            return
        _set_raised(False)
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
    with ExitStack() as back:
        reader, writer = os.pipe()
        back.callback(os.close, reader)
        watcher = threading.Thread(target=_watch, args=(reader,), name="signals", daemon=True)
        watcher.start()
        back.callback(watcher.join)
        back.callback(os.close, writer)  # the watcher reads the end, and ends
        os.set_blocking(writer, False)
        back.callback(signal.set_wakeup_fd, signal.set_wakeup_fd(writer, warn_on_full_buffer=False))
        yield writer


@cache
def _keep_from_children() -> None:
    """Make forked processes let go of the pipe. A signal sent to one of them would stop this process otherwise."""

    def forget() -> None:
        with suppress(ValueError):  # not in the main thread
            signal.set_wakeup_fd(-1)

    os.register_at_fork(after_in_child=forget)


def _watch(reader: int) -> None:
    """Wait for a signal, then for the command's end, and force that when it does not come.

    Wakes the main thread while it has not handled the signal, or has lost the exception.
    """
    while (first := _next_signal(reader, None)) == _SWALLOWED:
        pass  # in a forked process
    if first is None:
        return
    came, wait = time.monotonic(), _UNHANDLED
    while (left := came + PATIENCE + _granted - time.monotonic()) > 0:
        try:
            number = _next_signal(reader, min(left, wait))
        except TimeoutError:
            if not (_came and _raised):
                _wake_main_thread()
                wait *= 2
            continue  # or more time has been granted
        if number is None:
            return
        if number == _SWALLOWED:
            time.sleep(_AGAIN)
            _wake_main_thread()
        elif time.monotonic() - came > DOUBLE:
            break
    remove_unfinished()
    with suppress(OSError, ValueError):
        print("sesr: stopped", file=sys.stderr, flush=True)
    os._exit(128 + first)


def _wake_main_thread() -> None:
    """Interrupt what the main thread waits for, so that it handles signals. Another's handler is left in peace."""
    ident = threading.main_thread().ident
    if sys.platform != "win32" and ident is not None and signal.getsignal(signal.SIGURG) is _wake:
        signal.pthread_kill(ident, signal.SIGURG)


def _next_signal(reader: int, seconds: float | None) -> int | None:
    """Return the next of our signals or `_SWALLOWED`, None at the command's end. Raises `TimeoutError`."""
    end = None if seconds is None else time.monotonic() + seconds
    while True:
        ready, _, _ = select.select([reader], [], [], end and max(end - time.monotonic(), 0))
        if not ready:
            raise TimeoutError
        read = os.read(reader, 1)
        if not read:
            return None
        if read[0] in (_SWALLOWED, *_SIGNALS):
            return read[0]
