"""Many picture files: where each result goes, one after another, one's failure apart from the others.

Nothing is overwritten by accident: a result that exists needs `overwrite`, and no result may replace one of the
inputs, or the result of another input, whatever is asked for. Whether a result exists is looked at before the work and
once more when it is put in its place.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from sesr.errors import EngineError, PictureError, SesrError, UsageError
from sesr.imaging.files import output_format
from sesr.inference.upscale import Upscaler


@dataclass(frozen=True)
class Done:
    """A file that was enlarged; sizes are (width, height) in pixels."""

    source: Path
    target: Path
    source_size: tuple[int, int]
    target_size: tuple[int, int]


@dataclass(frozen=True)
class Failed:
    """A file that was not, and the one line why."""

    source: Path
    reason: str


def upscale_files(
    upscaler: Upscaler, sources: Sequence[Path], output: str | None = None, *, overwrite: bool = False
) -> Iterator[Done | Failed]:
    """Enlarges picture files, with a progress bar on a terminal when it takes longer than a second.

    Args:
        upscaler: the network.
        sources: picture files.
        output: a file (for one source), a folder that exists or whose name ends with a separator and is then made,
            or None for ``name_x2.png`` beside each source.
        overwrite: whether files that exist may be replaced.

    Yields one outcome per source, in order. Raises `UsageError` when `output` cannot be meant so, `PictureError` when
    its folder cannot be made, before any work is done.
    """
    targets = Targets(sources, output, upscaler.scale, overwrite=overwrite)
    return (_upscale_file(upscaler, source, targets) for source in sources)


class Targets:
    """Where results go. Arguments and errors as for `upscale_files`; `scale` goes into the names."""

    def __init__(self, sources: Sequence[Path], output: str | None, scale: int, *, overwrite: bool) -> None:
        self._sources = {_identity(source) for source in sources}
        self._claimed: dict[str, Path] = {}
        self._scale, self.overwrite = scale, overwrite
        self._file: Path | None = None
        self._folder: Path | None = None
        if output is not None and _means_folder(output):
            self._folder = _made(Path(output))
        elif output is not None:
            self._file = Path(output)
            output_format(self._file)
            if len(sources) > 1:
                raise UsageError(
                    f"{output}: one file for {len(sources)} pictures; name a folder, with {os.sep} at its end"
                )

    @contextmanager
    def claim(self, source: Path) -> Iterator[Path]:
        """The file for a source's result, from now on taken, unless the body fails.

        Raises `PictureError` if it must not be written.
        """
        target = self._file or (self._folder or source.parent) / f"{source.stem}_x{self._scale}.png"
        if _identity(target) in self._sources:
            raise PictureError(f"{source}: {target} is itself an input; name another output with -o")
        place = os.path.realpath(target)
        first = self._claimed.get(place)
        if first is not None and _identity(first) == _identity(source):
            raise PictureError(f"{source}: given twice, and already done as {target}; give it once")
        if first is not None:
            raise PictureError(f"{source}: {target} is the output of {first} already; upscale it apart, with -o")
        if os.path.lexists(target) and not self.overwrite:
            raise PictureError(f"{source}: {target} exists already; name another with -o, or add --overwrite")
        self._claimed[place] = source
        try:
            yield target
        except BaseException:
            del self._claimed[place]
            raise


def _upscale_file(upscaler: Upscaler, source: Path, targets: Targets) -> Done | Failed:
    with tqdm(desc=source.name, unit=" rows", delay=1, leave=False, disable=None) as bar:

        def advance(rows: int, total: int) -> None:
            bar.total = total
            bar.update(rows)

        try:
            with targets.claim(source) as target:
                sizes = upscaler.upscale_file(source, target, advance, overwrite=targets.overwrite)
                return Done(source, target, *sizes)
        except EngineError as error:
            return Failed(source, f"{source}: {error}")
        except SesrError as error:
            return Failed(source, str(error))


def _means_folder(output: str) -> bool:
    return output.endswith(tuple(filter(None, (os.sep, os.altsep)))) or Path(output).is_dir()


def _made(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PictureError(f"{folder}: the folder cannot be made ({error.strerror}); name another with -o") from error
    return folder


def _identity(path: Path) -> tuple[int, int] | str:
    """The same for two names of one file."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return os.path.realpath(path)
    return found.st_dev, found.st_ino
