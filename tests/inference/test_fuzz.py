"""Damaged files of every format, and files that claim or unfold to absurd sizes."""

import os
import struct
import time
import zlib
from pathlib import Path

import pytest
from tests.damage import fuzz
from tests.fakes import Nearest
from tests.sample_files import every_format, png, png_header

from sesr.errors import PictureError
from sesr.files.limits import MOST_FRAMES
from sesr.inference.upscale import Upscaler

MANY = "SESR_FUZZ_INPUTS"
"""Environment variable: how many inputs the long run takes, 8,000 unless it says otherwise."""

ONE_ROW = zlib.compress((b"\0" + bytes(12)) * 4)


@pytest.mark.parametrize("name", sorted(every_format()))
def test_undamaged_samples_go_through(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(every_format()[name])
    target = tmp_path / "out.png"
    if name in ("cmyk.jpg", "pages.tif"):
        with pytest.raises(PictureError, match=r"CMYK|several pages"):
            Upscaler.of_engine(Nearest()).upscale_file(tmp_path / name, target)
    else:
        Upscaler.of_engine(Nearest()).upscale_file(tmp_path / name, target)
        assert target.is_file()


def test_no_damage_does_harm() -> None:
    report = fuzz(first=0, count=400, timeout=120)
    assert report.faults == []
    assert report.outcomes["ok"] > 40
    assert report.outcomes["refused"] > 40


@pytest.mark.slow
def test_no_damage_does_harm_at_length() -> None:
    count = int(os.environ.get(MANY, "8000"))
    report = fuzz(first=1000, count=count, timeout=3600)
    assert report.faults == []
    assert sum(report.outcomes.values()) == count


def refused(path: Path, content: bytes) -> str:
    """The refusal, which must come at once."""
    path.write_bytes(content)
    before = time.monotonic()
    with pytest.raises(PictureError) as caught:
        Upscaler.of_engine(Nearest()).upscale_file(path, path.with_name("out.png"))
    assert time.monotonic() - before < 5
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    return str(caught.value)


class TestBombs:
    """Files that would take all memory or time."""

    def test_png_of_ten_thousand_megapixels(self, tmp_path: Path) -> None:
        content = png(png_header(100_000, 100_000), (b"IDAT", ONE_ROW), (b"IEND", b""))
        assert "100000 x 100000 pixels, too large" in refused(tmp_path / "a.png", content)

    @pytest.mark.parametrize(
        ("name", "before"),
        [(b"zTXt", b"Comment\0\0"), (b"iCCP", b"profile\0\0"), (b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0")],
    )
    def test_text_that_unfolds_to_a_gigabyte_is_left_packed_or_out(
        self, tmp_path: Path, name: bytes, before: bytes
    ) -> None:
        packer = zlib.compressobj(9)
        packed = b"".join(packer.compress(bytes(1 << 24)) for _ in range(16)) + packer.flush()
        (tmp_path / "a.png").write_bytes(
            png(png_header(4, 4), (name, before + packed), (b"IDAT", ONE_ROW), (b"IEND", b""))
        )
        Upscaler.of_engine(Nearest()).upscale_file(tmp_path / "a.png", tmp_path / "b.png")
        assert (tmp_path / "b.png").stat().st_size < 1 << 20

    def test_tiff_of_absurd_tags(self, tmp_path: Path) -> None:
        entries = [(256, 4, 1, 2**31 - 1), (257, 4, 1, 2**31 - 1), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1)]
        entries += [(273, 4, 2**31, 8), (277, 3, 1, 1), (278, 4, 1, 10), (279, 4, 2**31, 100)]
        directory = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *each) for each in entries)
        refused(tmp_path / "a.tif", struct.pack("<2sHI", b"II", 42, 8) + directory + bytes(4))

    def test_gif_of_a_million_frames(self, tmp_path: Path) -> None:
        frame = b"\x2c\0\0\0\0\1\0\1\0\0\2\2\x44\1\0"
        content = b"GIF89a\1\0\1\0\x80\0\0\0\0\0\xff\xff\xff" + frame * 1_000_000 + b";"
        assert f"more than {MOST_FRAMES} frames" in refused(tmp_path / "a.gif", content)

    def test_gif_whose_frames_reach_far_beyond_it(self, tmp_path: Path) -> None:
        small, large = (b"\x2c\0\0\0\0" + struct.pack("<HH", n, n) + b"\0\2\2\x44\1\0" for n in (1, 65_535))
        content = b"GIF89a\1\0\1\0\x80\0\0\0\0\0\xff\xff\xff" + small + large + b";"
        assert "too large" in refused(tmp_path / "a.gif", content)
