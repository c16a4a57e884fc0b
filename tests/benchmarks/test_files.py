"""Files against the bare engine: small ones, since figures are a benchmark's matter."""

import numpy as np
import pytest

from sesr.benchmarks.files import FORMATS, measure_files, photograph
from sesr.errors import UsageError
from sesr.network.zoo import find_network


def test_every_pair_of_formats_is_measured() -> None:
    rows = list(measure_files(find_network("m5", 2), megapixels=0.01, rounds=1, threads=1))
    assert [(row.source, row.target) for row in rows] == list(FORMATS)
    for row in rows:
        assert (row.network, row.scale, row.threads, row.rounds) == ("m5", 2, 1, 1)
        assert row.megapixels == pytest.approx(0.01, rel=0.1)
        assert row.throughput > 0
        assert row.line().startswith(f"{row.source} -> {row.target}")


def test_photograph_has_its_size_and_is_the_same_again() -> None:
    picture = photograph(0.06)
    assert picture.shape == (200, 300, 3)
    assert np.array_equal(picture, photograph(0.06))
    assert 10 < picture.std() < 120


@pytest.mark.parametrize(("megapixels", "rounds"), [(0.0, 1), (1.0, 0)])
def test_nothing_to_measure(megapixels: float, rounds: int) -> None:
    with pytest.raises(UsageError):
        next(measure_files(find_network("m5", 2), megapixels, rounds))
