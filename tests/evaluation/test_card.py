"""Measured figures go into the network's own files."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from numpy.typing import NDArray
from PIL import Image

from sesr.errors import WeightsError
from sesr.evaluation.card import record
from sesr.evaluation.evaluate import Evaluation, evaluate
from sesr.network.checkpoint import load_checkpoint
from sesr.network.sesr import SESR
from sesr.tflite.writer import export_tflite, write_tflite


@pytest.fixture
def measured(tmp_path: Path) -> Evaluation:
    folder = tmp_path / "rings"
    folder.mkdir()
    y, x = np.mgrid[:40, :44]
    Image.fromarray((127 + 100 * np.sin(np.hypot(x, y))).astype(np.uint8)).save(folder / "rings.png")

    def nearest(luma: NDArray[np.float32]) -> NDArray[np.float32]:
        return luma.repeat(2, axis=0).repeat(2, axis=1)

    return evaluate(nearest, "net", folder, 2)


@pytest.mark.needs("export")
def test_figures_stand_in_both_files(tmp_path: Path, measured: Evaluation) -> None:
    torch.manual_seed(0)
    path = tmp_path / "net.safetensors"
    before = SESR(m=1, f=2, feature_size=4).collapse().to_checkpoint({"steps": 3})
    before.save(path)
    export_tflite(before, path.with_suffix(".tflite"))
    record(measured, path)
    after = load_checkpoint(path)
    ours = next(row for row in measured.rows if row.method == "ours")
    assert after.card == {"steps": 3, "psnr_db": {"rings": round(ours.psnr, 2)}}
    assert all(np.array_equal(after.tensors[name], tensor) for name, tensor in before.tensors.items())
    assert path.with_suffix(".tflite").read_bytes() == write_tflite(after)


def test_no_second_file_where_there_was_none(tmp_path: Path, measured: Evaluation) -> None:
    path = tmp_path / "net.safetensors"
    SESR(m=1, f=2, feature_size=4).collapse().to_checkpoint({}).save(path)
    record(measured, path)
    assert "psnr_db" in load_checkpoint(path).card
    assert not path.with_suffix(".tflite").exists()


def test_missing_network(tmp_path: Path, measured: Evaluation) -> None:
    with pytest.raises(WeightsError, match="no such file"):
        record(measured, tmp_path / "none.safetensors")
