"""Pictures besides the one that is read are reported as lost, unless a page was asked for."""

import io
from pathlib import Path

import pytest
from PIL import Image
from tests.sample_files import smooth

from sesr.files.besides import left_behind
from sesr.files.open import open_picture

Image.init()
PICTURE = Image.fromarray(smooth())
GAIN_MAP = b'<x:xmpmeta><rdf:RDF><rdf:Description hdrgm:Version="1.0"/></rdf:RDF></x:xmpmeta>'


def mpo(path: Path, *others: Image.Image) -> Path:
    PICTURE.save(path, "MPO", save_all=True, append_images=others)
    return path


def with_gain_map(path: Path) -> Path:
    """An MPO whose second picture says in XMP that it is a gain map."""
    small = PICTURE.copy()
    small.encoderinfo = {"xmp": GAIN_MAP}
    return mpo(path, small)


@pytest.mark.parametrize(("count", "lost"), [(1, "1 other picture"), (2, "2 other pictures")])
def test_other_pictures_of_a_jpeg(tmp_path: Path, count: int, lost: str) -> None:
    path = mpo(tmp_path / "a.jpg", *[PICTURE.copy() for _ in range(count)])
    assert open_picture(path).metadata.unread == (lost,)
    assert open_picture(path, page=1).metadata.unread == ()
    assert open_picture(path, page=2).metadata.unread == ()


@pytest.mark.parametrize("count", [0, 2])
def test_other_pictures_of_a_heic(tmp_path: Path, count: int) -> None:
    pytest.importorskip("pillow_heif").register_heif_opener()
    PICTURE.save(tmp_path / "a.heic", save_all=True, append_images=[PICTURE] * count)
    assert open_picture(tmp_path / "a.heic").metadata.unread == (("2 other pictures",) if count else ())
    assert open_picture(tmp_path / "a.heic", page=1).metadata.unread == ()


def test_gain_map_of_a_jpeg(tmp_path: Path) -> None:
    assert open_picture(with_gain_map(tmp_path / "a.jpg")).metadata.unread == ("gain map",)


def test_gain_map_of_a_heic() -> None:
    image = PICTURE.copy()
    image.info["aux"] = {"urn:com:apple:photo:2020:aux:hdrgainmap": [3]}
    assert left_behind(image) == ("gain map",)


def test_copies_and_what_was_cut_off_are_no_loss(tmp_path: Path) -> None:
    content = mpo(tmp_path / "a.jpg", PICTURE).read_bytes()
    plain = io.BytesIO()
    PICTURE.save(plain, "JPEG")
    (tmp_path / "cut.jpg").write_bytes(content[: content.rindex(b"\xff\xd8\xff")])
    assert open_picture(tmp_path / "cut.jpg").metadata.unread == ()
    with Image.open(tmp_path / "a.jpg") as image:
        image.mpinfo[0xB002][1]["Attribute"]["MPType"] = "Large Thumbnail (VGA Equivalent)"  # type: ignore[attr-defined]
        assert left_behind(image) == ()
