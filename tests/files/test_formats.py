"""Tests of what is known about each format: complete, without overlaps, and as documented."""

import io
import subprocess
import sys
from pathlib import Path

import pytest
from tests.sample_files import every_format

from sesr.errors import UsageError
from sesr.files.formats import FORMATS, OUTPUT_SUFFIXES, PICTURE_SUFFIXES, output_format, recognized, table


def test_the_table_is_printed() -> None:
    """Its place in the documentation is tested there."""
    command = [sys.executable, "-m", "sesr.files.formats"]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert printed == table() + "\n"
    assert printed.count("\n") > 10


def test_no_suffix_means_two_formats() -> None:
    suffixes = [suffix for form in FORMATS for suffix in form.suffixes + form.read_suffixes]
    assert len(suffixes) == len(set(suffixes))
    assert all(suffix == suffix.lower() and suffix.startswith(".") for suffix in suffixes)


@pytest.mark.parametrize("name", ["a.HIF", "b.jfif", "c.dib", "d.Apng", "e.jpe", "f.avifs"])
def test_rare_suffixes_are_written(name: str) -> None:
    assert output_format(Path(name)) is OUTPUT_SUFFIXES[Path(name).suffix.lower()]


@pytest.mark.parametrize("suffix", [".mpo", ".heics", ".heifs"])
def test_suffixes_of_files_with_several_pictures_are_only_read(suffix: str) -> None:
    assert suffix in PICTURE_SUFFIXES
    with pytest.raises(UsageError, match=r"cannot tell the format .*; use one of \.png, \.jpg"):
        output_format(Path("a" + suffix))


@pytest.mark.parametrize(("name", "content"), every_format().items())
def test_content_tells_the_format(name: str, content: bytes) -> None:
    file = io.BytesIO(content)
    file.seek(3)
    assert recognized(file) is PICTURE_SUFFIXES[Path(name).suffix]
    assert file.tell() == 0


@pytest.mark.parametrize(
    "content", [b"", b"%PDF-1.7", b"\0" * 300, b"RIFF\0\0\0\0WAVE", b"\0\0\0\x18ftypqt  \0\0\0\0qt  "]
)
def test_other_files_are_not_recognized(content: bytes) -> None:
    assert recognized(io.BytesIO(content)) is None


@pytest.mark.parametrize(("brands", "name"), [(b"mif1heic", "HEIC"), (b"mif1avif", "AVIF"), (b"heic", "HEIC")])
def test_general_brands(brands: bytes, name: str) -> None:
    """Files that begin with a general brand name their format among the compatible ones."""
    start = b"\0\0\0\x1cftyp" + brands[:4] + bytes(4) + b"mif1" + brands[-4:]
    found = recognized(io.BytesIO(start))
    assert found is not None
    assert found.name == name
