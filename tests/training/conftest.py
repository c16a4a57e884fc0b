"""Pictures that the training tests share."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Three drawn pictures of rings, each finer than the last."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    y, x = np.mgrid[0:64, 0:80]
    for index in range(3):
        rings = 127 + 110 * np.sin(np.hypot(x - 10 * index, y - 20) * (0.3 + 0.2 * index))
        Image.fromarray(rings.astype(np.uint8)).save(folder / f"{index}.png")
    return folder
