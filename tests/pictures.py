"""Pictures of noise, as files, for tests that only need some picture."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def noise(height: int, width: int, seed: int, channels: int = 1) -> NDArray[np.uint8]:
    """Return random 8-bit values, (height, width) or with a third axis."""
    shape = (height, width) if channels == 1 else (height, width, channels)
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def save(path: Path, picture: NDArray[np.uint8]) -> Path:
    """Write a picture, whose format the suffix tells, into a folder that is made if needed. Return the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path)
    return path
