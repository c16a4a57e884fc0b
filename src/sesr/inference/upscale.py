"""From a picture to a larger picture, strip by strip.

The network enlarges luma. What is done with the rest of a picture, here in one place:

- *Colour*: chroma is enlarged by bicubic (`sesr.imaging.compose`).
- *Grey*: full-range grey becomes the luma of a pixel with R = G = B, goes through the network, and comes back grey.
- *Alpha*: enlarged by bicubic; visible colour is first spread under transparent pixels, so that cut-outs get no fringe
  (`sesr.imaging.alpha`).

A strip's luma comes with a halo of the network's receptive radius (`sesr.inference.strips`). That is more than bicubic
needs, so the same rows serve chroma and alpha, and the result is the same however the picture is cut.
Memory is the decoded picture, one strip, and whatever the result is collected in: for PNG files, nothing.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sesr.errors import PictureError, UsageError
from sesr.imaging.alpha import REACH, spread_colour
from sesr.imaging.color import grey_from_luma, luma_from_grey, to_uint8
from sesr.imaging.compose import compose_rgb, network_luma
from sesr.imaging.files import Picture, assemble, open_picture, write_picture
from sesr.imaging.resize import KERNEL_RADIUS
from sesr.imaging.resize import upscale as bicubic
from sesr.inference.engine import Backend, Engine, Luma, load_engine
from sesr.inference.strips import Span, plan, run_band
from sesr.inference.zoo import find_network

Bytes = NDArray[np.uint8]
Progress = Callable[[int, int], object]
"""Is told the input rows that were done since it was last called, and how many there are in all."""
AnyPicture = TypeVar("AnyPicture", Image.Image, NDArray[Any])


class Source(Protocol):
    """A picture that can be read by rows: `Picture`, or an array."""

    @property
    def width(self) -> int: ...

    @property
    def height(self) -> int: ...

    @property
    def mode(self) -> str:
        """L, LA, RGB or RGBA."""

    def rows(self, top: int, bottom: int) -> Bytes:
        """Rows `top` to `bottom` (exclusive): uint8 (rows, width) for L, else (rows, width, channels)."""


@dataclass(frozen=True)
class Upscaler:
    """A network that is ready for pictures.

    Attributes:
        engine: what runs the network.
        tile: side of the square tiles that the network sees at a time, input pixels; None for strips whose memory is
            bounded. The result does not depend on it, up to float rounding.
    """

    engine: Engine
    tile: int | None = None

    @property
    def scale(self) -> int:
        """Output pixels per input pixel, along a side."""
        return self.engine.scale

    def upscale(self, image: AnyPicture) -> AnyPicture:
        """Enlarges a picture.

        Args:
            image: a Pillow image, or a uint8 array (H, W) grey, (H, W, 3) RGB or (H, W, 4) RGBA.

        Returns the same kind of thing, `scale` times as high and wide. Of a Pillow image, black-and-white becomes
        grey and a palette RGB; its notes (`info`, with the colour profile) are kept and its EXIF orientation is left
        to the caller, as in Pillow's own `resize`.

        Raises `UsageError` for other types and shapes, `PictureError` for Pillow modes beyond 8 bits, CMYK and Lab.
        """
        if isinstance(image, np.ndarray):
            return self._upscale_array(image)
        if isinstance(image, Image.Image):
            return self._upscale_image(image)
        raise UsageError(f"give a Pillow image or a NumPy array to upscale, not {type(image).__name__}")

    def upscale_file(
        self, source: Path, target: Path, progress: Progress | None = None
    ) -> tuple[tuple[int, int], tuple[int, int]]:
        """Enlarges a picture file into another, over what may be there.

        Args:
            source: PNG, JPEG, WebP, TIFF or BMP.
            target: its suffix names the format; it appears whole or not at all.
            progress: called after each strip.

        Returns (width, height) of the source and of the target. Raises `PictureError`, `UsageError` as
        `sesr.imaging.files.open_picture` and `write_picture` do.
        """
        picture = open_picture(source)
        width, height = picture.width * self.scale, picture.height * self.scale
        bands = self.bands(picture, progress)
        write_picture(target, _ahead(bands), width, height, picture.mode, picture.profile)
        return (picture.width, picture.height), (width, height)

    def bands(self, source: Source, progress: Progress | None = None) -> Iterator[Bytes]:
        """The enlarged picture in bands of rows from the top down, of the source's mode: see `Source.rows`."""
        for band in plan(source.height, source.width, self.engine.receptive_radius, self.tile):
            colour, alpha = _read(source, band.rows.start, band.rows.stop)
            luma = run_band(self.engine, _luma(colour), band)
            yield _finish(luma, colour, alpha, band.rows, self.scale)
            if progress is not None:
                progress(band.rows.keep_stop - band.rows.keep_start, source.height)

    def _upscale_array(self, array: NDArray[Any]) -> Bytes:
        source = _ArraySource(array)
        height, width = source.height * self.scale, source.width * self.scale
        result, top = np.empty((height, width, *array.shape[2:]), np.uint8), 0
        for band in self.bands(source):
            result[top : top + len(band)] = band
            top += len(band)
        return result

    def _upscale_image(self, image: Image.Image) -> Image.Image:
        if 0 in image.size:
            raise PictureError(f"a picture of {image.width} x {image.height} pixels has nothing to enlarge")
        picture = Picture.from_image(image)
        size = (picture.width * self.scale, picture.height * self.scale)
        result = assemble(self.bands(picture), *size, picture.mode)
        result.info = {key: value for key, value in image.info.items() if key != "transparency"}
        return result


def load(
    model: str | Path = "m5",
    scale: int | None = None,
    *,
    engine: Backend = "openvino",
    threads: int | None = None,
    tile: int | None = None,
) -> Upscaler:
    """Makes a network ready, to be kept for many pictures.

    Args:
        model: name of a network that comes with the package (`sesr info` lists them), or a `.safetensors` or `.tflite`.
        scale: the scale wanted; None takes what the network has (of the shipped ones, the smallest).
        engine: what runs it: "openvino", or "torch" where that is installed.
        threads: processor threads; None leaves the choice to the engine.
        tile: as in `Upscaler`.

    Raises `UsageError` for an unknown name, engine or a scale that there is not, `WeightsError` for a missing or
    damaged file, `EngineError` when the engine is not installed.
    """
    network = find_network(str(model), scale)
    ready = load_engine(network.file, engine, threads)
    if scale not in (None, ready.scale):
        raise UsageError(f"{network.file}: a network for x{ready.scale}, not for x{scale}")
    return Upscaler(ready, tile)


def upscale(
    image: AnyPicture,
    scale: int | None = None,
    model: str | Path = "m5",
    *,
    engine: Backend = "openvino",
    threads: int | None = None,
    tile: int | None = None,
) -> AnyPicture:
    """Enlarges one picture: `load(...).upscale(image)`. Arguments and errors as for these two.

    The network is made ready anew each time, which takes a quarter of a second: for many pictures keep what `load`
    gives.
    """
    return load(model, scale, engine=engine, threads=threads, tile=tile).upscale(image)


def _ahead(bands: Iterator[Bytes]) -> Iterator[Bytes]:
    """The same bands, each made in another thread while the one before it is compressed and written."""
    with ThreadPoolExecutor(1) as worker:
        upcoming = worker.submit(next, bands, None)
        while (band := upcoming.result()) is not None:
            upcoming = worker.submit(next, bands, None)
            yield band


class _ArraySource:
    """A uint8 array as a source. Raises `UsageError` for other types and shapes."""

    def __init__(self, pixels: NDArray[Any]) -> None:
        if pixels.dtype != np.uint8:
            raise UsageError(f"arrays must hold uint8 (0..255), not {pixels.dtype}; convert it first")
        modes = {(): "L", (3,): "RGB", (4,): "RGBA"}
        if pixels.ndim < 2 or pixels.shape[2:] not in modes or 0 in pixels.shape:
            raise UsageError(f"arrays must be (H, W), (H, W, 3) or (H, W, 4) and not empty, not {pixels.shape}")
        self.pixels, self.mode = pixels, modes[pixels.shape[2:]]
        self.height, self.width = pixels.shape[:2]

    def rows(self, top: int, bottom: int) -> Bytes:
        return self.pixels[top:bottom]


def _read(source: Source, top: int, bottom: int) -> tuple[Bytes, Bytes | None]:
    """Rows of a source: (rows, width) grey or (rows, width, 3) RGB, and alpha (rows, width) if there is any."""
    if source.mode in ("L", "RGB"):
        return source.rows(top, bottom), None
    above = min(top, REACH)
    pixels = source.rows(top - above, min(bottom + REACH, source.height))
    inside = slice(above, above + bottom - top)
    colour = spread_colour(pixels)[inside]
    return colour[..., 0] if source.mode == "LA" else colour, pixels[inside, :, -1]


def _luma(colour: Bytes) -> Luma:
    """What the network takes, float32 (rows, width)."""
    if colour.ndim == 3:
        return network_luma(colour)
    return luma_from_grey(colour.astype(np.float32)) / np.float32(255)


def _finish(luma: Luma, colour: Bytes, alpha: Bytes | None, rows: Span, scale: int) -> Bytes:
    """The finished band: `luma` holds the kept rows, enlarged; `colour` and `alpha` all rows that were read."""
    start = max(rows.keep_start - KERNEL_RADIUS, rows.start)
    stop = min(rows.keep_stop + KERNEL_RADIUS, rows.stop)
    near = slice(start - rows.start, stop - rows.start)
    inside = slice((rows.keep_start - start) * scale, (rows.keep_stop - start) * scale)
    if colour.ndim == 3:
        result = _compose(luma, colour[near], inside, scale)
    else:
        result = to_uint8(grey_from_luma(luma * np.float32(255)))
    if alpha is None:
        return result
    return np.dstack([result, bicubic(alpha[near], scale)[inside]])


def _compose(luma: Luma, rgb: Bytes, inside: slice, scale: int) -> Bytes:
    """`compose_rgb` for the rows `inside` alone, for which there is luma; around them it does not matter."""
    padded = np.zeros((len(rgb) * scale, luma.shape[1]), np.float32)
    padded[inside] = luma
    return compose_rgb(padded, rgb, scale)[inside]
