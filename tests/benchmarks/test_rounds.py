"""Contenders take turns, fairly, and are compared within a round."""

from collections.abc import Callable
from functools import partial

import pytest

from sesr.benchmarks.rounds import Rounds, take_turns, timed
from sesr.errors import UsageError


class Clock:
    """A clock that stands still until a contender works."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def work(self, seconds: float) -> Callable[[], None]:
        """Return a function that takes so long."""

        def run() -> None:
            self.now += seconds

        return run


def order_of(names: str, rounds: int) -> list[str]:
    """Return who had each turn, one string per round."""
    calls: list[str] = []

    def turn(name: str) -> float:
        calls.append(name)
        return 1.0

    take_turns({name: partial(turn, name) for name in names}, rounds)
    return ["".join(calls[start : start + len(names)]) for start in range(0, len(calls), len(names))]


def test_every_round_has_every_contender_once() -> None:
    order = order_of("abc", 4)
    assert len(order) == 5
    assert all(sorted(round_) == ["a", "b", "c"] for round_ in order)


def test_order_changes_from_round_to_round_and_not_from_run_to_run() -> None:
    order = order_of("abc", 9)
    assert len(set(order)) > 2
    assert order_of("abc", 9) == order


def test_first_round_does_not_count() -> None:
    results = iter([9.0, 1.0, 2.0])
    assert take_turns({"a": lambda: next(results)}, 2).results == {"a": [1.0, 2.0]}


def test_progress_after_every_turn() -> None:
    ticks: list[None] = []
    take_turns({"a": lambda: 1.0, "b": lambda: 1.0}, 3, after_turn=lambda: ticks.append(None))
    assert len(ticks) == 8


def test_slower_machine_changes_times_and_not_the_ratio() -> None:
    rounds = Rounds({"ours": [1.0, 3.0, 1.0], "theirs": [4.0, 12.0, 4.5]})
    assert (rounds.median("theirs"), rounds.best("theirs")) == (4.5, 4.0)
    assert rounds.ratio("theirs", "ours") == 4
    assert rounds.ratio("ours", "theirs") == 0.25


@pytest.mark.parametrize("rounds", [0, -1])
def test_no_rounds(rounds: int) -> None:
    with pytest.raises(UsageError, match=f"rounds must be at least 1, not {rounds}"):
        take_turns({"a": lambda: 1.0}, rounds)


def test_time_of_one_call() -> None:
    clock = Clock()
    assert timed(clock.work(0.25), clock=clock)() == 0.25
    assert clock.now == 0.25


def test_quick_work_is_repeated_and_averaged() -> None:
    clock = Clock()
    assert timed(clock.work(0.25), at_least=1, clock=clock)() == 0.25
    assert clock.now == 1
    assert timed(clock.work(4), at_least=1, clock=clock)() == 4
    assert clock.now == 5
