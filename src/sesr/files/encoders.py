"""Options of Pillow's encoders, and the conversion of colors for those that hold no profile.

PNG and TIFF have writers of our own (`sesr.files.png`, `tiff`). The other formats get a whole picture, and each keeps
metadata in its own way: some have no place for a profile or for dots per inch, some move what they do not own.
"""

from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from typing import Any

from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

from sesr.metadata.exif import compact_exif, with_resolution, without_orientation
from sesr.metadata.iptc import wrapped_iptc
from sesr.metadata.record import XMP_KEYWORD, Metadata

_LARGEST_SEGMENT = 65_533
"""Bytes in a JPEG's segment, with the name that comes before the content."""
EXIF_NAME, XMP_NAME = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0"

Options = Callable[[Metadata, str, int | None], dict[str, Any]]
"""Makes keyword arguments for Pillow's `save`: of metadata, mode and quality (1 to 100; None takes 95)."""


def in_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """Convert an image to sRGB by its profile. It stays as it is where the profile is damaged."""
    colors = image.getchannel(0) if image.mode == "LA" else image
    try:
        found, srgb = ImageCms.ImageCmsProfile(BytesIO(profile)), ImageCms.createProfile("sRGB")
        target = "RGB" if colors.mode == "L" else colors.mode
        converted = ImageCms.profileToProfile(colors, found, srgb, outputMode=target)
    except (ImageCms.PyCMSError, OSError):
        return image
    assert converted is not None
    # Formats take sRGB for granted. It would be a profile of color even where the image is gray.
    converted.info.pop("icc_profile", None)
    if image.mode == "LA":
        return Image.merge("LA", [converted.convert("L"), image.getchannel(1)])
    return converted.convert(image.mode)


def encoder_options(options: Options, metadata: Metadata, mode: str, quality: int | None) -> dict[str, Any]:
    """Keyword arguments for Pillow's `save`, without those that are None."""
    return {name: value for name, value in options(metadata, mode, quality).items() if value is not None}


def modern(metadata: Metadata, mode: str, quality: int | None) -> dict[str, Any]:
    """WebP, and what the newer formats share. Their only place for dots per inch is EXIF."""
    exif = metadata.exif if metadata.dpi is None else with_resolution(metadata.exif, metadata.dpi)
    return {"quality": quality or 95, "icc_profile": metadata.icc, "exif": _prefixed(exif), "xmp": metadata.xmp}


def avif(metadata: Metadata, mode: str, quality: int | None) -> dict[str, Any]:
    """AVIF has an orientation of its own. To move EXIF's there, Pillow would rewrite EXIF and lose some of it."""
    upright = replace(metadata, exif=without_orientation(metadata.exif))
    return modern(upright, mode, quality) | {"subsampling": "4:0:0" if mode in ("L", "LA") else "4:4:4"}


def heic(metadata: Metadata, mode: str, quality: int | None) -> dict[str, Any]:
    """HEIC at its encoder's quickest: a quarter of the time, for an eighth more bytes, at the same quality."""
    options = modern(metadata, mode, quality) | {"enc_params": {"preset": "ultrafast"}}
    if metadata.cicp is not None:
        codes = metadata.cicp
        options |= {"color_primaries": codes.primaries, "transfer_characteristics": codes.transfer}
        options |= {"matrix_coefficients": codes.coding_matrix, "full_range_flag": 1}
    return options


def jxl(metadata: Metadata, mode: str, quality: int | None) -> dict[str, Any]:
    """JPEG XL, without loss at quality 100."""
    return modern(metadata, mode, quality) | {"lossless": quality == 100}


def bmp(metadata: Metadata, mode: str, quality: int | None) -> dict[str, Any]:
    """BMP, which has a place for dots per inch only."""
    return {"dpi": metadata.dpi}


def jpeg(metadata: Metadata, mode: str, quality: int | None) -> dict[str, Any]:
    """JPEG. Its segments hold 64 KB each; longer metadata is dropped, but a profile may take several segments.

    Maker's notes alone may be that long; then the rest of EXIF is kept.
    """

    def short(content: bytes | None, name: bytes = b"") -> bytes | None:
        return content if fits_segment(content, name) else None

    exif = short(metadata.exif, EXIF_NAME) or short(compact_exif(metadata.exif), EXIF_NAME)
    shortened = Metadata(icc=metadata.icc, exif=exif, xmp=short(metadata.xmp, XMP_NAME))
    iptc = None if metadata.iptc is None else short(wrapped_iptc(metadata.iptc))
    return modern(shortened, mode, quality) | {
        "subsampling": "4:4:4",
        "dpi": metadata.dpi,
        "comment": short(metadata.comment),
        "extra": None if iptc is None else _segment(iptc),
    }


def fits_segment(content: bytes | None, name: bytes = b"") -> bool:
    """Tell if a JPEG's segment is long enough for this content behind its name."""
    return content is None or len(name) + len(content) <= _LARGEST_SEGMENT


def animated_gif(metadata: Metadata, mode: str, quality: int | None) -> dict[str, Any]:
    """GIF's frames replace each other, so that nothing of one shows through the transparent pixels of the next."""
    return {"icc_profile": metadata.icc, "disposal": 2, "comment": metadata.comment}


def animated_png(metadata: Metadata, mode: str, quality: int | None) -> dict[str, Any]:
    """APNG, with color and text as `sesr.files.png` writes them."""
    info = PngInfo()
    for name, content in metadata.color_and_text_chunks():
        info.add(name, content)
    if metadata.xmp is not None:
        info.add(b"iTXt", XMP_KEYWORD + b"\0\0\0\0\0" + metadata.xmp)
    return {"icc_profile": metadata.icc, "dpi": metadata.dpi, "pnginfo": info, "exif": _prefixed(metadata.exif)}


def animated_avif(metadata: Metadata, mode: str, quality: int | None) -> dict[str, Any]:
    """AVIF's frames, with its encoder's usual subsampling; for EXIF see `avif`."""
    exif = metadata.exif if metadata.dpi is None else with_resolution(metadata.exif, metadata.dpi)
    return modern(metadata, mode, quality) | {"exif": _prefixed(without_orientation(exif))}


def _prefixed(exif: bytes | None) -> bytes | None:
    return None if exif is None else EXIF_NAME + exif


def _segment(content: bytes) -> bytes:
    """A JPEG's segment APP13."""
    return b"\xff\xed" + (len(content) + 2).to_bytes(2, "big") + content
