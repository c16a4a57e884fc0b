# ruff: noqa: ANN401, T201
"""The package as Python sees it, a line for each result: run by `record.py` with the Python that has `sesr`.

Only names of `sesr.__all__` are used, so that this runs before and after the package is rearranged.
"""

import hashlib
import inspect
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import sesr

FEW = Path("in/few")


def main() -> None:
    """Run the part that is named on the command line."""
    parts = {"arrays": _arrays, "images": _images, "files": _files, "networks": _networks, "training": _training}
    parts |= {"interrupted": _interrupted}
    parts[sys.argv[1]]()


def _show(name: str, call: Callable[[], object]) -> None:
    """Print what a call gives, or raises."""
    try:
        result = call()
    except Exception as error:  # whatever it is, it is recorded
        kinds = [kind.__name__ for kind in type(error).__mro__ if kind.__module__.startswith("sesr")]
        print(f"{name}: raises {type(error).__name__} ({', '.join(kinds)}): {error}")
        return
    print(f"{name}: {_described(result)}")


def _described(result: object) -> str:
    if isinstance(result, np.ndarray):
        return f"{result.dtype} {result.shape} {_hash(result.tobytes())}"
    if isinstance(result, Image.Image):
        return f"{result.mode} {result.size} {sorted(map(str, result.info))} {_hash(result.tobytes())}"
    return str(result)


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def _drawn(shape: tuple[int, ...], dtype: Any = np.uint8) -> Any:
    top = 2 if np.dtype(dtype).kind == "f" else np.iinfo(dtype).max + 1 if np.dtype(dtype).kind == "u" else 100
    return np.random.default_rng(1).integers(0, top, shape).astype(dtype)


def _options(*options: dict[str, Any]) -> tuple[dict[str, Any], ...]:
    return options


def _upscale_opened(path: Path) -> Image.Image:
    with Image.open(path) as image:
        return sesr.upscale(image)


def _upscale_by(model: str, array: Any, **options: Any) -> Any:
    return sesr.load(model, **options).upscale(array)


def _arrays() -> None:
    for dtype in (np.uint8, np.uint16, np.float32, np.int16):
        for shape in ((13, 17), (13, 17, 3), (13, 17, 4), (13, 17, 2), (13, 17, 1), (13,), (0, 5), (1, 1, 3)):
            array = _drawn(shape, dtype)
            for options in _options({}, {"scale": 3}, {"scale": 1.5, "int8": True}):
                _show(f"{np.dtype(dtype)} {shape} {options}", partial(sesr.upscale, array, **options))
    strided = _drawn((40, 40, 3))[::2, ::-3]
    _show("strided", lambda: sesr.upscale(strided))
    upscale: Any = sesr.upscale
    for engine in ("native", "openvino", "litert", "torch", "none"):
        _show(engine, partial(upscale, _drawn((21, 19, 3)), engine=engine, threads=1))


def _images() -> None:
    color = Image.fromarray(_drawn((15, 22, 4)))
    images = {mode: color.convert(mode) for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "I", "F")}
    images["I;16"] = Image.fromarray(_drawn((15, 22), np.uint16))
    images["none"] = Image.new("RGB", (0, 3))
    images["P transparent"] = color.convert("RGB").quantize(8)
    images["P transparent"].info["transparency"] = 1
    images["noted"] = color.convert("RGB")
    images["noted"].info |= {"comment": b"drawn", "dpi": (72, 72)}
    for name, image in images.items():
        for options in _options({}, {"scale": 4, "model": "m3"}, {"scale": 1.25, "photo": True}):
            _show(f"{name} {options}", partial(sesr.upscale, image, **options))
    for path in sorted(FEW.iterdir()):
        _show(path.name, partial(_upscale_opened, path))
    _show("text", lambda: sesr.upscale("few-l.png"))  # type: ignore[type-var]


def _files() -> None:
    upscaler = sesr.load("m3", 2)
    print(f"label {upscaler.label}")
    for path in sorted(FEW.iterdir()):
        _show(path.name, partial(upscaler.upscale_file, path, Path(f"{path.stem}.tiff")))
    one = FEW / "few-l.png"
    # An argument of its own once, now a part of `Output`.
    old = "overwrite" in inspect.signature(upscaler.upscale_file).parameters
    keep: dict[str, Any] = {"overwrite": False} if old else {"output": sesr.Output(overwrite=False)}
    _show("exists", lambda: upscaler.upscale_file(one, Path("few-l.tiff"), **keep))
    _show("missing", lambda: upscaler.upscale_file(Path("none.png"), Path("none.tiff")))
    steps: list[tuple[int, int]] = []
    _show("progress", lambda: upscaler.upscale_file(one, Path("a.png"), progress=lambda *step: steps.append(step)))
    print(f"steps {steps}")


def _networks() -> None:
    print(f"all {sorted(sesr.__all__)} dir {dir(sesr)} version {sesr.__version__}")
    for call in (sesr.load, sesr.upscale):
        print(f"{call.__name__}{tuple(inspect.signature(call).parameters)}")
    array = _drawn((20, 20, 3))
    for model in ("m3", "m5", "m7", "m11", "xl", "m5-relu", "m5-int8", "m5-photo", "m6", "none.safetensors"):
        _show(model, partial(_upscale_by, model, array))
    for options in _options(
        {"scale": 0.5}, {"scale": 100}, {"scale": 2.5}, {"tile": 8}, {"threads": 1}, {"engine": "none"}
    ):
        _show(str(options), partial(_upscale_by, "m3", array, **options))
    _show("attribute", lambda: sesr.none)  # type: ignore[attr-defined]


def _training() -> None:
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(3)
    network = sesr.SESR(m=3, f=16, scale=2)
    luma = torch.from_numpy(_drawn((1, 1, 12, 10)).astype(np.float32) / 255)
    print(f"parameters {[(name, tuple(value.shape)) for name, value in network.named_parameters()]}")
    _show("expanded", lambda: network(luma).detach().numpy())
    _show("collapsed", lambda: network.collapse()(luma).detach().numpy())
    _show("wrong", lambda: sesr.SESR(m=3, f=16, scale=7))


def _interrupted() -> None:
    """Stop a training run once there is a checkpoint, and resume it: the end is the same wherever it was stopped."""
    run = [sys.executable, "-m", "sesr", "train", "--device", "cpu", "--threads", "1"]
    quiet = subprocess.DEVNULL
    first = subprocess.Popen([*run, "long.toml", "--data", "in/train", "--run", "long"], stdout=quiet, stderr=quiet)
    while first.poll() is None and not Path("long/checkpoint.pt").exists():
        time.sleep(0.01)
    first.send_signal(signal.SIGTERM)
    if first.wait() not in (0, 143):
        print(f"the interrupted run ended with {first.returncode}")
    sys.exit(subprocess.run([*run, "--resume", "long"], check=False).returncode)


if __name__ == "__main__":
    main()
