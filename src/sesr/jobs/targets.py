"""Places for results, and the guarantee that nothing is lost there.

Without an output, a result lies next to its source. With a folder as output, it lies in the same tree there:
``in/a/b.jpg`` becomes ``out/a/b_x2.png``. Page 3 of a file becomes ``b_x2_p3.png``. Where two pictures of a folder
would get the same name, as ``b.png`` and ``b.jpg``, they become ``b.png_x2.png`` and ``b.jpg_x2.png``. No result may
replace one of the inputs, or the result of another input, whatever is asked for.

When a result exists already, that is an error for a file that was named. For a file from a folder it means that an
earlier run made it, since results appear whole or not at all (`sesr.atomic`), and the file is skipped.
"""

import errno
import os
import stat
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sesr.errors import PictureError, UsageError
from sesr.files.formats import FORMATS, OUTPUT_SUFFIXES, output_format, recognized
from sesr.jobs.folders import Found, Work

SAME = "same"
"""The format that keeps each file's own."""


class Targets:
    """The files for results.

    Args:
        work: all that there is to do.
        output: a file (for one source), a folder, or None for next to each source. It means a folder when one exists
            there, when its name ends with a separator, or when there are several sources and its suffix is not a
            format's. Folders are made.
        label: goes into names: ``name_x2.png``.
        file_format: ``png``, ``jpg``, ...: the suffix of these names; None takes ``png``. ``same`` keeps each
            source's format, and its suffix where that belongs to the format.

    Raises `UsageError` when `output` or `file_format` cannot be meant so, `PictureError` when the folder cannot be
    made.
    """

    def __init__(self, work: Work, output: str | None, label: str, file_format: str | None = None) -> None:
        sources = [found for found in work if isinstance(found, Found)]
        self._identities = {identity(found.source) for found in sources}
        self._claimed: dict[str, Path] = {}
        self._label = label
        self._suffix = None if _is_same(file_format) else _suffix(file_format)
        self._suffixes: dict[Path, str] = {}
        self._file: Path | None = None
        self._folder: Path | None = None
        if output is not None and _means_folder(output, work):
            self._folder = _make_folder(Path(output)) if sources else Path(output)
        elif output is not None:
            self._file = Path(output)
            _check_file(self._file, work, file_format)
        from_folders = {found.source: found for found in sources if not found.named}
        self._same_names = Counter(self._path(found, found.source.stem) for found in from_folders.values())

    def target(self, found: Found) -> Path:
        """Return the file for a source's result."""
        if self._file is not None:
            return self._file
        path = self._path(found, found.source.stem)
        return path if found.named or self._same_names[path] < 2 else self._path(found, found.source.name)

    def check_quality(self, quality: int | None) -> None:
        """Raise `UsageError` for a quality where the format keeps every pixel as it is."""
        if quality is None or (self._file is None and self._suffix is None):
            return
        form = output_format(self._file or Path(f"name{self._suffix}"))
        if form.lossless:
            raise UsageError(
                f"--quality is for formats that lose something, and {form.name} does not; name one with -f"
            )

    @contextmanager
    def claim(self, found: Found) -> Iterator[Path]:
        """Give the file for a source's result, which no other source gets from now on.

        When the body fails for a file that was named, the next one may have it. Among files from folders, always the
        same one has it, however often they are gone through. Raises `PictureError` if it must not be written.
        """
        source, target = found.source, self.target(found)
        if identity(target) in self._identities:
            raise PictureError(f"{source}: {target} is itself an input; name another output with -o")
        place = os.path.realpath(target)
        first = self._claimed.get(place)
        if first is not None and identity(first) == identity(source):
            raise PictureError(f"{source}: given twice, and already done as {target}; give it once")
        if first is not None:
            raise PictureError(f"{source}: {target} is the output of {first} already; upscale it by itself, with -o")
        self._claimed[place] = source
        try:
            yield target
        except BaseException:
            if found.named:
                del self._claimed[place]
            raise

    def _path(self, found: Found, stem: str) -> Path:
        folder = found.source.parent if self._folder is None else self._folder / found.subfolder
        page = "" if found.page is None else f"_p{found.page}"
        return folder / f"{stem}_{self._label}{page}{self._suffix_for(found.source)}"

    def _suffix_for(self, source: Path) -> str:
        if self._suffix is not None:
            return self._suffix
        if source not in self._suffixes:
            self._suffixes[source] = _own_suffix(source)
        return self._suffixes[source]


def identity(path: Path) -> tuple[int, int] | str:
    """Return the same for two names of one file."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return os.path.realpath(path)
    return found.st_dev, found.st_ino


def is_done(found: Found, target: Path) -> bool:
    """Tell whether an earlier run through a folder made the target."""
    try:
        return not found.named and target.is_file() and target.stat().st_size > 0
    except OSError:
        return False


def is_older(target: Path, source: Path) -> bool:
    """Tell whether the picture was changed after its result was made."""
    try:
        return target.stat().st_mtime < source.stat().st_mtime
    except OSError:
        return False


def check_free(source: Path, target: Path, *, overwrite: bool) -> None:
    """Raise `PictureError` for a target that cannot have its name, or exists and is to stay."""
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
    """Make the folder of a target. Raises `PictureError`."""
    _make_folder(target.parent)


def _is_same(file_format: str | None) -> bool:
    return file_format is not None and file_format.lower() == SAME


def _suffix(file_format: str | None) -> str:
    suffix = "." + (file_format or "png").lower().removeprefix(".")
    if suffix not in OUTPUT_SUFFIXES:
        known = ", ".join(form.suffix.removeprefix(".") for form in FORMATS)
        raise UsageError(f"format {file_format!r} is unknown: use one of {known}, or {SAME}")
    return suffix


def _own_suffix(source: Path) -> str:
    """Return a suffix for the format that a file has; its own one, if that belongs to the format.

    What cannot be recognized will fail with a reason of its own, whatever its target is called.
    """
    form = None
    with suppress(OSError, ValueError):
        if source.is_file():  # opening a pipe would wait
            with source.open("rb") as file:
                form = recognized(file)
    suffix = source.suffix
    if suffix.lower() in OUTPUT_SUFFIXES and form in (None, OUTPUT_SUFFIXES[suffix.lower()]):
        return suffix
    return ".png" if form is None else form.suffix


def _means_folder(output: str, work: Work) -> bool:
    if output.endswith(tuple(filter(None, (os.sep, os.altsep)))) or os.path.isdir(output):
        return True
    several = len(work) > 1 or _from_folders(work)
    return several and Path(output).suffix.lower() not in OUTPUT_SUFFIXES


def _from_folders(work: Work) -> bool:
    return not all(isinstance(found, Found) and found.named for found in work)


def _check_file(path: Path, work: Work, file_format: str | None) -> None:
    """Raise `UsageError` unless it can be the one output."""
    try:
        form = output_format(path)
    except UsageError as error:
        raise UsageError(f"{error}; for a folder, add {os.sep} at its end") from error
    if len(work) > 1 or _from_folders(work):
        many = "the pictures of a folder" if _from_folders(work) else f"{len(work)} pictures"
        raise UsageError(f"{path}: one file for {many}; name a folder, with {os.sep} at its end")
    if _is_same(file_format) or (file_format is not None and form is not OUTPUT_SUFFIXES[_suffix(file_format)]):
        raise UsageError(f"{path}: its name says another format than -f {file_format}; leave one of them out")


def _make_folder(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PictureError(f"{folder}: the folder cannot be made ({error.strerror}); name another with -o") from error
    return folder
