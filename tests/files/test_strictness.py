"""Strictness is about pixels: a file that has all of them is read, and one that lacks any is refused."""

from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from tests.sample_files import every_format, load_plugin, saved

from sesr.errors import PictureError
from sesr.files.animation import Animated
from sesr.files.open import open_file, open_picture

NOISE = np.random.default_rng(5).integers(0, 256, (40, 56, 3), np.uint8)
RGB = Image.fromarray(NOISE)
FILES = {
    "a.png": saved(RGB, "PNG"),
    "gray.png": saved(RGB.convert("L"), "PNG"),
    "a.jpg": saved(RGB, "JPEG", subsampling="4:4:4"),
    "small.jpg": saved(RGB.resize((8, 8)), "JPEG"),
    "gray.jpg": saved(RGB.convert("L"), "JPEG"),
    "subsampled.jpg": saved(RGB, "JPEG", quality=40, subsampling="4:2:0"),
    "progressive.jpg": saved(RGB, "JPEG", progressive=True),
    "restarts.jpg": saved(RGB, "JPEG", restart_marker_rows=1),
    "a.webp": saved(RGB, "WEBP"),
    "noted.webp": saved(RGB, "WEBP", exif=b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0"),
    "a.tif": saved(RGB, "TIFF"),
    "lzw.tif": saved(RGB, "TIFF", compression="tiff_lzw"),
    "a.bmp": saved(RGB.resize((55, 40)), "BMP"),
    "a.gif": saved(RGB, "GIF"),
    "a.avif": saved(RGB, "AVIF", speed=10),
}


def pixels(path: Path) -> NDArray[np.uint8]:
    """All rows."""
    picture = open_picture(path)
    return np.concatenate([picture.rows(top, top + 1) for top in range(picture.height)])


@pytest.mark.parametrize("name", FILES)
@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_cut_file_gives_all_pixels_or_none(tmp_path: Path, name: str, data: st.DataObject) -> None:
    whole, path = FILES[name], tmp_path / name
    path.write_bytes(whole)
    meant = pixels(path)
    cut = data.draw(st.one_of(st.integers(1, 12), st.integers(1, len(whole) - 1)))
    path.write_bytes(whole[:-cut])
    with suppress(PictureError):
        assert np.array_equal(pixels(path), meant)


@pytest.mark.parametrize(
    ("name", "cut"),
    [
        *[("a.png", cut) for cut in range(1, 21)],  # IEND has 12 bytes, and there are two checksums of 4 before it
        *[(name, cut) for name in FILES if name.endswith(".jpg") for cut in (1, 2)],
        *[("noted.webp", cut) for cut in (1, 10, 19, 22)],
        *[("a.gif", cut) for cut in (1, 2)],
        ("a.bmp", 1),  # a byte of padding
    ],
)
def test_what_lacks_only_its_end_is_whole(tmp_path: Path, name: str, cut: int) -> None:
    path = tmp_path / name
    path.write_bytes(FILES[name])
    meant = pixels(path)
    path.write_bytes(FILES[name][:-cut])
    assert np.array_equal(pixels(path), meant)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "gray.jpg", "noted.webp", "a.gif"])
def test_a_missing_end_is_noted(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    for content, noted in ((FILES[name], False), (FILES[name][:-1], True), (FILES[name] + b"garbage", False)):
        path.write_bytes(content)
        picture = open_picture(path)
        picture.rows(0, picture.height)
        assert [("lacks its end" in note) for note in picture.notes] == [True] * noted


@pytest.mark.parametrize("name", FILES)
def test_bytes_behind_the_end_do_no_harm(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(FILES[name])
    meant = pixels(path)
    path.write_bytes(FILES[name] + b"something else" * 20)
    assert np.array_equal(pixels(path), meant)


@pytest.mark.parametrize("rows", [8, 16, 20, 32])
@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:0"])
def test_a_jpeg_without_its_last_blocks_is_refused(tmp_path: Path, rows: int, subsampling: str) -> None:
    """The file ends as it should, so only the decoder can tell."""
    content = saved(RGB.resize((56, rows)), "JPEG", subsampling=subsampling)
    (tmp_path / "a.jpg").write_bytes(content[:-14] + b"\xff\xd9")
    with pytest.raises(PictureError, match=r"a\.jpg: damaged or incomplete \(its data end too early\)"):
        pixels(tmp_path / "a.jpg")


def test_a_progressive_jpeg_without_its_last_scans_is_refused(tmp_path: Path) -> None:
    """Cut between two scans, of which the decoder does not warn."""
    whole, path = FILES["progressive.jpg"], tmp_path / "a.jpg"
    scans = [at for at in range(len(whole)) if whole.startswith(b"\xff\xda", at)]
    assert len(scans) > 4
    for at in scans[1:]:
        path.write_bytes(whole[: whole.rindex(b"\xff\xc4", 0, at)])  # with its tables
        with pytest.raises(PictureError, match="its data end too early"):
            pixels(path)


@pytest.mark.parametrize("end", [b"", b"\xff\xd9", b"\xff\xd9" + bytes(9)])
def test_a_progressive_jpeg_without_its_last_scan_is_refused_whatever_its_end(tmp_path: Path, end: bytes) -> None:
    whole, path = FILES["progressive.jpg"], tmp_path / "a.jpg"
    path.write_bytes(whole[:-2] + b"\xff\xff\xd9")  # markers may be filled up
    pixels(path)
    path.write_bytes(whole[: whole.rindex(b"\xff\xc4")] + end)
    with pytest.raises(PictureError, match="its data end too early"):
        pixels(path)


def test_a_jpeg_without_some_of_its_restart_intervals_is_refused(tmp_path: Path) -> None:
    whole, path = FILES["restarts.jpg"], tmp_path / "a.jpg"
    marks = [at for at in range(len(whole)) if whole[at] == 0xFF and whole[at + 1] in range(0xD0, 0xD8)]
    path.write_bytes(whole[: marks[1]] + b"\0\0\0" + whole[marks[1] :])
    assert pixels(path).shape == (40, 56, 3)  # all are there, with bytes between them
    for lacking in (whole[: marks[-1]] + b"\xff\xd9", whole[: marks[0]] + whole[marks[1] :]):
        path.write_bytes(lacking)
        with pytest.raises(PictureError, match="its data end too early"):
            pixels(path)


@pytest.mark.parametrize("name", ["a.jpg", "gray.jpg", "progressive.jpg"])
def test_a_jpeg_of_which_half_is_zeros_is_refused(tmp_path: Path, name: str) -> None:
    """A download that was broken off, in a file made as large as it should become."""
    whole, path = FILES[name], tmp_path / name
    path.write_bytes(whole[: len(whole) // 2].ljust(len(whole), b"\0"))
    with pytest.raises(PictureError, match="its data end too early"):
        pixels(path)


def test_zeros_that_are_data(tmp_path: Path) -> None:
    """The shortest code, of zeros, may stand for an even block."""
    even = saved(Image.new("L", (800, 800)), "JPEG", optimize=True)
    assert even.count(bytes(100)) > 1
    (tmp_path / "a.jpg").write_bytes(even[:-2])
    assert not pixels(tmp_path / "a.jpg").any()


@pytest.mark.parametrize("cut", [1, 8, 100])
def test_a_webp_that_ends_too_early(tmp_path: Path, cut: int) -> None:
    whole, path = FILES["a.webp"], tmp_path / "a.webp"
    path.write_bytes(whole[:-cut])
    with pytest.raises(PictureError, match=r"damaged or incomplete \(its data end too early\)"):
        pixels(path)
    path.write_bytes(whole[:20] + bytes(len(whole) - 20))
    with pytest.raises(PictureError, match=r"damaged or incomplete \(its data make no sense\)"):
        pixels(path)


@pytest.mark.parametrize("count", [1, 3])
def test_a_gif_without_its_end_marker_has_all_frames(tmp_path: Path, count: int) -> None:
    first, *others = [RGB.transpose(Image.Transpose(k)) for k in range(count)]
    options = {"save_all": True, "append_images": others, "duration": 50} if others else {}
    (tmp_path / "a.gif").write_bytes(saved(first, "GIF", **options)[:-1])
    found = open_file(tmp_path / "a.gif")
    assert (found.count if isinstance(found, Animated) else 1) == count


@pytest.mark.needs("pillow_heif")
def test_heic_with_bytes_behind_its_end(tmp_path: Path) -> None:
    load_plugin(".heic")
    (tmp_path / "a.heic").write_bytes(every_format()["plain.heic"] + b"something else" * 20)
    assert open_picture(tmp_path / "a.heic").mode == "RGB"


def test_an_animated_webp_cut_anywhere_loses_no_frame(tmp_path: Path) -> None:
    """At the end of a frame too, where nobody can tell whether another one followed."""
    frames = [Image.fromarray(np.roll(NOISE, 9 * index, 0)) for index in range(3)]
    whole = saved(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True)
    accepted = set()
    for end in range(len(whole) - 1, 30, -1):
        path = tmp_path / "cut.webp"
        path.write_bytes(whole[:end])
        with suppress(PictureError):
            found = open_file(path)
            accepted.add(found.count if isinstance(found, Animated) else 1)
            if isinstance(found, Animated):
                list(found.frames())
    assert accepted <= {3}
