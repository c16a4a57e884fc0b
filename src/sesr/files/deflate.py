"""Deflate in pieces, several at a time.

A deflate stream may be cut anywhere. A piece that ends with a *sync flush* ends at a whole byte, and such pieces one
after another are one stream (RFC 1951, section 3.2.3; zlib's manual, Z_SYNC_FLUSH). So each piece is compressed in a
thread of its own. zlib lets other Python threads run meanwhile.

PNG and TIFF store differences between pixels. Those of enlarged photographs hardly ever repeat, and the search for
repetitions would take longer than all the rest. So the search is left out (strategy HUFFMAN_ONLY), unless there are
many runs of equal bytes, as in drawings; then runs are shortened (RLE).

zlib-ng does this in half of zlib's time, with the same size to a thousandth.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from zlib_ng import zlib_ng

from sesr.imaging.arrays import Bytes
from sesr.processors import available_threads

Item = TypeVar("Item")
Result = TypeVar("Result")

MOST_THREADS = 4
"""Pieces at a time. Further processors would only wait for the network."""

_RUNS = 0.5
_SAMPLE = 8


def deflated(piece: Bytes) -> bytes:
    """Return a piece of a deflate stream, without header, that ends at a whole byte; `piece` has one dimension."""
    compressor = zlib_ng.compressobj(1, zlib_ng.DEFLATED, -zlib_ng.MAX_WBITS, zlib_ng.DEF_MEM_LEVEL, strategy(piece))
    return compressor.compress(piece.data) + compressor.flush(zlib_ng.Z_SYNC_FLUSH)


def zlib_stream(content: Bytes) -> bytes:
    """Return a whole stream, with zlib's header and checksum; `content` has one dimension."""
    compressor = zlib_ng.compressobj(1, strategy=strategy(content))
    return compressor.compress(content.data) + compressor.flush()


def strategy(piece: Bytes) -> int:
    """Choose zlib's strategy for these bytes, (count,), by the share of bytes that equal the byte before."""
    rows = piece[: len(piece) // 256 * 256].reshape(-1, 256)[::_SAMPLE]
    runs = float((rows[:, 1:] == rows[:, :-1]).mean()) if len(rows) else 1.0
    return zlib_ng.Z_RLE if runs > _RUNS else zlib_ng.Z_HUFFMAN_ONLY


def in_parallel(make: Callable[[Item], Result], items: Iterable[Item], threads: int | None = None) -> Iterator[Result]:
    """Yield `make` of each item, in order. Items are taken as results are.

    Args:
        make: runs in several threads at once.
        items: what it is called with.
        threads: items at a time, at most `MOST_THREADS`; None takes the processors that the process may use. With 1,
            items are made in the caller's own thread.
    """
    workers = min(threads or available_threads(), MOST_THREADS)
    if workers == 1:
        yield from map(make, items)
        return
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        for item in items:
            waiting.append(pool.submit(make, item))
            if len(waiting) > workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
