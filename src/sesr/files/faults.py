"""Decoders' complaints, turned into one of five errors of ours.

Decoders raise nearly anything: Pillow alone raises seven types, its plug-ins more, and libvips hands on whatever text
its libraries wrote, often the same line many times. A person needs to know one of five things:

- *damaged*: fetch the file again;
- *not supported*: the file is fine, but it needs a decoder that is not here; save it in another way;
- *too large*: this machine has not enough memory;
- *not a picture*;
- it cannot be read: its permissions, its disk.

`reading` is the only place that decides which. Every reader in this room works inside it.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyvips
from PIL import UnidentifiedImageError

from sesr.errors import PictureError
from sesr.files.compressions import COMPRESSIONS

_UNSUPPORTED = re.compile(
    r"not configured|not been built in|not supported|unsupported|not implemented|unimplemented|no codec available"
    r"|cannot handle|can not handle|unknown (?:bmp|compression|data organization|pixel mode|photometric)"
    r"|sorry, can not|decoder \w+ not available|unknown raw mode",
    re.IGNORECASE,
)
"""Words that decoders use about files that are valid and of a kind that they do not know."""

_SOURCE = re.compile(r"^(?:[\w.]+: )+(?=\S)")
"""The names of functions and files that libraries put before a message: "tiff2vips: tempfile.tif: "."""

_COMPRESSION = re.compile(r"Compression scheme (\d+) (?:strip|tile|scanline) (?:de|en)coding is not implemented")
"""Words of libtiff about a compression that it does not know."""

_LONGEST_REASON = 200
_MEANINGS = {
    "bad seek to": "its data end too early",
    "Truncated File Read": "its data end too early",
    "could not create decoder object": "its data make no sense",
    "Generic Error. Please build": "its data make no sense",
}
"""Beginnings of messages that help nobody, by what they mean."""


def damaged(path: Path | str, reason: str) -> PictureError:
    """Error for a file that is not whole."""
    return PictureError(f"{path}: damaged or incomplete ({reason}); fetch or export it again")


def not_supported(path: Path | str, kind: str, advice: str = "save it in another way, or as PNG") -> PictureError:
    """Error for a valid file of a kind that no decoder here knows."""
    return PictureError(f"{path}: not supported here ({kind}); {advice}")


def not_a_picture(path: Path | str) -> PictureError:
    """Error for a file that is in none of our formats."""
    return PictureError(f"{path}: not a picture of a known format; give a PNG, JPEG, WebP, TIFF, BMP, GIF or AVIF file")


def too_large(path: Path | str) -> PictureError:
    """Error for a picture that does not fit into memory."""
    return PictureError(f"{path}: too large for this machine's memory; cut it into parts")


@contextmanager
def reading(path: Path | str) -> Iterator[None]:
    """Turn whatever a decoder raises about the file into `PictureError`."""
    try:
        yield
    except PictureError:
        raise
    except PermissionError as error:
        raise PictureError(f"{path}: no permission to read it; change its permissions") from error
    except MemoryError as error:
        raise too_large(path) from error
    except UnidentifiedImageError as error:
        raise damaged(path, "its start makes no sense") from error
    except OSError as error:
        if error.errno is not None:  # the system's, such as a broken disk; decoders give no number
            raise PictureError(f"{path}: cannot be read ({error.strerror}); try again, or copy it elsewhere") from error
        raise _translated(path, error) from error
    except Exception as error:  # decoders raise nearly anything
        raise _translated(path, error) from error


def _translated(path: Path | str, error: Exception) -> PictureError:
    """Return the error of ours for a decoder's, by what it says."""
    reason = _reason(error)
    if "out of memory" in reason.lower():
        return too_large(path)
    if unknown := _COMPRESSION.match(reason):
        name = COMPRESSIONS.get(int(unknown[1]))
        return not_supported(path, f"{name} compression" if name else f"compression number {unknown[1]}")
    if isinstance(error, NotImplementedError) or _UNSUPPORTED.search(reason):
        return not_supported(path, reason)
    return damaged(path, reason)


def _reason(error: Exception) -> str:
    """The first thing that the decoder said, in one line."""
    text = error.detail if isinstance(error, pyvips.Error) else str(error)
    if isinstance(error, pyvips.Error) and not text:  # its message names a function of libvips
        return "its header makes no sense"
    lines = [line.strip() for line in str(text).splitlines() if line.strip()]
    first = _SOURCE.sub("", lines[0]) if lines else type(error).__name__
    for start, meaning in _MEANINGS.items():
        if first.startswith(start):
            return meaning
    return first[:_LONGEST_REASON]
