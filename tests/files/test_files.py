"""Picture files in and out, and every way in which one is refused."""

import io
import os
import struct
import subprocess
import sys
import warnings
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageOps

from sesr.errors import PictureError, UsageError
from sesr.files.encoders import Saving
from sesr.files.files import (
    PIXEL_LIMIT,
    assemble,
    open_picture,
    picture_size,
    unguarded_pillow,
    write_picture,
)
from sesr.files.formats import FORMATS, OUTPUT_SUFFIXES
from sesr.files.metadata import Metadata
from sesr.files.picture import Picture

SUFFIXES = tuple(form.suffix for form in FORMATS if form.still)
CHANNELS = {"L": (), "LA": (2,), "RGB": (3,), "RGBA": (4,)}


def pixels(mode: str, height: int = 13, width: int = 17) -> NDArray[np.uint8]:
    """A smooth picture, so that lossy formats come close."""
    ramp = np.add.outer(np.arange(height) * 6, np.arange(width) * 5).astype(np.uint8)
    channels = CHANNELS[mode]
    return ramp if not channels else np.stack([ramp + 9 * k for k in range(channels[0])], axis=-1).astype(np.uint8)


def colour_profile(space: bytes) -> bytes:
    """As much of an ICC profile as is looked at."""
    return struct.pack(">I12s4s", 132, b"", space) + bytes(112)


def linear_grey() -> bytes:
    """A profile of grey that counts light: version 2, of white point and curve, of exponent 1."""
    white = b"XYZ \0\0\0\0" + struct.pack(">3I", 0xF6D6, 0x10000, 0xD32D)
    curve = b"curv\0\0\0\0" + struct.pack(">IHxx", 1, 0x100)
    start = 128 + 4 + 2 * 12
    tags = struct.pack(">I4sII4sII", 2, b"wtpt", start, len(white), b"kTRC", start + len(white), len(curve))
    size = start + len(white) + len(curve)
    header = struct.pack(">I4xI4s4s4s12x4s", size, 0x2100000, b"mntr", b"GRAY", b"XYZ ", b"acsp").ljust(68, b"\0")
    return (header + struct.pack(">3I", 0xF6D6, 0x10000, 0xD32D)).ljust(128, b"\0") + tags + white + curve


def banded(picture: NDArray[np.uint8], rows: int = 5) -> Iterator[NDArray[np.uint8]]:
    return (picture[top : top + rows] for top in range(0, len(picture), rows))


def png_chunks(*chunks: tuple[bytes, bytes]) -> bytes:
    parts = [
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def png_header(width: int, height: int, depth: int = 8, colour: int = 2) -> tuple[bytes, bytes]:
    return b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)


def read_all(path: Path) -> None:
    """Damage in PNG and TIFF shows when rows are read."""
    picture = open_picture(path)
    picture.rows(0, picture.height)


JXL = pytest.param(".jxl", marks=pytest.mark.needs("pillow_jxl"))


def load_plugin(suffix: str) -> None:
    """Makes Pillow know the format too, or skips."""
    if suffix in (".heic", ".heif"):
        pytest.importorskip("pillow_heif").register_heif_opener()
    elif suffix == ".jxl":
        pytest.importorskip("pillow_jxl")


class TestReading:
    """What a picture's rows are."""

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
        profile = colour_profile(space)
        Image.fromarray(pixels("RGB")).save(tmp_path / "a.jpg", icc_profile=profile)
        assert open_picture(tmp_path / "a.jpg").metadata.icc == (profile if kept else None)

    def test_name_of_a_file_need_not_be_ascii(self, tmp_path: Path) -> None:
        path = tmp_path / "Größe 写真.png"
        write_picture(path, banded(pixels("L")), 17, 13, "L")
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

    @pytest.mark.parametrize("content", [b"hello, world\n", b"\x89PNG\r\n\x1a\n", b"GIF89a\x01\0\x01\0\0\0\0;"])
    def test_not_a_picture(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "a.png").write_bytes(content)
        assert "damaged" in self.refusal(tmp_path / "a.png")

    @pytest.mark.parametrize("suffix", SUFFIXES)
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
        (tmp_path / "a.png").write_bytes(png_chunks(png_header(width, height), (b"IDAT", b""), (b"IEND", b"")))
        self.refusal(tmp_path / "a.png")

    def test_absurdly_large_by_its_header(self, tmp_path: Path) -> None:
        side = int(PIXEL_LIMIT**0.5) + 1
        (tmp_path / "a.png").write_bytes(png_chunks(png_header(side, side), (b"IDAT", b"")))
        assert "too large" in self.refusal(tmp_path / "a.png")

    @pytest.mark.parametrize("dtype", [np.float32, np.int32])
    def test_numbers_of_32_bits(self, tmp_path: Path, dtype: type[np.generic]) -> None:
        Image.fromarray(np.zeros((2, 2), dtype)).save(tmp_path / "a.tif")
        assert "not 8 or 16 bits" in self.refusal(tmp_path / "a.tif")

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
    @given(data=st.data(), suffix=st.sampled_from(SUFFIXES))
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


class TestWriting:
    """Files appear whole, in the format of their name, or not at all."""

    @pytest.mark.parametrize("suffix", SUFFIXES)
    @pytest.mark.parametrize("mode", CHANNELS)
    def test_what_is_written_is_read_back(self, tmp_path: Path, mode: str, suffix: str) -> None:
        path, original = tmp_path / f"a{suffix}", pixels(mode)
        load_plugin(suffix)
        if mode in ("LA", "RGBA") and OUTPUT_SUFFIXES[suffix].codec in ("JPEG", "BMP"):
            with pytest.raises(PictureError, match="cannot hold transparency"):
                write_picture(path, banded(original), 17, 13, mode)
            assert not any(tmp_path.iterdir())
            return
        write_picture(path, banded(original), 17, 13, mode)
        with Image.open(path) as image:
            assert image.format == OUTPUT_SUFFIXES[suffix].codec
            found = np.asarray(image.convert(mode)).astype(int)
        bound = 0 if OUTPUT_SUFFIXES[suffix].codec in ("PNG", "TIFF", "BMP") else 8
        assert np.abs(found - original).max() <= bound

    @pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif"])
    def test_profile_goes_along(self, tmp_path: Path, suffix: str) -> None:
        path, profile = tmp_path / f"a{suffix}", colour_profile(b"RGB ")
        write_picture(path, banded(pixels("RGB")), 17, 13, "RGB", Metadata(icc=profile))
        assert open_picture(path).metadata.icc == (profile if suffix != ".png" else None)  # libpng looks at more of it

    @pytest.mark.parametrize("name", ["a", "a.txt"])
    def test_unknown_suffix(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(UsageError, match="use one of"):
            write_picture(tmp_path / name, banded(pixels("L")), 17, 13, "L")

    @pytest.mark.parametrize("suffix", [".png", ".jpg"])
    def test_failure_on_the_way_leaves_the_old_file(self, tmp_path: Path, suffix: str) -> None:
        path = tmp_path / f"a{suffix}"
        path.write_text("old")

        def failing() -> Iterator[NDArray[np.uint8]]:
            yield pixels("L")[:5]
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            write_picture(path, failing(), 17, 13, "L")
        assert [file.name for file in tmp_path.iterdir()] == [path.name]
        assert path.read_text() == "old"

    def test_folder_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(PictureError, match=f"there is no folder {tmp_path / 'none'}.*name another place"):
            write_picture(tmp_path / "none" / "a.png", banded(pixels("L")), 17, 13, "L")

    @pytest.mark.skipif(sys.platform == "win32", reason="no limits on file size")
    @pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".webp", ".bmp"])
    def test_full_disk(self, tmp_path: Path, suffix: str) -> None:
        import resource

        noise = np.random.default_rng(1).integers(0, 256, (300, 300, 3), dtype=np.uint8)
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
        try:
            with pytest.raises(PictureError, match="cannot be written"):
                write_picture(tmp_path / f"a{suffix}", banded(noise), 300, 300, "RGB")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert not any(tmp_path.iterdir())

    def test_still_gif(self, tmp_path: Path) -> None:
        with pytest.raises(PictureError, match=r"256 colors.*write \.png instead"):
            write_picture(tmp_path / "a.gif", banded(pixels("L")), 17, 13, "L")

    def test_picture_of_more_than_four_gigabytes(self, tmp_path: Path) -> None:
        with pytest.raises(PictureError, match=r"at most 4 gigabytes; write \.png instead"):
            write_picture(tmp_path / "a.bmp", [], 40_000, 36_000, "RGB")

    @pytest.mark.parametrize("suffix", [".jpg", ".webp"])
    def test_too_little_memory_is_said_before_the_work(
        self, tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        needed = OUTPUT_SUFFIXES[suffix].writing_memory("RGB", 3000 * 3000)
        monkeypatch.setattr("sesr.files.files.free_memory", lambda: needed - 1)
        with pytest.raises(PictureError, match=r"0\.[0-9] GB of memory are needed.*write \.png or \.tiff"):
            write_picture(tmp_path / f"a{suffix}", [], 3000, 3000, "RGB")

    @pytest.mark.skipif(sys.platform != "linux", reason="the most of memory is asked of Linux")
    @pytest.mark.parametrize("mode", ["RGB", "RGBA"])
    @pytest.mark.parametrize("suffix", [".jpg", ".bmp", ".webp", ".avif", JXL])
    def test_memory_is_as_much_as_said(self, tmp_path: Path, suffix: str, mode: str) -> None:
        """Of a process of its own, whose most is its own. HEIC, which takes as long as all others, was measured too."""
        if suffix in (".jpg", ".bmp") and mode == "RGBA":
            pytest.skip("holds no transparency")
        code = (
            "import numpy as np, sys; from pathlib import Path; from sesr.files.files import *\n"
            "path, mode, side = Path(sys.argv[1]), sys.argv[2], 1500\n"
            "peak = lambda: 1024 * int(Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0])\n"
            "check_output(path, side, side, mode)\n"
            "random, ramp = np.random.default_rng(1), np.arange(side * len(mode), dtype=np.uint8)\n"
            "row = lambda: (ramp + random.integers(0, 30, ramp.size, np.uint8)).reshape(1, side, len(mode))\n"
            "before = peak(); write_picture(path, (row() for _ in range(side)), side, side, mode)\n"
            "print(peak() - before, output_format(path).writing_memory(mode, side * side))"
        )
        command = [sys.executable, "-c", code, str(tmp_path / f"a{suffix}"), mode]
        took, said = map(int, subprocess.run(command, capture_output=True, check=True, text=True).stdout.split())
        assert took <= said
        assert took > said / 8, "said far too much"

    @pytest.mark.needs("pillow_jxl")
    def test_jxl_of_quality_100_loses_nothing(self, tmp_path: Path) -> None:
        write_picture(tmp_path / "a.jxl", banded(pixels("RGB")), 17, 13, "RGB", saving=Saving(quality=100))
        assert np.array_equal(open_picture(tmp_path / "a.jxl").rows(0, 13), pixels("RGB"))

    def test_what_an_encoder_raises(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def failing(*_: object) -> None:
            raise struct.error("unpack requires a buffer of 4 bytes")

        monkeypatch.setitem(Image.SAVE, "WEBP", failing)
        with pytest.raises(PictureError, match=r"a\.webp: cannot be written as WebP \(unpack requires"):
            write_picture(tmp_path / "a.webp", banded(pixels("RGB")), 17, 13, "RGB")
        assert not any(tmp_path.iterdir())

    @pytest.mark.parametrize("suffix", [".webp", JXL, ".bmp"])
    @pytest.mark.parametrize("mode", ["L", "LA"])
    def test_grey_profile_where_none_fits_is_applied(self, tmp_path: Path, suffix: str, mode: str) -> None:
        """Grey of a linear profile, 128, is 188 in sRGB: what is written shows what was meant."""
        if suffix == ".bmp" and mode == "LA":
            pytest.skip("holds no transparency")
        shade = np.full((16, 16) if mode == "L" else (16, 16, 2), 128, np.uint8)
        metadata = Metadata(icc=linear_grey())
        write_picture(tmp_path / f"a{suffix}", banded(shade), 16, 16, mode, metadata, saving=Saving(quality=100))
        found = open_picture(tmp_path / f"a{suffix}")
        assert suffix == ".jxl" or found.metadata.icc is None  # JPEG XL says itself that it is sRGB, or grey of sRGB
        assert abs(int(found.rows(0, 16)[8, 8].flat[0]) - 188) <= 2

    @pytest.mark.parametrize(("suffix", "advice"), [(".png", "free some"), (".jpg", "write .png or .tiff instead")])
    def test_memory_that_runs_out(self, tmp_path: Path, suffix: str, advice: str) -> None:
        def failing() -> Iterator[NDArray[np.uint8]]:
            yield pixels("L")[:5]
            raise MemoryError

        with pytest.raises(PictureError, match=advice):
            write_picture(tmp_path / f"a{suffix}", failing(), 17, 13, "L")

    def test_picture_too_wide_for_its_format(self, tmp_path: Path) -> None:
        with pytest.raises(PictureError, match="at most 16383 a side"):
            write_picture(tmp_path / "a.webp", [], 16_384, 1, "L")


def test_image_in_memory_keeps_its_exif_turn_to_itself() -> None:
    image = Image.fromarray(pixels("RGB"))
    image.getexif()[0x0112] = 6
    picture = Picture.from_image(image)
    assert (picture.width, picture.height) == image.size


def test_assembled_bands_are_the_picture() -> None:
    for mode in CHANNELS:
        assert np.array_equal(np.asarray(assemble(banded(pixels(mode)), 17, 13, mode)), pixels(mode))


def test_pillows_own_limit_is_back_when_the_last_thread_is_done() -> None:
    """However threads take turns; the first to come may be the first to go."""
    before, filters = Image.MAX_IMAGE_PIXELS, list(warnings.filters)
    first, second = unguarded_pillow(), unguarded_pillow()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert Image.MAX_IMAGE_PIXELS is None
    second.__exit__(None, None, None)
    assert before == Image.MAX_IMAGE_PIXELS
    assert warnings.filters == filters


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_size_from_the_header(tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    load_plugin(suffix)
    write_picture(tmp_path / f"a{suffix}", banded(pixels("RGB")), 17, 13, "RGB")
    monkeypatch.setattr(Image.Image, "load", None)
    if suffix == ".jxl":  # whose plugin decodes what it opens
        monkeypatch.setattr(Image, "open", None)
    assert picture_size(tmp_path / f"a{suffix}") == (17, 13)


def test_no_size(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no picture")
    os.mkfifo(tmp_path / "pipe.png")
    assert [picture_size(tmp_path / name) for name in ("a.png", "pipe.png", "none.png")] == [None] * 3
