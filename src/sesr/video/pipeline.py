"""Enlarges frames on all processors, and gives them back in their order.

A thread decodes and plans (`sesr.video.frames.FrameUpscaler.plan`), workers take a frame each, and whoever iterates
encodes. Frames wait in a queue of limited length, so memory does not grow with the film, and a slow encoder makes the
decoder wait.
"""

import gc
import queue
import threading
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from av import VideoFrame

if TYPE_CHECKING:
    from sesr.video.frames import FrameUpscaler

_SPARE = 2
"""Frames that wait besides those that workers are at: one that is finished, one that is decoded."""

_COLLECT = 60
"""Frames after which Python looks for garbage. PyAV's objects refer to each other, and are large to the system but
small to Python, which would let frames and the encoders of finished segments pile up."""

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
    ready: _Queue = queue.Queue(workers + _SPARE)
    stop = threading.Event()
    with ThreadPoolExecutor(workers, "upscale") as pool:
        reader = threading.Thread(target=_read, args=(frames, upscaler, pool, ready, stop), name="decode", daemon=True)
        reader.start()
        try:
            count = 0
            while isinstance(upcoming := ready.get(), Future):
                yield upcoming.result()
                count += 1
                if count % _COLLECT == 0:
                    gc.collect()
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
    try:
        for frame in frames:
            if stop.is_set():
                break
            ready.put(pool.submit(upscaler.run, upscaler.plan(frame)))
    except BaseException as error:  # it is raised where frames are awaited
        end = error
    if not stop.is_set():
        ready.put(end)


def _empty(ready: _Queue) -> None:
    try:
        while True:
            ready.get_nowait()
    except queue.Empty:
        pass
