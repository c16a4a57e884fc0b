"""Files that appear whole or not at all.

Whatever the project writes (pictures, weights, checkpoints, tables) is written to a hidden file beside its goal and
renamed when complete. A rename within a folder is atomic, so a crash, a full disk or a kill leaves either the old
file or the new one, never half of one.

Errors name the goal, since nobody knows the hidden file.

A process that is killed cannot remove its hidden file. One of the same machine that writes into the folder an hour
later does: whoever writes holds a lock on its hidden file, so one that nobody holds is left over. (Not on Windows.)
"""

import errno
import os
import platform
import secrets
import stat
import sys
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

if sys.platform != "win32":
    import fcntl

_PREFIX, _SUFFIX = f".sesr-{zlib.crc32(platform.node().encode()):08x}-", ".part"
_SETTLED = 3600.0  # seconds after which a hidden file is surely locked, if it ever is


@contextmanager
def writing(path: Path, *, overwrite: bool = True) -> Iterator[Path]:
    """Yields a temporary path in `path`'s folder; renames it to `path` on success and removes it on any exception.

    The file gets the permissions that an ordinary new file would get. Raises `OSError` as the file system does, and
    `FileExistsError` if there is something at `path` in the end that may not be overwritten.
    """
    descriptor, temporary = _hidden_file(path)
    try:
        yield temporary
        _place(temporary, path, overwrite)
    except BaseException as error:
        with suppress(FileNotFoundError):
            temporary.unlink()
        if isinstance(error, OSError) and error.errno and error.filename in (None, str(temporary), temporary):
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise
    finally:
        if descriptor is not None:
            os.close(descriptor)


def check_writable(path: Path) -> None:
    """Raises the `OSError` that `writing(path)` would end with, for a look before the work is done."""
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "is a folder, not a file", str(path))
    descriptor, temporary = _hidden_file(path)
    temporary.unlink()
    if descriptor is not None:
        os.close(descriptor)


def _hidden_file(path: Path) -> tuple[int | None, Path]:
    """A new empty file beside `path`, and what holds its lock, to be closed.

    Its name is short, since `path`'s own may be as long as names can be.
    """
    with suppress(FileNotFoundError, NotADirectoryError):
        os.lstat(path)  # raises for a name that is too long
    temporary = path.parent / f"{_PREFIX}{secrets.token_hex(8)}{_SUFFIX}"
    try:
        descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o666)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise OSError(error.errno, f"there is no folder {path.parent}", str(path)) from error
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    if sys.platform == "win32":  # where an open file cannot be renamed
        os.close(descriptor)
        return None, temporary
    with suppress(OSError):  # some network drives know no locks
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    _remove_abandoned(path.parent)
    return descriptor, temporary


@cache
def _remove_abandoned(folder: Path) -> None:
    """What processes of this machine left that were killed; looked for once in each folder."""
    if sys.platform == "win32":
        return
    for left in folder.glob(f"{_PREFIX}*{_SUFFIX}"):
        with suppress(OSError):
            descriptor = os.open(left, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                found = os.fstat(descriptor)
                if stat.S_ISREG(found.st_mode) and time.time() - found.st_mtime > _SETTLED:
                    left.unlink()
            finally:
                os.close(descriptor)


def _place(temporary: Path, path: Path, overwrite: bool) -> None:
    if overwrite:
        os.replace(temporary, path)
        return
    try:
        os.link(temporary, path)  # unlike a rename, it never replaces
    except FileExistsError:
        raise
    except OSError:  # a file system without links: the next best
        if os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from None
        os.replace(temporary, path)
    else:
        temporary.unlink()
