"""The benchmark of recorded steps: its rows, on a CPU with a recorder that keeps the step. Times are not tested."""

import pytest

pytest.importorskip("torch")

import torch
from tests.training.recorders import Keeping

from sesr.benchmarks import gpu_training
from sesr.benchmarks.gpu_training import RecordedTraining, measure_gpu_training
from sesr.errors import UsageError


def measure(recorder: type = Keeping) -> list[RecordedTraining]:
    rows = measure_gpu_training(
        ["m3"], 3, 1, 8, "float32", rounds=2, device="cpu", compile_step=False, recorder=recorder
    )
    return list(rows)


def test_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_training, "STEPS", 6)
    (row,) = measure()
    assert (row.network, row.scale, row.batch, row.crop, row.precision) == ("m3", 3, 1, 8, "float32")
    assert (row.device, row.compiled, row.recorded, row.rounds) == ("cpu", "no", "yes", 2)
    assert row.single_ms > 0
    assert row.recorded_ms > 0
    assert 0 < row.ratio < 100
    assert row.line().startswith("m3       x3  single ")


def test_a_step_that_cannot_be_recorded_is_said_to_be_so(monkeypatch: pytest.MonkeyPatch) -> None:
    class Failing(Keeping):
        def record(self, step: object) -> None:  # type: ignore[override]
            raise RuntimeError("no graph")

    monkeypatch.setattr(gpu_training, "STEPS", 6)
    (row,) = measure(Failing)
    assert row.recorded == "no"
    assert row.line().endswith("(not recorded)")


@pytest.mark.parametrize("wrong", ["batch", "crop", "rounds"])
def test_refuses_numbers_below_one(wrong: str) -> None:
    with pytest.raises(UsageError, match=f"{wrong} must be at least 1, not 0"):
        list(measure_gpu_training(["m3"], **{wrong: 0}))  # type: ignore[arg-type]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_refuses_a_gpu_that_is_not_there() -> None:
    with pytest.raises(UsageError, match="no GPU here, and this benchmark needs one"):
        list(measure_gpu_training(["m3"]))
