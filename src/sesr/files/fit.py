"""Fit a picture's colors and notes to the format that they go into.

No pixel may change its meaning on the way from one format to another, and nothing may vanish without a word. `fit`
decides for one picture and one format:

- *Colors.* Where the format stores the same kind of description, the description goes along (`sesr.metadata.cicp`).
  Where it stores ICC profiles only, a profile is made from the description (`sesr.metadata.icc`). HDR, which no such
  profile expresses, is tone-mapped to sRGB (`sesr.metadata.tone`), and a note says so. Formats without profiles get an
  ICC profile too: `write_picture` then converts the pixels by it.
- *Notes.* IPTC and comments become XMP where a format has no other place for them (`sesr.metadata.iptc`). What is left
  is listed in `Fitted.lost`.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from sesr.errors import PictureError
from sesr.files.encoders import EXIF_NAME, XMP_NAME, fits_segment
from sesr.files.formats import HEIC, JPEG, TIFF, Format
from sesr.imaging.arrays import Pixels
from sesr.metadata.cicp import COLOR_CHUNKS, Color, color_of_chunks
from sesr.metadata.exif import compact_exif, has_maker_notes, says_more_than_layout
from sesr.metadata.icc import color_profile
from sesr.metadata.iptc import decoded, name_behind, wrapped_iptc, xmp_properties
from sesr.metadata.record import BRIGHTNESS_CHUNKS, Metadata, brightest
from sesr.metadata.tone import to_full_range, tone_mapping
from sesr.metadata.xmp import ALTERNATIVES, Property, with_properties


@dataclass(frozen=True)
class Fitted:
    """Metadata that a format can hold, and what it took.

    Attributes:
        metadata: what to write.
        convert: changes pixels of uint8 or uint16, (rows, width) or (rows, width, channels), before they are written;
            None where they stay.
        notes: what happened to the pixels, for a person to read.
        lost: what the picture said and the file will not, for a person to read.
    """

    metadata: Metadata
    convert: Callable[[Pixels], Pixels] | None = None
    notes: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()


def fit(metadata: Metadata, form: Format, mode: str) -> Fitted:
    """Fit metadata to a format, for a picture of mode L, LA, RGB or RGBA.

    Raises `PictureError`, without a file's name, for colors that the format cannot express and that are not known here.
    """
    noted, lost = _fit_notes(metadata, form)
    fitted = _fit_colors(replace(noted, unread=()), form, gray=mode in ("L", "LA"))
    return replace(fitted, lost=(*lost, *fitted.lost, *metadata.unread))


def profile_for(metadata: Metadata, *, gray: bool) -> bytes | None:
    """Return the ICC profile that says what a picture's numbers mean; None for sRGB.

    Colors that no profile expresses count as sRGB. Narrow-range numbers are taken as stretched.
    """
    if metadata.cicp is None:
        return metadata.icc or _profile(color_of_chunks(metadata.chunks), gray=gray)
    color = metadata.cicp.color()
    return None if color is None or color.curve is None else _profile(replace(color, narrow=False), gray=gray)


def _fit_colors(metadata: Metadata, form: Format, *, gray: bool) -> Fitted:
    if form.color_codes == "cicp":
        return Fitted(_with_fallback_profile(metadata, gray=gray))
    bare = replace(metadata, cicp=None, chunks=_without_colors(metadata.chunks))
    names = sorted(name.decode() for name, _ in metadata.chunks if name in BRIGHTNESS_CHUNKS)
    lost = (f"brightness ({', '.join(names)})",) if names else ()
    if metadata.cicp is None:
        return Fitted(replace(bare, icc=profile_for(metadata, gray=gray)), lost=lost)
    widened = to_full_range if metadata.cicp.narrow else None
    codes = metadata.cicp.for_heic() if form is HEIC else metadata.cicp
    if form.color_codes == "nclx" and codes is not None:  # which a profile would overrule there
        return Fitted(replace(bare, icc=None, cicp=replace(codes, narrow=False)), widened, lost=lost)
    color = metadata.cicp.color()
    if color is None:
        said = f"CICP primaries {metadata.cicp.primaries} and transfer {metadata.cicp.transfer}"
        able = ".png or .avif" if metadata.cicp.for_heic() is None else ".png, .heic or .avif"
        raise PictureError(f"{form.name} cannot express its colors ({said}); write {able} instead")
    if color.hdr is not None:
        note = f"HDR ({color.hdr}) was tone-mapped to sRGB, since {form.name} cannot express it"
        return Fitted(replace(bare, icc=None), tone_mapping(color, brightest(metadata.chunks)), (note,))
    return Fitted(replace(bare, icc=profile_for(metadata, gray=gray)), widened, lost=lost)


def _with_fallback_profile(metadata: Metadata, *, gray: bool) -> Metadata:
    """Add an ICC profile next to code points that come from HEIC or AVIF.

    It says the same. Programs that do not know PNG's young chunk cICP go by the profile.
    """
    alone = metadata.icc is None and not any(name in COLOR_CHUNKS for name, _ in metadata.chunks)
    color = metadata.cicp.color() if metadata.cicp is not None and alone else None
    if color is None or color.hdr is not None or color.narrow:
        return metadata
    return replace(metadata, icc=_profile(color, gray=gray))


def _profile(color: Color, *, gray: bool) -> bytes | None:
    """Make a profile; none for sRGB, which is what programs assume."""
    return None if color.is_srgb else color_profile(color, gray=gray)


def _without_colors(chunks: tuple[tuple[bytes, bytes], ...]) -> tuple[tuple[bytes, bytes], ...]:
    return tuple(chunk for chunk in chunks if chunk[0] not in COLOR_CHUNKS + BRIGHTNESS_CHUNKS)


def _fit_notes(metadata: Metadata, form: Format) -> tuple[Metadata, tuple[str, ...]]:
    """Move notes to where the format keeps them, and name those without a place."""
    moved, lost = _as_xmp(metadata, form) if "XMP" in form.notes else (metadata, [])
    said = {"EXIF": says_more_than_layout(moved.exif), "XMP": moved.xmp, "IPTC": moved.iptc, "comment": moved.comment}
    lost += [name for name, content in said.items() if content and name not in form.notes]
    if "text" not in form.notes and any(name not in COLOR_CHUNKS + BRIGHTNESS_CHUNKS for name, _ in moved.chunks):
        lost.append("PNG text")
    if form is TIFF and has_maker_notes(moved.exif):
        lost.append("maker's notes")
    if form is JPEG:
        lost += _too_long(moved)
    return moved, tuple(lost)


def _as_xmp(metadata: Metadata, form: Format) -> tuple[Metadata, list[str]]:
    """Translate IPTC and a comment into XMP where the format has no place of their own for them."""
    said, unknown = xmp_properties(metadata.iptc) if metadata.iptc else ([], [])
    captions = [each.values[0].strip() for each in said if each.name == "dc:description"]
    wanted: list[Property] = []
    lost: list[str] = []
    if metadata.iptc is not None and "IPTC" not in form.notes:
        metadata, wanted, lost = replace(metadata, iptc=None), said, unknown
    caption = None
    if metadata.comment is not None and "comment" not in form.notes:
        text = decoded(metadata.comment).strip()
        metadata = replace(metadata, comment=None)
        if text and not captions:
            caption = Property("dc:description", ALTERNATIVES, (text,))
            wanted = [*wanted, caption]
        elif text and captions != [text]:
            lost = [*lost, "comment"]
    xmp, left_out = with_properties(metadata.xmp, wanted)
    lost = lost + ["comment" if each is caption else name_behind(each.name) for each in left_out]
    return replace(metadata, xmp=xmp), lost


def _too_long(metadata: Metadata) -> list[str]:
    """Name what does not fit into a JPEG's segment."""
    lost = []
    if not fits_segment(metadata.exif, EXIF_NAME):
        shorter = compact_exif(metadata.exif)
        lost.append("maker's notes" if shorter is not None and fits_segment(shorter, EXIF_NAME) else "EXIF")
    iptc = None if metadata.iptc is None else wrapped_iptc(metadata.iptc)
    said = (("XMP", metadata.xmp, XMP_NAME), ("IPTC", iptc, b""), ("comment", metadata.comment, b""))
    for name, content, prefix in said:
        if not fits_segment(content, prefix):
            lost.append(name)
    return lost
