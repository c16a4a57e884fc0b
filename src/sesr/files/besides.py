"""Pictures that a JPEG or HEIC holds besides the one that is read, to be reported as lost.

A camera's MPO is several JPEGs in one file (CIPA DC-007): the other eye's view, or a gain map, which makes a picture
brighter on bright screens. HEIC has gain maps as auxiliary images. Smaller copies of the same picture are no loss.
"""

from PIL import Image

_GAIN_MAP = b"urn:iso:std:iso:ts:21496:-1"
_GAIN_MAP_XMP = (b"hdrgm:", b"HDRGainMap")
"""Names of gain maps in a segment (ISO 21496-1), and in XMP by Adobe and Apple."""
_COPY = "Large Thumbnail"
_ENTRIES = 0xB002


def left_behind(image: Image.Image) -> tuple[str, ...]:
    """Name what an opened MPO or HEIC holds besides its current picture, for a person to read."""
    gains = [str(urn) for urn in image.info.get("aux", ()) if "gainmap" in str(urn).lower()]
    others, here = 0, image.tell()
    for index in range(int(getattr(image, "n_frames", 1))):
        if index == here or _is_copy(image, index):
            continue
        try:
            image.seek(index)
        except Exception:  # Pillow's readers raise nearly anything where an editor has cut a picture off
            continue
        if _is_gain_map(image):
            gains.append("")
        else:
            others += 1
    image.seek(here)
    counted = [f"{others} other picture{'s' if others > 1 else ''}"] if others else []
    return (*(["gain map"] if gains else []), *counted)


def _is_copy(image: Image.Image, index: int) -> bool:
    entries = (getattr(image, "mpinfo", None) or {}).get(_ENTRIES, [])
    return index < len(entries) and str(entries[index]["Attribute"]["MPType"]).startswith(_COPY)


def _is_gain_map(image: Image.Image) -> bool:
    xmp = image.info.get("xmp") or b""
    segments = (content for _, content in getattr(image, "applist", ()))
    marked = isinstance(xmp, bytes) and any(name in xmp for name in _GAIN_MAP_XMP)
    return marked or any(content.startswith(_GAIN_MAP) for content in segments)
