"""Timestamps that leap ahead: damaged ones are found, pauses are not."""

from collections.abc import Sequence
from fractions import Fraction

import pytest

from sesr.video.leaps import leaping

Item = tuple[int, float | None]
"""Stream and second."""


def place(item: Item) -> tuple[int, Fraction] | None:
    return None if item[1] is None else (item[0], Fraction(item[1]))


@pytest.mark.parametrize("voters", [1, 200])
@pytest.mark.parametrize(
    ("seconds", "leaps"),
    [
        ([0, 1, 2, 3], []),
        ([0, 0.5, 90, 1, 1.5], [2]),
        ([0, 0.5, 90, 90.5, 91], []),  # a pause
        ([0, 0.5, 90], []),  # nobody behind it says otherwise
        ([90, 0, 1], []),  # nobody before it either
        ([0, 0.5, 90, None, 1], [2]),
        ([0, 90, 0.5, 80, 1], [1, 3]),
        ([None, None, 5, None], []),
    ],
)
def test_leaps_are_told_from_pauses(voters: int, seconds: Sequence[float | None], leaps: list[int]) -> None:
    items = [(0, second) for second in seconds]
    found = list(leaping(items, place, voters=voters))
    assert [item for item, _ in found] == items
    assert [number for number, (_, leap) in enumerate(found) if leap] == leaps


def test_streams_are_apart() -> None:
    """The other stream is silent for long, and says nothing about the first one's leap."""
    items: list[Item] = [(0, 0), (1, 0), (0, 50), (1, 60), (1, 61), (0, 1), (0, 2)]
    assert [leap for _, leap in leaping(items, place)] == [False, False, True, False, False, False, False]


def test_many_behind_a_damaged_header_are_outvoted() -> None:
    items: list[Item] = [(0, 0), *((0, 70 + number) for number in range(10)), *((0, number) for number in range(1, 40))]
    found = [leap for _, leap in leaping(items, place)]
    assert found == [False, *[True] * 10, *[False] * 39]


def test_what_was_before_counts() -> None:
    items: list[Item] = [(0, 50), (0, 11)]
    assert [leap for _, leap in leaping(items, place, last={0: Fraction(10)})] == [True, False]


def test_nothing_is_read_ahead_without_a_leap() -> None:
    read = []

    def items() -> object:
        for number in range(5):
            read.append(number)
            yield 0, number

    found = leaping(items(), place, voters=1)  # type: ignore[arg-type]
    next(found)
    assert read == [0], "frames are large"
