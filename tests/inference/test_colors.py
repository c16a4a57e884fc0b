"""Meaning of a picture's numbers, through `upscale_file`: from every color description into every format.

The judge is LittleCMS where the result has an ICC profile, and the standards' formulas, written down here once more,
where it has code points or nothing. Colors lie inside sRGB, so that nothing is clipped.
"""

import io
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms
from tests.fakes import Nearest
from tests.sample_files import chunk

from sesr.errors import PictureError
from sesr.inference.networks import OneNetwork
from sesr.inference.sizes import parse_scale
from sesr.inference.upscale import Upscaled, Upscaler

SAME = Upscaler(OneNetwork(Nearest()), parse_scale(1))
FORMATS = ("png", "jpg", "webp", "tif", "bmp", "avif", "heic", "jxl")
WITH_CODES = ("png", "avif", "heic")

Colors = NDArray[np.float64]

SRGB = np.array([[200, 60, 80], [60, 140, 70], [90, 90, 200], [128, 128, 128], [240, 235, 220], [60, 55, 50]])
"""Patches, as sRGB shows them."""
SIDE = 24
TO_P3 = np.array([[0.822462, 0.177538, 0], [0.033194, 0.966806, 0], [0.017083, 0.072397, 0.910520]])
TO_2020 = np.array([[0.627404, 0.329283, 0.043313], [0.069097, 0.919540, 0.011362], [0.016391, 0.088013, 0.895595]])
LINEAR = (b"gAMA", struct.pack(">I", 100_000))
P3_CHROMATICITIES = struct.pack(">8I", 31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)


def linear(codes: Colors) -> Colors:
    values = codes / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def srgb(light: Colors) -> Colors:
    light = np.clip(light, 0, 1)
    return np.asarray(255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055))


def bt709(light: Colors) -> Colors:
    return np.asarray(255 * np.where(light < 0.018054, 4.5 * light, 1.099297 * light**0.45 - 0.099297))


def pq(light: Colors) -> Colors:
    power = (light * 203 / 10_000) ** 0.1593017578125
    return np.asarray(255 * ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375)


def hlg(light: Colors) -> Colors:
    luma = (light @ [0.2627, 0.6780, 0.0593])[:, None] * 0.203
    scene = light * 0.203 * luma ** (1 / 1.2 - 1)
    curved = 0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-9)) + 0.55991073
    return np.asarray(255 * np.where(scene <= 1 / 12, np.sqrt(3 * scene), curved))


def picture(codes: Colors) -> Image.Image:
    patches = np.round(codes).astype(np.uint8)[None].repeat(SIDE, axis=0).repeat(SIDE, axis=1)
    return Image.fromarray(patches)


def png(codes: Colors, *chunks: tuple[bytes, bytes]) -> bytes:
    file = io.BytesIO()
    picture(codes).save(file, "PNG")
    header = 8 + 25
    return file.getvalue()[:header] + b"".join(chunk(*each) for each in chunks) + file.getvalue()[header:]


def heic(codes: Colors, primaries: int, transfer: int, matrix: int) -> bytes:
    pytest.importorskip("pillow_heif").register_heif_opener()
    said = {"color_primaries": primaries, "transfer_characteristics": transfer, "matrix_coefficients": matrix}
    file = io.BytesIO()
    picture(codes).save(file, "HEIF", quality=-1, chroma=444, full_range_flag=1, **said)
    return file.getvalue()


def avif(codes: Colors, primaries: int, transfer: int) -> bytes:
    file = io.BytesIO()
    picture(codes).save(file, "AVIF", quality=100, subsampling="4:4:4")
    return file.getvalue().replace(b"nclx\0\1\0\r", b"nclx" + struct.pack(">HH", primaries, transfer))


def in_p3() -> Colors:
    return srgb(linear(SRGB) @ TO_P3.T)


def in_2020(curve: Callable[[Colors], Colors]) -> Colors:
    return curve(linear(SRGB) @ TO_2020.T)


SOURCES: dict[str, Callable[[], bytes]] = {
    "p3.heic": lambda: heic(in_p3(), 12, 13, 1),
    "p3.avif": lambda: avif(in_p3(), 12, 13),
    "p3.png": lambda: png(in_p3(), (b"cICP", b"\x0c\x0d\0\1")),
    "p3_over_others.png": lambda: png(
        in_p3(), (b"cICP", b"\x0c\x0d\0\1"), (b"gAMA", b"\0\1\x86\xa0"), (b"sRGB", b"\0")
    ),
    "2020.heic": lambda: heic(in_2020(bt709), 9, 14, 9),
    "2020.avif": lambda: avif(in_2020(bt709), 9, 14),
    "2020.png": lambda: png(in_2020(bt709), (b"cICP", b"\x09\x0e\0\1")),
    "709.heic": lambda: heic(bt709(linear(SRGB)), 1, 1, 1),
    "linear.png": lambda: png(255 * linear(SRGB), LINEAR),
    "gamma18.png": lambda: png(255 * linear(SRGB) ** (1 / 1.8), (b"gAMA", struct.pack(">I", 55_556))),
    "primaries.png": lambda: png(in_p3(), (b"cHRM", P3_CHROMATICITIES)),
    "both.png": lambda: png(
        255 * (linear(SRGB) @ TO_P3.T) ** (1 / 2.2), (b"gAMA", struct.pack(">I", 45_455)), (b"cHRM", P3_CHROMATICITIES)
    ),
    "srgb_over_gamma.png": lambda: png(SRGB, (b"sRGB", b"\0"), LINEAR),
    "nothing.png": lambda: png(SRGB),
    "narrow.png": lambda: png(16 + in_p3() * 219 / 255, (b"cICP", b"\x0c\x0d\0\0")),
}

HDR: dict[str, Callable[[], bytes]] = {
    "pq.heic": lambda: heic(in_2020(pq), 9, 16, 9),
    "pq.avif": lambda: avif(in_2020(pq), 9, 16),
    "pq.png": lambda: png(in_2020(pq), (b"cICP", b"\x09\x10\0\1")),
    "hlg.heic": lambda: heic(in_2020(hlg), 9, 18, 9),
    "hlg.png": lambda: png(in_2020(hlg), (b"cICP", b"\x09\x12\0\1")),
}


def upscaled(folder: Path, source: str, target: str) -> tuple[Path, Upscaled]:
    for suffix, plugin in (("heic", "pillow_heif"), ("jxl", "pillow_jxl")):
        if suffix == target:
            pytest.importorskip(plugin)
    content = (SOURCES | HDR)[source]()
    (folder / source).write_bytes(content)
    return folder / f"out.{target}", SAME.upscale_file(folder / source, folder / f"out.{target}")


def stored(path: Path) -> tuple[Colors, bytes | None]:
    """The patches' code values and the ICC profile, by Pillow."""
    with Image.open(path) as image:
        assert image.mode == "RGB"
        pixels = np.asarray(image)
        return pixels[SIDE // 2, SIDE // 2 :: SIDE].astype(float), image.info.get("icc_profile")


def codes_of(path: Path) -> tuple[int, ...]:
    """Primaries and transfer of nclx or cICP; none, or sRGB's, are empty."""
    content = path.read_bytes()
    at, form = content.find(b"nclx") + 4, ">HH"
    if path.suffix == ".png":
        at, form = content.find(b"cICP") + 4, ">BB"
    found = struct.unpack_from(form, content, at) if at > 3 else ()
    return () if found in ((1, 13), (2, 2)) else found


def chunks_of(path: Path) -> dict[bytes, bytes]:
    content, at, found = path.read_bytes(), 8, {}
    while at < len(content) and path.suffix == ".png":
        length = int.from_bytes(content[at : at + 4], "big")
        found[content[at + 4 : at + 8]] = content[at + 8 : at + 8 + length]
        at += 12 + length
    return found


def by_profile(codes: Colors, icc: bytes) -> Colors:
    image = Image.fromarray(np.round(codes).astype(np.uint8)[None])
    profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
    intent = ImageCms.Intent.RELATIVE_COLORIMETRIC
    converted = ImageCms.profileToProfile(image, profile, ImageCms.createProfile("sRGB"), renderingIntent=intent)
    assert converted is not None
    return np.asarray(np.asarray(converted)[0].astype(float))


def by_codes(codes: Colors, primaries: int, transfer: int) -> Colors:
    values = codes / 255
    curved = np.where(values < 0.081243, values / 4.5, ((values + 0.099297) / 1.099297) ** (1 / 0.45))
    light = linear(codes) if transfer == 13 else curved
    matrix = {1: np.eye(3), 9: TO_2020, 12: TO_P3}[primaries]
    return srgb(light @ np.linalg.inv(matrix).T)


def by_chunks(codes: Colors, chunks: dict[bytes, bytes]) -> Colors:
    if b"sRGB" in chunks:
        return codes
    light = linear(codes)
    if b"gAMA" in chunks:
        light = (codes / 255) ** (100_000 / int.from_bytes(chunks[b"gAMA"], "big"))
    return srgb(light @ np.linalg.inv(TO_P3).T if b"cHRM" in chunks else light)


def meant(path: Path) -> Colors:
    """The patches in sRGB, as a program shows them that knows all of the standards."""
    codes, icc = stored(path)
    points, chunks = codes_of(path), chunks_of(path)
    if points and not (icc and path.suffix != ".png"):
        if b"cICP" in chunks and chunks[b"cICP"][3] == 0:
            codes = (codes - 16) * 255 / 219
        return by_codes(codes, *points)
    return by_profile(codes, icc) if icc else by_chunks(codes, chunks)


@pytest.mark.parametrize("target", FORMATS)
@pytest.mark.parametrize("source", SOURCES)
def test_colors_look_the_same(tmp_path: Path, source: str, target: str) -> None:
    path, report = upscaled(tmp_path, source, target)
    assert np.abs(meant(path) - SRGB).max() <= 10  # quality 95, in eight bits
    assert report.notes == ()


@pytest.mark.parametrize("target", WITH_CODES)
@pytest.mark.parametrize("source", [*SOURCES, *HDR])
def test_code_points_go_along_with_the_same_numbers(tmp_path: Path, source: str, target: str) -> None:
    path, _ = upscaled(tmp_path, source, target)
    points = codes_of(tmp_path / source)
    assert codes_of(path) == points
    if points and source != "narrow.png":
        assert np.abs(stored(path)[0] - stored(tmp_path / source)[0]).max() <= 4


def test_heic_gets_the_very_same_nclx(tmp_path: Path) -> None:
    for source in ("p3.heic", "2020.heic", "pq.heic"):
        path, _ = upscaled(tmp_path, source, "heic")
        content, own = path.read_bytes(), (tmp_path / source).read_bytes()
        assert content[content.index(b"nclx") :][:11] == own[own.index(b"nclx") :][:11]


@pytest.mark.parametrize("target", [suffix for suffix in FORMATS if suffix not in WITH_CODES])
@pytest.mark.parametrize("source", HDR)
def test_hdr_becomes_srgb_and_says_so(tmp_path: Path, source: str, target: str) -> None:
    """Light up to the knee is the same light, and white, which is compressed a little, is near white."""
    path, report = upscaled(tmp_path, source, target)
    codes, icc = stored(path)
    shown = by_profile(codes, icc) if icc and target == "jxl" else codes
    dark = SRGB.max(axis=1) < 170
    assert np.abs(shown - SRGB)[dark].max() <= 12
    assert np.abs(shown - SRGB).max() <= 35
    assert len(report.notes) == 1
    assert source.split(".")[0].upper() in report.notes[0]


@pytest.mark.parametrize("codes", [(12, 0), (3, 13), (10, 17), (22, 13), (99, 99), (12, 19)])
def test_heic_can_be_opened_or_is_refused(tmp_path: Path, codes: tuple[int, int]) -> None:
    pytest.importorskip("pillow_heif").register_heif_opener()
    (tmp_path / "in.png").write_bytes(png(SRGB, (b"cICP", bytes([*codes, 0, 1]))))
    target = tmp_path / "out.heic"
    if codes[1] > 18:
        with pytest.raises(PictureError, match="HEIC cannot express its colors"):
            SAME.upscale_file(tmp_path / "in.png", target)
        return
    SAME.upscale_file(tmp_path / "in.png", target)
    with Image.open(target) as image:
        assert image.size == (SIDE * len(SRGB), SIDE)


def test_colors_without_a_formula_are_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "log.png").write_bytes(png(SRGB, (b"cICP", b"\x09\x09\0\1")))
    with pytest.raises(PictureError, match=r"out.jpg: JPEG cannot express its colors .*write .png, .heic or .avif"):
        SAME.upscale_file(tmp_path / "log.png", tmp_path / "out.jpg")
    assert not (tmp_path / "out.jpg").exists()
    SAME.upscale_file(tmp_path / "log.png", tmp_path / "out.png")
    assert codes_of(tmp_path / "out.png") == (9, 9)


def test_brightness_goes_along(tmp_path: Path) -> None:
    light, display = (b"cLLI", struct.pack(">II", 6_000_000, 1_000_000)), (b"mDCV", bytes(range(24)))
    (tmp_path / "in.png").write_bytes(png(in_2020(pq), (b"cICP", b"\x09\x10\0\1"), light, display))
    SAME.upscale_file(tmp_path / "in.png", tmp_path / "out.png")
    found = chunks_of(tmp_path / "out.png")
    assert (found[b"cLLI"], found[b"mDCV"]) == (light[1], display[1])


@pytest.mark.parametrize("target", ["jpg", "webp", "tif", "avif", "png"])
def test_gray_keeps_its_shades(tmp_path: Path, target: str) -> None:
    """A gray picture with a gamma, which needs a profile for gray, or sRGB's shades in three channels."""
    file = io.BytesIO()
    Image.new("L", (24, 16), 55).save(file, "PNG")  # linear 55/255 is 128 in sRGB
    content = file.getvalue()
    (tmp_path / "in.png").write_bytes(content[:33] + chunk(*LINEAR) + content[33:])
    SAME.upscale_file(tmp_path / "in.png", tmp_path / f"out.{target}")
    with Image.open(tmp_path / f"out.{target}") as image:
        icc = image.info.get("icc_profile")
        shade = float(np.asarray(image.getchannel(0))[8, 12])
        if target == "png":
            assert shade == 55
        elif icc is None:
            assert shade == pytest.approx(128, abs=2)
        else:
            assert icc[16:20] == b"GRAY"
            profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
            converted = ImageCms.profileToProfile(image, profile, ImageCms.createProfile("sRGB"), outputMode="RGB")
            assert converted is not None
            assert np.asarray(converted)[8, 12] == pytest.approx([128] * 3, abs=3)


@pytest.mark.parametrize("target", ["webp", "gif", "avif", "png"])
def test_animations_keep_their_colors(tmp_path: Path, target: str) -> None:
    frames = [picture(in_p3()), picture(in_p3()[::-1])]
    file = io.BytesIO()
    frames[0].save(file, "AVIF", save_all=True, append_images=frames[1:], quality=100, subsampling="4:4:4", duration=90)
    (tmp_path / "in.avif").write_bytes(file.getvalue().replace(b"nclx\0\1\0\r", b"nclx\0\x0c\0\r"))
    SAME.upscale_file(tmp_path / "in.avif", tmp_path / f"out.{target}")
    with Image.open(tmp_path / f"out.{target}") as image:
        assert getattr(image, "n_frames", 1) == 2
        codes = np.asarray(image.convert("RGB"))[SIDE // 2, SIDE // 2 :: SIDE].astype(float)
        icc = image.info.get("icc_profile")
    points = codes_of(tmp_path / f"out.{target}") if target in WITH_CODES else ()
    assert bool(points or icc) == (target != "gif")  # which gets the colors themselves
    found = by_codes(codes, *points) if points else by_profile(codes, icc) if icc else codes
    assert np.abs(found - SRGB).max() <= 12


def test_animated_hdr_becomes_srgb_and_says_so(tmp_path: Path) -> None:
    frames = [picture(in_2020(pq)), picture(in_2020(pq)[::-1])]
    file = io.BytesIO()
    frames[0].save(file, "AVIF", save_all=True, append_images=frames[1:], quality=100, subsampling="4:4:4", duration=90)
    (tmp_path / "in.avif").write_bytes(file.getvalue().replace(b"nclx\0\1\0\r", b"nclx\0\x09\0\x10"))
    report = SAME.upscale_file(tmp_path / "in.avif", tmp_path / "out.webp")
    assert "PQ" in report.notes[0]
    with Image.open(tmp_path / "out.webp") as image:
        codes = np.asarray(image.convert("RGB"))[SIDE // 2, SIDE // 2 :: SIDE].astype(float)
    assert np.abs(codes - SRGB).max() <= 35
