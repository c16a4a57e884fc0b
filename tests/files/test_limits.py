"""Tests of limits: Pillow's own are off while any thread reads, and back afterwards."""

import warnings

from PIL import Image

from sesr.files.limits import unguarded_pillow


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
