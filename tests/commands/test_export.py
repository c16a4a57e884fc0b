"""`sesr export`."""

import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save
from tests.fakes import calm_network, float_network

from sesr.cli import main
from sesr.engines.load import load_engine
from sesr.errors import UsageError
from sesr.network.variants import SESRConfig
from sesr.tflite.file import operators

Captured = pytest.CaptureFixture[str]


@pytest.mark.needs("export")
def test_export(network: str, tmp_path: Path, capsys: Captured) -> None:
    source, target = Path(network).with_suffix(".safetensors"), tmp_path / "out.tflite"
    assert main(["export", str(source), "-o", str(target)]) == 0
    assert target.read_bytes() == Path(network).with_suffix(".tflite").read_bytes()
    assert main(["export", str(source), "-o", str(target)]) == 1
    assert main(["export", str(source), "-o", str(target), "--overwrite"]) == 0
    assert main(["export", str(source), "-o", str(tmp_path / "out.pt")]) == 2
    assert "exists already" in capsys.readouterr().err


@pytest.mark.needs("openvino", "export")
def test_export_tells_what_each_runtime_computed(network: str, tmp_path: Path, capsys: Captured) -> None:
    source, target = Path(network).with_suffix(".safetensors"), tmp_path / "out.tflite"
    assert main(["export", str(source), "-o", str(target)]) == 0
    litert, openvino, written = capsys.readouterr().out.splitlines()
    assert litert.startswith("litert: 0 of ")
    assert openvino.startswith("openvino: 0 of ")
    assert written == f"{source} -> {target}"


@pytest.mark.needs("export")
def test_export_of_int8_without_vnni(
    int8_network: str, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is written after LiteRT's check, and one line says why OpenVINO is left out."""
    monkeypatch.setattr("sesr.engines.kernels.vnni_kernels", frozenset)
    target = tmp_path / "out.tflite"
    assert main(["export", int8_network, "-o", str(target)]) == 0
    litert, openvino, written = capsys.readouterr().out.splitlines()
    assert litert.startswith("litert: 0 of ")
    assert openvino == (
        "openvino: not compared; OpenVINO's int8 cannot be trusted on this processor, which has no VNNI"
    )
    assert written == f"{int8_network} -> {target}"
    assert target.read_bytes() == Path(int8_network).with_suffix(".tflite").read_bytes()


@pytest.mark.needs("export")
def test_export_of_int8(int8_network: str, tmp_path: Path, capsys: Captured) -> None:
    target = tmp_path / "out.tflite"
    assert main(["export", int8_network, "-o", str(target)]) == 0
    assert target.read_bytes() == Path(int8_network).with_suffix(".tflite").read_bytes()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("litert: 0 of ")
    assert lines[0].endswith("largest difference 0 of an 8-bit step, at most 0 allowed; mean 0")
    assert lines[1].startswith("openvino: ")
    assert main(["export", int8_network, "--int8", "-o", str(target), "--overwrite"]) == 0


@pytest.mark.needs("export")
def test_export_for_npus(int8_network: str, tmp_path: Path, capsys: Captured) -> None:
    """One size for good, with either way to enlarge; both are verified at that size."""
    small = ["--height", "10", "--width", "14"]
    for option, kind in (("--fixed-size", "DEPTH_TO_SPACE"), ("--transpose-conv", "TRANSPOSE_CONV")):
        target = tmp_path / f"{kind}.tflite"
        assert main(["export", int8_network, "-o", str(target), *small, option]) == 0
        assert "litert: 0 of 4,480 pixels differ" in capsys.readouterr().out
        assert list(operators(target.read_bytes()).values())[-1] == kind
        engine = load_engine(target, "litert")
        with pytest.raises(UsageError, match="takes planes of 14 x 10 pixels only"):
            engine.run(np.zeros((10, 15), np.float32))


@pytest.mark.needs("export")
def test_export_that_computes_something_else_leaves_nothing(
    int8_network: str, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sesr.export.verify.reference", lambda network, pixels: np.zeros([2 * n for n in pixels.shape]))
    target = tmp_path / "out.tflite"
    assert main(["export", int8_network, "-o", str(target)]) == 1
    complaint = capsys.readouterr().err
    assert complaint.startswith(
        f"sesr: {target}: does not compute what the network does, so it is not to be used; litert"
    )
    assert complaint.count("\n") == 1
    assert not target.exists()


@pytest.mark.needs("onnx", "onnxruntime")
def test_export_to_onnx(network: str, tmp_path: Path, capsys: Captured) -> None:
    source = Path(network).with_suffix(".safetensors")
    targets = {"free": [], "one": ["--height", "10", "--width", "14"], "rgb": ["--rgb", "--require-check"]}
    for name, options in targets.items():
        target = tmp_path / f"{name}.onnx"
        assert main(["export", str(source), "-o", str(target), *options]) == 0
        checked, *_, written = capsys.readouterr().out.splitlines()
        assert checked.startswith("onnxruntime: 0 of ")
        assert written == f"{source} -> {target}"
        assert target.stat().st_size > 1000


@pytest.mark.parametrize(
    ("output", "options", "complaint"),
    [
        ("out.onnx", ["--transpose-conv"], "--transpose-conv is for .tflite; leave it out"),
        ("out.glsl", ["--height", "9"], "--height is for .tflite and .onnx; leave it out"),
        ("out.tflite", ["--half"], "--half is for .glsl; leave it out"),
        ("out.onnx", ["--height", "9"], "a fixed size needs both --height and --width"),
        ("out.onnx", ["--fixed-size"], "a fixed size needs both --height and --width"),
        ("out.tflite", ["--rgb"], "--rgb is for .onnx"),
        ("out.mlmodel", [], "export writes .tflite, .onnx and .glsl; name a file that ends so"),
    ],
)
def test_options_that_a_file_does_not_have(
    output: str, options: list[str], complaint: str, tmp_path: Path, capsys: Captured
) -> None:
    assert main(["export", "m5", "-o", str(tmp_path / output), *options]) == 2
    assert f"{output}: {complaint}" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.needs("onnx", "onnxruntime", "export")
def test_export_of_everything(tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")  # without FFmpeg, whose software Vulkan is slow
    source, folder = tmp_path / "own.safetensors", tmp_path / "new" / "all"
    float_network(SESRConfig(m=1, f=4)).save(source)
    assert main(["export", "--all", str(folder), str(source)]) == 0
    names = [f"{source.stem}{end}" for end in (".tflite", ".onnx", "_rgb.onnx", ".glsl")]
    assert {path.name for path in folder.iterdir()} == set(names)
    head, *rows, remark = capsys.readouterr().out.splitlines()
    assert head.split() == ["file", "bytes", "runtime", "bound", "largest", "mean"]
    assert [row.split()[0] for row in rows if "openvino" not in row] == names
    for row in rows:
        name, size, runtime, *seen = row.split()
        assert int(size.replace(",", "")) == (folder / name).stat().st_size
        if name.endswith(".glsl"):
            assert (runtime, seen) == ("unchecked", [])
        else:
            bound, largest, mean = map(float, seen)
            assert mean <= largest <= bound
    assert remark.startswith(f"{names[-1]}: libplacebo: FFmpeg is not installed; ")
    assert main(["export", "--all", str(folder), str(source)]) == 1
    assert "exists already; name another with --all" in capsys.readouterr().err
    assert main(["export", "--all", str(folder), str(source), "--overwrite"]) == 0
    capsys.readouterr()
    assert main(["export", "--all", str(folder), str(source), "--overwrite", "--require-check"]) == 1
    assert "own.glsl: unchecked, so not written" in capsys.readouterr().out
    assert main(["export", "--all", str(folder), str(source), "--rgb"]) == 2
    assert "leave out --rgb" in capsys.readouterr().err


@pytest.mark.needs("onnx", "onnxruntime", "export")
def test_everything_but_what_cannot_be(tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that cannot hold the network is no failure; a package that is missing is one."""
    monkeypatch.setenv("PATH", "")
    source, folder = tmp_path / "net.safetensors", tmp_path / "all"
    calm_network(SESRConfig(m=1, f=4)).save(source)
    assert main(["export", "--all", str(folder), str(source)]) == 0
    output = capsys.readouterr().out
    assert "net.onnx: int8 with PReLU, which ONNX cannot round" in output
    assert "net.glsl: an int8 network, and shaders compute in floats" in output
    assert [path.name for path in folder.iterdir()] == ["net.tflite"]
    float_network(SESRConfig(m=1, f=4)).save(source)
    monkeypatch.setitem(sys.modules, "onnx", None)
    assert main(["export", "--all", str(folder), str(source), "--overwrite"]) == 1
    assert "pip install 'sesr[onnx]'" in capsys.readouterr().out
    assert {path.name for path in folder.iterdir()} == {"net.tflite", "net.glsl"}


def test_export_without_the_packages(tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    assert main(["export", "m5", "-o", str(tmp_path / "net.onnx")]) == 1
    complaint = capsys.readouterr().err
    assert complaint.startswith("sesr: ONNX is not installed")
    assert complaint.endswith(": pip install 'sesr[onnx]'\n")
    assert not list(tmp_path.iterdir())


def test_a_target_that_cannot_be_written(network: str, tmp_path: Path, capsys: Captured) -> None:
    """No folder, or a folder itself: one line before the work, and nothing left."""
    source = str(Path(network).with_suffix(".safetensors"))
    (tmp_path / "is.glsl").mkdir()
    (tmp_path / "file").touch()
    for arguments, complaint in (
        (["-o", str(tmp_path / "none" / "net.glsl")], f"net.glsl: there is no folder {tmp_path / 'none'}"),
        (["-o", str(tmp_path / "is.glsl"), "--overwrite"], "is.glsl: is a folder, not a file"),
        (["--all", str(tmp_path / "file")], "file: cannot be made a folder"),
    ):
        assert main(["export", source, *arguments]) == 1
        text = capsys.readouterr().err
        assert complaint in text
        assert text.count("\n") == 1
    assert {path.name for path in tmp_path.iterdir()} == {"is.glsl", "file"}


def test_export_of_what_is_no_network(tmp_path: Path, capsys: Captured) -> None:
    """Damaged, of another program, or missing: one line, and no file."""
    good, target = tmp_path / "good.safetensors", tmp_path / "net.onnx"
    float_network(SESRConfig(m=1, f=4)).save(good)
    (tmp_path / "cut.safetensors").write_bytes(good.read_bytes()[:-9])
    (tmp_path / "foreign.safetensors").write_bytes(save({"weight": np.zeros(3, np.float32)}))
    for name, complaint in (
        ("cut", "not a whole SESR network"),
        ("foreign", "a safetensors file, but not a SESR network"),
        ("none", "no such file"),
    ):
        assert main(["export", str(tmp_path / f"{name}.safetensors"), "-o", str(target)]) == 1
        text = capsys.readouterr().err
        assert text.startswith(f"sesr: {tmp_path / name}.safetensors: {complaint}")
        assert text.count("\n") == 1
    assert not target.exists()
