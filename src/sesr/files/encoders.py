"""What Pillow's encoders are told, what they take, and what they cannot hold.

PNG and TIFF have writers of our own (`sesr.files.png`, `tiff`). The other formats get a whole picture, and each keeps
metadata in its own way: some have no place for a profile or for dots per inch, some move what they do not own.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from io import BytesIO
from typing import Any

from PIL import Image, ImageCms

from sesr.files.exif import compact_exif, with_resolution, without_orientation
from sesr.files.metadata import Metadata, wrapped_iptc

_MEMORY = {"JPEG": (8, 8), "BMP": (8, 8), "WEBP": (25, 65), "HEIF": (45, 66), "AVIF": (60, 72), "JXL": (80, 110)}
"""Bytes a pixel that writing takes at most, with Pillow's picture: measured, without and with transparency."""

_QUICK = {"preset": "ultrafast"}
"""For HEIC's encoder: a quarter of the time, for an eighth more bytes, at the same quality."""

_LARGEST_SEGMENT = 65_533  # of a JPEG, in bytes, with the name that comes before the content
_EXIF_NAME, _XMP_NAME = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0"


@dataclass(frozen=True)
class Saving:
    """How to write a picture.

    Attributes:
        quality: of JPEG, WebP, AVIF, HEIC and JPEG XL, 1 to 100; None takes 95.
    """

    quality: int | None = None


def writing_memory(file_format: str, mode: str, pixels: int) -> int:
    """Bytes that writing a picture takes which is not written in strips; 0 for formats that are."""
    return _MEMORY.get(file_format, (0, 0))[mode in ("LA", "RGBA")] * pixels


def holds_profile(file_format: str, mode: str) -> bool:
    """Whether a picture's profile still tells its colours when written: some formats have none, others no grey."""
    if file_format in ("JXL", "BMP"):
        return False
    return mode in ("RGB", "RGBA") or (mode == "L" and file_format in ("JPEG", "AVIF", "HEIF"))


def in_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """The same colours in sRGB; as it is, where the profile is damaged."""
    colours = image.getchannel(0) if image.mode == "LA" else image
    try:
        found, srgb = ImageCms.ImageCmsProfile(BytesIO(profile)), ImageCms.createProfile("sRGB")
        target = "RGB" if colours.mode == "L" else colours.mode
        converted = ImageCms.profileToProfile(colours, found, srgb, outputMode=target)
    except (ImageCms.PyCMSError, OSError):
        return image
    assert converted is not None
    converted.info.pop(
        "icc_profile", None
    )  # sRGB, which formats take for granted, and colour's even where it gets grey
    if image.mode == "LA":
        return Image.merge("LA", [converted.convert("L"), image.getchannel(1)])
    return converted.convert(image.mode)


def saving_options(file_format: str, mode: str, metadata: Metadata, saving: Saving) -> dict[str, Any]:
    """What Pillow's `save` is told, without what is None."""
    make: dict[str, Callable[[Metadata, Saving], dict[str, Any]]] = {
        "JPEG": _jpeg,
        "BMP": lambda metadata, _: {"dpi": metadata.dpi},
        "AVIF": lambda metadata, saving: _avif(mode, metadata, saving),
        "HEIF": lambda metadata, saving: _modern(metadata, saving) | {"enc_params": _QUICK},
        "JXL": lambda metadata, saving: _modern(metadata, saving) | {"lossless": saving.quality == 100},
    }
    options = make.get(file_format, _modern)(metadata, saving)
    return {name: value for name, value in options.items() if value is not None}


def _avif(mode: str, metadata: Metadata, saving: Saving) -> dict[str, Any]:
    """AVIF has an orientation of its own. Pillow, to move EXIF's there, would write EXIF anew and lose some of it."""
    unturned = replace(metadata, exif=without_orientation(metadata.exif))
    return _modern(unturned, saving) | {"subsampling": "4:0:0" if mode in ("L", "LA") else "4:4:4"}


def _modern(metadata: Metadata, saving: Saving) -> dict[str, Any]:
    """Dots per inch have no place of their own here but in EXIF."""
    exif = metadata.exif if metadata.dpi is None else with_resolution(metadata.exif, metadata.dpi)
    prefixed = None if exif is None else b"Exif\0\0" + exif
    return {"quality": saving.quality or 95, "icc_profile": metadata.icc, "exif": prefixed, "xmp": metadata.xmp}


def _jpeg(metadata: Metadata, saving: Saving) -> dict[str, Any]:
    """A JPEG's segments hold 64 KB each: what is longer is left out, but for the profile, which may take several.

    Of EXIF, whose maker's notes alone may be that long, the rest is kept.
    """

    def short(content: bytes | None, name: bytes = b"") -> bytes | None:
        return content if content is not None and len(name) + len(content) <= _LARGEST_SEGMENT else None

    exif = short(metadata.exif, _EXIF_NAME) or short(compact_exif(metadata.exif), _EXIF_NAME)
    shortened = Metadata(icc=metadata.icc, exif=exif, xmp=short(metadata.xmp, _XMP_NAME))
    iptc = None if metadata.iptc is None else short(wrapped_iptc(metadata.iptc))
    return _modern(shortened, saving) | {
        "subsampling": "4:4:4",
        "dpi": metadata.dpi,
        "comment": short(metadata.comment),
        "extra": None if iptc is None else _segment(iptc),
    }


def _segment(content: bytes) -> bytes:
    return b"\xff\xed" + (len(content) + 2).to_bytes(2, "big") + content
