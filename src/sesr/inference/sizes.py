"""Reaches any size: by which networks, and what is left to shrink.

Networks enlarge 2, 3 or 4 times; people want 1.5 times, or 3840 pixels. The rule:

1. The wanted size follows from the picture's own (`Size`).
2. Take the smallest product of networks' scales that reaches it in both directions, made by the fewest networks
   (`chain`). The smallest scale runs first.
3. Shrink their result to the wanted size by antialiased bicubic (`sesr.imaging.stream.resized`), where it differs.

A size that is not above the picture's takes no network: the picture is shrunk, or stays as it is.

Why the smallest scale runs first: a network costs about a + b s² a pixel that it takes, and the next one takes s² times
as many. Of two, s before t is cheaper where (a + b t²) / (t² - 1) < (a + b s²) / (s² - 1), and that falls as the scale
grows. For M5, x2 and then x4 costs 86,800 multiply-adds a pixel, x4 and then x2 costs 234,640.

Not every name has a network for x3. Where there is one, it serves -s 3 itself, -s 2.5 (shrunk from 3 times instead of
4), and -s 5 and 6 (x2 and then x3 instead of x2 and then x4). It costs less than x4 and leaves less to shrink.

The picture between the networks and the shrinking is larger than the wanted one: where networks for x2 exist, less than
twice as wide and as high, so less than 4 times the pixels. `Route.enlarged` is its size, and more than `MOST_PIXELS`
are refused. It flows in bands and is never in memory as a whole.
"""

import re
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from math import ceil, floor, prod
from typing import Protocol

from sesr.errors import UsageError

MOST_TIMES = 64
"""Largest factor along a side."""

MOST_SIDE = 1 << 24
"""Pixels of the longest side."""

MOST_PIXELS = 1 << 34
"""Pixels of the largest picture that networks may make."""

_SCALE = re.compile(r"[0-9]{1,9}(\.[0-9]{1,20})?")
_SIZE = re.compile(r"([0-9]{1,9})?x([0-9]{1,9})?", re.IGNORECASE)


class Size(Protocol):
    """Wanted size of a picture: `Scale`, `Width`, `Height`, `Exactly` or `Within`.

    Where a side follows from another it is rounded to the nearest whole pixel, halves up, and is 1 at least.
    """

    @property
    def label(self) -> str:
        """Text for file names: letters, digits and points. Different for different sizes."""

    def of(self, width: int, height: int) -> tuple[int, int]:
        """(width, height) wanted of a picture that is `width` x `height`, pixels.

        Raises `UsageError`, which does not name the picture, where that would distort it: see `Exactly`.
        """


@dataclass(frozen=True)
class Scale:
    """Factor for width and height; exact if `times` is whole."""

    times: Fraction

    @property
    def label(self) -> str:
        """x2, x1.5."""
        return f"x{_decimal(self.times)}"

    def of(self, width: int, height: int) -> tuple[int, int]:
        """See `Size.of`."""
        return _pixels(width * self.times), _pixels(height * self.times)


@dataclass(frozen=True)
class Width:
    """Wanted width; the height follows."""

    width: int

    @property
    def label(self) -> str:
        """3840w."""
        return f"{self.width}w"

    def of(self, width: int, height: int) -> tuple[int, int]:
        """See `Size.of`."""
        return self.width, _pixels(Fraction(height * self.width, width))


@dataclass(frozen=True)
class Height:
    """Wanted height; the width follows."""

    height: int

    @property
    def label(self) -> str:
        """2160h."""
        return f"{self.height}h"

    def of(self, width: int, height: int) -> tuple[int, int]:
        """See `Size.of`."""
        return _pixels(Fraction(width * self.height, height)), self.height


@dataclass(frozen=True)
class Within:
    """Largest size of the picture's own shape that fits inside."""

    width: int
    height: int

    @property
    def label(self) -> str:
        """3840x2160fit."""
        return f"{self.width}x{self.height}fit"

    def of(self, width: int, height: int) -> tuple[int, int]:
        """See `Size.of`."""
        if self.width * height <= self.height * width:
            return Width(self.width).of(width, height)
        return Height(self.height).of(width, height)


@dataclass(frozen=True)
class Exactly:
    """Wanted width and height, for pictures of that shape."""

    width: int
    height: int

    @property
    def label(self) -> str:
        """3840x2160."""
        return f"{self.width}x{self.height}"

    def of(self, width: int, height: int) -> tuple[int, int]:
        """See `Size.of`.

        Raises `UsageError` if no factor gives both sides, each rounded: the picture would be distorted.
        """
        half = Fraction(1, 2)
        least = max((self.width - half) / width, (self.height - half) / height)
        beyond = min((self.width + half) / width, (self.height + half) / height)
        if least >= beyond:
            fitting = Within(self.width, self.height).of(width, height)
            raise UsageError(
                f"{width} x {height} pixels do not have the shape of {self.width} x {self.height}; "
                f"--fit takes the largest inside, {fitting[0]} x {fitting[1]}"
            )
        return self.width, self.height


def parse_scale(text: str | float) -> Scale:
    """Parse a scale from "3", "1.5" or a number: from 1 to 64, decimals taken as they are written.

    Raises `UsageError` for anything else.
    """
    written = str(text)
    if not _is_scale(written):
        pointed = written.replace(",", ".")
        hint = f" (write {pointed})" if _is_scale(pointed) else ""
        raise UsageError(f"scale {written!r} is not a number from 1 to {MOST_TIMES}, such as 2 or 1.5{hint}")
    return Scale(Fraction(written))


def parse_size(text: str) -> Width | Height | Exactly:
    """Parse "3840x" (width), "x2160" (height) or "3840x2160" (both). Raises `UsageError` for anything else."""
    match = _SIZE.fullmatch(text)
    width, height = match.groups() if match else (None, None)
    if width and height:
        return Exactly(_side(width, text), _side(height, text))
    if width:
        return Width(_side(width, text))
    if height:
        return Height(_side(height, text))
    raise UsageError(f"size {text!r} is not like 3840x (so wide), x2160 (so high) or 3840x2160")


def parse_fit(text: str) -> Within:
    """Parse a size to fit into, "3840x2160". Raises `UsageError` for anything else."""
    size = parse_size(text)
    if not isinstance(size, Exactly):
        raise UsageError(f"--fit needs a width and a height, such as 3840x2160, not {text!r}, which fits by itself")
    return Within(size.width, size.height)


def parse_label(label: str) -> Size | None:
    """Return the size with this `Size.label`; None if there is none."""
    with suppress(UsageError):
        if label.startswith("x"):
            return parse_scale(label[1:])
        if label.endswith(("w", "h")):
            return parse_size(f"{label[:-1]}x" if label.endswith("w") else f"x{label[:-1]}")
        return parse_fit(label[:-3]) if label.endswith("fit") else parse_size(label)
    return None


def chain(factor: Fraction | float, available: Collection[int]) -> tuple[int, ...]:
    """Choose the networks that reach `factor`: their scales, in the order in which they run.

    Args:
        factor: how many times larger, along the side that grows most; none are needed up to 1.
        available: scales that there are networks for, from 2 on.

    Returns scales in rising order, whose product is the smallest that is `factor` or more; of the fewest networks that
    have this product; and of these the ones of least scale first. Raises `ValueError` without available scales.
    """
    if not available or min(available) < 2:
        raise ValueError(f"scales of networks must be 2 or more, and one at least, not {sorted(available)}")
    best: dict[int, tuple[int, ...]] = {1: ()}
    unfinished = [1]
    while unfinished and min(unfinished) < factor:
        product = min(unfinished)
        unfinished.remove(product)
        for scale in available:
            longer = tuple(sorted((*best[product], scale)))
            known = best.get(product * scale)
            if known is None:
                unfinished.append(product * scale)
            if known is None or (len(longer), longer) < (len(known), known):
                best[product * scale] = longer
    return best[min(product for product in best if product >= factor)]


@dataclass(frozen=True)
class Route:
    """Way of a picture to its size.

    Attributes:
        source: its (width, height), pixels.
        scales: of the networks that it goes through, in this order.
        size: (width, height) wanted, to which it is resized after them.
    """

    source: tuple[int, int]
    scales: tuple[int, ...]
    size: tuple[int, int]

    @property
    def enlarged(self) -> tuple[int, int]:
        """(width, height) after all networks."""
        return self.source[0] * prod(self.scales), self.source[1] * prod(self.scales)

    @property
    def times(self) -> float:
        """How many times larger the wanted size is, along the side that grows most."""
        return max(self.size[0] / self.source[0], self.size[1] / self.source[1])

    @property
    def shrinks(self) -> bool:
        """True if the networks' result has to be resized."""
        return self.enlarged != self.size


def route(width: int, height: int, size: Size, available: Collection[int]) -> Route:
    """Find the route of a picture of `width` x `height` pixels to `size`, by networks for the scales `available`.

    Raises `UsageError`, which does not name the picture, if `size` would distort it, make it more than `MOST_TIMES`
    larger, or beyond `MOST_SIDE` or `MOST_PIXELS`.
    """
    wanted = size.of(width, height)
    factor = max(Fraction(wanted[0], width), Fraction(wanted[1], height))
    if factor > MOST_TIMES:
        raise UsageError(
            f"{width} x {height} pixels cannot become {wanted[0]} x {wanted[1]}, {ceil(factor)} times larger; "
            f"{MOST_TIMES} times is the most"
        )
    found = Route((width, height), chain(factor, available), wanted)
    _check_room(found)
    return found


def _is_scale(text: str) -> bool:
    return _SCALE.fullmatch(text) is not None and 1 <= Fraction(text) <= MOST_TIMES


def _check_room(found: Route) -> None:
    width, height = found.enlarged
    if max(width, height) > MOST_SIDE or width * height > MOST_PIXELS:
        raise UsageError(
            f"{found.source[0]} x {found.source[1]} pixels would become {width} x {height} on the way to "
            f"{found.size[0]} x {found.size[1]}, too many; ask for a smaller size"
        )


def _pixels(length: Fraction) -> int:
    """Round to the nearest whole number, halves up, at least 1."""
    return max(floor(length + Fraction(1, 2)), 1)


def _side(digits: str, text: str) -> int:
    if not 1 <= int(digits) <= MOST_SIDE:
        raise UsageError(f"size {text!r}: sides must be from 1 to {MOST_SIDE} pixels")
    return int(digits)


def _decimal(number: Fraction) -> str:
    """Write a number as people do, without zeros at its end."""
    return f"{(Decimal(number.numerator) / Decimal(number.denominator)).normalize():f}"
