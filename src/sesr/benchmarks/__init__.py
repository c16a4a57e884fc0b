"""Benchmarks: what `sesr benchmark` measures, one module each.

Every function below measures and returns or yields rows (`sesr.benchmarks.rows`). Its module is imported when the
function is first used, so that `sesr --help` imports none of them.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sesr.benchmarks.bulk import measure_bulk
    from sesr.benchmarks.engine import measure_engine
    from sesr.benchmarks.files import measure_files
    from sesr.benchmarks.general import measure_general
    from sesr.benchmarks.gpu_training import measure_gpu_training
    from sesr.benchmarks.machine import processor_line
    from sesr.benchmarks.memory import measure_engine_memory, measure_memory
    from sesr.benchmarks.npu import estimate_npu, fsrcnn_ratios
    from sesr.benchmarks.peers.speed import measure_peers
    from sesr.benchmarks.sharpen import measure_sharpen
    from sesr.benchmarks.training import measure_training
    from sesr.benchmarks.video import measure_video

__all__ = [
    "estimate_npu",
    "fsrcnn_ratios",
    "measure_bulk",
    "measure_engine",
    "measure_engine_memory",
    "measure_files",
    "measure_general",
    "measure_gpu_training",
    "measure_memory",
    "measure_peers",
    "measure_sharpen",
    "measure_training",
    "measure_video",
    "processor_line",
]

_MODULES = {
    "estimate_npu": "npu",
    "fsrcnn_ratios": "npu",
    "measure_bulk": "bulk",
    "measure_engine": "engine",
    "measure_engine_memory": "memory",
    "measure_files": "files",
    "measure_general": "general",
    "measure_gpu_training": "gpu_training",
    "measure_memory": "memory",
    "measure_peers": "peers.speed",
    "measure_sharpen": "sharpen",
    "measure_training": "training",
    "measure_video": "video",
    "processor_line": "machine",
}

if not TYPE_CHECKING:  # a type checker must find misspelled names

    def __getattr__(name: str) -> object:
        if name not in _MODULES:
            raise AttributeError(f"module 'sesr.benchmarks' has no attribute {name!r}")
        return getattr(import_module(f"sesr.benchmarks.{_MODULES[name]}"), name)
