"""Animations: GIF, WebP, AVIF and APNG, every frame of them, with their timing.

Formats store frames as changes to the one before. Pillow puts them together, so that each frame is a whole picture
here, and finds the changes again when it writes. A frame that is all the same as the one before becomes part of its
time; what a person sees stays.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from sesr.atomic import writing
from sesr.errors import PictureError
from sesr.imaging.files import PIXEL_LIMIT, Saving, check_memory, check_size, output_format, unguarded_pillow
from sesr.imaging.metadata import Metadata
from sesr.imaging.picture import Picture, decoding, kind_of

ANIMATED_FORMATS = ("GIF", "WEBP", "PNG", "AVIF")


@dataclass(frozen=True)
class Animation:
    """An animation of a file, its frames not yet decoded.

    Attributes:
        path: the file.
        width, height: pixels.
        count: frames.
        loop: how often it plays, 0 for ever, None where the file does not say (once, then).
        metadata: what the file says beside.
    """

    path: Path
    width: int
    height: int
    count: int
    loop: int | None
    metadata: Metadata

    def frames(self) -> Iterator[tuple[Picture, float]]:
        """Each frame, whole, and how long it is shown, in milliseconds. Raises `PictureError` for a damaged one."""
        with decoding(str(self.path)), unguarded_pillow(), Image.open(self.path, formats=ANIMATED_FORMATS) as image:
            for index in range(self.count):
                image.seek(index)
                image.load()
                frame = image.copy()
                yield Picture(frame, kind_of(frame, str(self.path))), float(image.info.get("duration", 0))


def open_animation(path: Path, pixel_limit: int = PIXEL_LIMIT) -> Animation | None:
    """The animation in a file; None for a picture that stands still, or for a file that is none or cannot be read.

    Raises `PictureError` where its frames together have more than `pixel_limit` pixels.
    """
    try:
        with unguarded_pillow(), Image.open(path, formats=ANIMATED_FORMATS) as image:
            count = getattr(image, "n_frames", 1)
            if count < 2:
                return None
            found = Animation(path, *image.size, count, image.info.get("loop"), Metadata.of_image(image))
    except Exception:  # whoever reads it as a picture says what is wrong with it
        return None
    check_size(path, found.width, found.height * found.count, pixel_limit)
    return found


def check_animated_output(path: Path, animation: Animation, width: int, height: int) -> None:
    """Raises `PictureError` where the target's format has no frames, or cannot hold ones of this size."""
    if output_format(path) not in ANIMATED_FORMATS:
        message = f"{animation.path} has {animation.count} frames, and this format one"
        raise PictureError(f"{path}: {message}; write .gif, .webp, .avif or .png")
    check_memory(path, 4 * width * height * animation.count, "since animations are written at once")


def write_animation(
    path: Path,
    frames: Iterable[tuple[Image.Image, float]],
    loop: int | None,
    metadata: Metadata,
    saving: Saving,
    *,
    overwrite: bool = True,
) -> None:
    """Writes an animation, whole or not at all.

    Args:
        path: .gif, .webp, .avif or .png.
        frames: each with the time it is shown, in milliseconds.
        loop: as in `Animation`.
        metadata: what to say beside.
        saving: the quality.
        overwrite: whether a file that is there may be replaced.

    Raises `PictureError` when it cannot be written, and whatever `frames` raises.
    """
    pictures, durations = zip(*frames, strict=True)
    try:
        with writing(path, overwrite=overwrite) as temporary, temporary.open("w+b") as file:
            options = _options(output_format(path), loop, metadata, saving)
            first, *others = pictures
            first.save(
                file, output_format(path), save_all=True, append_images=others, duration=list(durations), **options
            )
    except FileExistsError as error:
        raise PictureError(f"{path}: exists already; name another with -o, or add --overwrite") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise PictureError(f"{path}: cannot be written ({reason}); name another place with -o") from error


def _options(file_format: str, loop: int | None, metadata: Metadata, saving: Saving) -> dict[str, Any]:
    """What Pillow's `save` is told, without what is None."""
    options: dict[str, Any] = {"loop": loop, "icc_profile": metadata.icc}
    if file_format in ("WEBP", "AVIF"):
        options["quality"] = saving.quality or 95
    if file_format != "GIF":
        options["exif"] = None if metadata.exif is None else b"Exif\0\0" + metadata.exif
        options["xmp"] = metadata.xmp
    return {name: value for name, value in options.items() if value is not None}
