"""The command `sesr`, whatever the subcommand: errors, exit codes, output that nobody takes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.backends import needs

from sesr.cli import main

Captured = pytest.CaptureFixture[str]


@pytest.mark.parametrize("command", ["export", "upscale", "evaluate"])
def test_int8_of_a_float_file_is_wrong_usage(
    network: str, photo: Path, pictures: str, tmp_path: Path, command: str, capsys: Captured
) -> None:
    source = str(Path(network).with_suffix(".safetensors"))
    rest = {
        "export": [source, "-o", str(tmp_path / "out.tflite")],
        "upscale": [str(photo), "-m", source],
        "evaluate": [source, "--data", pictures, "-o", str(tmp_path / "results")],
    }
    assert main([command, *rest[command], "--int8"]) == 2
    assert capsys.readouterr().err == (
        f"sesr: {source}: a float network; --int8 needs one trained for int8 (train --quant-w --quant-a)\n"
    )
    assert not (tmp_path / "out.tflite").exists()
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("kind", ["cut", "text", "empty", "other"])
@pytest.mark.parametrize("suffix", [pytest.param(".tflite", marks=pytest.mark.needs("export")), ".safetensors"])
@pytest.mark.parametrize(
    "command",
    [
        "upscale",
        pytest.param("upscale openvino", marks=needs("openvino")),
        pytest.param("upscale litert", marks=needs("litert")),
        "evaluate",
        "export",
        "benchmark npu",
    ],
)
def test_damaged_and_foreign_networks(
    int8_network: str, photo: Path, tmp_path: Path, command: str, suffix: str, kind: str, capsys: Captured
) -> None:
    """One line that names the file, exit code 1 or, where the kind of file is wrong already, 2."""
    content = Path(int8_network).with_suffix(suffix).read_bytes()
    other = {".tflite": b"\x1c\x00\x00\x00TFL3" + bytes(60), ".safetensors": b"\x02" + bytes(7) + b"{}"}
    bad = {"cut": content[: len(content) // 2], "text": b"hello\n" * 9, "empty": b"", "other": other[suffix]}
    path = tmp_path / f"bad{suffix}"
    path.write_bytes(bad[kind])
    arguments = {
        "upscale": ["upscale", str(photo), "-m", str(path)],
        "upscale openvino": ["upscale", str(photo), "-m", str(path), "--engine", "openvino"],
        "upscale litert": ["upscale", str(photo), "-m", str(path), "--engine", "litert", "--int8"],
        "evaluate": ["evaluate", str(path), "--data", str(tmp_path), "-o", str(tmp_path / "results")],
        "export": ["export", str(path), "-o", str(tmp_path / "out.tflite")],
        "benchmark npu": ["benchmark", "npu", str(path)],
    }
    code = main(arguments[command])
    complaint = capsys.readouterr().err
    usage = suffix == ".tflite" and command in ("export", "benchmark npu")
    assert code == (2 if usage else 1)
    assert complaint.startswith("sesr: ")
    assert complaint.count("\n") == 1
    assert usage or str(path) in complaint
    assert not {"out.tflite", "results", "photo_x2.png"} & {item.name for item in tmp_path.iterdir()}


@pytest.mark.parametrize(
    "command",
    [
        ["benchmark", "speed", "-m"],
        ["benchmark", "memory", "-m"],
        ["export"],
        ["evaluate", "--data", "none"],
    ],
)
def test_place_is_looked_at_before_the_work(
    network: str, tmp_path: Path, command: list[str], capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = ["benchmarks.general.measure_general", "benchmarks.memory.measure_memory", "evaluation.evaluate.evaluate"]
    for name in work:
        monkeypatch.setattr(f"sesr.{name}", lambda *_, **__: pytest.fail("it was begun"))
    monkeypatch.setattr("sesr.tflite.writer.export_tflite", lambda *_: pytest.fail("it was begun"))
    (tmp_path / "file").touch()
    place = tmp_path / "file" / ("results" if command[0] == "evaluate" else "table.tflite")
    source = str(Path(network).with_suffix(".safetensors"))
    assert main([*command, source, "-o", str(place)]) == 1
    assert capsys.readouterr().err.startswith(f"sesr: {place}: ")


def test_version(capsys: Captured) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out.startswith("sesr ")


@pytest.mark.parametrize("arguments", [[], ["enlarge"], ["benchmark"]])
def test_no_or_unknown_command(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2


def test_help_loads_no_library() -> None:
    code = "import sys, sesr.cli\ntry: sesr.cli.main(['--help'])\nexcept SystemExit: pass\nprint('|', *sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.partition("|")[2].split())
    assert "sesr.cli" in loaded
    assert not loaded & {"numpy", "PIL", "openvino", "torch", "tqdm", "safetensors"}


def buffered() -> dict[str, str]:
    """The environment in which Python prints as it does for people: at the end, to what is no terminal."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}


@pytest.mark.skipif(sys.platform == "win32", reason="no such pipes")
def test_reader_that_goes_away() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "sesr", "info"]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, check=False, env=buffered())
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_output_that_cannot_be_written() -> None:
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "sesr", "info"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False, env=buffered())
    assert done.returncode == 1
    assert done.stderr.startswith("sesr: output: No space left on device")
    assert done.stderr.count("\n") == 1
