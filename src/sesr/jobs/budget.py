"""A memory budget that pictures share when several are worked on at a time."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from sesr.memory import free_memory


class MemoryBudget:
    """Lets pictures begin while they fit into a budget together. One alone always may, however large it is.

    Args:
        size: bytes; None takes half of the memory that is free now, or no limit where the system does not say.
    """

    def __init__(self, size: int | None = None) -> None:
        free = free_memory() if size is None else None
        self._size = free // 2 if free is not None else size
        self._taken = 0
        self._changed = threading.Condition()

    @contextmanager
    def taken(self, size: int) -> Iterator[None]:
        """Take `size` bytes for the body, as soon as there is room for them."""
        with self._changed:
            self._changed.wait_for(lambda: self._fits(size))
            self._taken += size
        try:
            yield
        finally:
            with self._changed:
                self._taken -= size
                self._changed.notify_all()

    def _fits(self, size: int) -> bool:
        return self._size is None or not self._taken or self._taken + size <= self._size
