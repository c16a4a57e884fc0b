"""Files that appear whole or not at all.

Whatever the project writes (pictures, weights, checkpoints, tables) is written to a hidden file beside its goal and
renamed when complete. A rename within a folder is atomic, so a crash, a full disk or a kill leaves either the old
file or the new one, never half of one.

Errors name the goal, since nobody knows the hidden file.
"""

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def writing(path: Path, *, overwrite: bool = True) -> Iterator[Path]:
    """Yields a temporary path in `path`'s folder; renames it to `path` on success and removes it on any exception.

    The file gets the permissions that an ordinary new file would get. Raises `OSError` as the file system does, and
    `FileExistsError` if there is something at `path` in the end that may not be overwritten.
    """
    temporary = _hidden_file(path)
    try:
        yield temporary
        os.chmod(temporary, 0o666 & ~_umask())
        _place(temporary, path, overwrite)
    except BaseException as error:
        with suppress(FileNotFoundError):
            temporary.unlink()
        if isinstance(error, OSError) and error.errno and error.filename in (None, str(temporary), temporary):
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


def check_writable(path: Path) -> None:
    """Raises the `OSError` that `writing(path)` would end with, for a look before the work is done."""
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "is a folder, not a file", str(path))
    _hidden_file(path).unlink()


def _hidden_file(path: Path) -> Path:
    """A new empty file beside `path`; its name is short, since `path`'s own may be as long as names can be."""
    with suppress(FileNotFoundError, NotADirectoryError):
        os.lstat(path)  # raises for a name that is too long
    try:
        descriptor, name = tempfile.mkstemp(prefix=".sesr-", suffix=".part", dir=path.parent)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise OSError(error.errno, f"there is no folder {path.parent}", str(path)) from error
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    os.close(descriptor)
    return Path(name)


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


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
