"""Files with several pages, in the work of a batch."""

from pathlib import Path

import pytest
from PIL import Image

from sesr.jobs.folders import Found, Unread
from sesr.jobs.pages import ALL, with_pages

COLORS = ("red", "lime", "blue")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A document, an animation, a photograph, and a damaged file."""
    frames = [Image.new("RGB", (6, 4), color) for color in COLORS]
    for name in ("document.tif", "animation.gif"):
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
    frames[0].save(tmp_path / "photo.jpg")
    (tmp_path / "damaged.png").write_text("hello")
    return tmp_path


@pytest.mark.parametrize("name", ["document.tif", "animation.gif", "photo.jpg", "damaged.png", "none.png"])
def test_without_a_wish_nothing_changes(folder: Path, name: str) -> None:
    assert with_pages([Found(folder / name)], None) == [Found(folder / name)]


@pytest.mark.parametrize("name", ["document.tif", "photo.jpg", "none.png"])
def test_one_page(folder: Path, name: str) -> None:
    """A page that there is not shows when it is read."""
    assert with_pages([Found(folder / name, named=False)], 2) == [Found(folder / name, named=False, page=2)]


@pytest.mark.parametrize(
    ("name", "pages"),
    [("document.tif", [1, 2, 3]), ("animation.gif", [1, 2, 3])]
    + [(name, [None]) for name in ("photo.jpg", "damaged.png", "none.png")],
)
def test_every_page(folder: Path, name: str, pages: list[int | None]) -> None:
    found = Found(folder / name, Path("sub"), named=False)
    assert with_pages([found], ALL) == [Found(folder / name, Path("sub"), False, page) for page in pages]


@pytest.mark.parametrize("page", [None, ALL, 3])
def test_folders_that_cannot_be_read_stay(folder: Path, page: int | None) -> None:
    unread = Unread(folder, "no")
    assert with_pages([unread], page) == [unread]
