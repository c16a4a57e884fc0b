"""`sesr evaluate`."""

import shutil
from pathlib import Path

import pytest
from tests.fakes import float_network

from sesr.cli import main
from sesr.network.checkpoint import load_checkpoint
from sesr.network.quantized import load_quantized
from sesr.network.variants import SESRConfig

Captured = pytest.CaptureFixture[str]


@pytest.mark.needs("export")
@pytest.mark.parametrize("engine", ["native", "litert"])
def test_evaluate_int8(int8_network: str, tmp_path: Path, pictures: str, engine: str, capsys: Captured) -> None:
    path = tmp_path / "tiny.safetensors"
    shutil.copy(int8_network, path)
    path.with_suffix(".tflite").touch()
    arguments = ["--data", pictures, "-o", str(tmp_path / "results"), "--int8", "--engine", engine, "--card"]
    assert main(["evaluate", str(path), *arguments]) == 0
    assert "bicubic" in capsys.readouterr().out
    assert 0 < load_quantized(path).card["psnr_db"]["pictures"] < 60
    assert path.with_suffix(".tflite").stat().st_size > 0, "the file next to it has the card too"


def test_evaluate(network: str, tmp_path: Path, pictures: str, capsys: Captured) -> None:
    assert main(["evaluate", network, "--data", pictures, "-o", str(tmp_path / "results")]) == 0
    assert "bicubic" in capsys.readouterr().out
    assert (tmp_path / "results" / "random_x2.csv").is_file()


def test_evaluate_several(network: str, tmp_path: Path, pictures: str, capsys: Captured) -> None:
    """Each has its own tables, and all have one."""
    out = tmp_path / "results"
    assert main(["evaluate", network, "m3", "-s", "2", "--data", pictures, "-o", str(out)]) == 0
    assert capsys.readouterr().out.endswith(f"all: {out}/quality.csv\n")
    rows = [line.split(",") for line in (out / "quality.csv").read_text().splitlines()]
    assert rows[0][:3] == ["network", "scale", "set"]
    assert [row[0] for row in rows[1:]] == ["random", "random", "m3", "m3"]
    alone = [line.split(",") for line in (out / "m3_x2.csv").read_text().splitlines()]
    assert [row[1:] for row in rows[3:]] == alone[1:]


def test_evaluate_against_x4(tmp_path: Path, pictures: str, capsys: Captured) -> None:
    """A network for x3 next to the shipped one for x4 of its name."""
    path = tmp_path / "sesr_m3_x3.safetensors"
    float_network(SESRConfig(m=3, scale=3)).save(path)
    rest = ["--data", pictures, "-o", str(tmp_path / "results"), "--against-x4"]
    assert main(["evaluate", str(path), *rest]) == 0
    assert "m3 x4 shrunk" in capsys.readouterr().out
    rows = [line.split(",") for line in (tmp_path / "results" / "m3_x3.csv").read_text().splitlines()]
    assert [row[3] for row in rows[1:]] == ["bicubic", "ours", "x4 shrunk"]
    elsewhere = tmp_path / "elsewhere"
    assert main(["evaluate", "m3", "-s", "4", *rest, "-o", str(elsewhere)]) == 2
    assert "take -s 3 or -s 2" in capsys.readouterr().err
    assert not elsewhere.exists()
    other = path.rename(tmp_path / "own.safetensors")
    assert main(["evaluate", str(other), *rest]) == 2
    assert "network 'own' is unknown" in capsys.readouterr().err


def test_evaluate_sharpened(network: str, tmp_path: Path, pictures: str, capsys: Captured) -> None:
    """By each amount; without any, the figures are the usual ones."""
    out = tmp_path / "results"
    rest = ["-s", "2", "--data", pictures, "-o", str(out)]
    assert main(["evaluate", network, "m3", *rest, "--sharpen", "0", "1", "0"]) == 0
    printed = capsys.readouterr().out
    assert "m3 x2        1" in printed
    assert printed.endswith(f"written: {out}/sharpen.csv\n")
    assert [path.name for path in out.iterdir()] == ["sharpen.csv"]
    head, *rows = [line.split(",") for line in (out / "sharpen.csv").read_text().splitlines()]
    assert head == ["network", "scale", "set", "images", "sharpen", "psnr", "ssim"]
    assert [(row[0], row[4]) for row in rows] == [("random", "0"), ("random", "1"), ("m3", "0"), ("m3", "1")]
    assert main(["evaluate", "m3", *rest]) == 0
    (usual,) = [line.split(",") for line in (out / "m3_x2.csv").read_text().splitlines() if ",ours," in line]
    assert rows[2][5:7] == usual[4:6]
    assert float(rows[3][5]) != float(rows[2][5])
    for option in ("--card", "--against-x4", "--round-input"):
        assert main(["evaluate", network, *rest, "--sharpen", "1", option]) == 2
        assert f"{option} has no place there" in capsys.readouterr().err


def test_evaluate_into_a_file(network: str, tmp_path: Path, pictures: str, capsys: Captured) -> None:
    (tmp_path / "table.csv").touch()
    assert main(["evaluate", network, "--data", pictures, "-o", str(tmp_path / "table.csv")]) == 2
    assert "table.csv: a file; -o takes the folder for the tables" in capsys.readouterr().err


@pytest.mark.needs("export")
def test_evaluate_what_cannot_be(network: str, tmp_path: Path, pictures: str, capsys: Captured) -> None:
    tflite = str(Path(network).with_suffix(".tflite"))
    rest = ["--data", pictures, "-o", str(tmp_path / "results")]
    assert main(["evaluate", tflite, "-s", "4", *rest]) == 2
    assert "a network for x2, not for x4" in capsys.readouterr().err
    assert main(["evaluate", network, network, *rest]) == 2
    assert "is asked for 2 times" in capsys.readouterr().err
    assert not (tmp_path / "results").exists()


@pytest.mark.needs("export")
def test_evaluate_writes_the_card(network: str, tmp_path: Path, pictures: str, capsys: Captured) -> None:
    path = tmp_path / "tiny.safetensors"
    shutil.copy(Path(network).with_suffix(".safetensors"), path)
    path.with_suffix(".tflite").touch()
    arguments = ["evaluate", str(path), "--data", pictures, "-o", str(tmp_path / "results"), "--card"]
    assert main(arguments) == 0
    assert capsys.readouterr().out.endswith(f"card: {path}\n")
    figures = load_checkpoint(path).card["psnr_db"]
    assert isinstance(figures, dict)
    assert 0 < figures["pictures"] < 60
    assert path.with_suffix(".tflite").stat().st_size > 0, "the file next to it has the card too"
    assert main(["evaluate", str(Path(network).with_suffix(".tflite")), *arguments[2:]]) == 2
