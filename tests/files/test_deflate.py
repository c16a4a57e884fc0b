"""Deflate in pieces: zlib reads what was put together; order and failures go through."""

import threading
import time
import zlib
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sesr.files.deflate import MOST_THREADS, deflated, in_parallel, strategy, zlib_stream


@given(st.lists(st.binary(min_size=1, max_size=2000), max_size=6))
def test_pieces_are_one_stream(pieces: list[bytes]) -> None:
    stream = b"".join(deflated(np.frombuffer(piece, np.uint8)) for piece in pieces) + b"\x03\x00"
    unpacking = zlib.decompressobj(-zlib.MAX_WBITS)
    assert unpacking.decompress(stream) == b"".join(pieces)
    assert unpacking.eof


@given(st.binary(max_size=5000))
def test_a_whole_stream(content: bytes) -> None:
    assert zlib.decompress(zlib_stream(np.frombuffer(content, np.uint8))) == content


def test_strategy_follows_the_runs() -> None:
    noise = np.random.default_rng(0).integers(0, 256, 1 << 16, np.uint8)
    assert strategy(noise) == zlib.Z_HUFFMAN_ONLY
    assert strategy(noise.repeat(8)) == zlib.Z_RLE
    assert strategy(noise[:10]) == zlib.Z_RLE


def test_results_come_in_order_and_items_are_not_taken_ahead() -> None:
    taken = 0

    def items() -> Iterator[int]:
        nonlocal taken
        for item in range(50):
            taken += 1
            yield item

    def slow_at_first(item: int) -> int:
        time.sleep(0.02 if item == 0 else 0)
        return item * item

    for done, result in enumerate(in_parallel(slow_at_first, items())):
        assert result == done * done
        assert taken <= done + MOST_THREADS + 2


def test_some_at_a_time() -> None:
    together = threading.Barrier(MOST_THREADS, timeout=10)
    made = in_parallel(lambda _: together.wait() >= 0, range(MOST_THREADS), 64)
    assert list(made) == [True] * MOST_THREADS


def test_no_more_than_allowed() -> None:
    busy, most, alone = 0, 0, threading.Lock()

    def count(item: int) -> int:
        nonlocal busy, most
        with alone:
            busy += 1
            most = max(most, busy)
        time.sleep(0.01)
        with alone:
            busy -= 1
        return item

    assert list(in_parallel(count, range(12), 2)) == list(range(12))
    assert most == 2


def test_one_at_a_time_takes_no_thread() -> None:
    assert set(in_parallel(lambda _: threading.current_thread(), range(5), 1)) == {threading.current_thread()}


def test_failure_of_a_piece() -> None:
    def fails(item: int) -> int:
        if item == 3:
            raise OSError("full")
        return item

    results = in_parallel(fails, range(9))
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(OSError, match="full"):
        next(results)
