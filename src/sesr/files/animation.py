"""Animations: GIF, WebP, AVIF and APNG, every frame of them, with their timing.

Formats store frames as changes to the one before. Pillow puts them together, so that each frame is a whole picture
here, and finds the changes again when it writes. A frame that is all the same as the one before becomes part of its
time; what a person sees stays.

How often it plays is counted differently: GIF says how often it is repeated after the first time, and nothing for once;
WebP and APNG say how often in all. AVIF's is neither read nor written by Pillow: such files play for ever. GIF knows
time in hundredths of a second, so times are rounded where frames begin, not each by itself, and their sum stays.
"""

import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from itertools import accumulate, islice, pairwise
from pathlib import Path
from typing import BinaryIO

from PIL import Image
from PIL.PngImagePlugin import Disposal, PngImageFile

from sesr.atomic import writing
from sesr.errors import PictureError
from sesr.files.encoders import Saving, encoder_options
from sesr.files.files import PIXEL_LIMIT, check_memory, check_size, unguarded_pillow
from sesr.files.formats import FORMATS, GIF, Animated, output_format
from sesr.files.metadata import Metadata
from sesr.files.picture import Picture, decoding, kind_of

_CODECS = [form.codec for form in FORMATS if form.animated is not None]

MOST_FRAMES = 50_000
"""Of an animation that is read; at 25 a second, half an hour."""

_WEBP_FLAGS, _WEBP_MOVES, _WEBP_ALPHA = 20, 0x02, 0x10


@dataclass(frozen=True)
class Animation:
    """An animation of a file, its frames not yet decoded.

    Attributes:
        path: the file.
        width, height: pixels, upright.
        count: frames.
        plays: how often it plays, 0 for ever.
        metadata: what the file says beside.
    """

    path: Path
    width: int
    height: int
    count: int
    plays: int
    metadata: Metadata

    def frames(self) -> Iterator[tuple[Picture, float]]:
        """Each frame, whole, and how long it is shown, in milliseconds. Raises `PictureError` for a damaged one."""
        with decoding(str(self.path)), unguarded_pillow(), _opened(self.path) as image:
            canvas, first, orientation = (0, 0, *image.size), _skip_default_image(image), self.metadata.orientation
            for index in range(first, first + self.count):
                image.seek(index)
                image.load()
                frame = _opaque_where_it_is(image.crop(canvas))
                picture = Picture(frame, kind_of(frame, str(self.path)), orientation)
                yield picture, float(image.info.get("duration", 0))


def open_animation(path: Path, pixel_limit: int = PIXEL_LIMIT) -> Animation | None:
    """The animation in a file; None for a picture that stands still, or for a file that is none or cannot be read.

    Raises `PictureError` where its frames together have more than `pixel_limit` pixels, or are more than `MOST_FRAMES`,
    and for a GIF that ends early.
    """
    try:
        if not path.is_file():  # opening a pipe would wait
            return None
        with unguarded_pillow(), _opened(path) as image:
            count, *reach = _counted(path, image)
            if count < 2:
                return None
            metadata = _metadata(path, image)
            size = Picture(image, image.mode, metadata.orientation)
            found = Animation(path, size.width, size.height, count, _plays(image), metadata)
    except PictureError:
        raise
    except Exception:  # whoever reads it as a picture says what is wrong with it
        return None
    if count > MOST_FRAMES:
        raise PictureError(f"{path}: more than {MOST_FRAMES} frames, too many; cut it into parts")
    check_size(path, reach[0], reach[1] * count, pixel_limit)
    return found


def _opened(path: Path) -> Image.Image:
    """With transparency wherever frames leave it.

    A WebP says in a flag whether a frame has alpha. Encoders leave it out where frames have none and merely do not
    cover the picture, and Pillow then takes what they leave for black. So the flag is set.
    """
    with path.open("rb") as file:
        start = file.read(_WEBP_FLAGS + 1)
        if not (start[:4] == b"RIFF" and start[8:16] == b"WEBPVP8X" and start[_WEBP_FLAGS] & _WEBP_MOVES):
            return Image.open(path, formats=_CODECS)
        flags = bytes([start[_WEBP_FLAGS] | _WEBP_ALPHA])
        return Image.open(BytesIO(start[:_WEBP_FLAGS] + flags + file.read()), formats=_CODECS)


def _skip_default_image(image: Image.Image) -> int:
    """The number of the first frame: an APNG may begin with a picture for programs that know no animations.

    Pillow counts that as a frame, and would leave it under the next, which begins on an empty canvas (APNG
    specification, "Structure"). So it is made to take it away.
    """
    if not (isinstance(image, PngImageFile) and image.default_image):
        return 0
    image.dispose_op, image.dispose_extent = Disposal.OP_BACKGROUND, (0, 0, *image.size)
    return 1


def _opaque_where_it_is(frame: Image.Image) -> Image.Image:
    """Without alpha that says nothing."""
    opaque = frame.mode == "RGBA" and frame.getchannel("A").getextrema() == (255, 255)
    return frame.convert("RGB") if opaque else frame


def _counted(path: Path, image: Image.Image) -> tuple[int, int, int]:
    """Frames, and the width and height that they reach, which in a damaged GIF are beyond the picture's.

    A GIF is gone through for that, up to `MOST_FRAMES` + 1. Raises `PictureError` where it ends early.
    """
    if image.format != "GIF":
        return int(getattr(image, "n_frames", 1)) - int(getattr(image, "default_image", False)), *image.size
    with path.open("rb") as file:
        places = list(islice(_gif_frames(path, file), MOST_FRAMES + 1))
    right, bottom = map(max, zip(image.size, *places, strict=True))
    return len(places), right, bottom


def _gif_frames(path: Path, file: BinaryIO) -> Iterator[tuple[int, int]]:
    """Where each frame ends, right and below (GIF89a specification, section 18 on). Nothing is decoded.

    Bytes between blocks, which some programs leave, are passed over. Raises `PictureError` where the trailer lacks.
    """
    flags = file.read(13)[10:11]
    _skip_table(file, flags)
    while (kind := file.read(1)) and kind != b";":
        if kind not in b"!,":
            continue
        if kind == b",":
            place = file.read(9).ljust(9, b"\0")
            left, top, width, height = struct.unpack("<4H", place[:8])
            _skip_table(file, place[8:])
        file.read(1)  # an extension's label, or bits a code
        while length := file.read(1):
            if length == b"\0":
                break
            file.seek(length[0], 1)
        if kind == b"," and length:
            yield left + width, top + height
    if kind != b";":
        raise PictureError(f"{path}: damaged or incomplete (a GIF without its end); fetch or export it again")


def _skip_table(file: BinaryIO, flags: bytes) -> None:
    """A table of colours, where flags say that there is one."""
    if flags and flags[0] & 0x80:
        file.seek(3 << ((flags[0] & 7) + 1), 1)


def _plays(image: Image.Image) -> int:
    loop = image.info.get("loop")
    if image.format == "GIF":
        return 1 if loop is None else loop + 1 if loop else 0
    return int(loop or 0)


def _metadata(path: Path, image: Image.Image) -> Metadata:
    metadata = Metadata.of_image(image)
    if image.format == "GIF":
        return replace(metadata, comment=image.info.get("comment"))
    if image.format != "PNG":
        return metadata
    with path.open("rb") as file:
        return replace(Metadata.of_png(file), icc=metadata.icc)


def check_animated_output(path: Path, animation: Animation, width: int, height: int) -> None:
    """Raises `PictureError` where the target's format has no frames, or cannot hold ones of this size."""
    form = output_format(path)
    if form.animated is None:
        message = f"{animation.path} has {animation.count} frames, and this format one"
        raise PictureError(f"{path}: {message}; write .gif, .webp, .avif or .png")
    if max(width, height) > form.largest_side:
        limit = f"{form.name} holds at most {form.largest_side} a side"
        raise PictureError(f"{path}: {width} x {height} pixels, and {limit}")
    check_memory(path, form.animated.memory(width, height, animation.count), "since animations are written at once")


def write_animation(
    path: Path,
    frames: Iterable[tuple[Image.Image, float]],
    plays: int,
    metadata: Metadata,
    saving: Saving,
    *,
    overwrite: bool = True,
) -> None:
    """Writes an animation, whole or not at all.

    Args:
        path: .gif, .webp, .avif or .png.
        frames: each with the time it is shown, in milliseconds.
        plays: as in `Animation`.
        metadata: what to say beside.
        saving: the quality.
        overwrite: whether a file that is there may be replaced.

    Raises `PictureError` when it cannot be written, and whatever `frames` raises.
    """
    pictures, durations = zip(*frames, strict=True)
    form = output_format(path)
    assert form.animated is not None
    options = encoder_options(form.animated.options, metadata, pictures[0].mode, saving.quality)
    options |= _loop(form.animated, plays)
    options["duration"] = _whole(durations, form.animated.tick)
    pictures = _of_one_mode(pictures)  # the same name, so that memory of the ones before is free
    if form is GIF:
        pictures = tuple(map(_cut_out, pictures))
    first, *others = pictures
    try:
        with unguarded_pillow(), writing(path, overwrite=overwrite) as temporary, temporary.open("w+b") as file:
            first.save(file, form.codec, save_all=True, append_images=others, **options)
    except FileExistsError as error:
        raise PictureError(f"{path}: exists already; name another with -o, or add --overwrite") from error
    except (OSError, ValueError, OverflowError, SystemError) as error:  # Pillow: a time that is too long, for instance
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise PictureError(f"{path}: cannot be written ({reason}); name another place with -o") from error


def _of_one_mode(pictures: tuple[Image.Image, ...]) -> tuple[Image.Image, ...]:
    """Frames of a GIF may differ in mode, and Pillow takes the first one's for all."""
    modes = {picture.mode for picture in pictures}
    if len(modes) == 1:
        return pictures
    mode = "RGBA" if modes & {"LA", "RGBA"} else "RGB"
    return tuple(picture.convert(mode) for picture in pictures)


def _cut_out(picture: Image.Image) -> Image.Image:
    """For GIF, where a pixel is seen or not: Pillow would show the faintest one."""
    if picture.mode not in ("LA", "RGBA"):
        return picture
    cut = picture.convert("RGBA")
    cut.putalpha(cut.getchannel("A").point([0] * 128 + [255] * 128))
    return cut


def _whole(durations: Sequence[float], tick: float | None) -> list[float]:
    """Times in whole ticks, whose sum stays the same but for half a tick."""
    if tick is None:
        return list(durations)
    ends = [round(end / tick) for end in accumulate(durations)]
    return [int((end - start) * tick) for start, end in pairwise([0, *ends])]


def _loop(animated: Animated, plays: int) -> dict[str, int]:
    """Pillow's loop count, in the format's way of counting; nothing for a GIF that plays once."""
    if not animated.counts_repeats or plays == 0:
        return {"loop": plays}
    return {"loop": plays - 1} if plays > 1 else {}
