"""A background color in a picture's own color space.

People name colors in sRGB. A picture's numbers mean what its profile or its code points say, so the color is converted
to that first: white on a Display P3 photograph stays white, and a company's red stays that red. In an HDR picture it
gets the brightness of ordinary white.
"""

from io import BytesIO

from PIL import Image, ImageCms

from sesr.errors import PictureError
from sesr.files.fit import profile_for
from sesr.imaging.flatten import Color
from sesr.metadata.record import Metadata
from sesr.metadata.tone import hdr_codes


def background_for(color: Color, metadata: Metadata, mode: str, name: str) -> Color:
    """Return an sRGB color as the picture's color space writes it; as it is, where the profile is damaged.

    Raises `PictureError` that names the picture for a gray one with a profile of gray, when the color is none.
    """
    space = metadata.cicp.color() if metadata.cicp is not None else None
    if space is not None and space.hdr is not None:
        return hdr_codes(color, space)
    gray = mode in ("L", "LA")
    icc = profile_for(metadata, gray=gray)
    if icc is not None and gray and len(set(color)) > 1:
        raise PictureError(f"{name}: a picture with a profile of gray; give --background a gray, such as white")
    red, green, blue = color if icc is None else _by_profile(color, icc, gray=gray)
    if space is not None and space.narrow:
        return round(16 + red * 219 / 255), round(16 + green * 219 / 255), round(16 + blue * 219 / 255)
    return red, green, blue


def _by_profile(color: Color, icc: bytes, *, gray: bool) -> Color:
    try:
        profile, srgb = ImageCms.ImageCmsProfile(BytesIO(icc)), ImageCms.createProfile("sRGB")
        spot = ImageCms.profileToProfile(
            Image.new("RGB", (1, 1), color), srgb, profile, outputMode="L" if gray else "RGB"
        )
    except (ImageCms.PyCMSError, OSError):
        return color
    assert spot is not None
    red, green, blue = spot.convert("RGB").tobytes()
    return red, green, blue
