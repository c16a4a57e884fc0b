"""Colors and notes of any picture for any format: nothing changes its meaning, nothing vanishes without a word."""

import struct
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.sample_files import grey_profile, profile, whole_exif

from sesr.errors import PictureError
from sesr.files.fit import Fitted, fit
from sesr.files.formats import AVIF, BMP, FORMATS, GIF, HEIC, JPEG, JXL, PNG, TIFF, WEBP, Format
from sesr.metadata.cicp import Cicp
from sesr.metadata.record import Metadata

P3, PQ, HLG = Cicp(12, 13, 1), Cicp(9, 16, 9), Cicp(9, 18, 9)
GAMMA = (b"gAMA", struct.pack(">I", 100_000))
SRGB = (b"sRGB", b"\0")
LIGHT = (b"cLLI", struct.pack(">II", 6_000_000, 0))
BY_PROFILE = [JPEG, WEBP, TIFF, BMP, GIF, JXL]
"""Formats that describe colors by profile, or not at all: then the writer converts by it."""

MAKER = whole_exif()
IPTC = b"\x1c\2\x19\0\4word\x1c\2\x76\0\5phone"


def named(form: Format) -> str:
    return form.name


def fitted(form: Format, mode: str = "RGB", **said: Any) -> Fitted:  # noqa: ANN401  (fields of Metadata)
    return fit(Metadata(**said), form, mode)


@pytest.mark.parametrize("form", FORMATS, ids=named)
@pytest.mark.parametrize("own", [profile(), None])
def test_profile_and_nothing_stay_what_they_are(form: Format, own: bytes | None) -> None:
    assert fitted(form, icc=own) == Fitted(Metadata(icc=own))


@pytest.mark.parametrize("form", FORMATS, ids=named)
def test_srgb_needs_no_profile(form: Format) -> None:
    for said in ({"chunks": (SRGB, GAMMA)}, {"cicp": Cicp(1, 13)}):
        found = fitted(form, **said)
        assert (found.metadata.icc, found.convert, found.notes) == (None, None, ())


@pytest.mark.parametrize("codes", [P3, PQ, HLG, Cicp(1, 1, 1)])
@pytest.mark.parametrize("form", [AVIF, HEIC], ids=named)
def test_code_points_go_along_in_boxes(form: Format, codes: Cicp) -> None:
    assert fitted(form, cicp=codes, icc=profile(), chunks=(GAMMA,)) == Fitted(Metadata(cicp=codes))


@pytest.mark.parametrize("form", FORMATS, ids=named)
def test_brightness_that_is_neither_kept_nor_used_is_a_loss(form: Format) -> None:
    for codes in (P3, PQ):
        used = form is PNG or (codes == PQ and form in BY_PROFILE)
        found = fitted(form, cicp=codes, chunks=(LIGHT, (b"mDCV", bytes(24))))
        assert found.lost == (() if used else ("brightness (cLLI, mDCV)",))


@pytest.mark.parametrize("form", FORMATS, ids=named)
def test_what_was_not_read_is_a_loss(form: Format) -> None:
    found = fitted(form, unread=("gain map",))
    assert found == Fitted(Metadata(), lost=("gain map",))
    assert Metadata(unread=("gain map",)).without_notes().unread == ("gain map",)


def test_code_points_go_along_in_png_with_a_profile_for_old_programs() -> None:
    found = fitted(PNG, cicp=P3)
    assert found.metadata.cicp == P3
    assert found.metadata.icc == fitted(JPEG, cicp=P3).metadata.icc is not None
    assert fitted(PNG, cicp=P3, chunks=(GAMMA,)).metadata == Metadata(cicp=P3, chunks=(GAMMA,))
    assert fitted(PNG, cicp=PQ, chunks=(LIGHT,)).metadata == Metadata(cicp=PQ, chunks=(LIGHT,))


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
@pytest.mark.parametrize("said", [{"cicp": P3}, {"chunks": (GAMMA,)}, {"cicp": P3, "icc": profile()}])
@pytest.mark.parametrize("form", BY_PROFILE, ids=named)
def test_elsewhere_a_profile_is_made(form: Format, said: dict[str, Any], mode: str) -> None:
    found = fitted(form, mode, **said)
    assert found.metadata.icc is not None
    assert found.metadata.icc != profile()
    assert found.metadata.icc[16:20] == (b"GRAY" if mode in ("L", "LA") else b"RGB ")
    assert found.metadata == Metadata(icc=found.metadata.icc)
    assert (found.convert, found.notes) == (None, ())


@pytest.mark.parametrize("form", [AVIF, HEIC], ids=named)
def test_gamma_becomes_a_profile_in_boxes_too(form: Format) -> None:
    assert fitted(form, chunks=(GAMMA,)).metadata == fitted(JPEG, chunks=(GAMMA,)).metadata


def test_profile_ranks_above_gamma_and_below_code_points() -> None:
    assert fitted(JPEG, icc=profile(), chunks=(GAMMA,)).metadata.icc == profile()
    assert fitted(JPEG, icc=profile(), cicp=Cicp(1, 13)).metadata.icc is None


@pytest.mark.parametrize(("codes", "white"), [(PQ, 148), (HLG, 191)])  # 203 cd/m², which looks dull as sRGB
@pytest.mark.parametrize("form", BY_PROFILE, ids=named)
def test_hdr_is_mapped_to_srgb_and_says_so(form: Format, codes: Cicp, white: int) -> None:
    found = fitted(form, cicp=codes, icc=profile(), chunks=(LIGHT,))
    assert found.metadata == Metadata()
    assert found.convert is not None
    assert found.convert(np.full((2, 2, 3), white, np.uint8)).min() > 220
    assert len(found.notes) == 1
    assert {16: "PQ", 18: "HLG"}[codes.transfer] in found.notes[0]
    assert form.name in found.notes[0]


def test_brightness_of_the_file_is_used() -> None:
    gray = np.full((1, 1, 3), 160, np.uint8)
    plain, dimmer = (fitted(JPEG, cicp=PQ, chunks=chunks).convert for chunks in ((), (LIGHT,)))
    assert plain is not None
    assert dimmer is not None
    assert dimmer(gray).min() > plain(gray).min()


@pytest.mark.parametrize("form", [AVIF, HEIC, JPEG, TIFF], ids=named)
def test_narrow_range_is_stretched_where_only_png_can_say_it(form: Format) -> None:
    narrow = Cicp(12, 13, narrow=True)
    assert fitted(PNG, cicp=narrow).convert is None
    found = fitted(form, cicp=narrow)
    assert found.metadata == fitted(form, cicp=Cicp(12, 13)).metadata
    assert found.convert is not None
    assert found.convert(np.array([[[16, 235, 126]]], np.uint8)).tolist() == [[[0, 255, 128]]]


@pytest.mark.parametrize("form", BY_PROFILE, ids=named)
def test_colors_that_cannot_be_said_are_refused(form: Format) -> None:
    with pytest.raises(PictureError, match=f"{form.name} cannot express its colors.*write .png"):
        fitted(form, cicp=Cicp(10, 17))


def test_heic_refuses_code_points_that_its_library_does_not_know() -> None:
    for codes in (Cicp(99, 99), Cicp(10, 99)):
        assert fitted(AVIF, cicp=codes).metadata.cicp == codes
        for form in (HEIC, JPEG):
            with pytest.raises(PictureError, match=rf"{form.name} cannot express its colors.*write .png or .avif "):
                fitted(form, cicp=codes)
    with pytest.raises(PictureError, match=r"write .png, .heic or .avif instead"):
        fitted(JPEG, cicp=Cicp(10, 17))


def test_heic_gets_a_profile_for_primaries_that_only_we_know() -> None:
    found = fitted(HEIC, cicp=Cicp(22, 13)).metadata
    assert found == Metadata(icc=fitted(JPEG, cicp=Cicp(22, 13)).metadata.icc)
    assert found.icc is not None


@pytest.mark.parametrize("codes", [P3, PQ, HLG])
@pytest.mark.parametrize("form", FORMATS, ids=named)
def test_fitting_twice_changes_nothing(form: Format, codes: Cicp) -> None:
    once = fitted(form, cicp=codes, chunks=(LIGHT,), iptc=IPTC, comment=b"hello").metadata
    again = fit(once, form, "RGB")
    assert (again.metadata, again.convert, again.notes) == (once, None, ())


@pytest.mark.parametrize(
    ("form", "lost"),
    [
        (PNG, ("IPTC Contact",)),
        (JPEG, ("PNG text",)),
        (WEBP, ("IPTC Contact", "PNG text")),
        (TIFF, ("PNG text", "maker's notes")),
        (BMP, ("EXIF", "XMP", "IPTC", "comment", "PNG text")),
        (GIF, ("EXIF", "XMP", "IPTC", "PNG text")),
        (AVIF, ("IPTC Contact", "PNG text")),
        (HEIC, ("IPTC Contact", "PNG text")),
        (JXL, ("IPTC Contact", "PNG text")),
    ],
    ids=lambda value: value.name if isinstance(value, Format) else "",
)
def test_what_a_format_cannot_hold_is_listed(form: Format, lost: tuple[str, ...]) -> None:
    text = (b"tEXt", b"Author\0me")
    found = fitted(form, exif=MAKER, xmp=b"<rdf:RDF></rdf:RDF>", iptc=IPTC, comment=b"hello", chunks=(text, SRGB))
    assert found.lost == lost


@pytest.mark.parametrize("form", [PNG, WEBP, AVIF, HEIC, JXL, TIFF], ids=named)
def test_comment_becomes_the_description(form: Format) -> None:
    found = fitted(form, comment=b"Gr\xf6\xdfe\0").metadata
    assert found.comment is None
    assert found.xmp is not None
    assert '<dc:description><rdf:Alt><rdf:li xml:lang="x-default">Größe<' in found.xmp.decode()


@pytest.mark.parametrize("form", [PNG, WEBP, AVIF, HEIC, JXL], ids=named)
def test_iptc_becomes_xmp(form: Format) -> None:
    found = fitted(form, iptc=IPTC)
    assert found.metadata.iptc is None
    assert found.metadata.xmp is not None
    assert b"<dc:subject><rdf:Bag><rdf:li>word<" in found.metadata.xmp


@pytest.mark.parametrize("form", [JPEG, TIFF], ids=named)
def test_iptc_stays_iptc_where_it_has_a_place(form: Format) -> None:
    assert fitted(form, iptc=IPTC) == Fitted(Metadata(iptc=IPTC))


@pytest.mark.parametrize(("comment", "lost"), [(b"other", ("comment",)), (b"words", ()), (b" ", ())])
@pytest.mark.parametrize("form", [PNG, TIFF], ids=named)
def test_caption_ranks_above_a_comment(form: Format, comment: bytes, lost: tuple[str, ...]) -> None:
    assert fitted(form, iptc=b"\x1c\2\x78\0\5words", comment=comment).lost == lost


def test_own_xmp_ranks_above_iptc_and_comment() -> None:
    space = b'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:dc="http://purl.org/dc/elements/1.1/"'
    said = b"<dc:subject>own</dc:subject><dc:description>mine</dc:description>"
    own = b"<rdf:RDF %b><rdf:Description>%b</rdf:Description></rdf:RDF>" % (space, said)
    found = fitted(PNG, xmp=own, iptc=b"\x1c\2\x19\0\4word", comment=b"hello")
    assert found.metadata.xmp == own
    assert found.lost == ("IPTC Keywords", "comment")


def test_exif_on_layout_alone_is_no_loss() -> None:
    exif = Image.Exif()
    exif[0x0112], exif[282], exif[283], exif[296] = 6, 300, 300, 2
    exif.get_ifd(0x8769)[0xA002] = 40
    assert fitted(BMP, exif=exif.tobytes()[6:]).lost == ()
    exif[0x010F] = "Maker"
    assert fitted(BMP, exif=exif.tobytes()[6:]).lost == ("EXIF",)


def test_what_is_too_long_for_jpeg_is_listed() -> None:
    long = bytes(70_000)
    found = fitted(JPEG, xmp=long, iptc=long, comment=long)
    assert found.lost == ("XMP", "IPTC", "comment")
    entry = struct.pack("<HHHII", 1, 0x10F, 2, 70_000, 26)
    assert fitted(JPEG, exif=b"II*\0\x08\0\0\0" + entry + long).lost == ("EXIF",)


def test_profile_of_gray_stays() -> None:
    assert fitted(JPEG, "L", icc=grey_profile()).metadata.icc == grey_profile()
