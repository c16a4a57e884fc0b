"""Places for results: names, folders, formats, and what is refused."""

import os
from pathlib import Path

import pytest
from PIL import Image

from sesr.errors import PictureError, UsageError
from sesr.files.formats import OUTPUT_SUFFIXES
from sesr.jobs.folders import Found
from sesr.jobs.targets import SAME, Targets, check_free, is_done, is_older


def target(found: Found, output: str | None = None, file_format: str | None = None) -> Path:
    """The result's path of one source."""
    return Targets([found], output, "x2", file_format).target(found)


@pytest.mark.parametrize(
    ("source", "file_format", "name"),
    [
        ("a.jpg", None, "a_x2.png"),
        ("a.b.jpg", None, "a.b_x2.png"),
        ("a", None, "a_x2.png"),
        (".hidden", None, ".hidden_x2.png"),
        ("new\nline .jpg", None, "new\nline _x2.png"),
        ("a[1].jpg", "webp", "a[1]_x2.webp"),
        ("a.jpg", ".TIF", "a_x2.tif"),
    ],
)
def test_name_next_to_the_source(tmp_path: Path, source: str, file_format: str | None, name: str) -> None:
    assert target(Found(tmp_path / source), file_format=file_format) == tmp_path / name


def test_a_page_has_its_number_in_the_name(tmp_path: Path) -> None:
    assert target(Found(tmp_path / "a.tif", page=3)) == tmp_path / "a_x2_p3.png"
    pages = [Found(tmp_path / "a.tif", page=page) for page in (1, 2, 10)]
    targets = Targets(pages, f"{tmp_path}/out", "x2")
    assert [targets.target(page).name for page in pages] == ["a_x2_p1.png", "a_x2_p2.png", "a_x2_p10.png"]


def test_the_same_tree_in_a_folder(tmp_path: Path) -> None:
    found = Found(tmp_path / "in" / "a" / "b.jpg", Path("a"), named=False)
    assert target(found, f"{tmp_path}/out") == tmp_path / "out" / "a" / "b_x2.png"


@pytest.mark.parametrize("output", ["new", "new/", "new.v2", "old", "new/deep"])
def test_an_output_for_several_is_a_folder(tmp_path: Path, output: str) -> None:
    """With or without a separator; it is made."""
    (tmp_path / "old").mkdir()
    several = [Found(tmp_path / "a.png"), Found(tmp_path / "b.png")]
    targets = Targets(several, str(tmp_path) + os.sep + output, "x2")
    assert targets.target(several[0]) == tmp_path / output / "a_x2.png"
    assert (tmp_path / output).is_dir()


@pytest.mark.parametrize(
    ("output", "count", "file_format", "message"),
    [
        ("one.png", 2, None, "one file for 2 pictures; name a folder"),
        ("one", 1, None, "a name without a suffix; use one of .png"),
        ("one", 1, None, f"for a folder, add {os.sep} at its end"),
        ("one.png", 1, "jpg", "another format than -f jpg"),
        ("one.png", 1, "same", "another format than -f same"),
        (None, 1, "xyz", "format 'xyz' is unknown: use one of png, jpg"),
    ],
)
def test_outputs_that_cannot_be_meant(
    tmp_path: Path, output: str | None, count: int, file_format: str | None, message: str
) -> None:
    sources = [Found(tmp_path / f"{index}.png") for index in range(count)]
    with pytest.raises(UsageError) as caught:
        Targets(sources, None if output is None else f"{tmp_path}/{output}", "x2", file_format)
    assert message in str(caught.value)
    assert not any(tmp_path.iterdir())


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(PictureError, match="the folder cannot be made"):
        Targets([Found(tmp_path / "a.png")], f"{tmp_path}/file/", "x2")


def test_pictures_that_would_share_a_name_keep_their_suffix(tmp_path: Path) -> None:
    found = [Found(tmp_path / name, named=False) for name in ("a.jpg", "a.png", "b.png")]
    targets = Targets(found, f"{tmp_path}/out", "x2")
    assert [targets.target(each).name for each in found] == ["a.jpg_x2.png", "a.png_x2.png", "b_x2.png"]


def save(path: Path, codec: str) -> Path:
    """A picture of a format, whatever its name."""
    Image.new("RGB", (4, 4)).save(path, codec)
    return path


@pytest.mark.parametrize(
    ("name", "codec", "wanted"),
    [
        ("a.jpg", "JPEG", "a_x2.jpg"),
        ("a.JPEG", "JPEG", "a_x2.JPEG"),
        ("a.tif", "TIFF", "a_x2.tif"),
        ("a.png", "JPEG", "a_x2.jpg"),
        ("a", "WEBP", "a_x2.webp"),
        ("a.dat", "BMP", "a_x2.bmp"),
    ],
)
def test_the_same_format_by_content(tmp_path: Path, name: str, codec: str, wanted: str) -> None:
    assert target(Found(save(tmp_path / name, codec)), file_format="same").name == wanted


def test_the_same_format_keeps_names_apart(tmp_path: Path) -> None:
    """Different formats need no suffix twice; the same format under two names does."""
    names = {"a.jpg": "JPEG", "a.png": "PNG", "b.jpg": "JPEG", "b.png": "JPEG"}
    found = [Found(save(tmp_path / name, codec), named=False) for name, codec in names.items()]
    targets = Targets(found, f"{tmp_path}/out", "x2", "same")
    assert [targets.target(each).name for each in found] == ["a_x2.jpg", "a_x2.png", "b.jpg_x2.jpg", "b.png_x2.jpg"]


@pytest.mark.parametrize("name", ["none.jpg", "text.jpg", "none", "folder"])
def test_the_same_format_of_no_picture(tmp_path: Path, name: str) -> None:
    """It gets a name, and fails for a reason of its own later."""
    (tmp_path / "text.jpg").write_text("hello")
    (tmp_path / "folder").mkdir()
    assert target(Found(tmp_path / name), file_format="same").suffix == (".jpg" if name.endswith(".jpg") else ".png")


@pytest.mark.parametrize("suffix", OUTPUT_SUFFIXES)
def test_quality_is_for_formats_that_lose_something(suffix: str) -> None:
    targets = Targets([Found(Path("a.jpg"))], None, "x2", suffix)
    targets.check_quality(None)
    if OUTPUT_SUFFIXES[suffix].lossless:
        with pytest.raises(UsageError, match="--quality"):
            targets.check_quality(50)
    else:
        targets.check_quality(50)


def test_quality_with_the_same_format() -> None:
    """The quality applies to the files whose format loses something."""
    Targets([Found(Path("a.jpg"))], None, "x2", SAME).check_quality(50)


def test_no_input_and_no_result_is_replaced(tmp_path: Path) -> None:
    first, second, result = (Found(save(tmp_path / name, "PNG")) for name in ("a.png", "a.bmp", "b_x2.png"))
    original = Found(save(tmp_path / "b.png", "PNG"))
    targets = Targets([first, second, result, original], None, "x2")
    with targets.claim(first) as path:
        assert path == tmp_path / "a_x2.png"
    with pytest.raises(PictureError, match="given twice"), targets.claim(first):
        pass
    with pytest.raises(PictureError, match=r"is the output of .*a\.png already"), targets.claim(second):
        pass
    with pytest.raises(PictureError, match="is itself an input"), targets.claim(original):
        pass


def test_a_failure_frees_the_name(tmp_path: Path) -> None:
    first, second = Found(save(tmp_path / "a.png", "PNG")), Found(save(tmp_path / "a.bmp", "BMP"))
    targets = Targets([first, second], None, "x2")
    with pytest.raises(ZeroDivisionError), targets.claim(first):
        raise ZeroDivisionError
    with targets.claim(second) as path:
        assert path == tmp_path / "a_x2.png"


def test_what_is_there_already(tmp_path: Path) -> None:
    source, result, empty = tmp_path / "a.png", tmp_path / "a_x2.png", tmp_path / "b_x2.png"
    save(source, "PNG")
    save(result, "PNG")
    empty.touch()
    assert is_done(Found(source, named=False), result)
    assert not is_done(Found(source), result)
    assert not is_done(Found(source, named=False), empty)
    os.utime(source, (1, 1))
    assert not is_older(result, source)
    os.utime(result, (0, 0))
    assert is_older(result, source)
    check_free(source, tmp_path / "none.png", overwrite=False)
    check_free(source, result, overwrite=True)
    with pytest.raises(PictureError, match="exists already"):
        check_free(source, result, overwrite=False)
    with pytest.raises(PictureError, match="too long"):
        check_free(source, tmp_path / ("x" * 300), overwrite=True)
    result.chmod(0o444)
    with pytest.raises(PictureError, match="write-protected"):
        check_free(source, result, overwrite=True)
