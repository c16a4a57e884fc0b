"""Pictures in tasks: what one worker takes at a time.

A task holds pictures of one class of size, the largest first, so that the end of a job is made of small ones and no
worker is left with a large one. It is small enough that a killed worker loses little, and large enough that handing it
over costs nothing. Towards the end tasks become shorter, so that workers end at about the same time.
"""

from collections.abc import Iterable, Iterator

from sesr.bulk.records import Item

MOST_PICTURES = 16
MOST_SHARE = 32
"""Divides what is left: a task holds no larger part of it."""

MOST_BYTES = 8 << 20
"""Bytes of sources in a task; a larger one is a task by itself."""


def tasks(items: Iterable[Item]) -> Iterator[list[Item]]:
    """Yield the pictures in tasks, the largest first."""
    task: list[Item] = []
    size = 0
    ordered = sorted(items, key=lambda item: (-item.size, item.key))
    for place, item in enumerate(ordered):
        most = min(MOST_PICTURES, (len(ordered) - place + len(task)) // MOST_SHARE)
        full = len(task) >= most or size + item.size > MOST_BYTES
        if task and (full or _size_class(item) != _size_class(task[0])):
            yield task
            task, size = [], 0
        task.append(item)
        size += item.size
    if task:
        yield task


def _size_class(item: Item) -> int:
    """Return the number of binary digits of the size in megabytes."""
    return (item.size >> 20).bit_length()
