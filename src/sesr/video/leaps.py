"""Timestamps that leap ahead: a damaged one is told from a pause by what comes behind it.

After a pause all that follow are late too. Behind a damaged timestamp they are not, and one that is believed makes all
of them seem too early.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from fractions import Fraction
from itertools import islice
from typing import TypeVar

_LEAP = 1
"""Seconds between two timestamps of a stream from which on those behind them are looked at."""

_LOOKED_AHEAD = 200
"""Items that are read ahead, of all streams: sound has 50 packets a second, and often ten share a damaged header."""

Item = TypeVar("Item")
Place = Callable[[Item], tuple[int, Fraction] | None]
"""Returns an item's stream and second; None for an item without a timestamp."""


def leaping(
    items: Iterable[Item],
    place: Place[Item],
    *,
    voters: int = _LOOKED_AHEAD,
    last: Mapping[int, Fraction] | None = None,
) -> Iterator[tuple[Item, bool]]:
    """Yield items in their order, each with True if it leaps ahead while most items behind it do not follow.

    Args:
        items: of several streams; they are read ahead only behind one that leaps.
        place: stream and second of an item.
        voters: how many items of the same stream are asked.
        last: second of each stream's item before these.
    """
    left, waiting = iter(items), deque[Item]()
    before = dict(last or {})
    while waiting or (waiting := deque(islice(left, 1))):
        item = waiting.popleft()
        found = place(item)
        if found is None:
            yield item, False
            continue
        stream, second = found
        leaps = second - before.get(stream, second) > _LEAP and _outvoted(found, left, waiting, place, voters)
        if not leaps:
            before[stream] = second
        yield item, leaps


def _outvoted(
    suspect: tuple[int, Fraction], left: Iterator[Item], waiting: deque[Item], place: Place[Item], voters: int
) -> bool:
    """Tell whether most items behind a suspect come earlier than it. Those that are read for that wait."""
    seconds = [found[1] for found in map(place, waiting) if found is not None and found[0] == suspect[0]]
    while len(seconds) < voters and len(waiting) < _LOOKED_AHEAD and (read := list(islice(left, 1))):
        waiting += read
        found = place(read[0])
        if found is not None and found[0] == suspect[0]:
            seconds.append(found[1])
    asked = seconds[:voters]
    return 2 * sum(second < suspect[1] for second in asked) > len(asked)
