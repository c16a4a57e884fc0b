"""CMYK and Lab to sRGB, for pictures that bring a profile.

The networks know RGB. Printers' colors, in JPEG also stored as YCCK, mean something only together with a profile of ink
and paper. Where the file embeds one, LittleCMS converts by it, row by row inside libvips: relative colorimetric and
without black point compensation, as libvips does by itself. So colors come out as printed, and a printer's black, which
is not quite black, stays so. Colors that sRGB lacks are clipped. Without a profile the conversion would be a guess, and
the picture is refused.

Lab is the same for every device (under the light D50), so its conversion needs no more than the numbers. A Lab file's
profile, which says just that, is the sign that these numbers are meant so.
"""

from io import BytesIO

import pyvips
from PIL import Image, ImageCms

CMYK_NOTE = "CMYK was converted to sRGB by its profile"
LAB_NOTE = "Lab was converted to sRGB"

_CMYK_BANDS, _LAB_BANDS = (4, 5), 3
"""Ink in four, and alpha; lightness and two opponent colors."""


def in_srgb(image: "pyvips.Image", icc: bytes | None) -> tuple["pyvips.Image", str] | None:
    """Convert an image of CMYK or Lab to sRGB, as its rows are asked for.

    Args:
        image: as libvips opened it; with 8 or 16 bits, and in Lab also real numbers.
        icc: the embedded profile.

    Returns the image, of 8 bits for CMYK of 8 bits and of 16 otherwise, and a note for a person to read. Returns None
    for other colors, and if there is no profile, or one that does not fit.
    """
    if image.interpretation == "cmyk" and image.bands in _CMYK_BANDS and _describes_cmyk(icc):
        depth = 16 if image.format == "ushort" else 8
        return image.icc_transform("srgb", embedded=True, intent="relative", depth=depth), CMYK_NOTE
    if image.interpretation in ("lab", "labs") and image.bands == _LAB_BANDS and icc is not None:
        return image.colourspace("lab").icc_export(output_profile="srgb", pcs="lab", depth=16), LAB_NOTE
    return None


def whole_in_srgb(image: Image.Image, icc: bytes | None) -> tuple[Image.Image, str] | None:
    """Convert a Pillow image of mode CMYK or LAB, for files that libvips does not read.

    Returns the image and a note, and None as `in_srgb` does.
    """
    srgb, intent = ImageCms.createProfile("sRGB"), ImageCms.Intent.RELATIVE_COLORIMETRIC
    if image.mode == "CMYK" and icc is not None and _describes_cmyk(icc):
        source, note = ImageCms.ImageCmsProfile(BytesIO(icc)), CMYK_NOTE
    elif image.mode == "LAB" and icc is not None:
        source, note = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")), LAB_NOTE
    else:
        return None
    converted = ImageCms.profileToProfile(image, source, srgb, renderingIntent=intent, outputMode="RGB")
    assert converted is not None
    return converted, note


def _describes_cmyk(icc: bytes | None) -> bool:
    """Tell if LittleCMS can convert from CMYK by this profile. libvips would quietly take another one."""
    if icc is None or icc[16:20] != b"CMYK":
        return False
    try:
        profile = ImageCms.ImageCmsProfile(BytesIO(icc))
        ImageCms.buildTransform(profile, ImageCms.createProfile("sRGB"), "CMYK", "RGB")
    except (ImageCms.PyCMSError, OSError):
        return False
    return True
