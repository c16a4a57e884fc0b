"""The WebGPU engine in Chromium, on a GPU in software, held against the engine that runs here.

`web/library/test/webgpu.mjs` runs all jobs in one browser. Luma must be within a hundredth of a step before it is
rounded, and pixels within one step of `sesr.upscale`.
"""

import base64
import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from tests.fakes import float_network, picture
from tests.pictures import noise

import sesr
from sesr.engines.native import NativeEngine
from sesr.network.quantized import load_network
from sesr.network.variants import SESRConfig
from sesr.network.zoo import WEIGHTS

ROOT = Path(__file__).parents[2]
WEB = ROOT / "web"
PAGE = WEB / "page" / "dist" / "sesr.html"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chromium-browser"))), None)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        shutil.which("node") is None or not PAGE.exists(), reason="needs node, `npm ci` and `npm run build` in web/"
    ),
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium"),
]

SHIPPED = ["m3_x2", "m5_x2", "m11_x2", "xl_x2", "m5_x3", "m5_x4"]
MADE = {
    "x3": SESRConfig(m=2, f=6, scale=3, activation="relu", input_residual=False),
    "wide": SESRConfig(m=1, f=40, scale=4),
}
"""Networks of other shapes: features that fill no group of four, and more groups than are shared at once."""

PICTURES = {
    "m3": ("transparent", "opaque", "pixel"),
    "m5": ("transparent", "opaque"),
    "m11": ("opaque",),
    "xl": ("opaque",),
    "m5_x3": ("transparent", "opaque"),
    "m5_x4": ("transparent", "opaque"),
}
WINDOW, SMALL_WINDOW = 2**14, 24 * 24
"""Pixels of a window: all pictures fit; they are cut both ways."""

CUT = ["m3_x2", "wide"]
LARGE = ["m11_x2", "xl_x2", "m5_x4"]
"""Networks that take a GPU in software so long that they get fewer planes."""

Pixels = NDArray[np.uint8]


def _drawing() -> Pixels:
    with Image.open(ROOT / "examples" / "drawing.png") as opened:
        return np.asarray(opened.convert("RGB").resize((47, 38)))


def _lumas() -> list[NDArray[np.float32]]:
    """Y/255: single pixels, a row, extremes, noise, extremes at borders, a drawing."""
    checkers = (np.indices((9, 70)).sum(0) // 3 % 2 * 255).astype(np.uint8)
    planes = [noise(1, 1, 1), noise(1, 40, 2), checkers, noise(33, 17, 3), picture(50, 48), _drawing()[..., 1]]
    return [(plane / np.float32(255)).astype(np.float32) for plane in planes]


def _pictures() -> dict[str, Pixels]:
    """RGBA: with transparent and half transparent pixels, opaque, and the smallest."""
    transparent = noise(30, 41, 4, 4)
    transparent[..., 3] = np.where(transparent[..., 3] < 100, 0, transparent[..., 3])
    drawing = _drawing()
    opaque = np.concatenate([drawing, np.full((*drawing.shape[:2], 1), 255, np.uint8)], axis=2)
    return {"transparent": transparent, "opaque": opaque, "pixel": noise(1, 1, 5, 4)}


LUMAS, RGBA = _lumas(), _pictures()


class Jobs:
    """Calls of the functions in `web/library/test/gpu.ts`, by name, and what they gave."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.calls: list[dict[str, Any]] = []

    def add(self, name: str, call: str, network: Path, *others: object, array: NDArray[Any] | None = None) -> None:
        """Add a call on a network's file, an array if there is one, and other arguments."""
        files, given = [str(network)], list(others)
        if array is not None:
            file = self._folder / f"{len(self.calls)}.in"
            file.write_bytes(np.ascontiguousarray(array).tobytes())
            files.append(str(file))
            given.insert(0, {"height": array.shape[0], "width": array.shape[1]})
        self.calls.append({"name": name, "call": call, "files": files, "others": given})

    def run(self, args: list[str] | None = None) -> dict[str, Any]:
        """Run all of them in Chromium, with a GPU in software unless there are other arguments for it.

        Skips where it has no WebGPU.
        """
        jobs = {"chromium": CHROMIUM, "calls": self.calls, "args": args}
        (self._folder / "jobs.json").write_text(json.dumps(jobs))
        script = WEB / "library" / "test" / "webgpu.mjs"
        subprocess.run(["node", script, self._folder / "jobs.json"], check=True, timeout=500)
        seen = json.loads((self._folder / "seen.json").read_text())
        if seen["found"] is None and args is None:
            pytest.skip("this Chromium has no WebGPU, not even in software")
        results: dict[str, Any] = seen["results"] | {"found": seen["found"]}
        return results


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Files by name."""
    folder = tmp_path_factory.mktemp("networks")
    for name, config in MADE.items():
        float_network(config).save(folder / f"{name}.safetensors")
    shipped = {name: WEIGHTS / f"sesr_{name}.safetensors" for name in [*SHIPPED, "m5-int8_x2"]}
    return shipped | {name: folder / f"{name}.safetensors" for name in MADE}


@pytest.fixture(scope="module")
def seen(networks: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Findings of the browser, by the names of calls."""
    jobs = Jobs(tmp_path_factory.mktemp("webgpu"))
    for name in [*SHIPPED, *MADE]:
        for index in _lumas_of(name):
            jobs.add(f"{name} {index}", "luma", networks[name], WINDOW, array=LUMAS[index])
    for name in CUT:
        jobs.add(f"{name} cut", "luma", networks[name], SMALL_WINDOW, array=LUMAS[-1])
    for name, kinds in PICTURES.items():
        for kind in kinds:
            network = networks[_stem(name)]
            jobs.add(f"{name} {kind}", "picture", network, {"engine": "webgpu"}, array=RGBA[kind])
    for engine in ("auto", "wasm"):
        jobs.add(engine, "picture", networks["m3_x2"], {"engine": engine}, array=RGBA["opaque"])
    jobs.add("lost", "lost", networks["m3_x2"])
    jobs.add("poor", "poor", networks["m3_x2"])
    return jobs.run()


def _lumas_of(name: str) -> Sequence[int]:
    """Return which of the planes a network enlarges."""
    return (0, 2, 5) if name in LARGE else range(len(LUMAS))


def _stem(name: str) -> str:
    return name if "_x" in name else f"{name}_x2"


def _bytes(text: str) -> bytes:
    return base64.b64decode(text)


@pytest.mark.parametrize("name", [*SHIPPED, *MADE])
def test_luma(name: str, networks: dict[str, Path], seen: dict[str, Any]) -> None:
    engine = NativeEngine(load_network(networks[name]), 1, floats="float32")
    for index in _lumas_of(name):
        luma = LUMAS[index]
        expected = engine.run(luma)
        result = np.frombuffer(_bytes(seen[f"{name} {index}"]), np.float32).reshape(expected.shape)
        assert 255 * np.abs(result - expected).max() < 0.01, (name, luma.shape)
    assert expected.std() > 0.05  # so that a flat result would show


@pytest.mark.parametrize("name", CUT)
def test_luma_does_not_depend_on_windows(name: str, seen: dict[str, Any]) -> None:
    assert _bytes(seen[f"{name} cut"]) == _bytes(seen[f"{name} {len(LUMAS) - 1}"])


@pytest.mark.parametrize("name", PICTURES)
def test_pixels(name: str, seen: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Colors are those of `sesr.upscale` within one step; alpha is equal."""
    monkeypatch.setenv("SESR_FLOATS", "float32")
    network, scale = _stem(name).split("_x")
    for kind in PICTURES[name]:
        mode = "RGB" if kind == "opaque" else "RGBA"
        small = Image.fromarray(RGBA[kind]).convert(mode)
        expected = np.asarray(sesr.upscale(small, int(scale), network).convert("RGBA")).astype(int)
        found = seen[f"{name} {kind}"]
        assert (found["engine"], found["note"]) == ("webgpu", seen["found"])
        result = np.frombuffer(_bytes(found["pixels"]), np.uint8).reshape(expected.shape).astype(int)
        assert np.abs(result - expected)[..., :3].max() <= 1, kind
        assert (result == expected)[..., :3].mean() > 0.999, kind
        np.testing.assert_array_equal(result[..., 3], expected[..., 3])


def test_the_choice(seen: dict[str, Any]) -> None:
    """A GPU in software is not chosen by itself. WebAssembly gives nearly the same pixels."""
    assert seen["auto"]["engine"] == seen["wasm"]["engine"] == "wasm"
    assert seen["auto"]["note"] == f"WebGPU is not used: it would run in software here ({seen['found']})"
    assert seen["wasm"]["note"] == ""
    one, other = (np.frombuffer(_bytes(seen[name]["pixels"]), np.uint8).astype(int) for name in ("wasm", "m3 opaque"))
    assert np.abs(one - other).max() <= 1


def test_what_fails_is_said(seen: dict[str, Any]) -> None:
    """The upscaler then goes on with WebAssembly: web/library/test/webgpu.test.ts."""
    assert seen["lost"].startswith("GpuError: the GPU stopped (")
    assert seen["poor"].startswith("GpuError: the GPU ")


def test_without_an_adapter(networks: dict[str, Path], tmp_path: Path) -> None:
    """Chromium without a GPU: WebAssembly does it, and says why."""
    jobs = Jobs(tmp_path)
    jobs.add("asked", "picture", networks["m3_x2"], {"engine": "webgpu"}, array=RGBA["pixel"])
    asked = jobs.run(args=["--disable-gpu", "--disable-features=WebGPU,SkiaGraphite"])["asked"]
    assert asked["engine"] == "wasm"
    assert asked["note"].startswith("WebGPU is not used: this browser ")
    assert len(_bytes(asked["pixels"])) == 16


def test_the_page(tmp_path: Path) -> None:
    """From a file, without a server: the engine is chosen, used and named."""
    drawing = Image.fromarray(_drawing())
    drawing.save(tmp_path / "drawing.png")
    jobs = Jobs(tmp_path)
    page = {"address": PAGE.as_uri(), "picture": str(tmp_path / "drawing.png"), "network": "m3", "engine": "webgpu"}
    jobs.calls.append({"name": "page", "page": page})
    seen = jobs.run()
    assert seen["page"]["status"].endswith(f"megapixels per second (WebGPU, {seen['found']}).")
    assert seen["page"]["errors"] == []
    (tmp_path / "large.png").write_bytes(_bytes(seen["page"]["saved"]))
    with Image.open(tmp_path / "large.png") as saved:
        expected = np.asarray(sesr.upscale(drawing, 2, "m3")).astype(int)
        assert np.abs(np.asarray(saved.convert("RGB")).astype(int) - expected).max() <= 1
