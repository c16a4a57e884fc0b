"""A training step's memory is counted exactly, and alike in a fresh process."""

import pytest

pytest.importorskip("torch")

from sesr.benchmarks.training import FORMS
from sesr.benchmarks.training_probe import Task, count_activations, make_step, prepare, step_memory
from sesr.errors import EngineError
from sesr.network.variants import SESRConfig

CONFIG = SESRConfig(m=1, f=2, feature_size=8, scale=3)
TASK = Task(CONFIG, batch=2, crop=16, threads=1, compiled=False)


def test_activations_are_counted_exactly() -> None:
    """Apart from parameters and batch, a collapsed step saves the inputs of convolutions and activations, the kernels
    and the prediction; an expanded one saves the wide features instead of the kernels."""
    pixels, f, p, k5, k3 = 2 * 16 * 16, 2, 8, 25, 9
    features = pixels * (1 + f + f + f + 9)  # shifted luma; inputs of convolution, activation, tail; prediction
    kernels = k5 * f + k3 * f * f + k5 * f * 9
    saved = {form: count_activations(make_step(TASK, form)) for form in FORMS}
    assert saved["collapsed"] == 4 * (features + kernels)
    assert saved["expanded"] == 4 * (features + 3 * p * pixels)
    assert saved["collapsed"] < saved["delta"] < saved["expanded"]


def test_memory_in_a_fresh_process() -> None:
    memory = step_memory(TASK, "expanded")
    assert memory.activations == count_activations(make_step(TASK, "expanded"))
    assert 50e6 < memory.peak < 5e9


def test_failure_in_the_fresh_process_is_one_line() -> None:
    with pytest.raises(EngineError, match=r"a training step, collapsed, failed: .*; for less memory take a smaller"):
        step_memory(Task(CONFIG, batch=0), "collapsed")


@pytest.mark.slow
def test_compiled_step_is_counted_too() -> None:
    task = Task(CONFIG, batch=2, crop=16, threads=1, compiled=True)
    if not prepare(task).compiled:
        pytest.skip("no compiler here")
    assert step_memory(task, "expanded").activations >= 4 * 3 * 8 * 2 * 16 * 16  # the wide features
