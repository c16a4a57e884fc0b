"""All files that a network can be exported to, in one folder."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sesr.errors import ExportError, NotInstalledError
from sesr.export.check import Check, Target, export_checked
from sesr.export.glsl import GLSL
from sesr.export.onnx import ONNX
from sesr.export.onnx_writer import ONNXLayout
from sesr.export.tflite import TFLite
from sesr.network.quantized import AnyNetwork

TARGETS: dict[str, Target] = {
    ".tflite": TFLite(),
    ".onnx": ONNX(),
    "_rgb.onnx": ONNX(ONNXLayout(rgb=True)),
    ".glsl": GLSL(),
}
"""Kinds of files, by what follows the network's name in their names."""


@dataclass(frozen=True)
class Exported:
    """Report on one of the files.

    Attributes:
        path: the file.
        check: what the runtimes computed; None where there is no file.
        size: the file's bytes.
        refused: why such a file cannot hold the network.
        failed: why the file was not written although it could be.
    """

    path: Path
    check: Check | None = None
    size: int = 0
    refused: str = ""
    failed: str = ""


def list_files(folder: Path, stem: str) -> list[Path]:
    """Return the paths that `export_all` writes to."""
    return [folder / f"{stem}{end}" for end in TARGETS]


def export_all(network: AnyNetwork, folder: Path, stem: str, *, require_check: bool = False) -> Iterator[Exported]:
    """Write a file of every kind, each as `sesr.export.check.export_checked` does, and report on each in turn."""
    for path, target in zip(list_files(folder, stem), TARGETS.values(), strict=True):
        if refused := target.refusal(network):
            yield Exported(path, refused=refused)
            continue
        try:
            check = export_checked(network, path, target, require_check=require_check)
        except (ExportError, NotInstalledError) as error:
            yield Exported(path, failed=str(error))
            continue
        yield Exported(path, check, path.stat().st_size)
