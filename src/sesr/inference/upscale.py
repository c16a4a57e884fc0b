"""Upscales a picture, to any size.

A picture flows through here in bands of rows from the top down: from the file through one network or several
(`sesr.inference.step`, chosen by `sesr.inference.sizes`), through a resize where the wanted size is another, through
sharpening if that is asked for (`sesr.inference.sharpen`), and into the new file. Each link holds only the rows that it
works on. While one band is compressed and written, the next is made.

Memory: the engine's own (some megabytes in ours, 130 at most, 230 for a strip in OpenVINO) and a few bands of pixels
per link. Bands grow with the width only beyond some 58,000 pixels (`sesr.engines.strips`). Formats that are not
streamed are decoded, or collected, as a whole (`sesr.files.formats`).
"""

from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sesr.engines.base import DEFAULT, Backend, EngineOptions, LumaEngine
from sesr.engines.pictures import PictureEngine
from sesr.errors import PictureError, UsageError
from sesr.files.animation import Animated
from sesr.files.background import background_for
from sesr.files.formats import output_format
from sesr.files.limits import PIXEL_LIMIT
from sesr.files.open import open_file
from sesr.files.picture import Picture
from sesr.files.write import Output, assemble, check_animated_output, write_animation, write_picture
from sesr.imaging.arrays import Pixels
from sesr.imaging.flatten import Color, Flattened
from sesr.imaging.stream import Source, Stream, resized
from sesr.inference.networks import Networks, OneNetwork, find_networks
from sesr.inference.sharpen import NOT_SHARPENED, Sharpening
from sesr.inference.sizes import Route, Scale, Size, chain, parse_scale, parse_size, route
from sesr.metadata.record import Metadata
from sesr.network.variants import DEFAULT_NETWORK

Progress = Callable[[int, int], object]
"""Called with the output rows (or frames) done since the last call, and their number in all."""

_READING = 5
"""Bytes per pixel of a picture that is not read in strips: Pillow's copy, and rows on their way."""

AnyPicture = TypeVar("AnyPicture", Image.Image, NDArray[Any])


@dataclass(frozen=True)
class Upscaled:
    """Report on a picture file that was upscaled.

    Attributes:
        source_size: (width, height) of the picture that was read, upright.
        target_size: (width, height) of the picture that was written.
        notes: remarks on what was converted or assumed, each a short phrase: "CMYK converted to sRGB by its profile".
        lost: parts of the file that the new format has no place for: "IPTC keywords".
    """

    source_size: tuple[int, int]
    target_size: tuple[int, int]
    notes: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()


@dataclass(frozen=True)
class Upscaler:
    """Networks that are ready, and the wanted size.

    One that `load` made can be pickled, and so be used in other processes.

    Attributes:
        networks: see `sesr.inference.networks`.
        size: wanted size of the results.
        pixel_limit: most pixels that a picture file may have.
        background: sRGB color that replaces transparency in files; None keeps it.
        sharpening: how much results are sharpened at the end; not at all by default.
    """

    networks: Networks
    size: Size
    pixel_limit: int = PIXEL_LIMIT
    background: Color | None = None
    sharpening: Sharpening = NOT_SHARPENED

    @classmethod
    def of_engine(cls, engine: LumaEngine | PictureEngine, tile: int | None = None) -> "Upscaler":
        """Make an upscaler of one network, at its own scale. `tile` is as in `sesr.inference.step.Step`."""
        return cls(OneNetwork(engine, tile), parse_scale(engine.scale))

    @property
    def label(self) -> str:
        """Part of result names: x2, or x2_sharp0.3."""
        return self.size.label + self.sharpening.label

    def memory(self, size: tuple[int, int], target: Path) -> int:
        """Return an upper bound in bytes for upscaling an opaque RGB picture of (width, height) to `target`.

        It counts reading as a whole, as if the source were not streamed. Of an animation, it counts one frame.
        """
        reading = _READING * size[0] * size[1]
        if not reading:  # a damaged header; nothing will be written
            return 0
        try:
            width, height = route(*size, self.size, self.networks.scales).size
        except UsageError:  # nothing will be written
            return reading
        return reading + output_format(target).writing_memory("RGB", width * height)

    def upscale(self, image: AnyPicture) -> AnyPicture:
        """Upscale a picture.

        Args:
            image: a Pillow image, or a uint8 or uint16 array (H, W) gray, (H, W, 3) RGB or (H, W, 4) RGBA.

        Returns the same kind of object, of the wanted size. A black-and-white Pillow image becomes gray, one with a
        palette RGB. A Pillow image's `info`, color profile included, is kept; its EXIF orientation is left to the
        caller, as in Pillow's own `resize`.

        Raises `UsageError` for other types and shapes, `PictureError` for Pillow modes of 32 bits, CMYK and Lab, and
        for an image that Pillow opened and then cannot read, `EngineError` when the network fails.
        """
        if isinstance(image, np.ndarray):
            return self._upscale_array(image)
        if isinstance(image, Image.Image):
            return self._upscale_image(image)
        raise UsageError(f"give a Pillow image or a NumPy array to upscale, not {type(image).__name__}")

    def upscale_file(
        self,
        source: Path,
        target: Path,
        output: Output = Output(),
        progress: Progress | None = None,
        *,
        page: int | None = None,
    ) -> Upscaled:
        """Upscale a picture file into another; of an animation, every frame.

        Args:
            source: see `sesr.files.open.open_file`.
            target: its suffix names the format, unless `output` does; it appears whole or not at all.
            output: how to write: quality, format, and what may be replaced.
            progress: called after each band or frame.
            page: which page or frame to take, as in `sesr.files.open.open_file`.

        Returns the sizes of both, and what was noted and lost. Raises `PictureError`, `UsageError` as
        `sesr.files.open.open_file` and `sesr.files.write.write_picture` do, `EngineError` when the network fails.
        Whatever happens, the engine is at rest again afterwards.
        """
        picture = open_file(source, self.pixel_limit, page)
        if isinstance(picture, Animated):
            return self._upscale_animation(picture, target, output, progress)
        path = self._route(picture.width, picture.height, str(source))
        flat = self._flat(picture, picture.metadata, str(source))
        with closing(_ahead(self._bands(flat, path, progress), output.threads)) as ready:
            stream = Stream(ready, *path.size, flat.mode, flat.depth)
            fitted = write_picture(target, stream, picture.metadata.enlarged(*path.size), output)
        return Upscaled(path.source, path.size, (*picture.notes, *fitted.notes), fitted.lost)

    def bands(self, source: Source, progress: Progress | None = None) -> Iterator[Pixels]:
        """Yield the enlarged picture in bands of rows from the top down, of the source's mode and depth."""
        return self._bands(source, self._route(source.width, source.height, "the picture"), progress)

    def _route(self, width: int, height: int, name: str) -> Route:
        """Return the picture's route. Raises `PictureError`, naming the picture, where its size does not suit."""
        try:
            return route(width, height, self.size, self.networks.scales)
        except UsageError as error:
            raise PictureError(f"{name}: {error}") from error

    def _bands(self, source: Source, path: Route, progress: Progress | None) -> Iterator[Pixels]:
        flow, bands = source, None
        for scale in path.scales:
            bands = self.networks.step(scale).bands(flow)
            flow = Stream(bands, flow.width * scale, flow.height * scale, flow.mode, flow.depth)
        if bands is None or path.shrinks:
            bands = resized(flow, *path.size)
        if self.sharpening.amount:
            finished = Stream(bands, *path.size, flow.mode, flow.depth)
            bands = self.sharpening.bands(finished, path.times)
        for band in bands:
            yield band
            if progress is not None:
                progress(len(band), path.size[1])

    def _flat(self, picture: Source, metadata: Metadata, name: str) -> Source:
        """Return the picture over the background, if there is one and the picture is transparent."""
        if self.background is None or picture.mode not in ("LA", "RGBA"):
            return picture
        return Flattened(picture, background_for(self.background, metadata, picture.mode, name))

    def _upscale_array(self, array: NDArray[Any]) -> Pixels:
        source = _ArraySource(array)
        path = self._route(source.width, source.height, "the array")
        width, height = path.size
        result, top = np.empty((height, width, *array.shape[2:]), array.dtype), 0
        for band in self._bands(source, path, None):
            result[top : top + len(band)] = band
            top += len(band)
        return result

    def _upscale_image(self, image: Image.Image) -> Image.Image:
        if 0 in image.size:
            raise PictureError(f"a picture of {image.width} x {image.height} pixels has nothing to enlarge")
        picture = Picture.from_image(image)
        path = self._route(picture.width, picture.height, "the picture")
        result = assemble(self._bands(picture, path, None), *path.size, picture.mode)
        result.info = {key: value for key, value in image.info.items() if key != "transparency"}
        return result

    def _upscale_animation(
        self, animation: Animated, target: Path, output: Output, progress: Progress | None
    ) -> Upscaled:
        path = self._route(animation.width, animation.height, str(animation.path))
        larger = path.size
        check_animated_output(target, animation, *larger, output)

        def frames() -> Iterator[tuple[Image.Image, float]]:
            for frame, duration in animation.frames():
                flat = self._flat(frame, animation.metadata, str(animation.path))
                yield assemble(self._bands(flat, path, None), *larger, flat.mode), duration
                if progress is not None:
                    progress(1, animation.count)

        fitted = write_animation(target, frames(), animation.plays, animation.metadata.enlarged(*larger), output)
        return Upscaled(path.source, larger, (*animation.notes, *fitted.notes), fitted.lost)


def load(
    model: str | Path = DEFAULT_NETWORK,
    scale: float | None = None,
    *,
    size: Size | str | None = None,
    engine: Backend = DEFAULT,
    threads: int | None = None,
    tile: int | None = None,
    int8: bool = False,
    photo: bool = False,
    sharpen: float = 0,
) -> Upscaler:
    """Make networks ready, to be kept for many pictures.

    Args:
        model: name of a network that comes with the package (`sesr info` lists them), or a `.safetensors` or `.tflite`.
        scale: factor from 1 to 64, also 1.5; None takes the network's own, the smallest of several. Other factors are
            reached as `sesr.inference.sizes` explains.
        size: wanted size instead: "3840x" (width), "x2160" (height), "3840x2160" (both), or a `Size`.
        engine: what runs it: "native", or "openvino", "litert" or "torch" where that is installed.
        threads: processor threads; None leaves the choice to the engine.
        tile: as in `sesr.inference.step.Step`.
        int8: take the int8 network of that name, "m5-int8" for "m5": a ReLU network that computes in 8 bits.
        photo: take the network for compressed pictures of that name, "m5-photo" for "m5".
        sharpen: how much to sharpen the result's luma, from 0 (not at all) to 2: see `sesr.inference.sharpen`.

    Raises `UsageError` for an unknown name, engine, size or amount, `WeightsError` for a missing or damaged file,
    `EngineError` when the engine is not installed.
    """
    if scale is not None and size is not None:
        raise UsageError("scale and size both say how large pictures become; give one of them")
    sharpening = Sharpening(sharpen, threads)
    networks = find_networks(str(model), EngineOptions(engine, threads, tile), int8=int8, photo=photo)
    smallest = min(networks.scales)
    if isinstance(size, str):
        size = parse_size(size)
    wanted = size or parse_scale(smallest if scale is None else scale)
    needed = chain(wanted.times, networks.scales) if isinstance(wanted, Scale) else (smallest,)
    for each in needed:  # now rather than in the middle of the first picture
        networks.step(each)
    return Upscaler(networks, wanted, sharpening=sharpening)


def upscale(
    image: AnyPicture,
    scale: float | None = None,
    model: str | Path = DEFAULT_NETWORK,
    *,
    size: Size | str | None = None,
    engine: Backend = DEFAULT,
    threads: int | None = None,
    tile: int | None = None,
    int8: bool = False,
    photo: bool = False,
    sharpen: float = 0,
) -> AnyPicture:
    """Upscale one picture: `load(...).upscale(image)`. Arguments and errors as for these two.

    The network is made ready anew each time. For many pictures, keep what `load` returns.
    """
    ready = load(
        model, scale, size=size, engine=engine, threads=threads, tile=tile, int8=int8, photo=photo, sharpen=sharpen
    )
    return ready.upscale(image)


def _ahead(bands: Iterator[Pixels], threads: int | None) -> Generator[Pixels, None, None]:
    """Yield the same bands, each made in another thread while the one before it is compressed and written.

    With one thread allowed, they are made in turn with that. Close it where it is not read to its end: closing waits
    for the other thread.
    """
    if threads == 1:
        yield from bands
        return
    with ThreadPoolExecutor(1) as worker:
        upcoming = worker.submit(next, bands, None)
        while (band := upcoming.result()) is not None:
            upcoming = worker.submit(next, bands, None)
            yield band


class _ArraySource:
    """Rows of an array. Raises `UsageError` for other types and shapes."""

    def __init__(self, pixels: NDArray[Any]) -> None:
        if pixels.dtype not in (np.uint8, np.uint16):
            raise UsageError(f"arrays must hold uint8 or uint16, not {pixels.dtype}; convert it first")
        modes = {(): "L", (3,): "RGB", (4,): "RGBA"}
        if pixels.ndim < 2 or pixels.shape[2:] not in modes or 0 in pixels.shape:
            raise UsageError(f"arrays must be (H, W), (H, W, 3) or (H, W, 4) and not empty, not {pixels.shape}")
        self.pixels, self.mode = pixels, modes[pixels.shape[2:]]
        self.height, self.width = pixels.shape[:2]
        self.depth = 8 * pixels.dtype.itemsize

    def rows(self, top: int, bottom: int) -> Pixels:
        return self.pixels[top:bottom]
