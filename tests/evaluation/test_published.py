"""The paper's figures: against the notes they came from, and how they are looked up."""

import re
from pathlib import Path

import pytest

from sesr.evaluation.published import Published, published
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
        (Published(1, 1), "R"),
        (Published(1, 1, "V"), "V/R"),
        (Published(1, 1, "V2", "V2"), "V2"),
    ],
)
def test_status_in_one_word(cell: Published, status: str) -> None:
    assert cell.status == status


def test_surest_cells() -> None:
    statuses = {
        (name, scale, s): cell.status
        for name in VARIANTS
        for scale in (2, 4)
        for s in SETS
        if (cell := published(name, scale, s)) is not None and cell.status != "R"
    }
    set14 = {(name, 2, "Set14"): "V/R" for name in VARIANTS}
    xl = {("xl", 4, s): "V2" for s in SETS}
    assert statuses == {**set14, **xl, ("m3", 2, "Set5"): "V2/R"}


def test_figures_equal_the_notes(shared: Path) -> None:
    notes = (shared.parent / "reference" / "published.md").read_text(encoding="utf-8")
    row = re.compile(r"^\| \*\*SESR-(\w+)\*\*[^|]*\|[^|]*\|[^|]*\|(.*)$", re.MULTILINE)
    rows = row.findall(notes)
    assert [name for name, _ in rows] == ["M3", "M5", "M7", "M11", "XL"] * 2
    for place, (name, rest) in enumerate(rows):
        cells = [cell.replace("*", "").strip().split("/") for cell in rest.split("|")[:3]]
        for s, (decibels, similarity) in zip(SETS, cells, strict=True):
            cell = published(name, 2 if place < 5 else 4, s)
            assert cell is not None
            assert (cell.psnr, cell.ssim) == (float(decibels), float(similarity))
