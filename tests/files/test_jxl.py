"""JPEG XL's size before it is decoded."""

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from sesr.files.jxl import jxl_size, jxl_xmp


@pytest.mark.parametrize("xmp", [None, b"<x/>"])
@settings(deadline=None, max_examples=40)
@given(width=st.integers(1, 700), height=st.integers(1, 700))
def test_size_and_xmp_are_those_that_were_written(xmp: bytes | None, width: int, height: int) -> None:
    pytest.importorskip("pillow_jxl")
    file = io.BytesIO()
    Image.new("L", (width, height)).save(file, "JXL", effort=1, **({} if xmp is None else {"xmp": xmp}))
    assert jxl_size(file) == (width, height)
    assert jxl_xmp(file) == xmp


@given(content=st.binary(max_size=100), start=st.sampled_from([b"", b"\xff\x0a", b"\0\0\0\x0cJXL \x0d\x0a\x87\x0a"]))
def test_any_bytes_have_a_size_or_none(content: bytes, start: bytes) -> None:
    jxl_size(io.BytesIO(start + content))
    jxl_xmp(io.BytesIO(start + content))
