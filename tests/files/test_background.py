"""Background colors in a picture's own color space."""

from io import BytesIO

import numpy as np
import pytest
import pyvips
from PIL import Image, ImageCms

from sesr.errors import PictureError
from sesr.files.background import background_for
from sesr.files.metadata import Metadata

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


def test_a_profile_of_gray_takes_grays() -> None:
    with pytest.raises(PictureError, match=r"^a\.png: a picture with a profile of gray; give --background a gray"):
        background_for(RED, Metadata(icc=b"gray"), "LA", "a.png")
