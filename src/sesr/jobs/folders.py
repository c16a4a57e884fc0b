"""Finding the pictures that files and folders on the command line mean.

A file that is named is always tried. In a folder, only what is a picture by its name counts. These are passed over:

- hidden files and folders, and what systems leave in folders (`SYSTEM_FOLDERS`, `SYSTEM_FILES`),
- the folder that results go to,
- files with other suffixes,
- results of earlier runs: ``name_x2.png`` next to a picture ``name.jpg``, whatever the formats, if it has the size that
  its name says (``wedding_4x6.png`` does not),
- subfolders, unless the search is recursive, and links to folders, which could lead round in a circle,
- what patterns leave out.

Nobody misses the first two. The others are counted (`PassedOver`), so that a forgotten suffix or a missing ``-r`` does
not go unnoticed. Folders that cannot be read are reported, and the search continues. Everything comes in the order of
names.
"""

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from sesr.errors import UsageError
from sesr.files.formats import PICTURE_SUFFIXES
from sesr.files.open import picture_size
from sesr.inference.sizes import Size, parse_label

SYSTEM_FOLDERS = frozenset({"__MACOSX", "@eaDir", "$RECYCLE.BIN", "System Volume Information", "lost+found"})
"""Folders that archives, network drives and systems make; some hold small copies of the pictures next to them."""

SYSTEM_FILES = frozenset({"desktop.ini", "ehthumbs.db", "thumbs.db"})
"""Files that systems make, in small letters."""

_PAGE = re.compile(r"_p\d+$")
_SHARPENED = re.compile(r"_sharp\d(\.\d+)?$")


@dataclass(frozen=True)
class Search:
    """Selection of pictures from folders.

    Attributes:
        recursive: whether to go down into subfolders.
        include: patterns (``*.jpg``, ``2024/*``); if there are any, a picture must match one of them.
        exclude: patterns; pictures that match one are left out, and folders with all that is in them.

    A pattern is compared with the name and with the path from the folder on, written with ``/``. Capital letters are
    as good as small ones, and ``*`` matches ``/`` too.
    """

    recursive: bool = False
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    def takes(self, relative: Path) -> bool:
        """Tell whether a picture is taken; `relative` is its path from the folder on."""
        return (not self.include or _matches(relative, self.include)) and not self.leaves_out(relative)

    def leaves_out(self, relative: Path) -> bool:
        """Tell whether a picture or folder is excluded."""
        return _matches(relative, self.exclude)


@dataclass(frozen=True)
class Found:
    """A picture to upscale.

    Attributes:
        source: the file.
        subfolder: path from the named folder to the one that holds the picture: its result goes to the same place in
            the tree of results. Empty for files that were named themselves.
        named: whether the file was named itself.
        page: which page or frame of the file, from 1 on; None takes the whole file.
    """

    source: Path
    subfolder: Path = Path()
    named: bool = True
    page: int | None = None


@dataclass(frozen=True)
class Unread:
    """A folder without pictures, or one that cannot be read, and the one line why."""

    folder: Path
    reason: str


Work = Sequence[Found | Unread]
"""Pictures to upscale, and folders that could not be looked at."""


@dataclass
class PassedOver:
    """Count of what searches through folders did not take.

    Attributes:
        suffixes: files that are no pictures by their name, or no ordinary files, by suffix in small letters.
        results: results of earlier runs.
        excluded: pictures and folders that patterns left out.
        subfolders: folders that only a recursive search goes into.
        links: links to folders.
    """

    suffixes: Counter[str] = field(default_factory=Counter)
    results: int = 0
    excluded: int = 0
    subfolders: int = 0
    links: int = 0

    def __str__(self) -> str:
        """Describe it for people: "3 .txt, 1 .psd, 2 subfolders (add -r)"; empty if nothing was passed over."""
        suffixes = sorted(self.suffixes.items(), key=lambda item: (-item[1], not item[0], item[0]))
        others = {
            "result{s} of earlier runs": self.results,
            "left out by patterns": self.excluded,
            "subfolder{s} (add -r)": self.subfolders,
            "link{s} to folders": self.links,
        }
        shown = [f"{count} {suffix or 'without a suffix'}" for suffix, count in suffixes]
        shown += [f"{count} {text.format(s='' if count == 1 else 's')}" for text, count in others.items() if count]
        return ", ".join(shown)


def find_pictures(
    inputs: Iterable[Path],
    search: Search = Search(),
    results: Path | None = None,
    passed_over: PassedOver | None = None,
) -> list[Found | Unread]:
    """Return the pictures that files and folders mean, in the order of `inputs` and then of names.

    Args:
        inputs: files, which are taken as they are, and folders.
        search: what to take from folders.
        results: the folder for results, which is not gone into where the search meets it.
        passed_over: counts what was not taken. A folder that is named twice counts once.
    """
    walk = _Walk(search, results, PassedOver() if passed_over is None else passed_over)
    work: list[Found | Unread] = []
    for path in inputs:
        work += walk.folder(path) if os.path.isdir(path) else [Found(path)]
    return work


class _Walk:
    """Search through folders; arguments as for `find_pictures`."""

    def __init__(self, search: Search, results: Path | None, passed_over: PassedOver) -> None:
        self._search, self._passed_over = search, passed_over
        self._results = None if results is None else os.path.realpath(results)
        self._counted: set[tuple[int, int]] = set()
        self._more_below = False

    def folder(self, root: Path) -> list[Found | Unread]:
        """Return what a folder holds; if that is nothing, a line that says so."""
        self._more_below = False
        found = list(self._found(root))
        return found or [Unread(root, f"{root}: no pictures to enlarge in this folder; {self._advice()}")]

    def _advice(self) -> str:
        if self._search.include or self._search.exclude:
            return "check the patterns"
        return "add -r for those in subfolders" if self._more_below else "check the name"

    def _found(self, root: Path) -> Iterator[Found | Unread]:
        pending = [Path()]
        while pending:
            place = pending.pop()
            try:
                entries, first_time = _entries(root / place), self._is_first_time(root / place)
            except OSError as error:
                folder = root / place
                yield Unread(folder, f"{folder}: the folder cannot be read ({error.strerror}); check its permissions")
                continue
            counts = self._passed_over if first_time else PassedOver()
            for name in self._pictures(place, entries, counts):
                yield Found(root / place / name, place, named=False)
            pending += reversed(self._subfolders(place, entries, counts))

    def _is_first_time(self, folder: Path) -> bool:
        found = os.stat(folder)
        first_time = (found.st_dev, found.st_ino) not in self._counted
        self._counted.add((found.st_dev, found.st_ino))
        return first_time

    def _pictures(self, place: Path, entries: Iterable[os.DirEntry[str]], counts: PassedOver) -> Iterator[str]:
        """Yield the names of pictures to take, and count the other files."""
        pictures = []
        for entry in entries:
            if _is_picture(entry):
                pictures.append(Path(entry.path))
            elif not _leads_to_folder(entry) and entry.name.lower() not in SYSTEM_FILES:
                counts.suffixes[os.path.splitext(entry.name)[1].lower()] += 1
        by_name = defaultdict(list)
        for picture in pictures:
            by_name[picture.stem].append(picture)
            by_name[picture.name].append(picture)
        for picture in pictures:
            if _is_result(picture, by_name):
                counts.results += 1
            elif not self._search.takes(place / picture.name):
                counts.excluded += 1
            else:
                yield picture.name

    def _subfolders(self, place: Path, entries: Iterable[os.DirEntry[str]], counts: PassedOver) -> list[Path]:
        """Return the subfolders to go into, and count the others."""
        inside = []
        for entry in entries:
            relative = place / entry.name
            if not _leads_to_folder(entry) or entry.name in SYSTEM_FOLDERS:
                continue
            if self._results is not None and os.path.realpath(entry.path) == self._results:
                continue
            if entry.is_symlink():
                counts.links += 1
            elif not self._search.recursive:
                counts.subfolders += 1
                self._more_below = True
            elif self._search.leaves_out(relative):
                counts.excluded += 1
            else:
                inside.append(relative)
        return inside


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """Return what is in a folder and not hidden."""
    with os.scandir(folder) as entries:
        return sorted((entry for entry in entries if not entry.name.startswith(".")), key=lambda entry: entry.name)


def _is_picture(entry: os.DirEntry[str]) -> bool:
    if os.path.splitext(entry.name)[1].lower() not in PICTURE_SUFFIXES:
        return False
    return entry.is_file(follow_symlinks=False) or (entry.is_symlink() and _leads_to_file(entry.path))


def _leads_to_file(link: str) -> bool:
    """Tell whether a link leads to a file, or to nothing: such a link is taken too, so that it is reported."""
    return os.path.isfile(link) or not os.path.exists(link)


def _leads_to_folder(entry: os.DirEntry[str]) -> bool:
    return os.path.isdir(entry.path) if entry.is_symlink() else entry.is_dir()


def _is_result(picture: Path, by_name: Mapping[str, list[Path]]) -> bool:
    """Tell whether a picture's name says that it was made from a picture next to it, and its size does not deny that.

    Pages of a file have sizes of their own, so for ``name_x2_p3.png`` the name must do.
    """
    stem = _PAGE.sub("", picture.stem)
    start, _, label = _SHARPENED.sub("", stem).rpartition("_")
    size = parse_label(label)
    if size is None:
        return False
    sources = by_name.get(start, ())
    return any(stem != picture.stem or _may_come_from(picture, source, size) for source in sources)


def _may_come_from(picture: Path, source: Path, size: Size) -> bool:
    """Tell whether a picture may be the source in this size; also turned, as its EXIF may have said."""
    found, given = picture_size(picture), picture_size(source)
    if found is None or given is None:
        return True
    with suppress(UsageError):
        return found in (size.of(*given), size.of(*given[::-1]))
    return False


def _matches(relative: Path, patterns: Iterable[str]) -> bool:
    names = relative.name.casefold(), relative.as_posix().casefold()
    return any(fnmatchcase(name, pattern.casefold()) for pattern in patterns for name in names)
