"""Pictures that several tests of `data` read."""

from pathlib import Path

import pytest
from tests.pictures import noise, save


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A gray picture, a color one in a subfolder, a small one, and a file that is no picture."""
    folder = tmp_path / "folder"
    save(folder / "a.png", noise(31, 40, 1))
    save(folder / "below" / "b.PNG", noise(24, 21, 2, 3))
    save(folder / "small.png", noise(8, 40, 3))
    (folder / "notes.txt").write_text("no picture")
    return folder
