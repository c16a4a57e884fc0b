"""How much memory there is, for a word before the work instead of a crash in its middle."""

from contextlib import suppress
from pathlib import Path

_MEMINFO = Path("/proc/meminfo")
_GROUP = Path("/sys/fs/cgroup")


def free_memory() -> int | None:
    """Bytes that could be used without pushing others out, within the limits of the process's group (cgroup v2).

    None where the system does not say.
    """
    known = [size for size in (_free_of_machine(), _free_of_group()) if size is not None]
    return min(known, default=None)


def gigabytes(size: int) -> str:
    """A size for people."""
    return f"{size / 1e9:.1f} GB"


def _free_of_machine() -> int | None:
    with suppress(OSError, ValueError, IndexError):
        for line in _MEMINFO.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return None


def _free_of_group() -> int | None:
    with suppress(OSError, ValueError):
        return int((_GROUP / "memory.max").read_text()) - int((_GROUP / "memory.current").read_text())
    return None
