"""A progress bar over all pictures, by their pixels, so that the time left is right when sizes are mixed.

It appears on a terminal only, and after a second.
"""

import sys
import threading
from typing import NoReturn

from tqdm import tqdm


def is_shown() -> bool:
    """Tell whether there is somebody to see a bar."""
    return sys.stderr.isatty()


class Bar:
    """Bar over all pictures. Any thread may move it.

    Args:
        pictures: how many there are.
        pixels: how many they have in total.
        delay: seconds after which it appears.
    """

    def __init__(self, pictures: int, pixels: int, delay: float = 1) -> None:
        self._pictures, self._finished = pictures, 0
        self._alone = threading.Lock()
        self._bar: tqdm[NoReturn] = tqdm(
            desc=f"0 of {pictures}",
            total=pixels,
            unit="px",
            unit_scale=True,
            delay=delay,
            smoothing=0.05,
            leave=False,
            disable=None,
        )

    def move(self, pixels: int) -> None:
        """Count more pixels as done."""
        with self._alone:
            self._bar.update(pixels)

    def finish_picture(self) -> None:
        """Count one more picture as finished."""
        with self._alone:
            self._finished += 1
            self._bar.set_description_str(f"{self._finished} of {self._pictures}", refresh=False)

    def close(self) -> None:
        """Remove the bar."""
        self._bar.close()


class Share:
    """One picture's share of the bar.

    Args:
        bar: the bar over all pictures.
        pixels: the picture's.
    """

    def __init__(self, bar: Bar, pixels: int) -> None:
        self._bar, self._pixels = bar, pixels
        self._rows = self._moved = 0

    def advance(self, rows: int, total: int) -> None:
        """Count more rows of the result as done, out of `total`."""
        self._rows += rows
        self._move_to(self._pixels * min(self._rows, total) // total)

    def finish(self) -> None:
        """Count the picture as finished, whether it succeeded or not."""
        self._move_to(self._pixels)
        self._bar.finish_picture()

    def _move_to(self, pixels: int) -> None:
        self._bar.move(pixels - self._moved)
        self._moved = pixels
