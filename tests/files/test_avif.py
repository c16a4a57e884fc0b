"""AVIF that one decoder rejects."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import pyvips
from PIL import Image
from PIL.AvifImagePlugin import AvifImageFile
from tests.sample_files import exif, profile, saved, smooth

from sesr.errors import PictureError
from sesr.files.open import open_picture


@pytest.fixture
def pillow_rejects(monkeypatch: pytest.MonkeyPatch) -> None:
    def rejecting(*_: object) -> None:
        raise SyntaxError("Failed to decode frame 0: Decoding of color planes failed")

    monkeypatch.setattr(AvifImageFile, "load", rejecting)


def deep(bits: int) -> bytes:
    """An AVIF of so many bits per channel."""
    image = pyvips.Image.new_from_array(smooth().astype(np.uint16) * 257, interpretation="rgb16")
    return bytes(image.write_to_buffer(".avif", bitdepth=bits, Q=90, effort=0))


@pytest.mark.usefixtures("pillow_rejects")
def test_the_other_decoder_reads_it(tmp_path: Path) -> None:
    options = {"quality": 90, "subsampling": "4:4:4", "speed": 10, "icc_profile": profile(), "exif": exif(1)}
    (tmp_path / "a.avif").write_bytes(saved(Image.fromarray(smooth()), "AVIF", **options))
    picture = open_picture(tmp_path / "a.avif")
    assert (picture.mode, picture.depth) == ("RGB", 8)
    assert np.abs(picture.rows(0, 20).astype(int) - smooth()).max() < 25
    assert picture.metadata.icc == profile()
    assert b"Camera" in (picture.metadata.exif or b"")


@pytest.mark.usefixtures("pillow_rejects")
def test_the_other_decoder_keeps_10_bits(tmp_path: Path) -> None:
    (tmp_path / "a.avif").write_bytes(deep(10))
    picture = open_picture(tmp_path / "a.avif")
    assert picture.depth == 16
    assert np.abs(picture.rows(0, 20) / 257 - smooth()).max() < 25


@pytest.mark.usefixtures("pillow_rejects")
@pytest.mark.parametrize(("bits", "message"), [(10, r"not supported here \(an AVIF of 10 bits"), (8, "damaged")])
def test_what_neither_reads(tmp_path: Path, bits: int, message: str) -> None:
    """A file of 8 bits that no decoder reads is damaged."""
    content = bytearray(deep(bits) if bits > 8 else saved(Image.fromarray(smooth()), "AVIF", speed=10))
    at = content.rindex(b"mdat") + 4
    content[at:] = bytes(len(content) - at)
    (tmp_path / "a.avif").write_bytes(content)
    with pytest.raises(PictureError, match=rf"a\.avif: {message}"):
        open_picture(tmp_path / "a.avif")


@pytest.mark.parametrize("bits", [8, 10, 12])
def test_bits_that_pillow_reads(tmp_path: Path, bits: int) -> None:
    (tmp_path / "a.avif").write_bytes(deep(bits))
    with Image.open(BytesIO(deep(bits))) as image:
        assert np.array_equal(open_picture(tmp_path / "a.avif").rows(0, 20), np.asarray(image))


@pytest.mark.parametrize("bits", [8, 10])
@pytest.mark.parametrize("cut", [0.0, 0.05, 0.5, 0.9])
def test_a_cut_file_is_damaged(tmp_path: Path, bits: int, cut: float) -> None:
    """The other decoder would show what is there."""
    content = deep(bits)
    (tmp_path / "a.avif").write_bytes(content[: -max(int(len(content) * cut), 1)])
    with pytest.raises(PictureError, match=r"a\.avif: damaged or incomplete"):
        open_picture(tmp_path / "a.avif")
