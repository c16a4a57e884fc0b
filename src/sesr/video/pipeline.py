"""Enlarges frames on all processors, and gives them back in their order.

A thread decodes and plans (`sesr.video.frames.FrameUpscaler.plan`), workers take a frame each, and whoever iterates
encodes. Frames wait in a queue of limited length, so memory does not grow with the film, and a slow encoder makes the
decoder wait.

A frame that equals the one before is a copy of that result, and has to wait for it. No worker does that: whoever
finishes the result makes the copy too, so that all workers compute.
"""

import queue
import threading
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

from av import VideoFrame

if TYPE_CHECKING:
    from sesr.video.frames import FrameUpscaler

_FEWEST, _MOST = 2, 8
"""Frames that wait besides those that workers are at: one that is finished and one that is decoded, or more. Where
parts of a film stand still, frames take very different times, and more of them keep everybody busy."""

_ROOM = 64_000_000
"""Bytes for more than the fewest."""

_End = BaseException | None
_Queue = queue.Queue["Future[VideoFrame] | _End"]


def upscaled(
    frames: Iterator[VideoFrame], upscaler: "FrameUpscaler", workers: int
) -> Generator[VideoFrame, None, None]:
    """Yield enlarged frames in their order.

    Args:
        frames: decoded frames; they are read in another thread.
        upscaler: what enlarges them.
        workers: frames at a time.

    Exceptions of every thread arrive here. Closing the iterator, or an exception, ends all threads.
    """
    spare = max(_FEWEST, min(_MOST, _ROOM // upscaler.frame_bytes))
    ready: _Queue = queue.Queue(workers + spare)
    stop = threading.Event()
    with ThreadPoolExecutor(workers, "upscale") as pool:
        reader = threading.Thread(target=_read, args=(frames, upscaler, pool, ready, stop), name="decode", daemon=True)
        reader.start()
        try:
            while isinstance(upcoming := ready.get(), Future):
                yield upcoming.result()
            if upcoming is not None:
                raise upcoming
        finally:
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            while reader.is_alive():
                _empty(ready)
                reader.join(0.02)


def _read(
    frames: Iterator[VideoFrame],
    upscaler: "FrameUpscaler",
    pool: ThreadPoolExecutor,
    ready: _Queue,
    stop: threading.Event,
) -> None:
    end: _End = None
    before: Future[VideoFrame] | None = None
    try:
        for frame in frames:
            if stop.is_set():
                break
            task = upscaler.plan(frame)
            run = partial(upscaler.run, task)
            before = pool.submit(run) if before is None or not task.still else _after(before, run)
            ready.put(before)
    except BaseException as error:  # it is raised where frames are awaited
        end = error
    if not stop.is_set():
        ready.put(end)


def _after(before: "Future[VideoFrame]", run: Callable[[], VideoFrame]) -> "Future[VideoFrame]":
    """Run something when a frame is finished, in the thread that finished it; at once if that has happened."""
    result: Future[VideoFrame] = Future()

    def follow(_: "Future[VideoFrame]") -> None:
        if before.cancelled():
            result.cancel()
            return
        try:
            result.set_result(run())
        except BaseException as error:
            result.set_exception(error)

    before.add_done_callback(follow)
    return result


def _empty(ready: _Queue) -> None:
    try:
        while True:
            ready.get_nowait()
    except queue.Empty:
        pass
