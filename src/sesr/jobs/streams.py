"""``-`` on the command line: a picture from stdin, and a picture to stdout.

Decoders and encoders jump back and forth in files, which a pipe does not allow. So stdin is first copied into a
temporary file, and a result for stdout is first written into one: stdout gets a whole picture or nothing. These files
lie in the system's temporary folder (``TMPDIR``) and are removed in the end.
"""

import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from os import sep
from pathlib import Path

from sesr.errors import PictureError, UsageError

STREAM = "-"
"""Name of stdin among the inputs, and of stdout as the output."""


@dataclass(frozen=True)
class Places:
    """Files to read and write in place of the streams.

    Attributes:
        inputs: the inputs, with a temporary file in place of ``-``.
        output: the output, with a temporary folder in place of ``-``.
        to_stdout: whether the result belongs on stdout.
        folder: the temporary folder, if there is one.
    """

    inputs: list[str]
    output: str | None
    to_stdout: bool = False
    folder: Path | None = None

    def shown(self, text: object) -> str:
        """Return a message or a path without the temporary folder, which tells nobody anything."""
        return str(text) if self.folder is None else str(text).replace(f"{self.folder}{sep}", "")

    def send(self, result: Path) -> None:
        """Copy a finished result to stdout. Raises `OSError` when the reader is gone or the disk is full."""
        with result.open("rb") as file:
            shutil.copyfileobj(file, sys.stdout.buffer)
        sys.stdout.buffer.flush()
        result.unlink()


@contextmanager
def opened_streams(inputs: Sequence[str], output: str | None) -> Iterator[Places]:
    """Read stdin, if it is among the inputs, and prepare a place for what goes to stdout.

    Stdin alone as input, without an output, goes to stdout. Raises `UsageError` when a stream cannot be meant, and
    `PictureError` when stdin cannot be read.
    """
    reads = inputs.count(STREAM)
    if reads > 1:
        raise UsageError("- names stdin, which can be read only once; give it once")
    to_stdout = output == STREAM or (output is None and list(inputs) == [STREAM])
    if to_stdout and len(inputs) > 1:
        raise UsageError(f"stdout takes one picture, not {len(inputs)}; name a folder with -o")
    if reads and output is None and not to_stdout:
        raise UsageError("the result of stdin has no folder to lie in; name one with -o")
    if to_stdout and sys.__stdout__ is None:
        raise UsageError("stdout is closed; name a file with -o")
    if to_stdout and sys.stdout.isatty():
        raise UsageError("a picture cannot be shown on a terminal; add > out.png, or name a file with -o")
    if not reads and not to_stdout:
        yield Places(list(inputs), output)
        return
    with tempfile.TemporaryDirectory(prefix="sesr-") as name:
        folder = Path(name)
        if reads:
            _copy_stdin(folder / "stdin")
        replaced = [str(folder / "stdin") if path == STREAM else path for path in inputs]
        yield Places(replaced, f"{folder / 'result'}{sep}" if to_stdout else output, to_stdout, folder)


def _copy_stdin(path: Path) -> None:
    """Copy stdin into a file. Its name shows in that of the result: ``stdin_x2.png``."""
    if sys.stdin is None:
        raise UsageError("stdin is closed; pipe a picture in, or name a file")
    if sys.stdin.isatty():
        raise UsageError("stdin is the terminal; pipe a picture in (< photo.jpg), or name a file")
    try:
        with path.open("wb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file)
    except OSError as error:
        raise PictureError(f"{STREAM}: stdin cannot be read ({error.strerror}); name a file instead") from error
