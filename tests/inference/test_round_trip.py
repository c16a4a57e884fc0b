"""Metadata of a picture file, through `upscale_file`: every format, and every property that it can hold.

Files get their properties by hand or from Pillow and are read back by Pillow and libvips. exiftool does both once more
where it is installed. The table in docs/reference/formats.md is this file in words.
"""

import json
import shutil
import subprocess
from importlib.util import find_spec
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvips
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps
from PIL.IptcImagePlugin import getiptcinfo
from PIL.PngImagePlugin import PngInfo
from tests.fakes import Nearest
from tests.sample_files import (
    AUTHOR,
    NOTES,
    THUMBNAIL,
    XMP,
    exif,
    grey_profile,
    png,
    profile,
    saved,
    smooth,
    whole_exif,
)

from sesr.files.formats import OUTPUT_SUFFIXES
from sesr.files.open import open_picture
from sesr.inference.networks import OneNetwork
from sesr.inference.sizes import parse_scale
from sesr.inference.upscale import Upscaler

FORMATS = ("png", "jpg", "webp", "tif", "avif", "heic", "jxl")
"""Those that say anything beside pixels; BMP knows the resolution alone."""

TURNED_BY_EXIF = ("png", "jpg", "webp", "tif")
LOSSLESS: dict[str, dict[str, Any]] = {
    "webp": {"lossless": True},
    "avif": {"quality": 100, "subsampling": "4:4:4"},
    "jxl": {"lossless": True},
}
LOSSLESS |= {"heic": {"quality": -1, "chroma": 444}}

PLUGINS = {"heic": "pillow_heif", "jxl": "pillow_jxl"}

Tags = dict[str, Any]
"""Values by group and name, as exiftool prints them."""

DOUBLE = Upscaler.of_engine(Nearest())
SAME = Upscaler(OneNetwork(Nearest()), parse_scale(1))

needs_exiftool = pytest.mark.skipif(shutil.which("exiftool") is None, reason="exiftool is not installed")

WRITTEN = {
    "EXIF:Make": "Maker",
    "EXIF:Model": "Camera",
    "EXIF:DateTimeOriginal": "2020:01:02 03:04:05",
    "EXIF:ExposureTime": 0.004,
    "EXIF:FNumber": 2.8,
    "EXIF:ISO": 200,
    "EXIF:GPSLatitude": 48.5,
    "EXIF:GPSLatitudeRef": "N",
    "XMP-dc:Title": "A title: Größe",
    "XMP-xmp:Rating": 4,
    "EXIF:XResolution": 300,
    "EXIF:YResolution": 300,
    "EXIF:ResolutionUnit": 2,
}
"""For exiftool: names of tags, and values that must come out as they went in."""


def load_plugin(suffix: str) -> None:
    """Skips where Pillow's plugin for a format is not installed."""
    if suffix == "heic":
        pytest.importorskip("pillow_heif").register_heif_opener()
    elif suffix == "jxl":
        pytest.importorskip("pillow_jxl")


def plain(suffix: str, **options: Any) -> bytes:  # noqa: ANN401  (Pillow's)
    load_plugin(suffix)
    return saved(Image.fromarray(smooth()), OUTPUT_SUFFIXES["." + suffix].codec, **options)


def exiftool(*arguments: str) -> str:
    return subprocess.run(["exiftool", *arguments], capture_output=True, text=True, check=True).stdout


def named(found: Tags, name: str) -> list[Any]:
    """Values of a tag in any group that is not made up."""
    wanted = name.split(":")[1]
    return [value for key, value in found.items() if key.split(":")[-1] == wanted and not key.startswith("Composite")]


def doubled(source: Path, suffix: str) -> Path:
    target = source.with_name(f"out.{suffix}")
    DOUBLE.upscale_file(source, target)
    return target


def told(folder: Path, suffix: str) -> Path:
    """A file with all that exiftool can put into its format."""
    path, thumbnail = folder / f"{suffix}.{suffix}", folder / "thumbnail"
    path.write_bytes(plain(suffix, icc_profile=profile(), exif=exif(1)))
    thumbnail.write_bytes(plain("jpg"))
    values = [f"-{name}={value}" for name, value in WRITTEN.items()]
    values += ["-EXIF:Orientation=6", "-EXIF:ExifImageWidth=27", "-EXIF:ExifImageHeight=20", "-XMP-tiff:Orientation=6"]
    values += [f"-ThumbnailImage<={thumbnail}"] if suffix != "tif" else []
    values += ["-IPTC:City=Town", "-IPTC:Keywords=word"] if suffix in ("jpg", "tif") else []
    values += ["-Comment=hello"] if suffix == "jpg" else []
    exiftool("-q", "-m", "-overwrite_original", "-n", *values, str(path))
    return path


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tags]:
    """Tags that exiftool reads, by file: `png.png` before, `png.jpg` what was made of it."""
    folder = tmp_path_factory.mktemp("told")
    formats = [suffix for suffix in FORMATS if find_spec(PLUGINS.get(suffix, "PIL"))]
    for suffix in formats:
        DOUBLE.upscale_file(told(folder, suffix), folder / f"{suffix}_{suffix}.{suffix}")
    for source, target in permutations(formats, 2):
        DOUBLE.upscale_file(folder / f"{source}.{source}", folder / f"{source}_{target}.{target}")
    (folder / "thumbnail").unlink()
    listed = json.loads(exiftool("-j", "-G1", "-n", "-a", str(folder)))
    return {Path(found["SourceFile"]).name: found for found in listed}


@needs_exiftool
@pytest.mark.parametrize("target", FORMATS)
@pytest.mark.parametrize("source", FORMATS)
class TestByExiftool:
    """From any format to any."""

    def result(self, read: dict[str, Tags], source: str, target: str) -> Tags:
        for suffix in (source, target):
            load_plugin(suffix)
        return read[f"{source}_{target}.{target}"]

    def test_all_that_both_hold_is_kept(self, read: dict[str, Tags], source: str, target: str) -> None:
        found = self.result(read, source, target)  # skips where a plug-in is missing, and so the source
        before = read[f"{source}.{source}"]
        for name, value in WRITTEN.items():
            exact = pytest.approx(value, rel=1e-4) if isinstance(value, float | int) else value
            own_place = (target, name) == ("jpg", "EXIF:ResolutionUnit")  # JFIF counts units otherwise
            own_place |= target == "png" and "Resolution" in name  # pHYs, in dots per metre
            assert named(before, name) or (source, name[:3]) == ("heic", "XMP"), name
            assert own_place or not named(before, name) or exact in named(found, name), name
        if {source, target} <= {"jpg", "tif"}:
            assert named(found, "IPTC:City") == ["Town"]
        if source == target == "jpg":
            assert named(found, "File:Comment") == ["hello"]
        if "jxl" not in (source, target):  # exiftool does not look for a profile there
            assert named(found, "ICC:ProfileDescription")

    def test_sizes_are_the_new_ones_and_the_thumbnail_is_gone(
        self, read: dict[str, Tags], source: str, target: str
    ) -> None:
        found = self.result(read, source, target)
        width, height = (40, 54) if source in TURNED_BY_EXIF else (54, 40)
        assert named(found, "EXIF:ExifImageWidth") == [width]
        assert named(found, "EXIF:ExifImageHeight") == [height]
        assert not any("Thumbnail" in name for name in found)
        assert all(value == 1 for value in named(found, "EXIF:Orientation"))


def described(suffix: str) -> bytes:
    """A file with all that a camera writes, to be turned by EXIF or, in HEIC, by what its plugin makes of it."""
    if suffix == "tif":
        return whole_exif(pixels=smooth())
    orientation = 6 if suffix != "avif" else None  # with one, Pillow writes EXIF anew
    return plain(suffix, exif=b"Exif\0\0" + whole_exif(orientation))


@pytest.mark.parametrize("target", FORMATS)
@pytest.mark.parametrize("source", FORMATS)
def test_exif_is_kept_with_new_sizes_and_no_thumbnail(tmp_path: Path, source: str, target: str) -> None:
    load_plugin(target)
    path = tmp_path / f"in.{source}"
    path.write_bytes(described(source))
    size = (54, 40) if source in ("avif", "jxl") else (40, 54)
    with Image.open(doubled(path, target)) as image:
        found = image.getexif()
        inner, place = found.get_ifd(0x8769), found.get_ifd(0x8825)
        assert image.size == size
        assert (found[0x10D], found[0x10F], found[0x110], found.get(0x112, 1)) == ("Name", "Maker", "Camera", 1)
        assert found[0x13B].encode("latin-1").decode() == AUTHOR
        assert (inner[0x9003], inner[0x829A], place[1], place[2]) == ("2020:01:02 03:04:05", 0.004, "N", (48, 30, 0))
        assert (inner[0xA002], inner[0xA003]) == size
        assert found.get_ifd(0xA005) == {1: "R98", 0x1001: size[0], 0x1002: size[1]}
        assert not inner.keys() & {0x9214, 0xA20E, 0xA20F}
        assert inner.get(0x927C) == (None if "tif" in (source, target) else NOTES)
        if source != "tif":
            assert (found[0x100], found[0x101]) == size
        assert not found.get_ifd(ExifTags.IFD.IFD1)
    assert THUMBNAIL not in (tmp_path / f"out.{target}").read_bytes()


def with_iptc(suffix: str) -> bytes:
    records = b"\x1c\2\x5a\0\4Town"
    if suffix == "tif":
        return plain(suffix, tiffinfo={33723: records})
    content = b"Photoshop 3.0\x008BIM\4\4\0\0" + len(records).to_bytes(4, "big") + records + b"\0"
    return plain(suffix, extra=b"\xff\xed" + (len(content) + 2).to_bytes(2, "big") + content, comment=b"hello")


@pytest.mark.parametrize("target", ["jpg", "tif"])
@pytest.mark.parametrize("source", ["jpg", "tif"])
def test_iptc_and_comment_are_kept(tmp_path: Path, source: str, target: str) -> None:
    (tmp_path / f"in.{source}").write_bytes(with_iptc(source))
    with Image.open(doubled(tmp_path / f"in.{source}", target)) as image:
        assert getiptcinfo(image) == {(2, 90): b"Town"}
        assert image.info.get("comment") == (b"hello" if source == target == "jpg" else None)


@pytest.mark.parametrize("target", ["png", "webp", "avif", "heic", "jxl"])
@pytest.mark.parametrize("source", ["jpg", "tif"])
def test_iptc_and_comment_become_xmp(tmp_path: Path, source: str, target: str) -> None:
    load_plugin(target)
    (tmp_path / f"in.{source}").write_bytes(with_iptc(source))
    report = DOUBLE.upscale_file(tmp_path / f"in.{source}", tmp_path / f"out.{target}")
    picture = open_picture(tmp_path / f"out.{target}")
    assert picture.metadata.xmp is not None
    assert b"<photoshop:City>Town</photoshop:City>" in picture.metadata.xmp
    assert (b"<dc:description>" in picture.metadata.xmp) == (source == "jpg")
    assert (b"hello" in picture.metadata.xmp) == (source == "jpg")
    assert report.lost == ()


def test_what_is_lost_is_reported(tmp_path: Path) -> None:
    (tmp_path / "in.jpg").write_bytes(with_iptc("jpg"))
    assert DOUBLE.upscale_file(tmp_path / "in.jpg", tmp_path / "out.bmp").lost == ("IPTC", "comment")
    assert DOUBLE.upscale_file(tmp_path / "in.jpg", tmp_path / "out.jpg").lost == ()


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_pixels_are_upright_and_say_so(tmp_path: Path, orientation: int, suffix: str) -> None:
    source = tmp_path / f"in.{suffix}"
    source.write_bytes(plain(suffix, exif=exif(orientation), **LOSSLESS.get(suffix, {})))
    stored = Image.fromarray(smooth())
    stored.getexif()[0x0112] = orientation if suffix != "jxl" else 1  # in which EXIF is not followed
    upright = np.asarray(ImageOps.exif_transpose(stored))
    SAME.upscale_file(source, tmp_path / "out.png")
    with Image.open(tmp_path / "out.png") as image:
        found = np.asarray(image)
        assert found.shape == upright.shape
        assert np.abs(found.astype(int) - upright).max() <= (0 if suffix in ("png", "tif", "webp", "jxl") else 6)
        assert image.getexif().get(0x0112, 1) == 1
        inner = image.getexif().get_ifd(0x8769)
        assert (inner[0xA002], inner[0xA003]) == image.size


@pytest.mark.parametrize("packed", [True, False])
def test_jpeg_xl_of_a_jpeg_is_turned_once(tmp_path: Path, packed: bool) -> None:
    """`packed` as the JPEG that it was made of, else as pixels that the decoder has turned."""
    load_plugin("jxl")
    (tmp_path / "in.jpg").write_bytes(plain("jpg", exif=exif(), quality=97, subsampling=0))
    with Image.open(tmp_path / "in.jpg") as image:
        upright = np.asarray(ImageOps.exif_transpose(image)).astype(int)
        image.save(tmp_path / "in.jxl", lossless_jpeg=True)
    if not packed:
        (tmp_path / "in.jxl").write_bytes(with_plain_exif((tmp_path / "in.jxl").read_bytes(), exif()))
    SAME.upscale_file(tmp_path / "in.jxl", tmp_path / "out.png")
    with Image.open(tmp_path / "out.png") as image:
        found = np.asarray(image)
        assert found.shape == upright.shape
        assert np.abs(found - upright).max() <= 2
        assert image.getexif().get(0x0112, 1) == 1
        assert image.getexif()[0x010F] == "Maker"


def with_plain_exif(content: bytes, prefixed: bytes) -> bytes:
    """A JPEG XL without what makes a JPEG of it again, and with EXIF that is not packed."""
    kept, at = b"", 0
    while at < len(content):
        length = int.from_bytes(content[at : at + 4], "big") or len(content) - at
        if content[at + 4 : at + 8] not in (b"jbrd", b"brob"):
            kept += content[at : at + length]
        at += length
    body = bytes(4) + prefixed.removeprefix(b"Exif\0\0")
    box = (len(body) + 8).to_bytes(4, "big") + b"Exif" + body
    return kept[:32] + box + kept[32:]  # behind the signature and the file's type


@pytest.mark.parametrize("target", ["png", "jpg", "webp", "tif", "avif", "heic"])
@pytest.mark.parametrize("source", ["png", "jpg", "webp", "tif", "avif", "heic"])
def test_profile_is_embedded_as_it_was(tmp_path: Path, source: str, target: str) -> None:
    load_plugin(target)
    path, own = tmp_path / f"in.{source}", profile()
    path.write_bytes(plain(source, icc_profile=own))
    with Image.open(doubled(path, target)) as image:
        assert image.info["icc_profile"] == own


HOLD_GREY_PROFILE = {"L": ("png", "jpg", "tif", "avif", "heic"), "LA": ("png", "tif")}


@pytest.mark.parametrize("target", FORMATS)
@pytest.mark.parametrize(("mode", "source"), [("L", "png"), ("L", "tif"), ("L", "jpg"), ("LA", "png"), ("LA", "tif")])
def test_profile_of_grey_is_kept_where_grey_is(tmp_path: Path, mode: str, source: str, target: str) -> None:
    if (mode, target) == ("LA", "jpg"):
        return  # which holds no transparency
    load_plugin(target)
    own, path = grey_profile(), tmp_path / f"in.{source}"
    Image.new("LA", (27, 20), (120, 200)).convert(mode).save(path, icc_profile=own)
    with Image.open(doubled(path, target)) as image:
        kept, shade = target in HOLD_GREY_PROFILE[mode], int(np.asarray(image.getchannel(0))[10, 10])
        assert shade == pytest.approx(120 if kept else 182, abs=2)  # else in sRGB
        found = image.info.get("icc_profile") or bytes(20)
        assert found == own if kept else target == "jxl" or found[16:20] != b"GRAY"


def swapped_profile() -> bytes:
    """A profile that calls blue what sRGB calls red, and red what it calls blue."""
    content = bytearray(profile())
    red, blue = content.index(b"rXYZ"), content.index(b"bXYZ")
    content[red : red + 4], content[blue : blue + 4] = b"bXYZ", b"rXYZ"
    return bytes(content)


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_jpeg_xl_gets_colours_in_srgb(tmp_path: Path, mode: str) -> None:
    load_plugin("jxl")
    red = (200, 40, 90, 130)[: len(mode)]
    Image.new(mode, (24, 20), red).save(tmp_path / "in.png", icc_profile=swapped_profile())
    SAME.upscale_file(tmp_path / "in.png", tmp_path / "out.jxl")
    with Image.open(tmp_path / "out.jxl") as image:
        assert image.mode == mode
        assert np.asarray(image)[10, 10].tolist() == pytest.approx([90, 40, 200, 130][: len(mode)], abs=6)


@pytest.mark.parametrize("mode", ["L", "LA"])
def test_jpeg_xl_of_grey_with_a_damaged_profile(tmp_path: Path, mode: str) -> None:
    load_plugin("jxl")
    pixels = smooth(channels=2)
    image = Image.merge("LA", [Image.fromarray(pixels[..., k]) for k in (0, 1)]).convert(mode)
    image.save(tmp_path / "in.tif", icc_profile=bytes(16) + b"GRAY" + bytes(112))
    SAME.upscale_file(tmp_path / "in.tif", tmp_path / "out.jxl")
    with Image.open(tmp_path / "out.jxl") as found:
        assert found.mode == mode
        assert np.abs(np.asarray(found.getchannel("L")).astype(int) - pixels[..., 0]).max() < 12


@pytest.mark.parametrize("target", ["png", "jpg", "webp", "avif", "heic", "jxl"])
def test_notes_of_a_maker_stay_where_they_were(tmp_path: Path, target: str) -> None:
    load_plugin(target)
    own = whole_exif()
    (tmp_path / "in.jpg").write_bytes(plain("jpg", exif=b"Exif\0\0" + own, dpi=(300, 300)))
    found = open_picture(doubled(tmp_path / "in.jpg", target)).metadata.exif
    assert found is not None
    assert found.index(NOTES) == own.index(NOTES)


@pytest.mark.parametrize(("length", "kept"), [(65_300, True), (65_533, False), (70_000, False)])
def test_jpeg_holds_exif_without_notes_that_are_too_long(tmp_path: Path, length: int, kept: bool) -> None:
    said = Image.Exif()
    said.get_ifd(0x8769)[0x9003], said.get_ifd(0x8769)[0x927C] = "2020:01:02 03:04:05", bytes(length)
    (tmp_path / "in.png").write_bytes(plain("png", exif=said.tobytes()))
    with Image.open(doubled(tmp_path / "in.png", "jpg")) as image:
        inner = image.getexif().get_ifd(0x8769)
        assert inner[0x9003] == "2020:01:02 03:04:05"
        assert (0x927C in inner) == kept


@pytest.mark.parametrize("target", ["png", "jpg", "webp", "tif", "avif", "heic", "jxl"])
@pytest.mark.parametrize("source", FORMATS)
def test_xmp_is_kept(tmp_path: Path, source: str, target: str) -> None:
    load_plugin(target)
    path, text = tmp_path / f"in.{source}", PngInfo()
    text.add_itxt("XML:com.adobe.xmp", XMP.decode())
    options: dict[str, dict[str, Any]] = {"png": {"pnginfo": text}, "tif": {"tiffinfo": {700: XMP}}}
    path.write_bytes(plain(source, **options.get(source, {"xmp": XMP})))
    packet = open_picture(doubled(path, target)).metadata.xmp
    assert packet is not None
    assert packet in (tmp_path / f"out.{target}").read_bytes()
    assert b'xmp:Rating="4"' in packet
    assert b'tiff:Orientation="6"' not in packet


@pytest.mark.parametrize("target", ["png", "jpg", "webp", "tif", "avif", "heic", "jxl", "bmp"])
@pytest.mark.parametrize("source", ["png", "jpg", "tif", "bmp"])
def test_dots_per_inch_are_kept(tmp_path: Path, source: str, target: str) -> None:
    load_plugin(target)
    path = tmp_path / f"in.{source}"
    path.write_bytes(plain(source, dpi=(300, 200)))
    assert open_picture(doubled(path, target)).metadata.dpi == pytest.approx((300, 200), abs=0.5)


def test_chunks_of_png_are_kept(tmp_path: Path) -> None:
    packed = saved(Image.fromarray(smooth()), "PNG")
    own = [(b"gAMA", (45455).to_bytes(4, "big")), (b"cHRM", bytes(range(32))), (b"sRGB", b"\0")]
    own += [(b"cICP", b"\x09\x10\0\1"), (b"tEXt", b"Author\0me"), (b"iTXt", "Title\0\0\0\0\0Größe".encode())]
    added = png(*own)[8:]
    (tmp_path / "in.png").write_bytes(packed[:33] + added + packed[33:])
    content = doubled(tmp_path / "in.png", "png").read_bytes()
    for name, body in own:
        assert name + body in content, name
    with Image.open(tmp_path / "out.png") as image:
        image.load()
        assert image.info["Author"] == "me"


Deep = NDArray[np.uint16]
SPACES = {1: "grey16", 2: "grey16", 3: "rgb16", 4: "rgb16"}


@pytest.mark.parametrize("target", ["png", "tif"])
@pytest.mark.parametrize("source", ["png", "tif"])
@settings(deadline=None, max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(channels=st.integers(1, 4), height=st.integers(1, 30), width=st.integers(1, 30), seed=st.integers(0, 99))
def test_16_bits_are_bit_exact(
    tmp_path: Path, source: str, target: str, channels: int, height: int, width: int, seed: int
) -> None:
    pixels = np.random.default_rng(seed).integers(0, 1 << 16, (height, width, channels), dtype=np.uint16)
    image = pyvips.Image.new_from_array(pixels, interpretation=SPACES[channels])
    image.write_to_file(str(tmp_path / f"in.{source}"))
    SAME.upscale_file(tmp_path / f"in.{source}", tmp_path / f"out.{target}")
    found = pyvips.Image.new_from_file(str(tmp_path / f"out.{target}"))
    assert (found.format, found.bands) == ("ushort", channels)
    assert np.array_equal(np.frombuffer(found.write_to_memory(), np.uint16).reshape(pixels.shape), pixels)


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "bmp", "avif", "heic", "jxl"])
@pytest.mark.parametrize("source", ["png", "jpg", "tif", "bmp", "avif", "heic", "jxl"])
def test_grey_stays_grey(tmp_path: Path, source: str, suffix: str) -> None:
    for name in (source, suffix):
        load_plugin(name)
    Image.fromarray(smooth(channels=1)).save(tmp_path / f"in.{source}")
    with Image.open(doubled(tmp_path / f"in.{source}", suffix)) as image:
        bands = np.asarray(image.convert("RGB")).astype(int)
        assert np.ptp(bands, axis=-1).max() <= 1
        assert image.mode == "L"


@pytest.mark.parametrize("suffix", ["png", "webp", "tif", "avif", "heic", "jxl"])
@pytest.mark.parametrize("source", ["png", "webp", "tif", "avif", "heic", "jxl"])
def test_alpha_is_kept(tmp_path: Path, source: str, suffix: str) -> None:
    for name in (source, suffix):
        load_plugin(name)
    pixels = smooth(channels=4)
    pixels[5:9, 4:12, 3] = 0
    Image.fromarray(pixels).save(tmp_path / f"in.{source}", **LOSSLESS.get(source, {}))
    with Image.open(doubled(tmp_path / f"in.{source}", suffix)) as image:
        alpha = np.asarray(image.getchannel("A"))
    assert alpha.shape == (40, 54)
    assert alpha[13:16, 12:20].max() <= 40
    assert alpha[30:, :].min() >= 60


def test_palette_and_black_and_white_become_full_pictures(tmp_path: Path) -> None:
    for mode, seen in (("P", "RGB"), ("1", "L")):
        Image.fromarray(smooth()).convert(mode).save(tmp_path / "in.png")
        with Image.open(doubled(tmp_path / "in.png", "png")) as image:
            assert image.mode == seen
