"""PyAV, which reads and writes films: whether it is there, and its errors as lines for people."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from sesr.errors import NotInstalledError, VideoError

INSTALL = "pip install 'sesr[video]'"


def check_installed() -> None:
    """Raise `NotInstalledError` where PyAV is missing or does not load."""
    try:
        import av  # noqa: F401
    except (ImportError, OSError) as error:
        raise NotInstalledError(f"video needs PyAV, which is not installed or does not load: {INSTALL}") from error


@contextmanager
def reading(name: str) -> Iterator[None]:
    """Turn what FFmpeg raises in the body, about the film `name`, into `VideoError`."""
    import av

    try:
        yield
    except av.error.FileNotFoundError as error:
        raise VideoError(f"{name}: there is no such file; check the name") from error
    except av.error.PermissionError as error:
        raise VideoError(f"{name}: may not be read; check its permissions") from error
    except av.error.IsADirectoryError as error:
        raise VideoError(f"{name}: a folder; name a film in it") from error
    except av.FFmpegError as error:
        raise VideoError(
            f"{name}: not a film that FFmpeg can read, or a damaged one ({error.strerror}); "
            "check that it plays, and that it was copied as a whole"
        ) from error


@contextmanager
def filling(name: str, *, continues: bool = True) -> Iterator[None]:
    """Turn what FFmpeg and the system raise in the body, about the new film `name`, into `VideoError`.

    `continues` says that the same command would continue where this one ended. A pipe whose reader is gone stays as
    it is.
    """
    import av

    try:
        yield
    except (av.FFmpegError, OSError) as error:
        if isinstance(error, BrokenPipeError):
            raise
        if error.errno == errno.ENOSPC:
            reason = "the disk is full; free some room and run the same command again"
            reason += ", which continues" if continues else ""
        elif not isinstance(error, OSError):
            reason = f"FFmpeg cannot encode or write it ({error.strerror}); try another --codec"
        else:
            reason = f"cannot be written ({error.strerror or error}); check the place and its permissions"
        raise VideoError(f"{name}: {reason}") from error
