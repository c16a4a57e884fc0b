"""A `.tflite` that was run before it got its name: the writer, the runtimes and the comparison put together."""

import tempfile
from pathlib import Path

from sesr.atomic import writing
from sesr.export.tflite import DEFAULT, AnyNetwork, Layout, write_tflite
from sesr.export.verify import Comparison, Runtime, verify
from sesr.inference.engine import load_engine
from sesr.network.quantized import load_network


def export_checked(network: AnyNetwork, path: Path, layout: Layout = DEFAULT) -> list[Comparison]:
    """Writes the network to `path` after every runtime that reads the file was compared with the reference.

    A file with a transposed convolution is run in LiteRT alone. Raises `ExportError` when it differs too much, and as
    `write_tflite` and `load_engine`; then nothing is written.
    """
    content = write_tflite(network, layout)
    found = _compared(network, content, path, layout)
    with writing(path) as temporary:
        temporary.write_bytes(content)
    return found


def check_export(path: Path, safetensors: Path, layout: Layout = DEFAULT) -> list[Comparison]:
    """Compares a `.tflite` that was written already with the network it was made of. Raises as `export_checked`."""
    return _compared(load_network(safetensors), path.read_bytes(), path, layout)


def _compared(network: AnyNetwork, content: bytes, path: Path, layout: Layout) -> list[Comparison]:
    with tempfile.TemporaryDirectory(prefix="sesr-", ignore_cleanup_errors=True) as folder:
        file = Path(folder, "network.tflite")
        file.write_bytes(content)
        runtimes: dict[str, Runtime] = {"litert": load_engine(file, "litert")}
        if not layout.transposed:
            runtimes["openvino"] = load_engine(file, "openvino")
        return verify(network, path, runtimes, layout.size)
