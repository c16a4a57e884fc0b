"""Runs on small drawn pictures: they learn, resume exactly, and refuse what does not fit."""

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
from tests.tiny_training import (
    EAGER,
    RECIPE,
    RELU,
    column,
    rows,
    train,
    train_until_killed,
    with_training,
    without_times,
)

import sesr.training
from sesr.data.crops import Batch
from sesr.data.settings import DataRecipe
from sesr.errors import DataError, TrainingError, UsageError
from sesr.imaging.metrics import psnr
from sesr.network.checkpoint import load_checkpoint
from sesr.network.quantized import load_quantized
from sesr.network.reference import run_int8
from sesr.network.sesr import SESR, CollapsedSESR
from sesr.network.variants import Activation, SESRConfig
from sesr.tflite.writer import write_tflite
from sesr.training.learner import Learner
from sesr.training.optimizers import curvature
from sesr.training.optimizers.curvature import keeps_gradients
from sesr.training.recipe import CardRecipe, TrainingRecipe
from sesr.training.recipe_file import load_recipe
from sesr.training.run import resume
from sesr.training.validation import Validation

pytestmark = [
    pytest.mark.needs("export"),
    pytest.mark.filterwarnings("ignore:.*:DeprecationWarning:tensorboard.*"),
]


def test_run_writes_what_it_promises(pictures: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    path = train(RECIPE, pictures, pictures, run)
    assert path == run / "sesr_tiny_x2.safetensors"
    assert path.with_suffix(".tflite").stat().st_size > 1000
    assert list(run.glob("events.out.tfevents*"))
    checkpoint = load_checkpoint(path)
    assert checkpoint.card["steps"] == 30
    assert checkpoint.card["licence"] == "Apache-2.0"
    log = rows(run)
    validations = column(run, "validation_psnr")
    assert [int(row["step"]) for row in log if row["loss"]] == list(range(1, 31))
    assert [int(row["step"]) for row in log if row["validation_psnr"]] == [10, 20, 30]
    assert checkpoint.card["validation_db"] == pytest.approx(validations[-1], abs=1e-3)


def test_it_learns(pictures: Path, tmp_path: Path) -> None:
    recipe = with_training(steps=200, validate_every=100, checkpoint_minutes=9, ema=0.9)
    train(recipe, pictures, pictures, tmp_path / "run")
    losses = column(tmp_path / "run", "loss")
    assert losses[-1] < 0.6 * np.mean(losses[:5])


@pytest.mark.parametrize("killed_at", [1, 17])
def test_resume_is_exact(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, killed_at: int) -> None:
    whole = train(RECIPE, pictures, pictures, tmp_path / "whole")
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
        "[training]\nsteps = 120\nbatch = 4\nema = 0.99\ncheckpoint_minutes = 0.0\nvalidate_every = 60\n"
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


def test_refusals(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = tmp_path / "run"
    with pytest.raises(TrainingError, match="not a run"):
        resume(run, EAGER)
    train_until_killed(with_training(steps=2, warmup=0), pictures, run, 1, monkeypatch)
    with pytest.raises(TrainingError, match="holds a run already; go on with it by --resume"):
        train(RECIPE, pictures, None, run)
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

    def blown_up(self: Learner, number: int, batch: Batch) -> torch.Tensor:
        loss = step(self, number, batch)
        if number == 120:
            with torch.no_grad():
                self.parameters[0].fill_(torch.nan)
        return loss

    monkeypatch.setattr(Learner, "step", blown_up)
    with pytest.raises(TrainingError, match="diverged near step 121"):
        train(with_training(steps=160), pictures, None, tmp_path / "run")
    saved = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)
    assert saved["step"] == 120
    assert all(value.isfinite().all() for value in saved["network"].values())


def test_resume_between_lines_of_the_log(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = with_training(steps=200, schedule="constant")
    whole = train(recipe, pictures, pictures, tmp_path / "whole")
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
        train(RECIPE, pictures, tiny, tmp_path / "run")
    Image.new("CMYK", (64, 64)).save(pictures / "inks.tif")
    assert not (tmp_path / "run").exists()
    train(with_training(steps=1, warmup=0), pictures, None, tmp_path / "run")
    assert "inks.tif: " in capsys.readouterr().out


def test_weights_that_fit_no_picture_are_reported(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = dataclasses.replace(RECIPE.data, sampling="pixels", weights=(("0.*", 4.0), ("bsd200_*", 8.0)))
    recipe = dataclasses.replace(with_training(steps=2, warmup=0), data=data)
    train(recipe, pictures, None, tmp_path / "run")
    told = [line for line in capsys.readouterr().out.splitlines() if line.startswith("[data]")]
    assert told == ["[data] weights: bsd200_* is the first match of none of these images, and has no effect"]
    assert load_recipe(tmp_path / "run" / "recipe.toml").data.weights == data.weights


def test_start_from_another_run(pictures: Path, tmp_path: Path) -> None:
    first = train(RECIPE, pictures, pictures, tmp_path / "first")
    still = with_training(steps=1, warmup=1, learning_rate=1e-30, loss="l2", init_from=str(tmp_path / "first"))
    second = train(still, pictures, pictures, tmp_path / "second")
    one, other = load_checkpoint(first), load_checkpoint(second)
    assert all(np.array_equal(one.tensors[name], other.tensors[name]) for name in one.tensors)
    assert (one.card.get("init_from"), other.card["init_from"]) == (None, str(tmp_path / "first"))
    wider = dataclasses.replace(still, network=dataclasses.replace(still.network, f=5))
    with pytest.raises(TrainingError, match="first: a network with f = 4, to train is one with 5"):
        train(wider, pictures, None, tmp_path / "third")
    assert not (tmp_path / "third").exists()


@pytest.mark.slow
def test_learning_from_a_teacher(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run keeps its teacher, so that it continues alike when the teacher's file is gone."""
    teacher = train(with_training(steps=200, ema=0.9), pictures, None, tmp_path / "first")
    taught = with_training(teacher=str(teacher), steps=400, learning_rate=1e-2, ema=0.9)
    train(taught, pictures, None, tmp_path / "long")
    losses = column(tmp_path / "long", "loss")
    assert losses[-1] < 0.1 * losses[0], "what can be learned whole is learned"
    taught = with_training(teacher=str(teacher), steps=40, learning_rate=1e-2, ema=0.9)
    whole = train(taught, pictures, pictures, tmp_path / "whole")
    assert load_checkpoint(whole).card["teacher"] == str(teacher)
    train_until_killed(taught, pictures, tmp_path / "broken", 17, monkeypatch)
    kept = tmp_path / "broken" / "teacher.safetensors"
    content = kept.read_bytes()
    kept.unlink()
    with pytest.raises(
        TrainingError, match=rf"teacher\.safetensors: the run's teacher is missing; put {teacher} back there"
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
    train(RECIPE, pictures, None, tmp_path / "x2")
    x4 = dataclasses.replace(
        with_training(steps=1, warmup=1, learning_rate=1e-30),
        network=dataclasses.replace(RECIPE.network, scale=4),
        data=DataRecipe(crop=10),
    )
    started = dataclasses.replace(x4, training=dataclasses.replace(x4.training, init_from=str(tmp_path / "x2")))
    path = train(started, pictures, None, tmp_path / "x4")
    small, large = (load_checkpoint(file).tensors for file in (tmp_path / "x2" / "sesr_tiny_x2.safetensors", path))
    for name in small:
        assert np.array_equal(small[name], large[name]) == (not name.startswith("tail")), name
    fresh = train(x4, pictures, None, tmp_path / "fresh")
    assert not np.array_equal(load_checkpoint(fresh).tensors["head.weight"], small["head.weight"])


def test_a_runs_recipe_trains_the_same_again(pictures: Path, tmp_path: Path) -> None:
    """Epochs are written down as steps; nothing is left to defaults."""
    recipe = dataclasses.replace(
        RECIPE,
        data=DataRecipe(crop=16, sampling="images", crops_per_image=4),
        training=TrainingRecipe(epochs=2, batch=3, validate_every=0),
    )
    first = train(recipe, pictures, pictures, tmp_path / "first")
    written = load_recipe(tmp_path / "first" / "recipe.toml")
    assert (written.training.steps, written.training.validate_every) == (8, 4)
    assert [int(row["step"]) for row in rows(tmp_path / "first") if row["validation_psnr"]] == [4, 8]
    second = train(written, pictures, pictures, tmp_path / "second")
    assert first.read_bytes() == second.read_bytes()


def test_a_weighted_run_notices_other_names(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same pictures under other names are drawn otherwise."""
    data = dataclasses.replace(RECIPE.data, sampling="pixels", weights=(("0.*", 4.0),))
    recipe = dataclasses.replace(RECIPE, data=data)
    whole = train(recipe, pictures, None, tmp_path / "whole")
    train_until_killed(recipe, pictures, tmp_path / "broken", 9, monkeypatch)
    (pictures / "0.png").rename(pictures / "00.png")
    with pytest.raises(TrainingError, match="was trained on other images"):
        resume(tmp_path / "broken", EAGER)
    (pictures / "00.png").rename(pictures / "0.png")
    one, other = load_checkpoint(whole).tensors, load_checkpoint(resume(tmp_path / "broken", EAGER)).tensors
    assert all(np.array_equal(one[name], other[name]) for name in one)


def test_a_moved_run_continues_with_moved_pictures(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train(RECIPE, pictures, None, tmp_path / "whole")
    train_until_killed(RECIPE, pictures, tmp_path / "broken", 9, monkeypatch)
    (tmp_path / "broken").rename(tmp_path / "moved")
    pictures.rename(tmp_path / "album")
    with pytest.raises(DataError, match="no such folder"):
        resume(tmp_path / "moved", EAGER)
    resumed = resume(tmp_path / "moved", EAGER, str(tmp_path / "album"), str(tmp_path / "album"))
    one, other = load_checkpoint(whole).tensors, load_checkpoint(resumed).tensors
    assert all(np.array_equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("precision", ["tf32", "bfloat16"])
def test_precisions_train_nearly_alike(
    pictures: Path, tmp_path: Path, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sesr.training.learner.has_bfloat16", lambda _: True)
    losses = []
    for kind in ("float32", precision):
        train(with_training(precision=kind), pictures, pictures, tmp_path / kind)
        losses.append(column(tmp_path / kind, "loss"))
    assert losses[0] == pytest.approx(losses[1], rel=0.02)
    assert (losses[0] == losses[1]) == (precision == "tf32")  # a processor knows no tf32


def test_floats_take_the_place_of_bfloat16_where_the_processor_has_none(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The steps are those of a run in floats, and a line says so."""
    for module in ("learner", "stage_run"):
        monkeypatch.setattr(f"sesr.training.{module}.has_bfloat16", lambda _: False)
    for kind in ("float32", "bfloat16"):
        train(with_training(precision=kind), pictures, None, tmp_path / kind)
        assert ("no fast bfloat16: floats take its place" in capsys.readouterr().out) == (kind == "bfloat16")
    assert column(tmp_path / "float32", "loss") == column(tmp_path / "bfloat16", "loss")


def test_a_tflite_of_the_asked_size(pictures: Path, tmp_path: Path) -> None:
    options = dataclasses.replace(EAGER, tflite_size=(30, 40))
    path = train(with_training(steps=1, warmup=0), pictures, None, tmp_path / "run", options)
    assert path.with_name("sesr_tiny_x2_30x40.tflite").is_file()


NEWTON = {"optimizer": "gauss-newton", "loss": "rmse", "learning_rate": 1e-3, "warmup": 0}
BY_WEIGHTS, BY_CROPS = 320, 64


@pytest.mark.parametrize("activation", ["relu", "prelu"])
def test_an_int8_run_ends_in_the_network_that_it_validated(
    pictures: Path, tmp_path: Path, activation: Activation
) -> None:
    """Its decibels are those of the integer reference on the files that it wrote, to the last digit."""
    kind = dataclasses.replace(RECIPE.network, activation=activation)
    recipe = dataclasses.replace(with_training(quant_w=True, quant_a=True), network=kind, card=CardRecipe())
    path = train(recipe, pictures, pictures, tmp_path / "run")
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
    validations = column(tmp_path / "run", "validation_psnr")
    assert validations[-1] == pytest.approx(np.mean(measured), abs=2e-4)
    assert network.card["validation_db"] == pytest.approx(np.mean(measured), abs=6e-4)


@pytest.mark.parametrize("alone", ["quant_w", "quant_a"])
def test_one_kind_of_quantization_alone_writes_a_float_network(pictures: Path, tmp_path: Path, alone: str) -> None:
    """To see what each costs; it trains, and what it writes can be run."""
    path = train(with_training(steps=3, warmup=0, **{alone: True}), pictures, pictures, tmp_path / "run")
    assert load_checkpoint(path).config == RECIPE.network


@pytest.mark.parametrize("killed_at", [1, 17])
def test_an_int8_run_resumes_exactly(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, killed_at: int
) -> None:
    """Its ranges are its own, not measured again."""
    recipe = dataclasses.replace(with_training(quant_w=True, quant_a=True), network=RELU)
    whole = train(recipe, pictures, pictures, tmp_path / "whole")
    train_until_killed(recipe, pictures, tmp_path / "broken", killed_at, monkeypatch)
    resumed = resume(tmp_path / "broken", EAGER)
    assert resumed.read_bytes() == whole.read_bytes()
    assert resumed.with_suffix(".tflite").read_bytes() == whole.with_suffix(".tflite").read_bytes()
    assert without_times(tmp_path / "broken") == without_times(tmp_path / "whole")


@pytest.mark.parametrize(
    ("killed_at", "crops", "changes"),
    [
        (1, BY_WEIGHTS, {}),
        (17, BY_WEIGHTS, {}),
        (17, BY_CROPS, {}),
        (17, BY_WEIGHTS, {"loss": "log-l2-picture", "teacher": "m5"}),
    ],
)
def test_a_gauss_newton_run_resumes_exactly(
    pictures: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    killed_at: int,
    crops: int,
    changes: dict[str, str],
) -> None:
    """Its curvature is measured where the run started, from another run's weights here."""
    first = train(with_training(steps=3, warmup=0), pictures, None, tmp_path / "first")
    recipe = with_training(**NEWTON | {"curvature_crops": crops} | changes, init_from=str(tmp_path / "first"))
    whole = train(recipe, pictures, pictures, tmp_path / "whole")
    train_until_killed(recipe, pictures, tmp_path / "broken", killed_at, monkeypatch)
    resumed = resume(tmp_path / "broken", EAGER)
    assert resumed.read_bytes() == whole.read_bytes()
    assert without_times(tmp_path / "broken") == without_times(tmp_path / "whole")
    assert not np.array_equal(
        load_checkpoint(first).tensors["head.weight"], load_checkpoint(whole).tensors["head.weight"]
    )


def test_a_finished_gauss_newton_run_needs_no_room(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its files are written again on a machine whose memory is too small for its curvature, where none can start."""
    recipe = with_training(**NEWTON, steps=2)
    path = train(recipe, pictures, None, tmp_path / "run")
    content = path.read_bytes()
    path.unlink()
    monkeypatch.setattr(curvature, "free_memory", lambda: 1000)
    assert resume(tmp_path / "run", EAGER).read_bytes() == content
    with pytest.raises(TrainingError, match=r"gauss-newton for .* weights needs"):
        train(recipe, pictures, None, tmp_path / "another")


def test_the_number_of_crops_decides_in_which_form_the_curvature_is_kept() -> None:
    """In these tests, as for real networks."""
    weights = sum(weight.numel() for weight in CollapsedSESR(RECIPE.network).parameters())
    assert [keeps_gradients(weights, crops) for crops in (BY_WEIGHTS, BY_CROPS)] == [False, True]


@pytest.mark.parametrize("crops", [BY_WEIGHTS, BY_CROPS])
def test_gauss_newton_learns(pictures: Path, tmp_path: Path, crops: int) -> None:
    """From a network that Adam trained a little, in steps that Adam would need many times as many for."""
    adam = with_training(steps=40, warmup=0, checkpoint_minutes=9, validate_every=40, learning_rate=1e-3)
    train(adam, pictures, pictures, tmp_path / "adam")
    newton = with_training(
        **NEWTON | {"learning_rate": 0.1, "curvature_crops": crops},
        validate_every=30,
        ema=0.8,
        init_from=str(tmp_path / "adam"),
    )
    train(newton, pictures, pictures, tmp_path / "newton")
    before, after = (column(tmp_path / name, "validation_psnr")[-1] for name in ("adam", "newton"))
    assert after > before + 0.1


def test_a_float_run_starts_from_an_int8_run(pictures: Path, tmp_path: Path) -> None:
    """And int8 from float: only the network is taken, ranges are measured anew."""
    still = {"steps": 1, "warmup": 1, "learning_rate": 1e-30}
    quantized = {"quant_w": True, "quant_a": True}
    train(with_training(steps=4, warmup=0, **quantized), pictures, None, tmp_path / "int8")
    path = train(with_training(**still, init_from=str(tmp_path / "int8")), pictures, None, tmp_path / "float")
    again = train(with_training(**still, **quantized, init_from=str(path.parent)), pictures, None, tmp_path / "again")
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
    whole = train(recipe, pictures, pictures, tmp_path / "whole")
    train_until_killed(recipe, pictures, tmp_path / "broken", 25, monkeypatch)
    assert resume(tmp_path / "broken", EAGER).read_bytes() == whole.read_bytes()


def test_names_are_resolved_from_python(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A recipe that names a shipped network trains without the command line; one that names none stops at once."""
    monkeypatch.chdir(tmp_path)
    m3 = dataclasses.replace(RECIPE, network=SESRConfig(m=3, feature_size=16))
    training = dataclasses.replace(RECIPE.training, steps=1, warmup=0, init_from="m3", teacher="m5")
    sesr.training.train(
        dataclasses.replace(m3, training=training), sesr.training.Sources(str(pictures)), tmp_path / "run", EAGER
    )
    card = load_checkpoint(tmp_path / "run" / "sesr_tiny_x2.safetensors").card
    assert (card["init_from"], card["teacher"]) == ("m3", "m5")
    with pytest.raises(UsageError, match="no network to start from: no finished run runs/m6_x2"):
        train(with_training(init_from="m6"), pictures, None, tmp_path / "other")


def test_divergence_stops_with_a_clear_line(pictures: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="the training diverged near step"):
        train(with_training(learning_rate=1e30, warmup=0), pictures, None, tmp_path / "run")


def test_a_torn_log_does_not_stop_a_resumed_run(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train(RECIPE, pictures, pictures, tmp_path / "whole")
    train_until_killed(RECIPE, pictures, tmp_path / "broken", 17, monkeypatch)
    with (tmp_path / "broken" / "log.csv").open("a") as file:
        file.write("1")  # of step 18, or of step 1
    assert resume(tmp_path / "broken", EAGER).read_bytes() == whole.read_bytes()
    assert without_times(tmp_path / "broken") == without_times(tmp_path / "whole")


@pytest.mark.parametrize("place", ["taken", "taken/below"])
def test_a_run_folder_that_cannot_be_is_found_early(pictures: Path, tmp_path: Path, place: str) -> None:
    (tmp_path / "taken").touch()
    with pytest.raises(TrainingError, match=f"{place}: cannot be made"):
        train(RECIPE, pictures, None, tmp_path / place)
