"""Boxes of HEIC and AVIF, by hand, as encoders write them, and damaged."""

import io
import shutil
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from tests.sample_files import frames, saved, smooth

from sesr.metadata.cicp import Cicp
from sesr.metadata.heif import brightness_chunks, color_codes, describe_avif, picture_properties


def box(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", len(content) + 8, name) + content


def nclx(primaries: int, transfer: int, matrix: int = 6) -> bytes:
    return box(b"colr", b"nclx" + struct.pack(">3HB", primaries, transfer, matrix, 0x80))


def two_pictures(primary: int, *, long: bool) -> bytes:
    """Item 1 in Display P3, item 2 in BT.2100 PQ with its brightness; `long` takes the boxes' other versions."""
    light = box(b"clli", struct.pack(">HH", 600, 150))
    display = box(b"mdcv", struct.pack(">8HII", 8500, 39850, 6550, 2300, 35400, 14600, 15635, 16450, 10_000_000, 50))
    shared = box(b"ispe", bytes(12))
    properties = box(b"ipco", shared + nclx(12, 13, 1) + nclx(9, 16, 9) + light + display)
    item, number = (">I", ">H") if long else (">H", ">B")
    lists = {1: (1, 2), 2: (1, 3, 4, 5)}
    entries = b"".join(
        struct.pack(item, key) + bytes([len(values)]) + b"".join(struct.pack(number, value) for value in values)
        for key, values in lists.items()
    )
    essential = struct.pack(">BxxB", long, long)
    links = box(b"ipma", essential + struct.pack(">I", 2) + entries)
    main = box(b"pitm", bytes([long, 0, 0, 0]) + struct.pack(item, primary))
    meta = box(b"meta", bytes(4) + box(b"hdlr", bytes(20)) + main + box(b"iprp", properties + links))
    return box(b"ftyp", b"heic" + bytes(8)) + meta + box(b"mdat", bytes(50))


@pytest.mark.parametrize("long", [False, True])
def test_colors_of_the_primary_picture_count(long: bool) -> None:
    one = picture_properties(io.BytesIO(two_pictures(1, long=long)))
    assert color_codes(one) == Cicp(12, 13, 1)
    assert brightness_chunks(one) == []
    other = picture_properties(io.BytesIO(two_pictures(2, long=long)))
    assert color_codes(other) == Cicp(9, 16, 9)
    chunks = dict(brightness_chunks(other))
    assert struct.unpack(">II", chunks[b"cLLI"]) == (6_000_000, 1_500_000)
    assert struct.unpack(">8HII", chunks[b"mDCV"])[:6] == (35400, 14600, 8500, 39850, 6550, 2300)  # red, green, blue
    assert struct.unpack(">8HII", chunks[b"mDCV"])[6:] == (15635, 16450, 10_000_000, 50)


def test_size_of_64_bits_and_boxes_before_meta() -> None:
    content = two_pictures(2, long=False)
    at = content.index(b"meta") - 4
    stop = at + int.from_bytes(content[at : at + 4], "big")
    wide = struct.pack(">I4sQ", 1, b"meta", stop - at + 8) + content[at + 8 : stop]
    assert color_codes(picture_properties(io.BytesIO(content[:at] + box(b"free", b"x") + wide))) == Cicp(9, 16, 9)


@settings(deadline=None, max_examples=300)
@given(data=st.data())
def test_damage_gives_colors_or_none(data: st.DataObject) -> None:
    content = bytearray(two_pictures(2, long=data.draw(st.booleans())))
    for _ in range(data.draw(st.integers(1, 5))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(content[: data.draw(st.integers(0, len(content)))])
    found = picture_properties(io.BytesIO(cut))
    color_codes(found)
    brightness_chunks(found)


@given(content=st.binary(max_size=200))
def test_any_bytes_have_properties_or_none(content: bytes) -> None:
    for each in (content, box(b"meta", content), box(b"meta", bytes(4) + box(b"iprp", box(b"ipma", content)))):
        picture_properties(io.BytesIO(each))


def avif(mode: str = "RGB") -> bytes:
    return saved(Image.fromarray(smooth(channels=4)).convert(mode), "AVIF", subsampling="4:4:4", quality=90, speed=10)


@pytest.mark.parametrize("codes", [Cicp(9, 16), Cicp(12, 13), Cicp(9, 18), Cicp(1, 8)])
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
def test_avif_gets_other_code_points_and_keeps_its_pixels(mode: str, codes: Cicp) -> None:
    content = avif(mode)
    file = io.BytesIO(content)
    describe_avif(file, codes)
    changed = file.getvalue()
    assert color_codes(picture_properties(file)) == Cicp(codes.primaries, codes.transfer, 6)
    assert b"colrnclx" + struct.pack(">3H", 1, 13, 6) not in changed
    before, after = (np.asarray(Image.open(io.BytesIO(each))) for each in (content, changed))
    assert (before == after).all()


def test_avif_animation_gets_other_code_points() -> None:
    first, *others = (frame.convert("RGB") for frame in frames())
    content = saved(first, "AVIF", save_all=True, append_images=others, duration=50)
    file = io.BytesIO(content)
    describe_avif(file, Cicp(12, 13))
    assert content.count(b"nclx\0\1\0\r") == file.getvalue().count(b"nclx\0\x0c\0\r") > 0
    with Image.open(file) as image:
        assert getattr(image, "n_frames", 1) == len(others) + 1


def test_avif_with_a_profile_stays_as_it_is() -> None:
    content = saved(Image.fromarray(smooth()), "AVIF", icc_profile=bytes(200), speed=10)
    file = io.BytesIO(content)
    describe_avif(file, Cicp(9, 16))
    assert file.getvalue() == content


@pytest.mark.skipif(shutil.which("ffprobe") is None, reason="ffprobe is not installed")
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_stream_inside_avif_says_the_same(tmp_path: Path, mode: str) -> None:
    """The boxes say nothing here: their names are spoiled."""
    path = tmp_path / "a.avif"
    file = io.BytesIO(avif(mode))
    describe_avif(file, Cicp(9, 16))
    path.write_bytes(file.getvalue().replace(b"colrnclx", b"freenclx"))
    shown = "stream=color_primaries,color_transfer,color_space"
    command = ["ffprobe", "-v", "error", "-show_entries", shown, "-of", "csv=p=0", str(path)]
    found = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert found.strip() == "smpte170m,smpte2084,bt2020"
