"""The names of `sesr.benchmarks` lead to their modules, which are imported when a name is used and not earlier."""

import subprocess
import sys

import pytest

from sesr import benchmarks


@pytest.mark.parametrize("name", benchmarks.__all__)
def test_every_name_leads_to_a_function(name: str) -> None:
    assert callable(getattr(benchmarks, name))


def test_unknown_name() -> None:
    with pytest.raises(AttributeError, match="no attribute 'measure_luck'"):
        _ = benchmarks.measure_luck  # type: ignore[attr-defined]


def test_command_line_imports_no_benchmark() -> None:
    code = "import sys, sesr.cli; sesr.cli.build_parser(); print([m for m in sys.modules if 'benchmarks.' in m])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "[]\n"
