"""Pictures wait for memory, and one always may."""

import threading

from sesr.jobs.budget import MemoryBudget


def waits(budget: MemoryBudget, first: int, second: int) -> bool:
    """Tell whether a second picture waits until the first is finished."""
    came = threading.Event()

    def take() -> None:
        with budget.taken(second):
            came.set()

    waiting = threading.Thread(target=take)
    with budget.taken(first):
        waiting.start()
        waited = not came.wait(0.1)
    assert came.wait(10)
    waiting.join()
    return waited


def test_what_fits_begins_and_the_rest_waits() -> None:
    assert not waits(MemoryBudget(50), 20, 30)
    assert waits(MemoryBudget(50), 20, 31)


def test_one_picture_always_may() -> None:
    assert waits(MemoryBudget(50), 1000, 1)
    assert waits(MemoryBudget(1), 1, 1000)


def test_half_of_what_is_free() -> None:
    assert not waits(MemoryBudget(), 1, 1)
    assert waits(MemoryBudget(), 1 << 60, 1)
