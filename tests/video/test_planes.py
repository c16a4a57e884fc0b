"""Forms of frames: shapes of planes, and where chroma lies."""

import numpy as np
import pytest

from sesr.errors import UsageError
from sesr.imaging.sited import Siting
from sesr.video.planes import ChromaSiting, PlaneFormat, Subsampling


@pytest.mark.parametrize(
    ("subsampling", "shapes"),
    [
        (Subsampling.GRAY, ((7, 5),)),
        (Subsampling.YUV420, ((7, 5), (4, 3), (4, 3))),
        (Subsampling.YUV422, ((7, 5), (7, 3), (7, 3))),
        (Subsampling.YUV444, ((7, 5), (7, 5), (7, 5))),
    ],
)
def test_odd_sides_have_a_sample_more(subsampling: Subsampling, shapes: tuple[tuple[int, int], ...]) -> None:
    assert PlaneFormat(5, 7, subsampling).shapes == shapes


@pytest.mark.parametrize(
    ("siting", "places"),
    [
        (ChromaSiting.LEFT, (Siting.CENTER, Siting.FIRST)),
        (ChromaSiting.CENTER, (Siting.CENTER, Siting.CENTER)),
        (ChromaSiting.TOPLEFT, (Siting.FIRST, Siting.FIRST)),
        (ChromaSiting.TOP, (Siting.FIRST, Siting.CENTER)),
        (ChromaSiting.BOTTOMLEFT, (Siting.LAST, Siting.FIRST)),
        (ChromaSiting.BOTTOM, (Siting.LAST, Siting.CENTER)),
    ],
)
def test_sitings(siting: ChromaSiting, places: tuple[Siting, Siting]) -> None:
    assert PlaneFormat(4, 4, Subsampling.YUV420, siting=siting).chroma_places == places
    assert PlaneFormat(4, 4, Subsampling.YUV422, siting=siting).chroma_places == (Siting.CENTER, places[1])
    assert PlaneFormat(4, 4, Subsampling.YUV444, siting=siting).chroma_places == (Siting.CENTER, Siting.CENTER)


def test_numbers_of_sitings_are_those_of_hevc() -> None:
    assert [siting.value for siting in sorted(ChromaSiting, key=lambda siting: siting.code)] == [
        "left",
        "center",
        "topleft",
        "top",
        "bottomleft",
        "bottom",
    ]


def test_planes_that_do_not_fit() -> None:
    form = PlaneFormat(4, 2, Subsampling.YUV420, 10)
    luma, chroma = np.zeros((2, 4), np.uint16), np.zeros((1, 2), np.uint16)
    form.check((luma, chroma, chroma), "frame")
    with pytest.raises(UsageError, match="the frame must be planes of uint16"):
        form.check((luma, chroma), "frame")
    with pytest.raises(UsageError, match="not uint8"):
        form.check((luma.astype(np.uint8), chroma, chroma), "frame")


@pytest.mark.parametrize(("width", "depth", "message"), [(0, 8, "at least 1 x 1"), (4, 7, "8 to 16 bits, not 7")])
def test_impossible_forms(width: int, depth: int, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        PlaneFormat(width, 4, depth=depth)


@pytest.mark.parametrize(
    ("form", "wanted"),
    [
        (PlaneFormat(6, 4, Subsampling.YUV420), 36),
        (PlaneFormat(6, 4, Subsampling.GRAY), 24),
        (PlaneFormat(6, 4, Subsampling.YUV444, 10), 144),
    ],
)
def test_bytes_of_a_frame(form: PlaneFormat, wanted: int) -> None:
    assert form.frame_bytes == wanted
