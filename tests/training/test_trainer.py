"""Training on small drawn pictures: it learns, resumes exactly, and refuses what cannot be."""

import csv
import dataclasses
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from PIL import Image

from sesr.data.settings import DataRecipe
from sesr.errors import DataError, TrainingError
from sesr.imaging.metrics import psnr
from sesr.network.checkpoint import load_checkpoint
from sesr.network.quantized import load_quantized
from sesr.network.reference import run_int8
from sesr.network.sesr import SESR, CollapsedSESR
from sesr.network.variants import Activation, SESRConfig
from sesr.tflite.writer import write_tflite
from sesr.training.checkpoint import Sources
from sesr.training.learner import Learner, learning_rate
from sesr.training.processes import Processes
from sesr.training.recipe import CardRecipe, Recipe, TrainingRecipe, load_recipe
from sesr.training.trainer import RunOptions, resume
from sesr.training.trainer import train as train_from
from sesr.training.validation import Validation

pytestmark = [
    pytest.mark.needs("export"),
    pytest.mark.filterwarnings("ignore:.*:DeprecationWarning:tensorboard.*"),
]

EAGER = RunOptions(device="cpu", compile_step=False)
RECIPE = Recipe(
    SESRConfig(m=1, f=4, feature_size=8),
    DataRecipe(crop=16),
    TrainingRecipe(
        steps=30,
        batch=4,
        learning_rate=2e-3,
        warmup=5,
        schedule="cosine",
        amsgrad=False,
        ema=0.999,
        validate_every=10,
        checkpoint_minutes=0,
    ),
    CardRecipe(name="tiny", data="drawn", licence="Apache-2.0"),
)


ALONE = Processes(torch.device("cpu"))


def train(
    recipe: Recipe,
    data: Path,
    validation: Path | None,
    run: Path,
    options: RunOptions,
    init_from: Path | None = None,
    teacher: Path | None = None,
) -> Path:
    sources = Sources(str(data), str(validation) if validation else None)
    return train_from(recipe, sources, run, options, init_from=init_from, teacher=teacher)


def with_training(**changes: object) -> Recipe:
    return dataclasses.replace(RECIPE, training=dataclasses.replace(RECIPE.training, **changes))  # type: ignore[arg-type]


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Three drawn pictures of rings, each finer than the last."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    y, x = np.mgrid[0:64, 0:80]
    for index in range(3):
        rings = 127 + 110 * np.sin(np.hypot(x - 10 * index, y - 20) * (0.3 + 0.2 * index))
        Image.fromarray(rings.astype(np.uint8)).save(folder / f"{index}.png")
    return folder


def rows(run: Path) -> list[dict[str, str]]:
    with (run / "log.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def without_times(run: Path) -> list[dict[str, str]]:
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows(run)]


def test_learning_rate_schedules() -> None:
    cosine = TrainingRecipe(steps=110, warmup=10, learning_rate=1.0, schedule="cosine")
    assert [learning_rate(cosine, step) for step in (0, 4, 9, 10)] == pytest.approx([0.1, 0.5, 1.0, 1.0])
    assert learning_rate(cosine, 60) == pytest.approx(0.5)
    assert learning_rate(cosine, 109) == pytest.approx(0, abs=3e-4)
    constant = dataclasses.replace(cosine, schedule="constant")
    assert [learning_rate(constant, step) for step in (0, 10, 109)] == pytest.approx([0.1, 1.0, 1.0])


def test_run_writes_what_it_promises(pictures: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    path = train(RECIPE, pictures, pictures, run, EAGER)
    assert path == run / "sesr_tiny_x2.safetensors"
    assert path.with_suffix(".tflite").stat().st_size > 1000
    assert list(run.glob("events.out.tfevents*"))
    checkpoint = load_checkpoint(path)
    assert checkpoint.card["steps"] == 30
    assert checkpoint.card["licence"] == "Apache-2.0"
    log = rows(run)
    validations = [float(row["validation_psnr"]) for row in log if row["validation_psnr"]]
    assert [int(row["step"]) for row in log if row["loss"]] == list(range(1, 31))
    assert [int(row["step"]) for row in log if row["validation_psnr"]] == [10, 20, 30]
    assert checkpoint.card["validation_db"] == pytest.approx(validations[-1], abs=1e-3)


def test_it_learns(pictures: Path, tmp_path: Path) -> None:
    recipe = with_training(steps=200, validate_every=100, checkpoint_minutes=9, ema=0.9)
    train(recipe, pictures, pictures, tmp_path / "run", EAGER)
    losses = [float(row["loss"]) for row in rows(tmp_path / "run") if row["loss"]]
    assert losses[-1] < 0.6 * np.mean(losses[:5])


class _Killed(BaseException):
    """Stands for a kill at a given step."""


def train_until_killed(
    recipe: Recipe,
    pictures: Path,
    run: Path,
    killed_at: int,
    monkeypatch: pytest.MonkeyPatch,
    init_from: Path | None = None,
    teacher: Path | None = None,
) -> None:
    step = Learner.step

    def dying(self: Learner, number: int, lr: torch.Tensor, hr: torch.Tensor) -> torch.Tensor:
        if number == killed_at:
            raise _Killed
        return step(self, number, lr, hr)

    with monkeypatch.context() as patch:
        patch.setattr(Learner, "step", dying)
        with pytest.raises(_Killed):
            train(recipe, pictures, pictures, run, EAGER, init_from, teacher)


@pytest.mark.parametrize("killed_at", [1, 17])
def test_resume_is_exact(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, killed_at: int) -> None:
    whole = train(RECIPE, pictures, pictures, tmp_path / "whole", EAGER)
    train_until_killed(RECIPE, pictures, tmp_path / "broken", killed_at, monkeypatch)
    resumed = resume(tmp_path / "broken", EAGER)
    assert resumed.read_bytes() == whole.read_bytes()
    assert without_times(tmp_path / "broken") == without_times(tmp_path / "whole")


@pytest.mark.slow
def test_resume_after_sigkill_is_exact(pictures: Path, tmp_path: Path) -> None:
    """A real kill of a real process, somewhere in the middle of a compiled run."""
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(
        '[network]\nm = 1\nf = 4\nfeature_size = 8\n[data]\ncrop = 16\n[card]\nname = "tiny"\n'
        "[training]\nsteps = 400\nbatch = 4\nema = 0.99\ncheckpoint_minutes = 0.0\nvalidate_every = 50\n"
    )

    def command(run: Path, *more: str) -> list[str]:
        arguments = ["--data", str(pictures), "--validation", str(pictures), "--run", str(run), "--device", "cpu"]
        return [sys.executable, "-m", "sesr", "train", str(recipe), *arguments, *more]

    whole, broken = tmp_path / "whole", tmp_path / "broken"
    subprocess.run(command(whole), check=True, capture_output=True)
    process = subprocess.Popen(command(broken), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while len(rows(broken) if (broken / "log.csv").exists() else []) < 40:
        assert process.poll() is None, "ended before it could be killed"
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (broken / "sesr_tiny_x2.safetensors").exists()
    subprocess.run([sys.executable, "-m", "sesr", "train", "--resume", str(broken)], check=True, capture_output=True)
    name = "sesr_tiny_x2.safetensors"
    assert (broken / name).read_bytes() == (whole / name).read_bytes()
    assert without_times(broken) == without_times(whole)


def test_mean_is_the_running_mean(pictures: Path) -> None:
    learner = Learner(with_training(ema=0.75), ALONE, compile_step=False)
    expected = [mean.clone() for mean in learner.mean]
    for number in range(3):
        learner.step(number, torch.rand(2, 1, 8, 8), torch.rand(2, 1, 16, 16))
        weights = [parameter.detach() for parameter in learner.parameters]
        kept = min(0.75, (1 + number) / (10 + number))
        expected = [kept * mean + (1 - kept) * now for mean, now in zip(expected, weights, strict=True)]
    for mean, value in zip(learner.mean, expected, strict=True):
        torch.testing.assert_close(mean, value)
    collapsed = learner.mean_model()
    assert isinstance(collapsed, CollapsedSESR)
    kernel = (expected[2 - 1] @ expected[0].flatten(1)).view_as(collapsed.head.weight)
    torch.testing.assert_close(collapsed.head.weight.detach(), kernel, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("form", ["expanded", "delta"])
def test_all_forms_reach_the_same_weights(form: str) -> None:
    """Over 20 steps from the same seed, in double precision, where rounding cannot hide a difference."""
    learners = [
        Learner(with_training(form=kind, learning_rate=1e-3), ALONE, compile_step=False) for kind in ("collapsed", form)
    ]
    for learner in learners:
        learner.network.double()
        learner.mean = [mean.double() for mean in learner.mean]
        learner._criterion = lambda prediction, hr: (prediction.double() - hr).abs().mean()
    for number in range(20):
        torch.manual_seed(number)
        lr, hr = torch.rand(2, 1, 12, 12).double(), torch.rand(2, 1, 24, 24).double()
        for learner in learners:
            learner.step(number, lr, hr)
    for one, other in zip(*(learner.parameters for learner in learners), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-7)


def collapsed(learner: Learner) -> CollapsedSESR:
    assert isinstance(learner.network, SESR)
    return learner.network.collapse()


@pytest.mark.parametrize("form", ["expanded", "delta"])
def test_all_forms_reach_the_same_weights_within_rounding(form: str) -> None:
    """As training runs, in single precision: kernels differ by less than a hundredth of what 20 steps changed."""
    kinds = ("collapsed", form)
    learners = [Learner(with_training(form=kind, learning_rate=1e-3), ALONE, compile_step=False) for kind in kinds]
    start = collapsed(learners[0]).state_dict()
    for number in range(20):
        torch.manual_seed(number)
        lr, hr = torch.rand(2, 1, 12, 12), torch.rand(2, 1, 24, 24)
        for learner in learners:
            learner.step(number, lr, hr)
    one, other = (collapsed(learner).state_dict() for learner in learners)
    for name in start:
        assert float((one[name] - other[name]).abs().max()) < 0.01 * float((one[name] - start[name]).abs().max()), name


@pytest.mark.slow
def test_compiled_step_computes_the_same() -> None:
    learners = [Learner(RECIPE, ALONE, compile_step=compiled) for compiled in (False, True)]
    for number in range(3):
        torch.manual_seed(number)
        lr, hr = torch.rand(2, 1, 12, 12), torch.rand(2, 1, 24, 24)
        losses = [float(learner.step(number, lr, hr)) for learner in learners]
        assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_refusals(pictures: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    with pytest.raises(TrainingError, match="not a run"):
        resume(run, EAGER)
    train(with_training(steps=2, warmup=0), pictures, None, run, EAGER)
    with pytest.raises(TrainingError, match="holds a run already; go on with it by --resume"):
        train(RECIPE, pictures, None, run, EAGER)
    Image.new("L", (64, 64)).save(pictures / "more.png")
    with pytest.raises(TrainingError, match="was trained on other images"):
        resume(run, EAGER)
    (run / "checkpoint.pt").write_bytes(b"torn")
    with pytest.raises(TrainingError, match=r"checkpoint\.pt: not a whole checkpoint of this version"):
        resume(run, EAGER)


def test_a_checkpoint_is_never_of_a_diverged_run(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between two lines of the log, long after the first hundred steps."""
    step = Learner.step

    def blown_up(self: Learner, number: int, lr: torch.Tensor, hr: torch.Tensor) -> torch.Tensor:
        loss = step(self, number, lr, hr)
        if number == 120:
            with torch.no_grad():
                self.parameters[0].fill_(torch.nan)
        return loss

    monkeypatch.setattr(Learner, "step", blown_up)
    with pytest.raises(TrainingError, match="diverged near step 121"):
        train(with_training(steps=160), pictures, None, tmp_path / "run", EAGER)
    saved = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)
    assert saved["step"] == 120
    assert all(value.isfinite().all() for value in saved["network"].values())


def test_resume_between_lines_of_the_log(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = with_training(steps=200, schedule="constant")
    whole = train(recipe, pictures, pictures, tmp_path / "whole", EAGER)
    train_until_killed(recipe, pictures, tmp_path / "broken", 150, monkeypatch)
    assert len(torch.load(tmp_path / "broken" / "checkpoint.pt", weights_only=True)["losses"]) == 50
    resumed = resume(tmp_path / "broken", EAGER)
    assert without_times(tmp_path / "broken") == without_times(tmp_path / "whole")
    assert resumed.read_bytes() == whole.read_bytes()
    again = resume(tmp_path / "broken", EAGER)
    assert again.read_bytes() == whole.read_bytes()


def test_bad_pictures_are_named_before_the_first_step(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny = tmp_path / "tiny"
    tiny.mkdir()
    Image.new("L", (4, 30)).save(tiny / "t.png")
    with pytest.raises(DataError, match=r"t\.png: too small to validate on"):
        train(RECIPE, pictures, tiny, tmp_path / "run", EAGER)
    Image.new("CMYK", (64, 64)).save(pictures / "inks.tif")
    assert not (tmp_path / "run").exists()
    train(with_training(steps=1, warmup=0), pictures, None, tmp_path / "run", EAGER)
    assert "inks.tif: its colours are CMYK" in capsys.readouterr().out


def test_weights_that_fit_no_picture_are_told_of(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = dataclasses.replace(RECIPE.data, sampling="pixels", weights=(("0.*", 4.0), ("bsd200_*", 8.0)))
    recipe = dataclasses.replace(with_training(steps=2, warmup=0), data=data)
    train(recipe, pictures, None, tmp_path / "run", EAGER)
    told = [line for line in capsys.readouterr().out.splitlines() if line.startswith("[data]")]
    assert told == ["[data] weights: bsd200_* is the first match of none of these images, and has no effect"]
    assert load_recipe(tmp_path / "run" / "recipe.toml").data.weights == data.weights


def test_start_from_another_run(pictures: Path, tmp_path: Path) -> None:
    first = train(RECIPE, pictures, pictures, tmp_path / "first", EAGER)
    still = with_training(steps=1, warmup=1, learning_rate=1e-30, loss="l2", init_from="first")
    second = train(still, pictures, pictures, tmp_path / "second", EAGER, tmp_path / "first")
    one, other = load_checkpoint(first), load_checkpoint(second)
    assert all(np.array_equal(one.tensors[name], other.tensors[name]) for name in one.tensors)
    assert (one.card.get("init_from"), other.card["init_from"]) == (None, "first")
    wider = dataclasses.replace(still, network=dataclasses.replace(still.network, f=5))
    with pytest.raises(TrainingError, match="first: a network with f = 4, to train is one with 5"):
        train(wider, pictures, None, tmp_path / "third", EAGER, tmp_path / "first")
    assert not (tmp_path / "third").exists()


def test_learning_from_a_teacher(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run keeps its teacher, so that it goes on alike when the teacher's file is gone."""
    teacher = train(with_training(steps=200, ema=0.9), pictures, None, tmp_path / "first", EAGER)
    taught = with_training(teacher="first", steps=400, learning_rate=1e-2, ema=0.9)
    with pytest.raises(TrainingError, match="learns from first, and nothing was found for it"):
        train(taught, pictures, None, tmp_path / "whole", EAGER)
    whole = train(taught, pictures, pictures, tmp_path / "whole", EAGER, teacher=teacher)
    losses = [float(row["loss"]) for row in rows(tmp_path / "whole") if row["loss"]]
    assert losses[-1] < 0.1 * losses[0], "what can be learnt whole is learnt"
    assert load_checkpoint(whole).card["teacher"] == "first"
    train_until_killed(taught, pictures, tmp_path / "broken", 17, monkeypatch, teacher=teacher)
    kept = tmp_path / "broken" / "teacher.safetensors"
    content = kept.read_bytes()
    kept.unlink()
    with pytest.raises(
        TrainingError, match=r"teacher\.safetensors: the run's teacher is missing; put first back there"
    ):
        resume(tmp_path / "broken", EAGER)
    kept.write_bytes(whole.read_bytes())
    with pytest.raises(TrainingError, match="was trained on other images, or by another teacher"):
        resume(tmp_path / "broken", EAGER)
    kept.write_bytes(content)
    teacher.unlink()
    assert resume(tmp_path / "broken", EAGER).read_bytes() == whole.read_bytes()


def test_x4_starts_from_x2(pictures: Path, tmp_path: Path) -> None:
    """The weights really arrive, in the network that is trained and in the one that is written."""
    train(RECIPE, pictures, None, tmp_path / "x2", EAGER)
    x4 = dataclasses.replace(
        with_training(steps=1, warmup=1, learning_rate=1e-30),
        network=dataclasses.replace(RECIPE.network, scale=4),
        data=DataRecipe(crop=10),
    )
    path = train(x4, pictures, None, tmp_path / "x4", EAGER, tmp_path / "x2")
    small, large = (load_checkpoint(file).tensors for file in (tmp_path / "x2" / "sesr_tiny_x2.safetensors", path))
    for name in small:
        assert np.array_equal(small[name], large[name]) == (not name.startswith("tail")), name
    fresh = train(x4, pictures, None, tmp_path / "fresh", EAGER)
    assert not np.array_equal(load_checkpoint(fresh).tensors["head.weight"], small["head.weight"])


def test_a_runs_recipe_trains_the_same_again(pictures: Path, tmp_path: Path) -> None:
    """Epochs are written down as steps; nothing is left to defaults."""
    recipe = dataclasses.replace(
        RECIPE,
        data=DataRecipe(crop=16, sampling="images", crops_per_image=4),
        training=TrainingRecipe(epochs=2, batch=3, validate_every=0),
    )
    first = train(recipe, pictures, pictures, tmp_path / "first", EAGER)
    written = load_recipe(tmp_path / "first" / "recipe.toml")
    assert (written.training.steps, written.training.validate_every) == (8, 4)
    assert [int(row["step"]) for row in rows(tmp_path / "first") if row["validation_psnr"]] == [4, 8]
    second = train(written, pictures, pictures, tmp_path / "second", EAGER)
    assert first.read_bytes() == second.read_bytes()


def test_a_weighted_run_notices_other_names(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same pictures under other names are drawn otherwise."""
    data = dataclasses.replace(RECIPE.data, sampling="pixels", weights=(("0.*", 4.0),))
    recipe = dataclasses.replace(RECIPE, data=data)
    whole = train(recipe, pictures, None, tmp_path / "whole", EAGER)
    train_until_killed(recipe, pictures, tmp_path / "broken", 9, monkeypatch)
    (pictures / "0.png").rename(pictures / "00.png")
    with pytest.raises(TrainingError, match="was trained on other images"):
        resume(tmp_path / "broken", EAGER)
    (pictures / "00.png").rename(pictures / "0.png")
    one, other = load_checkpoint(whole).tensors, load_checkpoint(resume(tmp_path / "broken", EAGER)).tensors
    assert all(np.array_equal(one[name], other[name]) for name in one)


def test_a_moved_run_goes_on_with_moved_pictures(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train(RECIPE, pictures, None, tmp_path / "whole", EAGER)
    train_until_killed(RECIPE, pictures, tmp_path / "broken", 9, monkeypatch)
    (tmp_path / "broken").rename(tmp_path / "moved")
    pictures.rename(tmp_path / "album")
    with pytest.raises(DataError, match="no such folder"):
        resume(tmp_path / "moved", EAGER)
    resumed = resume(tmp_path / "moved", EAGER, str(tmp_path / "album"), str(tmp_path / "album"))
    one, other = load_checkpoint(whole).tensors, load_checkpoint(resumed).tensors
    assert all(np.array_equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("precision", ["tf32", "bfloat16"])
def test_precisions_train_nearly_alike(pictures: Path, tmp_path: Path, precision: str) -> None:
    losses = []
    for kind in ("float32", precision):
        train(with_training(precision=kind), pictures, pictures, tmp_path / kind, EAGER)
        losses.append([float(row["loss"]) for row in rows(tmp_path / kind) if row["loss"]])
    assert losses[0] == pytest.approx(losses[1], rel=0.02)
    assert (losses[0] == losses[1]) == (precision == "tf32")  # a processor knows no tf32


def test_a_tflite_of_the_asked_size(pictures: Path, tmp_path: Path) -> None:
    options = dataclasses.replace(EAGER, tflite_size=(30, 40))
    path = train(with_training(steps=1, warmup=0), pictures, None, tmp_path / "run", options)
    assert path.with_name("sesr_tiny_x2_30x40.tflite").is_file()


RELU = dataclasses.replace(RECIPE.network, activation="relu")
NEWTON = {"optimizer": "gauss-newton", "loss": "rmse", "curvature_crops": 2, "learning_rate": 1e-3, "warmup": 0}


@pytest.mark.parametrize("activation", ["relu", "prelu"])
def test_an_int8_run_ends_in_the_network_that_it_validated(
    pictures: Path, tmp_path: Path, activation: Activation
) -> None:
    """Its decibels are those of the integer reference on the files that it wrote, to the last digit."""
    kind = dataclasses.replace(RECIPE.network, activation=activation)
    recipe = dataclasses.replace(with_training(quant_w=True, quant_a=True), network=kind, card=CardRecipe())
    path = train(recipe, pictures, pictures, tmp_path / "run", EAGER)
    assert path.name == f"sesr_{kind.int8_name}_x2.safetensors"
    network = load_quantized(path)
    assert network.config == kind
    assert network.card["name"] == kind.int8_name
    assert path.with_suffix(".tflite").read_bytes() == write_tflite(network)
    watch = Validation(pictures, 2, recipe.data)
    measured = [
        psnr(run_int8(network, np.rint(lr[0, 0].numpy() * 255).astype(np.uint8)).astype(np.float64), hr, shave=2)
        for hr, lr in watch.pictures
    ]
    validations = [float(row["validation_psnr"]) for row in rows(tmp_path / "run") if row["validation_psnr"]]
    assert validations[-1] == pytest.approx(np.mean(measured), abs=2e-4)
    assert network.card["validation_db"] == pytest.approx(np.mean(measured), abs=6e-4)


@pytest.mark.parametrize("alone", ["quant_w", "quant_a"])
def test_one_kind_of_quantisation_alone_writes_a_float_network(pictures: Path, tmp_path: Path, alone: str) -> None:
    """To see what each costs; it trains, and what it writes can be run."""
    path = train(with_training(steps=3, warmup=0, **{alone: True}), pictures, pictures, tmp_path / "run", EAGER)
    assert load_checkpoint(path).config == RECIPE.network


@pytest.mark.parametrize("killed_at", [1, 17])
def test_an_int8_run_resumes_exactly(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, killed_at: int
) -> None:
    """Its ranges are its own, not measured again."""
    recipe = dataclasses.replace(with_training(quant_w=True, quant_a=True), network=RELU)
    whole = train(recipe, pictures, pictures, tmp_path / "whole", EAGER)
    train_until_killed(recipe, pictures, tmp_path / "broken", killed_at, monkeypatch)
    resumed = resume(tmp_path / "broken", EAGER)
    assert resumed.read_bytes() == whole.read_bytes()
    assert resumed.with_suffix(".tflite").read_bytes() == whole.with_suffix(".tflite").read_bytes()
    assert without_times(tmp_path / "broken") == without_times(tmp_path / "whole")


@pytest.mark.parametrize("killed_at", [1, 17])
def test_a_gauss_newton_run_resumes_exactly(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, killed_at: int
) -> None:
    """Its curvature is measured where the run started, from another run's weights here."""
    first = train(with_training(steps=3, warmup=0), pictures, None, tmp_path / "first", EAGER)
    recipe = with_training(**NEWTON, init_from="first")
    whole = train(recipe, pictures, pictures, tmp_path / "whole", EAGER, tmp_path / "first")
    train_until_killed(recipe, pictures, tmp_path / "broken", killed_at, monkeypatch, tmp_path / "first")
    resumed = resume(tmp_path / "broken", EAGER)
    assert resumed.read_bytes() == whole.read_bytes()
    assert without_times(tmp_path / "broken") == without_times(tmp_path / "whole")
    assert not np.array_equal(
        load_checkpoint(first).tensors["head.weight"], load_checkpoint(whole).tensors["head.weight"]
    )


def test_gauss_newton_learns(pictures: Path, tmp_path: Path) -> None:
    """From a network that Adam trained a little, in steps that Adam would need many times as many for."""
    adam = with_training(steps=40, warmup=0, checkpoint_minutes=9, validate_every=40, learning_rate=1e-3)
    train(adam, pictures, pictures, tmp_path / "adam", EAGER)
    newton = with_training(
        **NEWTON | {"learning_rate": 0.1, "curvature_crops": 256}, validate_every=30, ema=0.8, init_from="adam"
    )
    train(newton, pictures, pictures, tmp_path / "newton", EAGER, tmp_path / "adam")
    before, after = (
        float([row["validation_psnr"] for row in rows(tmp_path / name) if row["validation_psnr"]][-1])
        for name in ("adam", "newton")
    )
    assert after > before + 0.1


def test_a_float_run_starts_from_an_int8_run(pictures: Path, tmp_path: Path) -> None:
    """And int8 from float: only the network is taken, ranges are measured anew."""
    still = {"steps": 1, "warmup": 1, "learning_rate": 1e-30}
    quantised = {"quant_w": True, "quant_a": True}
    train(with_training(steps=4, warmup=0, **quantised), pictures, None, tmp_path / "int8", EAGER)
    path = train(with_training(**still, init_from="int8"), pictures, None, tmp_path / "float", EAGER, tmp_path / "int8")
    again = train(
        with_training(**still, **quantised, init_from="float"), pictures, None, tmp_path / "again", EAGER, path.parent
    )
    kernel, integers = load_checkpoint(path).tensors["head.weight"], load_quantized(again).head
    scale = integers.weight_scale[:, None, None, None]
    np.testing.assert_allclose(integers.weight * scale, kernel, rtol=0, atol=float(scale.max()) * 0.51)
    saved = torch.load(tmp_path / "int8" / "checkpoint.pt", weights_only=True)["mean"]
    first = SESR.from_config(RECIPE.network)
    with torch.no_grad():
        for parameter, value in zip(first.parameters(), saved, strict=False):
            parameter.copy_(value)
    np.testing.assert_allclose(first.collapse().head.weight.detach().numpy(), kernel, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("optimizer", ["adam", "soap"])
def test_every_optimizer_resumes_exactly(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, optimizer: str
) -> None:
    recipe = with_training(optimizer=optimizer)
    whole = train(recipe, pictures, pictures, tmp_path / "whole", EAGER)
    train_until_killed(recipe, pictures, tmp_path / "broken", 25, monkeypatch)
    assert resume(tmp_path / "broken", EAGER).read_bytes() == whole.read_bytes()


def test_losses_are_what_they_are_called() -> None:
    lr, hr = torch.rand(2, 1, 8, 8), torch.rand(2, 1, 16, 16)
    for loss, power, root in (("l1", 1, 1), ("l2", 2, 1), ("rmse", 2, 2)):
        learner = Learner(with_training(loss=loss), ALONE, compile_step=False)
        with torch.no_grad():
            error = (learner.network(lr) - hr).abs().pow(power)
            expected = error.mean((1, 2, 3)).pow(1 / root).mean()
        assert float(learner.step(0, lr, hr)) == pytest.approx(float(expected), rel=1e-5)


def test_divergence_stops_with_a_clear_line(pictures: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="the training diverged near step"):
        train(with_training(learning_rate=1e30, warmup=0), pictures, None, tmp_path / "run", EAGER)


def test_a_torn_log_does_not_stop_a_resumed_run(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train(RECIPE, pictures, pictures, tmp_path / "whole", EAGER)
    train_until_killed(RECIPE, pictures, tmp_path / "broken", 17, monkeypatch)
    with (tmp_path / "broken" / "log.csv").open("a") as file:
        file.write("1")  # of step 18, or of step 1
    assert resume(tmp_path / "broken", EAGER).read_bytes() == whole.read_bytes()
    assert without_times(tmp_path / "broken") == without_times(tmp_path / "whole")


def test_gradients_keep_their_place() -> None:
    """A step recorded as a CUDA graph adds to them where they lie."""
    learner = Learner(RECIPE, ALONE, compile_step=False)
    places = [parameter.grad.data_ptr() for parameter in learner.parameters if parameter.grad is not None]
    for number in range(3):
        learner.step(number, torch.rand(2, 1, 8, 8), torch.rand(2, 1, 16, 16))
    assert len(places) == len(learner.parameters)
    assert places == [parameter.grad.data_ptr() for parameter in learner.parameters if parameter.grad is not None]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_a_gpu_steps_as_a_processor_does() -> None:
    learners = [Learner(RECIPE, Processes(torch.device(name)), compile_step=name == "cuda") for name in ("cpu", "cuda")]
    for number in range(6):
        torch.manual_seed(number)
        lr, hr = torch.rand(2, 1, 12, 12), torch.rand(2, 1, 24, 24)
        losses = [
            float(learner.step(number, *(batch.to(learner.processes.device) for batch in (lr, hr))))
            for learner in learners
        ]
        assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_a_step_that_does_not_compile_is_run_as_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(function: object, mode: str) -> object:
        def fail(*_: torch.Tensor) -> torch.Tensor:
            raise RuntimeError("Python.h: No such file")

        return fail

    monkeypatch.setattr(torch, "compile", broken)
    lr, hr = torch.rand(2, 1, 8, 8), torch.rand(2, 1, 16, 16)
    losses = [
        [float(learner.step(number, lr, hr)) for number in range(3)]
        for learner in (Learner(RECIPE, ALONE, compile_step=compiled) for compiled in (True, False))
    ]
    assert losses[0] == losses[1]
    assert capsys.readouterr().out.count("steps are not compiled") == 1


@pytest.mark.parametrize("place", ["taken", "taken/below"])
def test_a_run_folder_that_cannot_be_is_found_early(pictures: Path, tmp_path: Path, place: str) -> None:
    (tmp_path / "taken").touch()
    with pytest.raises(TrainingError, match=f"{place}: cannot be made"):
        train(RECIPE, pictures, None, tmp_path / place, EAGER)
