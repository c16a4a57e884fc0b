"""Several pictures in one file: which one is meant, and how another is taken."""

import struct
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.sample_files import every_format, frames, load_plugin

from sesr.errors import PictureError
from sesr.files.animation import Animated
from sesr.files.open import count_pages, open_file, open_picture, picture_size

PAGE, REDUCED, MASK = 2, 1, 4


def tiff(
    sizes: list[tuple[int, int]], kinds: list[int | None], tag: int = 254, order: str = "<", big: bool = False
) -> bytes:
    """A TIFF of gray pages by hand. Each page is filled with its number, and its kind is written under `tag`."""
    counts, entry, link, room = ("Q", "HHQ8s", "Q", 8) if big else ("H", "HHI4s", "I", 4)
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "H", 43 if big else 42)
    body = head + (struct.pack(order + "HHQ", 8, 0, 16) if big else struct.pack(order + "I", 8))
    for number, ((width, height), kind) in enumerate(zip(sizes, kinds, strict=True)):
        tags = {256: width, 257: height, 258: 8, 259: 1, 262: 1, 277: 1, 278: height, 279: width * height}
        tags |= {} if kind is None else {tag: kind}
        length = struct.calcsize("=" + counts) + (len(tags) + 1) * struct.calcsize("=" + entry) + room
        tags[273] = len(body) + length
        body += struct.pack(order + counts, len(tags))
        for name, value in sorted(tags.items()):
            body += struct.pack(order + entry, name, 4, 1, struct.pack(order + "I", value).ljust(room, b"\0"))
        following = len(body) + room + width * height
        body += (
            struct.pack(order + link, following if number + 1 < len(sizes) else 0) + bytes([number]) * width * height
        )
    return body


ONE = [
    ("reduced", [(8, 6), (4, 3)], [None, REDUCED], 0),
    ("pyramid", [(8, 6), (4, 3), (2, 2)], [0, REDUCED, REDUCED], 0),
    ("mask", [(8, 6), (8, 6)], [0, MASK], 0),
    ("mask of the reduced", [(8, 6), (4, 3), (4, 3)], [0, REDUCED, REDUCED | MASK], 0),
    ("thumbnail first", [(4, 3), (8, 6)], [REDUCED, 0], 1),
    ("marked as reduced, though of nothing", [(8, 6)], [REDUCED], 0),
    ("one page of a document, and its copy", [(8, 6), (4, 3)], [PAGE, PAGE | REDUCED], 0),
]


@pytest.mark.parametrize(("sizes", "kinds", "full"), [each[1:] for each in ONE], ids=[each[0] for each in ONE])
@pytest.mark.parametrize(("order", "big"), [("<", False), (">", False), ("<", True), (">", True)])
def test_the_only_full_page_of_a_tiff(
    tmp_path: Path, sizes: list[tuple[int, int]], kinds: list[int | None], full: int, order: str, big: bool
) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(tiff(sizes, kinds, order=order, big=big))
    picture = open_picture(path)
    assert (picture.width, picture.height) == sizes[full] == picture_size(path)
    assert (picture.rows(0, picture.height) == full).all()
    assert count_pages(path) == 1


def test_several_pages_that_are_all_reduced(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(tiff([(8, 6), (4, 3)], [REDUCED, REDUCED]))
    with pytest.raises(PictureError, match=r"a\.tif: several pages or frames \(2\)"):
        open_picture(path)
    assert open_picture(path, page=2).width == 4


def test_reduced_pages_marked_the_old_way(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(tiff([(8, 6), (4, 3)], [1, 2], tag=255))
    assert open_picture(tmp_path / "a.tif").width == 8


@pytest.mark.parametrize("kinds", [[None, None, None], [PAGE, PAGE, PAGE], [PAGE, REDUCED, PAGE]])
def test_pages_of_a_document(tmp_path: Path, kinds: list[int | None]) -> None:
    path, sizes = tmp_path / "a.tif", [(8, 6), (5, 4), (7, 3)]
    path.write_bytes(tiff(sizes, kinds))
    full = [index for index, kind in enumerate(kinds) if kind != REDUCED]
    assert count_pages(path) == len(full)
    advice = r"take one with --page N, or each with --page all"
    with pytest.raises(PictureError, match=rf"a\.tif: several pages or frames \({len(full)}\); {advice}"):
        open_file(path)
    for number, index in enumerate(full, 1):
        picture = open_picture(path, page=number)
        assert (picture.width, picture.height) == sizes[index]
        assert (picture.rows(0, picture.height) == index).all()
    with pytest.raises(PictureError, match=rf"has {len(full)} pages, so there is no page 9; check --page"):
        open_file(path, page=9)


def test_directories_that_lead_in_a_circle(tmp_path: Path) -> None:
    content = bytearray(tiff([(8, 6)], [None]))
    at = 8 + 2 + 9 * 12
    content[at : at + 4] = struct.pack("<I", 8)
    (tmp_path / "a.tif").write_bytes(content)
    assert open_picture(tmp_path / "a.tif").width == 8


def test_the_only_page_may_be_named(tmp_path: Path) -> None:
    Image.new("RGB", (4, 3)).save(tmp_path / "a.png")
    assert open_picture(tmp_path / "a.png", page=1).width == 4
    with pytest.raises(PictureError, match=r"a\.png: has one page, so there is no page 2"):
        open_picture(tmp_path / "a.png", page=2)


def several(suffix: str) -> bytes:
    """Three pictures: red, green and blue; in HEIC the second is the primary one."""
    images = [Image.new("RGB", (16 * k, 16), color) for k, color in enumerate(("red", "lime", "blue"), 2)]
    file = BytesIO()
    options = {"primary_index": 1} if suffix == ".heic" else {}
    name = {".heic": "HEIF", ".mpo": "MPO"}[suffix]
    images[0].save(file, name, save_all=True, append_images=images[1:], **options)
    return file.getvalue()


@pytest.mark.parametrize(
    ("suffix", "primary"), [(".mpo", 0), pytest.param(".heic", 1, marks=pytest.mark.needs("pillow_heif"))]
)
def test_the_primary_picture(tmp_path: Path, suffix: str, primary: int) -> None:
    load_plugin(suffix)
    path = tmp_path / f"a{suffix}"
    path.write_bytes(several(suffix))
    assert count_pages(path) == 3
    for page, index in ((None, primary), (1, 0), (2, 1), (3, 2)):
        picture = open_picture(path, page=page)
        assert picture.width == 16 * (index + 2)
        assert np.argmax(picture.rows(0, 1)[0, 0]) == index
        assert picture.notes == ()


@pytest.mark.parametrize("name", ["moving.gif", "moving.png", "moving.webp", "moving.avif"])
def test_a_frame_of_an_animation(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(every_format()[name])
    assert isinstance(open_file(path), Animated)
    assert count_pages(path) == 3
    for page, drawn in enumerate(frames(), 1):
        picture = open_picture(path, page=page)
        seen = Image.fromarray(picture.rows(0, picture.height)).convert("RGBA")
        solid = np.asarray(drawn.getchannel("A")) > 0
        difference = np.asarray(seen).astype(int)[solid] - np.asarray(drawn).astype(int)[solid]
        assert np.abs(difference).max() < (90 if name.endswith(("webp", "avif")) else 1)
    with pytest.raises(PictureError, match="has 3 pages, so there is no page 4"):
        open_picture(path, page=4)
