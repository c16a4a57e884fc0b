"""JPEG read row by row, and what it does to a picture."""

import gc
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import pyvips
from PIL import Image

from sesr.errors import PictureError
from sesr.files.jpeg import through_jpeg
from sesr.files.open import open_picture

NOISE = np.random.default_rng(0).integers(0, 256, (40, 56, 3), np.uint8)


@pytest.mark.parametrize("pixels", [NOISE, NOISE[..., 0]], ids=["colour", "grey"])
def test_equals_a_file(pixels: "np.typing.NDArray[np.uint8]") -> None:
    file = BytesIO()
    options = {"subsampling": 2} if pixels.ndim == 3 else {}
    Image.fromarray(pixels).save(file, "JPEG", quality=75, **options)
    assert np.array_equal(through_jpeg(pixels, 75), np.asarray(Image.open(file)))


def read(path: Path) -> "np.typing.NDArray[np.uint8]":
    """All rows. What is missing shows when they have been read."""
    picture = open_picture(path)
    return picture.rows(0, picture.height)


def test_lower_quality_loses_more() -> None:
    lost = [
        np.square(through_jpeg(NOISE[..., 0], quality) - NOISE[..., 0].astype(float)).mean() for quality in (95, 30)
    ]
    assert 0 < lost[0] < lost[1] / 4


@pytest.mark.parametrize("quality", [0, 101])
def test_qualities_that_there_are_not(quality: int) -> None:
    with pytest.raises(PictureError, match="between 1 and 100"):
        through_jpeg(NOISE, quality)


def test_picture_too_large_for_jpeg() -> None:
    with pytest.raises(PictureError, match="65501 x 1"):
        through_jpeg(np.zeros((1, 65501), np.uint8), 75)


def test_data_that_end_too_early(tmp_path: Path) -> None:
    """Though the file ends as it should: half of the picture would be grey."""
    Image.fromarray(NOISE).save(tmp_path / "good.jpg")
    whole = (tmp_path / "good.jpg").read_bytes()
    (tmp_path / "bad.jpg").write_bytes(whole[: len(whole) * 2 // 3] + b"\xff\xd9")
    read(tmp_path / "good.jpg")
    with pytest.raises(PictureError, match=r"bad\.jpg: damaged or incomplete \(its data end too early\)"):
        read(tmp_path / "bad.jpg")


def test_what_harms_no_pixel_is_let_pass(tmp_path: Path) -> None:
    """libjpeg warns of bytes between markers too."""
    Image.fromarray(NOISE).save(tmp_path / "a.jpg")
    whole = (tmp_path / "a.jpg").read_bytes()
    (tmp_path / "a.jpg").write_bytes(whole[:-2] + b"\0\0\0" + whole[-2:])
    read(tmp_path / "a.jpg")


def test_warnings_of_libvips_do_not_reach_python(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A warning that comes up while Python handles another one would end the process."""
    Image.fromarray(NOISE).save(tmp_path / "a.jpg")
    content = (tmp_path / "a.jpg").read_bytes()
    for cut in (len(content) // 2, len(content) - 10):
        (tmp_path / "a.jpg").write_bytes(content[:cut] + b"\xff\xd9")
        with pytest.raises(PictureError):
            read(tmp_path / "a.jpg")
    assert caplog.records == []


def test_several_at_a_time_are_not_taken_for_each_other(tmp_path: Path) -> None:
    """libvips' words on what went wrong are the whole process's."""
    Image.fromarray(NOISE).save(tmp_path / "good.jpg")
    whole = (tmp_path / "good.jpg").read_bytes()
    (tmp_path / "good.jpg").write_bytes(whole[:-2] + b"\0\0\0" + whole[-2:])
    (tmp_path / "bad.jpg").write_bytes(whole[: len(whole) * 2 // 3] + b"\xff\xd9")

    def is_whole(name: str) -> bool:
        try:
            read(tmp_path / name)
        except PictureError:
            return False
        return True

    names = ["good.jpg", "bad.jpg"] * 200
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(is_whole, names)) == [name == "good.jpg" for name in names]


@pytest.mark.skipif(sys.platform != "linux", reason="names are any bytes on Linux only")
def test_name_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9.jpg")
    Image.fromarray(NOISE).save(path)
    read(path)


def test_a_gain_map_does_not_change_the_picture(tmp_path: Path) -> None:
    """Phones write HDR as this: an ordinary JPEG, with a second picture behind it for screens that are brighter."""
    light = pyvips.Image.new_from_array(2 * NOISE.astype(np.float32) / 255).copy(interpretation="scrgb")
    if not hasattr(pyvips.Image, "uhdrsave") and not pyvips.type_find("VipsOperation", "uhdrsave"):
        pytest.skip("this libvips writes no gain maps")
    path = tmp_path / "phone.jpg"
    path.write_bytes(light.uhdrsave_buffer())
    with Image.open(path) as image:
        assert np.array_equal(read(path), np.asarray(image.convert("RGB")))


@pytest.mark.parametrize(
    ("marker", "bits", "kind"),
    [
        (0xC5, 8, "a hierarchical JPEG"),
        (0xF7, 8, "JPEG-LS"),
        (0xC1, 12, "a JPEG of 12 bits"),
    ],
)
def test_kinds_that_no_decoder_here_knows(tmp_path: Path, marker: int, bits: int, kind: str) -> None:
    """Their headers are well-formed, so they are not called damaged. (Of lossless ones, decoders know some.)"""
    path = tmp_path / "odd.jpg"
    Image.fromarray(NOISE).save(path)
    content = bytearray(path.read_bytes())
    at = content.index(b"\xff\xc0")
    content[at + 1], content[at + 4] = marker, bits
    path.write_bytes(content)
    with pytest.raises(PictureError, match=rf"odd\.jpg: not supported here \({kind}\)"):
        open_picture(path)


def test_a_height_that_follows_the_data_is_named(tmp_path: Path) -> None:
    """Marker DNL (ITU-T T.81, B.2.5): valid, and known to no decoder here."""
    path = tmp_path / "odd.jpg"
    Image.fromarray(NOISE).save(path)
    content = bytearray(path.read_bytes())
    at = content.index(b"\xff\xc0") + 5
    height, content[at : at + 2] = content[at : at + 2], b"\0\0"
    path.write_bytes(content[:-2] + b"\xff\xdc\0\4" + height + b"\xff\xd9")
    with pytest.raises(PictureError, match=r"not supported here \(a JPEG that states its height at the end\)"):
        open_picture(path)


def test_a_jpeg_of_half_a_header(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    Image.fromarray(NOISE).save(path)
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(PictureError, match=r"damaged or incomplete \(its data end too early\)"):
        open_picture(path)


@pytest.mark.parametrize(
    "options", [{}, {"restart_marker_blocks": 1}, {"restart_marker_rows": 1}, {"progressive": True}]
)
def test_a_cut_at_any_byte_is_noticed(tmp_path: Path, options: dict[str, object]) -> None:
    """Also where a restart marker would have followed, of whose absence the decoder does not warn."""
    pixels, path, encoded = NOISE[:16, :24], tmp_path / "cut.jpg", BytesIO()
    Image.fromarray(pixels).save(encoded, "JPEG", **options)
    whole = encoded.getvalue()
    expected = np.asarray(Image.open(encoded))
    for end in range(whole.index(b"\xff\xda") + 14, len(whole)):
        path.write_bytes(whole[:end])
        try:
            assert np.array_equal(read(path), expected), f"accepted without its last {len(whole) - end} bytes"
        except PictureError:
            assert end < len(whole) - 2, "only its end marker is missing"


@pytest.mark.parametrize("end", [b"", b"\xff\xd9"], ids=["open", "ended"])
def test_a_harmless_warning_does_not_hide_missing_data(tmp_path: Path, end: bytes) -> None:
    """The decoder words its first warning only: here, of bytes before the pixels that mean nothing."""
    path, encoded = tmp_path / "half.jpg", BytesIO()
    Image.fromarray(NOISE).save(encoded, "JPEG")
    whole = encoded.getvalue()
    scan = whole.index(b"\xff\xda")
    odd = whole[:scan] + bytes(30) + whole[scan:]
    path.write_bytes(odd)
    assert np.array_equal(read(path), np.asarray(Image.open(encoded)))
    path.write_bytes(odd[: len(odd) // 2] + end)
    with pytest.raises(PictureError, match="its data end too early"):
        read(path)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not list what is open")
def test_files_are_closed_when_they_have_been_read(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    Image.fromarray(NOISE).save(path)
    gc.disable()
    try:
        for _ in range(20):
            read(path)
        opened = [os.readlink(entry) for entry in Path("/proc/self/fd").iterdir() if entry.exists()]
    finally:
        gc.enable()
    assert str(path) not in opened
