"""Animations through `upscale_file`: frames, times, repeats, transparency, disposal."""

import io
import subprocess
import sys
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import Blend, PngInfo
from tests.fakes import Nearest
from tests.sample_files import XMP, exif, frames

from sesr.errors import PictureError
from sesr.files import limits
from sesr.files.animation import Animated
from sesr.files.formats import OUTPUT_SUFFIXES
from sesr.files.frames import in_ticks
from sesr.files.limits import MOST_FRAMES, PIXEL_LIMIT
from sesr.files.open import open_file
from sesr.inference.networks import OneNetwork
from sesr.inference.sizes import parse_size
from sesr.inference.upscale import Upscaled, Upscaler

SUFFIXES = ("gif", "webp", "png", "avif")
TIMES = [50, 70, 90, 330]


def saved(path: Path, images: list[Image.Image], plays: int = 0, **options: Any) -> Path:  # noqa: ANN401  (Pillow's)
    """As Pillow writes it, played so often."""
    if path.suffix == ".gif":
        options |= {"disposal": 2} | ({} if plays == 1 else {"loop": max(plays - 1, 0)})
    else:
        options["loop"] = plays
    lossless = {"lossless": True} if path.suffix == ".webp" else {}
    options = {"duration": TIMES} | lossless | options
    images[0].save(path, save_all=True, append_images=images[1:], **options)
    return path


def opened(path: Path, pixel_limit: int = PIXEL_LIMIT) -> Animated | None:
    """The animation, None for a still picture."""
    found = open_file(path, pixel_limit)
    return found if isinstance(found, Animated) else None


def memory_of(suffix: str, width: int, height: int, count: int) -> int:
    """Bytes that the program expects writing to take."""
    animated = OUTPUT_SUFFIXES["." + suffix].animated
    assert animated is not None
    return animated.memory(width, height, count)


def seen(path: Path) -> list[tuple[NDArray[np.uint8], float]]:
    """Frames as RGBA, and their times."""
    animation = opened(path)
    assert animation is not None
    found = []
    for each, time in animation.frames():
        assert (each.width, each.height) == (animation.width, animation.height)
        upright = Image.fromarray(each.rows(0, each.height))
        found.append((np.asarray(upright.convert("RGBA")), time))
    return found


@pytest.mark.parametrize(("source", "target"), list(product(SUFFIXES, SUFFIXES)))
def test_frames_times_and_transparency_are_kept(tmp_path: Path, source: str, target: str) -> None:
    path, result = saved(tmp_path / f"in.{source}", frames(4)), tmp_path / f"out.{target}"
    assert Upscaler.of_engine(Nearest()).upscale_file(path, result) == Upscaled((16, 16), (32, 32))
    found = seen(result)
    assert [time for _, time in found] == TIMES
    for (pixels, _), (before, _) in zip(found, seen(path), strict=True):
        large = before.repeat(2, 0).repeat(2, 1)
        sure = (large[..., 3] > 0) & (pixels[..., 3] > 128)
        assert (pixels[..., 3] > 128).sum() == pytest.approx((large[..., 3] > 128).sum(), abs=24)
        assert np.abs(pixels.astype(int) - large)[sure][:, :3].mean() < 20


@pytest.mark.parametrize("plays", [0, 1, 2, 5])
@pytest.mark.parametrize(("source", "target"), list(product(SUFFIXES[:3], SUFFIXES[:3])))
def test_it_plays_as_often_as_before(tmp_path: Path, source: str, target: str, plays: int) -> None:
    path, result = saved(tmp_path / f"in.{source}", frames(4), plays), tmp_path / f"out.{target}"
    Upscaler.of_engine(Nearest()).upscale_file(path, result)
    for each in (path, result):
        animation = opened(each)
        assert animation is not None
        assert animation.plays == plays


@pytest.mark.parametrize("target", SUFFIXES)
def test_a_frame_that_stays_becomes_part_of_its_time(tmp_path: Path, target: str) -> None:
    first, second, third, _ = frames(4)
    path = saved(tmp_path / "in.png", [first, second, second.copy(), third])
    Upscaler.of_engine(Nearest()).upscale_file(path, tmp_path / f"out.{target}")
    assert sum(time for _, time in seen(tmp_path / f"out.{target}")) == sum(TIMES)


@pytest.mark.parametrize("disposal", [0, 1, 2, 3])
def test_disposal_of_gif(tmp_path: Path, disposal: int) -> None:
    path = saved(tmp_path / "in.gif", frames(4), disposal=disposal)
    Upscaler.of_engine(Nearest()).upscale_file(path, tmp_path / "out.png")
    before, after = seen(path), seen(tmp_path / "out.png")
    assert len(before) == len(after)
    for (small, _), (large, _) in zip(before, after, strict=True):
        assert np.array_equal(large[::2, ::2, 3] > 128, small[..., 3] > 128)


@given(times=st.lists(st.floats(0, 1000), min_size=1, max_size=50), tick=st.sampled_from([1.0, 10.0]))
def test_whole_times_keep_their_sum(times: list[float], tick: float) -> None:
    whole = in_ticks(times, tick)
    assert all(time % tick == 0 for time in whole)
    assert abs(sum(whole) - sum(times)) <= tick / 2 + 1e-6


def test_a_time_that_the_format_cannot_say_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "in.webp", frames(2), duration=[700_000, 50])
    with pytest.raises(PictureError, match="cannot be written"):
        Upscaler.of_engine(Nearest()).upscale_file(path, tmp_path / "out.gif")
    assert not (tmp_path / "out.gif").exists()


@pytest.mark.parametrize("suffix", ["jpg", "bmp", "tif"])
def test_formats_of_one_picture_are_refused(tmp_path: Path, suffix: str) -> None:
    path = saved(tmp_path / "in.gif", frames(4))
    with pytest.raises(PictureError, match=r"has 4 frames.*write \.gif, \.webp, \.avif or \.png"):
        Upscaler.of_engine(Nearest()).upscale_file(path, tmp_path / f"out.{suffix}")


def test_frames_together_count_for_the_limit(tmp_path: Path) -> None:
    path = saved(tmp_path / "in.gif", frames(4))
    assert opened(path, 4 * 16 * 16) is not None
    with pytest.raises(PictureError, match="too large"):
        opened(path, 4 * 16 * 16 - 1)


def test_number_of_frames_is_limited(tmp_path: Path) -> None:
    frame = b"\x2c\0\0\0\0\1\0\1\0\0\2\2\x44\1\0"
    (tmp_path / "a.gif").write_bytes(b"GIF89a\1\0\1\0\x80\0\0\0\0\0\xff\xff\xff" + frame * (MOST_FRAMES + 1) + b";")
    with pytest.raises(PictureError, match="too many"):
        opened(tmp_path / "a.gif")


def test_too_large_for_gif(tmp_path: Path) -> None:
    images = [Image.new("L", (40_000, 1), grey) for grey in (0, 255)]
    path = saved(tmp_path / "in.png", images, duration=50)
    with pytest.raises(PictureError, match="at most 65535 a side"):
        Upscaler.of_engine(Nearest()).upscale_file(path, tmp_path / "out.gif")


@pytest.mark.parametrize("suffix", ["gif", "png", "webp"])
def test_a_still_picture_is_none(tmp_path: Path, suffix: str) -> None:
    content = io.BytesIO()
    Image.new("RGB", (4, 4)).save(content, {"png": "PNG"}.get(suffix, suffix))
    (tmp_path / f"a.{suffix}").write_bytes(content.getvalue())
    assert opened(tmp_path / f"a.{suffix}") is None


def test_shape_that_does_not_fit_is_told_with_the_name(tmp_path: Path) -> None:
    path = saved(tmp_path / "in.gif", frames(3))
    upscaler = Upscaler(OneNetwork(Nearest()), parse_size("50x20"))
    with pytest.raises(PictureError, match=r"in\.gif: 16 x 16 pixels do not have the shape"):
        upscaler.upscale_file(path, tmp_path / "out.gif")


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("missing", [3, 4, 9])
def test_gif_that_ends_within_a_frame_is_damaged(tmp_path: Path, count: int, missing: int) -> None:
    path = saved(tmp_path / "in.gif", frames(count), duration=50)
    path.write_bytes(path.read_bytes()[:-missing])
    with pytest.raises(PictureError, match=r"in\.gif: damaged or incomplete"):
        Upscaler.of_engine(Nearest()).upscale_file(path, tmp_path / "out.png")
    assert not (tmp_path / "out.png").exists()


@pytest.mark.parametrize("blend", [Blend.OP_SOURCE, Blend.OP_OVER])
def test_default_image_of_apng_is_no_frame(tmp_path: Path, blend: Blend) -> None:
    default = Image.new("RGBA", (16, 16), (255, 255, 255, 255))
    path = saved(tmp_path / "in.png", [default, *frames(4)], default_image=True, blend=blend, disposal=1)
    for (pixels, time), image, meant in zip(seen(path), frames(4), TIMES, strict=True):
        assert time == meant
        assert np.array_equal(pixels, np.asarray(image))
    Upscaler.of_engine(Nearest()).upscale_file(path, tmp_path / "out.png")
    assert [time for _, time in seen(tmp_path / "out.png")] == TIMES


@pytest.mark.parametrize("suffix", ["png", "webp"])  # libavif crashes when it writes such an animation
def test_orientation_is_applied_to_every_frame(tmp_path: Path, suffix: str) -> None:
    images = [image.crop((0, 0, 16, 10)) for image in frames(4)]
    path = saved(tmp_path / f"in.{suffix}", images, exif=exif(6))
    result = tmp_path / "out.png"
    assert Upscaler.of_engine(Nearest()).upscale_file(path, result) == Upscaled((10, 16), (20, 32))
    for (pixels, _), image in zip(seen(result), images, strict=True):
        turned = np.rot90(np.asarray(image), -1).repeat(2, 0).repeat(2, 1)
        assert (pixels[..., 3] > 128).sum() == pytest.approx((turned[..., 3] > 128).sum(), abs=24)
        assert np.abs(pixels.astype(int) - turned)[turned[..., 3] > 0].mean() < 30
    with Image.open(result) as written:
        assert (written.getexif()[0x0112], written.getexif()[0x010F]) == (1, "Maker")


def test_what_an_apng_says_beside_is_kept(tmp_path: Path) -> None:
    info = PngInfo()
    info.add_text("Author", "me")
    info.add(b"gAMA", (45455).to_bytes(4, "big"))
    info.add_itxt("XML:com.adobe.xmp", XMP.decode())
    path = saved(tmp_path / "in.png", frames(4), pnginfo=info, dpi=(300, 300), exif=exif())
    Upscaler.of_engine(Nearest()).upscale_file(path, tmp_path / "out.png")
    before, after = (opened(tmp_path / name) for name in ("in.png", "out.png"))
    assert before is not None
    assert after is not None
    assert after.metadata == before.metadata.enlarged(32, 32)
    assert len(after.metadata.chunks) == 2
    assert after.metadata.dpi == pytest.approx((300, 300), abs=0.01)


@pytest.mark.parametrize("target", ["webp", "avif"])
def test_dots_per_inch_go_into_exif(tmp_path: Path, target: str) -> None:
    path = saved(tmp_path / "in.png", frames(4), dpi=(300, 300))
    Upscaler.of_engine(Nearest()).upscale_file(path, tmp_path / f"out.{target}")
    result = opened(tmp_path / f"out.{target}")
    assert result is not None
    assert result.metadata.dpi == pytest.approx((300, 300), abs=0.01)


def test_comment_of_gif_is_kept(tmp_path: Path) -> None:
    path = saved(tmp_path / "in.gif", frames(4), comment=b"hi there" * 50)
    Upscaler.of_engine(Nearest()).upscale_file(path, tmp_path / "out.gif")
    with Image.open(tmp_path / "out.gif") as result:
        assert result.info["comment"] == b"hi there" * 50
    assert (tmp_path / "out.gif").read_bytes().count(b"!\xfe") == 1


MEASURE = """
import re, sys
from pathlib import Path
import numpy as np
from PIL import Image
from sesr.files.write import write_animation
from sesr.metadata.record import NOTHING

def noise(side, channels):
    return Image.fromarray(np.random.default_rng(1).integers(0, 256, (side, side, channels), np.uint8))

def write(side):
    made = ((noise(side, 4 if index else 3), 40.0) for index in range(8))
    write_animation(Path(sys.argv[1]), made, 0, NOTHING)

def highest():
    return 1024 * int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

write(8)  # what libraries take for themselves
noise(1000, 4)
before = highest()
write(1000)
print(highest() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux tells how much memory a process had at most")
@pytest.mark.parametrize("suffix", ["png", "gif", "webp"])  # AVIF takes half a minute
def test_writing_takes_no_more_memory_than_is_reckoned(tmp_path: Path, suffix: str) -> None:
    command = [sys.executable, "-c", MEASURE, str(tmp_path / f"a.{suffix}")]
    taken = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    reckoned = memory_of(suffix, 1000, 1000, 8)
    assert reckoned / 3 < taken <= reckoned


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_want_of_memory_is_said_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str) -> None:
    path, needed = saved(tmp_path / "in.gif", frames(4)), memory_of(suffix, 32, 32, 4)
    monkeypatch.setattr(limits, "free_memory", lambda: needed - 1)
    with pytest.raises(PictureError, match=r"of memory are needed .* animations are written at once"):
        Upscaler.of_engine(Nearest()).upscale_file(path, tmp_path / f"out.{suffix}")
    monkeypatch.setattr(limits, "free_memory", lambda: needed)
    Upscaler.of_engine(Nearest()).upscale_file(path, tmp_path / f"out.{suffix}")


def test_bytes_between_the_blocks_of_a_gif(tmp_path: Path) -> None:
    """Which some programs leave there, and all pass over."""
    path = tmp_path / "a.gif"
    frames = [Image.new("L", (6, 5), 90 * shade) for shade in range(3)]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=50)
    content = path.read_bytes()
    path.write_bytes(content[:-1] + b"\0\0;")
    animation = opened(path)
    assert animation is not None
    assert animation.count == 3
