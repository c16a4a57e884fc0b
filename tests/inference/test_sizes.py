"""The rule for any size: against brute force, and as people would work it out."""

from fractions import Fraction
from itertools import combinations_with_replacement, permutations
from math import prod

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sesr.errors import UsageError
from sesr.inference.sizes import (
    MOST_PIXELS,
    MOST_TIMES,
    Exactly,
    Height,
    Route,
    Scale,
    Size,
    Width,
    Within,
    chain,
    parse_fit,
    parse_label,
    parse_scale,
    parse_size,
    route,
)
from sesr.network.variants import SESRConfig

SIDES = st.integers(1, 6000)
FACTORS = st.fractions(Fraction(1, 8), MOST_TIMES, max_denominator=5000) | st.integers(1, MOST_TIMES).map(Fraction)
AVAILABLE = st.sets(st.sampled_from([2, 3, 4, 5, 6, 8]), min_size=1)
TIMES = st.decimals(1, MOST_TIMES, places=3).map(Fraction)


def all_chains(available: set[int]) -> list[tuple[int, ...]]:
    """All that could be the answer for a factor up to 64: six networks for x2 reach that."""
    return [steps for count in range(7) for steps in combinations_with_replacement(sorted(available), count)]


@given(FACTORS, AVAILABLE)
@example(Fraction(24), {2, 3, 4, 6})
def test_chain_is_the_one_that_brute_force_finds(factor: Fraction, available: set[int]) -> None:
    reaching = (steps for steps in all_chains(available) if prod(steps) >= factor)
    assert chain(factor, available) == min(reaching, key=lambda steps: (prod(steps), len(steps), steps))


@pytest.mark.parametrize(
    ("factor", "available", "scales"),
    [
        (0.5, {2, 4}, ()),
        (1, {2, 4}, ()),
        (1.001, {2, 4}, (2,)),
        (1.5, {2, 4}, (2,)),
        (3, {2, 4}, (4,)),
        (3, {2, 3, 4}, (3,)),
        (4, {2, 4}, (4,)),
        (5, {2, 3, 4}, (2, 3)),
        (8, {2, 4}, (2, 4)),
        (8, {2}, (2, 2, 2)),
        (9, {2, 4}, (4, 4)),
        (12, {2, 3, 4}, (3, 4)),
        (12, {2, 3, 4, 6}, (2, 6)),
        (64, {2, 4}, (4, 4, 4)),
    ],
)
def test_chains_that_people_ask_for(factor: float, available: set[int], scales: tuple[int, ...]) -> None:
    assert chain(factor, available) == scales


@pytest.mark.parametrize("name", [(3, 16), (5, 16), (11, 16), (11, 32)])
def test_rising_scales_cost_least(name: tuple[int, int]) -> None:
    m, f = name

    def cost(scales: tuple[int, ...]) -> int:
        """Multiply-adds a pixel of the picture."""
        pixels, total = 1, 0
        for scale in scales:
            total += pixels * SESRConfig(m=m, f=f, scale=scale).weights
            pixels *= scale**2
        return total

    for scales in combinations_with_replacement((2, 3, 4), 3):
        assert cost(scales) == min(map(cost, permutations(scales)))
    if name == (5, 16):
        assert (cost((2, 4)), cost((4, 2))) == (86_800, 234_640)


@pytest.mark.parametrize("available", [set(), {1, 2}])
def test_chain_needs_networks_that_enlarge(available: set[int]) -> None:
    with pytest.raises(ValueError, match="2 or more"):
        chain(3, available)


@given(SIDES, SIDES, st.integers(1, MOST_TIMES))
def test_whole_scales_are_exact(width: int, height: int, times: int) -> None:
    assert Scale(Fraction(times)).of(width, height) == (width * times, height * times)


@given(SIDES, SIDES, TIMES)
def test_scales_round_halves_up(width: int, height: int, times: Fraction) -> None:
    for wanted, side in zip(Scale(times).of(width, height), (width, height), strict=True):
        assert wanted - Fraction(1, 2) <= side * times < wanted + Fraction(1, 2)


@pytest.mark.parametrize(
    ("size", "source", "wanted"),
    [
        (Scale(Fraction(3, 2)), (5, 3), (8, 5)),
        (Scale(Fraction("1.1")), (1, 4), (1, 4)),
        (Width(3840), (1920, 1081), (3840, 2162)),
        (Width(3840), (4000, 1), (3840, 1)),
        (Width(10), (4000, 3), (10, 1)),
        (Height(2160), (1620, 1080), (3240, 2160)),
        (Within(3840, 2160), (1000, 1000), (2160, 2160)),
        (Within(3840, 2160), (4000, 1000), (3840, 960)),
        (Within(3840, 2160), (1366, 768), (3840, 2159)),
        (Exactly(3840, 2160), (1920, 1080), (3840, 2160)),
        (Exactly(3840, 2160), (7680, 4320), (3840, 2160)),
        (Exactly(101, 50), (1001, 500), (101, 50)),
    ],
)
def test_sizes_that_people_ask_for(size: Size, source: tuple[int, int], wanted: tuple[int, int]) -> None:
    assert size.of(*source) == wanted


@given(SIDES, SIDES, TIMES, SIDES)
def test_exact_sizes_take_all_that_is_only_rounded(width: int, height: int, times: Fraction, side: int) -> None:
    scaled = Scale(times).of(width, height)
    assert Exactly(*scaled).of(width, height) == scaled
    if width >= height and side * height >= width:
        followed = Width(side).of(width, height)
        assert Exactly(*followed).of(width, height) == followed


@given(SIDES, SIDES, SIDES, SIDES)
def test_within_is_the_largest_inside(width: int, height: int, most_width: int, most_height: int) -> None:
    wide, high = Within(most_width, most_height).of(width, height)
    assert wide <= most_width
    assert high <= most_height
    assert wide == most_width or high == most_height
    assert Within(wide, high).of(wide, high) == (wide, high)


@pytest.mark.parametrize("source", [(1921, 1080), (1366, 768), (1080, 1920)])
def test_exact_sizes_refuse_to_distort(source: tuple[int, int]) -> None:
    inside = "{} x {}".format(*Within(3840, 2160).of(*source))
    with pytest.raises(UsageError, match=f"do not have the shape of 3840 x 2160; --fit takes .* inside, {inside}"):
        Exactly(3840, 2160).of(*source)


@pytest.mark.parametrize(
    ("text", "times", "label"),
    [
        ("1", 1, "x1"),
        ("1.5", Fraction(3, 2), "x1.5"),
        ("2.0", 2, "x2"),
        ("10", 10, "x10"),
        ("64.00", 64, "x64"),
        (1.1, Fraction(11, 10), "x1.1"),
        (3, 3, "x3"),
        (4 / 3, Fraction("1.3333333333333333"), "x1.3333333333333333"),
    ],
)
def test_scales_are_read(text: str | float, times: int | Fraction, label: str) -> None:
    scale = parse_scale(text)
    assert scale == Scale(Fraction(times))
    assert scale.label == label


@pytest.mark.parametrize(
    "text",
    ["0", "0.99", "64.001", "65", "-2", "+2", "nan", "inf", "1e1", "", " 2", "x2", "2.", ".5", "1,5", "٢", "2\n"],
)
def test_other_scales_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="not a number from 1 to 64"):
        parse_scale(text)


def test_a_comma_is_put_right() -> None:
    with pytest.raises(UsageError, match=r"write 1\.5"):
        parse_scale("1,5")


@pytest.mark.parametrize("text", ["0", "100", "0,5", "1,5,"])
def test_nothing_is_proposed_that_would_be_refused_too(text: str) -> None:
    with pytest.raises(UsageError, match=r"such as 2 or 1\.5$"):
        parse_scale(text)


@pytest.mark.parametrize(
    ("text", "size", "label"),
    [
        ("3840x", Width(3840), "3840w"),
        ("x2160", Height(2160), "2160h"),
        ("X2160", Height(2160), "2160h"),
        ("3840x2160", Exactly(3840, 2160), "3840x2160"),
    ],
)
def test_sizes_are_read(text: str, size: Size, label: str) -> None:
    assert parse_size(text) == size
    assert size.label == label


@pytest.mark.parametrize("text", ["", "x", "3840", "3840x2160x2", "0x", "3840x0", "-1x5", "99999999x", "4k", "1.5x2"])
def test_other_sizes_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="size"):
        parse_size(text)


def test_fitting_needs_both_sides() -> None:
    assert parse_fit("3840x2160") == Within(3840, 2160)
    assert parse_fit("3840x2160").label == "3840x2160fit"
    with pytest.raises(UsageError, match="a width and a height"):
        parse_fit("3840x")


@given(SIDES, SIDES, SIDES, st.sets(st.sampled_from([2, 3, 4]), min_size=1))
def test_routes_reach_what_is_wanted(width: int, height: int, wide: int, available: set[int]) -> None:
    try:
        found = route(width, height, Width(wide), available)
    except UsageError:
        assert wide > MOST_TIMES * width
        return
    assert found.enlarged[0] >= found.size[0]
    assert found.enlarged[1] >= found.size[1]
    if wide <= width:
        assert not found.scales
    if 2 in available and found.scales:
        assert found.enlarged[0] < 2 * found.size[0] or found.enlarged[1] < 2 * found.size[1]


@given(SIDES, SIDES, st.sampled_from([2, 4, 8, 16]), SIDES)
def test_rounding_never_takes_another_network(width: int, height: int, times: int, less: int) -> None:
    """A side that follows is rounded up to a whole multiple of the picture's at most."""
    wide = max(width * times - less, 1)
    high = Width(wide).of(width, height)[1]
    assert high <= height * times


def test_routes_say_whether_they_shrink() -> None:
    assert route(100, 50, Scale(Fraction(2)), {2, 4}) == Route((100, 50), (2,), (200, 100))
    assert not route(100, 50, Scale(Fraction(2)), {2, 4}).shrinks
    assert route(100, 50, Scale(Fraction(3)), {2, 4}).shrinks
    assert route(100, 50, Scale(Fraction(3)), {2, 4}).enlarged == (400, 200)
    assert not route(100, 50, Width(100), {2, 4}).shrinks
    assert route(100, 50, Width(99), {2, 4}) == Route((100, 50), (), (99, 50))


@pytest.mark.parametrize(
    ("source", "size", "message"),
    [
        ((10, 10), Width(3840), "10 x 10 pixels cannot become 3840 x 3840, 384 times larger; 64 times is the most"),
        ((40_000, 40_000), Scale(Fraction(3)), "would become 160000 x 160000 on the way to 120000 x 120000, too many"),
        ((600_000, 1), Scale(Fraction(64)), "would become 38400000 x 64"),
    ],
)
def test_what_is_too_large_is_refused(source: tuple[int, int], size: Size, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        route(*source, size, {2, 4})


def test_half_a_gigapixel_can_be_quadrupled() -> None:
    assert route(25_000, 20_000, Scale(Fraction(4)), {2, 4}).scales == (4,)
    assert MOST_PIXELS > 16 * 500_000_000


SIDES = st.integers(1, 10**6)


@given(
    st.builds(Scale, st.fractions(1, 64, max_denominator=1).map(Fraction) | st.sampled_from([Fraction(3, 2)]))
    | st.builds(Width, SIDES)
    | st.builds(Height, SIDES)
    | st.builds(Exactly, SIDES, SIDES)
    | st.builds(Within, SIDES, SIDES)
)
def test_labels_are_read_back(size: Size) -> None:
    assert parse_label(size.label) == size


@pytest.mark.parametrize("label", ["", "x", "2", "x0", "x65", "w", "h", "fit", "3840xfit", "3840", "4 x 6", "final"])
def test_other_words_are_no_labels(label: str) -> None:
    assert parse_label(label) is None
