"""Files with several pages: one of them, or each by itself.

TIFF files hold documents, HEIC files bursts, GIF files frames. Without a wish, such a file gives its primary picture or
its whole animation, or is refused when it has several pages and nothing says which is meant (`sesr.files.open`).
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from sesr.errors import PictureError
from sesr.files.open import count_pages
from sesr.jobs.folders import Found, Unread

ALL = 0
"""Page number that means every page."""


def with_pages(work: Iterable[Found | Unread], page: int | None) -> list[Found | Unread]:
    """Return the work with one page of each file, from 1; with `ALL`, each page of each file as work of its own.

    A file of one page stays as it is with `ALL`, so its result's name has no page. So does a file that cannot be read:
    it will fail for its own reason. None changes nothing.
    """
    if page is None:
        return list(work)
    return [each for found in work for each in _pages(found, page)]


def _pages(found: Found | Unread, page: int) -> Iterator[Found | Unread]:
    if isinstance(found, Unread):
        yield found
    elif page != ALL:
        yield replace(found, page=page)
    else:
        count = _count(found)
        yield from [found] if count == 1 else (replace(found, page=number) for number in range(1, count + 1))


def _count(found: Found) -> int:
    try:
        return count_pages(found.source)
    except PictureError:
        return 1
