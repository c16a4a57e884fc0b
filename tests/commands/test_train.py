"""`sesr train`: what it hands on, and wrong usage."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sesr.cli import main
from sesr.network.quantized import is_int8

Captured = pytest.CaptureFixture[str]


def stand_in_for_training(patch: pytest.MonkeyPatch, call: Callable[[Any, Any], object]) -> None:
    """Training is told what it was called with, and makes nothing that could be checked. Needs PyTorch."""
    pytest.importorskip("torch")

    def train(*given: object, **named: object) -> Path:
        call(given, named)
        return Path("net.safetensors")

    patch.setattr("sesr.training.trainer.train", train)
    patch.setattr("sesr.export.tflite.check_export", lambda *_: [])


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
    stand_in_for_training(monkeypatch, lambda given, named: called.append((given, named)))
    from sesr.training.checkpoint import Sources
    from sesr.training.trainer import RunOptions

    (tmp_path / "tiny.toml").write_text("[network]\nm = 3\n[training]\nsteps = 10\nwarmup = 9\n")
    arguments = ["--data", "pictures", "--steps", "7", "--threads", "1", "--device", "cpu", "--cache", "c"]
    size = ["--gen-tflite", "--tflite-height", "30", "--tflite-width", "40"]
    assert main(["train", str(tmp_path / "tiny.toml"), *arguments, *size]) == 0
    (recipe, sources, run, options), named = called[0]
    assert (recipe.network.m, recipe.training.steps, recipe.training.warmup) == (3, 7, 7)
    assert (sources, run) == (Sources("pictures", None), Path("runs/tiny"))
    assert options == RunOptions(device="cpu", threads=1, cache=Path("c"), tflite_size=(30, 40))
    assert named == {"init_from": None, "teacher": None}


def test_train_without_a_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[Any] = []
    monkeypatch.chdir(tmp_path)  # where there are no runs
    stand_in_for_training(monkeypatch, lambda given, named: called.append((given, named)))
    assert main(["train", "--data", "div2k", "--scale", "4", "--linear-block-type", "expanded"]) == 0
    (recipe, sources, run, _), named = called[0]
    assert (recipe.training.form, recipe.data.crop, recipe.training.init_from) == ("expanded", 50, "m5")
    assert (sources.data, run) == ("div2k", Path("runs/m5_x4"))
    assert named["init_from"].name == "sesr_m5_x2.safetensors"


def test_the_x2_run_of_the_same_name_comes_before_the_shipped_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[Any] = []
    stand_in_for_training(monkeypatch, lambda given, named: called.append(named))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "m5_x2").mkdir(parents=True)
    (tmp_path / "runs" / "m5_x2" / "sesr_m5_x2.safetensors").touch()
    (tmp_path / "m5").touch()  # is no network
    for init_from in ([], ["--init-from", "none"], ["--init-from", "somewhere/else"]):
        assert main(["train", "--data", "pictures", "--scale", "3", *init_from]) == 0
    assert [named["init_from"] for named in called] == [Path("runs/m5_x2"), None, Path("somewhere/else")]


def test_a_teacher_is_a_shipped_network_a_run_or_a_file_of_the_same_scale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[Any] = []
    stand_in_for_training(monkeypatch, lambda given, named: called.append(named["teacher"]))
    monkeypatch.chdir(tmp_path)
    for name in ("m7_x2", "m7_x4"):
        (tmp_path / "runs" / name).mkdir(parents=True)
        (tmp_path / "runs" / name / f"sesr_{name}.safetensors").touch()
    Path("mine.toml").write_text('[training]\nteacher = "m7"\n')
    for teacher in ([], ["--teacher", "runs/m7_x4"], ["--teacher", "my.safetensors"], ["--teacher", "none"]):
        assert main(["train", "mine.toml", "--data", "pictures", *teacher]) == 0
    runs = [Path("runs") / name / f"sesr_{name}.safetensors" for name in ("m7_x2", "m7_x4")]
    assert called == [*runs, Path("my.safetensors"), None]
    assert main(["train", "--data", "pictures", "--scale", "4", "--teacher", "xl"]) == 0
    assert called[-1].name == "sesr_xl_x4.safetensors"


@pytest.mark.needs("torch")
def test_a_folder_that_holds_no_teacher_or_two(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("some").mkdir()
    for count in (0, 1, 2):
        assert count == 1 or main(["train", "--data", "d", "--teacher", "some"]) == 2
        assert count == 1 or f"some: holds {count} networks to learn from; name a" in capsys.readouterr().err
        Path(f"some/sesr_{count}.safetensors").touch()


def test_a_recipe_for_another_network_is_another_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[Any] = []
    stand_in_for_training(monkeypatch, lambda given, named: called.append(given))
    monkeypatch.chdir(tmp_path)
    Path("mine.toml").write_text('[network]\nm = 5\n[card]\nname = "mine"\ndata = "all of it"\n')
    for options in ([], ["--steps", "5"], ["--scale", "4"]):
        assert main(["train", "mine.toml", "--data", "pictures", *options]) == 0
    assert [str(run) for _, _, run, _ in called] == ["runs/mine", "runs/mine", "runs/m5_x4"]
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
        (
            ["--data", "d", "--teacher", "runs/m9_x2"],
            "runs/m9_x2: no such run to learn from; train recipes/m9_x2.toml",
        ),
        (
            ["--data", "d", "--init-from", "runs/m9_x2"],
            "runs/m9_x2: no such run to start from; train recipes/m9_x2.toml",
        ),
        (["--data", "d", "--teacher", "m9"], "no network to learn from: no finished run runs/m9_x2; "),
        (["--data", "d", "--epochs", "1", "--steps", "3"], "--epochs and --steps say the same"),
        (["--resume", "run", "--m", "3"], "a run is resumed as it was started"),
        (["--resume", "run", "--run", "other"], "a run is resumed as it was started"),
    ],
)
def test_train_wrongly_used(arguments: list[str], message: str, capsys: Captured) -> None:
    assert main(["train", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_train_for_int8(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    """The switches reach the recipe, the run is not the float network's, and int8 PReLU is warned of."""
    called: list[Any] = []
    stand_in_for_training(monkeypatch, lambda given, named: called.append(given))
    monkeypatch.chdir(tmp_path)
    Path("mine.toml").write_text('[network]\nm = 5\n[card]\nname = "mine"\nexpected = "38 dB"\n')
    both = ["--data", "d", "--quant-w", "--quant-a", "--init-from", "none"]
    assert main(["train", *both, "--activation", "relu"]) == 0
    assert capsys.readouterr().err == ""
    assert main(["train", *both]) == 0
    assert "int8 PReLU has no fast kernel" in capsys.readouterr().err
    assert main(["train", "mine.toml", *both]) == 0
    assert main(["train", *both[:3], *both[4:]]) == 0
    found = [(recipe.training.quant_w, recipe.training.quant_a, str(run)) for recipe, _, run, _ in called]
    assert found == [
        (True, True, "runs/m5-int8_x2"),
        (True, True, "runs/m5-prelu-int8_x2"),
        (True, True, "runs/m5-prelu-int8_x2"),
        (True, False, "runs/m5-w8_x2"),
    ]
    assert called[2][0].card.expected == ""


@pytest.mark.needs("torch", "export")
def test_quantised_training_trains(tmp_path: Path, pictures: str, capsys: Captured) -> None:
    """From the command line to an int8 network's two files."""
    run = tmp_path / "run"
    arguments = ["--data", pictures, "--run", str(run), "--device", "cpu", "--cache", str(tmp_path / "cache")]
    (tmp_path / "r.toml").write_text(
        "[network]\nm = 1\nf = 2\nfeature_size = 4\n[data]\ncrop = 8\n[training]\nsteps = 1\nbatch = 1\n"
    )
    quantised = ["--quant-w", "--quant-a", "--activation", "relu"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sesr.training.trainer._can_compile", lambda _: False)
        assert main(["train", str(tmp_path / "r.toml"), *arguments, *quantised]) == 0
    path = run / "sesr_m1f2-int8_x2.safetensors"
    *_, litert, openvino, last = capsys.readouterr().out.splitlines()
    assert last == str(path)
    assert litert.startswith(f"{path.stem}.tflite: litert: 0 of ")
    assert openvino.startswith(f"{path.stem}.tflite: openvino: ")
    assert is_int8(path)
    assert path.with_suffix(".tflite").is_file()


def test_int8_starts_from_the_network_of_its_own_scale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A float network of another scale starts from x2; int8 from the float network that it is to become."""
    called: list[Any] = []
    stand_in_for_training(monkeypatch, lambda given, named: called.append(named["init_from"]))
    monkeypatch.chdir(tmp_path)
    for run in ("m5_x2", "m5_x4"):
        (tmp_path / "runs" / run).mkdir(parents=True)
        (tmp_path / "runs" / run / f"sesr_{run}.safetensors").touch()
    quantised = ["--quant-w", "--quant-a"]
    assert main(["train", "--data", "d", "--scale", "4"]) == 0
    assert main(["train", "--data", "d", "--scale", "4", "--init-from", "m5", *quantised]) == 0
    assert main(["train", "--data", "d", "--scale", "4", "--init-from", "m5", "--quant-w"]) == 0
    assert main(["train", "--data", "d", "--scale", "3", "--init-from", "m5", *quantised]) == 0
    assert called == [Path("runs/m5_x2"), Path("runs/m5_x4"), Path("runs/m5_x4"), Path("runs/m5_x2")]


@pytest.mark.needs("torch")
def test_resume_of_no_run(tmp_path: Path, capsys: Captured) -> None:
    assert main(["train", "--resume", str(tmp_path)]) == 1
    assert f"{tmp_path}: not a run" in capsys.readouterr().err
