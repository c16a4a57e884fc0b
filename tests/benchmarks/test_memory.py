"""Memory is measured in fresh processes; the bars themselves are tested with the engine."""

import sys

import pytest

from sesr.benchmarks.memory import measure_engine_memory, measure_memory
from sesr.benchmarks.memory_probe import command_peak, peak_bytes
from sesr.errors import EngineError, UsageError
from sesr.network.zoo import find_network, resolve

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows does not report peaks")


@pytest.mark.parametrize(("int8", "name", "values"), [(True, "m5-int8", "int8"), (False, "m5", "float32")])
def test_engine_needs_little(int8: bool, name: str, values: str) -> None:
    network = find_network(resolve("m5", int8=int8), 2)
    row = measure_engine_memory(network, 2000, 500, threads=1)
    assert (row.network, row.scale, row.values) == (name, 2, values)
    assert (row.width, row.height, row.threads) == (2000, 500, 1)
    assert 0.2 < row.working_mb < 12
    assert f"{row.working_mb:.1f} MB beyond input and output" in row.line()


def test_engine_memory_does_not_grow_with_the_height() -> None:
    network = find_network(resolve("m5", int8=True), 2)
    assert measure_engine_memory(network, 2000, 2000, threads=1).working_mb < 8


def test_no_memory_for_the_plane() -> None:
    with pytest.raises(EngineError, match=r"a plane of 2000000 x 20000000 pixels could not be enlarged: .*emory"):
        measure_engine_memory(find_network("m5"), 2_000_000, 20_000_000)


def test_command_holds_what_it_allocates() -> None:
    def peak(megabytes: int) -> int:
        return command_peak([sys.executable, "-c", f"print(len(bytearray({megabytes} * 10**6)))"]).memory

    assert 90e6 < peak(100) - peak(1) < 110e6


def test_failing_command_tells_why() -> None:
    with pytest.raises(EngineError, match=r"^no luck$"):
        command_peak([sys.executable, "-c", "import sys; sys.exit('no luck')"])


def test_own_peak_rises() -> None:
    before = peak_bytes()
    bytearray(b"1") * (before + 10**7)
    assert peak_bytes() > before


def test_upscale_of_one_picture() -> None:
    (row,) = measure_memory("m3", [0.01])
    assert (row.width, row.height) == (115, 87)
    assert 20 < row.peak_mb < 120
    assert "115 x 87" in row.line()


def test_failing_upscale_is_one_line() -> None:
    with pytest.raises(EngineError, match=r"^sesr upscale failed on 115 x 87 pixels: .*unknown"):
        list(measure_memory("m4", [0.01]))


@pytest.mark.parametrize("size", [0.0, -1.0, float("nan"), 500.0])
def test_impossible_sizes(size: float) -> None:
    with pytest.raises(UsageError, match="above 0 and below 500"):
        list(measure_memory("m3", [2.0, size]))
