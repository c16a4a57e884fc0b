"""Fixed-point numbers: multipliers against exact fractions, and numbers that are refused."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fakes import scale

from sesr.errors import UsageError
from sesr.network.int8 import Addition, Multiplier, Quantization, prelu_multipliers


@pytest.mark.parametrize("value", [0.0, -0.5, float("nan"), float("inf"), 0.1])
def test_a_scale_is_a_positive_float32(value: float) -> None:
    with pytest.raises(UsageError, match="a scale must be a positive float32"):
        Quantization(value, 0)


@pytest.mark.parametrize("zero_point", [-129, 128, True, 1.0])
def test_a_zero_point_is_an_int8(zero_point: int) -> None:
    with pytest.raises(UsageError, match="a zero point must be a whole number in -128"):
        Quantization(0.5, zero_point)


@settings(deadline=None, max_examples=200)
@given(st.floats(1e-4, 10), st.floats(1e-4, 10), st.floats(1e-3, 10))
def test_additions_are_the_scales_to_21_bits(one: float, other: float, result: float) -> None:
    planes = [Quantization(scale(value), 0) for value in (one, other, result)]
    ratios = [
        np.float32(planes[0].scale) / np.float32(planes[2].scale),
        np.float32(planes[1].scale) / np.float32(planes[2].scale),
    ]
    if not 2**-10 <= max(ratios) < 2**8:
        with pytest.raises(UsageError):
            Addition.of(*planes)
        return
    addition = Addition.of(*planes)
    assert 2**20 <= max(addition.left, addition.right) <= 2**21
    for multiplier, ratio in zip((addition.left, addition.right), ratios, strict=True):
        assert abs(Fraction(multiplier, 2**addition.shift) - Fraction(float(ratio))) <= Fraction(
            1, 2 ** (addition.shift + 1)
        )


@settings(deadline=None, max_examples=200)
@given(st.floats(1e-6, 1e3), st.integers(-(2**20), 2**20))
def test_multipliers_come_within_a_step_of_the_product(real: float, value: int) -> None:
    """Two roundings are off by half a step each; 31 bits of the factor by far less."""
    product = Multiplier.of(real).times(value)
    assert abs(product - Fraction(real) * value) <= 1 + Fraction(abs(value)) * Fraction(real) / 2**30


def test_halves_are_rounded_up_first_and_away_from_zero_then() -> None:
    values = np.array([-3, -1, 0, 1, 3])
    assert Multiplier.of(0.5).times(values).tolist() == [-1, 0, 0, 1, 2]
    assert Multiplier.of(0.25).times(2 * values).tolist() == [-2, -1, 0, 1, 2]
    assert Multiplier.of(1.0).times(values).tolist() == values.tolist()


def test_a_mantissa_that_rounds_up_to_one_is_halved() -> None:
    multiplier = Multiplier.of(1 - 2.0**-40)
    assert multiplier == Multiplier.of(1.0)
    assert 2**30 <= multiplier.mantissa < 2**31


def test_prelu_leaves_positive_values_without_slope() -> None:
    positive, negative = prelu_multipliers(source=0.5, slope=0.25, output=1.0)
    assert (positive, negative) == (Multiplier.of(0.5), Multiplier.of(0.125))
