"""Films from file to file: in sync, with their colors, and with everything that is not video."""

import os
import re
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

av = pytest.importorskip("av")

from tests.video.films import (  # noqa: E402
    FONT,
    HEIGHT,
    WIDTH,
    display_matrix,
    draw_film,
    drawn,
    frames_of,
    pieces,
    planes,
    side_data,
    times,
)

from sesr.engines.load import load_engine  # noqa: E402
from sesr.engines.native import NativeEngine  # noqa: E402
from sesr.engines.planes import upscale_luma  # noqa: E402
from sesr.errors import SesrError, UsageError, VideoError  # noqa: E402
from sesr.imaging.sited import Siting, upscale_sited  # noqa: E402
from sesr.inference.sizes import Size, parse_scale, parse_size  # noqa: E402
from sesr.network.zoo import find_network  # noqa: E402
from sesr.video.film import Film  # noqa: E402
from sesr.video.settings import Progress, Report, Settings  # noqa: E402

FAST = Settings(codec="x264", preset="ultrafast", threads=2)
LOSSLESS = Settings(codec="ffv1", threads=2)


def enlarge(source: Path, target: Path, settings: Settings = FAST, *, overwrite: bool = False) -> Report:
    with Film(source, target, settings, overwrite=overwrite) as film:
        return film.run()


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_a_varying_frame_rate_keeps_every_timestamp(tmp_path: Path, suffix: str) -> None:
    base = Fraction(1, 1000) if suffix == ".mkv" else Fraction(1, 90000)
    gaps = [0, 33, 34, 90, 200, 201, 260, 300, 350, 420, 421, 500]
    stamps = [round(gap * Fraction(1, 1000) / base) for gap in gaps]
    source = draw_film(tmp_path / f"film{suffix}", times=stamps, time_base=base)
    report = enlarge(source, tmp_path / f"new{suffix}", Settings(preset="veryfast", segment=5))
    assert times(tmp_path / f"new{suffix}") == times(source)
    assert report.frames == len(times(source)) == 12
    assert [(frame.width, frame.height) for frame in frames_of(tmp_path / f"new{suffix}")] == [(128, 96)] * 12


def test_all_but_the_video_is_copied_packet_by_packet(tmp_path: Path) -> None:
    source = draw_film(
        tmp_path / "film.mkv", sound=2, subtitles=True, font=True, chapters=True, cover=True, tags={"title": "Film"}
    )
    target = tmp_path / "new.mkv"
    enlarge(source, target)
    assert pieces(target) == pieces(source)
    assert {piece.kind for piece in pieces(target)} == {"audio", "subtitle", "video"}, "sound, subtitles and a cover"
    with av.open(str(source)) as old, av.open(str(target)) as new:
        assert [(s.type, s.language, s.disposition) for s in new.streams] == [
            (s.type, s.language, s.disposition) for s in old.streams
        ]
        assert new.metadata["title"] == "Film"
        attached = [stream for stream in new.streams if stream.type == "attachment"]
        assert [(stream.name, stream.data) for stream in attached] == [("test.ttf", FONT)]
        spans = [[(c["start"], c["end"], c["metadata"]) for c in each.chapters()] for each in (old, new)]
        assert spans[0] == spans[1]
        assert len(spans[0]) == 2
        assert "ENCODER" not in new.streams.video[0].metadata


def test_a_further_video_is_lost_and_a_line_says_so(tmp_path: Path) -> None:
    """Its B-frames come without decoding times from Matroska, and a container refuses them."""
    source = draw_film(tmp_path / "film.mkv", sound=1)
    two = tmp_path / "two.mkv"
    pending: list[tuple[Any, Any]] = []
    with av.open(str(source)) as old, av.open(str(source)) as again, av.open(str(two), "w") as new:
        for container, streams in ((old, old.streams), (again, again.streams.video)):
            copies = {stream.index: new.add_stream_from_template(stream) for stream in streams}
            packets = [packet for packet in container.demux(list(streams)) if packet.size]
            pending += [(packet, copies[packet.stream_index]) for packet in packets]
        for packet, stream in pending:
            packet.stream = stream
            new.mux(packet)
    report = enlarge(two, tmp_path / "new.mkv")
    assert report.lost == ("video stream 2 (h264)",)
    assert not report.notes
    assert pieces(tmp_path / "new.mkv") == pieces(source)
    assert times(tmp_path / "new.mkv") == times(source)


def test_a_cover_picture_is_not_the_film_and_goes_along(tmp_path: Path) -> None:
    source = draw_film(tmp_path / "film.mkv", cover=True)
    enlarge(source, tmp_path / "new.mp4")
    with av.open(str(tmp_path / "new.mp4")) as container:
        film, cover = container.streams.video
        assert (film.width, cover.width) == (128, 8)
        assert cover.disposition & av.stream.Disposition.attached_pic


def test_the_shape_of_pixels_is_kept(tmp_path: Path) -> None:
    source = draw_film(tmp_path / "film.mkv", attributes={"sample_aspect_ratio": Fraction(32, 27)})
    for suffix in (".mkv", ".mp4"):
        enlarge(source, tmp_path / f"new{suffix}")
        with av.open(str(tmp_path / f"new{suffix}")) as container:
            assert container.streams.video[0].sample_aspect_ratio == Fraction(32, 27)


@pytest.mark.parametrize(
    "matrix", [(0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30), (-65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30)]
)
def test_rotation_and_mirroring_stay_tags(tmp_path: Path, matrix: tuple[int, ...]) -> None:
    source = draw_film(tmp_path / "film.mp4", matrix=matrix)
    enlarge(source, tmp_path / "new.mp4")
    first = frames_of(tmp_path / "new.mp4")[0]
    assert display_matrix(first) == display_matrix(frames_of(source)[0]) == matrix
    assert (first.width, first.height) == (2 * WIDTH, 2 * HEIGHT)


@pytest.mark.parametrize(
    ("pixel_format", "color"),
    [
        ("yuv420p", (1, 6, 6, 6)),  # BT.601, limited
        ("yuv420p", (2, 1, 1, 1)),  # BT.709, full
        ("yuv420p10le", (2, 1, 1, 1)),
        ("yuv420p10le", (1, 9, 16, 9)),  # BT.2020, PQ
        ("yuv422p", (1, 1, 1, 1)),
        ("yuv444p12le", (1, 1, 1, 1)),
        ("gray", (2, 2, 2, 2)),
    ],
)
@pytest.mark.parametrize("exact", [True, False])
def test_luma_is_the_engines_and_chroma_the_bicubics_and_colors_are_kept(
    tmp_path: Path, pixel_format: str, color: tuple[int, int, int, int], exact: bool
) -> None:
    source = draw_film(
        tmp_path / "film.mkv",
        pixel_format=pixel_format,
        codec="ffv1",
        options={},
        attributes=dict(zip(("color_range", "color_primaries", "color_trc", "colorspace"), color, strict=True)),
    )
    lossless = Settings(codec="ffv1" if exact else None, preset=None if exact else "ultrafast", threads=2)
    enlarge(source, tmp_path / "new.mkv", lossless)
    small, large = frames_of(source), frames_of(tmp_path / "new.mkv")
    frame = large[0]
    if exact or pixel_format != "gray":  # FFmpeg decodes gray H.264 with chroma
        assert frame.format.name.replace("j", "") == pixel_format
    assert (frame.color_range, frame.color_primaries, frame.color_trc, frame.colorspace) == color
    if not exact:
        return
    engine = load_engine(find_network("m5-int8", 2).file)
    assert isinstance(engine, NativeEngine)
    depth = next((bits for bits in (10, 12) if f"{bits}le" in pixel_format), 8)
    across = Siting.CENTER if "444" in pixel_format else Siting.FIRST
    for before, after in zip(small, large, strict=True):
        luma, *chroma = planes(before)
        wanted = np.empty((2 * HEIGHT, 2 * WIDTH), luma.dtype)
        upscale_luma(engine, luma, wanted, depth=depth, full_range=color[0] == 2)
        np.testing.assert_array_equal(planes(after)[0], wanted)
        for old, new in zip(chroma, planes(after)[1:], strict=True):
            bicubic = upscale_sited(old, 2, new.shape[0], new.shape[1], (Siting.CENTER, across), depth)
            np.testing.assert_array_equal(new, bicubic)


@pytest.mark.parametrize(
    ("site", "places"),
    [
        (0, (Siting.CENTER, Siting.FIRST)),
        (1, (Siting.CENTER, Siting.CENTER)),
        (2, (Siting.FIRST, Siting.FIRST)),
    ],
)
def test_chroma_stays_where_it_was_sited(tmp_path: Path, site: int, places: tuple[Siting, Siting]) -> None:
    edge = drawn(0)
    for plane in planes(edge)[1:]:
        plane[:, :11], plane[:, 11:] = 60, 200
    options = {"x264-params": f"chromaloc={site}", "crf": "0"}
    source = draw_film(tmp_path / "film.mkv", frames=[edge], options=options)
    enlarge(source, tmp_path / "exact.mkv", LOSSLESS)
    old, new = frames_of(source)[0], frames_of(tmp_path / "exact.mkv")[0]
    for small, large in zip(planes(old)[1:], planes(new)[1:], strict=True):
        np.testing.assert_array_equal(large, upscale_sited(small, 2, HEIGHT, WIDTH, places))
    enlarge(source, tmp_path / "tagged.mkv")
    with Film(tmp_path / "tagged.mkv", tmp_path / "again.mkv", FAST) as film:
        assert film.info.siting is not None
        assert film.info.siting.code == site


@pytest.mark.parametrize("codec", ["x265", "av1"])
def test_hdr10_is_passed_on(tmp_path: Path, codec: str) -> None:
    light = (
        "log-level=none:hdr10=1:master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1)"
        ":max-cll=1000,400"
    )
    source = draw_film(
        tmp_path / "film.mkv",
        pixel_format="yuv420p10le",
        codec="libx265",
        options={"x265-params": light, "preset": "ultrafast"},
        attributes={"color_range": 1, "color_primaries": 9, "color_trc": 16, "colorspace": 9},
    )
    preset = "ultrafast" if codec == "x265" else "12"
    for suffix in (".mkv", ".mp4"):
        enlarge(source, tmp_path / f"new{suffix}", Settings(codec=codec, preset=preset, threads=2))
        old, new = side_data(frames_of(source)[0]), side_data(frames_of(tmp_path / f"new{suffix}")[0])
        assert new["CONTENT_LIGHT_LEVEL"] == old["CONTENT_LIGHT_LEVEL"]
        with (
            Film(tmp_path / f"new{suffix}", tmp_path / "again.mkv", FAST) as film,
            Film(source, tmp_path / "more.mkv", FAST) as original,
        ):
            one, other = film.info.light, original.info.light
            assert one.primaries is not None
            assert other.primaries is not None
            assert [round(float(v), 4) for xy in one.primaries for v in xy] == [
                round(float(v), 4) for xy in other.primaries for v in xy
            ]
            assert one.luminance is not None
            assert float(one.luminance[0]) == pytest.approx(0.0001, rel=0.25)
            assert float(one.luminance[1]) == pytest.approx(1000)


def test_a_ramp_of_10_bits_keeps_its_steps(tmp_path: Path) -> None:
    ramp = drawn(0, "yuv420p10le")
    luma = planes(ramp)[0]
    luma[...] = 400 + np.arange(WIDTH)
    source = draw_film(tmp_path / "film.mkv", frames=[ramp], codec="ffv1", options={})
    enlarge(source, tmp_path / "new.mkv", LOSSLESS)
    row = planes(frames_of(tmp_path / "new.mkv")[0])[0][HEIGHT, 16:-16].astype(int)
    assert len(set(row.tolist())) >= 40, "8 bits would leave 12"
    assert (np.diff(row[::4]) >= 0).all()


def test_still_parts_change_nothing(tmp_path: Path) -> None:
    frames = [drawn(0) for _ in range(8)]
    for number, frame in enumerate(frames[4:]):
        planes(frame)[0][20 : 22 + number] = 200
    source = draw_film(tmp_path / "film.mkv", frames=frames, codec="ffv1", options={})
    enlarge(source, tmp_path / "still.mkv", LOSSLESS)
    enlarge(source, tmp_path / "whole.mkv", Settings(codec="ffv1", still=False, threads=2))
    for one, other in zip(frames_of(tmp_path / "still.mkv"), frames_of(tmp_path / "whole.mkv"), strict=True):
        for each, same in zip(planes(one), planes(other), strict=True):
            np.testing.assert_array_equal(each, same)


def test_part_of_a_film_begins_at_zero_with_its_sound_and_chapters(tmp_path: Path) -> None:
    source = draw_film(tmp_path / "film.mkv", sound=1, chapters=True)
    part = Settings(start=Fraction(1, 5), duration=Fraction(1, 5), preset="ultrafast")
    report = enlarge(source, tmp_path / "new.mkv", part)
    assert report.frames == 5
    assert times(tmp_path / "new.mkv") == [time - Fraction(1, 5) for time in times(source)[5:10]]
    contents = [piece.content for piece in pieces(source)]
    copied = pieces(tmp_path / "new.mkv")
    assert copied
    assert all(0 <= piece.time < Fraction(1, 5) and piece.content in contents for piece in copied)
    with av.open(str(tmp_path / "new.mkv")) as container:
        assert [chapter["metadata"]["title"] for chapter in container.chapters()] == ["Two"]


def test_a_preview_is_taken_from_the_middle(tmp_path: Path) -> None:
    source = draw_film(tmp_path / "film.mkv", codec="ffv1", options={})
    settings = Settings(duration=Fraction(1, 5), centered=True, codec="ffv1", size=parse_scale(1))
    enlarge(source, tmp_path / "new.mkv", settings)
    middle, new = frames_of(source)[4], frames_of(tmp_path / "new.mkv")[0]
    np.testing.assert_array_equal(planes(new)[0], planes(middle)[0])


@pytest.mark.parametrize(
    ("size", "wanted"), [(parse_scale(1.5), (96, 72)), (parse_size("100x"), (100, 76)), (parse_scale(3), (192, 144))]
)
def test_any_size_can_be_asked_for(tmp_path: Path, size: Size, wanted: tuple[int, int]) -> None:
    source = draw_film(tmp_path / "film.mkv")
    enlarge(source, tmp_path / "new.mkv", Settings(size=size, preset="ultrafast"))
    frame = frames_of(tmp_path / "new.mkv")[0]
    assert (frame.width, frame.height) == wanted


@pytest.mark.parametrize(
    ("codec", "suffix", "found"),
    [
        ("x264", ".mov", "h264"),
        ("x265", ".mp4", "hevc"),
        ("av1", ".webm", "libdav1d"),
        ("vp9", ".webm", "vp9"),
        ("ffv1", ".mkv", "ffv1"),
        ("prores", ".mov", "prores"),
        (None, ".webm", "vp9"),
    ],
)
def test_codecs_go_into_their_containers(tmp_path: Path, codec: str | None, suffix: str, found: str) -> None:
    source = draw_film(tmp_path / "film.mkv")
    enlarge(source, tmp_path / f"new{suffix}", Settings(codec=codec, segment=5, threads=2))
    with av.open(str(tmp_path / f"new{suffix}")) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == found
        if codec == "x265":
            assert stream.codec_context.codec_tag == "hvc1"
    assert [round(time, 3) for time in times(tmp_path / f"new{suffix}")] == times(source)


@pytest.mark.parametrize(
    ("codec", "suffix", "found", "pixel_format"),
    [
        ("x264", ".mkv", "h264", "yuv420p10le"),
        ("x265", ".mkv", "hevc", "yuv420p10le"),
        ("av1", ".mkv", "libdav1d", "yuv420p10le"),
        ("ffv1", ".mkv", "ffv1", "yuv420p10le"),
        ("prores", ".mov", "prores", "yuv422p10le"),
        (None, ".mkv", "hevc", "yuv420p10le"),
        (None, ".webm", "libdav1d", "yuv420p10le"),
    ],
)
def test_codecs_hold_10_bits(tmp_path: Path, codec: str | None, suffix: str, found: str, pixel_format: str) -> None:
    source = draw_film(tmp_path / "film.mkv", pixel_format="yuv420p10le", codec="ffv1", options={})
    enlarge(source, tmp_path / f"new{suffix}", Settings(codec=codec, threads=2))
    with av.open(str(tmp_path / f"new{suffix}")) as container:
        assert container.streams.video[0].codec_context.name == found
    assert [frame.format.name for frame in frames_of(tmp_path / f"new{suffix}")] == [pixel_format] * 12


def test_vp9_is_for_8_bits_and_says_so_before_the_work(tmp_path: Path) -> None:
    source = draw_film(tmp_path / "film.mkv", pixel_format="yuv420p10le", codec="ffv1", options={})
    with pytest.raises(VideoError, match="vp9 does not hold yuv420p10le"):
        Film(source, tmp_path / "new.webm", Settings(codec="vp9"))
    assert not list(tmp_path.glob("new*"))


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs Linux")
@pytest.mark.parametrize("codec", ["x264", "x265"])
def test_encoders_run_at_full_priority(tmp_path: Path, codec: str) -> None:
    """x265's pool lowers its threads' priority, which stops a film on a busy machine."""

    def priorities(_: Progress) -> None:
        for task in Path("/proc/self/task").iterdir():
            with suppress(OSError):  # a thread that has just ended
                found.add(int((task / "stat").read_text().rpartition(")")[2].split()[16]))

    found: set[int] = set()
    with Film(draw_film(tmp_path / "film.mkv"), tmp_path / "new.mkv", Settings(codec=codec, threads=2)) as film:
        film.run(priorities)
    assert found == {os.getpriority(os.PRIO_PROCESS, 0)}


def test_full_range_becomes_limited_in_prores(tmp_path: Path) -> None:
    """ProRes has no tag for full range, and players take it as limited: 8-bit code v must lie at 4 (16 + v 219/255)."""
    source = draw_film(tmp_path / "film.mkv", codec="ffv1", options={}, attributes={"color_range": 2})
    for name, codec in (("new.mkv", "ffv1"), ("new.mov", "prores")):
        enlarge(source, tmp_path / name, Settings(codec=codec, threads=2))
    full, limited = frames_of(tmp_path / "new.mkv")[0], frames_of(tmp_path / "new.mov")[0]
    assert (full.color_range, limited.color_range) == (2, 1)
    wanted = 4 * (16 + planes(full)[0].astype(float) * 219 / 255)
    assert abs(planes(limited)[0] - wanted).mean() < 4


@pytest.mark.parametrize(
    ("settings", "suffix", "message"),
    [
        (Settings(codec="x264"), ".webm", "x264 does not go into webm"),
        (Settings(codec="ffv1", crf=3), ".mkv", "ffv1 has no --crf"),
        (Settings(codec="x264", crf=99), ".mkv", "x264 takes --crf 0 to 51, not 99"),
        (Settings(codec="av1", preset="fast"), ".mkv", "av1 takes --preset 0, 1"),
        (Settings(model="m99"), ".mkv", "m99"),
        (Settings(size=parse_size("100x100")), ".mkv", "shape"),
    ],
)
def test_impossible_wishes_are_refused_in_a_line(tmp_path: Path, settings: Settings, suffix: str, message: str) -> None:
    source = draw_film(tmp_path / "film.mkv")
    with pytest.raises(SesrError, match=message):
        enlarge(source, tmp_path / f"new{suffix}", settings)
    assert not list(tmp_path.glob("new*"))


def test_what_a_container_cannot_hold_is_refused_with_a_remedy_or_dropped(tmp_path: Path) -> None:
    source = draw_film(tmp_path / "film.mkv", subtitles=True, font=True, sound=1)
    with pytest.raises(VideoError, match=r"new.mp4: the container cannot hold .*ssa.*test\.ttf.*\.mkv.*--drop"):
        enlarge(source, tmp_path / "new.mp4")
    report = enlarge(source, tmp_path / "new.mp4", Settings(drop=True, preset="ultrafast"))
    assert len(report.lost) == 2
    assert {piece.kind for piece in pieces(tmp_path / "new.mp4")} == {"audio"}


def test_bad_input_is_refused_in_a_line_and_leaves_nothing(tmp_path: Path) -> None:
    empty, text, picture = tmp_path / "empty.mp4", tmp_path / "text.mp4", tmp_path / "picture.png"
    empty.touch()
    text.write_text("hello\n" * 100)
    _picture(picture)
    sound = draw_film(tmp_path / "with.mkv", sound=1)
    only = tmp_path / "only.mka"
    _sound_only(sound, only)
    messages = {
        tmp_path / "none.mkv": "no such file",
        tmp_path: "folder",
        empty: "empty",
        text: "not a film",
        picture: "sesr upscale",
        only: "no video",
    }
    for path, message in messages.items():
        with pytest.raises(VideoError, match=f"{re.escape(str(path))}.*{message}") as caught:
            enlarge(path, tmp_path / "new.mkv")
        assert "\n" not in str(caught.value)
    assert not list(tmp_path.glob("new*"))


def _picture(path: Path) -> None:
    from PIL import Image

    Image.new("RGB", (16, 16), "blue").save(path)


def _sound_only(source: Path, target: Path) -> None:
    with av.open(str(source)) as old, av.open(str(target), "w", format="matroska") as new:
        stream = new.add_stream_from_template(old.streams.audio[0])
        for packet in old.demux(old.streams.audio[0]):
            if packet.size:
                packet.stream = stream
                new.mux(packet)


def test_alpha_and_rgb_are_refused(tmp_path: Path) -> None:
    for pixel_format in ("yuva420p", "bgr0"):
        frames = [av.VideoFrame(WIDTH, HEIGHT, pixel_format) for _ in range(3)]
        source = draw_film(tmp_path / f"{pixel_format}.mkv", frames=frames, codec="ffv1", options={})
        with pytest.raises(VideoError, match=re.escape(str(source))):
            enlarge(source, tmp_path / "new.mkv")


@pytest.mark.parametrize("codec", ["libvpx", "libvpx-vp9"])
def test_alpha_in_webm_is_refused(tmp_path: Path, codec: str) -> None:
    """It lies next to the packets, and decoded frames show nothing of it."""
    frames = [av.VideoFrame(WIDTH, HEIGHT, "yuva420p") for _ in range(3)]
    source = draw_film(tmp_path / "film.webm", frames=frames, codec=codec, options={"auto-alt-ref": "0"})
    assert frames_of(source)[0].format.name == "yuv420p"
    with pytest.raises(VideoError, match=r"film.webm: video in vp. has an alpha channel"):
        enlarge(source, tmp_path / "new.webm")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_what_cannot_be_read_twice_is_refused_before_the_work(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "film.mkv")
    with pytest.raises(VideoError, match=r"film.mkv: a pipe, .*; use - and redirect it"):
        enlarge(tmp_path / "film.mkv", tmp_path / "new.mkv")


def test_a_film_that_is_cut_off_is_enlarged_as_far_as_it_goes(tmp_path: Path) -> None:
    frames = [drawn(number) for number in range(60)]
    whole = draw_film(tmp_path / "whole.ts", frames=frames, sound=1)
    cut = tmp_path / "cut.ts"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size * 6 // 10])
    report = enlarge(cut, tmp_path / "new.mkv")
    assert 20 < report.frames < 60


def test_a_broadcast_whose_clock_is_late_begins_at_zero(tmp_path: Path) -> None:
    hours = 12 * 3600
    stamps = [25 * hours + number for number in range(12)]
    source = draw_film(tmp_path / "late.ts", times=stamps, options={"g": "6", "bf": "0"})
    assert times(source)[0] >= hours
    for suffix in (".mkv", ".mp4"):
        enlarge(source, tmp_path / f"new{suffix}")
        found = times(tmp_path / f"new{suffix}")
        assert found[0] == 0
        assert [round(float(time), 2) for time in found] == [round(number / 25, 2) for number in range(12)]


def test_sound_is_in_sync_where_a_clock_begins_late(tmp_path: Path) -> None:
    source = draw_film(tmp_path / "film.ts", sound=1)
    enlarge(source, tmp_path / "new.mkv")
    before, after = (
        [pieces(path, video=True)[0].time, pieces(path)[0].time] for path in (source, tmp_path / "new.mkv")
    )
    assert min(before) > 0.01
    assert min(after) == pytest.approx(0, abs=0.001)
    assert after[0] - after[1] == pytest.approx(float(before[0] - before[1]), abs=0.002)
    assert len(pieces(tmp_path / "new.mkv")) == len(pieces(source))


def test_animations_are_for_pictures(tmp_path: Path) -> None:
    from PIL import Image

    pictures = [Image.new("L", (32, 24), level) for level in (0, 200)]
    pictures[0].save(tmp_path / "wave.gif", save_all=True, append_images=pictures[1:])
    with pytest.raises(VideoError, match="sesr upscale enlarges animations"):
        enlarge(tmp_path / "wave.gif", tmp_path / "new.mkv")


def test_the_forecast_of_disk_counts_what_is_copied(tmp_path: Path) -> None:
    bare = draw_film(tmp_path / "bare.mkv")
    rich = draw_film(tmp_path / "rich.mkv", sound=2)
    with Film(bare, tmp_path / "a.mkv", FAST) as without, Film(rich, tmp_path / "b.mkv", FAST) as copied:
        assert without.plan.disk is not None
        assert copied.plan.disk is not None
        assert copied.plan.disk >= without.plan.disk + rich.stat().st_size


def test_a_film_that_lacks_its_end_is_reported(tmp_path: Path) -> None:
    whole = draw_film(tmp_path / "whole.mkv", frames=[drawn(number) for number in range(60)])
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    report = enlarge(cut, tmp_path / "new.mkv")
    assert any("says that it lasts 2.4 s, but its video ends at" in note for note in report.notes)
    assert not enlarge(whole, tmp_path / "again.mkv").notes


def test_damage_is_counted(tmp_path: Path) -> None:
    frames = [drawn(number) for number in range(60)]
    whole = draw_film(tmp_path / "whole.ts", frames=frames)
    content = bytearray(whole.read_bytes())
    random = np.random.default_rng(1)
    for place in random.integers(3000, len(content), 40):
        content[place] ^= 255
    damaged = tmp_path / "damaged.ts"
    damaged.write_bytes(content)
    report = enlarge(damaged, tmp_path / "new.mkv")
    assert any("damaged frames" in note or "could not be decoded" in note for note in report.notes)


def test_damaged_sound_is_left_out_packet_by_packet(tmp_path: Path) -> None:
    """FFmpeg refuses to write packets with damaged headers, and those after one whose timestamp leaps ahead.

    Where damage falls depends on the encoder's bytes, so several films are damaged.
    """
    film = draw_film(tmp_path / "film.ts", frames=[drawn(number) for number in range(20)], sound=1)
    whole, noted, kept, frames = film.read_bytes(), 0, 0.0, 0
    for seed in (5, 10, 17, 18, 19, 20):
        content, random = bytearray(whole), Random(seed)
        for _ in range(40):
            content[random.randrange(2000, len(content))] ^= 255
        film.write_bytes(content)
        target = tmp_path / f"{seed}.mkv"
        report = enlarge(film, target)
        noted += any("damaged packets of sound" in note for note in report.notes)
        kept, frames = kept + len(pieces(target)) / len(pieces(film)), frames + report.frames
    assert noted > 0
    assert kept > 6 / 2
    assert frames > 6 * 10


def test_a_timestamp_that_leaps_ahead_moves_no_other_frame(tmp_path: Path) -> None:
    source = draw_film(tmp_path / "film.ts", options={"bf": "0"})
    before = times(source)
    content = bytearray(source.read_bytes())
    begins = [found.start() for found in re.finditer(b"\0\0\1\xe0", content)]
    content[begins[5] + 9] ^= 4  # a high bit of the timestamp
    source.write_bytes(content)
    report = enlarge(source, tmp_path / "new.mkv")
    assert report.notes == ("1 frames without a usable timestamp got one",)
    assert [float(time) for time in times(tmp_path / "new.mkv")] == pytest.approx(
        [float(time - before[0]) for time in before], abs=0.021
    )


def test_a_pause_of_seconds_is_kept(tmp_path: Path) -> None:
    stamps = [0, 40, 80, 5080, 5120, 12000, 60000, 60040]
    source = draw_film(
        tmp_path / "film.mkv", frames=[drawn(n) for n in range(8)], times=stamps, time_base=Fraction(1, 1000)
    )
    assert not enlarge(source, tmp_path / "new.mkv").notes
    assert times(tmp_path / "new.mkv") == times(source)


def test_a_new_size_in_the_middle_is_scaled_to_the_first(tmp_path: Path) -> None:
    small = draw_film(tmp_path / "small.ts")
    large = draw_film(tmp_path / "large.ts", frames=[drawn(number, size=(96, 72)) for number in range(12)])
    both = tmp_path / "both.ts"
    both.write_bytes(small.read_bytes() + large.read_bytes())
    report = enlarge(both, tmp_path / "new.mkv")
    assert any("another size" in note for note in report.notes)
    found = frames_of(tmp_path / "new.mkv")
    assert {(frame.width, frame.height) for frame in found} == {(2 * WIDTH, 2 * HEIGHT)}
    assert len(found) > 12
    assert times(tmp_path / "new.mkv") == sorted(set(times(tmp_path / "new.mkv")))


def test_a_new_range_in_the_middle_is_mapped_to_the_first(tmp_path: Path) -> None:
    """Full range comes as yuvj420p, limited range as yuv420p: another name for the same pixel format."""
    options = {"bf": "0", "g": "6", "crf": "0"}
    parts = [
        draw_film(tmp_path / f"{color_range}.ts", options=options, attributes={"color_range": color_range})
        for color_range in (1, 2)
    ]
    (tmp_path / "both.ts").write_bytes(b"".join(part.read_bytes() for part in parts))
    same = Settings(codec="ffv1", size=parse_scale(1), threads=2)
    report = enlarge(tmp_path / "both.ts", tmp_path / "new.mkv", same)
    assert any("12 frames" in note and "range" in note for note in report.notes)
    found, before = frames_of(tmp_path / "new.mkv"), frames_of(parts[0])
    np.testing.assert_array_equal(planes(found[0])[0], planes(before[0])[0])
    assert {frame.color_range for frame in found} == {0}, "not specified, which means limited"
    limited = planes(before[3])[0].astype(float) * 219 / 255 + 16
    assert abs(planes(found[-9])[0] - limited).max() <= 1


@pytest.mark.parametrize(
    ("claimed", "step", "wanted"), [(1000, 40, 25), (1000, 33, 30), (1000, 1, 1000), (240, 4, 240)]
)
def test_a_rate_that_no_frame_keeps_to_is_not_believed(tmp_path: Path, claimed: int, step: int, wanted: int) -> None:
    """Recordings of browsers claim 1000 frames per second, which is only their clock."""
    source = draw_film(tmp_path / "film.mkv")
    _claim(source, tmp_path / "claims.mkv", claimed, step)
    with Film(tmp_path / "claims.mkv", tmp_path / "new.mkv", FAST) as film:
        assert film.info.rate == wanted
        assert film.plan.frames in (11, 12)
        film.run()
    assert times(tmp_path / "new.mkv") == times(tmp_path / "claims.mkv")


def _claim(source: Path, target: Path, rate: int, step: int) -> None:
    """Copy a film to one that claims a rate and has its frames at other times, in milliseconds."""
    with av.open(str(source)) as old, av.open(str(target), "w") as new:
        stream = new.add_stream("libx264", rate=rate)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number, frame in enumerate(old.decode(video=0)):
            frame.pts, frame.time_base, frame.pict_type = round(number * step * rate / 1000), Fraction(1, rate), 0
            new.mux(stream.encode(frame))
        new.mux(stream.encode(None))


def test_frames_without_timestamps_get_some(tmp_path: Path) -> None:
    source = draw_film(tmp_path / "film.h264")
    enlarge(source, tmp_path / "new.mkv")
    found = times(tmp_path / "new.mkv")
    assert len(found) == 12
    assert found == sorted(set(found))


def test_targets_are_checked_before_the_work(tmp_path: Path) -> None:
    source = draw_film(tmp_path / "film.mkv")
    (tmp_path / "there.mkv").write_bytes(b"old")
    cases = {
        source: "the film itself",
        tmp_path / "there.mkv": "exists already",
        tmp_path / "no" / "folder.mkv": "no folder",
        tmp_path / "new.xyz": "suffixes",
    }
    for target, message in cases.items():
        with pytest.raises((VideoError, UsageError), match=message):
            enlarge(source, target)
    assert (tmp_path / "there.mkv").read_bytes() == b"old"
    enlarge(source, tmp_path / "there.mkv", overwrite=True)
    assert len(frames_of(tmp_path / "there.mkv")) == 12


def test_progress_is_told_after_every_frame(tmp_path: Path) -> None:
    source = draw_film(tmp_path / "film.mkv")
    seen: list[Progress] = []
    with Film(source, tmp_path / "new.mkv", FAST) as film:
        assert film.plan.target_size == (128, 96)
        assert film.plan.disk is not None
        film.run(seen.append)
    assert [progress.frames for progress in seen] == list(range(1, 13))
    assert seen[-1].seconds == pytest.approx(0.48)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["film.mkv", "new.mkv"]
