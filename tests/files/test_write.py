"""Tests of the one door for writing: files appear whole, in the format of their name, or not at all."""

import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from tests.sample_files import CHANNELS, JXL, STILL_SUFFIXES, banded, color_profile, load_plugin, pixels, put

from sesr.errors import PictureError, UsageError
from sesr.files.formats import OUTPUT_SUFFIXES
from sesr.files.open import open_picture
from sesr.files.write import Output, assemble
from sesr.metadata.record import Metadata


def linear_gray() -> bytes:
    """A profile of grey that counts light: version 2, of white point and curve, of exponent 1."""
    white = b"XYZ \0\0\0\0" + struct.pack(">3I", 0xF6D6, 0x10000, 0xD32D)
    curve = b"curv\0\0\0\0" + struct.pack(">IHxx", 1, 0x100)
    start = 128 + 4 + 2 * 12
    tags = struct.pack(">I4sII4sII", 2, b"wtpt", start, len(white), b"kTRC", start + len(white), len(curve))
    size = start + len(white) + len(curve)
    header = struct.pack(">I4xI4s4s4s12x4s", size, 0x2100000, b"mntr", b"GRAY", b"XYZ ", b"acsp").ljust(68, b"\0")
    return (header + struct.pack(">3I", 0xF6D6, 0x10000, 0xD32D)).ljust(128, b"\0") + tags + white + curve


class TestWriting:
    """Files appear whole, in the format of their name, or not at all."""

    @pytest.mark.parametrize("suffix", STILL_SUFFIXES)
    @pytest.mark.parametrize("mode", CHANNELS)
    def test_what_is_written_is_read_back(self, tmp_path: Path, mode: str, suffix: str) -> None:
        path, original = tmp_path / f"a{suffix}", pixels(mode)
        load_plugin(suffix)
        if mode in ("LA", "RGBA") and OUTPUT_SUFFIXES[suffix].codec in ("JPEG", "BMP"):
            with pytest.raises(PictureError, match="cannot hold transparency"):
                put(path, banded(original), 17, 13, mode)
            assert not any(tmp_path.iterdir())
            return
        put(path, banded(original), 17, 13, mode)
        with Image.open(path) as image:
            assert image.format == OUTPUT_SUFFIXES[suffix].codec
            found = np.asarray(image.convert(mode)).astype(int)
        bound = 0 if OUTPUT_SUFFIXES[suffix].codec in ("PNG", "TIFF", "BMP") else 8
        assert np.abs(found - original).max() <= bound

    @pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif"])
    def test_profile_goes_along(self, tmp_path: Path, suffix: str) -> None:
        path, profile = tmp_path / f"a{suffix}", color_profile(b"RGB ")
        put(path, banded(pixels("RGB")), 17, 13, "RGB", Metadata(icc=profile))
        assert open_picture(path).metadata.icc == (profile if suffix != ".png" else None)  # libpng looks at more of it

    @pytest.mark.parametrize("name", ["a", "a.txt"])
    def test_unknown_suffix(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(UsageError, match="use one of"):
            put(tmp_path / name, banded(pixels("L")), 17, 13, "L")

    @pytest.mark.parametrize("suffix", [".png", ".jpg"])
    def test_failure_on_the_way_leaves_the_old_file(self, tmp_path: Path, suffix: str) -> None:
        path = tmp_path / f"a{suffix}"
        path.write_text("old")

        def failing() -> Iterator[NDArray[np.uint8]]:
            yield pixels("L")[:5]
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            put(path, failing(), 17, 13, "L")
        assert [file.name for file in tmp_path.iterdir()] == [path.name]
        assert path.read_text() == "old"

    def test_folder_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(PictureError, match=f"there is no folder {tmp_path / 'none'}.*name another place"):
            put(tmp_path / "none" / "a.png", banded(pixels("L")), 17, 13, "L")

    @pytest.mark.skipif(sys.platform == "win32", reason="no limits on file size")
    @pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".webp", ".bmp"])
    def test_full_disk(self, tmp_path: Path, suffix: str) -> None:
        import resource

        noise = np.random.default_rng(1).integers(0, 256, (300, 300, 3), dtype=np.uint8)
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
        try:
            with pytest.raises(PictureError, match="cannot be written"):
                put(tmp_path / f"a{suffix}", banded(noise), 300, 300, "RGB")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert not any(tmp_path.iterdir())

    def test_still_gif(self, tmp_path: Path) -> None:
        with pytest.raises(PictureError, match=r"256 colors.*write \.png instead"):
            put(tmp_path / "a.gif", banded(pixels("L")), 17, 13, "L")

    def test_picture_of_more_than_four_gigabytes(self, tmp_path: Path) -> None:
        with pytest.raises(PictureError, match=r"at most 4 gigabytes; write \.png instead"):
            put(tmp_path / "a.bmp", [], 40_000, 36_000, "RGB")

    @pytest.mark.parametrize("suffix", [".jpg", ".webp"])
    def test_too_little_memory_is_said_before_the_work(
        self, tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        needed = OUTPUT_SUFFIXES[suffix].writing_memory("RGB", 3000 * 3000)
        monkeypatch.setattr("sesr.files.limits.free_memory", lambda: needed - 1)
        with pytest.raises(PictureError, match=r"0\.[0-9] GB of memory are needed.*write \.png or \.tiff"):
            put(tmp_path / f"a{suffix}", [], 3000, 3000, "RGB")

    @pytest.mark.skipif(sys.platform != "linux", reason="the most of memory is asked of Linux")
    @pytest.mark.parametrize("mode", ["RGB", "RGBA"])
    @pytest.mark.parametrize("suffix", [".jpg", ".bmp", ".webp", pytest.param(".avif", marks=pytest.mark.slow), JXL])
    def test_memory_is_as_much_as_said(self, tmp_path: Path, suffix: str, mode: str) -> None:
        """Measured in a process of its own. HEIC takes as long as all others together and was measured by hand."""
        if suffix in (".jpg", ".bmp") and mode == "RGBA":
            pytest.skip("holds no transparency")
        code = (
            "import numpy as np, sys; from pathlib import Path; from sesr.files.write import *\n"
            "from sesr.imaging.stream import Stream\n"
            "path, mode, side = Path(sys.argv[1]), sys.argv[2], 1500\n"
            "peak = lambda: 1024 * int(Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0])\n"
            "check_output(path, side, side, mode)\n"
            "random, ramp = np.random.default_rng(1), np.arange(side * len(mode), dtype=np.uint8)\n"
            "row = lambda: (ramp + random.integers(0, 30, ramp.size, np.uint8)).reshape(1, side, len(mode))\n"
            "before = peak(); write_picture(path, Stream((row() for _ in range(side)), side, side, mode, 8))\n"
            "print(peak() - before, output_format(path).writing_memory(mode, side * side))"
        )
        command = [sys.executable, "-c", code, str(tmp_path / f"a{suffix}"), mode]
        took, said = map(int, subprocess.run(command, capture_output=True, check=True, text=True).stdout.split())
        assert took <= said
        assert took > said / 8, "said far too much"

    @pytest.mark.needs("pillow_jxl")
    def test_jxl_of_quality_100_loses_nothing(self, tmp_path: Path) -> None:
        put(tmp_path / "a.jxl", banded(pixels("RGB")), 17, 13, "RGB", output=Output(quality=100))
        assert np.array_equal(open_picture(tmp_path / "a.jxl").rows(0, 13), pixels("RGB"))

    def test_what_an_encoder_raises(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def failing(*_: object) -> None:
            raise struct.error("unpack requires a buffer of 4 bytes")

        monkeypatch.setitem(Image.SAVE, "WEBP", failing)
        with pytest.raises(PictureError, match=r"a\.webp: cannot be written as WebP \(unpack requires"):
            put(tmp_path / "a.webp", banded(pixels("RGB")), 17, 13, "RGB")
        assert not any(tmp_path.iterdir())

    @pytest.mark.parametrize("suffix", [".webp", JXL, ".bmp"])
    @pytest.mark.parametrize("mode", ["L", "LA"])
    def test_grey_profile_where_none_fits_is_applied(self, tmp_path: Path, suffix: str, mode: str) -> None:
        """Grey of a linear profile, 128, is 188 in sRGB: what is written shows what was meant."""
        if suffix == ".bmp" and mode == "LA":
            pytest.skip("holds no transparency")
        shade = np.full((16, 16) if mode == "L" else (16, 16, 2), 128, np.uint8)
        metadata = Metadata(icc=linear_gray())
        put(tmp_path / f"a{suffix}", banded(shade), 16, 16, mode, metadata, output=Output(quality=100))
        found = open_picture(tmp_path / f"a{suffix}")
        assert suffix == ".jxl" or found.metadata.icc is None  # JPEG XL says itself that it is sRGB, or grey of sRGB
        assert abs(int(found.rows(0, 16)[8, 8].flat[0]) - 188) <= 2

    @pytest.mark.parametrize(("suffix", "advice"), [(".png", "free some"), (".jpg", "write .png or .tiff instead")])
    def test_memory_that_runs_out(self, tmp_path: Path, suffix: str, advice: str) -> None:
        def failing() -> Iterator[NDArray[np.uint8]]:
            yield pixels("L")[:5]
            raise MemoryError

        with pytest.raises(PictureError, match=advice):
            put(tmp_path / f"a{suffix}", failing(), 17, 13, "L")

    def test_picture_too_wide_for_its_format(self, tmp_path: Path) -> None:
        with pytest.raises(PictureError, match="at most 16383 a side"):
            put(tmp_path / "a.webp", [], 16_384, 1, "L")


def test_assembled_bands_are_the_picture() -> None:
    for mode in CHANNELS:
        assert np.array_equal(np.asarray(assemble(banded(pixels(mode)), 17, 13, mode)), pixels(mode))
