"""A shader computes what the network does, in libplacebo on software Vulkan, and stands in a file as players want it.

Tests that run a shader are skipped, visibly, where FFmpeg's libplacebo or a Vulkan device is missing.
"""

import itertools
import re
import sys
import tomllib
from collections.abc import Sequence
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
from tests.fakes import calm_network, float_network

from sesr.errors import ExportError, NotInstalledError
from sesr.export.check import check_export, export_checked
from sesr.export.glsl import GLSL, Libplacebo
from sesr.export.glsl_writer import count_passes, count_reads, write_glsl
from sesr.export.verify import drawn_pictures
from sesr.imaging.arrays import Bytes
from sesr.network.checkpoint import Checkpoint, load_checkpoint
from sesr.network.reference import reference
from sesr.network.variants import VARIANTS, SESRConfig
from sesr.network.zoo import find_network

SMALL = SESRConfig(m=1, f=4)
ROOT = Path(__file__).parents[2]


def shipped(name: str, scale: int) -> Checkpoint:
    path = find_network(name, scale).safetensors
    assert path is not None
    return load_checkpoint(path)


@lru_cache(maxsize=1)
def missing() -> str:
    """Say why shaders cannot be run here; empty if they can."""
    try:
        Libplacebo(Path("none.glsl").absolute(), 2)
    except NotInstalledError as error:
        return str(error)
    return ""


@pytest.fixture
def libplacebo() -> None:
    if missing():
        pytest.skip(missing())


def differences(network: Checkpoint, folder: Path, pictures: Sequence[Bytes]) -> list[Bytes]:
    """Return by how many steps the shader differs from the network, before rounding."""
    file = folder / "net.glsl"
    file.write_bytes(write_glsl(network))
    planes = [picture.astype(np.float32) / np.float32(255) for picture in pictures]
    results = Libplacebo(file, network.config.scale).run_all(planes)
    return [np.abs(255 * a - reference(network, p)) for a, p in zip(results, pictures, strict=True)]


@pytest.mark.slow
@pytest.mark.usefixtures("libplacebo")
class TestPixels:
    """Shaders in libplacebo."""

    @pytest.mark.parametrize(("name", "scale"), [("m3", 2), ("m5", 2), ("m7", 2), ("m11", 2), ("m3", 4)])
    def test_equals_the_network(self, name: str, scale: int, tmp_path: Path) -> None:
        (found,) = export_checked(shipped(name, scale), tmp_path / "net.glsl", GLSL(), require_check=True).comparisons
        assert (found.runtime, found.bound, found.mean_bound) == ("libplacebo", 1, 0.1)
        assert found.differing <= 0.1 * found.pixels  # by one: the bound is a step

    def test_16_bits(self, tmp_path: Path) -> None:
        check = export_checked(shipped("m5", 2), tmp_path / "net.glsl", GLSL(half=True), require_check=True)
        (found,) = check.comparisons
        assert (found.runtime, found.bound, found.mean_bound) == ("libplacebo-16bit", 3, 0.2)

    @pytest.mark.parametrize(("f", "scale"), [*itertools.product((4, 8, 12), (2, 3, 4)), (32, 2)])
    def test_every_kind(self, f: int, scale: int, tmp_path: Path) -> None:
        config = SESRConfig(
            m=1 if f == 32 else 2, f=f, scale=scale, activation="relu" if f == 8 else "prelu", input_residual=scale != 3
        )
        found = differences(float_network(config, strength=0.2), tmp_path, drawn_pictures()[5:])
        assert max(each.max() for each in found) <= 1

    def test_borders_are_no_worse_than_the_inside(self, tmp_path: Path) -> None:
        noise = np.random.default_rng(0).integers(0, 256, (64, 60), np.uint8)
        (found,) = differences(shipped("m3", 2), tmp_path, [noise])
        inside = found[14:-14, 14:-14]
        for border in (found[:4], found[-4:], found[:, :4], found[:, -4:]):
            assert border.max() <= 1.2 * inside.max()
            assert border.mean() <= 1.2 * inside.mean()

    def test_another_border_fails(self, tmp_path: Path) -> None:
        """The picture's last row repeated beyond it, as other shaders have it."""
        network, file = float_network(SMALL, strength=1.0), tmp_path / "net.glsl"
        network.save(tmp_path / "net.safetensors")
        text = write_glsl(network)
        file.write_bytes(text)
        assert check_export(file, tmp_path / "net.safetensors", GLSL()).comparisons
        changed = re.sub(rb"bool inside = [^;]*;", b"bool inside = true; p = clamp(p, ivec2(0), size - 1);", text)
        assert changed != text
        file.write_bytes(changed)
        with pytest.raises(ExportError, match=r"net\.glsl: does not compute what the network does.*libplacebo"):
            check_export(file, tmp_path / "net.safetensors", GLSL())

    def test_what_is_no_shader_fails(self, tmp_path: Path) -> None:
        network, file = float_network(SMALL, strength=1.0), tmp_path / "net.glsl"
        network.save(tmp_path / "net.safetensors")
        file.write_bytes(write_glsl(network).replace(b"barrier();", b"barrier(;"))
        with pytest.raises(ExportError):
            check_export(file, tmp_path / "net.safetensors", GLSL())


class TestText:
    """The file as a text."""

    def test_the_page_has_the_counts(self) -> None:
        page = (ROOT / "docs" / "deploy" / "mpv.md").read_text(encoding="utf-8")
        for name, config in VARIANTS.items():
            assert f"| {name.upper()} | {count_passes(config)} | {count_reads(config):g} |" in page

    @pytest.mark.parametrize("name", ["m3", "m5", "m7", "m11"])
    def test_ready_made(self, name: str) -> None:
        """CONTRIBUTING says how to write them anew, under "Training the networks"."""
        released = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
        written, here = GLSL().write(shipped(name, 2)), f"written by SESR {version('sesr')}.".encode()
        assert here in written
        expected = written.replace(here, f"written by SESR {released}.".encode())
        assert (ROOT / "shaders" / f"sesr_{name}_x2.glsl").read_bytes() == expected

    def test_m5_is_small(self) -> None:
        text = write_glsl(shipped("m5", 2))
        assert len(text) < 200_000
        assert text == write_glsl(shipped("m5", 2))
        assert text.count(b"//!HOOK LUMA") == count_passes(shipped("m5", 2).config) == 7

    @pytest.mark.parametrize(("name", "scale", "most"), [("m5", 2, 48), ("m3", 4, 48), ("xl", 2, 180)])
    def test_texture_reads(self, name: str, scale: int, most: float) -> None:
        """Those inside the loop count as often as it runs for each of a group's 64 pixels."""
        network, reads = shipped(name, scale), 0.0
        for one in write_glsl(network).decode().split("//!DESC")[1:]:
            loop, after = one.split("barrier();")
            side = int(re.findall(r"y < (\d+); y \+= 8", loop)[0])
            reads += loop.count("texelFetch") * side**2 / 64 + after.count("texelFetch")
        assert reads == count_reads(network.config) <= most

    @pytest.mark.parametrize(("scale", "least"), [(2, "1.3"), (3, "1.95"), (4, "2.6")])
    def test_it_runs_only_where_the_picture_is_enlarged(self, scale: int, least: str) -> None:
        network = float_network(SESRConfig(m=2, f=4, scale=scale))
        conditions = re.findall(r"^//!WHEN (.*)$", write_glsl(network).decode(), re.MULTILINE)
        assert conditions == [f"OUTPUT.w LUMA.w {least} * > OUTPUT.h LUMA.h {least} * > *"] * 4

    def test_the_header(self) -> None:
        text = GLSL().write(shipped("m5", 2)).decode()
        head = text[: text.index("\n//!DESC")]
        for part in ("SESR-M5 x2", "written by SESR ", "License: Apache-2.0", "13,520 weights, 7 passes, 47.5 texture"):
            assert part in head
        assert "at most 1 of 255 steps, 0.1 in the mean" in head
        assert all(line.startswith("//") for line in head.splitlines())
        assert "at most 3 of 255 steps" in GLSL(half=True).write(shipped("m5", 2)).decode()

    def test_a_name_cannot_add_lines(self) -> None:
        network = float_network(SMALL)
        named = Checkpoint(network.config, network.tensors, {"name": "a\n//!HOOK RGB", "licence": "b\nvoid"})
        assert write_glsl(named).count(b"\n//!HOOK RGB") == 0
        assert b"\nvoid." not in write_glsl(named)


@pytest.mark.parametrize(
    ("network", "complaint"),
    [
        (calm_network(SESRConfig(m=1, f=4, activation="relu")), "an int8 network, and shaders compute in floats"),
        (float_network(SESRConfig(m=1, f=6)), "6 features do not fit a shader's textures"),
        (float_network(SESRConfig(m=1, f=36)), "36 features do not fit"),
    ],
)
def test_networks_that_a_shader_cannot_hold(network: Checkpoint, complaint: str, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=rf"net\.glsl: {complaint}"):
        export_checked(network, tmp_path / "net.glsl", GLSL())
    with pytest.raises(ExportError, match=complaint):
        write_glsl(network)
    assert not list(tmp_path.iterdir())


def test_without_ffmpeg_a_shader_is_unchecked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    skipped, unchecked = export_checked(float_network(SMALL), tmp_path / "net.glsl", GLSL())
    assert skipped.startswith("libplacebo: not compared; FFmpeg is not installed; install FFmpeg with libplacebo")
    assert unchecked.startswith("unchecked: ")
    with pytest.raises(ExportError, match="unchecked, so not written"):
        export_checked(float_network(SMALL), tmp_path / "other.glsl", GLSL(), require_check=True)


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in is a shell script")
def test_without_vulkan_a_shader_is_unchecked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ffmpeg = tmp_path / "ffmpeg"
    ffmpeg.write_text("#!/bin/sh\necho 'Device creation failed' >&2\nexit 1\n")
    ffmpeg.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    skipped, _ = export_checked(float_network(SMALL), tmp_path / "net.glsl", GLSL())
    assert "FFmpeg cannot run the filter libplacebo (Device creation failed); install FFmpeg" in skipped
