"""CMYK, YCCK and Lab: converted where a profile is embedded, refused where none is."""

import io
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvips
from numpy.typing import NDArray
from PIL import Image, ImageCms
from tests.sample_files import profile, smooth

from sesr.errors import PictureError
from sesr.files.open import Still, open_picture

Pixels = NDArray[Any]
SIZE = (27, 20)


@cache
def ink_profile() -> bytes:
    """A CMYK profile, which libvips has built in."""
    image = pyvips.Image.black(8, 8, bands=3).copy(interpretation="srgb").icc_export(output_profile="cmyk")
    return bytes(image.get("icc-profile-data"))


def inks() -> NDArray[np.uint8]:
    """Smooth amounts of ink, (rows, width, 4)."""
    return (smooth(channels=4) * 0.8).astype(np.uint8)


def by_littlecms(pixels: NDArray[np.uint8]) -> NDArray[np.int64]:
    source = ImageCms.ImageCmsProfile(io.BytesIO(ink_profile()))
    intent, image = ImageCms.Intent.RELATIVE_COLORIMETRIC, Image.fromarray(pixels, "CMYK")
    found = ImageCms.profileToProfile(
        image, source, ImageCms.createProfile("sRGB"), renderingIntent=intent, outputMode="RGB"
    )
    return np.asarray(found).astype(int)


def saved(path: Path, **options: Any) -> Path:  # noqa: ANN401  (Pillow's)
    Image.fromarray(inks(), "CMYK").save(path, **options)
    return path


def opened(path: Path) -> tuple[Still, Pixels]:
    picture = open_picture(path)
    return picture, picture.rows(0, picture.height)


def test_jpeg_is_converted_by_its_profile(tmp_path: Path) -> None:
    picture, pixels = opened(saved(tmp_path / "a.jpg", quality=97, icc_profile=ink_profile()))
    with Image.open(tmp_path / "a.jpg") as image:
        wanted = by_littlecms(np.asarray(image))
    assert np.abs(pixels - wanted).max() <= 2
    assert (picture.mode, picture.depth, picture.metadata.icc) == ("RGB", 8, None)
    assert picture.notes == ("CMYK was converted to sRGB by its profile",)


def test_ycck_is_cmyk(tmp_path: Path) -> None:
    """A JPEG whose first three channels are stored as YCbCr, which its Adobe segment says in one byte."""
    color = Image.fromarray(inks()[..., :3]).convert("YCbCr")  # Adobe stores inks inverted, and YCCK inverts them again
    packed = np.dstack([np.asarray(color), 255 - inks()[..., 3]])
    file = io.BytesIO()
    Image.fromarray(255 - packed, "CMYK").save(file, "JPEG", quality=97, icc_profile=ink_profile())
    content = bytearray(file.getvalue())
    at = content.index(b"Adobe") + 11
    assert content[at] == 0
    content[at] = 2
    (tmp_path / "ycck.jpg").write_bytes(content)
    picture, pixels = opened(tmp_path / "ycck.jpg")
    assert np.abs(pixels - by_littlecms(inks())).mean() < 2
    assert "CMYK" in picture.notes[0]


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate", "lzma"])
def test_tiff_is_converted_by_its_profile(tmp_path: Path, compression: str) -> None:
    path = saved(tmp_path / "a.tif", compression=compression, icc_profile=ink_profile())
    picture, pixels = opened(path)
    assert np.abs(pixels - by_littlecms(inks())).max() <= 1
    assert (picture.mode, picture.depth, picture.metadata.icc) == ("RGB", 8, None)


def vips_tiff(path: Path, pixels: Pixels, interpretation: str, icc: bytes | None) -> Path:
    image = pyvips.Image.new_from_array(pixels).copy(interpretation=interpretation)
    if icc is not None:
        image.set_type(pyvips.GValue.blob_type, "icc-profile-data", icc)
    image.tiffsave(str(path))
    return path


def test_sixteen_bits_stay_sixteen_bits(tmp_path: Path) -> None:
    path = vips_tiff(tmp_path / "a.tif", inks().astype(np.uint16) * 257, "cmyk", ink_profile())
    picture, pixels = opened(path)
    assert (picture.mode, picture.depth) == ("RGB", 16)
    assert np.abs(pixels / 257 - by_littlecms(inks())).max() <= 1.5


def test_turned_cmyk_is_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    path = saved(tmp_path / "a.jpg", quality=97, icc_profile=ink_profile(), exif=exif)
    picture, pixels = opened(path)
    assert (picture.width, picture.height) == SIZE[::-1]
    assert np.abs(pixels - np.rot90(by_littlecms(inks()), -1)).mean() < 2


@pytest.mark.parametrize("bits", [8, 16, 32])
def test_lab_is_converted_where_it_has_a_profile(tmp_path: Path, bits: int) -> None:
    path, rgb, icc = tmp_path / "lab.tif", smooth(), ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    if bits == 8:
        to_lab = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB")
        lab = ImageCms.applyTransform(Image.fromarray(rgb), to_lab)
        assert lab is not None
        lab.save(path, icc_profile=icc)
    else:
        image = pyvips.Image.new_from_array(rgb, interpretation="srgb").icc_import(input_profile="srgb", pcs="lab")
        image = image if bits == 32 else image.colourspace("labs")
        image.set_type(pyvips.GValue.blob_type, "icc-profile-data", icc)
        image.tiffsave(str(path))
    picture, pixels = opened(path)
    assert picture.mode == "RGB"
    assert picture.metadata.icc is None
    assert picture.notes == ("Lab was converted to sRGB",)
    assert np.abs(pixels / (257 if picture.depth == 16 else 1) - rgb).max() <= (3 if bits == 8 else 1)


@pytest.mark.parametrize("icc", [None, b"no profile", profile(), bytes(16) + b"CMYK" + bytes(200)])
@pytest.mark.parametrize(("name", "how"), [("a.jpg", {}), ("a.tif", {}), ("b.tif", {"compression": "lzma"})])
def test_without_a_profile_for_it_cmyk_is_refused(
    tmp_path: Path, name: str, how: dict[str, str], icc: bytes | None
) -> None:
    path = saved(tmp_path / name, **how, **({} if icc is None else {"icc_profile": icc}))
    reason = "which is not supported" if icc is None else "and its profile cannot be used"
    with pytest.raises(PictureError, match=rf"its colors are CMYK, {reason}; convert it to RGB first"):
        opened(path)


def test_without_a_profile_lab_is_refused(tmp_path: Path) -> None:
    path = vips_tiff(tmp_path / "a.tif", smooth().astype(np.float32), "lab", None)
    with pytest.raises(PictureError, match=r"Lab.*convert it to RGB first"):
        opened(path)
