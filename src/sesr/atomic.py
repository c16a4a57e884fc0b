"""Files that appear whole or not at all.

Whatever the project writes (pictures, weights, checkpoints, tables) is written to a hidden file beside its goal and
renamed when complete. A rename within a folder is atomic, so a crash, a full disk or a kill leaves either the old
file or the new one, never half of one.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """Yields a temporary path in `path`'s folder; renames it to `path` on success and removes it on any exception.

    The file gets the permissions that an ordinary new file would get. Raises `OSError` as the file system does.
    """
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name[:100]}.", suffix=".part", dir=path.parent)
    os.close(descriptor)
    temporary = Path(name)
    try:
        yield temporary
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        with suppress(FileNotFoundError):
            temporary.unlink()
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
