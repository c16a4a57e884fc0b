"""Several processes: real ones, started by torchrun, train what one trains."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from PIL import Image

from sesr.errors import TrainingError
from sesr.network.checkpoint import load_checkpoint
from sesr.training.processes import Processes, join_processes

RECIPE = """
[network]
m = 2
f = 8
feature_size = 16
[data]
crop = 12
[training]
steps = 20
batch = 6
learning_rate = 1e-3
ema = 0.9
validate_every = 10
[card]
name = "tiny"
"""

NEWTON = """
optimizer = "gauss-newton"
amsgrad = false
loss = "rmse"
damping = 0.5
curvature_crops = 320
"""


def torchrun(processes: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    alone = {"TORCH_COMPILE_DISABLE": "1", "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [*command, "-m", "sesr", "--", *arguments], capture_output=True, text=True, check=False, env=os.environ | alone
    )


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (4, 48, 64), np.uint8)
    for index, picture in enumerate(pixels):
        Image.fromarray(picture).save(folder / f"{index}.png")
    return folder


@pytest.mark.needs("export")
@pytest.mark.slow
@pytest.mark.parametrize(
    ("teacher", "newton"),
    [
        ("none", ""),
        ("m5", ""),
        ("none", NEWTON),
        ("none", NEWTON.replace("320", "64")),
        ("m5", NEWTON.replace("rmse", "log-l2-picture") + 'teacher = "m5"\n'),
    ],
)
def test_two_processes_equal_one(teacher: str, newton: str, pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "tiny.toml").write_text(RECIPE.replace("[card]", f"{newton}[card]"))
    states = []
    for processes in (1, 2):
        run = tmp_path / f"run{processes}"
        arguments = [str(tmp_path / "tiny.toml"), "--data", str(pictures), "--validation", str(pictures)]
        cache = ["--cache", str(tmp_path / f"cache{processes}"), "--teacher", teacher]
        done = torchrun(processes, "train", *arguments, "--run", str(run), "--device", "cpu", *cache)
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines()[-1] == str(run / "sesr_tiny_x2.safetensors")
        assert len(set(done.stdout.splitlines())) == len(done.stdout.splitlines())
        states.append(torch.load(run / "checkpoint.pt", weights_only=True))
    # Adam makes steps of 1e-3 out of gradients however small, rounding and all, and L1's gradient is an error's sign:
    # with M3 for teacher one of these errors is so small that rounding decides on it
    for name in states[0]["network"]:
        torch.testing.assert_close(states[1]["network"][name], states[0]["network"][name], rtol=0, atol=1e-5)
    logs = [np.genfromtxt(tmp_path / f"run{count}" / "log.csv", delimiter=",", names=True) for count in (1, 2)]
    np.testing.assert_allclose(logs[0]["loss"], logs[1]["loss"], atol=1e-6)
    assert len(list((tmp_path / "run2").glob("events.out*"))) == 1


@pytest.mark.needs("export")
@pytest.mark.slow
def test_two_processes_train_all_stages(pictures: Path, tmp_path: Path) -> None:
    """The second starts from the first's end in every process."""
    stages = f"[[stage]]\nsteps = 6\n[[stage]]\nsteps = 4\nbatch = 4\nlearning_rate = 1e-2{NEWTON}"
    (tmp_path / "tiny.toml").write_text(RECIPE + stages)
    arguments = ["train", str(tmp_path / "tiny.toml"), "--data", str(pictures), "--device", "cpu"]
    networks = []
    for processes in (1, 2):
        run = tmp_path / f"run{processes}"
        for stage in ("1", "2") if processes == 1 else ("",):
            one = ["--stage", stage] if stage else []
            done = torchrun(processes, *arguments, "--run", str(run), *one)
            assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines()[-1] == str(run / "sesr_tiny_x2.safetensors")
        assert done.stdout.count("stage 2 of 2: 4 steps of gauss-newton") == 1
        networks.append(load_checkpoint(run / "sesr_tiny_x2.safetensors").tensors)
    for name, tensor in networks[0].items():
        np.testing.assert_allclose(networks[1][name], tensor, rtol=0, atol=1e-4)
    done = torchrun(2, "train", "--resume", str(run), "--device", "cpu")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("all stages are done") == 1


@pytest.mark.slow
def test_a_batch_that_cannot_be_shared_is_refused(pictures: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    (tmp_path / "tiny.toml").write_text(RECIPE)
    arguments = ["--data", str(pictures), "--run", str(run), "--batch-size", "5", "--m", "1", "--device", "cpu"]
    done = torchrun(2, "train", str(tmp_path / "tiny.toml"), *arguments)
    assert done.returncode != 0
    assert "a batch of 5 crops cannot be shared evenly by 2 processes" in done.stderr
    assert not run.exists()


@pytest.mark.slow
def test_one_process_that_fails_ends_all_with_a_line_each(tmp_path: Path, pictures: Path) -> None:
    """Only the first reads the validation pictures, here none; the other waits for it."""
    (tmp_path / "tiny.toml").write_text(RECIPE)
    (tmp_path / "validation").mkdir()
    Image.new("L", (3, 3)).save(tmp_path / "validation" / "speck.png")
    arguments = ["--data", str(pictures), "--validation", str(tmp_path / "validation"), "--run", str(tmp_path / "run")]
    done = torchrun(2, "train", str(tmp_path / "tiny.toml"), *arguments, "--device", "cpu")
    assert done.returncode != 0
    assert "speck.png: too small to validate on" in done.stderr
    assert "RuntimeError" not in done.stderr
    assert done.stderr.count("Traceback") == done.stderr.count("ChildFailedError:")  # torchrun's own


@pytest.mark.slow
@pytest.mark.parametrize(
    ("setting", "remedy"),
    [
        ("precision", "train with --precision float32"),
        ("teacher_precision", "take teacher_precision out of the recipe"),
    ],
)
def test_processors_that_differ_in_bfloat16(
    setting: str, remedy: str, tmp_path: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Gradients and answers in bfloat16 are not mixed with floats: the second process refuses, and says what helps."""
    only_the_first = "import sesr.training.machine as m\nm.has_bfloat16 = lambda device: os.environ['RANK'] == '0'"
    (tmp_path / "sitecustomize.py").write_text(f"import os\nif 'RANK' in os.environ:\n    exec({only_the_first!r})")
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    monkeypatch.setenv("PYTHONPATH", path)
    (tmp_path / "tiny.toml").write_text(
        RECIPE.replace("batch = 6", f'batch = 6\nteacher = "m5"\n{setting} = "bfloat16"')
    )
    arguments = ["--data", str(pictures), "--run", str(tmp_path / "run"), "--device", "cpu"]
    done = torchrun(2, "train", str(tmp_path / "tiny.toml"), *arguments)
    assert done.returncode != 0
    assert f"process 1 of 2 has other support of bfloat16 than the first; {remedy}" in done.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"WORLD_SIZE": "2"}, "2 processes do not find each other"),
        ({"WORLD_SIZE": "two"}, "WORLD_SIZE=two: not a number"),
    ],
)
def test_processes_that_torchrun_did_not_start(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], message: str
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("MASTER_ADDR", raising=False)
    with pytest.raises(TrainingError, match=message), join_processes("cpu"):
        pass


def test_one_process_needs_nobody() -> None:
    with join_processes("cpu") as processes:
        assert processes == Processes(torch.device("cpu"), 0, 1)
        assert processes.first
        tensor = torch.tensor([1.0, 2.0])
        processes.average([tensor])
        processes.share([tensor])
        processes.agree("anything", object())
        processes.wait()
        assert tensor.tolist() == [1, 2]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_no_gpu() -> None:
    with pytest.raises(TrainingError, match="PyTorch finds no GPU"), join_processes("cuda"):
        pass
    with join_processes("auto") as processes:
        assert processes.device.type == "cpu"
