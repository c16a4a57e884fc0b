"""The benchmark of training runs equal steps in turns, counts memory exactly and writes its table; figures that depend
on the machine are not tested."""

import csv
from pathlib import Path

import pytest

pytest.importorskip("torch")

import torch
from torch.nn import functional

from sesr.benchmarks import training_speed
from sesr.benchmarks.training_speed import FORMS, Contender, Task, measure_training, training_line, write_csv
from sesr.errors import EngineError, UsageError
from sesr.network.sesr import SESR
from sesr.network.variants import SESRConfig

CONFIG = SESRConfig(m=1, f=2, feature_size=8, scale=3)
TASK = Task(CONFIG, batch=2, crop=16, threads=1, compiled=False)


def test_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    memory: dict[Contender, tuple[int, int]] = {
        "sum": (10**6, 4 * 10**8),
        "delta": (2 * 10**6, 4 * 10**8),
        "expanded": (10**7, 5 * 10**8),
    }
    monkeypatch.setattr(training_speed, "_memory_elsewhere", lambda task, form: memory[form])
    monkeypatch.setattr(training_speed, "TURN_SECONDS", 0)
    rows = measure_training(CONFIG, batch=2, crop=16, rounds=2, threads=1, compile_step=False)
    assert [row.form for row in rows] == ["sum", "delta", "expanded"]
    assert rows[0].ratio == 1
    for row in rows:
        assert (row.task, row.rounds) == (TASK, 2)
        assert row.median_ms > 0
        assert (row.activations, row.peak) == memory[row.form]
        assert row.macs == CONFIG.training_macs(2, 16, row.form)
        assert training_line(row).startswith(row.form)
    write_csv(rows, tmp_path / "training.csv")
    with (tmp_path / "training.csv").open(encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    assert [row["form"] for row in table] == ["sum", "delta", "expanded"]
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
def test_contenders_have_the_same_gradients(form: Contender) -> None:
    lr, hr = torch.rand(2, 1, 7, 9, dtype=torch.float64), torch.rand(2, 1, 21, 27, dtype=torch.float64)
    gradients = []
    for contender in ("sum", form):
        torch.manual_seed(0)
        network = SESR.from_config(CONFIG, FORMS[contender]).double()
        torch.autograd.backward(functional.l1_loss(network(lr), hr))
        gradients.append([parameter.grad for parameter in network.parameters() if parameter.grad is not None])
        assert len(gradients[-1]) == len(list(network.parameters()))
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)


def test_activations_are_counted_exactly() -> None:
    """Beside parameters and batch a collapsed step keeps the convolutions' and the activation's inputs, their kernels
    and the prediction; an expanded one the wide features instead of the kernels."""
    pixels, f, p, k5, k3 = 2 * 16 * 16, 2, 8, 25, 9
    features = pixels * (1 + f + f + f + 9)  # shifted luma; inputs of convolution, activation, tail; prediction
    kernels = k5 * f + k3 * f * f + k5 * f * 9
    kept = {form: training_speed._kept_bytes(training_speed._measured(TASK, form)) for form in FORMS}
    assert kept["sum"] == 4 * (features + kernels)
    assert kept["expanded"] == 4 * (features + 3 * p * pixels)
    assert kept["sum"] < kept["delta"] < kept["expanded"]


def test_memory_in_a_fresh_process() -> None:
    activations, peak = training_speed._memory_elsewhere(TASK, "expanded")
    assert activations == training_speed._kept_bytes(training_speed._measured(TASK, "expanded"))
    assert 50e6 < peak < 5e9


def test_failure_in_the_fresh_process_is_one_line() -> None:
    with pytest.raises(EngineError, match=r"a training step, sum, failed: .*; for less memory take a smaller batch$"):
        training_speed._memory_elsewhere(Task(CONFIG, batch=0), "sum")


def test_turns_and_ratio(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that slows down threefold in the second round changes the times and not the ratio; a quick form takes
    more steps a turn."""
    clock = 0.0
    calls: list[str] = []

    def step(name: str, cost: float) -> training_speed.Step:
        def run() -> None:
            nonlocal clock
            calls.append(name)
            clock += cost * (3 if len(calls) > 7 else 1)

        return run

    monkeypatch.setattr("sesr.benchmarks.training_speed.time.perf_counter", lambda: clock)
    times = training_speed._take_turns({"sum": step("sum", 0.25), "expanded": step("expanded", 4.0)}, 2)
    assert calls == ["sum", "expanded"] + ["sum"] * 4 + ["expanded"] + ["sum"] * 2 + ["expanded"]
    assert times == {"sum": [0.25, 0.75], "expanded": [4, 12]}
    assert training_speed._summary(times["expanded"], times) == (8000, 16)


@pytest.mark.parametrize("wrong", ["batch", "crop", "rounds"])
def test_refuses_numbers_below_one(wrong: str) -> None:
    with pytest.raises(UsageError, match=f"{wrong} must be at least 1, not 0"):
        measure_training(CONFIG, **{wrong: 0})  # type: ignore[arg-type]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_refuses_a_gpu_that_is_not_there() -> None:
    with pytest.raises(UsageError, match="no GPU here"):
        measure_training(CONFIG, device="cuda")


@pytest.mark.slow
def test_compiled_step_is_counted_too() -> None:
    task = Task(CONFIG, batch=2, crop=16, threads=1, compiled=True)
    if not training_speed._prepared(task).compiled:
        pytest.skip("no compiler here")
    activations, _ = training_speed._memory_elsewhere(task, "expanded")
    assert activations >= 4 * 3 * 8 * 2 * 16 * 16  # the wide features
