"""A `.tflite` is checked by whichever runtimes are here, says which, and fails for none that is missing."""

import sys
from pathlib import Path

import pytest
from tests.fakes import calm_network

from sesr.engines.openvino import ISA_LIMITS
from sesr.errors import ExportError
from sesr.export.check import check_export, export_checked
from sesr.export.tflite import TFLite
from sesr.network.quantized import QuantizedNetwork
from sesr.network.variants import SESRConfig
from sesr.tflite.writer import Layout, write_tflite

pytestmark = pytest.mark.needs("export")

MISSING = {"litert": "ai_edge_litert.interpreter", "openvino": "openvino"}
NO_VNNI = "openvino: not compared; OpenVINO's int8 cannot be trusted on this processor, which has no VNNI"


def network() -> QuantizedNetwork:
    return calm_network(SESRConfig(m=1, f=4, activation="relu"))


@pytest.mark.parametrize(
    ("missing", "found"),
    [
        pytest.param((), ["litert: 0 of", "openvino:"], marks=pytest.mark.needs("openvino-int8")),
        (("openvino",), ["litert: 0 of", "openvino: not compared;"]),
        pytest.param(("litert",), ["openvino:", "litert: not compared;"], marks=pytest.mark.needs("openvino-int8")),
        (("litert", "openvino"), ["litert: not compared;", "openvino: not compared;", "unchecked: no runtime"]),
    ],
)
def test_a_missing_runtime_fails_nothing(
    missing: tuple[str, ...], found: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sesr.engines.kernels.vnni_kernels", lambda: frozenset({"avx512vnni"}))
    for limit in ISA_LIMITS:
        monkeypatch.delenv(limit, raising=False)
    for name in missing:
        monkeypatch.setitem(sys.modules, MISSING[name], None)
    check = export_checked(network(), tmp_path / "net.tflite", TFLite())
    for line, beginning in zip(check, found, strict=True):
        assert line.startswith(beginning)
    assert set(check.skipped) == set(missing)
    assert all("pip install" in reason for reason in check.skipped.values())
    assert (tmp_path / "net.tflite").read_bytes() == write_tflite(network())


def test_without_vnni_openvino_is_not_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """LiteRT and the reference decide; the file is written."""
    monkeypatch.setattr("sesr.engines.kernels.vnni_kernels", frozenset)
    litert, openvino = export_checked(network(), tmp_path / "net.tflite", TFLite())
    assert litert.startswith("litert: 0 of ")
    assert openvino == NO_VNNI
    network().save(tmp_path / "net.safetensors")
    assert list(check_export(tmp_path / "net.tflite", tmp_path / "net.safetensors", TFLite())) == [litert, openvino]


def test_a_wrong_file_still_fails_without_vnni(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sesr.engines.kernels.vnni_kernels", frozenset)
    (tmp_path / "net.tflite").write_bytes(write_tflite(network()))
    calm_network(SESRConfig(m=1, f=4, activation="relu"), seed=1).save(tmp_path / "other.safetensors")
    with pytest.raises(ExportError, match=r"does not compute what the network does.*litert"):
        check_export(tmp_path / "net.tflite", tmp_path / "other.safetensors", TFLite())


def test_a_transposed_convolution_is_for_litert_alone(tmp_path: Path) -> None:
    (line,) = export_checked(network(), tmp_path / "net.tflite", TFLite(Layout(9, 14, transposed=True)))
    assert line.startswith("litert: 0 of ")


def test_a_check_can_be_required(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One runtime is enough; with none, nothing is written."""
    monkeypatch.setitem(sys.modules, MISSING["openvino"], None)
    assert export_checked(network(), tmp_path / "net.tflite", TFLite(), require_check=True).comparisons
    monkeypatch.setitem(sys.modules, MISSING["litert"], None)
    with pytest.raises(ExportError, match=r"none\.tflite: unchecked, so not written \(litert: .*pip install"):
        export_checked(network(), tmp_path / "none.tflite", TFLite(), require_check=True)
    assert not (tmp_path / "none.tflite").exists()
