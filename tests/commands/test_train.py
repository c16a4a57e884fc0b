"""`sesr train`: what it passes on, and wrong usage."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sesr.cli import main
from sesr.network.quantized import is_int8

Captured = pytest.CaptureFixture[str]


def stand_in_for_training(patch: pytest.MonkeyPatch, call: Callable[[Any], object]) -> None:
    """Replace training by a function that reports its arguments. Needs PyTorch."""
    pytest.importorskip("torch")

    def train(*given: object) -> Path:
        call(given)
        return Path("net.safetensors")

    patch.setattr("sesr.training.run.train", train)


@pytest.mark.needs("torch")
def test_train_with_a_recipe_that_is_not_there(tmp_path: Path, capsys: Captured) -> None:
    assert main(["train", str(tmp_path / "none.toml"), "--data", str(tmp_path)]) == 1
    assert "none.toml" in capsys.readouterr().err


def test_train_without_pytorch(tmp_path: Path) -> None:
    (tmp_path / "tiny.toml").write_text("[network]\nm = 3\n")
    code = "import sys; sys.modules['torch'] = None; import sesr.cli; sys.exit(sesr.cli.main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "train", str(tmp_path / "tiny.toml"), "--data", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "sesr: training needs torch; pip install 'sesr[train]'\n")


def test_train_hands_on_what_was_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[Any] = []
    stand_in_for_training(monkeypatch, called.append)
    from sesr.training import RunOptions, Sources

    (tmp_path / "tiny.toml").write_text("[network]\nm = 3\n[training]\nsteps = 10\nwarmup = 9\n")
    arguments = ["--data", "pictures", "--steps", "7", "--threads", "1", "--device", "cpu", "--cache", "c"]
    size = ["--gen-tflite", "--tflite-height", "30", "--tflite-width", "40"]
    assert main(["train", str(tmp_path / "tiny.toml"), *arguments, *size]) == 0
    recipe, sources, run, options, stage = called[0]
    assert (recipe.network.m, recipe.training.steps, recipe.training.warmup) == (3, 7, 7)
    assert (sources, run, stage) == (Sources("pictures", None), Path("runs/tiny"), None)
    assert options == RunOptions(device="cpu", threads=1, cache=Path("c"), tflite_size=(30, 40))


def test_train_hands_on_stages_and_sets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A recipe after the validation sets is still a recipe."""
    called: list[Any] = []
    stand_in_for_training(monkeypatch, called.append)
    monkeypatch.chdir(tmp_path)
    Path("mine.toml").write_text("[network]\nm = 3\n[training]\nsteps = 9\n[[stage]]\nbatch = 8\n[[stage]]\nseed = 1\n")
    assert (
        main(["train", "mine.toml", "--data", "d", "--validation", "a", "b/c_*", "--stage", "2", "--steps", "3"]) == 0
    )
    assert main(["train", "--data", "d", "--validation", "a", "mine.toml", "--steps", "3"]) == 0
    (one, sets, run, _, stage), (both, sources, again, _, every) = called
    assert [each.training.steps for each in one.stages] == [9, 3]
    assert [each.training.steps for each in both.stages] == [3, 3]
    assert (sets.validation, sources.validation) == (["a", "b/c_*"], ["a"])
    assert (stage, every) == (2, None)
    assert run == again == Path("runs/mine")


def test_train_without_a_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[Any] = []
    monkeypatch.chdir(tmp_path)  # where there are no runs
    stand_in_for_training(monkeypatch, called.append)
    assert main(["train", "--data", "div2k", "--scale", "4", "--linear-block-type", "expanded"]) == 0
    recipe, sources, run, *_ = called[0]
    assert (recipe.training.form, recipe.data.crop, recipe.training.init_from) == ("expanded", 50, "m5")
    assert (sources.data, run) == ("div2k", Path("runs/m5_x4"))


def test_a_recipe_for_another_network_is_another_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[Any] = []
    stand_in_for_training(monkeypatch, called.append)
    monkeypatch.chdir(tmp_path)
    Path("mine.toml").write_text('[network]\nm = 5\n[card]\nname = "mine"\ndata = "all of it"\n')
    for options in ([], ["--steps", "5"], ["--scale", "4"]):
        assert main(["train", "mine.toml", "--data", "pictures", *options]) == 0
    assert [str(run) for _, _, run, *_ in called] == ["runs/mine", "runs/mine", "runs/m5_x4"]
    assert [recipe.card.data for recipe, *_ in called] == ["all of it", "all of it", ""]


@pytest.mark.needs("torch")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "train needs --data"),
        (
            ["--data", "d", "--scale", "4", "--m", "9"],
            "no network to start from: no finished run runs/m9f16_x2; ",
        ),
        (["--data", "d", "--teacher", "m9"], "no network to learn from: no finished run runs/m9_x2; "),
        (["--data", "d", "--epochs", "1", "--steps", "3"], "--epochs and --steps say the same"),
        (["--resume", "run", "--m", "3"], "a run is resumed as it was started"),
        (["--resume", "run", "--run", "other"], "a run is resumed as it was started"),
        (["--resume", "run", "--stage", "1"], "--resume finishes all stages, or one whose folder it names"),
        (["--data", "d", "--stage", "2"], "--stage 2: the recipe has 1 stage"),
    ],
)
def test_train_wrongly_used(arguments: list[str], message: str, capsys: Captured) -> None:
    assert main(["train", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_train_for_int8(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    """The switches reach the recipe, the run is not the float network's, and int8 PReLU is warned of."""
    called: list[Any] = []
    stand_in_for_training(monkeypatch, called.append)
    monkeypatch.chdir(tmp_path)
    Path("mine.toml").write_text('[network]\nm = 5\n[card]\nname = "mine"\nexpected = "38 dB"\n')
    both = ["--data", "d", "--quant-w", "--quant-a", "--init-from", "none"]
    assert main(["train", *both, "--activation", "relu"]) == 0
    assert capsys.readouterr().err == ""
    assert main(["train", *both]) == 0
    assert "int8 PReLU has no fast kernel" in capsys.readouterr().err
    assert main(["train", "mine.toml", *both]) == 0
    assert main(["train", *both[:3], *both[4:]]) == 0
    found = [(recipe.training.quant_w, recipe.training.quant_a, str(run)) for recipe, _, run, *_ in called]
    assert found == [
        (True, True, "runs/m5-int8_x2"),
        (True, True, "runs/m5-prelu-int8_x2"),
        (True, True, "runs/m5-prelu-int8_x2"),
        (True, False, "runs/m5-w8_x2"),
    ]
    assert called[2][0].card.expected == ""


@pytest.mark.needs("torch", "export")
def test_quantized_training_trains(tmp_path: Path, pictures: str, capsys: Captured) -> None:
    """From the command line to an int8 network's two files."""
    run = tmp_path / "run"
    arguments = ["--data", pictures, "--run", str(run), "--device", "cpu", "--cache", str(tmp_path / "cache")]
    (tmp_path / "r.toml").write_text(
        "[network]\nm = 1\nf = 2\nfeature_size = 4\n[data]\ncrop = 8\n[training]\nsteps = 1\nbatch = 1\n"
    )
    quantized = ["--quant-w", "--quant-a", "--activation", "relu"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sesr.training.stage_run.missing_compiler", lambda _: "compiler")
        assert main(["train", str(tmp_path / "r.toml"), *arguments, *quantized]) == 0
    path = run / "sesr_m1f2-int8_x2.safetensors"
    *_, litert, openvino, last = capsys.readouterr().out.splitlines()
    assert last == str(path)
    assert litert.startswith(f"{path.stem}.tflite: litert: 0 of ")
    assert openvino.startswith(f"{path.stem}.tflite: openvino: ")
    assert is_int8(path)
    assert path.with_suffix(".tflite").is_file()


@pytest.mark.needs("torch")
def test_resume_of_no_run(tmp_path: Path, capsys: Captured) -> None:
    assert main(["train", "--resume", str(tmp_path)]) == 1
    assert f"{tmp_path}: not a run" in capsys.readouterr().err
