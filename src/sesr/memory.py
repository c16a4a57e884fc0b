"""Free memory, so that a job that cannot fit is refused up front."""

import ctypes
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from sesr.cgroups import group_folders

_MEMINFO = Path("/proc/meminfo")
_STATM = Path("/proc/self/statm")

_MMAP_THRESHOLD = -3
"""The number that glibc's `mallopt` gives to M_MMAP_THRESHOLD."""
_LARGE_BLOCK = 1 << 19

_LIMITS = (("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes"))
"""Files with a group's limit and what it has taken, in versions 2 and 1 of control groups."""

_CACHES = ("inactive_file", "active_file", "slab_reclaimable", "total_inactive_file", "total_active_file")
"""What a group's statistics call memory that goes when the room is needed; with ``total_`` in version 1."""


def free_memory() -> int | None:
    """Return the bytes that are free, within the limits of the process and its control groups.

    Memory that the system would have to take from others does not count. None where the system does not say.
    """
    known = [size for size in (_free_of_machine(), _free_of_process(), *_free_of_groups()) if size is not None]
    return min(known, default=None)


def return_freed_blocks() -> None:
    """Make this process give large blocks back to the system as soon as they are freed; for glibc only.

    By default glibc keeps blocks of up to 32 MB for itself once such a block was freed. Bands of rows, which several
    threads allocate and free in turn, then leave holes, and a process grows as long as it runs: to 540 MB on a picture
    of 192 megapixels, in place of 230.
    """
    if sys.platform != "linux":
        return
    with suppress(OSError, AttributeError):  # another C library has no `mallopt`
        ctypes.CDLL(None).mallopt(_MMAP_THRESHOLD, _LARGE_BLOCK)


def gigabytes(size: int) -> str:
    """Return a size for people: 3.5 GB."""
    return f"{size / 1e9:.1f} GB"


def _free_of_machine() -> int | None:
    with suppress(OSError, ValueError, IndexError):
        for line in _MEMINFO.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return None


def _free_of_process() -> int | None:
    """Return what is left of the address space that `ulimit -v` allows."""
    with suppress(ImportError, OSError, ValueError, IndexError):
        import resource  # there is none on Windows

        limit, _ = resource.getrlimit(resource.RLIMIT_AS)
        if limit != resource.RLIM_INFINITY:
            return limit - int(_STATM.read_text().split()[0]) * resource.getpagesize()
    return None


def _free_of_groups() -> Iterator[int]:
    """Yield what is free in the process's group and in those around it."""
    for group in group_folders("memory"):
        for names in _LIMITS:
            with suppress(OSError, ValueError):
                limit, taken = ((group / name).read_text() for name in names)
                yield int(limit) - int(taken) + _cached(group / "memory.stat")


def _cached(statistics: Path) -> int:
    """Return how much of a group's memory holds copies of files, which go when the room is needed."""
    with suppress(OSError, ValueError):
        numbers = dict(line.split() for line in statistics.read_text().splitlines())
        names = [name for name in _CACHES if name.startswith("total_") == ("total_cache" in numbers)]
        return sum(int(numbers.get(name, 0)) for name in names)
    return 0
