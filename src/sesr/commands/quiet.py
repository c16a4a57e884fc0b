"""Libraries kept off stderr.

Decoders written in C print warnings of their own to file descriptor 2: libvips, libtiff, dav1d, OpenVINO. On a folder
of camera files these are thousands of lines in which our own get lost, and scripts that take a line for a failure
stumble. Whatever is worth knowing we say ourselves.

Turning each library's handler off would miss the next library. Instead, descriptor 2 leads nowhere while a command
works, and Python's `sys.stderr` gets a copy of the real one. That is done once, before threads start, so it is safe
with threads. The environment variable ``SESR_DEBUG=1`` leaves everything as it is, for instance to find out why a
library crashes.
"""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_STDERR = 2


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Let only Python write to stderr in the body. Does nothing where `sys.stderr` is not the process's own."""
    if os.environ.get("SESR_DEBUG") or not _is_own_stderr():
        yield
        return
    original = sys.stderr
    original.flush()
    copy = os.dup(_STDERR)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, _STDERR)
    os.close(nowhere)
    sys.stderr = open(  # noqa: SIM115  (closed below)
        copy, "w", encoding=original.encoding, errors="backslashreplace", buffering=1
    )
    try:
        yield
    finally:
        ours, sys.stderr = sys.stderr, original
        with suppress(OSError):  # the terminal is closed
            ours.flush()
        os.dup2(copy, _STDERR)
        with suppress(OSError):
            ours.close()


def _is_own_stderr() -> bool:
    with suppress(AttributeError, OSError, ValueError, io.UnsupportedOperation):
        return sys.stderr.fileno() == _STDERR
    return False
