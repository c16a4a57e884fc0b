"""Fixtures that several rooms use, and the marker for what a test needs beside the base install.

A test file that imports PyTorch calls ``pytest.importorskip("torch")`` first. A test that needs an optional package
only while it runs is marked ``@pytest.mark.needs("openvino")``. Both are skipped, visibly, where it is missing.
"""

import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from sesr.engines.kernels import FLOATS
from sesr.engines.openvino import openvino_int8_trusted

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"

PACKAGES = {"export": ("flatbuffers", "ai_edge_litert"), "openvino-int8": ("openvino",)}
"""Packages that a name given to ``needs`` stands for; any other name is a package itself."""


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose ``needs`` marker names a package that is not installed, or int8 that OpenVINO gets wrong."""
    for mark in item.iter_markers("needs"):
        for name in mark.args:
            for package in PACKAGES.get(name, (name,)):
                if find_spec(package) is None:
                    pytest.skip(f"needs {package}")
            if name == "openvino-int8" and not openvino_int8_trusted():
                pytest.skip("needs a processor with VNNI for OpenVINO's int8")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of training, validation and benchmark images beside the checkout; skips where there is none."""
    if not SHARED_DATA.is_dir():
        pytest.skip("no images beside the checkout (../shared/data)")
    return SHARED_DATA


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tests leave the user's cache alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SESR_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def float32() -> Iterator[None]:
    """Our engine runs float networks in floats, also where fixed point is the default: for bounds of float rounding."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(FLOATS, "float32")
        yield


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Tiny networks gain nothing from PyTorch's threads, and lose much where other work keeps the cores busy.

    PyTorch is not imported for this. A test that imports it while it runs has its threads until the next test.
    """
    torch = sys.modules.get("torch")
    if torch is None:
        yield
        return
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
