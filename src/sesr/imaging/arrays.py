"""Types of the arrays that hold pictures.

Sizes come in the order (height, width), and channels last.
"""

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Pixel = TypeVar("Pixel", bound=np.generic)
"""Type of a value, in functions that return the type that they are given."""

Pixels = NDArray[Any]
"""A picture or some of its rows, uint8 or uint16: (rows, width) for gray, else (rows, width, channels)."""

Luma = NDArray[np.float32]
"""Luma as networks read and write it: limited-range BT.601 Y / 255, (H, W)."""

Bytes = NDArray[np.uint8]
"""8-bit values of any shape: pixels, 8-bit luma, or bytes of a file."""
