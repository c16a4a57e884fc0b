"""Finds the pictures that are meant by files and folders.

A file that is named is always tried. Of a folder only what is a picture by its name counts, and these are passed over:

- hidden files and folders, and what systems leave in folders (`SYSTEM_FOLDERS`),
- results of earlier runs: ``name_x2.png`` beside a picture ``name.jpg``, whatever the formats, if it has the size that
  its name tells (``wedding_4x6.png`` has not),
- links to folders, which could lead round in a circle, and the folder that results go to,
- what patterns leave out.

Folders that cannot be read are told of, and no reason to stop. Everything comes in the order of names.
"""

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from sesr.errors import UsageError
from sesr.files.files import picture_size
from sesr.files.formats import PICTURE_SUFFIXES
from sesr.inference.sizes import Size, parse_label

SYSTEM_FOLDERS = frozenset({"__MACOSX", "@eaDir", "$RECYCLE.BIN", "System Volume Information", "lost+found"})
"""Folders that archives, network drives and systems make; some hold small copies of the pictures beside them."""


@dataclass(frozen=True)
class Search:
    """What to take from folders.

    Attributes:
        recursive: whether to go down into folders within.
        include: patterns (``*.jpg``, ``2024/*``); a picture must match one of them, if there are any.
        exclude: patterns; pictures that match one are left out, and folders with all that is in them.

    A pattern is compared with the name and with the path from the folder on, written with ``/``. Capital letters are
    as good as small ones, and ``*`` matches ``/`` too.
    """

    recursive: bool = False
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    def takes(self, relative: Path) -> bool:
        """Whether a picture is taken; its path is from the folder on."""
        return (not self.include or _matches(relative, self.include)) and not self.leaves(relative)

    def leaves(self, relative: Path) -> bool:
        """Whether a picture or folder is left out."""
        return _matches(relative, self.exclude)


@dataclass(frozen=True)
class Found:
    """A picture to enlarge.

    Attributes:
        source: the file.
        place: the folder that it was found in, from the folder that was named on: where its result goes in the tree of
            results. Empty for files that were named themselves.
        named: whether the file was named itself.
    """

    source: Path
    place: Path = Path()
    named: bool = True


@dataclass(frozen=True)
class Unread:
    """A folder that gave nothing, and the one line why."""

    folder: Path
    reason: str


Work = Sequence[Found | Unread]
"""What there is to do, and what could not be looked at."""


def find_pictures(inputs: Iterable[Path], search: Search = Search(), apart: Path | None = None) -> list[Found | Unread]:
    """The pictures meant by files and folders, in the order of `inputs` and then of names.

    Args:
        inputs: files, which are taken as they are, and folders.
        search: what to take from folders.
        apart: a folder that is not gone into if it is met: the one for the results.
    """
    apart_from = None if apart is None else os.path.realpath(apart)
    work: list[Found | Unread] = []
    for path in inputs:
        work += _of_folder(path, search, apart_from) if os.path.isdir(path) else [Found(path)]
    return work


def _of_folder(folder: Path, search: Search, apart: str | None) -> list[Found | Unread]:
    found = list(_walk(folder, search, apart))
    return found or [Unread(folder, f"{folder}: no pictures to enlarge in this folder; {_advice(search)}")]


def _advice(search: Search) -> str:
    if search.include or search.exclude:
        return "check the patterns"
    return "check the name" if search.recursive else "add -r for those in folders within"


def _walk(root: Path, search: Search, apart: str | None) -> Iterator[Found | Unread]:
    pending = [Path()]
    while pending:
        place = pending.pop()
        try:
            entries = _entries(root / place)
        except OSError as error:
            folder = root / place
            yield Unread(folder, f"{folder}: the folder cannot be read ({error.strerror}); check its permissions")
            continue
        for name in _pictures(entries):
            if search.takes(place / name):
                yield Found(root / place / name, place, named=False)
        if search.recursive:
            within = [place / entry.name for entry in entries if _is_within(entry, apart)]
            pending += [path for path in reversed(within) if not search.leaves(path)]


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """What is in a folder and not hidden."""
    with os.scandir(folder) as entries:
        return sorted((entry for entry in entries if not entry.name.startswith(".")), key=lambda entry: entry.name)


def _pictures(entries: Iterable[os.DirEntry[str]]) -> list[str]:
    """The names of pictures, without results of earlier runs."""
    pictures = [Path(entry.path) for entry in entries if _is_picture(entry)]
    named = defaultdict(list)
    for picture in pictures:
        named[picture.stem].append(picture)
        named[picture.name].append(picture)
    return [picture.name for picture in pictures if not _is_result(picture, named)]


def _is_picture(entry: os.DirEntry[str]) -> bool:
    if os.path.splitext(entry.name)[1].lower() not in PICTURE_SUFFIXES:
        return False
    return entry.is_file(follow_symlinks=False) or (entry.is_symlink() and _leads_to_file(entry.path))


def _leads_to_file(link: str) -> bool:
    """Or to nothing: such a link is taken too, so that somebody hears of it."""
    return os.path.isfile(link) or not os.path.exists(link)


def _is_result(picture: Path, named: Mapping[str, list[Path]]) -> bool:
    """Whether its name says that it was made of a picture beside it, and its size does not deny that."""
    start, _, label = picture.stem.rpartition("_")
    size = parse_label(label)
    return size is not None and any(_may_be(picture, source, size) for source in named.get(start, ()))


def _may_be(picture: Path, source: Path, size: Size) -> bool:
    """Whether it may be the source in this size; also turned, as its EXIF may have said."""
    found, given = picture_size(picture), picture_size(source)
    if found is None or given is None:
        return True
    with suppress(UsageError):
        return found in (size.of(*given), size.of(*given[::-1]))
    return False


def _is_within(entry: os.DirEntry[str], apart: str | None) -> bool:
    """Whether to go down into what is a folder."""
    if not entry.is_dir(follow_symlinks=False) or entry.name in SYSTEM_FOLDERS:
        return False
    return apart is None or os.path.realpath(entry.path) != apart


def _matches(relative: Path, patterns: Iterable[str]) -> bool:
    names = relative.name.casefold(), relative.as_posix().casefold()
    return any(fnmatchcase(name, pattern.casefold()) for pattern in patterns for name in names)
