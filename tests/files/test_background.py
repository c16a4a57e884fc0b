"""Background colors in a picture's own color space."""

from io import BytesIO
from typing import Any

import numpy as np
import pytest
import pyvips
from PIL import Image, ImageCms

from sesr.errors import PictureError
from sesr.files.background import background_for
from sesr.files.fit import fit
from sesr.files.formats import JPEG
from sesr.metadata.cicp import Cicp
from sesr.metadata.record import Metadata

RED = (255, 0, 0)


def p3() -> bytes:
    """A Display P3 profile, as libvips brings it."""
    pixels = pyvips.Image.black(1, 1, bands=3).copy(interpretation="srgb")
    return bytes(pixels.icc_transform("p3").get("icc-profile-data"))


def seen(color: tuple[int, int, int], profile: bytes) -> list[int]:
    """A color of a profile's in sRGB."""
    spot = Image.new("RGB", (1, 1), color)
    shown = ImageCms.profileToProfile(spot, ImageCms.ImageCmsProfile(BytesIO(profile)), ImageCms.createProfile("sRGB"))
    assert shown is not None
    return list(shown.tobytes())


@pytest.mark.parametrize("color", [RED, (255, 255, 255), (0, 0, 0), (12, 200, 99)])
def test_a_wide_profile_shows_the_same_color(color: tuple[int, int, int]) -> None:
    profile = p3()
    found = background_for(color, Metadata(icc=profile), "RGBA", "a.png")
    assert np.abs(np.subtract(seen(found, profile), color)).max() <= 4
    assert (found == color) == (color in ((255, 255, 255), (0, 0, 0)))


@pytest.mark.parametrize("profile", [None, b"damaged"])
def test_without_a_profile_the_color_stays(profile: bytes | None) -> None:
    assert background_for(RED, Metadata(icc=profile), "RGBA", "a.png") == RED
    assert background_for((7, 7, 7), Metadata(icc=profile), "LA", "a.png") == (7, 7, 7)


@pytest.mark.parametrize("transfer", [16, 18])
@pytest.mark.parametrize("color", [(255, 255, 255), (0, 0, 0), (120, 120, 120), (100, 40, 60)])
@pytest.mark.parametrize("narrow", [False, True])
def test_hdr_shows_the_same_color(color: tuple[int, int, int], transfer: int, narrow: bool) -> None:
    """Tone mapping, which leaves light below the knee as it is, brings it back; white comes back as near white."""
    codes = Cicp(9, transfer, narrow=narrow)
    found = background_for(color, Metadata(cicp=codes), "RGBA", "a.png")
    convert = fit(Metadata(cicp=codes), JPEG, "RGB").convert
    assert convert is not None
    back = convert(np.array([[found]], np.uint8))[0, 0]
    assert np.abs(back.astype(int) - color).max() <= (35 if color[0] == 255 else 6)


@pytest.mark.parametrize("said", [{"cicp": Cicp(12, 13)}, {"chunks": ((b"gAMA", b"\0\1\x86\xa0"),)}])
def test_code_points_and_gamma_show_the_same_color(said: dict[str, Any]) -> None:
    metadata = Metadata(**said)
    profile = fit(metadata, JPEG, "RGB").metadata.icc
    assert profile is not None
    found = background_for((200, 60, 90), metadata, "RGBA", "a.png")
    assert found != (200, 60, 90)
    assert np.abs(np.subtract(seen(found, profile), (200, 60, 90))).max() <= 4


def test_narrow_range_stays_narrow() -> None:
    narrow = Metadata(cicp=Cicp(12, 13, narrow=True))
    assert background_for((255, 255, 255), narrow, "RGBA", "a.png") == (235, 235, 235)
    assert background_for((0, 0, 0), narrow, "RGBA", "a.png") == (16, 16, 16)


def test_a_profile_of_gray_takes_grays() -> None:
    with pytest.raises(PictureError, match=r"^a\.png: a picture with a profile of gray; give --background a gray"):
        background_for(RED, Metadata(icc=b"gray"), "LA", "a.png")
