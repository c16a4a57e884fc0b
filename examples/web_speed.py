"""Times the engine as WebAssembly in Chromium against its AVX2 kernels: `python examples/web_speed.py [NETWORK...]`.

Writes results/web.csv: RGB pictures of noise, in memory, one thread each, taking turns. Needs Chromium and Node, and
`npm ci` in web/. The browser adds alpha, and runs the engine on vectors of 128 bits.
"""

import argparse
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sesr.benchmarks.rounds import Turn, take_turns, timed
from sesr.benchmarks.rows import Row, write_rows
from sesr.engines.kernels import KERNEL, kernels
from sesr.engines.native import NativeEngine
from sesr.network.quantized import load_network
from sesr.network.zoo import WEIGHTS

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "results" / "web.csv"
SCRIPT = ROOT / "web" / "library" / "test" / "speed.mjs"
NATIVE_KERNEL = "avx2"


@dataclass(frozen=True)
class WebTiming(Row):
    """One network in the browser and outside.

    Attributes:
        network: its name.
        width, height: of the picture.
        values: what the network computes in, inside and outside.
        browser: version of Chromium.
        kernel: kernels of the engine outside.
        rounds: rounds that counted.
        native_ms, web_ms: medians over the rounds.
        times_native: the browser's time by the other's, the median over the rounds.
    """

    network: str
    width: int
    height: int
    values: str
    browser: str
    kernel: str
    rounds: int
    native_ms: float
    web_ms: float
    times_native: float

    def line(self) -> str:
        """Return the figures for people."""
        return (
            f"{self.network}: {self.web_ms:.0f} ms in the browser, {self.native_ms:.0f} ms by {self.kernel}, "
            f"{self.times_native:.2f} times as long"
        )


@contextmanager
def browser(network: Path, width: int, height: int) -> Iterator[tuple[str, Turn]]:
    """Open Chromium with a network; yields its version and a turn."""
    chromium = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chromium-browser"))), None)
    if chromium is None or shutil.which("node") is None:
        raise SystemExit("web_speed.py: needs node and Chromium; apt-get install chromium")
    command = ["node", str(SCRIPT), chromium, str(network), str(width), str(height)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        asked, answers = process.stdin, process.stdout

        def turn() -> float:
            print(file=asked, flush=True)
            return float(answers.readline()) / 1000

        version = answers.readline().strip()
        if not version:
            raise SystemExit("web_speed.py: the browser did not start; run `npm ci` in web/")
        yield version, turn
        asked.close()


def measure(name: str, width: int, height: int, rounds: int) -> WebTiming:
    """Measure one network at x2."""
    path = WEIGHTS / f"sesr_{name}_x2.safetensors"
    engine = NativeEngine(load_network(path), threads=1, floats="float32")  # as in the browser
    rgb = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    with browser(path, width, height) as (version, web):
        found = take_turns({"native": timed(lambda: engine.enlarge(rgb)), "web": web}, rounds)
    native, other = (round(1000 * found.median(each), 1) for each in ("native", "web"))
    ratio = round(found.ratio("web", "native"), 2)
    return WebTiming(
        name, width, height, engine.values, f"Chromium {version}", engine.kernel, rounds, native, other, ratio
    )


def main() -> None:
    """Measure the networks that are named, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("networks", nargs="*", default=["m5-int8", "m11-int8", "m5"], metavar="NETWORK")
    parser.add_argument("--size", type=int, nargs=2, default=(960, 540), metavar=("WIDTH", "HEIGHT"))
    parser.add_argument("--rounds", type=int, default=15, help="(default: %(default)s)")
    parser.add_argument("-o", "--output", type=Path, default=TABLE, help="table to write (default: %(default)s)")
    arguments = parser.parse_args()
    if not kernels().get(NATIVE_KERNEL, False):
        raise SystemExit(f"web_speed.py: this processor has no {NATIVE_KERNEL}, which the browser is compared with")
    os.environ[KERNEL] = NATIVE_KERNEL
    rows = []
    for name in arguments.networks:
        width, height = arguments.size
        rows.append(measure(name, width, height, arguments.rounds))
        print(rows[-1].line(), flush=True)
    write_rows(rows, arguments.output)


if __name__ == "__main__":
    main()
