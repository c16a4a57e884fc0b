"""The one door for writing picture files: `write_picture` and `write_animation`.

PNG and TIFF are written row by row by writers of our own (`sesr.files.png`, `tiff`), 8 or 16 bits per channel, and need
no memory for the whole picture. Pillow's encoders want the whole picture at once, with 8 bits per channel. Where that
is more memory than there is, the file is refused before the work.

A file appears whole or not at all (`sesr.atomic`).
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sesr.atomic import writing
from sesr.errors import PictureError
from sesr.files.animation import Animated
from sesr.files.encoders import encoder_options, in_srgb
from sesr.files.fit import Fitted, fit
from sesr.files.formats import AVIF, GIF, PNG, Format, output_format
from sesr.files.frames import in_ticks, loop_option, of_one_mode, with_hard_edges
from sesr.files.limits import check_memory, unguarded_pillow
from sesr.files.png import write_png
from sesr.files.tiff import write_tiff
from sesr.imaging.arrays import Pixels
from sesr.imaging.stream import CHANNELS, Stream
from sesr.metadata.heif import describe_avif
from sesr.metadata.record import NOTHING, Metadata


@dataclass(frozen=True)
class Output:
    """How to write a picture file.

    Attributes:
        quality: of JPEG, WebP, AVIF, HEIC and JPEG XL, 1 to 100; None takes 95.
        overwrite: whether a file that exists, or appears meanwhile, may be replaced.
        keep_notes: whether the file keeps EXIF, XMP, text and the like; what decides how colors look is always kept.
        format: the file's format; None takes the one that the path's suffix names.
        threads: processor threads to compress PNG and TIFF in; None takes those that the process may use. With 1,
            nothing is compressed while the next rows are made, so that a picture keeps one processor busy and not two.
    """

    quality: int | None = None
    overwrite: bool = True
    keep_notes: bool = True
    format: Format | None = None
    threads: int | None = None

    def format_for(self, path: Path) -> Format:
        """Return the format to write. Raises `UsageError` for an unknown suffix."""
        return self.format or output_format(path)


def write_picture(path: Path, stream: Stream, metadata: Metadata = NOTHING, output: Output = Output()) -> Fitted:
    """Write a picture, whole or not at all.

    Args:
        path: the file; its suffix names the format, unless `output` does.
        stream: the picture, of which no rows have been read. Formats other than PNG and TIFF get 8 bits per channel.
        metadata: what the file shall say besides, of an upright picture of this size.
        output: how to write it.

    Returns what it took to fit the picture to the format, with notes and losses to report. Raises `UsageError` for an
    unknown suffix, `PictureError` if the format cannot hold the picture or the file cannot be written, and whatever
    `stream` raises.
    """
    form = output.format_for(path)
    check_output(path, stream.width, stream.height, stream.mode, output)
    fitted = _fitted(path, form, stream.mode, metadata, output)
    bands = stream.bands() if fitted.convert is None else map(fitted.convert, stream.bands())
    with _writing(path, form, overwrite=output.overwrite) as file:
        if form.options is not None:
            whole = assemble(map(to_8_bits, bands), stream.width, stream.height, stream.mode)
            _write_whole(file, path, form, whole, fitted.metadata, output)
        else:
            write = write_png if form is PNG else write_tiff
            size, channels = (stream.width, stream.height), CHANNELS[stream.mode]
            write(file, bands, *size, channels, stream.depth, fitted.metadata, output.threads)
    return fitted


def check_output(path: Path, width: int, height: int, mode: str, output: Output = Output()) -> None:
    """Raise what `write_picture` would raise for the format, before the work."""
    form = output.format_for(path)
    form.load_plugin(path)
    if not form.still:
        raise PictureError(f"{path}: {form.name} holds 256 colors, too few for a picture; write .png instead")
    if not form.holds(mode):
        raise PictureError(
            f"{path}: {form.name} cannot hold transparency; write .png instead, or give --background white"
        )
    _check_sides(path, form, width, height, "; write .png instead")
    content = (width * CHANNELS[mode] + 3) * height + 4096  # at most: rows may be filled up, and there is a header
    if form.largest_file is not None and content >= form.largest_file:
        limit = f"{form.name} holds at most {form.largest_file >> 30} gigabytes"
        raise PictureError(f"{path}: {width} x {height} pixels, and {limit}; write .png instead")
    if not form.streams_out:
        needed = form.writing_memory(mode, width * height)
        check_memory(path, needed, f"as {form.name}; write .png or .tiff instead, which need little")


def write_animation(
    path: Path,
    frames: Iterable[tuple[Image.Image, float]],
    plays: int,
    metadata: Metadata,
    output: Output = Output(),
) -> Fitted:
    """Write an animation, whole or not at all.

    Args:
        path: .gif, .webp, .avif or .png.
        frames: each with the time that it is shown, in milliseconds.
        plays: how often it plays, 0 for ever.
        metadata: what the file shall say besides.
        output: how to write it.

    Returns the same as `write_picture`. Raises `PictureError` if it cannot be written, and whatever `frames`
    raises.
    """
    form = output.format_for(path)
    encoding = form.animated
    assert encoding is not None
    pictures, durations = zip(*frames, strict=True)
    pictures = of_one_mode(pictures)  # the same name, so that memory of the ones before is free
    mode = pictures[0].mode
    fitted = _fitted(path, form, mode, metadata, output)
    if fitted.convert is not None:
        pictures = tuple(Image.fromarray(fitted.convert(np.asarray(picture))) for picture in pictures)
    kept = fitted.metadata
    if kept.icc is not None and mode not in form.profile_modes:
        pictures, kept = tuple(in_srgb(picture, kept.icc) for picture in pictures), replace(kept, icc=None)
    options = encoder_options(encoding.options, kept, mode, output.quality) | loop_option(encoding, plays)
    options["duration"] = in_ticks(durations, encoding.tick)
    if form is GIF:
        pictures = tuple(map(with_hard_edges, pictures))
    first, *others = pictures
    with _writing(path, form, overwrite=output.overwrite) as file, _encoding(path, form):
        first.save(file, form.codec, save_all=True, append_images=others, **options)
        if form is AVIF and kept.cicp is not None:
            describe_avif(file, kept.cicp)
    return fitted


def check_animated_output(path: Path, animation: Animated, width: int, height: int, output: Output = Output()) -> None:
    """Raise `PictureError` if the target's format has no frames, or cannot hold frames of this size."""
    form = output.format_for(path)
    if form.animated is None:
        message = f"{animation.path} has {animation.count} frames, and this format one"
        raise PictureError(f"{path}: {message}; write .gif, .webp, .avif or .png")
    _check_sides(path, form, width, height)
    check_memory(path, form.animated.memory(width, height, animation.count), "since animations are written at once")


def assemble(bands: Iterable[Pixels], width: int, height: int, mode: str) -> Image.Image:
    """Put a whole Pillow image together from bands of rows, uint8 or uint16 as in `Stream`; deep gray becomes I;16."""
    whole, top = None, 0
    for band in bands:
        if whole is None:
            whole = Image.new("I;16" if band.dtype == np.uint16 else mode, (width, height))
        whole.paste(Image.fromarray(np.ascontiguousarray(band)), (0, top))
        top += len(band)
    return whole if whole is not None else Image.new(mode, (width, height))


def to_8_bits(pixels: Pixels) -> NDArray[np.uint8]:
    """Round uint16 to uint8, halves up; uint8 stays as it is."""
    if pixels.dtype == np.uint8:
        return pixels
    return ((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8)


def _fitted(path: Path, form: Format, mode: str, metadata: Metadata, output: Output) -> Fitted:
    """Fit metadata to a format. Raises `PictureError` that names the file."""
    try:
        return fit(metadata if output.keep_notes else metadata.without_notes(), form, mode)
    except PictureError as error:
        raise PictureError(f"{path}: {error}") from error


def _write_whole(
    file: BinaryIO, path: Path, form: Format, whole: Image.Image, metadata: Metadata, output: Output
) -> None:
    """Write a picture by Pillow, in colors that the format can describe."""
    assert form.options is not None
    mode = whole.mode
    if metadata.icc is not None and mode not in form.profile_modes:
        whole, metadata = in_srgb(whole, metadata.icc), replace(metadata, icc=None)
    options = encoder_options(form.options, metadata, mode, output.quality)
    with _encoding(path, form):
        whole.save(file, form.codec, **options)
        if form is AVIF and metadata.cicp is not None:
            describe_avif(file, metadata.cicp)


def _check_sides(path: Path, form: Format, width: int, height: int, advice: str = "") -> None:
    if max(width, height) > form.largest_side:
        limit = f"{form.name} holds at most {form.largest_side} a side"
        raise PictureError(f"{path}: {width} x {height} pixels, and {limit}{advice}")


@contextmanager
def _writing(path: Path, form: Format, *, overwrite: bool) -> Iterator[BinaryIO]:
    """Open a file that appears at `path` once it is complete. Turns what the file system raises into `PictureError`."""
    try:
        with unguarded_pillow(), writing(path, overwrite=overwrite) as temporary, temporary.open("w+b") as file:
            yield file
    except FileExistsError as error:
        raise PictureError(f"{path}: exists already; name another with -o, or add --overwrite") from error
    except OSError as error:
        reason = error.strerror or " ".join(str(error).split())
        raise PictureError(f"{path}: cannot be written ({reason}); name another place with -o") from error
    except MemoryError as error:
        raise PictureError(f"{path}: {_out_of_memory(form)}") from error


@contextmanager
def _encoding(path: Path, form: Format) -> Iterator[None]:
    """Turn whatever an encoder raises into `PictureError`, except what `_writing` knows better."""
    try:
        yield
    except (OSError, MemoryError):
        raise
    except Exception as error:  # plug-ins raise nearly anything
        reason = " ".join(str(error).split()) or type(error).__name__
        raise PictureError(f"{path}: cannot be written as {form.name} ({reason}); write .png instead") from error


def _out_of_memory(form: Format) -> str:
    if form.streams_out:
        return "not enough memory for a band of rows; free some, or cut the picture into parts"
    return f"{form.name} needs the whole picture in memory; write .png or .tiff instead"
