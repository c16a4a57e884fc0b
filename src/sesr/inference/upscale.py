"""From a picture to a larger picture, strip by strip.

The network enlarges luma. What is done with the rest of a picture, here in one place:

- *Colour*: chroma is enlarged by bicubic (`sesr.imaging.compose`).
- *Grey*: full-range grey becomes the luma of a pixel with R = G = B, goes through the network, and comes back grey.
- *Alpha*: enlarged by bicubic; visible colour is first spread under transparent pixels, so that cut-outs get no fringe
  (`sesr.imaging.alpha`).

In our own engine (`sesr.inference.native`) all this runs in one pipeline of rows, alpha apart. For other engines it is
done here in NumPy, around a network that sees strips.

A strip's luma comes with a halo of the network's receptive radius (`sesr.inference.strips`). That is more than bicubic
needs, so the same pixels serve chroma and alpha, and the result is the same however the picture is cut.

Memory, for PNG files, is the decoded picture, what the engine takes (some megabytes in ours, 130 at most, 230 for a
strip in OpenVINO), and up to three bands of 8-bit pixels: one is written while the next is made. Bands grow with the
width only beyond some 58,000 pixels (`sesr.inference.strips`). Other formats are collected as a whole before they are
written.
"""

from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
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
from sesr.inference.engine import DEFAULT, Backend, Engine, Luma, load_engine
from sesr.inference.native import NativeEngine, enlarge_by_bicubic
from sesr.inference.strips import Band, Span, plan, plan_rows
from sesr.inference.zoo import check_int8, check_scale, find_network

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
        tile: side of the square tiles that the network sees at a time, input pixels; None for strips of about half a
            megapixel. The result does not depend on it, up to float rounding.
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

        Raises `UsageError` for other types and shapes, `PictureError` for Pillow modes beyond 8 bits, CMYK and Lab, and
        for an image that Pillow opened and then cannot read, `EngineError` when the network fails.
        """
        if isinstance(image, np.ndarray):
            return self._upscale_array(image)
        if isinstance(image, Image.Image):
            return self._upscale_image(image)
        raise UsageError(f"give a Pillow image or a NumPy array to upscale, not {type(image).__name__}")

    def upscale_file(
        self, source: Path, target: Path, progress: Progress | None = None, *, overwrite: bool = True
    ) -> tuple[tuple[int, int], tuple[int, int]]:
        """Enlarges a picture file into another.

        Args:
            source: PNG, JPEG, WebP, TIFF or BMP.
            target: its suffix names the format; it appears whole or not at all.
            progress: called after each strip.
            overwrite: whether a file that is there, or appears meanwhile, may be replaced.

        Returns (width, height) of the source and of the target. Raises `PictureError`, `UsageError` as
        `sesr.imaging.files.open_picture` and `write_picture` do, `EngineError` when the network fails. Whatever
        happens, the engine is at rest again afterwards.
        """
        picture = open_picture(source)
        width, height = picture.width * self.scale, picture.height * self.scale
        with closing(_ahead(self.bands(picture, progress))) as ready:
            write_picture(target, ready, width, height, picture.mode, picture.profile, overwrite=overwrite)
        return (picture.width, picture.height), (width, height)

    def bands(self, source: Source, progress: Progress | None = None) -> Iterator[Bytes]:
        """The enlarged picture in bands of rows from the top down, of the source's mode: see `Source.rows`."""
        for band in self._plan(source.height, source.width):
            yield self._band(source, band)
            if progress is not None:
                progress(band.rows.keep_stop - band.rows.keep_start, source.height)

    def _plan(self, height: int, width: int) -> list[Band]:
        if self.tile is None and isinstance(self.engine, NativeEngine):
            return plan_rows(height, width, self.engine.receptive_radius, self.engine.column_bytes)
        return plan(height, width, self.engine.receptive_radius, self.tile)

    def _band(self, source: Source, band: Band) -> Bytes:
        """A finished band. Over its full width only 8-bit pixels are held, all else for one column at a time."""
        margin = REACH if source.mode in ("LA", "RGBA") else 0
        rows = _widened(band.rows, margin, source.height)
        pixels = source.rows(rows.start, rows.stop)
        height = (band.rows.keep_stop - band.rows.keep_start) * self.scale
        result = np.empty((height, source.width * self.scale, *pixels.shape[2:]), np.uint8)
        for column in band.columns:
            wide = _widened(column, margin, source.width)
            colour, alpha = _split(pixels[:, wide.start : wide.stop], source.mode)
            piece = band.rows.within(rows.start), column.within(wide.start)
            finished = self._piece(colour[piece], None if alpha is None else alpha[piece], band.rows, column)
            result[:, column.keep_start * self.scale : column.keep_stop * self.scale] = finished
        return result

    def _piece(self, colour: Bytes, alpha: Bytes | None, rows: Span, columns: Span) -> Bytes:
        """The kept part of a strip, finished; `colour` and `alpha` hold all that was read of it."""
        if isinstance(self.engine, NativeEngine):
            return _native_piece(self.engine, colour, alpha, rows, columns)
        luma = self.engine.run(_luma(colour))
        near_rows, near_columns = rows.near(KERNEL_RADIUS), columns.near(KERNEL_RADIUS)
        near = near_rows.within(rows.start), near_columns.within(columns.start)
        luma = luma[near_rows.within(rows.start, self.scale), near_columns.within(columns.start, self.scale)]
        if colour.ndim == 3:
            result = compose_rgb(luma, colour[near], self.scale)
        else:
            result = to_uint8(grey_from_luma(luma * np.float32(255)))
        if alpha is not None:
            result = np.dstack([result, bicubic(alpha[near], self.scale)])
        return result[near_rows.inside(self.scale), near_columns.inside(self.scale)]

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
    engine: Backend = DEFAULT,
    threads: int | None = None,
    tile: int | None = None,
    int8: bool = False,
) -> Upscaler:
    """Makes a network ready, to be kept for many pictures.

    Args:
        model: name of a network that comes with the package (`sesr info` lists them), or a `.safetensors` or `.tflite`.
        scale: the scale wanted; None takes what the network has (of the shipped ones, the smallest).
        engine: what runs it: "native", or "openvino", "litert" or "torch" where that is installed.
        threads: processor threads; None leaves the choice to the engine.
        tile: as in `Upscaler`.
        int8: takes the int8 network beside the one that is named, "m5-int8" for "m5": a ReLU network, whose luma is 8
            bits wide.

    Raises `UsageError` for an unknown name, engine or a scale that there is not, `WeightsError` for a missing or
    damaged file, `EngineError` when the engine is not installed.
    """
    network = find_network(str(model), scale, int8=int8)
    ready = load_engine(network.file, engine, threads)
    check_scale(network.file, ready.scale, scale)
    check_int8(network.file, ready.int8, int8)
    return Upscaler(ready, tile)


def upscale(
    image: AnyPicture,
    scale: int | None = None,
    model: str | Path = "m5",
    *,
    engine: Backend = DEFAULT,
    threads: int | None = None,
    tile: int | None = None,
    int8: bool = False,
) -> AnyPicture:
    """Enlarges one picture: `load(...).upscale(image)`. Arguments and errors as for these two.

    The network is made ready anew each time: for many pictures keep what `load` gives.
    """
    return load(model, scale, engine=engine, threads=threads, tile=tile, int8=int8).upscale(image)


def _ahead(bands: Iterator[Bytes]) -> Generator[Bytes, None, None]:
    """The same bands, each made in another thread while the one before it is compressed and written.

    To be closed where it is not read to its end: closing waits for the thread.
    """
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


def _native_piece(engine: NativeEngine, colour: Bytes, alpha: Bytes | None, rows: Span, columns: Span) -> Bytes:
    """As `Upscaler._piece`; the engine does the colours too."""
    kept = rows.inside()
    result = engine.enlarge(colour, kept)
    if alpha is not None:
        result = np.dstack([result, enlarge_by_bicubic(alpha, engine.scale, kept, engine.threads, engine.kernel)])
    return result[:, columns.inside(engine.scale)]


def _widened(span: Span, margin: int, length: int) -> Span:
    return Span(max(span.start - margin, 0), min(span.stop + margin, length), span.keep_start, span.keep_stop)


def _split(pixels: Bytes, mode: str) -> tuple[Bytes, Bytes | None]:
    """Grey (H, W) or RGB (H, W, 3), and alpha (H, W) if there is any; the outer `REACH` pixels lack context then."""
    if mode in ("L", "RGB"):
        return pixels, None
    colour = spread_colour(pixels)
    return colour[..., 0] if mode == "LA" else colour, pixels[..., -1]


def _luma(colour: Bytes) -> Luma:
    """What the network takes, float32 (rows, width)."""
    if colour.ndim == 3:
        return network_luma(colour)
    return luma_from_grey(colour.astype(np.float32)) / np.float32(255)
