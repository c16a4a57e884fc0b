"""The monitor: a run's log, which resumed runs continue, and its validations."""

import csv
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("tensorboard")

from tests.tiny_training import ALONE, RECIPE, column, rows, without_times

from sesr.training.learner import Learner
from sesr.training.monitor import Log, Monitor
from sesr.training.validation import Validation

pytestmark = pytest.mark.filterwarnings("ignore:.*:DeprecationWarning:tensorboard.*")


def write(folder: Path, first: int, last: int, done: int = 0) -> None:
    """Log steps, of a run that had done some before."""
    log = Log(folder, done)
    for step in range(first, last + 1):
        log.write(step, loss=1 / step, learning_rate=0.25)
    log.close()


def test_rows_hold_what_was_logged(tmp_path: Path) -> None:
    log = Log(tmp_path, 0)
    log.write(1, loss=1 / 3, learning_rate=2e-4)
    log.write(10, validation_psnr=31.25)
    log.close()
    assert without_times(tmp_path) == [
        {"step": "1", "loss": "0.33333333", "learning_rate": "0.0002", "validation_psnr": ""},
        {"step": "10", "loss": "", "learning_rate": "", "validation_psnr": "31.25"},
    ]
    assert list(tmp_path.glob("events.out.tfevents*"))


def test_a_resumed_run_drops_later_steps_and_continues_the_clock(tmp_path: Path) -> None:
    write(tmp_path, 1, 5)
    with (tmp_path / "log.csv").open("a", newline="") as file:
        csv.writer(file).writerow([3, 0.5, 0.25, "", 1000.5])  # the last line of step 3 counts
    write(tmp_path, 4, 4, done=3)
    assert [row["step"] for row in rows(tmp_path)] == ["1", "2", "3", "3", "4"]
    assert float(rows(tmp_path)[-1]["seconds"]) >= 1000.5


@pytest.mark.parametrize("torn", ["1", "4,0.25,", '4,0.25,0.25,,"'])
def test_a_torn_last_line_is_dropped(tmp_path: Path, torn: str) -> None:
    """It may be of step 18 or of step 1."""
    write(tmp_path, 1, 3)
    with (tmp_path / "log.csv").open("a") as file:
        file.write(torn)
    write(tmp_path, 4, 4, done=3)
    assert [row["step"] for row in rows(tmp_path)] == ["1", "2", "3", "4"]


def test_validation_is_logged_and_drawn(pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    watch, model = Validation(pictures, 2, RECIPE.data), Learner(RECIPE, ALONE, compile_step=False).mean_model()
    monitor = Monitor(tmp_path, {"pictures": watch}, 0)
    monitor.loss(1, 0.5, 1e-3)
    psnr_db = monitor.validate(1, model)["pictures"]
    monitor.close()
    assert psnr_db == pytest.approx(watch(model))
    assert f"step 1: validation {psnr_db:.3f} dB" in capsys.readouterr().out
    assert column(tmp_path, "validation_psnr") == pytest.approx([psnr_db])
    assert (tmp_path / "sharpening.png").is_file()


def test_without_pictures_nothing_is_measured(tmp_path: Path) -> None:
    monitor = Monitor(tmp_path, {}, 0)
    assert monitor.validate(1, Learner(RECIPE, ALONE, compile_step=False).mean_model()) == {}
    monitor.close()
    assert rows(tmp_path) == []


def test_several_sets_are_logged_each(pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And a resumed run keeps the columns of sets that it no longer has."""
    sets = {name: Validation(pictures / f"{name}.*", 2, RECIPE.data) for name in ("0", "1")}
    model = Learner(RECIPE, ALONE, compile_step=False).mean_model()
    monitor = Monitor(tmp_path, sets, 0)
    monitor.loss(1, 0.5, 1e-3)
    measured = monitor.validate(1, model)
    monitor.close()
    assert measured == {name: pytest.approx(measure(model)) for name, measure in sets.items()}
    assert column(tmp_path, "validation_psnr") == pytest.approx([(measured["0"] + measured["1"]) / 2])
    assert f"dB (0 {measured['0']:.3f}, 1 {measured['1']:.3f})" in capsys.readouterr().out
    assert list(rows(tmp_path)[0]) == [
        "step",
        "loss",
        "learning_rate",
        "validation_psnr",
        "psnr_0",
        "psnr_1",
        "seconds",
    ]
    write(tmp_path, 2, 2, done=1)
    assert column(tmp_path, "psnr_0") == pytest.approx([measured["0"]])
    assert [row["step"] for row in rows(tmp_path)] == ["1", "1", "2"]
