"""The paper's figures: against the notes they came from, and how they are looked up."""

import csv
import re
from pathlib import Path

import pytest

from sesr.evaluation.published import RECALLED, VERIFIED, Published, bracketed, published
from sesr.network.variants import VARIANTS

SETS = ("Set5", "Set14", "BSD100")


def test_every_variant_has_every_cell() -> None:
    cells = [published(name, scale, s) for name in VARIANTS for scale in (2, 4) for s in SETS]
    assert len(cells) == 30
    assert None not in cells


def test_larger_networks_are_better() -> None:
    for scale in (2, 4):
        for s in SETS:
            figures = [cell.psnr for name in VARIANTS if (cell := published(name, scale, s)) is not None]
            assert figures == sorted(figures)
            assert len(figures) == 5


def test_names_in_any_case_and_what_is_not_there() -> None:
    assert published("M5", 2, "b100") == published("m5", 2, "BSD100")
    assert published("m5", 3, "Set5") is None
    assert published("mine", 2, "Set5") is None
    assert published("m5", 2, "holiday") is None


@pytest.mark.parametrize(
    ("cell", "status"),
    [
        (Published(1, 1), "recalled"),
        (Published(1, 1, "a plot"), "verified/recalled"),
        (Published(1, 1, None, "a page"), "recalled/verified"),
        (Published(1, 1, "a page", "a page"), "verified"),
    ],
)
def test_status_in_one_word(cell: Published, status: str) -> None:
    assert cell.status == status


@pytest.mark.parametrize(
    ("status", "text"),
    [
        ("recalled", "[37.39 / 0.9585]"),
        ("verified/recalled", "37.39 / [0.9585]"),
        ("recalled/verified", "[37.39] / 0.9585"),
        ("verified", "37.39 / 0.9585"),
    ],
)
def test_recalled_figures_stand_in_brackets(status: str, text: str) -> None:
    assert bracketed("37.39", "0.9585", status) == text


def test_twelve_of_thirty_are_verified() -> None:
    verified = {
        (name, scale, s)
        for name in VARIANTS
        for scale in (2, 4)
        for s in SETS
        if (cell := published(name, scale, s)) is not None and cell.psnr_source is not None
    }
    set14 = {(name, 2, "Set14") for name in VARIANTS}
    x4 = {(name, 4, s) for name in ("m3", "xl") for s in SETS}
    assert verified == {*set14, *x4, ("m3", 2, "Set5")}


def test_tables_of_results_hold_these_figures() -> None:
    """After a change of these figures, `sesr evaluate` has to write the tables again."""
    folder = Path(__file__).parents[2] / "results"
    papers = 0
    for path in folder.glob("*_x[24].csv"):
        with path.open(encoding="utf-8") as file:
            for row in csv.DictReader(file):
                if row.get("method") == "paper":
                    cell = published(path.stem.rsplit("_", 1)[0], int(row["scale"]), row["set"])
                    assert cell is not None
                    found = (float(row["psnr"]), float(row["ssim"]), row["status"])
                    assert found == (cell.psnr, cell.ssim, cell.status), path
                    papers += 1
    assert papers == 30


def test_figures_and_statuses_equal_the_notes(shared: Path) -> None:
    """The notes mark each figure V or V2 (read, quoted) or R (recalled); one mark at the end counts for both."""
    notes = (shared.parent / "reference" / "field.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (M3|M5|M7|M11|XL) \|[^|]*\|[^|]*\|(.*)$", notes.split("## 1.3")[0], re.MULTILINE)
    assert [name for name, _ in rows] == ["M3", "M5", "M7", "M11", "XL"] * 2
    for place, (name, rest) in enumerate(rows):
        for s, text in zip(SETS, rest.split("|")[:3], strict=True):
            psnr, ssim = text.replace("*", "").replace(",", "").split("/")
            ssim_words, psnr_words = ssim.split(), psnr.split()
            marks = [words[1] if len(words) > 1 else ssim_words[1] for words in (psnr_words, ssim_words)]
            status = [RECALLED if mark == "R" else VERIFIED for mark in marks]
            cell = published(name, 2 if place < 5 else 4, s)
            assert cell is not None
            assert (cell.psnr, cell.ssim) == (float(psnr_words[0]), float(ssim_words[0]))
            assert cell.status == (status[0] if len({*status}) == 1 else "/".join(status)), (name, s)
