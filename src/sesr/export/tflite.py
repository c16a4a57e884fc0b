"""Export a `.tflite` and run it before it is trusted.

Every runtime that is installed, and that computes exactly enough on this processor, runs the file. A missing runtime
does not fail the export: the report names it, and says "unchecked" where no runtime was left.
"""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sesr.atomic import writing
from sesr.engines.base import Backend
from sesr.engines.load import load_engine
from sesr.engines.openvino import UNTRUSTED, openvino_int8_trusted
from sesr.errors import NotInstalledError
from sesr.export.verify import Comparison, Runtime, verify
from sesr.network.quantized import AnyNetwork, load_network
from sesr.tflite.writer import DEFAULT, Layout, write_tflite


@dataclass(frozen=True)
class Check:
    """Report on one exported file. Iterating gives its lines.

    Attributes:
        comparisons: one for each runtime that ran the file, all within their bounds.
        skipped: for each runtime that did not run it, why.
    """

    comparisons: tuple[Comparison, ...]
    skipped: dict[str, str]

    def __iter__(self) -> Iterator[str]:
        yield from map(str, self.comparisons)
        yield from (f"{runtime}: not compared; {reason}" for runtime, reason in self.skipped.items())
        if not self.comparisons:
            yield "unchecked: no runtime here could run the file; export it again where one can"


def export_checked(network: AnyNetwork, path: Path, layout: Layout = DEFAULT) -> Check:
    """Write the network to `path`, after comparing every runtime at hand with the reference.

    Only LiteRT runs a file with a transposed convolution. Raises `ExportError` when a runtime differs too much, and as
    `write_tflite` and `load_engine`; then nothing is written.
    """
    content = write_tflite(network, layout)
    check = _check(network, content, path, layout)
    with writing(path) as temporary:
        temporary.write_bytes(content)
    return check


def check_export(path: Path, safetensors: Path, layout: Layout = DEFAULT) -> Check:
    """Compare a `.tflite` that was written already with the network it was made of. Raises as `export_checked`."""
    return _check(load_network(safetensors), path.read_bytes(), path, layout)


def _check(network: AnyNetwork, content: bytes, path: Path, layout: Layout) -> Check:
    wanted: list[Backend] = ["litert"] if layout.transposed else ["litert", "openvino"]
    runtimes: dict[str, Runtime] = {}
    skipped: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="sesr-", ignore_cleanup_errors=True) as folder:
        file = Path(folder, "network.tflite")
        file.write_bytes(content)
        for name in wanted:
            if name == "openvino" and network.int8 and not openvino_int8_trusted():
                skipped[name] = UNTRUSTED
                continue
            try:
                runtimes[name] = load_engine(file, name)
            except NotInstalledError as error:
                skipped[name] = str(error)
        return Check(tuple(verify(network, path, runtimes, layout.size)), skipped)
