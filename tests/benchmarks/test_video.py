"""Films from file to file: tiny ones, since figures are a benchmark's matter."""

from itertools import pairwise

import numpy as np
import pytest

pytest.importorskip("av")

from sesr.benchmarks.video import camera, measure_video, screen
from sesr.errors import UsageError


def test_both_films_are_measured_and_still_parts_twice() -> None:
    rows = list(measure_video(width=64, height=48, seconds=0.5, threads=1))
    assert [(row.film, row.still) for row in rows] == [("camera", True), ("screen", True), ("screen", False)]
    for row in rows:
        assert (row.network, row.frames, row.threads) == ("m5-int8", 12, 1)
        assert row.fps > 0
        assert row.network_ms > 0
        assert (row.rest_ms is None) == (row.film == "screen" and row.still)
        assert row.line().startswith(row.film)


def test_a_camera_moves_and_a_screen_changes_now_and_then() -> None:
    moving = list(camera(64, 48, 3))
    assert all(frame.shape == (48, 64, 3) for frame in moving)
    assert not np.array_equal(moving[0], moving[1])
    pages = [page.copy() for page in screen(64, 48, 9)]
    changed = [not np.array_equal(one, other) for one, other in pairwise(pages)]
    assert changed == [False, False, False, True, False, False, False, True]


@pytest.mark.parametrize(("width", "seconds"), [(63, 1.0), (64, 0.0)])
def test_nothing_to_measure(width: int, seconds: float) -> None:
    with pytest.raises(UsageError):
        next(measure_video(width=width, height=48, seconds=seconds))
