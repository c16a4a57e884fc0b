"""Figures as a printed table and as CSV files."""

from dataclasses import replace
from pathlib import Path

import pytest

from sesr.errors import SesrError
from sesr.evaluation.evaluate import BICUBIC, MEASURED, OURS, PAPER, X4_SHRUNK, Evaluation, PictureRow, SetRow
from sesr.evaluation.protocol import Quality
from sesr.evaluation.table import text_table, write_csv, write_quality

SET5 = (
    SetRow("Set5", 3, BICUBIC, 33.66, 0.92991, 33.7, 33.5, MEASURED),
    SetRow("Set5", 3, OURS, 37.45678, 0.95901, 37.46321, 37.42, MEASURED),
    SetRow("Set5", 3, PAPER, 37.39, 0.9585, None, None, "recalled"),
)
OWN = (
    SetRow("own", 12, BICUBIC, 30.1, 0.9, 30.2, 30.0, MEASURED),
    SetRow("own", 12, OURS, 31.5, 0.91, 31.6, 31.4, MEASURED),
)
PICTURE = PictureRow("own", "a", OURS, Quality(psnr=31.12346, ssim=0.912346, psnr_y=31.2, psnr_y8=31.0))
EVALUATION = Evaluation("m5", 2, None, SET5 + OWN, (PICTURE,))


def notes(text: str) -> str:
    """Return what stands under the table, as one line."""
    return " ".join(text.split("\n\n", 1)[1].split())


def test_line_per_set() -> None:
    lines = text_table(EVALUATION).splitlines()
    assert lines[:4] == [
        "x2    pictures         bicubic              m5  8-bit Y             paper  to the paper",
        "Set5         3  33.66 / 0.9299  37.46 / 0.9590    37.42  [37.39 / 0.9585]    [+0.07 dB]",
        "own         12  30.10 / 0.9000  31.50 / 0.9100    31.40                 -             -",
        "",
    ]
    assert max(map(len, lines)) <= 100


def test_notes_say_how_certain_the_paper_is() -> None:
    text = notes(text_table(EVALUATION))
    assert "2 pixels shaved off each side" in text
    assert "DIV2K" in text
    assert "In brackets: figures of the paper that are quoted from memory" in text
    assert "Gray as RGB" not in text


def test_verified_figures_stand_without_brackets() -> None:
    paper = replace(SET5[2], status="verified/recalled")
    assert "  37.39 / [0.9585]      +0.07 dB" in text_table(replace(EVALUATION, rows=(*SET5[:2], paper)))


def test_gray_as_rgb_is_a_line_of_its_own() -> None:
    rgb = tuple(replace(row, set_name="own (gray as RGB)") for row in OWN)
    text = text_table(replace(EVALUATION, rows=OWN + rgb))
    assert [line.split("  ")[0] for line in text.splitlines()[1:3]] == ["own", "own (gray as RGB)"]
    assert "Gray as RGB: the same pictures" in notes(text)


def test_without_the_paper_there_is_no_column_for_it() -> None:
    text = text_table(replace(EVALUATION, name="mine", rows=OWN))
    assert text.splitlines()[0].split() == ["x2", "pictures", "bicubic", "mine", "8-bit", "Y"]
    assert "DIV2K" not in text


def test_x4_shrunk_is_a_column(tmp_path: Path) -> None:
    shrunk = SetRow("own", 12, X4_SHRUNK, 31.25, 0.905, 31.3, 31.2, MEASURED)
    text = text_table(replace(EVALUATION, scale=3, rows=(*OWN, shrunk)))
    assert text.splitlines()[0].endswith("8-bit Y    m5 x4 shrunk")
    assert text.splitlines()[1].endswith("31.25 / 0.9050")
    assert "shrunk to x3 by antialiased bicubic" in notes(text)


def test_sets_as_csv(tmp_path: Path) -> None:
    sets, _ = write_csv(EVALUATION, tmp_path / "new" / "results")
    assert sets.name == "m5_x2.csv"
    assert sets.read_bytes().decode().split("\n") == [
        "scale,set,images,method,psnr,ssim,psnr_y,psnr_y8,status",
        "2,Set5,3,bicubic,33.6600,0.92991,33.7000,33.5000,measured",
        "2,Set5,3,ours,37.4568,0.95901,37.4632,37.4200,measured",
        "2,Set5,3,paper,37.3900,0.95850,,,recalled",
        "2,own,12,bicubic,30.1000,0.90000,30.2000,30.0000,measured",
        "2,own,12,ours,31.5000,0.91000,31.6000,31.4000,measured",
        "",
    ]


def test_pictures_as_csv(tmp_path: Path) -> None:
    _, pictures = write_csv(EVALUATION, tmp_path)
    assert pictures.name == "m5_x2_pictures.csv"
    assert pictures.read_bytes().decode().split("\n") == [
        "scale,set,image,method,psnr,ssim,psnr_y,psnr_y8",
        "2,own,a,ours,31.1235,0.91235,31.2000,31.0000",
        "",
    ]


def test_several_networks_in_one_table(tmp_path: Path) -> None:
    path = write_quality([EVALUATION, replace(EVALUATION, name="m7", rows=OWN)], tmp_path)
    lines = path.read_text(encoding="utf-8").splitlines()
    assert path.name == "quality.csv"
    assert lines[0].startswith("network,scale,set,")
    assert [line.split(",")[0] for line in lines[1:]] == ["m5"] * 5 + ["m7"] * 2


def test_jpeg_is_in_every_name(tmp_path: Path) -> None:
    jpeg = replace(EVALUATION, jpeg=75, rows=OWN)
    assert text_table(jpeg).startswith("x2 jpeg75")
    assert "LR was JPEG of quality 75" in notes(text_table(jpeg))
    assert [path.name for path in write_csv(jpeg, tmp_path)] == ["m5_x2_jpeg75.csv", "m5_x2_jpeg75_pictures.csv"]
    assert write_quality([jpeg], tmp_path).name == "quality_jpeg75.csv"


def test_impossible_place(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(SesrError, match=r"file: tables cannot be written there"):
        write_csv(EVALUATION, tmp_path / "file")
    with pytest.raises(SesrError, match=r"quality\.csv: cannot be written"):
        write_quality([EVALUATION], tmp_path / "none")
