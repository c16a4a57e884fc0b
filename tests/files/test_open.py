"""Tests of the one door for reading: what a file's rows are, and every way in which a file is refused."""

import io
import os
import warnings
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import pyvips
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps
from tests.sample_files import (
    STILL_SUFFIXES,
    banded,
    color_profile,
    load_plugin,
    pixels,
    png,
    png_header,
    put,
)

from sesr.errors import PictureError
from sesr.files.formats import OUTPUT_SUFFIXES
from sesr.files.limits import PIXEL_LIMIT
from sesr.files.open import open_picture, picture_size
from sesr.files.picture import Picture


def read_all(path: Path) -> None:
    """Damage in PNG and TIFF shows when rows are read."""
    picture = open_picture(path)
    picture.rows(0, picture.height)


class TestReading:
    """Rows are those of the picture as a person sees it."""

    @pytest.mark.parametrize(
        ("mode", "seen"),
        [("1", "L"), ("L", "L"), ("LA", "LA"), ("P", "RGB"), ("RGB", "RGB"), ("RGBA", "RGBA")],
    )
    def test_kinds_become_one_of_four(self, tmp_path: Path, mode: str, seen: str) -> None:
        image = Image.fromarray(pixels("RGB" if mode == "P" else "RGBA")).convert(mode)
        image.save(tmp_path / "a.png")
        picture = open_picture(tmp_path / "a.png")
        assert picture.mode == seen
        assert np.array_equal(picture.rows(3, 9), np.asarray(image.convert(seen))[3:9])

    @pytest.mark.parametrize("mode", ["L", "P", "RGB"])
    def test_transparent_colour_becomes_alpha(self, tmp_path: Path, mode: str) -> None:
        image = Image.new(mode, (4, 3))
        image.putpixel((2, 1), (200, 200, 200) if mode == "RGB" else 1)
        image.save(tmp_path / "a.png", transparency=(0, 0, 0) if mode == "RGB" else 0)
        picture = open_picture(tmp_path / "a.png")
        assert picture.mode == ("LA" if mode == "L" else "RGBA")
        alpha = picture.rows(0, 3)[..., -1]
        assert alpha[1, 2] == 255
        assert alpha.sum() == 255

    @pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_orientation_is_applied_to_any_rows(self, tmp_path: Path, orientation: int, suffix: str) -> None:
        exif = Image.Exif()
        exif[0x0112] = orientation
        path = tmp_path / f"a{suffix}"
        Image.fromarray(pixels("RGB")).save(path, exif=exif)
        with Image.open(path) as image:
            upright = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
        picture = open_picture(path)
        assert (picture.height, picture.width) == upright.shape[:2]
        parts = [picture.rows(top, min(top + 4, picture.height)) for top in range(0, picture.height, 4)]
        assert np.array_equal(np.concatenate(parts), upright)

    def test_damaged_exif_does_not_spoil_the_picture(self, tmp_path: Path) -> None:
        Image.fromarray(pixels("RGB")).save(tmp_path / "a.png", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
        assert open_picture(tmp_path / "a.png").metadata.orientation == 1

    @pytest.mark.parametrize(("space", "kept"), [(b"RGB ", True), (b"GRAY", False), (b"CMYK", False)])
    def test_profile_is_kept_where_it_fits(self, tmp_path: Path, space: bytes, kept: bool) -> None:
        profile = color_profile(space)
        Image.fromarray(pixels("RGB")).save(tmp_path / "a.jpg", icc_profile=profile)
        assert open_picture(tmp_path / "a.jpg").metadata.icc == (profile if kept else None)

    def test_name_of_a_file_need_not_be_ascii(self, tmp_path: Path) -> None:
        path = tmp_path / "Größe 写真.png"
        put(path, banded(pixels("L")), 17, 13, "L")
        assert np.array_equal(open_picture(path).rows(0, 13), pixels("L"))

    def test_pillow_keeps_its_own_limit(self, tmp_path: Path) -> None:
        Image.fromarray(pixels("L")).save(tmp_path / "a.png")
        before = Image.MAX_IMAGE_PIXELS
        open_picture(tmp_path / "a.png")
        assert before is not None
        assert before == Image.MAX_IMAGE_PIXELS


class TestRefusing:
    """Each refusal is one line that begins with the file."""

    def refusal(self, path: Path) -> str:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with pytest.raises(PictureError) as caught:
                read_all(path)
        message = str(caught.value)
        assert message.startswith(f"{path}: ")
        assert "\n" not in message
        return message

    def test_missing(self, tmp_path: Path) -> None:
        assert "no such file" in self.refusal(tmp_path / "none.png")

    def test_folder(self, tmp_path: Path) -> None:
        assert "a folder" in self.refusal(tmp_path)

    def test_name_that_is_too_long(self, tmp_path: Path) -> None:
        assert "cannot be read" in self.refusal(tmp_path / ("a" * 5000))

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
    def test_pipe(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe.png")
        assert "not an ordinary file" in self.refusal(tmp_path / "pipe.png")

    def test_no_permission(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = tmp_path / "a.png"
        Image.fromarray(pixels("L")).save(path)

        def denied(*_: object, **__: object) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(Path, "open", denied)  # root may read anything, so the system is not asked
        assert "no permission" in self.refusal(path)

    def test_empty(self, tmp_path: Path) -> None:
        (tmp_path / "a.png").touch()
        assert "empty" in self.refusal(tmp_path / "a.png")

    @pytest.mark.parametrize("content", [b"\x89PNG\r\n\x1a\n", b"GIF89a\x01\0\x01\0\0\0\0;"])
    def test_nothing_but_a_start(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "a.png").write_bytes(content)
        assert "damaged" in self.refusal(tmp_path / "a.png")

    def test_not_a_picture(self, tmp_path: Path) -> None:
        (tmp_path / "a.png").write_bytes(b"hello, world\n")
        assert "not a picture" in self.refusal(tmp_path / "a.png")

    @pytest.mark.parametrize(
        ("content", "name"), [(b"%PDF-1.7\n", "PDF"), (b"8BPS\0\1", "Photoshop PSD"), (b" <svg>", "SVG")]
    )
    def test_other_formats_are_named(self, tmp_path: Path, content: bytes, name: str) -> None:
        (tmp_path / "a.png").write_bytes(content)
        assert f"not supported here ({name})" in self.refusal(tmp_path / "a.png")

    @pytest.mark.parametrize("suffix", STILL_SUFFIXES)
    @pytest.mark.parametrize("kept", [0.5, 0.98])
    def test_truncated(self, tmp_path: Path, suffix: str, kept: float) -> None:
        load_plugin(suffix)
        whole = io.BytesIO()
        noise = np.random.default_rng(1).integers(0, 256, (40, 50, 3), dtype=np.uint8)
        Image.fromarray(noise).save(whole, OUTPUT_SUFFIXES[suffix].codec)
        path = tmp_path / f"a{suffix}"
        path.write_bytes(whole.getvalue()[: int(len(whole.getvalue()) * kept)])
        assert "damaged" in self.refusal(path)

    @pytest.mark.parametrize(("width", "height"), [(0, 5), (5, 0)])
    def test_no_pixels(self, tmp_path: Path, width: int, height: int) -> None:
        (tmp_path / "a.png").write_bytes(png(png_header(width, height), (b"IDAT", b""), (b"IEND", b"")))
        self.refusal(tmp_path / "a.png")

    def test_absurdly_large_by_its_header(self, tmp_path: Path) -> None:
        side = int(PIXEL_LIMIT**0.5) + 1
        (tmp_path / "a.png").write_bytes(png(png_header(side, side), (b"IDAT", b"")))
        assert "too large" in self.refusal(tmp_path / "a.png")

    @pytest.mark.parametrize("dtype", [np.float32, np.int32])
    def test_numbers_of_32_bits(self, tmp_path: Path, dtype: type[np.generic]) -> None:
        Image.fromarray(np.zeros((2, 2), dtype)).save(tmp_path / "a.tif")
        assert "which is not supported; convert it to 16 bits first" in self.refusal(tmp_path / "a.tif")

    def test_jpeg_xl_that_claims_too_much_is_not_decoded(self, tmp_path: Path) -> None:
        pytest.importorskip("pillow_jxl")
        claim = (3 << 1) | ((2**30 - 1) << 3) | (1 << 33)
        (tmp_path / "a.jxl").write_bytes(b"\xff\x0a" + claim.to_bytes(8, "little") + bytes(20))
        assert "too large" in self.refusal(tmp_path / "a.jxl")

    def test_cmyk(self, tmp_path: Path) -> None:
        Image.new("CMYK", (4, 4)).save(tmp_path / "a.jpg")
        assert "CMYK" in self.refusal(tmp_path / "a.jpg")

    @pytest.mark.parametrize("suffix", [".tif", ".webp", ".png"])
    def test_several_frames(self, tmp_path: Path, suffix: str) -> None:
        frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "green")]
        frames[0].save(tmp_path / f"a{suffix}", save_all=True, append_images=frames[1:])
        assert "several pages or frames" in self.refusal(tmp_path / f"a{suffix}")

    @settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(data=st.data(), suffix=st.sampled_from(STILL_SUFFIXES))
    def test_any_damage_is_refused_or_survived(self, tmp_path: Path, data: st.DataObject, suffix: str) -> None:
        load_plugin(suffix)
        whole = io.BytesIO()
        Image.fromarray(pixels("RGB")).save(whole, OUTPUT_SUFFIXES[suffix].codec)
        content = bytearray(whole.getvalue())
        for _ in range(data.draw(st.integers(1, 4))):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
        path = tmp_path / f"a{suffix}"
        path.write_bytes(content)
        with suppress(PictureError):
            picture = open_picture(path)
            assert picture.rows(0, 1).shape[:2] == (1, picture.width)


def test_image_in_memory_keeps_its_exif_turn_to_itself() -> None:
    image = Image.fromarray(pixels("RGB"))
    image.getexif()[0x0112] = 6
    picture = Picture.from_image(image)
    assert (picture.width, picture.height) == image.size


@pytest.mark.parametrize("suffix", STILL_SUFFIXES)
def test_size_from_the_header(tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    load_plugin(suffix)
    put(tmp_path / f"a{suffix}", banded(pixels("RGB")), 17, 13, "RGB")
    monkeypatch.setattr(Image.Image, "load", None)
    if suffix == ".jxl":  # whose plugin decodes what it opens
        monkeypatch.setattr(Image, "open", None)
    assert picture_size(tmp_path / f"a{suffix}") == (17, 13)


def test_no_size(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no picture")
    os.mkfifo(tmp_path / "pipe.png")
    assert [picture_size(tmp_path / name) for name in ("a.png", "pipe.png", "none.png")] == [None] * 3


def test_a_decoder_without_a_reason_is_not_quoted(tmp_path: Path) -> None:
    """libvips says nothing about a PNG with an impossible chunk but which of its functions failed.

    What it said before, and nobody asked for, is about another picture.
    """
    pyvips.vips_lib.vips_operation_new(b"of another picture")
    assert b"of another picture" in pyvips.ffi.string(pyvips.vips_lib.vips_error_buffer())
    path = tmp_path / "huge.png"
    Image.new("RGB", (4, 4)).save(path)
    content = path.read_bytes()
    path.write_bytes(content[:33] + (0x7FFFFFFF).to_bytes(4, "big") + b"gAMA" + content[33:])
    with pytest.raises(PictureError, match=r"huge\.png: damaged or incomplete \(its header makes no sense\)"):
        open_picture(path)
