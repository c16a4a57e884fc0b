"""Control groups of Linux, in which containers and batch systems limit what a process may use.

A group is a folder with a file per limit. This process's group is named in /proc/self/cgroup: in version 2 by one line
for all limits, in version 1 by a line per set of controllers, each with a tree of its own. A group is bound by the
groups around it too.
"""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

OWN = Path("/proc/self/cgroup")
ROOT = Path("/sys/fs/cgroup")


def group_folders(controller: str) -> Iterator[Path]:
    """Yield the folders of this process's group and of those around it, innermost first.

    In version 1 these are the groups of a `controller`: cpu, memory. Folders need not exist: a container sees its own
    group as the root, whatever path the machine gives it.
    """
    lines: list[str] = []
    with suppress(OSError):
        lines = OWN.read_text().splitlines()
    for line in lines:
        _, controllers, path = line.split(":", 2)
        place = Path(path.strip("/"))
        if not controllers:
            roots = [ROOT]
        elif controller in controllers.split(","):
            roots = [ROOT / name for name in dict.fromkeys((controller, controllers))]
        else:
            continue
        yield from (root / group for root in roots for group in (place, *place.parents))
