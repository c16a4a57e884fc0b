"""A background color in a picture's own color space.

People name colors in sRGB. A picture's numbers mean what its profile says, so the color is converted to that first:
white on a Display P3 photograph stays white, and a company's red stays that red.
"""

from io import BytesIO

from PIL import Image, ImageCms

from sesr.errors import PictureError
from sesr.files.metadata import Metadata
from sesr.imaging.flatten import Color


def background_for(color: Color, metadata: Metadata, mode: str, name: str) -> Color:
    """Return an sRGB color as the picture's profile writes it; as it is, where the profile is damaged.

    Raises `PictureError` that names the picture for a gray one with a profile of gray, when the color is none.
    """
    if metadata.icc is None:
        return color
    gray = mode in ("L", "LA")
    if gray and len(set(color)) > 1:
        raise PictureError(f"{name}: a picture with a profile of gray; give --background a gray, such as white")
    try:
        profile, srgb = ImageCms.ImageCmsProfile(BytesIO(metadata.icc)), ImageCms.createProfile("sRGB")
        spot = ImageCms.profileToProfile(
            Image.new("RGB", (1, 1), color), srgb, profile, outputMode="L" if gray else "RGB"
        )
    except (ImageCms.PyCMSError, OSError):
        return color
    assert spot is not None
    red, green, blue = spot.convert("RGB").tobytes()
    return red, green, blue
