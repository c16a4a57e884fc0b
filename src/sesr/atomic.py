"""Files that appear whole or not at all.

Whatever the project writes (pictures, weights, checkpoints, tables) is written to a hidden file next to its goal and
renamed when complete. A rename within a folder is atomic, so a crash, a full disk or a kill leaves either the old
file or the new one, never half of one. Errors name the goal, since nobody knows the hidden file.

A process that is killed cannot remove its hidden file, so the next one that writes into the folder does. A hidden file
is left over when both signs agree:

- Nobody holds its lock. Whoever writes a hidden file locks it, and the system frees the lock at the process's end.
- Its process is gone. The file's name says which process of which machine wrote it::

      .sesr-HOST-SPACE-PID-START-RANDOM.part

  HOST is a checksum of the machine's name. SPACE is a checksum of the boot and of the container, in which process
  numbers mean something. START is the process's start time: numbers are given out again, pairs of number and start
  are not.

Where the name cannot tell (another container, an earlier boot), a file that nobody holds is removed when it is an hour
old. Files of other machines stay: their locks need not show here. On Windows nothing is removed.

Folders go the same way: `remove_folder` renames them to such a name first, so nobody ever sees half of one.
"""

import errno
import os
import platform
import secrets
import shutil
import stat
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

if sys.platform != "win32":
    import fcntl

_SUFFIX = ".part"
_SETTLED = 3600.0  # seconds after which a hidden file is surely locked, if it ever is
_PROC = Path("/proc")
_unfinished: set[Path] = set()


@contextmanager
def writing(path: Path, *, overwrite: bool = True) -> Iterator[Path]:
    """Yield a temporary path in `path`'s folder; rename it to `path` on success and remove it on any exception.

    The file gets the permissions that an ordinary new file would get. Raises `OSError` as the file system does, and
    `FileExistsError` if there is something at `path` in the end that must not be overwritten.
    """
    descriptor, temporary = _hidden_file(path)
    _unfinished.add(temporary)
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
        _unfinished.discard(temporary)
        if descriptor is not None:
            os.close(descriptor)


def remove_unfinished() -> None:
    """Remove this process's hidden files, just before it ends without unwinding."""
    for temporary in tuple(_unfinished):
        with suppress(OSError):
            temporary.unlink()


def remove_folder(path: Path) -> None:
    """Remove a folder as a whole: it vanishes at once, and what a kill leaves of it goes with the next run.

    Does nothing where the system does not allow it.
    """
    hidden = _hidden_path(path.parent)
    try:
        path.rename(hidden)
    except OSError:  # as on Windows, while somebody has a file in it open
        hidden = path
    shutil.rmtree(hidden, ignore_errors=True)


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Yield a new folder in the system's temporary one; what killed processes of this machine left there goes first."""
    place = Path(tempfile.gettempdir())
    remove_abandoned(place)
    folder = _hidden_path(place)
    folder.mkdir(mode=0o700)
    descriptor = None
    if sys.platform != "win32":
        descriptor = os.open(folder, os.O_RDONLY)
        with suppress(OSError):  # some network drives know no locks
            fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if descriptor is not None:
            os.close(descriptor)


def sync(path: Path) -> None:
    """Wait until a file and its name are on the disk, so that they survive a power cut."""
    for place in (path, path.parent):
        with suppress(OSError):  # Windows cannot open folders, and some network drives cannot sync
            descriptor = os.open(place, os.O_RDWR if place is path else os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


def check_writable(path: Path) -> None:
    """Raise the `OSError` that `writing(path)` would end with, for a look before the work is done."""
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "is a folder, not a file", str(path))
    descriptor, temporary = _hidden_file(path)
    temporary.unlink()
    if descriptor is not None:
        os.close(descriptor)


def _hidden_file(path: Path) -> tuple[int | None, Path]:
    """Return the descriptor that holds the lock, to be closed, and the path of a new empty file next to `path`.

    The file's name is short, since `path`'s own may be as long as names can be.
    """
    with suppress(FileNotFoundError, NotADirectoryError):
        os.lstat(path)  # raises for a name that is too long
    temporary = _hidden_path(path.parent)
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
    remove_abandoned(path.parent)
    return descriptor, temporary


def _hidden_path(folder: Path) -> Path:
    process = f"{_host_mark()}-{_space()}-{os.getpid()}-{_start_of(os.getpid()) or 0}"
    return folder / f"{process}-{secrets.token_hex(8)}{_SUFFIX}"


@cache
def remove_abandoned(folder: Path) -> None:
    """Remove what killed processes of this machine left; each process looks once into each folder."""
    if sys.platform == "win32":
        return
    for left in folder.glob(f"{_host_mark()}-*{_SUFFIX}"):
        with suppress(OSError):
            descriptor = os.open(left, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                found = os.fstat(descriptor)
                abandoned = time.time() - found.st_mtime > _SETTLED or _is_process_gone(left.name)
                if abandoned and stat.S_ISREG(found.st_mode):
                    left.unlink()
                elif abandoned and stat.S_ISDIR(found.st_mode):
                    shutil.rmtree(left)
            finally:
                os.close(descriptor)


def _is_process_gone(name: str) -> bool:
    """Tell whether a hidden file's process surely ended. False for names that do not say, as of earlier versions."""
    parts = name.removesuffix(_SUFFIX).removeprefix(_host_mark()).split("-")
    if len(parts) != 5 or parts[1] != _space() or not parts[2].isdigit():
        return False
    try:
        os.kill(int(parts[2]), 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):  # somebody else's process, whose start the system may hide
        pass
    start = _start_of(int(parts[2]))
    return start is not None and str(start) != parts[3]


@cache
def _host_mark() -> str:
    """Return the start of hidden files' names on this machine."""
    return f".sesr-{_checksum(platform.node())}"


@cache
def _space() -> str:
    """Return a checksum of this boot and container: only within both do process numbers name a process."""
    known = ""
    with suppress(OSError):
        known = (_PROC / "sys/kernel/random/boot_id").read_text() + os.readlink(_PROC / "self/ns/pid")
    return _checksum(known)


def _start_of(process: int) -> int | None:
    """Return when a process started, in the system's ticks; -1 for a zombie. None where the system does not say."""
    with suppress(OSError, ValueError, IndexError):
        # The name of the program, in parentheses, may hold spaces and parentheses itself: fields count from its end.
        state, *fields = (_PROC / str(process) / "stat").read_text(errors="replace").rpartition(")")[2].split()
        return -1 if state in ("Z", "X") else int(fields[18])
    return None


def _checksum(text: str) -> str:
    return f"{zlib.crc32(text.encode()):08x}"


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
