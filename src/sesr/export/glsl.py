"""The target ``.glsl``: written by `sesr.export.glsl_writer`, run by libplacebo in FFmpeg on any Vulkan device.

mpv's ``--vo=gpu-next`` is libplacebo too. A processor serves as the device where Mesa's software Vulkan is installed
(Debian: ``ffmpeg``, ``mesa-vulkan-drivers``). The pictures are run in full range, because newer versions of libplacebo
clip the result of limited range to 16..235.
"""

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sesr.engines.base import last_line
from sesr.errors import EngineError, NotInstalledError
from sesr.export.check import Loader
from sesr.export.glsl_writer import refusal, write_glsl
from sesr.export.verify import LIBPLACEBO, LIBPLACEBO_16, Planes, bounds
from sesr.imaging.arrays import Bytes
from sesr.network.quantized import AnyNetwork

LONGEST = 3600
"""Seconds that one run may take. Software Vulkan compiles most networks in some seconds, XL in minutes."""

AT_ONCE = 4
"""Runs at a time: with small pictures most of a run's time is spent waiting."""


@dataclass(frozen=True)
class GLSL:
    """A `Target`.

    Attributes:
        half: compute in 16-bit floats.
    """

    half: bool = False
    suffix: str = ".glsl"
    size: tuple[int, int] | None = None
    rgb: bool = False

    def refusal(self, network: AnyNetwork) -> str:
        """See `Target.refusal`."""
        return refusal(network)

    def write(self, network: AnyNetwork) -> bytes:
        """See `Target.write`."""
        bound = bounds(network, self._runtime)
        expected = f"at most {bound.largest:g} of 255 steps, {bound.mean:g} in the mean"
        return write_glsl(network, half=self.half, expected=expected)

    def runtimes(self, network: AnyNetwork) -> Mapping[str, Loader | str]:
        """See `Target.runtimes`."""
        return {self._runtime: lambda file: Libplacebo(file, network.config.scale)}

    @property
    def _runtime(self) -> str:
        return LIBPLACEBO_16 if self.half else LIBPLACEBO


class Libplacebo:
    """A shader in FFmpeg's filter ``libplacebo``. See `sesr.export.verify.BatchRuntime`.

    Raises `NotInstalledError` where FFmpeg, its filter or a Vulkan device is missing.
    """

    def __init__(self, path: Path, scale: int) -> None:
        self.shader, self.scale = path, scale
        remedy = "install FFmpeg with libplacebo, and a Vulkan driver (Debian: ffmpeg, mesa-vulkan-drivers)"
        program = shutil.which("ffmpeg")
        if program is None:
            raise NotInstalledError(f"FFmpeg is not installed; {remedy}")
        self.program = program
        try:
            self._run([np.zeros((16, 16), np.uint8)], "")
        except EngineError as error:
            raise NotInstalledError(f"{error}; {remedy}") from error

    def run_all(self, pictures: Sequence[Planes], /) -> list[Planes]:
        """Enlarge planes of luma, those of one size in one run. Raises `EngineError` when FFmpeg fails."""
        whole = [np.rint(picture * 255).astype(np.uint8) for picture in pictures]
        sizes = sorted({picture.shape for picture in whole})
        groups = [[number for number, picture in enumerate(whole) if picture.shape == size] for size in sizes]
        results: dict[int, Planes] = {}
        with ThreadPoolExecutor(AT_ONCE) as pool:
            runs = pool.map(lambda group: self._run([whole[number] for number in group], self.shader.name), groups)
            for group, larger in zip(groups, runs, strict=True):
                results |= zip(group, larger, strict=True)
        return [results[number] for number in range(len(pictures))]

    def _run(self, pictures: Sequence[Bytes], shader: str) -> Planes:
        """Run pictures of one size as the frames of a film. Returns luma Y/255, (pictures, scale H, scale W)."""
        height, width = pictures[0].shape
        larger = (len(pictures), height * self.scale, width * self.scale)
        try:
            done = subprocess.run(
                self._command(height, width, shader),
                input=b"".join(picture.tobytes() for picture in pictures),
                capture_output=True,
                cwd=self.shader.parent,  # a filter's arguments have no place for every path
                timeout=LONGEST,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise EngineError(f"FFmpeg cannot run the filter libplacebo ({last_line(error)})") from error
        values = np.frombuffer(done.stdout[: len(done.stdout) // 2 * 2], "<u2")
        if done.returncode or values.size != np.prod(larger):
            message = done.stderr.decode(errors="replace").strip().splitlines() or ["it says nothing"]
            raise EngineError(f"FFmpeg cannot run the filter libplacebo ({message[-1]})")
        luma: Planes = values.reshape(larger).astype(np.float32) / np.float32(65535)
        return luma

    def _command(self, height: int, width: int, shader: str) -> list[str]:
        """Return the command that enlarges frames of gray, of 8 bits from its input and of 16 bits to its output."""
        device = ["-init_hw_device", "vulkan=device", "-filter_hw_device", "device"]
        frames = ["-f", "rawvideo", "-pix_fmt", "gray", "-color_range", "pc", "-s", f"{width}x{height}", "-i", "-"]
        options = ["dithering=none", "deband=0", "upscaler=none", "downscaler=none", "range=pc", "format=gray16le"]
        options += [f"w={width * self.scale}", f"h={height * self.scale}"]
        options += [f"custom_shader_path={shader}"] if shader else []
        chain = f"format=gray,hwupload,libplacebo={':'.join(options)},hwdownload,format=gray16le"
        quiet = ["-hide_banner", "-loglevel", "error"]
        return [self.program, *quiet, *device, *frames, "-vf", chain, "-f", "rawvideo", "-"]
