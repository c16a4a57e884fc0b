"""Contenders take turns, so that a machine whose speed drifts favors none of them.

Other programs and heat change a machine's speed from second to second, so times taken one after the other prove little.
Here every contender gets one turn in each round. The order changes from round to round, because whoever ran just before
costs the next one some 5 %. The first round warms up and does not count.

A *ratio* is the median, over the rounds, of two contenders' results within the same round. A machine that slows down
between two rounds changes the times but not the ratio.
"""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random

from sesr.errors import UsageError

Turn = Callable[[], float]
"""Takes one turn and returns its result, such as seconds."""

Clock = Callable[[], float]
"""Returns the time in seconds, from any origin."""


@dataclass(frozen=True)
class Rounds:
    """Results of the rounds that counted.

    Attributes:
        results: each contender's results, in the order of the rounds.
    """

    results: Mapping[str, Sequence[float]]

    def median(self, contender: str) -> float:
        """Return a contender's median result."""
        return statistics.median(self.results[contender])

    def best(self, contender: str) -> float:
        """Return a contender's smallest result."""
        return min(self.results[contender])

    def ratio(self, contender: str, reference: str) -> float:
        """Return the median over the rounds of a contender's result divided by the reference's in the same round."""
        pairs = zip(self.results[contender], self.results[reference], strict=True)
        return statistics.median(result / other for result, other in pairs)


def take_turns(
    contenders: Mapping[str, Turn], rounds: int, *, after_turn: Callable[[], object] = lambda: None
) -> Rounds:
    """Give every contender one turn in each round.

    Args:
        contenders: turns by name.
        rounds: rounds that count, at least 1; one more warms up.
        after_turn: called after every turn, for a progress bar.

    Raises `UsageError` for fewer than one round.
    """
    check_rounds(rounds)
    random = Random(0)
    results: dict[str, list[float]] = {name: [] for name in contenders}
    for index in range(rounds + 1):
        for name in random.sample(list(contenders), len(contenders)):
            result = contenders[name]()
            if index:
                results[name].append(result)
            after_turn()
    return Rounds(results)


def timed(run: Callable[[], object], *, at_least: float = 0.0, clock: Clock = time.perf_counter) -> Turn:
    """Return a turn that measures the seconds of one call.

    Args:
        run: the function to time.
        at_least: seconds for which the turn repeats the call; the result is the mean of its calls.
        clock: the clock to read.
    """

    def turn() -> float:
        start, count = clock(), 0
        while True:
            run()
            count += 1
            elapsed = clock() - start
            if elapsed >= at_least:
                return elapsed / count

    return turn


def check_rounds(rounds: int) -> None:
    """Raise `UsageError` for fewer than one round."""
    if rounds < 1:
        raise UsageError(f"rounds must be at least 1, not {rounds}")
