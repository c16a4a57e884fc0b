"""A journal: the results of long work, each kept as soon as it is there, so that work that was stopped goes on.

It is one file of records. Each holds a result's number, its bytes and a checksum, and is appended whole. What a kill, a
full disk or a power cut leaves of the last ones is cut off when the journal is opened again, and made again. Two
processes that write the same results, where the file system has no locks, do no harm: a result that is there twice is
the same.
"""

import contextlib
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO

_NUMBERS = struct.Struct("<QQ")
"""A record's number, and the length of its bytes."""

_CHECKSUM = struct.Struct("<I")
"""What stands between the two and the bytes: a checksum over both."""


class Journal:
    """Results by number, kept in a file; close it by ``with``.

    Args:
        path: the file; its folder is made. None keeps nothing, and neither does a file that cannot be written to:
            results are lost with the process then, as without a journal.
    """

    def __init__(self, path: Path | None) -> None:
        self._file: IO[bytes] | None = None
        if path is not None:
            with contextlib.suppress(OSError):
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
            while (record := _read_record(self._file)) is not None:
                end = self._file.tell()
                yield record
            self._file.truncate(end)

    def keep(self, number: int, result: bytes) -> None:
        """Append a result. If that fails, no more are kept."""
        with self._doing_without():
            if self._file is not None:
                numbers = _NUMBERS.pack(number, len(result))
                self._file.write(numbers + _CHECKSUM.pack(_checksum(numbers, result)) + result)
                self._file.flush()

    @contextlib.contextmanager
    def _doing_without(self) -> Iterator[None]:
        try:
            yield
        except OSError:
            self._close()

    def _close(self) -> None:
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()
            self._file = None


def _read_record(file: IO[bytes]) -> tuple[int, bytes] | None:
    """Return the next record's number and bytes; None at the end, and where no whole record is."""
    numbers, checksum = file.read(_NUMBERS.size), file.read(_CHECKSUM.size)
    if len(checksum) < _CHECKSUM.size:
        return None
    number, length = _NUMBERS.unpack(numbers)
    left = os.fstat(file.fileno()).st_size - file.tell()  # a damaged length may be anything
    result = file.read(min(length, left))
    whole = len(result) == length and _CHECKSUM.pack(_checksum(numbers, result)) == checksum
    return (number, result) if whole else None


def _checksum(numbers: bytes, result: bytes) -> int:
    return zlib.crc32(result, zlib.crc32(numbers))
