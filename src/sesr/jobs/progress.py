"""One bar over all pictures, by their pixels, so that the time left is right when large and small ones are mixed.

It is on a terminal only, and after a second.
"""

import sys
import threading
from typing import NoReturn

from tqdm import tqdm


def is_shown() -> bool:
    """Whether there is somebody to see a bar."""
    return sys.stderr.isatty()


class Bar:
    """The bar. Any thread may move it.

    Args:
        pictures: how many there are.
        pixels: how many they have together.
    """

    def __init__(self, pictures: int, pixels: int) -> None:
        self._pictures, self._finished = pictures, 0
        self._alone = threading.Lock()
        self._bar: tqdm[NoReturn] = tqdm(
            desc=f"0 of {pictures}",
            total=pixels,
            unit="px",
            unit_scale=True,
            delay=1,
            smoothing=0.05,
            leave=False,
            disable=None,
        )

    def move(self, pixels: int) -> None:
        """So many more pixels are done."""
        with self._alone:
            self._bar.update(pixels)

    def finish_picture(self) -> None:
        """One more picture is done with."""
        with self._alone:
            self._finished += 1
            self._bar.set_description_str(f"{self._finished} of {self._pictures}", refresh=False)

    def close(self) -> None:
        """Takes the bar away."""
        self._bar.close()


class Share:
    """A picture's part of the bar.

    Args:
        bar: the whole.
        pixels: of the picture.
    """

    def __init__(self, bar: Bar, pixels: int) -> None:
        self._bar, self._pixels = bar, pixels
        self._rows = self._moved = 0

    def advance(self, rows: int, total: int) -> None:
        """So many more of the result's `total` rows are done."""
        self._rows += rows
        self._move_to(self._pixels * min(self._rows, total) // total)

    def finish(self) -> None:
        """The picture is done with, well or badly."""
        self._move_to(self._pixels)
        self._bar.finish_picture()

    def _move_to(self, pixels: int) -> None:
        self._bar.move(pixels - self._moved)
        self._moved = pixels
