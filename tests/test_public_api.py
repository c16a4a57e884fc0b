"""Names that `import sesr` gives, and libraries that it does not load."""

import re
import subprocess
import sys
import tomllib
import typing
from collections.abc import Callable
from pathlib import Path

import pytest

import sesr
from sesr.errors import EngineError


def modules_after(statement: str) -> set[str]:
    """Names of the modules that a new Python has after a statement."""
    code = f"import sys\n{statement}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


NEEDED = {"SESR": pytest.mark.needs("torch"), "upscale_video": pytest.mark.needs("av")}
NAMES = [pytest.param(name, marks=NEEDED.get(name, ())) for name in sesr.__all__]


@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_there(name: str) -> None:
    assert getattr(sesr, name) is not None
    assert name in dir(sesr)


def test_names() -> None:
    """Frozen: a name that is gone breaks somebody's program."""
    errors = {"EngineError", "ExportError", "NotInstalledError", "PictureError", "RecipeError", "SesrError"}
    errors |= {"StoreError", "TrainingError", "UsageError", "VideoError", "WeightsError"}
    types = {"Backend", "LumaEngine", "Output", "PictureEngine", "Progress", "SESR", "Size", "Upscaled", "Upscaler"}
    types |= {"ChromaSiting", "PlaneFormat", "Subsampling", "VideoUpscaler"}
    assert set(sesr.__all__) == errors | types | {"__version__", "load", "upscale", "upscale_video"}


@pytest.mark.parametrize("function", [sesr.load, sesr.upscale, sesr.Upscaler.upscale_file, sesr.Upscaler.of_engine])
def test_types_in_public_signatures_are_public(function: Callable[..., object]) -> None:
    """A caller can name whatever our functions take and return."""
    ours = set()
    for hint in typing.get_type_hints(function).values():
        for part in (hint, *typing.get_args(hint)):
            if getattr(part, "__module__", "").startswith("sesr") and not isinstance(part, typing.TypeVar):
                ours.add(part.__name__)
    assert ours <= set(sesr.__all__)


@pytest.mark.needs("torch")
def test_training_class() -> None:
    assert sesr.SESR(m=3, feature_size=4).config.m == 3


def test_unknown_name() -> None:
    with pytest.raises(AttributeError, match="no attribute 'upscall'"):
        sesr.upscall  # type: ignore[attr-defined]  # noqa: B018


def test_import_loads_no_library() -> None:
    loaded = modules_after("import sesr")
    assert "sesr" in loaded
    assert not loaded & {"numpy", "PIL", "openvino", "torch", "importlib.metadata"}


def test_upscaling_loads_no_torch() -> None:
    loaded = modules_after("from sesr import load, upscale, Upscaler")
    assert "numpy" in loaded
    assert not loaded & {"openvino", "torch"}


EXTRAS = ("ai_edge_litert", "flatbuffers", "matplotlib", "openvino", "pooch", "scipy", "tensorboard", "torch")


def test_upscaling_needs_no_extra() -> None:
    """All that the default engine takes are the packages that are always there, for float and for int8."""
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = [re.split("[^a-z0-9-]", line)[0] for line in project["dependencies"]]
    assert names == ["numpy", "pillow", "pyvips", "safetensors", "tqdm", "zlib-ng"]
    code = (
        "import numpy, sys\n"
        f"sys.modules.update(dict.fromkeys({EXTRAS}))\n"
        "import sesr\n"
        "print([sesr.upscale(numpy.zeros((4, 5, 3), numpy.uint8), int8=int8).shape for int8 in (False, True)])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("[(8, 10, 3), (8, 10, 3)]\n", "")


def test_training_class_without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("sesr.network.sesr", "sesr.network.linear_block"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(EngineError, match=r"needs PyTorch; pip install 'sesr\[train\]'"):
        sesr.SESR  # noqa: B018
