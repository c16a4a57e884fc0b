"""AVIF files that Pillow's decoder rejects, read by another decoder.

Pillow decodes AVIF by libavif, which insists on more of the standard than libheif does, the decoder in libvips. Each
also knows kinds of AV1 that the other does not. Where both give up on a file of more than 8 bits per channel, the file
may be whole all the same, so it is called unsupported and not damaged.
"""

from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import pyvips

from sesr.files.faults import not_supported
from sesr.files.scanlines import Scanlines, block
from sesr.files.vips import open_image, together
from sesr.metadata.exif import without_orientation, without_prefix
from sesr.metadata.record import Metadata

_HEADER_BYTES = 1 << 16
_HIGH_BIT_DEPTH, _TWELVE_BIT = 0x40, 0x20


def open_avif_otherwise(path: Path, file: BinaryIO, error: Exception) -> Scanlines:
    """Open an AVIF that Pillow rejected with `error`, by libvips.

    Raises `PictureError` where the file is of a kind that neither decodes, else `error`.
    """
    if _is_cut(file):  # which libheif may take for whole
        raise error
    with suppress(pyvips.Error), together():
        image = open_image("heif", file)
        icc, xmp, exif = (block(image, name) for name in ("icc-profile-data", "xmp-data", "exif-data"))
        pixels = image.copy_memory()  # now, so that another failure shows here; turned upright by the decoder
        bare = without_orientation(without_prefix(exif)) if exif else None
        return Scanlines(path, pixels, Metadata(icc=icc, xmp=xmp, exif=bare))
    bits = _bits(file)
    if bits > 8:
        raise not_supported(path, f"an AVIF of {bits} bits per channel") from error
    raise error


def _is_cut(file: BinaryIO) -> bool:
    """Return whether a box reaches beyond the file's end, or the data are missing (ISO/IEC 14496-12, section 4.2)."""
    size, at, names = file.seek(0, 2), 0, set()
    while at < size:
        file.seek(at)
        head = file.read(16)
        names.add(head[4:8])
        length = int.from_bytes(head[:4], "big")
        if length == 1:
            length = int.from_bytes(head[8:], "big")
        if not length and len(head) >= 8:  # up to the end
            break
        if length < 8:
            return True
        at += length
    return at > size or b"mdat" not in names


def _bits(file: BinaryIO) -> int:
    """Bits per channel, by the AV1 configuration box (AV1 in ISO's container, section 2.3.3); 8 if there is none."""
    file.seek(0)
    header = file.read(_HEADER_BYTES)
    at = header.find(b"av1C")
    flags = header[at + 6] if 0 <= at < len(header) - 6 else 0
    return 8 if not flags & _HIGH_BIT_DEPTH else 12 if flags & _TWELVE_BIT else 10
