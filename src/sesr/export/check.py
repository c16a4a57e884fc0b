"""Export a network and run the file before it is trusted: one way for every kind of file.

A `Target` says how a kind of file is written and which runtimes can run it. Every runtime that is installed, and that
computes exactly enough on this processor, runs the file on drawn pictures (`sesr.export.verify`). A file that differs
too much is not written. A missing runtime does not fail the export, unless that is asked for: the report names it, and
says "unchecked" where no runtime was left.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sesr.atomic import writing
from sesr.errors import EngineError, ExportError, NotInstalledError
from sesr.export.verify import AnyRuntime, Comparison, verify
from sesr.network.quantized import AnyNetwork, load_network

Loader = Callable[[Path], AnyRuntime]
"""Loads a file into a runtime. Raises `NotInstalledError` where the runtime is missing, `EngineError` if it refuses."""


class Target(Protocol):
    """A kind of file that networks are exported to, with the choices that it leaves."""

    @property
    def suffix(self) -> str:
        """End of the files' names, such as ``.onnx``."""

    @property
    def size(self) -> tuple[int, int] | None:
        """The only (height, width) that the file takes; None if it takes all."""

    @property
    def rgb(self) -> bool:
        """True for a file that takes RGB instead of luma."""

    def refusal(self, network: AnyNetwork) -> str:
        """Return why such a file cannot hold the network, and what to do; empty if it can."""

    def write(self, network: AnyNetwork) -> bytes:
        """Return the file's content. Raises `NotInstalledError`."""

    def runtimes(self, network: AnyNetwork) -> Mapping[str, Loader | str]:
        """Return the runtimes that can run the file, by name; for those that are no use here, the reason."""


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


def export_checked(network: AnyNetwork, path: Path, target: Target, *, require_check: bool = False) -> Check:
    """Write the network to `path`, after comparing every runtime at hand with the reference.

    Raises `ExportError` when such a file cannot hold the network, when a runtime differs too much, and, with
    `require_check`, when no runtime could run the file; `NotInstalledError` when something that writing needs is
    missing. Then nothing is written.
    """
    if refusal := target.refusal(network):
        raise ExportError(f"{path}: {refusal}")
    content = target.write(network)
    check = _check(network, content, path, target)
    if require_check and not check.comparisons:
        reasons = "; ".join(f"{runtime}: {reason}" for runtime, reason in check.skipped.items())
        raise ExportError(f"{path}: unchecked, so not written ({reasons})")
    with writing(path) as temporary:
        temporary.write_bytes(content)
    return check


def check_export(path: Path, safetensors: Path, target: Target) -> Check:
    """Compare a file that was written already with the network that it was made of. Raises as `export_checked`."""
    return _check(load_network(safetensors), path.read_bytes(), path, target)


def _check(network: AnyNetwork, content: bytes, path: Path, target: Target) -> Check:
    runtimes: dict[str, AnyRuntime] = {}
    skipped: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="sesr-", ignore_cleanup_errors=True) as folder:
        file = Path(folder, f"network{target.suffix}")
        file.write_bytes(content)
        for name, load in target.runtimes(network).items():
            if isinstance(load, str):
                skipped[name] = load
                continue
            try:
                runtimes[name] = load(file)
            except NotInstalledError as error:
                skipped[name] = str(error)
            except EngineError as error:
                raise ExportError(f"{path}: {name} cannot run it ({error})") from error
        return Check(tuple(verify(network, path, runtimes, target.size, rgb=target.rgb)), skipped)
