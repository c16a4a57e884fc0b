"""File names with ``*``, ``?`` and ``[...]`` that the shell left alone.

Shells expand patterns themselves, but not on Windows, not in quotes, and not when another program starts ours. A name
that exists is always meant as it is, whatever characters it holds: ``photo[1].jpg`` is a common name for a file.
"""

import glob
import os
from collections.abc import Iterable


def expand_patterns(names: Iterable[str]) -> list[str]:
    """Return the files that `names` mean, each pattern's in the order of names.

    A name without a match stays as it is, so that somebody is told that there is no such file. ``**`` goes down into
    subfolders. As in shells, ``*`` does not match a name that starts with a dot.
    """
    return [found for name in names for found in _matching(name) or [name]]


def _matching(name: str) -> list[str]:
    if os.path.lexists(name) or not glob.has_magic(name):
        return [name]
    folder, pattern = _literal_part(name)
    return sorted(glob.glob(os.path.join(glob.escape(folder), pattern), recursive=True))


def _literal_part(name: str) -> tuple[str, str]:
    """Split a pattern after the folders that exist under these very names: ``album[1]/`` and ``*.jpg``."""
    folder, pattern = os.path.split(name)
    while folder and not os.path.isdir(folder):
        folder, part = os.path.split(folder)
        pattern = os.path.join(part, pattern)
        if not part:  # the root
            break
    return folder, pattern
