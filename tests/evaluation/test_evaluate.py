"""From a folder to rows, a printed table and CSV files."""

import csv
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from sesr.errors import PictureError, SesrError
from sesr.evaluation.evaluate import BICUBIC, OURS, PAPER, Evaluation, evaluate
from sesr.evaluation.table import text_table, write_csv
from sesr.files.jpeg import through_jpeg
from sesr.imaging.resize import downscale, upscale


def bicubic_network(luma: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.clip(upscale(luma, 2), 0, 1)


def nearest_network(luma: NDArray[np.float32]) -> NDArray[np.float32]:
    return luma.repeat(2, axis=0).repeat(2, axis=1)


def fill(folder: Path, count: int) -> None:
    """An EDSR set of drawn pictures, the first one grey."""
    (folder / "HR").mkdir(parents=True)
    (folder / "LR_bicubic" / "X2").mkdir(parents=True)
    y, x = np.mgrid[:46, :52]
    for i in range(count):
        waves = [128 + 100 * np.sin(x / (2 + i + c)) * np.cos(y / (4 + c)) for c in range(3)]
        hr = np.stack(waves, axis=-1).astype(np.uint8)
        if i == 0:
            hr = hr[..., 0]
        Image.fromarray(hr).save(folder / "HR" / f"p{i}.png")
        Image.fromarray(downscale(hr, 2)).save(folder / "LR_bicubic" / "X2" / f"p{i}x2.png")


@pytest.fixture
def measured(tmp_path: Path) -> Evaluation:
    fill(tmp_path / "data" / "Set5", 3)
    fill(tmp_path / "data" / "own", 2)
    return evaluate(nearest_network, "m5", tmp_path / "data", 2)


def test_rows_in_order(measured: Evaluation) -> None:
    rows = [(row.set_name, row.images, row.method, row.status) for row in measured.rows]
    assert rows == [
        ("Set5", 3, BICUBIC, "measured"),
        ("Set5", 3, OURS, "measured"),
        ("Set5", 3, PAPER, "R"),
        ("own", 2, BICUBIC, "measured"),
        ("own", 2, OURS, "measured"),
    ]
    assert [(row.set_name, row.image) for row in measured.pictures[::2]] == [
        ("Set5", "p0"),
        ("Set5", "p1"),
        ("Set5", "p2"),
        ("own", "p0"),
        ("own", "p1"),
    ]


def test_set_rows_are_means_of_their_pictures(measured: Evaluation) -> None:
    for row in measured.rows:
        if row.method == PAPER:
            assert (row.psnr, row.ssim, row.psnr_y, row.psnr_y8) == (37.39, 0.9585, None, None)
            continue
        of_row = (p for p in measured.pictures if (p.set_name, p.method) == (row.set_name, row.method))
        values = [(p.quality.psnr, p.quality.ssim, p.quality.psnr_y, p.quality.psnr_y8) for p in of_row]
        mean = np.mean(values, axis=0).tolist()
        assert [row.psnr, row.ssim, row.psnr_y, row.psnr_y8] == pytest.approx(mean, rel=1e-12)


def test_network_that_repeats_pixels_is_worse_than_bicubic(measured: Evaluation) -> None:
    bicubic, ours = measured.rows[:2]
    assert ours.psnr < bicubic.psnr - 1
    assert ours.ssim < bicubic.ssim


def test_table(measured: Evaluation) -> None:
    lines = text_table(measured).splitlines()
    bicubic, ours = measured.rows[:2]
    assert " ".join(lines[0].split()) == "x2 pictures bicubic m5 8-bit Y paper status to the paper"
    figures = f"{bicubic.psnr:.2f} / {bicubic.ssim:.4f} {ours.psnr:.2f} / {ours.ssim:.4f} {ours.psnr_y8:.2f}"
    paper = f"37.39 / 0.9585 R {ours.psnr - 37.39:+.2f} dB"
    assert lines[1].split() == ["Set5", "3", *figures.split(), *paper.split()]
    assert lines[2].split()[-3:] == ["-", "-", "-"]
    assert len({len(line) for line in lines[:3]}) == 1
    notes = " ".join(lines[3:])
    assert "DIV2K" in notes
    assert "R: recalled" in notes
    assert max(map(len, lines)) <= 100


def test_table_without_the_paper(tmp_path: Path) -> None:
    fill(tmp_path / "own", 1)
    text = text_table(evaluate(bicubic_network, "mine", tmp_path, 2))
    assert text.splitlines()[0].split() == ["x2", "pictures", "bicubic", "mine", "8-bit", "Y"]
    assert "DIV2K" not in text


def test_csv_files(measured: Evaluation, tmp_path: Path) -> None:
    sets, pictures = write_csv(measured, tmp_path / "new" / "results")
    assert (sets.name, pictures.name) == ("m5_x2.csv", "m5_x2_pictures.csv")
    with sets.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["method"] for row in rows] == [row.method for row in measured.rows]
    assert float(rows[1]["psnr"]) == pytest.approx(measured.rows[1].psnr, abs=5.1e-5)
    assert rows[2] == {
        "scale": "2",
        "set": "Set5",
        "images": "3",
        "method": "paper",
        "psnr": "37.3900",
        "ssim": "0.95850",
        "psnr_y": "",
        "psnr_y8": "",
        "status": "R",
    }
    with pictures.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(measured.pictures) == 10
    assert float(rows[3]["psnr_y8"]) == pytest.approx(measured.pictures[3].quality.psnr_y8, abs=5.1e-5)


def test_same_figures_give_the_same_bytes(measured: Evaluation, tmp_path: Path) -> None:
    again = evaluate(nearest_network, "m5", tmp_path / "data", 2)
    first = [path.read_bytes() for path in write_csv(measured, tmp_path / "a")]
    assert first == [path.read_bytes() for path in write_csv(again, tmp_path / "b")]


def test_csv_in_an_impossible_place(measured: Evaluation, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(SesrError, match=r"file: tables cannot be written there"):
        write_csv(measured, tmp_path / "file")


def test_damaged_picture_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"not a picture")
    with pytest.raises(PictureError, match=r"broken\.png"):
        evaluate(bicubic_network, "m5", tmp_path, 2)


def test_bicubic_rows_of_the_papers(shared: Path) -> None:
    """With bicubic as the network, too: it differs from the baseline by what rounding is worth."""
    result = evaluate(bicubic_network, "m5", shared / "benchmark" / "Set5", 2)
    bicubic, ours, paper = result.rows
    assert (bicubic.images, round(bicubic.psnr, 2), paper.psnr) == (5, 33.67, 37.39)
    assert bicubic.ssim == pytest.approx(0.9303, abs=1e-4)
    assert 0 < ours.psnr - bicubic.psnr < 0.01
    assert ours.psnr_y is not None
    assert ours.psnr_y8 is not None
    assert ours.psnr_y8 < ours.psnr < ours.psnr_y


def test_lr_may_pass_through_jpeg(tmp_path: Path) -> None:
    """Every method sees it; the paper, which did not, is left out, and so are its names."""
    fill(tmp_path / "data" / "Set5", 3)
    seen: list[NDArray[np.float32]] = []

    def noting(luma: NDArray[np.float32]) -> NDArray[np.float32]:
        seen.append(luma)
        return nearest_network(luma)

    clean = evaluate(noting, "m5", tmp_path / "data", 2)
    jpeg = evaluate(noting, "m5", tmp_path / "data", 2, jpeg=30)
    assert [row.method for row in jpeg.rows] == [BICUBIC, OURS]
    assert all(worse.psnr < better.psnr - 0.5 for worse, better in zip(jpeg.rows, clean.rows, strict=False))
    with Image.open(tmp_path / "data" / "Set5" / "LR_bicubic" / "X2" / "p0x2.png") as lr:
        expected = through_jpeg(np.asarray(lr), 30).astype(np.float32) / 255
    np.testing.assert_allclose(seen[3], expected, atol=1e-6)
    assert "jpeg30" in text_table(jpeg)
    assert [path.name for path in write_csv(jpeg, tmp_path)] == ["m5_x2_jpeg30.csv", "m5_x2_jpeg30_pictures.csv"]
