"""The benchmark of training runs equal steps in turns and counts their cost; figures that depend on the machine are not
tested."""

import csv
from pathlib import Path

import pytest

pytest.importorskip("torch")

import torch
from torch.nn import functional

from sesr.benchmarks.rows import write_rows
from sesr.benchmarks.training import FORMS, forward_macs, measure_training
from sesr.benchmarks.training_probe import StepMemory, Task
from sesr.errors import UsageError
from sesr.network.sesr import SESR
from sesr.network.variants import VARIANTS, Form, SESRConfig

CONFIG = SESRConfig(m=1, f=2, feature_size=8, scale=3)
TASK = Task(CONFIG, batch=2, crop=16, threads=1, compiled=False)
MEMORY = {
    "collapsed": StepMemory(10**6, 4 * 10**8),
    "delta": StepMemory(2 * 10**6, 4 * 10**8),
    "expanded": StepMemory(10**7, 5 * 10**8),
}


def memory_of(task: Task, form: Form) -> StepMemory:
    assert task == TASK
    return MEMORY[form]


def test_rows(tmp_path: Path) -> None:
    rows = measure_training(
        CONFIG, batch=2, crop=16, rounds=2, threads=1, compile_step=False, turn_seconds=0, memory_of=memory_of
    )
    assert [row.form for row in rows] == ["collapsed", "delta", "expanded"]
    assert rows[0].ratio == 1
    for row in rows:
        assert row.median_ms > 0
        assert row.forward_gmacs == round(forward_macs(CONFIG, 2, 16, row.form) / 1e9, 3)
        assert row.line().startswith(row.form)
    write_rows(rows, tmp_path / "training.csv")
    with (tmp_path / "training.csv").open(encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    assert {name: table[2][name] for name in table[2] if name not in ("median_ms", "ratio", "forward_gmacs")} == {
        "m": "1",
        "f": "2",
        "feature_size": "8",
        "scale": "3",
        "form": "expanded",
        "batch": "2",
        "crop": "16",
        "device": "cpu",
        "threads": "1",
        "compiled": "no",
        "rounds": "2",
        "activations_mb": "10.0",
        "peak_mb": "500",
    }


@pytest.mark.parametrize("form", ["delta", "expanded"])
def test_forms_have_the_same_gradients(form: Form) -> None:
    lr, hr = torch.rand(2, 1, 7, 9, dtype=torch.float64), torch.rand(2, 1, 21, 27, dtype=torch.float64)
    gradients = []
    for each in (FORMS[0], form):
        torch.manual_seed(0)
        network = SESR.from_config(CONFIG, each).double()
        torch.autograd.backward(functional.l1_loss(network(lr), hr))
        gradients.append([parameter.grad for parameter in network.parameters() if parameter.grad is not None])
        assert len(gradients[-1]) == len(list(network.parameters()))
    for collapsed, other in zip(*gradients, strict=True):
        torch.testing.assert_close(collapsed, other, rtol=1e-9, atol=1e-12)


def test_multiply_adds_of_m5() -> None:
    """The paper's 41.77 G and 1.84 G, for 32 crops of 64 x 64."""
    m5 = VARIANTS["m5"]
    assert forward_macs(m5, 32, 64, "expanded") / 1e9 == pytest.approx(41.77, abs=0.01)
    assert forward_macs(m5, 32, 64, "delta") / 1e9 == pytest.approx(1.84, abs=0.005)
    assert forward_macs(m5, 32, 64, "collapsed") / 1e9 == pytest.approx(1.78, abs=0.005)


@pytest.mark.parametrize("wrong", ["batch", "crop", "rounds"])
def test_refuses_numbers_below_one(wrong: str) -> None:
    with pytest.raises(UsageError, match=f"{wrong} must be at least 1, not 0"):
        measure_training(CONFIG, **{wrong: 0})  # type: ignore[arg-type]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_refuses_a_gpu_that_is_not_there() -> None:
    with pytest.raises(UsageError, match="no GPU here"):
        measure_training(CONFIG, device="cuda")
