"""What our engine needs beyond its input and its output, measured from outside.

A process of its own makes a plane of luma and the engine, notes the memory that it holds, enlarges the plane, and asks
for the most that it ever held. What came on top, less the result, is what the rows in between took
(`sesr.engines.native`). A second process stands between, because Linux lets a process begin with the peak of the one
that started it.
"""

import subprocess
import sys
from dataclasses import dataclass

from sesr.errors import EngineError
from sesr.network.zoo import Network
from sesr.processors import available_threads

_SCRIPT = """
import resource, sys, time
from pathlib import Path
import numpy as np
from sesr.engines.load import load_engine

path, width, height, threads = Path(sys.argv[1]), *map(int, sys.argv[2:])
engine = load_engine(path, "native", threads)
unit = 1 if sys.platform == "darwin" else 1024
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
small = np.full((64, 64), 0.5, np.float32)
engine.run(small)
if engine.int8:
    plane, enlarge = np.full((height, width), 100, np.uint8), engine.run_bytes
else:
    plane, enlarge = np.full((height, width), 0.4, np.float32), engine.run
statm = Path("/proc/self/statm")  # of now; elsewhere the most so far has to do
before = int(statm.read_text().split()[1]) * resource.getpagesize() if statm.exists() else peak()
start = time.perf_counter()
result = enlarge(plane)
print(peak() - before - result.nbytes, time.perf_counter() - start)
"""


_BETWEEN = "import subprocess, sys; sys.exit(subprocess.call(sys.argv[1:]))"


@dataclass(frozen=True)
class WorkingMemory:
    """One plane enlarged.

    Attributes:
        network: name of the network.
        scale: its scale.
        values: ``int8`` or ``float32``.
        width, height: of the input, pixels.
        threads: processor threads.
        working_mb: beyond input and output, 10^6 bytes.
        seconds: for the plane.
    """

    network: str
    scale: int
    values: str
    width: int
    height: int
    threads: int
    working_mb: float
    seconds: float


def measure_working_memory(network: Network, width: int, height: int, threads: int | None = None) -> WorkingMemory:
    """Enlarges a plane of luma, 8-bit for an int8 network, in a process of its own.

    Raises `EngineError` where that fails, most likely for want of memory for the plane and its result.
    """
    if sys.platform == "win32":
        raise EngineError("peak memory cannot be measured on Windows; use Linux or macOS")
    threads = threads or available_threads()
    python = [sys.executable, "-c"]
    command = [*python, _BETWEEN, *python, _SCRIPT, str(network.file), str(width), str(height), str(threads)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or [f"ended with code {done.returncode}"])[-1]
        raise EngineError(f"a plane of {width} x {height} pixels could not be enlarged: {reason}")
    working, seconds = map(float, done.stdout.split())
    scale = network.config.scale if network.config else 0
    values = "int8" if network.int8 else "float32"
    megabytes = round(working / 1e6, 1)
    return WorkingMemory(network.name, scale, values, width, height, threads, megabytes, round(seconds, 1))
