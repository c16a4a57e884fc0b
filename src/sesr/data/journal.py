"""A journal: the results of long work, each kept as soon as it is there, so that work that was stopped goes on.

It is one file of records. Each holds a result's number, its length, a checksum and its bytes, and is appended whole.
What a kill or a power cut leaves of the last ones is cut off when the journal is opened again, and made again. Whoever
has all results removes the journal and keeps them elsewhere. So does a journal that cannot be written to, since on a
full disk others need the room.

One process at a time should write a journal. Where there are no locks, two may lose results that were kept, but a
checksum that fits shows none that is wrong.
"""

import contextlib
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO

from sesr.data.planes import say

_NUMBERS = struct.Struct("<QQ")
"""A record's number, and the length of its bytes."""

_CHECKSUM = struct.Struct("<I")
"""What stands between the two and the bytes: a checksum over both."""


class Journal:
    """Results by number, kept in a file; close it by ``with``.

    If the file cannot be made or written to, a line says so, and nothing is kept: as without a journal, results are
    lost with the process.

    Args:
        path: the file; its folder is made. None keeps nothing.
        most: bytes of the largest result.
        quiet: print nothing.
    """

    def __init__(self, path: Path | None, most: int, *, quiet: bool = False) -> None:
        self._path, self._most, self._quiet = path, most, quiet
        self._file: IO[bytes] | None = None
        if path is not None:
            with self._doing_without():
                path.parent.mkdir(parents=True, exist_ok=True)
                self._file = path.open("a+b")

    def __enter__(self) -> "Journal":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def kept(self) -> Iterator[tuple[int, bytes]]:
        """Yield the number and the bytes of each result that is kept; then cut off what is no whole record."""
        with self._doing_without():
            if self._file is None:
                return
            self._file.seek(0)
            end = 0
            while (record := _read_record(self._file, self._most)) is not None:
                end = self._file.tell()
                yield record
            if os.fstat(self._file.fileno()).st_size > end:
                self._file.truncate(end)

    def keep(self, number: int, result: bytes) -> None:
        """Append a result. If that fails, the file is removed and no more are kept."""
        with self._doing_without():
            if self._file is not None:
                numbers = _NUMBERS.pack(number, len(result))
                self._file.write(numbers + _CHECKSUM.pack(_checksum(numbers, result)) + result)
                self._file.flush()

    def remove(self) -> None:
        """Remove the file."""
        self._close()
        if self._path is not None:
            with contextlib.suppress(OSError):
                self._path.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _doing_without(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            say(
                f"{self._path}: cannot keep what is made ({error.strerror}); a run that is stopped makes it again",
                self._quiet,
            )
            self.remove()

    def _close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            with contextlib.suppress(OSError):
                file.close()


def _read_record(file: IO[bytes], most: int) -> tuple[int, bytes] | None:
    """Return the next record's number and bytes; None at the end, and where no whole record is."""
    numbers, checksum = file.read(_NUMBERS.size), file.read(_CHECKSUM.size)
    if len(checksum) < _CHECKSUM.size:
        return None
    number, length = _NUMBERS.unpack(numbers)
    if length > most:  # damaged; it might not even fit into memory
        return None
    result = file.read(length)
    whole = len(result) == length and _CHECKSUM.pack(_checksum(numbers, result)) == checksum
    return (number, result) if whole else None


def _checksum(numbers: bytes, result: bytes) -> int:
    return zlib.crc32(result, zlib.crc32(numbers))
