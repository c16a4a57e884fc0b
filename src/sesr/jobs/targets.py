"""Where results go, and that nothing is lost there.

Without an output a result lies beside its source, with a folder as output in the same tree there: ``in/a/b.jpg``
becomes ``out/a/b_x2.png``. Where ``b.png`` lies beside ``b.jpg``, they become ``b.png_x2.png`` and ``b.jpg_x2.png``. No
result may replace one of the inputs, or the result of another input, whatever is asked for.

What exists already: of files that were named, an error. Of files from folders it was done by an earlier run, since
results appear whole or not at all (`sesr.atomic`), and is skipped.
"""

import errno
import os
import stat
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sesr.errors import PictureError, UsageError
from sesr.files.formats import FORMATS, OUTPUT_SUFFIXES, output_format
from sesr.jobs.folders import Found, Work


class Targets:
    """The files for results.

    Args:
        work: all that there is to do.
        output: a file (for one source), a folder (it exists, or its name ends with a separator, or sources come from
            folders; it is made), or None for beside each source.
        label: goes into names: ``name_x2.png``.
        file_format: ``png``, ``jpg``, ...: the suffix of these names; None takes ``png``.

    Raises `UsageError` when `output` or `file_format` cannot be meant so, `PictureError` when the folder cannot be
    made.
    """

    def __init__(self, work: Work, output: str | None, label: str, file_format: str | None = None) -> None:
        self._sources = {identity(found.source) for found in work if isinstance(found, Found)}
        self._claimed: dict[str, Path] = {}
        self._end = f"_{label}{_suffix(file_format)}"
        self._file: Path | None = None
        self._folder: Path | None = None
        from_folders = {found.source for found in work if isinstance(found, Found) and not found.named}
        self._alike = Counter(map(_beside, from_folders))
        if output is not None and _means_folder(output, work):
            self._folder = _made(Path(output)) if self._sources else Path(output)
        elif output is not None:
            self._file = Path(output)
            _check_file(self._file, work, file_format)

    def of(self, found: Found) -> Path:
        """The file for a source's result."""
        if self._file is not None:
            return self._file
        folder = found.source.parent if self._folder is None else self._folder / found.place
        alone = found.named or self._alike[_beside(found.source)] == 1
        return folder / f"{found.source.stem if alone else found.source.name}{self._end}"

    def check_quality(self, quality: int | None) -> None:
        """Raises `UsageError` for a quality where the format keeps every pixel as it is."""
        named = output_format(self._file or Path(self._end))
        if quality is not None and named.lossless:
            raise UsageError(
                f"--quality is for formats that lose something, and {named.name} does not; name one with -f"
            )

    @contextmanager
    def claim(self, found: Found) -> Iterator[Path]:
        """The file for a source's result, from now on taken.

        When the body fails for a file that was named, it is free for the next one. Of files from folders always the
        same one has it, however often they are gone through. Raises `PictureError` if it must not be written.
        """
        source, target = found.source, self.of(found)
        if identity(target) in self._sources:
            raise PictureError(f"{source}: {target} is itself an input; name another output with -o")
        place = os.path.realpath(target)
        first = self._claimed.get(place)
        if first is not None and identity(first) == identity(source):
            raise PictureError(f"{source}: given twice, and already done as {target}; give it once")
        if first is not None:
            raise PictureError(f"{source}: {target} is the output of {first} already; upscale it apart, with -o")
        self._claimed[place] = source
        try:
            yield target
        except BaseException:
            if found.named:
                del self._claimed[place]
            raise


def _beside(source: Path) -> tuple[Path, str]:
    """The same for pictures of a folder that differ in their formats only."""
    return source.parent, source.stem


def identity(path: Path) -> tuple[int, int] | str:
    """The same for two names of one file."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return os.path.realpath(path)
    return found.st_dev, found.st_ino


def is_done(found: Found, target: Path) -> bool:
    """Whether an earlier run through a folder made the target."""
    try:
        return not found.named and target.is_file() and target.stat().st_size > 0
    except OSError:
        return False


def is_older(target: Path, source: Path) -> bool:
    """Whether the picture was changed after its result was made."""
    try:
        return target.stat().st_mtime < source.stat().st_mtime
    except OSError:
        return False


def check_free(source: Path, target: Path, *, overwrite: bool) -> None:
    """Raises `PictureError` for a target that cannot have its name, or exists and is to stay."""
    try:
        there = os.lstat(target)
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise PictureError(
                f"{source}: {target.name} is too long; shorten the picture's, or name it with -o"
            ) from error
        return
    if not overwrite:
        raise PictureError(f"{source}: {target} exists already; name another with -o, or add --overwrite")
    if not stat.S_ISLNK(there.st_mode) and not there.st_mode & 0o222:
        raise PictureError(f"{source}: {target} is write-protected; name another with -o, or change its permissions")


def make_folder_for(target: Path) -> None:
    """Makes the folder of a target. Raises `PictureError`."""
    _made(target.parent)


def _suffix(file_format: str | None) -> str:
    suffix = "." + (file_format or "png").lower().removeprefix(".")
    if suffix not in OUTPUT_SUFFIXES:
        known = ", ".join(form.suffix.removeprefix(".") for form in FORMATS)
        raise UsageError(f"format {file_format!r} is unknown: use one of {known}")
    return suffix


def _means_folder(output: str, work: Work) -> bool:
    if output.endswith(tuple(filter(None, (os.sep, os.altsep)))) or os.path.isdir(output):
        return True
    return _from_folders(work) and Path(output).suffix.lower() not in OUTPUT_SUFFIXES


def _from_folders(work: Work) -> bool:
    return not all(isinstance(found, Found) and found.named for found in work)


def _check_file(path: Path, work: Work, file_format: str | None) -> None:
    """Raises `UsageError` unless it can be the one output."""
    output_format(path)
    if len(work) > 1 or _from_folders(work):
        many = "the pictures of a folder" if _from_folders(work) else f"{len(work)} pictures"
        raise UsageError(f"{path}: one file for {many}; name a folder, with {os.sep} at its end")
    if file_format is not None and output_format(path) is not OUTPUT_SUFFIXES[_suffix(file_format)]:
        raise UsageError(f"{path}: its name says another format than -f {file_format}; leave one of them out")


def _made(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PictureError(f"{folder}: the folder cannot be made ({error.strerror}); name another with -o") from error
    return folder
