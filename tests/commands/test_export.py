"""`sesr export`."""

from pathlib import Path

import numpy as np
import pytest

from sesr.cli import main
from sesr.engines.load import load_engine
from sesr.errors import UsageError
from sesr.tflite.file import operators

Captured = pytest.CaptureFixture[str]


@pytest.mark.needs("export")
def test_export(network: str, tmp_path: Path, capsys: Captured) -> None:
    source, target = Path(network).with_suffix(".safetensors"), tmp_path / "out.tflite"
    assert main(["export", str(source), "-o", str(target)]) == 0
    assert target.read_bytes() == Path(network).with_suffix(".tflite").read_bytes()
    assert main(["export", str(source), "-o", str(target)]) == 1
    assert main(["export", str(source), "-o", str(target), "--overwrite"]) == 0
    assert main(["export", str(source), "-o", str(tmp_path / "out.onnx")]) == 2
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
    monkeypatch.setattr("sesr.engines.native.vnni_kernels", frozenset)
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
    assert lines[0].endswith("largest difference 0 of an 8-bit step, at most 0 allowed")
    assert lines[1].startswith("openvino: ")
    assert main(["export", int8_network, "--int8", "-o", str(target), "--overwrite"]) == 0


@pytest.mark.needs("export")
def test_export_for_npus(int8_network: str, tmp_path: Path, capsys: Captured) -> None:
    """One size for good, with either way to enlarge; both are verified at that size."""
    small = ["--height", "10", "--width", "14"]
    for option, kind in (("--fixed-size", "DEPTH_TO_SPACE"), ("--transpose-conv", "TRANSPOSE_CONV")):
        target = tmp_path / f"{kind}.tflite"
        assert main(["export", int8_network, "-o", str(target), *small, option]) == 0
        assert "litert: 0 of 3,920 pixels differ" in capsys.readouterr().out
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
